// SPDX-License-Identifier: Apache-2.0
// mp/manager/sync_proxies.hpp — locks, semaphores, events, conditions and barriers of a server.
//
// They mean what Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition and Barrier mean, for
// processes that share no memory, on any machine. A call that waits costs the server a record.
//
//     auto lock = manager.Lock();
//     std::scoped_lock hold{lock};
//
// Threads, Processes, Fork, Blocks: as RawProxy. An RLock and the lock of a Condition belong to a
//            thread of a process.
// Crash:     when the process that holds a lock ends, acquire throws OwnerDied, in those who wait
//            already too, and the lock stays closed until recover(). The permits of a
//            BoundedSemaphore that it had are given back. A Barrier at which it waited is broken.
//            The server learns of the end at once on its machine, and after its lease (10 s)
//            of a machine that is no longer there.
// Throws:    OwnerDied, NotOwner, OverRelease, BrokenBarrier; and as RawProxy.
// Python:    AcquirerProxy, ConditionProxy, EventProxy, BarrierProxy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/manager/raw_proxy.hpp"

namespace mp {

namespace detail {

// A deadline as it travels: nanoseconds from now, negative for never.
[[nodiscard]] MP_API std::int64_t to_wire(Deadline until) noexcept;

// What LockProxy, RLockProxy and ConditionProxy have in common.
class MP_API LockLikeProxy {
 public:
  bool acquire(Deadline until = Deadline::never()) const;
  void release() const;
  void lock() const { static_cast<void>(acquire()); }
  bool try_lock() const { return acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) const { return acquire(limit); }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> moment) const {
    const auto now = Clock::now();
    return acquire(moment <= now ? Deadline::now() : Deadline{moment - now});
  }
  void unlock() const { release(); }
  // Takes a lock whose owner died, or waits for it if somebody has recovered it already. Returns
  // whether this call recovered it.
  bool recover() const;
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 protected:
  LockLikeProxy(RawProxy raw, std::string_view type);
  ~LockLikeProxy() = default;
  LockLikeProxy(const LockLikeProxy&) = default;
  LockLikeProxy(LockLikeProxy&&) = default;
  LockLikeProxy& operator=(const LockLikeProxy&) = default;
  LockLikeProxy& operator=(LockLikeProxy&&) = default;
  RawProxy raw_;
};

}  // namespace detail

class MP_API LockProxy : public detail::LockLikeProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.LockProxy";
  explicit LockProxy(RawProxy raw) : LockLikeProxy{std::move(raw), "Lock"} {}
  [[nodiscard]] bool locked() const { return raw_.call<bool>("locked"); }
};

class MP_API RLockProxy : public detail::LockLikeProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.RLockProxy";
  explicit RLockProxy(RawProxy raw) : LockLikeProxy{std::move(raw), "RLock"} {}
  [[nodiscard]] bool locked() const { return raw_.call<bool>("locked"); }
};

class MP_API ConditionProxy : public detail::LockLikeProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.ConditionProxy";
  explicit ConditionProxy(RawProxy raw) : LockLikeProxy{std::move(raw), "Condition"} {}

  // Opens the lock, waits to be notified, and takes the lock again. False: the time was over.
  bool wait(Deadline until = Deadline::never()) const {
    return raw_.call<bool>("wait", detail::to_wire(until));
  }
  // Waits until `predicate`, which is asked here, is true; returns what it returned last.
  template <class Predicate>
  auto wait_for(Predicate predicate, Deadline until = Deadline::never()) const {
    for (;;) {
      auto result = predicate();
      if (result || !wait(until)) {
        return result ? result : predicate();
      }
    }
  }
  void notify(std::uint64_t n = 1) const { raw_.call("notify", n); }
  void notify_one() const { notify(1); }
  void notify_all() const { raw_.call("notify_all"); }
};

namespace detail {

class MP_API SemaphoreLikeProxy {
 public:
  bool acquire(Deadline until = Deadline::never()) const {
    return raw_.call<bool>("acquire", to_wire(until));
  }
  bool try_acquire() const { return acquire(Deadline::now()); }
  bool try_acquire_for(Deadline limit) const { return acquire(limit); }
  void release(std::uint64_t n = 1) const { raw_.call("release", n); }
  void lock() const { static_cast<void>(acquire()); }
  bool try_lock() const { return acquire(Deadline::now()); }
  void unlock() const { release(); }
  [[nodiscard]] std::size_t get_value() const { return raw_.call<std::uint64_t>("get_value"); }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 protected:
  SemaphoreLikeProxy(RawProxy raw, std::string_view type);
  RawProxy raw_;
};

}  // namespace detail

class MP_API SemaphoreProxy : public detail::SemaphoreLikeProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.SemaphoreProxy";
  explicit SemaphoreProxy(RawProxy raw) : SemaphoreLikeProxy{std::move(raw), "Semaphore"} {}
};

class MP_API BoundedSemaphoreProxy : public detail::SemaphoreLikeProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.BoundedSemaphoreProxy";
  explicit BoundedSemaphoreProxy(RawProxy raw)
      : SemaphoreLikeProxy{std::move(raw), "BoundedSemaphore"} {}
};

class EventProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.EventProxy";
  explicit EventProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "Event", {});
  }
  [[nodiscard]] bool is_set() const { return raw_.call<bool>("is_set"); }
  void set() const { raw_.call("set"); }
  void clear() const { raw_.call("clear"); }
  // Returns whether it is set; false: the time was over.
  bool wait(Deadline until = Deadline::never()) const {
    return raw_.call<bool>("wait", detail::to_wire(until));
  }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 private:
  RawProxy raw_;
};

class BarrierProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.BarrierProxy";
  explicit BarrierProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "Barrier", {});
  }
  // Waits for the others; returns a number from 0 to parties - 1, a different one for each.
  int wait(Deadline until = Deadline::never()) const {
    return static_cast<int>(raw_.call<std::uint64_t>("wait", detail::to_wire(until)));
  }
  void abort() const { raw_.call("abort"); }
  void reset() const { raw_.call("reset"); }
  [[nodiscard]] int parties() const {
    return static_cast<int>(raw_.call<std::uint64_t>("parties"));
  }
  [[nodiscard]] int n_waiting() const {
    return static_cast<int>(raw_.call<std::uint64_t>("n_waiting"));
  }
  [[nodiscard]] bool broken() const { return raw_.call<bool>("broken"); }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 private:
  RawProxy raw_;
};

template <>
struct codec<LockProxy> : detail::ProxyCodec<LockProxy> {};
template <>
struct codec<RLockProxy> : detail::ProxyCodec<RLockProxy> {};
template <>
struct codec<ConditionProxy> : detail::ProxyCodec<ConditionProxy> {};
template <>
struct codec<SemaphoreProxy> : detail::ProxyCodec<SemaphoreProxy> {};
template <>
struct codec<BoundedSemaphoreProxy> : detail::ProxyCodec<BoundedSemaphoreProxy> {};
template <>
struct codec<EventProxy> : detail::ProxyCodec<EventProxy> {};
template <>
struct codec<BarrierProxy> : detail::ProxyCodec<BarrierProxy> {};

}  // namespace mp
