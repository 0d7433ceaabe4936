// SPDX-License-Identifier: Apache-2.0
// Design.  A round has a cell for each party. A party enters by a CAS on a cell that is not yet of
// this round; when all are, whoever sees it first lets the round end by a CAS on the word, which
// carries the number of the round. That a round ended by reset is noted in the word too, for those
// who look late.
//
// Invariants
//   B1  A cell of the present round is never taken back: who gives up breaks the barrier.
//   B2  A cell is taken over only by who has seen, after reading the cell, that the word is
//       still in his round. So a late party cannot displace one of the next round.
//   B3  A round ends well only if all its cells are taken and none by a thread that is gone.
//   B4  A party has a pending wake-up armed (memory::ArmedWake) from before it enters until it
//       leaves: if it is killed, the kernel wakes the others, who look for the dead.
#include "mp/sync/barrier.hpp"

#include <array>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/gate.hpp"
#include "memory/object.hpp"
#include "memory/spinner.hpp"
#include "memory/threads.hpp"
#include "sync/lock_object.hpp"
#include "sync/sync_layout.hpp"
#include "sync/whereabouts.hpp"

namespace mp {

namespace {

using layout::BarrierObject;
using layout::kBarrierActing;
using layout::kBarrierBroken;
using layout::kBarrierHistoryShift;
using layout::kBarrierRounds;
using layout::kBarrierRoundShift;
using layout::kBarrierSleepers;
using layout::PartyCell;
using memory::ThreadTag;

constexpr int kMostParties = static_cast<int>(memory::kMaxThreads);

BarrierObject& object_of(const detail::ObjectRef& ref) {
  if (!ref) [[unlikely]] {
    sync::throw_moved_from();
  }
  return *reinterpret_cast<BarrierObject*>(ref.data());
}

PartyCell* cells_of(BarrierObject& object) noexcept {
  return reinterpret_cast<PartyCell*>(&object + 1);
}

constexpr std::uint32_t round_in(std::uint32_t word) {
  return word >> kBarrierRoundShift & (kBarrierRounds - 1);
}
// The word when the round in `word` has ended.
constexpr std::uint32_t next_round(std::uint32_t word, bool by_reset) {
  const std::uint32_t history = word >> kBarrierHistoryShift << 1 | (by_reset ? 1 : 0);
  const std::uint32_t round = (round_in(word) + 1) & (kBarrierRounds - 1);
  return (history & 0xff) << kBarrierHistoryShift | round << kBarrierRoundShift;
}
// Whether `round`, which has ended, ended by reset. Of rounds long past it is not known any more.
constexpr bool was_reset(std::uint32_t word, std::uint32_t round) {
  const std::uint32_t ago = (round_in(word) - round) & (kBarrierRounds - 1);
  return ago <= 8 && (word >> (kBarrierHistoryShift + ago - 1) & 1) != 0;
}

constexpr std::uint64_t make_cell(ThreadTag tag, std::uint32_t round) {
  return std::uint64_t{tag} << 32 | (round + 1);
}
constexpr bool is_of(std::uint64_t cell, std::uint32_t round) {
  return static_cast<std::uint32_t>(cell) == round + 1;
}

// Changes the word from `seen`, which ends the wait of all who sleep on it.
bool change(BarrierObject& object, std::uint32_t seen, std::uint32_t to) noexcept {
  const memory::ArmedWake armed;
  if (!object.word.compare_exchange_strong(seen, to)) {
    return false;
  }
  if ((seen & kBarrierSleepers) != 0) {
    static_cast<void>(sync::meet_at(object.cpus));
    memory::word_wake(object.word, memory::kAll);
  }
  return true;
}

bool break_it(BarrierObject& object, std::uint32_t seen) noexcept {
  return change(object, seen, (seen | kBarrierBroken) & ~(kBarrierSleepers | kBarrierActing));
}

struct Attendance {
  std::uint32_t present = 0;
  bool dead = false;
};
Attendance attendance(BarrierObject& object, std::uint32_t round) noexcept {
  Attendance result;
  const PartyCell* cells = cells_of(object);
  for (std::uint32_t i = 0; i < object.parties; ++i) {
    const std::uint64_t cell = cells[i].load(std::memory_order_acquire);
    if (is_of(cell, round)) {
      ++result.present;
      result.dead |= memory::thread_gone(static_cast<ThreadTag>(cell >> 32));
    }
  }
  return result;
}

constexpr int kFull = -1;   // all parties of the round have come
constexpr int kMoved = -2;  // the round is over

// Enters `round`: returns the number of the cell, or one of the above.
int enter(BarrierObject& object, std::uint32_t round, ThreadTag me) noexcept {
  PartyCell* cells = cells_of(object);
  for (std::uint32_t i = 0; i < object.parties; ++i) {
    std::uint64_t cell = cells[i].load(std::memory_order_acquire);
    while (!is_of(cell, round)) {
      if (round_in(object.word.load()) != round) {  // B2
        return kMoved;
      }
      if (cells[i].compare_exchange_strong(cell, make_cell(me, round))) {
        return static_cast<int>(i);
      }
    }
  }
  return kFull;
}

memory::Spinner& spinner_of(const BarrierObject& object) noexcept {
  static std::array<memory::Spinner, 16> spinners;
  return spinners[reinterpret_cast<std::uintptr_t>(&object) / 64 % spinners.size()];
}

// Waits until the word is no longer as in `seen`, sleepers aside, or something else happens.
void sleep(BarrierObject& object, std::uint32_t seen, Deadline until) noexcept {
  const auto moved = [&] {
    return ((object.word.load(std::memory_order_relaxed) ^ seen) & ~kBarrierSleepers) != 0;
  };
  memory::Waiting waiting{spinner_of(object)};
  if (waiting.spin(moved, sync::meet_at(object.cpus))) {
    return;
  }
  if ((seen & kBarrierSleepers) == 0) {
    if (!object.word.compare_exchange_strong(seen, seen | kBarrierSleepers)) {
      return;
    }
    seen |= kBarrierSleepers;
  }
  sync::fall_asleep_at(object.cpus);
  memory::word_sleep(object.word, seen, until);
}

[[noreturn]] void throw_broken() {
  throw BrokenBarrier{
      "the barrier is broken: a party gave up, died or aborted it, or it was reset"};
}

// Runs the action as the one party that may, and lets the round end if it succeeds.
void act(BarrierObject& object, std::uint32_t seen, const std::function<void()>& action) {
  if (!object.word.compare_exchange_strong(seen, seen | kBarrierActing)) {
    return;
  }
  const std::uint32_t round = round_in(seen);
  const auto finish = [&](auto&& how) {
    std::uint32_t now = object.word.load();
    while (round_in(now) == round && (now & kBarrierBroken) == 0 && !how(now)) {
      now = object.word.load();
    }
  };
  try {
    action();
  } catch (...) {
    finish([&](std::uint32_t now) { return break_it(object, now); });
    throw;
  }
  finish([&](std::uint32_t now) { return change(object, now, next_round(now, false)); });
}

}  // namespace

Barrier::Barrier(int parties, std::function<void()> action, std::chrono::nanoseconds timeout) {
  static_assert(kObjectType == static_cast<std::uint32_t>(memory::ObjectType::barrier));
  MP_EXPECTS(parties > 0, "a barrier needs at least 1 party");
  MP_EXPECTS(parties <= kMostParties, "a barrier cannot have more than 16384 parties");
  memory::ObjectBuilder builder{
      memory::ObjectType::barrier,
      sizeof(BarrierObject) + static_cast<std::uint64_t>(parties) * sizeof(PartyCell)};
  auto& object = *reinterpret_cast<BarrierObject*>(builder.data());
  object.parties = static_cast<std::uint32_t>(parties);
  object.has_action = action ? 1 : 0;
  object.timeout = timeout.count();
  ref_ = builder.publish();
  if (action) {
    action_ = std::make_shared<const std::function<void()>>(std::move(action));
  }
}

Barrier::Barrier(detail::ObjectRef ref) : ref_{std::move(ref)} {
  const std::uint64_t room =
      memory::block_capacity(ref_.id()) - sizeof(layout::ObjectHead) - sizeof(BarrierObject);
  const std::uint32_t parties = object_of(ref_).parties;
  if (parties == 0 || parties > room / sizeof(PartyCell)) {
    throw DecodeError{"the message refers to a barrier of another size"};
  }
}

const detail::ObjectRef& Barrier::to_send() const {
  MP_EXPECTS(object_of(ref_).has_action == 0,
             "a Barrier with an action cannot be sent; a child inherits it by fork");
  return ref_;
}

int Barrier::wait() {
  return wait(Deadline{std::chrono::nanoseconds{object_of(ref_).timeout}});
}

int Barrier::wait(Deadline until) {
  BarrierObject& object = object_of(ref_);
  const ThreadTag me = memory::this_thread();
  const memory::ArmedWake armed;  // B4
  std::uint32_t round = 0;
  int place = kMoved;
  for (;;) {
    const std::uint32_t seen = object.word.load(std::memory_order_acquire);
    if (place < 0) {
      if ((seen & kBarrierBroken) != 0) {
        throw_broken();
      }
      round = round_in(seen);
      place = enter(object, round, me);
      if (place == kFull) {  // more parties than there should be: this one is for the next round
        if (until.passed()) {
          break_it(object, seen);
          throw_broken();
        }
        sleep(object, seen, until);
      }
      continue;
    }
    if (round_in(seen) != round) {
      if (was_reset(seen, round)) {
        throw_broken();
      }
      return place;
    }
    if ((seen & kBarrierBroken) != 0) {
      throw_broken();
    }
    const Attendance here = attendance(object, round);
    if (here.dead) {  // B3
      break_it(object, seen);
      continue;
    }
    if (here.present == object.parties && (seen & kBarrierActing) == 0) {
      if (object.has_action == 0) {
        change(object, seen, next_round(seen, false));
        continue;
      }
      if (action_ != nullptr) {
        act(object, seen, *action_);
        continue;
      }
    }
    if (until.passed()) {
      break_it(object, seen);
      continue;
    }
    sleep(object, seen, until);
  }
}

void Barrier::abort() {
  BarrierObject& object = object_of(ref_);
  std::uint32_t seen = object.word.load();
  while ((seen & kBarrierBroken) == 0 && !break_it(object, seen)) {
    seen = object.word.load();
  }
}

void Barrier::reset() {
  BarrierObject& object = object_of(ref_);
  std::uint32_t seen = object.word.load();
  while (!change(object, seen, next_round(seen, true))) {
    seen = object.word.load();
  }
}

int Barrier::parties() const {
  return static_cast<int>(object_of(ref_).parties);
}

int Barrier::n_waiting() const {
  BarrierObject& object = object_of(ref_);
  const std::uint32_t seen = object.word.load();
  return (seen & kBarrierBroken) != 0
             ? 0
             : static_cast<int>(attendance(object, round_in(seen)).present);
}

bool Barrier::broken() const {
  return (object_of(ref_).word.load() & kBarrierBroken) != 0;
}

}  // namespace mp
