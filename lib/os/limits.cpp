// SPDX-License-Identifier: Apache-2.0
#include "os/limits.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include <sched.h>
#include <sys/resource.h>

#include "os/check.hpp"
#include "os/file.hpp"

namespace mp::os {

namespace {

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const noexcept { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, FreeCpuSet>;

// No machine has more; the kernel's own masks end far below.
constexpr std::size_t kMostCpus = std::size_t{1} << 20;

__rlimit_resource number_of(Limit which) noexcept {
  switch (which) {
    case Limit::address_space:
      return RLIMIT_AS;
    case Limit::core_size:
      return RLIMIT_CORE;
    case Limit::cpu_seconds:
      return RLIMIT_CPU;
    case Limit::data_size:
      return RLIMIT_DATA;
    case Limit::file_size:
      return RLIMIT_FSIZE;
    case Limit::locked_memory:
      return RLIMIT_MEMLOCK;
    case Limit::open_files:
      return RLIMIT_NOFILE;
    case Limit::processes:
      return RLIMIT_NPROC;
    case Limit::stack_size:
      return RLIMIT_STACK;
  }
  return RLIMIT_NLIMITS;  // the kernel answers EINVAL
}

static_assert(RLIM_INFINITY == kUnlimited);

// Files of the kernel's have no size.
std::string text_of(const std::string& path) {
  const File file = File::open_to_read(path);
  std::string text(4096, '\0');
  text.resize(file.read_at(0, std::as_writable_bytes(std::span{text})));
  return text;
}

}  // namespace

std::vector<int> affinity() {
  // The kernel refuses a mask that is shorter than its own.
  for (std::size_t cpus = 1024;; cpus *= 2) {
    const CpuSet set{CPU_ALLOC(cpus)};
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(bytes, set.get());
    const auto asked =
        call(Sys::sched_getaffinity, [&] { return ::sched_getaffinity(0, bytes, set.get()); });
    if (asked.error == EINVAL && cpus < kMostCpus) {
      continue;
    }
    check(asked);
    std::vector<int> usable;
    constexpr std::size_t kBits = std::numeric_limits<__cpu_mask>::digits;
    for (std::size_t word = 0; word != cpus / kBits; ++word) {  // most are empty
      for (__cpu_mask rest = set.get()->__bits[word]; rest != 0; rest &= rest - 1) {
        usable.push_back(static_cast<int>(word * kBits) + std::countr_zero(rest));
      }
    }
    return usable;
  }
}

void set_affinity(std::span<const int> cpus) {
  const int most = cpus.empty() ? 0 : *std::max_element(cpus.begin(), cpus.end());
  const auto count = static_cast<std::size_t>(std::max(most, 0)) + 1;
  const CpuSet set{CPU_ALLOC(count)};
  const std::size_t bytes = CPU_ALLOC_SIZE(count);
  CPU_ZERO_S(bytes, set.get());
  for (const int cpu : cpus) {
    if (cpu >= 0) {
      CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set.get());
    }
  }
  check(call(Sys::sched_setaffinity, [&] { return ::sched_setaffinity(0, bytes, set.get()); }));
}

int core_of(int cpu) noexcept {
  try {
    // "0,4" or "0-1": the first is the lowest.
    return std::stoi(text_of("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                             "/topology/thread_siblings_list"));
  } catch (const std::exception&) {
    return cpu;
  }
}

LimitValue limit(Limit which) {
  rlimit now{};
  check(call(Sys::getrlimit, [&] { return ::getrlimit(number_of(which), &now); }));
  return {now.rlim_cur, now.rlim_max};
}

void set_limit(Limit which, LimitValue value) {
  const rlimit wanted{value.soft, value.hard};
  check(call(Sys::setrlimit, [&] { return ::setrlimit(number_of(which), &wanted); }));
}

std::uint64_t memory_kills() noexcept {
  try {
    const std::string groups = text_of("/proc/self/cgroup");
    const std::size_t unified = groups.find("0::");
    if (unified == std::string::npos) {
      return 0;
    }
    const std::size_t begin = unified + 3;
    const std::string events =
        text_of("/sys/fs/cgroup" + groups.substr(begin, groups.find('\n', begin) - begin) +
                "/memory.events");
    const std::string_view label = "oom_kill ";
    const std::size_t at = events.find(label);
    return at == std::string::npos ? 0 : std::stoull(events.substr(at + label.size()));
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace mp::os
