// SPDX-License-Identifier: Apache-2.0
// mp/memory/waitable.hpp — anything that can be waited for together with others (mp::wait).
//
// A Waitable is made, without being asked for, from a Connection, a Queue, an Event, a Process, its
// sentinel, a Listener, and any descriptor. It is ready when
//
//     Connection    recv would not wait: there is a message, or the end of file
//     Queue         get would not wait: there is an item, or the queue is closed or shut down
//     Event         it is set
//     Process       it has ended
//     Listener      somebody has connected
//     descriptor    it is readable, at its end, or failed
//
// Two of them are equal when they stand for the same thing, so a result can be compared with what
// it was made from: `ready.front() == connection`.
//
// Threads:   a value.
// Processes: usable in the process that made it.
// Owns:      a share in the thing, but not a descriptor, nor a process's sentinel.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "mp/base/export.hpp"

namespace mp {

class Waitable;

namespace detail {

class WaitSource;

template <class T>
concept MakesWaitable = requires(const T& thing) {
  { thing.waitable() } -> std::same_as<Waitable>;
};

}  // namespace detail

class MP_API Waitable {
 public:
  Waitable(int fd) noexcept : fd_{fd} {}  // NOLINT(google-explicit-constructor)
  template <class T>
  requires detail::MakesWaitable<T> Waitable(const T& thing)  // NOLINT(google-explicit-constructor)
      : Waitable{thing.waitable()} {}
  // `identity` tells things apart.
  Waitable(std::shared_ptr<detail::WaitSource> source, const void* identity) noexcept
      : source_{std::move(source)}, identity_{identity} {}

  friend bool operator==(const Waitable& a, const Waitable& b) noexcept {
    return a.fd_ == b.fd_ && a.identity_ == b.identity_;
  }

  // For mp::wait: the source, or if there is none the descriptor.
  [[nodiscard]] const std::shared_ptr<detail::WaitSource>& source() const noexcept {
    return source_;
  }
  [[nodiscard]] int descriptor() const noexcept { return fd_; }

 private:
  std::shared_ptr<detail::WaitSource> source_;
  const void* identity_ = nullptr;
  int fd_ = -1;
};

}  // namespace mp
