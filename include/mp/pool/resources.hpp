// SPDX-License-Identifier: Apache-2.0
// mp/pool/resources.hpp — the CPUs and the memory that the workers of a pool may use.
//
//     mp::Pool pool{{.processes = 8, .pin = mp::Pinning::spread}};
//     mp::Pool careful{{.memory = {.soft = 1 << 30, .hard = std::uint64_t{4} << 30}}};
//
// Threads: values.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "mp/base/export.hpp"

namespace mp {

// Each worker on one CPU of its own, or shared evenly if there are more workers. Only CPUs that the
// process which makes the pool may use are given out.
class MP_API Pinning {
 public:
  enum Order : std::uint8_t {
    none,     // wherever the kernel puts them
    spread,   // one core after the other, and a second thread of a core when all have one
    compact,  // the threads of a core, then those of the next
  };
  Pinning(Order order = none) noexcept  // NOLINT(google-explicit-constructor): an order is a way
      : order_{order} {}
  // These CPUs, in this order; one that stands there twice is given out twice. What cannot be used
  // is a UsageError when the pool is made.
  Pinning(std::vector<int> cpus)  // NOLINT(google-explicit-constructor): a list is a way, too
      : order_{none}, cpus_{std::move(cpus)} {}

  [[nodiscard]] Order order() const noexcept { return order_; }
  [[nodiscard]] const std::vector<int>& cpus() const noexcept { return cpus_; }

 private:
  Order order_;
  std::vector<int> cpus_;
};

// How much memory a worker may have resident, in bytes; 0: any. What it shares with its parent
// since it was forked counts, shared memory does not.
//
// A worker above `soft` is replaced when it has ended its task. One above `hard` is killed; its
// task is run once more, by another worker, whatever its retries are, and if it goes above again it
// fails with MemoryExceeded. The pool looks as often as a worker that fills memory as fast as a
// machine can would need, and not while nothing runs.
struct MemoryCaps {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

}  // namespace mp
