// SPDX-License-Identifier: Apache-2.0
// Design.  Counted permits are a number, and sleepers a flag beside it, handled as the lock's are
// (lock_word.hpp, L2 and L3): who slept puts the flag back up, and it comes down after a wake-up
// that found fewer sleepers than it was for.
// Owned permits are cells. Taking one is a CAS of a cell from nobody to this process, giving it
// back the CAS back; how many are free is not stored anywhere. So a kill leaves every permit either
// free or with the name of the dead on it, and the sweep clears those.
#include "mp/sync/semaphore.hpp"

#include <array>
#include <chrono>
#include <optional>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/gate.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"
#include "memory/spinner.hpp"
#include "sync/lock_object.hpp"
#include "sync/sync_layout.hpp"
#include "sync/whereabouts.hpp"

namespace mp {

namespace {

using layout::kSemaphorePermits;
using layout::kSemaphoreSleepers;
using layout::PermitCell;
using layout::SemaphoreObject;
using memory::ProcessId;
using namespace std::chrono_literals;

PermitCell* cells_of(SemaphoreObject& object) noexcept {
  return reinterpret_cast<PermitCell*>(&object + 1);
}

memory::Spinner& spinner_of(const SemaphoreObject& object) noexcept {
  static std::array<memory::Spinner, 16> spinners;
  return spinners[reinterpret_cast<std::uintptr_t>(&object) / 64 % spinners.size()];
}

// Takes a counted permit if there is one.
bool try_counted(layout::Word& word, std::uint32_t slept) noexcept {
  std::uint32_t seen = word.load(std::memory_order_relaxed);
  while ((seen & kSemaphorePermits) != 0) {
    // Acquire: pairs with the release in release_counted.
    if (word.compare_exchange_weak(seen, (seen - 1) | slept, std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

bool acquire_counted(SemaphoreObject& object, Deadline until) noexcept {
  layout::Word& word = object.word;
  std::optional<memory::ArmedWake> armed;
  memory::Waiting waiting{spinner_of(object)};
  std::uint32_t slept = 0;
  for (;;) {
    if (try_counted(word, slept)) {
      return true;
    }
    std::uint32_t seen = word.load(std::memory_order_relaxed);
    if ((seen & kSemaphorePermits) != 0) {
      continue;
    }
    if (until.passed()) {
      if ((slept & ~seen) == 0 || word.compare_exchange_weak(seen, seen | slept)) {
        return false;
      }
      continue;
    }
    const auto released = [&] {
      return (word.load(std::memory_order_relaxed) & kSemaphorePermits) != 0;
    };
    if (waiting.spin(released, sync::meet_at(object.cpus))) {
      continue;
    }
    if (seen == 0 && !word.compare_exchange_weak(seen, kSemaphoreSleepers)) {
      continue;
    }
    if (!armed) {
      armed.emplace();
      slept = kSemaphoreSleepers;
    }
    sync::fall_asleep_at(object.cpus);
    memory::word_sleep(word, kSemaphoreSleepers, until);
  }
}

// Gives `n` permits, if that is a number, to a counted semaphore on which nobody sleeps.
bool release_quickly(layout::Word& word, std::int64_t n) noexcept {
  std::uint32_t seen = word.load(std::memory_order_relaxed);
  // Negative numbers are too large here, and 0 is.
  const bool fits = seen < kSemaphorePermits &&
                    static_cast<std::uint64_t>(n) - 1 < std::uint64_t{kSemaphorePermits} - seen;
  // Release: pairs with the acquire in try_counted.
  return fits && word.compare_exchange_strong(seen, seen + static_cast<std::uint32_t>(n),
                                              std::memory_order_release, std::memory_order_relaxed);
}

void release_counted(SemaphoreObject& object, std::uint32_t n) {
  layout::Word& word = object.word;
  std::uint32_t seen = word.load(std::memory_order_relaxed);
  for (;;) {
    if (n > kSemaphorePermits - (seen & kSemaphorePermits)) {
      throw OverRelease{"the semaphore would have more than 2^31 - 1 permits"};
    }
    if ((seen & kSemaphoreSleepers) == 0) {
      if (word.compare_exchange_weak(seen, seen + n, std::memory_order_release)) {
        return;
      }
      continue;
    }
    static_cast<void>(sync::meet_at(object.cpus));
    const memory::ArmedWake armed;
    if (word.compare_exchange_weak(seen, seen + n, std::memory_order_release)) {
      if (memory::word_wake(word, static_cast<int>(n)) < static_cast<int>(n)) {
        std::uint32_t awake = seen + n;
        word.compare_exchange_strong(awake, awake & ~kSemaphoreSleepers, std::memory_order_relaxed);
      }
      return;
    }
  }
}

// Marks a cell that is `from` as `to`. Looks at all cells, from where that last succeeded.
bool change_cell(SemaphoreObject& object, ProcessId from, ProcessId to) noexcept {
  PermitCell* cells = cells_of(object);
  const std::uint32_t hint = object.cursor.load(std::memory_order_relaxed);
  const std::uint32_t first = hint < object.cells ? hint : 0;
  for (std::uint32_t i = 0, at = first; i < object.cells; ++i) {
    ProcessId seen = from;
    // seq_cst, as is the look at the gate: who raises its flag and then sees no free cell is seen
    // by who frees one and then looks at the flag.
    if (cells[at].load() == from && cells[at].compare_exchange_strong(seen, to)) {
      if (at != hint) {
        object.cursor.store(at, std::memory_order_relaxed);
      }
      return true;
    }
    at = at + 1 == object.cells ? 0 : at + 1;
  }
  return false;
}

void give_back(SemaphoreObject& object, ProcessId dead) noexcept {
  PermitCell* cells = cells_of(object);
  for (std::uint32_t i = 0; i < object.cells; ++i) {
    ProcessId seen = dead;
    cells[i].compare_exchange_strong(seen, 0);
  }
}

// Gives back what processes hold that died without anybody having told the tree.
void give_back_from_the_dead(SemaphoreObject& object) noexcept {
  const PermitCell* cells = cells_of(object);
  ProcessId known = 0;
  for (std::uint32_t i = 0; i < object.cells; ++i) {
    const ProcessId owner = cells[i].load(std::memory_order_relaxed);
    if (owner == 0 || owner == known) {
      continue;
    }
    if (memory::is_dead(owner)) {
      give_back(object, owner);
    } else {
      known = owner;
    }
  }
}

bool wait_for_owned(SemaphoreObject& object, Deadline until) {
  const ProcessId me = memory::this_process();
  const auto take = [&] { return change_cell(object, 0, me); };
  give_back_from_the_dead(object);
  std::optional<memory::ArmedWake> armed;
  memory::Waiting waiting{spinner_of(object)};
  for (;;) {
    if (take()) {
      return true;
    }
    if (until.passed()) {
      return false;
    }
    if (waiting.spin(take, sync::meet_at(object.cpus))) {
      return true;
    }
    const std::uint32_t key = memory::gate_prepare(object.gate);
    if (take()) {
      return true;
    }
    if (!armed) {
      armed.emplace();
    }
    sync::fall_asleep_at(object.cpus);
    memory::gate_sleep(object.gate, key, until.no_later_than(500ms));
    give_back_from_the_dead(object);
  }
}

bool acquire_owned(SemaphoreObject& object, Deadline until) {
  return change_cell(object, 0, memory::this_process()) || wait_for_owned(object, until);
}

void release_owned(SemaphoreObject& object, std::uint32_t n) {
  const ProcessId me = memory::this_process();
  const PermitCell* cells = cells_of(object);
  if (n > 1) {  // all or none; others may release meanwhile, then the rest finds too few
    std::uint32_t taken = 0;
    for (std::uint32_t i = 0; i < object.cells; ++i) {
      taken += cells[i].load(std::memory_order_relaxed) != 0 ? 1 : 0;
    }
    if (taken < n) {
      throw OverRelease{"the semaphore was released more often than acquired"};
    }
  }
  for (std::uint32_t i = 0; i < n; ++i) {
    bool released = change_cell(object, me, 0);
    for (std::uint32_t at = 0; !released && at < object.cells; ++at) {
      const ProcessId owner = cells[at].load(std::memory_order_relaxed);
      released = owner != 0 && change_cell(object, owner, 0);
    }
    if (!released) {
      throw OverRelease{"the semaphore was released more often than acquired"};
    }
    if ((object.gate.word.load() & layout::kGateSleepers) != 0) {
      static_cast<void>(sync::meet_at(object.cpus));
      memory::gate_wake(object.gate, 1);
    }
  }
}

// The long ways stand apart: they would make the short ones save registers.
[[gnu::noinline]] bool acquire_slowly(SemaphoreObject& object, Deadline until) {
  return object.owned != 0 ? acquire_owned(object, until) : acquire_counted(object, until);
}

[[gnu::noinline]] void release_slowly(SemaphoreObject& object, std::int64_t n) {
  MP_EXPECTS(n > 0, "a semaphore cannot be released fewer than 1 time");
  if (n > kSemaphorePermits) {
    throw OverRelease{"the semaphore would have more than 2^31 - 1 permits"};
  }
  const auto permits = static_cast<std::uint32_t>(n);
  object.owned != 0 ? release_owned(object, permits) : release_counted(object, permits);
}

SemaphoreObject& object_of(const detail::ObjectRef& ref) {
  if (!ref) [[unlikely]] {
    sync::throw_moved_from();
  }
  return *reinterpret_cast<SemaphoreObject*>(ref.data());
}

bool is_owned(const SemaphoreObject& object) noexcept {
  return object.owned != 0;
}

[[maybe_unused]] const bool registered =
    memory::register_object_type(memory::ObjectType::semaphore,
                                 {.destroy = nullptr,
                                  .on_death =
                                      [](std::byte* bytes, ProcessId dead) {
                                        // Acquirers are woken by the burial.
                                        give_back(*reinterpret_cast<SemaphoreObject*>(bytes), dead);
                                      },
                                  .on_release = nullptr});

}  // namespace

namespace detail {

SemaphoreHandle::SemaphoreHandle(std::int64_t permits, Kind kind) {
  static_assert(kObjectType == static_cast<std::uint32_t>(memory::ObjectType::semaphore));
  const bool owned = kind == Kind::owned;
  MP_EXPECTS(permits >= 0, "a semaphore cannot begin with fewer than 0 permits");
  MP_EXPECTS(permits <= kMost, "a semaphore cannot have more than 2^31 - 1 permits");
  MP_EXPECTS(!owned || permits <= kMostOwned,
             "a semaphore cannot have more than 2^20 permits that belong to processes");
  const auto count = static_cast<std::uint32_t>(permits);
  memory::ObjectBuilder builder{memory::ObjectType::semaphore,
                                sizeof(SemaphoreObject) + (owned ? count * sizeof(PermitCell) : 0)};
  auto& object = *reinterpret_cast<SemaphoreObject*>(builder.data());
  object.owned = owned ? 1 : 0;
  object.cells = owned ? count : 0;
  object.word.store(owned ? kSemaphoreSleepers : count, std::memory_order_relaxed);
  ref_ = builder.publish();
}

SemaphoreHandle::SemaphoreHandle(ObjectRef ref, bool owned_only) : ref_{std::move(ref)} {
  const SemaphoreObject& object = object_of(ref_);
  const std::uint64_t room =
      memory::block_capacity(ref_.id()) - sizeof(layout::ObjectHead) - sizeof(SemaphoreObject);
  if ((owned_only && !is_owned(object)) || object.cells > room / sizeof(PermitCell)) {
    throw DecodeError{"the message refers to a semaphore of another kind"};
  }
}

bool SemaphoreHandle::acquire(Deadline until) {
  SemaphoreObject& object = object_of(ref_);
  if (try_counted(object.word, 0)) [[likely]] {
    return true;
  }
  return acquire_slowly(object, until);
}

void SemaphoreHandle::release(std::int64_t n) {
  SemaphoreObject& object = object_of(ref_);
  if (release_quickly(object.word, n)) [[likely]] {
    return;
  }
  release_slowly(object, n);
}

int SemaphoreHandle::get_value() const {
  SemaphoreObject& object = object_of(ref_);
  if (!is_owned(object)) {
    return static_cast<int>(object.word.load(std::memory_order_relaxed) & kSemaphorePermits);
  }
  const PermitCell* cells = cells_of(object);
  int free = 0;
  for (std::uint32_t i = 0; i < object.cells; ++i) {
    free += cells[i].load(std::memory_order_relaxed) == 0 ? 1 : 0;
  }
  return free;
}

}  // namespace detail

}  // namespace mp
