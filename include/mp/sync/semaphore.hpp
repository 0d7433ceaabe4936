// SPDX-License-Identifier: Apache-2.0
// mp/sync/semaphore.hpp — a number of permits that processes take and give.
//
// A Semaphore counts: signals that were raised, slots that are free. Whoever acquires need not be
// the one who releases, so its permits belong to nobody, and one that a killed process had taken
// stays taken. A BoundedSemaphore guards resources: each permit belongs to the process that
// acquired it, comes back when that process dies, and there are never more of them than at first.
//
//     mp::BoundedSemaphore connections{4};
//     { std::scoped_lock hold{connections}; ... }   // at most four at a time
//
// Semaphore{n, mp::owned} is a BoundedSemaphore under the other name.
//
// Threads:   any number, also through one handle. Semaphore::release may be called from a signal
//            handler of a thread that has used mp before.
// Processes: a handle can be an argument, a message or a result; copies refer to the same permits.
//            Any process may release; one that owns no permit gives back another's.
// Fork:      an inherited handle works. A child owns none of its parent's permits.
// Crash:     see above. The permits of a dead process are back at once when its parent sees the
//            death, and otherwise within a second of somebody waiting for one.
// Owns:      the permits live until the last handle in the last process is gone.
// Blocks:    acquire, until there is a permit; bound it with a timeout.
// Order:     what was written before a release is seen after the acquire that takes its permit.
// Throws:    OverRelease; UsageError for a count below 0 or above the maximum; OutOfMemory;
//            WrongProcess if the object behind an inherited handle is gone.
// Python:    multiprocessing.Semaphore and BoundedSemaphore, which lose what the dead held.
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

// Asks for permits that come back from the dead.
struct Owned {
  explicit Owned() = default;
};
inline constexpr Owned owned{};

namespace detail {

// What both kinds do.
class MP_API SemaphoreHandle {
 public:
  // The most permits a semaphore can have: counted ones, and owned ones.
  static constexpr std::int64_t kMost = 0x7fffffff;
  static constexpr std::int64_t kMostOwned = 1 << 20;

  // Takes a permit, or gives up at `until` and returns false.
  bool acquire(Deadline until = Deadline::never());
  // Gives back `n` permits. Throws OverRelease, and gives none, if there would be too many.
  void release(std::int64_t n = 1);

  void lock() { static_cast<void>(acquire()); }
  bool try_acquire() { return acquire(Deadline::now()); }
  bool try_lock() { return acquire(Deadline::now()); }
  bool try_lock_for(Deadline limit) { return acquire(limit); }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> moment) {
    return acquire(to_deadline(moment));
  }
  void unlock() { release(); }

  // How many permits are free, and whether none is. Old news on return.
  [[nodiscard]] int get_value() const;
  [[nodiscard]] bool locked() const { return get_value() == 0; }

  friend bool operator==(const SemaphoreHandle&, const SemaphoreHandle&) noexcept = default;
  // <BoundedSemaphore(value=1, maxvalue=3)>
  friend MP_API std::ostream& operator<<(std::ostream& out, const SemaphoreHandle& semaphore);

 protected:
  enum class Kind : std::uint32_t { counted = 1, owned = 2 };
  SemaphoreHandle(std::int64_t permits, Kind kind);
  SemaphoreHandle(ObjectRef ref, bool owned_only);
  static constexpr std::uint32_t kObjectType = 3;

  ObjectRef ref_;
};

}  // namespace detail

class MP_API Semaphore : public detail::SemaphoreHandle {
 public:
  explicit Semaphore(std::int64_t permits = 1) : SemaphoreHandle{permits, Kind::counted} {}
  Semaphore(std::int64_t permits, Owned) : SemaphoreHandle{permits, Kind::owned} {}

 private:
  friend struct detail::HandleCodec<Semaphore>;
  static constexpr const char* kNoun = "a Semaphore";
  explicit Semaphore(detail::ObjectRef ref) : SemaphoreHandle{std::move(ref), false} {}
};

class MP_API BoundedSemaphore : public detail::SemaphoreHandle {
 public:
  explicit BoundedSemaphore(std::int64_t permits = 1) : SemaphoreHandle{permits, Kind::owned} {}

 private:
  friend struct detail::HandleCodec<BoundedSemaphore>;
  static constexpr const char* kNoun = "a BoundedSemaphore";
  explicit BoundedSemaphore(detail::ObjectRef ref) : SemaphoreHandle{std::move(ref), true} {}
};

template <>
struct codec<Semaphore> : detail::HandleCodec<Semaphore> {
  static constexpr std::string_view kName = "mp.Semaphore";
};
template <>
struct codec<BoundedSemaphore> : detail::HandleCodec<BoundedSemaphore> {
  static constexpr std::string_view kName = "mp.BoundedSemaphore";
};

}  // namespace mp
