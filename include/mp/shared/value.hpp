// SPDX-License-Identifier: Apache-2.0
// mp/shared/value.hpp — one value in shared memory, with a lock of its own (Value) or without
// (RawValue).
//
//     mp::Value<int> counter{5};
//     mp::Process child{[](mp::Value<int> counter) {
//       std::scoped_lock hold{counter.get_lock()};
//       *counter += 1;
//     }, counter};
//
// *counter is the shared int itself, at the price of memory: no lock is taken, nothing is checked.
// Where several threads or processes write, hold get_lock(), or use value() and set_value(), which
// take the lock for one access. A T is any trivially copyable type without pointers or views, or an
// atomic of one: RawValue<std::atomic<int>> needs no lock for a count. Where a structure is to have
// locks of its own, its members are the SegmentLock, SegmentSemaphore, SegmentEvent and
// SegmentQueue of segment_sync.hpp and segment_queue.hpp; a Lock is a handle, and belongs to its
// process.
//
// Threads:   a handle may be used by any number of threads; the value is guarded by the lock alone.
// Processes: a handle can be an argument, a message or a result; copies refer to the same value.
// Fork:      an inherited handle works. To count as a holder, so that the value stays when the
//            parent lets go of it, the child copies it, or calls anything but * and ->.
// Crash:     a process killed while it holds the lock leaves it closed, see Lock; it may have
//            changed the value by half.
// Owns:      the value lives until the last handle in the last process is gone.
// Throws:    OutOfMemory; what RLock throws; WrongProcess if the value behind an inherited handle
//            is gone.
// Python:    multiprocessing.Value and RawValue. x.value += 1 is two accesses here as there.
#pragma once

#include <concepts>
#include <mutex>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/codec/traits.hpp"
#include "mp/shared/window.hpp"
#include "mp/sync/rlock.hpp"

namespace mp {

namespace detail {

template <class T>
class ValueWindow {
 public:
  // The shared T itself.
  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return value_; }
  // The same, after making sure that this process counts as a holder.
  [[nodiscard]] T* get_obj() const { return reinterpret_cast<T*>(window_.data()); }

  friend bool operator==(const ValueWindow& a, const ValueWindow& b) noexcept {
    return a.window_ == b.window_;
  }

 protected:
  explicit ValueWindow(Window::Locked locked) : window_{1, sizeof(T), locked}, value_{get_obj()} {
    require_shareable<T>();
  }
  explicit ValueWindow(Window window) : window_{std::move(window)}, value_{get_obj()} {}

  template <class... Args>
  void build(Args&&... args) {
    if constexpr (std::is_constructible_v<T, Args...>) {
      ::new (static_cast<void*>(value_)) T(std::forward<Args>(args)...);
    } else {
      ::new (static_cast<void*>(value_)) T{std::forward<Args>(args)...};
    }
  }

  Window window_;
  T* value_;
};

template <class T, class... Args>
concept BuildsFrom = std::is_constructible_v<T, Args...> || requires {
  T{std::declval<Args>()...};
};

}  // namespace detail

// A value without a lock.
template <class T>
class RawValue : public detail::ValueWindow<T> {
 public:
  // Builds the value from `args`, in parentheses or braces; from none it is zero.
  template <class... Args>
  requires detail::BuildsFrom<T, Args...>
  explicit RawValue(Args&&... args) : Base{detail::Window::Locked::no} {
    this->build(std::forward<Args>(args)...);
  }
  RawValue(const RawValue&) = default;
  RawValue(RawValue&&) noexcept = default;
  RawValue& operator=(const RawValue&) = default;
  RawValue& operator=(RawValue&&) noexcept = default;
  ~RawValue() = default;

  [[nodiscard]] T value() const requires std::copy_constructible<T> { return *this->get_obj(); }
  void set_value(const T& value) const requires std::copyable<T> { *this->get_obj() = value; }

 private:
  using Base = detail::ValueWindow<T>;
  friend struct detail::RawWindowCodec<RawValue, T>;
  static constexpr const char* kNoun = "a RawValue";
  explicit RawValue(detail::Window window) : Base{std::move(window)} {}
};

// A value with a lock.
template <class T>
class Value : public detail::ValueWindow<T> {
 public:
  template <class... Args>
  requires detail::BuildsFrom<T, Args...>
  explicit Value(Args&&... args) : Base{kLocked}, lock_{this->window_.lock()} {
    this->build(std::forward<Args>(args)...);
  }
  // With a lock that is there already, and may guard more than this value.
  template <class... Args>
  requires detail::BuildsFrom<T, Args...>
  explicit Value(detail::LockedBy by, Args&&... args)
      : Base{detail::Window::Locked::no}, lock_{std::move(by.lock)} {
    this->build(std::forward<Args>(args)...);
  }
  Value(const Value&) = default;
  Value(Value&&) noexcept = default;
  Value& operator=(const Value&) = default;
  Value& operator=(Value&&) noexcept = default;
  ~Value() = default;

  // The lock that lies beside the value, or was given. A reference, for std::scoped_lock; copies
  // refer to it too.
  [[nodiscard]] RLock& get_lock() const noexcept { return lock_; }

  // Reads or writes under the lock.
  [[nodiscard]] T value() const requires std::copy_constructible<T> {
    const std::lock_guard hold{lock_};
    return *this->value_;
  }
  void set_value(const T& value) const requires std::copyable<T> {
    const std::lock_guard hold{lock_};
    *this->value_ = value;
  }

  // The lock's, so that std::scoped_lock hold{value} works.
  bool acquire(Deadline until = Deadline::never()) const { return lock_.acquire(until); }
  void release() const { lock_.release(); }
  void lock() const { lock_.lock(); }
  bool try_lock() const { return lock_.try_lock(); }
  void unlock() const { lock_.unlock(); }

 private:
  using Base = detail::ValueWindow<T>;
  static constexpr auto kLocked = detail::Window::Locked::yes;
  friend struct detail::LockedWindowCodec<Value, T>;
  static constexpr const char* kNoun = "a Value";
  Value(detail::Window window, RLock lock) : Base{std::move(window)}, lock_{std::move(lock)} {}

  mutable RLock lock_;
};

template <class T>
struct codec<RawValue<T>> : detail::RawWindowCodec<RawValue<T>, T> {
  static constexpr std::string_view kName = "mp.RawValue";
};
template <class T>
struct codec<Value<T>> : detail::LockedWindowCodec<Value<T>, T> {
  static constexpr std::string_view kName = "mp.Value";
};

}  // namespace mp
