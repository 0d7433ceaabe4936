// SPDX-License-Identifier: Apache-2.0
// support/peer.hpp — the other parties of a benchmark: processes, or threads for what is no channel
// between processes.
#pragma once

#include <csignal>
#include <ctime>
#include <thread>
#include <utility>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/processes.hpp"

namespace mp::bench {

// Runs `body` in a forked process, and waits for its end when the object goes. It dies with this
// process, so that a benchmark that is killed leaves nobody behind.
class Peer {
 public:
  static constexpr bool kIsThread = false;

  template <class Body>
  explicit Peer(Body&& body) : pid_{::fork()} {
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      ::_exit(0);
    }
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    ::waitpid(pid_, nullptr, 0);
    memory::bury_the_dead();
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill() const { ::kill(pid_, SIGKILL); }
  // CPU time of the process so far, in nanoseconds.
  [[nodiscard]] double cpu_ns() const {
    clockid_t clock = 0;
    timespec used{};
    if (::clock_getcpuclockid(pid_, &clock) == 0) {
      ::clock_gettime(clock, &used);
    }
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
  }

 private:
  pid_t pid_;
};

class ThreadPeer {
 public:
  static constexpr bool kIsThread = true;

  template <class Body>
  explicit ThreadPeer(Body&& body) : thread_{std::forward<Body>(body)} {}
  ThreadPeer(const ThreadPeer&) = delete;
  ThreadPeer& operator=(const ThreadPeer&) = delete;
  ~ThreadPeer() { thread_.join(); }

  // What the thread uses is counted with this process.
  [[nodiscard]] static double cpu_ns() { return 0; }

 private:
  std::thread thread_;
};

}  // namespace mp::bench
