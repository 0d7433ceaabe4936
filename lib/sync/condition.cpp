// SPDX-License-Identifier: Apache-2.0
// Design.  Each waiter has a cell of its own, in which it sleeps. It enters with the lock in hand;
// whoever notifies, also with the lock in hand, picks cells in the order of their tickets and turns
// each from waiting to notified, and its waiter frees it. So exactly those are woken who waited,
// and no wake-up can be taken by somebody else or be left over for later.
//
// Invariants
//   C1  A cell goes 0 -> waiting|tag (by its waiter) -> notified|tag (by a notifier) -> 0 (by its
//       waiter), or waiting|tag -> 0 when the waiter gives up. Each is one CAS. Before it sleeps
//       the waiter turns waiting into asleep.
//   C2  A cell whose thread is gone belongs to nobody: notifiers pass it over, and the next waiter
//       who looks for a cell takes it.
//   C3  Pages of cells are only added, by a CAS of the link, and go with the condition.
//   C4  Whoever is asleep in a cell that was notified is woken when the notifier releases the lock,
//       which it needs (lock_object.hpp); killed before that, the notifier leaves it to its slice.
#include "mp/sync/condition.hpp"

#include <array>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/gate.hpp"
#include "memory/object.hpp"
#include "memory/spinner.hpp"
#include "memory/threads.hpp"
#include "sync/lock_object.hpp"
#include "sync/lock_word.hpp"
#include "sync/sync_layout.hpp"
#include "sync/whereabouts.hpp"

namespace mp {

namespace {

using layout::ConditionObject;
using layout::kAsleep;
using layout::kNotified;
using layout::kWaiterState;
using layout::kWaiterTag;
using layout::kWaiting;
using layout::LockObject;
using layout::WaiterCell;
using layout::WaiterPage;
using memory::ThreadTag;

constexpr unsigned kMostPages = 1024;  // more than there can be threads; ends a torn chain

ConditionObject& object_of(const detail::ObjectRef& ref) {
  if (!ref) [[unlikely]] {
    sync::throw_moved_from();
  }
  return *reinterpret_cast<ConditionObject*>(ref.data());
}

WaiterPage* page_at(memory::BlockId id) noexcept {
  std::byte* address = memory::block_address(id);
  return address == nullptr || memory::block_capacity(id) < sizeof(WaiterPage)
             ? nullptr
             : reinterpret_cast<WaiterPage*>(address);
}

// Calls visit(cell) for every cell until it returns true. Returns that cell, or nullptr.
template <class Visit>
WaiterCell* find_cell(ConditionObject& object, Visit&& visit) noexcept {
  for (WaiterCell& cell : object.cells) {
    if (visit(cell)) {
      return &cell;
    }
  }
  memory::BlockId more = object.more.load(std::memory_order_acquire);
  for (unsigned pages = 0; more != 0 && pages < kMostPages; ++pages) {
    WaiterPage* page = page_at(more);
    if (page == nullptr) {
      return nullptr;
    }
    for (WaiterCell& cell : page->cells) {
      if (visit(cell)) {
        return &cell;
      }
    }
    more = page->more.load(std::memory_order_acquire);
  }
  return nullptr;
}

// The CAS of the link is the commit; until then the page is this process's (C3).
void append_page(ConditionObject& object) {
  const memory::Block block = memory::allocate(sizeof(WaiterPage), {.zeroed = true});
  layout::Word64* link = &object.more;
  for (;;) {
    memory::set_home(block.id, layout::HomeKind::cell, link);
    std::uint64_t next = 0;
    if (link->compare_exchange_strong(next, block.id)) {
      return;
    }
    WaiterPage* page = page_at(next);
    MP_ENSURES(page != nullptr, "the cells of a condition stay");
    link = &page->more;
  }
}

void free_pages(std::byte* bytes) noexcept {
  memory::BlockId more = reinterpret_cast<ConditionObject*>(bytes)->more.load();
  for (unsigned pages = 0; more != 0 && pages < kMostPages; ++pages) {
    WaiterPage* page = page_at(more);
    if (page == nullptr) {
      return;
    }
    const memory::BlockId next = page->more.load();
    memory::free_block(more);
    more = next;
  }
}

[[maybe_unused]] const bool registered = memory::register_object_type(
    memory::ObjectType::condition,
    {.destroy = free_pages, .on_death = nullptr, .on_release = nullptr});

constexpr bool is_waiting(std::uint32_t word) {
  return (word & kWaiterState) == kWaiting || (word & kWaiterState) == kAsleep;
}
// Whether the waiter in `cell` can still be notified.
bool waits(const WaiterCell& cell) noexcept {
  const std::uint32_t word = cell.word.load(std::memory_order_acquire);
  return is_waiting(word) && !memory::thread_gone(word & kWaiterTag);
}

WaiterCell& enter(ConditionObject& object, ThreadTag me) {
  const std::uint32_t ticket = object.tickets.fetch_add(1, std::memory_order_relaxed);
  const auto claim = [me](WaiterCell& cell) {
    std::uint32_t word = cell.word.load(std::memory_order_relaxed);
    const bool free = word == 0 || memory::thread_gone(word & kWaiterTag);  // C2
    // Relaxed: who notifies has the lock after us.
    return free && cell.word.compare_exchange_strong(word, kWaiting | me);
  };
  for (;;) {
    if (WaiterCell* cell = find_cell(object, claim)) {
      cell->ticket.store(ticket, std::memory_order_relaxed);
      return *cell;
    }
    append_page(object);
  }
}

memory::Spinner& spinner_of(const WaiterCell& cell) noexcept {
  static std::array<memory::Spinner, 16> spinners;
  return spinners[reinterpret_cast<std::uintptr_t>(&cell) / 64 % spinners.size()];
}

// Sleeps until notified. Leaves the cell free.
bool sleep_in(ConditionObject& object, WaiterCell& cell, ThreadTag me, Deadline until) noexcept {
  const auto notified = [&] {
    return cell.word.load(std::memory_order_acquire) == (kNotified | me);
  };
  memory::Waiting patience{spinner_of(cell)};
  while (!notified()) {
    std::uint32_t word = cell.word.load(std::memory_order_relaxed);
    if (until.passed()) {
      if (is_waiting(word) && cell.word.compare_exchange_strong(word, 0)) {
        return false;
      }
      break;  // notified at the last moment
    }
    if (patience.spin(notified, sync::meet_at(object.cpus))) {
      break;
    }
    if (word == (kAsleep | me) || cell.word.compare_exchange_strong(word, kAsleep | me)) {
      sync::fall_asleep_at(object.cpus);
      memory::word_sleep(cell.word, kAsleep | me, until);
    }
  }
  cell.word.store(0, std::memory_order_release);
  return true;
}

LockObject& held_lock(const detail::ObjectRef& ref, ThreadTag me) {
  LockObject& object = sync::checked_lock(ref);
  if (!sync::lock_is_held_by(object.lock, me)) {
    throw NotOwner{"this thread does not hold the lock of the condition"};
  }
  return object;
}

bool notify_cell(ConditionObject& object, LockObject& held, WaiterCell& cell) noexcept {
  static_cast<void>(sync::meet_at(object.cpus));
  const memory::ArmedWake armed;
  std::uint32_t word = cell.word.load(std::memory_order_acquire);
  do {
    if (!is_waiting(word)) {
      return false;  // it gave up
    }
  } while (!cell.word.compare_exchange_weak(word, kNotified | (word & kWaiterTag)));
  if ((word & kWaiterState) == kAsleep) {
    sync::wake_at_release(held, cell.word);
  }
  return true;
}

}  // namespace

Condition::Condition(const RLock& lock)
    : ref_{memory::make_object(memory::ObjectType::condition, sizeof(ConditionObject))},
      lock_{lock.ref_} {
  static_assert(kObjectType == static_cast<std::uint32_t>(memory::ObjectType::condition));
  static_assert(kLockType == static_cast<std::uint32_t>(memory::ObjectType::lock));
}

Condition::Condition(const Lock& lock)
    : ref_{memory::make_object(memory::ObjectType::condition, sizeof(ConditionObject))},
      lock_{lock.ref_} {}

bool Condition::acquire(Deadline until) {
  return sync::acquire_object(sync::checked_lock(lock_), until);
}

void Condition::release() {
  sync::release_object(sync::checked_lock(lock_));
}

bool Condition::recover() {
  return sync::lock_recover(sync::checked_lock(lock_).lock, memory::this_thread());
}

bool Condition::locked() const {
  const LockObject& object = sync::checked_lock(lock_);
  return sync::lock_is_closed(object.lock, sync::policy_of(object));
}

void Condition::expect_held(bool held) {
  if (!held) {
    throw NotOwner{"this thread does not hold the lock of the condition"};
  }
}

bool Condition::wait(Deadline until) {
  ConditionObject& object = object_of(ref_);
  const ThreadTag me = memory::this_thread();
  LockObject& held = held_lock(lock_, me);
  WaiterCell& cell = enter(object, me);
  const std::uint32_t nested = held.lock.nested.load(std::memory_order_relaxed);
  held.lock.nested.store(0, std::memory_order_relaxed);
  const sync::OnDeath policy = sync::policy_of(held);
  static_cast<void>(sync::release_word(held, me));
  const bool notified = sleep_in(object, cell, me, until);
  static_cast<void>(
      sync::taken_or_throw(sync::lock_acquire(held.lock, me, Deadline::never(), policy)));
  held.lock.nested.store(nested, std::memory_order_relaxed);
  return notified;
}

int Condition::notify(int n) {
  ConditionObject& object = object_of(ref_);
  LockObject& held = held_lock(lock_, memory::this_thread());
  int woken = 0;
  while (woken < n) {
    // Tickets wrap; they are compared by their distance from the next one.
    const std::uint32_t next = object.tickets.load(std::memory_order_relaxed);
    WaiterCell* oldest = nullptr;
    std::uint32_t age = 0;
    static_cast<void>(find_cell(object, [&](WaiterCell& cell) {
      const std::uint32_t its = next - cell.ticket.load(std::memory_order_relaxed);
      if (its > age && waits(cell)) {
        oldest = &cell;
        age = its;
      }
      return false;
    }));
    if (oldest == nullptr) {
      break;
    }
    woken += notify_cell(object, held, *oldest) ? 1 : 0;
  }
  return woken;
}

int Condition::notify_all() {
  ConditionObject& object = object_of(ref_);
  LockObject& held = held_lock(lock_, memory::this_thread());
  int woken = 0;
  static_cast<void>(find_cell(object, [&](WaiterCell& cell) {
    woken += waits(cell) && notify_cell(object, held, cell) ? 1 : 0;
    return false;
  }));
  return woken;
}

}  // namespace mp
