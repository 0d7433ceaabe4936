// SPDX-License-Identifier: Apache-2.0
// mp/sync/rlock.hpp — a Lock that the thread which holds it may take again.
//
//     std::scoped_lock outer{rlock};
//     std::scoped_lock inner{rlock};   // the same thread: does not wait
//
// It is free again after as many releases as acquires. Everything else is as with Lock.
//
// Threads:   the owner is a thread; only it may release.
// Fork:      a child never owns what its parent held at the fork.
// Crash:     as with Lock; whoever takes it over holds it once.
// Throws:    NotOwner from release, when this thread does not hold it; the rest as Lock.
// Python:    multiprocessing.RLock, whose release by others is an AssertionError.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string_view>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/sync/handle.hpp"
#include "mp/sync/lock.hpp"

namespace mp {

namespace detail {
class Window;
}  // namespace detail

class MP_API RLock {
 public:
  RLock() : RLock{on_owner_death::raise} {}
  explicit RLock(on_owner_death policy);

  // Takes the lock, at once if this thread holds it already; otherwise waits as Lock does.
  bool acquire(Deadline until = Deadline::never());
  // Undoes one acquire of this thread.
  void release();

  void lock() { static_cast<void>(acquire()); }
  bool try_lock() { return acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) { return acquire(limit); }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> moment) {
    return acquire(detail::to_deadline(moment));
  }
  void unlock() { release(); }

  // As Lock::recover. Returns false at once if this thread holds the lock.
  bool recover();

  [[nodiscard]] bool locked() const;

  friend bool operator==(const RLock&, const RLock&) noexcept = default;
  // <RLock(owner=Process-1, count=2)>
  friend MP_API std::ostream& operator<<(std::ostream& out, const RLock& lock);

 private:
  friend struct detail::HandleCodec<RLock>;
  friend class Condition;
  friend class detail::Window;
  static constexpr const char* kNoun = "an RLock";
  static constexpr std::uint32_t kObjectType = 2;
  explicit RLock(detail::ObjectRef ref);

  detail::ObjectRef ref_;
};

template <>
struct codec<RLock> : detail::HandleCodec<RLock> {
  static constexpr std::string_view kName = "mp.RLock";
};

}  // namespace mp
