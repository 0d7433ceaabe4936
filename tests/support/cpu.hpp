// SPDX-License-Identifier: Apache-2.0
// support/cpu.hpp — which CPU a test runs on, and load on all of them.
#pragma once

#include <vector>

#include <sched.h>

#include "support/child.hpp"

namespace mp::test {

// The CPUs this process may use.
std::vector<int> usable_cpus();

// Keeps the calling thread, and the children it forks, on one CPU while it lives.
class PinnedCpu {
 public:
  explicit PinnedCpu(int cpu);
  PinnedCpu(const PinnedCpu&) = delete;
  PinnedCpu& operator=(const PinnedCpu&) = delete;
  ~PinnedCpu();

 private:
  cpu_set_t before_;
};

// `count` processes (default: one for each CPU) that do nothing but burn time, while it lives.
class BackgroundLoad {
 public:
  explicit BackgroundLoad(int count = 0);

 private:
  std::vector<Child> burners_;
};

}  // namespace mp::test
