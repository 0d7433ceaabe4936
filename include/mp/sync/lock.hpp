// SPDX-License-Identifier: Apache-2.0
// mp/sync/lock.hpp — mutual exclusion between threads and processes.
//
// A Lock is one 32-bit word in shared memory and a cheap handle to it. Where nobody contends,
// acquire and release are one atomic instruction each and never enter the kernel; a waiter spins
// for as long as that has paid lately, then sleeps.
//
// It meets std's TimedLockable, so std::scoped_lock and std::unique_lock work:
//
//     mp::Lock lock;
//     mp::Process child{[](mp::Lock lock) { std::scoped_lock hold{lock}; ... }, lock};
//
// Threads:   distinct Locks are independent; one Lock may be used from any number of threads, also
//            through one handle.
// Processes: a handle can be an argument, a message or a result; copies refer to the same lock. Any
//            thread of any process may release a lock, whoever took it.
// Fork:      an inherited handle works. A child never owns what its parent held at the fork.
// Crash:     if the process that holds the lock dies, acquire throws OwnerDied, in those who wait
//            already too, and the lock stays closed until recover(). What it guarded may be torn;
//            only the caller can know. With on_owner_death::release the next one just gets it. A
//            thread that ends while it holds a lock leaves it held as long as its process lives.
// Owns:      the word lives until the last handle in the last process is gone.
// Blocks:    acquire and lock until the lock is free; bound them with a timeout. A second acquire
//            by the thread that holds the lock waits like any other.
// Order:     what was written before a release is seen after the acquire that follows it, in
//            whichever process that is.
// Throws:    OwnerDied (also from the try_ forms); OverRelease from release; OutOfMemory;
//            WrongProcess if the object behind an inherited handle is gone; UsageError for a handle
//            that was moved from.
// Python:    multiprocessing.Lock, which leaves everybody waiting when its holder is killed.
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

namespace mp {

// What happens to a lock whose holder's process died.
enum class on_owner_death : std::uint8_t {  // NOLINT(readability-identifier-naming): an option
  raise,    // it stays closed, and acquire throws OwnerDied, until recover()
  release,  // whoever acquires it next takes it over and is told nothing
};

namespace detail {

// A moment on any clock, as a Deadline: the clock is read once, here, and what is left of it counts
// on the steady clock from then on.
template <class Clock, class Duration>
Deadline to_deadline(std::chrono::time_point<Clock, Duration> moment) {
  const auto now = Clock::now();
  return moment <= now ? Deadline::now() : Deadline{moment - now};
}

}  // namespace detail

class MP_API Lock {
 public:
  Lock() : Lock{on_owner_death::raise} {}
  explicit Lock(on_owner_death policy);

  // Waits until the lock is free and takes it, or gives up at `until` and returns false. Any
  // std::chrono duration converts; zero and negative ones do not wait.
  bool acquire(Deadline until = Deadline::never());
  // Releases the lock, whoever holds it. Throws OverRelease if nobody does.
  void release();

  // The same in std's words.
  void lock() { static_cast<void>(acquire()); }
  bool try_lock() { return acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) { return acquire(limit); }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> moment) {
    return acquire(detail::to_deadline(moment));
  }
  void unlock() { release(); }

  // Takes a lock whose owner died, and opens it: the caller mends what it guards, then releases.
  // Should somebody else have recovered it already, waits for it like lock(). Returns whether this
  // call was the one that recovered.
  bool recover();

  // Whether somebody holds it, or it is closed since its owner died. Old news on return.
  [[nodiscard]] bool locked() const;

  // Whether two handles refer to the same lock.
  friend bool operator==(const Lock&, const Lock&) noexcept = default;
  // <Lock(owner=Process-1)>: the process whose thread holds it.
  friend MP_API std::ostream& operator<<(std::ostream& out, const Lock& lock);

 private:
  friend struct detail::HandleCodec<Lock>;
  friend class Condition;
  static constexpr const char* kNoun = "a Lock";
  static constexpr std::uint32_t kObjectType = 2;
  explicit Lock(detail::ObjectRef ref);

  detail::ObjectRef ref_;
};

template <>
struct codec<Lock> : detail::HandleCodec<Lock> {
  static constexpr std::string_view kName = "mp.Lock";
};

}  // namespace mp
