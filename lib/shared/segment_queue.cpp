// SPDX-License-Identifier: Apache-2.0
// Two locks, one for either end, and one store that commits: before it nothing is visible, after it
// nothing is owed. So the death of whoever holds a lock needs no repair, and the lock goes on.
//
// Invariants
//   S1  `position` of an end changes under that end's lock alone, by one store, after the item was
//       copied. A reader that is killed before its store leaves the item to the next.
//   S2  Wake-ups are done under the lock, so whoever is killed between its store and its wake-up
//       leaves a lock whose next holder is told, and wakes in its place. Behind that stand slices.
//   S3  Nobody sleeps with a lock. Positions return to a value only after 2^31 items, so a sleeper
//       that compared one misses no change.
//   S4  Positions are only believed as far as they lead to a cell.
#include "mp/shared/segment_queue.hpp"

#include <algorithm>
#include <chrono>

#include "mp/errors/error.hpp"

#include "os/futex.hpp"
#include "os/robust_mutex.hpp"

namespace mp::detail {

namespace {

constexpr std::chrono::seconds kSlice{1};
// How long the forms that do not wait do wait for another's copying: without that they would say
// "full" of a queue that has room. Who holds the lock for longer was stopped.
constexpr std::chrono::milliseconds kPatience{10};

// Positions count modulo this: a multiple of the number of cells, so that they wrap together.
constexpr std::uint32_t wrap_of(std::uint32_t cells) {
  return (1U << 31) / cells * cells;
}

std::uint32_t distance(std::uint32_t puts, std::uint32_t gets, std::uint32_t cells) {
  const std::uint32_t count = puts >= gets ? puts - gets : puts + wrap_of(cells) - gets;
  if (count > cells || puts >= wrap_of(cells) || gets >= wrap_of(cells)) {
    throw SegmentBroken{"somebody overwrote a queue in a segment"};
  }
  return count;
}

std::uint32_t next(std::uint32_t position, std::uint32_t cells) {
  return position + 1 == wrap_of(cells) ? 0 : position + 1;
}

}  // namespace

// Holds the lock of one end.
class SegmentRing::Turn {
 public:
  Turn(End& end, Deadline until)
      : end_{end}, result_{os::robust_lock(end.lock.data(), Deadline::now())} {
    if (result_ == os::Robust::busy) {
      result_ = os::robust_lock(end.lock.data(), std::max(until, Deadline{kPatience}));
    }
    if (result_ == os::Robust::owner_died) {
      wake(end, os::kEverybody);  // S2; before it goes on, or it would be owed again
      os::robust_go_on(end.lock.data());
    }
  }
  ~Turn() {
    if (*this) {
      os::robust_unlock(end_.lock.data());
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const noexcept { return result_ != os::Robust::busy; }

 private:
  End& end_;
  os::Robust result_;
};

SegmentRing::SegmentRing() {
  static_assert(sizeof(End) == 128 && alignof(End) == 8 &&
                sizeof(End::lock) == os::kRobustMutexSize);
  os::robust_init(puts_.lock.data());
  os::robust_init(gets_.lock.data());
}

void SegmentRing::wake(End& end, int n) {
  if (end.others.load() != 0) {
    (void)os::futex_wake(end.position, n);
  }
}

// Returns whether there may be something to do.
bool SegmentRing::sleep(End& other, std::uint32_t seen, Deadline until) {
  if (until.passed()) {
    return false;
  }
  // Counted for the waker's sake alone: one that is killed here leaves wake-ups too many.
  other.others.fetch_add(1);
  (void)os::futex_wait(other.position, seen, until.no_later_than(kSlice));
  other.others.fetch_sub(1);
  return true;
}

bool SegmentRing::put(MutableByteView cells, ByteView item, Deadline until) {
  const auto most = static_cast<std::uint32_t>(cells.size() / item.size());
  for (;;) {
    std::uint32_t gets = 0;
    {
      const Turn turn{puts_, until};
      if (!turn) {
        return false;
      }
      const std::uint32_t puts = puts_.position.load(std::memory_order_relaxed);  // S1
      gets = gets_.position.load();
      if (distance(puts, gets, most) < most) {
        copy_bytes(cells.data() + puts % most * item.size(), item.data(), item.size());
        puts_.position.store(next(puts, most));  // the commit
        wake(puts_, 1);
        return true;
      }
    }
    if (!sleep(gets_, gets, until)) {
      return false;
    }
  }
}

bool SegmentRing::get(ByteView cells, MutableByteView item, Deadline until) {
  const auto most = static_cast<std::uint32_t>(cells.size() / item.size());
  for (;;) {
    std::uint32_t puts = 0;
    {
      const Turn turn{gets_, until};
      if (!turn) {
        return false;
      }
      const std::uint32_t gets = gets_.position.load(std::memory_order_relaxed);  // S1
      puts = puts_.position.load();
      if (distance(puts, gets, most) != 0) {
        copy_bytes(item.data(), cells.data() + gets % most * item.size(), item.size());
        gets_.position.store(next(gets, most));  // the commit
        wake(gets_, 1);
        return true;
      }
    }
    if (!sleep(puts_, puts, until)) {
      return false;
    }
  }
}

std::uint32_t SegmentRing::size(std::uint32_t most) const {
  const std::uint32_t gets = gets_.position.load();  // first: it is never ahead of the other
  const std::uint32_t puts = puts_.position.load();
  const std::uint32_t count = puts >= gets ? puts - gets : puts + wrap_of(most) - gets;
  return count < most ? count : most;
}

void throw_segment_queue_full() {
  throw Full{};
}

void throw_segment_queue_empty() {
  throw Empty{};
}

}  // namespace mp::detail
