// SPDX-License-Identifier: Apache-2.0
// Design.  ring.cpp claims and commits; this file moves items in and out of slots, sleeps and
// wakes. A waiter spins, yields when the CPU is needed by the peer itself, and sleeps at a gate.
// Whoever succeeds passes the wake-up on if there is more, so a wake-up that met the wrong sleeper,
// or one that was killed, does not leave work lying (Q9).
#include "mp/queue/raw_queue.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/queue/queue.hpp"  // what it declares below is to be exported

#include "memory/arena.hpp"
#include "memory/fences.hpp"
#include "memory/gate.hpp"
#include "memory/message.hpp"
#include "memory/object.hpp"
#include "memory/prefetch.hpp"
#include "memory/spinner.hpp"
#include "memory/threads.hpp"
#include "os/proc.hpp"
#include "os/robust.hpp"
#include "queue/alone.hpp"
#include "queue/local_queue.hpp"
#include "queue/ring.hpp"

namespace mp {

namespace {

using layout::QueueHead;
using layout::SlotState;
using memory::ThreadTag;
using queue::Claim;
using queue::View;

constexpr auto kType = static_cast<std::uint32_t>(memory::ObjectType::queue);

bool is_shut(const QueueHead& head) noexcept {
  return (head.flags.load() & layout::kQueueShut) != 0;
}
bool is_terminated(const QueueHead& head) noexcept {
  return (head.flags.load() & layout::kQueueTerminated) != 0;
}

// What comes in such numbers between two waits of a reader is a stream.
constexpr std::uint64_t kStream = 8;

// Tells spinners where the peer runs (spinner.hpp), now and then.
void publish_cpu(layout::Gate& gate, queue::Position position) noexcept {
  constexpr queue::Position kOften = 8;
  if (position % kOften != 0) {
    return;
  }
  const auto cpu = static_cast<std::uint32_t>(os::current_cpu() + 1);
  if (gate.cpu.load(std::memory_order_relaxed) != cpu) {  // a hint
    gate.cpu.store(cpu, std::memory_order_relaxed);
  }
}

bool has_sleepers(const layout::Gate& gate) noexcept {
  return (gate.word.load() & layout::kGateSleepers) != 0;
}

// Gives the CPU to whoever waits for it, unless that took long lately: then somebody else is there,
// and a sleep is better, because it ends with a wake-up. Returns whether that was done, and quick.
bool yield(detail::LocalQueue& local) noexcept {
  // Relaxed throughout: a hint, and an update that gets lost does not matter.
  if (const std::uint32_t left = local.no_yield.load(std::memory_order_relaxed); left != 0) {
    local.no_yield.store(left - 1, std::memory_order_relaxed);
    return false;
  }
  constexpr std::uint32_t kRest = 128;
  constexpr std::chrono::microseconds kLong{500};
  const auto before = std::chrono::steady_clock::now();
  std::this_thread::yield();
  if (std::chrono::steady_clock::now() - before > kLong) {
    local.no_yield.store(kRest, std::memory_order_relaxed);
    return false;
  }
  return true;
}

// Whether those who wake at `gate` ran on this CPU when they did so last.
bool runs_here(const layout::Gate& gate) noexcept {
  return gate.cpu.load(std::memory_order_relaxed) ==  // a hint
         static_cast<std::uint32_t>(os::current_cpu() + 1);
}

// Spins until `ready`, or it is better to sleep. When the peer runs on this very CPU, it needs it
// and gets it: one that fills or drains a batch meanwhile spares a sleep for each item.
template <class Ready>
void linger(detail::LocalQueue& local, memory::Waiting& waiting, const layout::Gate& gate,
            Ready&& ready, int calm = 0) noexcept {
  const int peer = static_cast<int>(gate.cpu.load(std::memory_order_relaxed)) - 1;  // a hint
  if (waiting.spin(ready, peer, calm) || peer != os::current_cpu()) {
    return;
  }
  constexpr int kYields = 4;
  for (int i = 0; i < kYields && !ready() && yield(local); ++i) {
  }
}

// Copies `size` bytes between places of kInlineSize, and what lies behind them: copies of known
// length are a few instructions, those of any length a call or worse.
void copy_small(std::byte* to, const std::byte* from, std::size_t size) noexcept {
  constexpr std::size_t kLine = 64;
  std::memcpy(to, from, kLine);
  if (size > kLine) {
    std::memcpy(to + kLine, from + kLine, layout::QueueSlot::kInline - kLine);
  }
}

void free_items(layout::QueueSlot* slots) noexcept {
  for (std::uint64_t i = 0; i < layout::kSegmentSlots; ++i) {
    const layout::Slot& slot = slots[i].slot;
    const auto state = static_cast<SlotState>(slot.state.load() & layout::kSlotStateMask);
    if (state == SlotState::ready || state == SlotState::reading) {
      memory::free_message(slot.block.load());
    }
  }
}

void destroy(std::byte* object) {
  queue::free_directory(*reinterpret_cast<QueueHead*>(object), free_items);
}

void on_death(std::byte* object, memory::ProcessId) {
  queue::repair_after_death(View{.head = reinterpret_cast<QueueHead*>(object)});
}

[[maybe_unused]] const bool registered = memory::register_object_type(
    memory::ObjectType::queue, {.destroy = destroy, .on_death = on_death});

View view_of(const detail::ObjectRef& object, const detail::LocalQueue& local) {
  return {reinterpret_cast<QueueHead*>(object.data()), local.serial};
}

bool is_closed(const detail::LocalQueue& local) noexcept {
  return local.closed_after.load(std::memory_order_relaxed) == detail::fork_generation;
}

// Drops a claimed item as if it had never been put.
void discard(const View& view, const Claim& claim) noexcept {
  const std::uint64_t block = claim.place.slot->slot.block.load(std::memory_order_relaxed);
  memory::take_block(block);
  queue::commit_discard(view, claim);
  memory::free_message(block);
}

}  // namespace

void RawQueue::Draft::drop_block() noexcept {
  memory::free_message(std::exchange(block_, 0));
}

MutableByteView RawQueue::Draft::begin(std::size_t size) {
  drop();
  size_ = size;
  held_ = objects_.size();
  if (size <= kInlineSize && objects_.empty()) {
    return {bytes_.data(), size};
  }
  memory::Message message{size, objects_};
  const MutableByteView room = message.payload();
  block_ = message.release();
  return room;
}

void RawQueue::Draft::put_object(std::uint64_t id) {
  if (std::find(objects_.begin(), objects_.end(), id) == objects_.end()) {
    objects_.push_back(id);
  }
}

void RawQueue::Item::drop_block() noexcept {
  view_ = {};
  memory::free_message(std::exchange(block_, 0));
}

void RawQueue::Item::take_object(std::uint64_t id) {
  memory::MessageCarrier{block_}.take_object(id);
}

RawQueue::RawQueue(detail::ObjectRef object)
    : object_{std::move(object)}, local_{detail::local_queue(object_.id())} {}

RawQueue::RawQueue(std::size_t maxsize)
    : RawQueue{[maxsize] {
        memory::ObjectBuilder builder{memory::ObjectType::queue, sizeof(QueueHead)};
        auto& head = *reinterpret_cast<QueueHead*>(builder.data());
        head.capacity = maxsize;
        head.self = memory::Arena::get().offset_of(&head);
        return builder.publish();
      }()} {}

RawQueue RawQueue::from_id(std::uint64_t id) {
  return RawQueue{detail::ObjectRef::from_id(id, kType)};
}

// Puts the draft into a slot that nobody else writes to.
void RawQueue::Draft::fill(layout::QueueSlot& slot) const noexcept {
  slot.slot.block.store(block_, std::memory_order_relaxed);  // the commit publishes
  if (block_ == 0) {
    slot.size = static_cast<std::uint32_t>(size_);
    copy_small(slot.bytes, bytes_.data(), size_);
  } else {
    memory::set_home(block_, layout::HomeKind::slot, &slot.slot);
  }
}

// After the commit, which has taken the block over.
void RawQueue::Draft::committed() noexcept {
  block_ = 0;
  objects_.clear();
  held_ = 0;
}

// Puts without a claim, if this thread is the only one that ever put and there is room at once.
bool RawQueue::put_alone(Draft& draft, std::uint32_t me, std::uint64_t& position) {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  if (!queue::enter_alone(head, head.sole_writer, me)) {
    return false;
  }
  Claim claim;
  // Looked at inside: who finds the queue shut waits until we are outside.
  const bool can = !is_closed(*local_) && !is_shut(head) && queue::find_room_alone(view, claim);
  if (can) {
    draft.fill(*claim.place.slot);
    queue::commit_write_alone(view, claim);
  }
  queue::leave_alone();
  if (can) {
    queue::prefetch_after(claim.place, claim.position, memory::prefetch_to_write);
    position = claim.position;
    draft.committed();
  }
  return can;
}

RawQueue::Outcome RawQueue::put_quietly(Draft& draft, Deadline until, std::uint64_t& position) {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  const ThreadTag me = memory::this_thread();
  Claim claim;
  do {
    if (put_alone(draft, me, position)) {
      return Outcome::done;
    }
    if (is_closed(*local_) || is_shut(head)) {
      return Outcome::closed;
    }
    if (queue::claim_to_write(view, me, claim) == queue::Room::claimed) {
      // Looked at again after the claim: a reader that finds the queue shut and empty has seen
      // either this claim or nothing at all.
      if (is_shut(head)) [[unlikely]] {
        queue::abandon_write(view, claim);
        return Outcome::closed;
      }
      draft.fill(*claim.place.slot);
      queue::commit_write(view, claim);
      queue::prefetch_after(claim.place, claim.position, memory::prefetch_to_write);
      position = claim.position;
      draft.committed();
      return Outcome::done;
    }
  } while (wait_for_room(until) == Outcome::done);
  return Outcome::timed_out;
}

// Before the first look for sleepers: alone.hpp.
bool RawQueue::settle_to_write(Deadline until) {
  QueueHead& head = *view_of(object_, *local_).head;
  return queue::settle(head, head.sole_writer, memory::this_thread(), until, nullptr);
}

RawQueue::Outcome RawQueue::put(Draft& draft, Deadline until) {
  QueueHead& head = *view_of(object_, *local_).head;
  if (!settle_to_write(until)) {
    return Outcome::timed_out;
  }
  // Should this thread die between commit and wake-up, the kernel wakes a sleeper. Who falls asleep
  // after this look has seen our claim, and sleeps on this thread's life.
  std::optional<os::PendingWake> cover;
  if (has_sleepers(head.not_empty)) {
    static_cast<void>(memory::this_thread());  // registering locks a robust mutex
    cover.emplace(memory::Arena::get().header().gate);
  }
  queue::Position position = 0;
  const Outcome outcome = put_quietly(draft, until, position);
  if (outcome == Outcome::done) {
    publish_cpu(head.not_empty, position);
    memory::light_fence();  // pairs with prepare_for_items
    if (has_sleepers(head.not_empty)) [[unlikely]] {
      memory::gate_wake(head.not_empty, 1);
    }
    // A reader on this very CPU is let in while what it will read is still in the cache.
    constexpr queue::Position kInCache = 1024;
    if (position % kInCache == kInCache - 1 && runs_here(head.not_full)) {
      yield(*local_);
    }
  }
  return outcome;
}

RawQueue::Outcome RawQueue::wait_for_room(Deadline until) {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  const auto room = [&] {
    return is_shut(head) || is_closed(*local_) || queue::has_room(view, head.tail.load());
  };
  if (until.passed()) {
    return Outcome::timed_out;
  }
  memory::Waiting waiting{local_->put_spinner};
  linger(*local_, waiting, head.not_full, room);
  for (;;) {
    const std::uint32_t key = memory::gate_prepare(head.not_full);
    if (room()) {
      return Outcome::done;
    }
    if (!memory::gate_sleep(head.not_full, key, until)) {
      return Outcome::timed_out;
    }
  }
}

// Finds an item without claiming it, if this thread is the only one that ever got any, and there is
// one at once; then it is inside (alone.hpp).
bool RawQueue::find_alone(queue::Claim& claim) {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  if (!queue::enter_alone(head, head.sole_reader, memory::this_thread())) {
    return false;
  }
  // Looked at inside: who terminates the queue waits until we are outside, then takes the rest.
  if (!is_closed(*local_) && !is_terminated(head) && queue::find_item_alone(view, claim)) {
    return true;
  }
  queue::leave_alone();
  return false;
}

// Claims an item, waiting for one.
RawQueue::Outcome RawQueue::await_item(queue::Claim& claim, Deadline until) {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  const ThreadTag me = memory::this_thread();
  ThreadTag busy = 0;
  const auto claimed = [&](bool thorough) {
    return queue::claim_to_read(view, me, claim, thorough, busy) == queue::Found::claimed;
  };
  if (is_closed(*local_)) {
    return Outcome::closed;
  }
  if (!queue::settle(head, head.sole_reader, me, until, queue::heed_pulls)) {
    return Outcome::timed_out;
  }
  if (claimed(false)) {
    return Outcome::done;
  }
  const bool patient = !until.passed();
  memory::Waiting waiting{local_->get_spinner};
  if (patient && !is_shut(head)) {
    // Relaxed: hints.
    constexpr int kCalm = 32;
    const std::uint64_t front = head.front.load(std::memory_order_relaxed);
    const std::uint64_t came = front - local_->waited_at.exchange(front, std::memory_order_relaxed);
    linger(
        *local_, waiting, head.not_empty,
        [&] { return queue::is_ready(view, head.front.load(std::memory_order_relaxed)); },
        came >= kStream ? kCalm : 0);
    if (claimed(false)) {
      return Outcome::done;
    }
  }
  // Should this thread be woken, and killed before it has the item, the others look again.
  const os::PendingWake cover{memory::Arena::get().header().gate};
  for (;;) {
    queue::tidy(view);
    const bool shut = is_shut(head);
    if (shut && !queue::share(head, head.sole_writer, me, until, nullptr)) {
      return Outcome::timed_out;  // it may be putting something that comes before the end
    }
    const std::uint32_t key = patient ? queue::prepare_for_items(head) : 0;
    const ThreadTag writer = queue::who_is_alone(head.sole_writer);
    if (claimed(true)) {
      return Outcome::done;
    }
    if (is_closed(*local_) || (shut && busy == 0)) {
      return Outcome::closed;
    }
    const ThreadTag watched = busy != 0 || writer == me ? busy : writer;
    if (!patient || !memory::gate_sleep(head.not_empty, key, until, watched)) {
      return Outcome::timed_out;
    }
  }
}

RawQueue::Outcome RawQueue::get(Item& item, Deadline until) {
  const Outcome outcome = take(item, until);
  local_->after_getting();
  return outcome;
}

RawQueue::Outcome RawQueue::take(Item& item, Deadline until) {
  item.view_ = {};
  if (item.block_ != 0) [[unlikely]] {
    item.drop_block();
  }
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  Claim claim;
  const bool alone = find_alone(claim);
  if (!alone) {
    if (const Outcome outcome = await_item(claim, until); outcome != Outcome::done) {
      return outcome;
    }
    if (is_terminated(head)) [[unlikely]] {
      discard(view, claim);
      return Outcome::closed;
    }
  }
  std::optional<os::PendingWake> cover;
  if (head.capacity != 0 || has_sleepers(head.not_empty)) {
    cover.emplace(memory::Arena::get().header().gate);
  }
  const layout::QueueSlot& slot = *claim.place.slot;
  if (claim.position - local_->waited_at.load(std::memory_order_relaxed) >= kStream) {
    queue::prefetch_after(claim.place, claim.position, memory::prefetch_to_write);
  }
  const std::uint64_t block = slot.slot.block.load(std::memory_order_relaxed);  // after the claim
  if (block == 0) {
    const std::size_t size = std::min<std::size_t>(slot.size, kInlineSize);
    copy_small(item.bytes_.data(), slot.bytes, size);
    item.view_ = {item.bytes_.data(), size};
  } else {
    memory::take_block(block);  // before the commit takes it out of its home
  }
  publish_cpu(head.not_full, claim.position);
  if (alone) {
    queue::commit_read_alone(view, claim);
    queue::leave_alone();
  } else {
    queue::commit_read(view, claim);
  }
  if (has_sleepers(head.not_empty) && queue::is_ready(view, claim.position + 1)) {
    memory::gate_wake(head.not_empty, 1);  // Q9
  }
  if (block != 0) {
    item.block_ = block;
    memory::Message message = memory::Message::adopt(block);
    item.view_ = message.payload();
    message.release();
  }
  return Outcome::done;
}

RawQueue::Batch::Batch(RawQueue& queue) noexcept : queue_{queue} {}

RawQueue::Batch::~Batch() {
  wake();
}

void RawQueue::Batch::wake() noexcept {
  if (put_ != 0) {
    QueueHead& head = *view_of(queue_.object_, *queue_.local_).head;
    publish_cpu(head.not_empty, 0);
    memory::gate_wake(head.not_empty, std::exchange(put_, 0));
  }
}

RawQueue::Outcome RawQueue::Batch::put(Draft& draft, Deadline until) {
  if (!queue_.settle_to_write(until)) {
    return Outcome::timed_out;
  }
  queue::Position position = 0;
  Outcome outcome = queue_.put_quietly(draft, Deadline::now(), position);
  if (outcome == Outcome::timed_out && !until.passed()) {
    wake();
    outcome = queue_.put_quietly(draft, until, position);
  }
  put_ += outcome == Outcome::done ? 1 : 0;
  return outcome;
}

std::size_t RawQueue::size() const {
  return queue::count_items(view_of(object_, *local_));
}

bool RawQueue::full() const {
  const std::size_t most = maxsize();
  return most != 0 && size() >= most;
}

std::size_t RawQueue::maxsize() const {
  return view_of(object_, *local_).head->capacity;
}

void RawQueue::task_done() {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  std::uint64_t done = head.done.load();
  std::uint64_t put = 0;
  do {
    put = queue::count_put(view);
    MP_EXPECTS(done < put, "task_done() was called more often than items were put");
  } while (!head.done.compare_exchange_weak(done, done + 1));
  if (done + 1 >= put) {
    memory::gate_wake(head.all_done, memory::kAll);
  }
}

bool RawQueue::join(Deadline until) const {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  for (;;) {
    const std::uint32_t key = memory::gate_prepare(head.all_done);
    const std::uint64_t done = head.done.load();
    if (queue::count_put(view) <= done) {
      return true;
    }
    if (!memory::gate_sleep(head.all_done, key, until)) {
      return queue::count_put(view) <= head.done.load();
    }
  }
}

void RawQueue::close() noexcept {
  // Relaxed: it orders nothing.
  local_->closed_after.store(detail::fork_generation, std::memory_order_relaxed);
  QueueHead& head = *view_of(object_, *local_).head;
  memory::gate_wake(head.not_empty, memory::kAll);  // threads of this process that wait
  memory::gate_wake(head.not_full, memory::kAll);
}

bool RawQueue::closed() const noexcept {
  return is_closed(*local_);
}

void RawQueue::shutdown(bool immediate) {
  const View view = view_of(object_, *local_);
  QueueHead& head = *view.head;
  const ThreadTag me = memory::this_thread();
  head.flags.fetch_or(layout::kQueueShut | (immediate ? layout::kQueueTerminated : 0));
  if (immediate) {
    static_cast<void>(
        queue::share(head, head.sole_reader, me, Deadline::never(), queue::heed_pulls));
    static_cast<void>(queue::share(head, head.sole_writer, me, Deadline::never(), nullptr));
  }
  Claim claim;
  ThreadTag busy = 0;
  while (immediate && queue::claim_to_read(view, me, claim, true, busy) == queue::Found::claimed) {
    discard(view, claim);
  }
  for (layout::Gate* gate : {&head.not_empty, &head.not_full, &head.all_done}) {
    memory::gate_wake(*gate, memory::kAll);
  }
}

namespace detail {

void throw_queue_closed() {
  throw QueueClosed{};
}

void throw_queue_full() {
  throw Full{};
}

void throw_queue_empty() {
  throw Empty{};
}

}  // namespace detail

}  // namespace mp
