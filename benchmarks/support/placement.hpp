// SPDX-License-Identifier: Apache-2.0
// support/placement.hpp — on which CPUs the parties of a benchmark sit.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <sched.h>

namespace mp::bench {

enum class Placement { two_cpus, one_cpu };

// The last part of a name.
inline std::string suffix(Placement placement) {
  return placement == Placement::two_cpus ? "/2cpu" : "/1cpu";
}

// The CPUs that this process might use when it began.
inline const std::vector<int>& cpus() {
  static const std::vector<int> usable = [] {
    cpu_set_t set;
    ::sched_getaffinity(0, sizeof set, &set);
    std::vector<int> found;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) {
        found.push_back(cpu);
      }
    }
    return found;
  }();
  return usable;
}

// What can be had here.
inline std::vector<Placement> placements() {
  return cpus().size() < 2 ? std::vector{Placement::one_cpu}
                           : std::vector{Placement::two_cpus, Placement::one_cpu};
}

// The first party sits on the first CPU, the second beside it or on the last.
inline int cpu_of(Placement placement, int party) {
  return party == 0 || placement == Placement::one_cpu ? cpus().front() : cpus().back();
}

// Keeps this thread on one CPU from here on.
inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

// Keeps this thread on one CPU for as long as it lives.
class Pinned {
 public:
  explicit Pinned(int cpu) {
    static_cast<void>(cpus());
    ::sched_getaffinity(0, sizeof before_, &before_);
    pin(cpu);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

}  // namespace mp::bench
