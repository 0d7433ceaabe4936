// SPDX-License-Identifier: Apache-2.0
// peer.hpp — the other process of a benchmark, and the CPUs of both.
#pragma once

#include <vector>

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/processes.hpp"

namespace mp::bench {

inline const std::vector<int>& cpus() {
  static const std::vector<int> usable = [] {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    std::vector<int> found;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) {
        found.push_back(cpu);
      }
    }
    return found;
  }();
  return usable;
}

inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// A forked process that runs `body` on the last CPU, or on the first beside its parent; it is
// killed at the end. This process is pinned to the first CPU meanwhile.
class Peer {
 public:
  template <class F>
  Peer(bool on_one_cpu, F&& body) {
    sched_getaffinity(0, sizeof before_, &before_);
    const int first = cpus().front();
    pin(first);
    pid_ = fork();
    if (pid_ == 0) {
      pin(on_one_cpu ? first : cpus().back());
      body();
      _exit(0);
    }
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    mp::memory::bury_the_dead();
    sched_setaffinity(0, sizeof before_, &before_);
  }

 private:
  pid_t pid_;
  cpu_set_t before_;
};

}  // namespace mp::bench
