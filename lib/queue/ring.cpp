// SPDX-License-Identifier: Apache-2.0
#include "queue/ring.hpp"

#include <algorithm>

#include "memory/gate.hpp"
#include "memory/threads.hpp"
#include "queue/alone.hpp"

namespace mp::queue {

namespace {

using layout::kSegmentSlots;
using layout::kSlotPassed;
using layout::kSlotSealMask;
using layout::kSlotStateMask;
using layout::kSlotTaken;
using layout::kSlotTombstone;
using layout::QueueHead;
using layout::SlotState;
using layout::Word64;
using memory::ThreadTag;

constexpr std::uint64_t make_word(std::uint64_t seal, ThreadTag tag, SlotState state) {
  return seal | std::uint64_t{tag} << 2 | static_cast<std::uint64_t>(state);
}
constexpr SlotState state_of(std::uint64_t word) {
  return static_cast<SlotState>(word & kSlotStateMask);
}
constexpr ThreadTag tag_of(std::uint64_t word) {
  return static_cast<ThreadTag>((word & 0xffffffff) >> 2);
}
constexpr std::uint64_t mark_of(std::uint64_t word) {
  return word & 0xffffffff;
}
constexpr bool is_finished(std::uint64_t word) {
  return mark_of(word) == kSlotTaken || mark_of(word) == kSlotTombstone;
}
constexpr bool is_unused(std::uint64_t word) {
  return mark_of(word) == 0;
}

constexpr std::uint64_t kTombstoneBits = 40;
constexpr std::uint64_t kTombstoneMask = (std::uint64_t{1} << kTombstoneBits) - 1;

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Makes `word` at least `value`.
void raise_to(Word64& word, std::uint64_t value) noexcept {
  std::uint64_t seen = word.load();
  while (seen < value && !word.compare_exchange_weak(seen, value)) {
  }
}

// Moves the tail to where this thread has just written. Where there is a bound it is moved for
// good, since those who wait for room look there; elsewhere a late store may take it back, which
// costs the next writer a walk.
void note_tail(QueueHead& head, Position position) noexcept {
  if (head.capacity != 0) {
    raise_to(head.tail, position);
  } else if (head.tail.load(std::memory_order_relaxed) < position) {
    head.tail.store(position, std::memory_order_release);
  }
}

// One look at a slot.
struct Glance {
  Place place;
  std::uint64_t word = 0;
  [[nodiscard]] bool there() const noexcept { return place.slot != nullptr; }
};

// What this thread remembers of the segment is out of date.
[[gnu::noinline]] Glance look_anew(const View& queue, Position position) noexcept {
  for (;;) {
    forget(queue, position);
    Glance glance{.place = find(queue, position)};
    if (!glance.there()) {
      return glance;
    }
    glance.word = glance.place.slot->slot.state.load();
    if ((glance.word & kSlotSealMask) == glance.place.seal) {
      return glance;
    }
  }
}

// Looks at the slot of `position`; no place means that its segment is not there. Inline: three
// looks are a good part of a put and a get.
[[gnu::always_inline]] inline Glance look(const View& queue, Position position) noexcept {
  Glance glance{.place = find(queue, position)};
  if (!glance.there()) [[unlikely]] {
    return glance;
  }
  glance.word = glance.place.slot->slot.state.load();
  if ((glance.word & kSlotSealMask) == glance.place.seal) [[likely]] {
    return glance;
  }
  return look_anew(queue, position);
}

void move_front_back(QueueHead& head, Position position) noexcept {
  std::uint64_t front = head.front.load();
  while (front > position) {
    raise_to(head.ragged, front);  // first: slots from `position` on may be finished already
    if (head.front.compare_exchange_weak(front, position)) {
      return;
    }
  }
}

// Lets readers look at `position` again (Q6).
void pull_front(const View& queue, Position position) noexcept {
  QueueHead& head = *queue.head;
  if (head.front.load() <= position) {
    return;
  }
  if (head.sole_reader.load() != kMany) {
    // It moves the front by stores, so it must be told as well (Q11).
    std::uint64_t told = head.pulled.load();
    while ((told == 0 || told > position + 1) &&
           !head.pulled.compare_exchange_weak(told, position + 1)) {
    }
  }
  move_front_back(head, position);
}

// Makes an item available that a reader had claimed.
void give_back(const View& queue, const Claim& claim) noexcept {
  claim.place.slot->slot.state.store(make_word(claim.place.seal, 0, SlotState::ready));
  pull_front(queue, claim.position);
  memory::gate_wake(queue.head->not_empty, 1);
}

// Undoes what a dead thread had begun. Returns whether this thread did it.
bool repair(const View& queue, Position position, const Glance& glance) noexcept {
  QueueHead& head = *queue.head;
  std::uint64_t word = glance.word;
  Word64& state = glance.place.slot->slot.state;
  if (state_of(word) == SlotState::writing) {
    raise_to(head.ragged, position + 1);
    if (!state.compare_exchange_strong(word, glance.place.seal | kSlotTombstone)) {
      return false;
    }
    memory::gate_wake(head.not_full, 1);
    memory::gate_wake(head.all_done, memory::kAll);
    memory::gate_wake(head.not_empty, memory::kAll);  // who waits for the end of a shut queue
    return true;
  }
  if (!state.compare_exchange_strong(word, make_word(glance.place.seal, 0, SlotState::ready))) {
    return false;
  }
  pull_front(queue, position);
  memory::gate_wake(head.not_empty, 1);
  return true;
}

bool is_claimed(std::uint64_t word) noexcept {
  return state_of(word) == SlotState::writing || state_of(word) == SlotState::reading;
}

// Counts the tombstone at `position`, the head, exactly once (Q8).
void count_tombstone(QueueHead& head, Position position) noexcept {
  std::uint64_t seen = head.tombstones.load();
  const std::uint64_t last = (position + 1) & kTombstoneMask;
  if (head.head.load() != position || (seen & kTombstoneMask) == last) {
    return;
  }
  const std::uint64_t count = (seen >> kTombstoneBits) + 1;
  head.tombstones.compare_exchange_strong(seen, count << kTombstoneBits | last);
}

// Moves the head over finished slots, and repairs what the dead left there.
void advance_head(const View& queue) noexcept {
  QueueHead& head = *queue.head;
  Position begin = head.head.load();
  for (;;) {
    Position end = begin;
    Glance glance = look(queue, end);
    while (glance.there() && mark_of(glance.word) == kSlotTaken) {
      glance = look(queue, ++end);
    }
    if (end != begin) {
      std::uint64_t seen = begin;
      head.head.compare_exchange_strong(seen, end);
      begin = head.head.load();
      continue;
    }
    if (!glance.there()) {
      if (const Position now = head.head.load(); now != begin) {
        begin = now;
        continue;
      }
      return;
    }
    if (mark_of(glance.word) == kSlotTombstone) {
      count_tombstone(head, begin);
      std::uint64_t seen = begin;
      head.head.compare_exchange_strong(seen, begin + 1);
      begin = head.head.load();
      continue;
    }
    if (is_claimed(glance.word) && memory::thread_gone(tag_of(glance.word))) {
      repair(queue, begin, glance);
      continue;
    }
    if (state_of(glance.word) == SlotState::ready) {
      pull_front(queue, begin);
    }
    return;
  }
}

// Counts the slots in [from, to) whose word satisfies `wanted`.
template <class Wanted>
std::uint64_t count_slots(const View& queue, Position from, Position to, Wanted&& wanted) noexcept {
  std::uint64_t count = 0;
  for (Position p = from; p < to; ++p) {
    const Glance glance = look(queue, p);
    count += glance.there() && wanted(glance.word) ? 1 : 0;
  }
  return count;
}

// Slots at or after this and after the head are finished only if they are gone from the head's
// side, so what is before it is counted one by one (Q7).
Position ragged_end(const QueueHead& head, Position limit) noexcept {
  return std::min(limit, std::max(head.front.load(), head.ragged.load()));
}

Position advance_tail(const View& queue) noexcept {
  Position position = std::max(queue.head->tail.load(), first_kept(queue));
  for (;;) {
    const Glance glance = look(queue, position);
    if (!glance.there()) {
      const Position kept = first_kept(queue);
      if (position >= kept) {
        break;
      }
      position = kept;
    } else if (is_unused(glance.word)) {
      break;
    } else {
      ++position;
    }
  }
  raise_to(queue.head->tail, position);
  return position;
}

// How a reader's walk ended.
enum class Step : std::uint8_t { claimed, nothing, again };

// A reader's walk from the front.
class Walk {
 public:
  Walk(const View& queue, ThreadTag me, ThreadTag& busy) : queue_{queue}, me_{me}, busy_{busy} {}

  Step run(Claim& claim) noexcept {
    front_ = queue_.head->front.load();
    position_ = front_;
    for (;;) {
      const Glance glance = look(queue_, position_);
      if (!glance.there()) {
        return past_the_end();
      }
      if (state_of(glance.word) == SlotState::ready) {
        std::uint64_t word = glance.word;
        if (glance.place.slot->slot.state.compare_exchange_strong(
                word, make_word(glance.place.seal, me_, SlotState::reading))) {
          claim = {glance.place, position_};
          return confirm(claim);
        }
      } else if (is_claimed(glance.word)) {
        step_over(glance);
      } else if (is_unused(glance.word)) {
        return at_the_end();
      } else {
        ++position_;
      }
    }
  }

 private:
  // Nothing is left to read. Slots that were found finished need not be looked at again.
  Step at_the_end() noexcept {
    if (position_ != front_ && busy_ == 0) {
      queue_.head->front.compare_exchange_strong(front_, position_);
    }
    return Step::nothing;
  }

  Step past_the_end() noexcept {
    const Position kept = first_kept(queue_);
    if (position_ >= kept) {
      return Step::nothing;
    }
    raise_to(queue_.head->front, kept);  // the front was left behind
    return Step::again;
  }

  // Passes a slot that somebody else is working on. A writer is told (Q5).
  void step_over(const Glance& glance) noexcept {
    const ThreadTag owner = tag_of(glance.word);
    if (memory::thread_gone(owner)) {
      repair(queue_, position_, glance);
      return;
    }
    if (state_of(glance.word) == SlotState::writing) {
      constexpr int kPatience = 20;
      Word64& state = glance.place.slot->slot.state;
      for (int i = 0; i < kPatience; ++i) {
        pause();
        if (state.load(std::memory_order_relaxed) != glance.word) {  // a hint: looks again
          return;
        }
      }
      std::uint64_t word = glance.word;
      if ((word & kSlotPassed) == 0 && !state.compare_exchange_strong(word, word | kSlotPassed)) {
        return;
      }
      passed_ = std::min(passed_, position_);
    }
    if (busy_ == 0) {
      busy_ = owner;
    }
    ++position_;
  }

  // Moves the front behind the claimed slot. If it was pulled back meanwhile, or a writer whom this
  // walk passed has finished, there is an older item: that one first.
  Step confirm(const Claim& claim) noexcept {
    Word64& front = queue_.head->front;
    Position seen = front_;
    while (seen <= position_ && !front.compare_exchange_weak(seen, position_ + 1)) {
      if (seen < front_) {
        give_back(queue_, claim);
        return Step::again;
      }
    }
    for (Position p = passed_; p < position_; ++p) {
      const Glance glance = look(queue_, p);
      if (glance.there() && state_of(glance.word) == SlotState::ready) {
        pull_front(queue_, p);
        give_back(queue_, claim);
        return Step::again;
      }
    }
    return Step::claimed;
  }

  const View& queue_;
  ThreadTag me_;
  ThreadTag& busy_;
  Position front_ = 0;
  Position position_ = 0;
  Position passed_ = ~Position{0};
};

// Looks at what lies between the head and the front: work in progress, and what came late.
Step search_behind(const View& queue, ThreadTag me, Claim& claim, ThreadTag& busy) noexcept {
  advance_head(queue);
  const Position end = queue.head->front.load();
  for (Position p = queue.head->head.load(); p < end; ++p) {
    const Glance glance = look(queue, p);
    if (!glance.there()) {
      continue;
    }
    if (state_of(glance.word) == SlotState::ready) {
      std::uint64_t word = glance.word;
      if (glance.place.slot->slot.state.compare_exchange_strong(
              word, make_word(glance.place.seal, me, SlotState::reading))) {
        claim = {glance.place, p};
        return Step::claimed;
      }
      return Step::again;
    }
    if (is_claimed(glance.word)) {
      if (memory::thread_gone(tag_of(glance.word))) {
        repair(queue, p, glance);
        return Step::again;
      }
      busy = busy == 0 ? tag_of(glance.word) : busy;
    }
  }
  return Step::nothing;
}

// After a slot was finished.
void finish(const View& queue, const Claim& claim, std::uint64_t mark) noexcept {
  QueueHead& head = *queue.head;
  Word64& state = claim.place.slot->slot.state;
  if (head.capacity == 0) {
    // Release: whoever writes here next, in another life of the segment, sees that we are done.
    state.store(claim.place.seal | mark, std::memory_order_release);
  } else {
    state.exchange(claim.place.seal | mark);
    memory::gate_wake(head.not_full, 1);
  }
  if (claim.position % kSegmentSlots == kSegmentSlots - 1) {
    tidy(queue);
  }
}

}  // namespace

Room claim_to_write(const View& queue, ThreadTag me, Claim& claim) {
  QueueHead& head = *queue.head;
  Position position = head.tail.load();
  for (;;) {
    if (head.capacity != 0 && !has_room(queue, position)) {
      return Room::full;
    }
    const Glance glance = look(queue, position);
    if (!glance.there()) {
      if (const Position kept = first_kept(queue); position < kept) {
        position = std::max(kept, head.tail.load());
      } else {
        add_segment(queue, position);
      }
    } else if (is_unused(glance.word)) {
      std::uint64_t word = glance.word;
      if (glance.place.slot->slot.state.compare_exchange_strong(
              word, make_word(glance.place.seal, me, SlotState::writing))) {
        claim = {glance.place, position};
        return Room::claimed;
      }
    } else {
      position = std::max(position + 1, head.tail.load(std::memory_order_relaxed));  // a hint
    }
  }
}

void commit_write(const View& queue, const Claim& claim) noexcept {
  const std::uint64_t before =
      claim.place.slot->slot.state.exchange(make_word(claim.place.seal, 0, SlotState::ready));
  if ((before & kSlotPassed) != 0) [[unlikely]] {
    pull_front(queue, claim.position);  // Q5
  }
  note_tail(*queue.head, claim.position + 1);
}

void abandon_write(const View& queue, const Claim& claim) noexcept {
  raise_to(queue.head->ragged, claim.position + 1);
  claim.place.slot->slot.state.exchange(claim.place.seal | kSlotTombstone);
  raise_to(queue.head->tail, claim.position + 1);
  memory::gate_wake(queue.head->not_full, 1);
  memory::gate_wake(queue.head->all_done, memory::kAll);
  memory::gate_wake(queue.head->not_empty, memory::kAll);
}

Found claim_to_read(const View& queue, ThreadTag me, Claim& claim, bool thorough,
                    ThreadTag& busy) noexcept {
  heed_pulls(*queue.head);
  for (;;) {
    busy = 0;
    Step step = Walk{queue, me, busy}.run(claim);
    if (step == Step::nothing && thorough) {
      step = search_behind(queue, me, claim, busy);
    }
    if (step != Step::again) {
      return step == Step::claimed ? Found::claimed : Found::nothing;
    }
  }
}

void commit_read(const View& queue, const Claim& claim) noexcept {
  finish(queue, claim, kSlotTaken);
}

void commit_discard(const View& queue, const Claim& claim) noexcept {
  raise_to(queue.head->ragged, claim.position + 1);
  finish(queue, claim, kSlotTombstone);
}

bool find_room_alone(const View& queue, Claim& claim) noexcept {
  QueueHead& head = *queue.head;
  const Position position = head.tail.load(std::memory_order_relaxed);
  if (head.capacity != 0 && !has_room(queue, position)) {
    return false;
  }
  const Glance glance = look(queue, position);
  claim = {glance.place, position};
  return glance.there() && is_unused(glance.word);
}

void commit_write_alone(const View& queue, const Claim& claim) noexcept {
  // Release: pairs with the look of whoever reads it. Nobody has passed a slot that was unused.
  claim.place.slot->slot.state.store(make_word(claim.place.seal, 0, SlotState::ready),
                                     std::memory_order_release);
  note_tail(*queue.head, claim.position + 1);
}

bool find_item_alone(const View& queue, Claim& claim) noexcept {
  QueueHead& head = *queue.head;
  const Position position = head.front.load(std::memory_order_relaxed);
  if (head.pulled.load(std::memory_order_acquire) != 0) [[unlikely]] {
    return false;
  }
  const Glance glance = look(queue, position);
  claim = {glance.place, position};
  return glance.there() && state_of(glance.word) == SlotState::ready;
}

void commit_read_alone(const View& queue, const Claim& claim) noexcept {
  // The front first: what is finished lies before it (Q7). Should we be killed in between, the
  // item is ready before the front, where it is looked for (Q6).
  queue.head->front.store(claim.position + 1, std::memory_order_release);
  finish(queue, claim, kSlotTaken);
}

void heed_pulls(QueueHead& head) noexcept {
  std::uint64_t told = head.pulled.load();
  while (told != 0) {
    move_front_back(head, told - 1);
    if (head.pulled.compare_exchange_strong(told, 0)) {
      return;
    }
  }
}

bool is_ready(const View& queue, Position position) noexcept {
  const Glance glance = look(queue, position);
  return glance.there() ? !is_unused(glance.word) : position < first_kept(queue);
}

std::uint64_t count_items(const View& queue) noexcept {
  advance_head(queue);
  const Position head = queue.head->head.load();
  const Position tail = advance_tail(queue);
  if (tail <= head) {
    return 0;
  }
  return tail - head - count_slots(queue, head, ragged_end(*queue.head, tail), is_finished);
}

std::uint64_t count_put(const View& queue) noexcept {
  const auto is_tombstone = [](std::uint64_t word) { return mark_of(word) == kSlotTombstone; };
  QueueHead& head = *queue.head;
  for (;;) {
    advance_head(queue);
    const std::uint64_t seen = head.tombstones.load();
    const Position begin = head.head.load();
    const Position tail = advance_tail(queue);
    const std::uint64_t ahead = count_slots(queue, begin, ragged_end(head, tail), is_tombstone);
    if (head.head.load() == begin && head.tombstones.load() == seen) {
      return tail - (seen >> kTombstoneBits) - ahead;
    }
  }
}

bool has_room(const View& queue, Position position) noexcept {
  QueueHead& head = *queue.head;
  const auto fits = [&](Position first, std::uint64_t finished) {
    return position < first || position - first - finished < head.capacity;
  };
  if (fits(head.head.load(), 0)) {
    return true;
  }
  advance_head(queue);
  const Position first = head.head.load();
  return fits(first, 0) ||
         fits(first, count_slots(queue, first, ragged_end(head, position), is_finished));
}

void tidy(const View& queue) noexcept {
  advance_head(queue);
  retire_segments(queue);
}

bool repair_after_death(const View& queue) noexcept {
  advance_head(queue);
  bool found = false;
  const Position end = queue.head->front.load();
  for (Position p = queue.head->head.load(); p < end; ++p) {
    const Glance glance = look(queue, p);
    if (!glance.there()) {
      continue;
    }
    if (is_claimed(glance.word) && memory::thread_gone(tag_of(glance.word))) {
      found |= repair(queue, p, glance);
    } else if (state_of(glance.word) == SlotState::ready) {
      pull_front(queue, p);
      found = true;
    }
  }
  return found;
}

}  // namespace mp::queue
