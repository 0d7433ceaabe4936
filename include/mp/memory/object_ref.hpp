// SPDX-License-Identifier: Apache-2.0
// mp/memory/object_ref.hpp — a process-local reference to an object in shared memory.
//
// Every handle of mp (Lock, Queue, Value, ...) is an ObjectRef with a typed face. Copies share one
// count in this process; the process itself stands among the object's holders once, from its first
// reference to its last.
//
// Threads:   distinct references are independent, also those to the same object.
// Processes: the object is named by id(), which is good in every process of the tree.
// Fork:      an inherited reference does not count as held until it is first used in the child.
// Crash:     the references of a killed process count as gone.
// Owns:      a place among the object's holders; the last one out destroys the object.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "mp/base/export.hpp"

namespace mp::detail {

// One per object and process; the library keeps more behind it.
struct LocalObject {
  // The value of fork_generation when this process became a holder. Written under the lock; the
  // store, release, pairs with the looks of data() in other threads.
  std::atomic<std::uint32_t> generation;
};

// Counts the forks from the root of the tree down to this process. Changes in a forked child only,
// before any user code runs there.
extern MP_API std::uint32_t fork_generation;

class MP_API ObjectRef {
 public:
  ObjectRef() noexcept = default;
  ObjectRef(const ObjectRef& other) noexcept;
  ObjectRef(ObjectRef&& other) noexcept
      : local_{std::exchange(other.local_, nullptr)}, data_{std::exchange(other.data_, nullptr)} {}
  ObjectRef& operator=(const ObjectRef& other) noexcept;
  ObjectRef& operator=(ObjectRef&& other) noexcept;
  ~ObjectRef() { reset(); }

  // A reference to the object behind `id`, which a message or argument of this process holds.
  // `type` is the expected kind. Throws DecodeError when `id` names no such object.
  static ObjectRef from_id(std::uint64_t id, std::uint32_t type);

  explicit operator bool() const noexcept { return local_ != nullptr; }
  // The object's bytes. After a fork the first call makes the child a holder, or throws
  // WrongProcess when the object is gone. Expects: not empty.
  [[nodiscard]] std::byte* data() const {
    if (local_->generation.load(std::memory_order_acquire) != fork_generation) [[unlikely]] {
      adopt();
    }
    return data_;
  }
  // The same where that needs nothing done, and nullptr otherwise.
  [[nodiscard]] std::byte* data_at_hand() const noexcept {
    const bool is_held =
        local_ != nullptr && local_->generation.load(std::memory_order_acquire) == fork_generation;
    return is_held ? data_ : nullptr;
  }
  [[nodiscard]] std::uint64_t id() const;

  void reset() noexcept;
  friend bool operator==(const ObjectRef& a, const ObjectRef& b) noexcept {
    return a.local_ == b.local_;
  }

 private:
  friend struct ObjectRegistry;
  ObjectRef(LocalObject* local, std::byte* data) noexcept : local_{local}, data_{data} {}
  void adopt() const;

  LocalObject* local_ = nullptr;
  std::byte* data_ = nullptr;
};

}  // namespace mp::detail
