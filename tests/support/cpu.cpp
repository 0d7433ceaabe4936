// SPDX-License-Identifier: Apache-2.0
#include "support/cpu.hpp"

#include <atomic>
#include <csignal>
#include <system_error>

#include <sys/prctl.h>

namespace mp::test {

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) {
      cpus.push_back(cpu);
    }
  }
  return cpus;
}

PinnedCpu::PinnedCpu(int cpu) : before_{} {
  ::sched_getaffinity(0, sizeof before_, &before_);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    throw std::system_error{errno, std::system_category(), "sched_setaffinity"};
  }
}

PinnedCpu::~PinnedCpu() {
  ::sched_setaffinity(0, sizeof before_, &before_);
}

BackgroundLoad::BackgroundLoad(int count) {
  const int wanted = count > 0 ? count : static_cast<int>(usable_cpus().size());
  burners_.reserve(static_cast<std::size_t>(wanted));
  for (int i = 0; i < wanted; ++i) {
    burners_.emplace_back([] {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::atomic<unsigned> turns{0};
      for (;;) {
        turns.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
}

}  // namespace mp::test
