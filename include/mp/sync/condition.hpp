// SPDX-License-Identifier: Apache-2.0
// mp/sync/condition.hpp — waiting, with a lock in hand, until somebody says that things changed.
//
//     mp::Condition changed;
//     {                                             {
//       std::unique_lock hold{changed};               std::scoped_lock hold{changed};
//       changed.wait(hold, [&] { return *n == 1; });   *n = 1;
//     }                                               changed.notify_all();
//                                                   }
//
// A Condition has a lock, an RLock of its own or one that is given to it, and is itself lockable.
// notify(n) wakes as many as n of those who wait at that moment, in the order in which they came,
// and nobody else; it does not wait for them.
//
// Threads:   any number, also through one handle.
// Processes: a handle can be an argument, a message or a result; copies refer to the same condition
//            and lock.
// Fork:      an inherited handle works.
// Crash:     a waiter that is killed is no longer counted among those who wait. One killed after it
//            was notified has had its notification. If the lock's owner dies, see Lock: wait throws
//            OwnerDied then, without the lock.
// Owns:      the condition lives until the last handle in the last process is gone.
// Blocks:    wait, until notified and the lock is free again. The timeout bounds the first of the
//            two only.
// Throws:    NotOwner from wait and notify if this thread does not hold the lock; OwnerDied and all
//            else that RLock throws; OutOfMemory.
// Python:    multiprocessing.Condition, whose notify waits until those it woke have confirmed.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/sync/handle.hpp"
#include "mp/sync/lock.hpp"
#include "mp/sync/rlock.hpp"

namespace mp {

class MP_API Condition {
 public:
  Condition() : Condition{RLock{}} {}
  explicit Condition(const RLock& lock);
  explicit Condition(const Lock& lock);

  // The lock's.
  bool acquire(Deadline until = Deadline::never());
  void release();
  void lock() { static_cast<void>(acquire()); }
  bool try_lock() { return acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) { return acquire(limit); }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> moment) {
    return acquire(detail::to_deadline(moment));
  }
  void unlock() { release(); }
  bool recover();
  [[nodiscard]] bool locked() const;

  // Releases the lock, however often this thread holds it, waits to be notified, and takes the lock
  // back. Returns false when it was not notified before `until`.
  bool wait(Deadline until = Deadline::never());
  // Waits until `predicate()` holds, and returns its last value, which is false when the time is
  // up.
  template <class Predicate>
  auto wait_for(Predicate predicate, Deadline until = Deadline::never()) -> decltype(predicate()) {
    for (;;) {
      auto value = predicate();
      if (static_cast<bool>(value)) {
        return value;
      }
      if (!wait(until)) {
        return predicate();
      }
    }
  }

  // std's forms, with a lock on this condition, or on the lock it was given.
  template <class Hold>
  requires requires(Hold& hold) { hold.owns_lock(); }
  void wait(Hold& hold) {
    expect_held(hold.owns_lock());
    static_cast<void>(wait());
  }
  template <class Hold, class Predicate>
  requires requires(Hold& hold) { hold.owns_lock(); }
  void wait(Hold& hold, Predicate predicate) {
    expect_held(hold.owns_lock());
    static_cast<void>(wait_for(std::move(predicate)));
  }
  template <class Hold, class Rep, class Period, class Predicate>
  requires requires(Hold& hold) { hold.owns_lock(); }
  bool wait_for(Hold& hold, std::chrono::duration<Rep, Period> limit, Predicate predicate) {
    expect_held(hold.owns_lock());
    return static_cast<bool>(wait_for(std::move(predicate), Deadline{limit}));
  }
  template <class Hold, class Clock, class Duration, class Predicate>
  requires requires(Hold& hold) { hold.owns_lock(); }
  bool wait_until(Hold& hold, std::chrono::time_point<Clock, Duration> moment,
                  Predicate predicate) {
    expect_held(hold.owns_lock());
    return static_cast<bool>(wait_for(std::move(predicate), detail::to_deadline(moment)));
  }

  // Wakes as many as `n` waiters. Returns how many there were.
  int notify(int n = 1);
  int notify_one() { return notify(1); }
  int notify_all();

  friend bool operator==(const Condition&, const Condition&) noexcept = default;
  // <Condition(<RLock(owner=None)>)>
  friend MP_API std::ostream& operator<<(std::ostream& out, const Condition& condition);

 private:
  friend struct codec<Condition>;
  static constexpr const char* kNoun = "a Condition";
  static constexpr std::uint32_t kObjectType = 4;
  static constexpr std::uint32_t kLockType = 2;
  Condition(detail::ObjectRef ref, detail::ObjectRef lock) noexcept
      : ref_{std::move(ref)}, lock_{std::move(lock)} {}
  static void expect_held(bool held);

  detail::ObjectRef ref_;
  detail::ObjectRef lock_;  // an RLock or a Lock
};

template <>
struct codec<Condition> {
  static constexpr std::string_view kName = "mp.Condition";
  static constexpr std::size_t kMinSize = 2 * sizeof(std::uint64_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const Condition& condition) {
    out.put_object(condition.ref_.id(), Condition::kNoun);
    out.put_object(condition.lock_.id(), Condition::kNoun);
  }
  static Condition read(Reader& in) {
    auto ref = detail::ObjectRef::from_id(in.take_object(Condition::kNoun), Condition::kObjectType);
    auto lock = detail::ObjectRef::from_id(in.take_object(Condition::kNoun), Condition::kLockType);
    return Condition{std::move(ref), std::move(lock)};
  }
};

}  // namespace mp
