// SPDX-License-Identifier: Apache-2.0
// os/limits.hpp — what this process may use: CPUs, and resources with a limit.
//
// Threads: the affinity is the calling thread's, inherited by threads and processes it makes;
//          limits are the process's.
// Throws:  OsError (EINVAL, EPERM).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mp::os {

// The CPUs the calling thread may run on, in ascending order.
[[nodiscard]] std::vector<int> affinity();
void set_affinity(std::span<const int> cpus);
// The lowest of the CPUs that are threads of the same core as this one; itself if that is unknown.
[[nodiscard]] int core_of(int cpu) noexcept;

enum class Limit : std::uint8_t {
  address_space,
  core_size,
  cpu_seconds,
  data_size,
  file_size,
  locked_memory,
  open_files,
  processes,
  stack_size,
};
inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

struct LimitValue {
  std::uint64_t soft;
  std::uint64_t hard;
};

// How often the kernel has killed a process of this one's control group for lack of memory; 0 where
// that cannot be known.
[[nodiscard]] std::uint64_t memory_kills() noexcept;

[[nodiscard]] LimitValue limit(Limit which);
void set_limit(Limit which, LimitValue value);

}  // namespace mp::os
