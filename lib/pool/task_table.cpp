// SPDX-License-Identifier: Apache-2.0
// Everything that is read from the board here may have been written by a worker gone mad: indices
// and sequences are checked against the table's own, and what does not fit is passed over.
#include "pool/task_table.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

#include "mp/errors/error.hpp"

#include "memory/gate.hpp"
#include "os/proc.hpp"
#include "pool/result_access.hpp"

namespace mp::pool {

using layout::SlotPhase;
using layout::TaskSlot;

namespace {

// Tasks on the board that nobody has begun, for each worker, while there are priorities.
constexpr std::uint32_t kAheadWhenRanked = 2;

memory::Message message_of(const Bytes& bytes, const std::vector<std::uint64_t>& objects = {}) {
  memory::Message message{bytes.size(), objects};
  copy_bytes(message.payload().data(), bytes.data(), bytes.size());
  return message;
}

}  // namespace

TaskTable::TaskTable(Board board)
    : board_{std::move(board)}, places_(board_.slot_count()), done_heads_(board_.worker_count()) {
  for (std::uint32_t i = board_.slot_count(); i-- > 0;) {
    free_.push_back(i);
  }
}

void TaskTable::add(Task task) {
  Job job{std::move(task), {}};
  const Bytes& call = job.task.call.bytes();
  if (call.size() > TaskSlot::kInline || !job.task.objects.empty()) {
    job.message = message_of(call, job.task.objects);
    static_cast<void>(job.task.call.take_bytes());
    job.task.held.clear();  // the message holds them
  }
  ++unfinished_;
  const int priority = job.task.rules.priority;
  ranked_ += priority != 0 ? 1 : 0;
  if (ranked_ == 0 && waiting_.empty() && has_room()) {
    post(std::move(job));
    return;
  }
  waiting_.push_back(priority, std::move(job));
  if (ranked_ != 0) {
    post_waiting();
  }
}

// Whether there is a slot, and an entry of the order ring. The ring has twice as many entries as
// there are slots; it can be full only of tasks that were cancelled before anybody began them, and
// nobody may be there to help the head past those. While tasks have priorities the board is kept
// short, so that there is little to take back.
bool TaskTable::has_room() {
  if (free_.empty()) {
    return false;
  }
  const std::uint64_t entries = ranked_ != 0 ? std::uint64_t{kAheadWhenRanked} * width_
                                             : std::uint64_t{2} * board_.slot_count();
  layout::BoardHeader& header = board_.header();
  const std::uint64_t tail = header.tail.load(std::memory_order_relaxed);
  std::uint64_t head = header.head.load();
  while (tail - head >= entries) {
    if (is_posted_at(head)) {
      return false;  // it is some worker's turn
    }
    header.head.compare_exchange_strong(head, head + 1);
    head = header.head.load();
  }
  return true;
}

// Whether what was posted at this position is still there for a worker to claim.
bool TaskTable::is_posted_at(std::uint64_t position) const noexcept {
  const auto index = static_cast<std::uint32_t>(board_.order(position).load());
  const Place& place = places_[index % board_.slot_count()];
  return place.is_used() && place.position == position &&
         layout::slot_phase(board_.slot(index).state.load()) == SlotPhase::posted;
}

// Takes tasks of lower priority back that nobody has begun.
void TaskTable::take_back_below(int priority) {
  const layout::BoardHeader& header = board_.header();
  const std::uint64_t head = header.head.load();
  for (std::uint64_t at = header.tail.load(std::memory_order_relaxed); at-- > head;) {
    const auto index = static_cast<std::uint32_t>(board_.order(at).load());
    if (!is_posted_at(at) || places_[index].job.task.rules.priority >= priority) {
      continue;
    }
    std::uint64_t state = layout::slot_state(SlotPhase::posted, 0, places_[index].sequence);
    if (board_.slot(index).state.compare_exchange_strong(
            state, layout::slot_state(SlotPhase::cancelled, 0, places_[index].sequence))) {
      wait_again(clear(index));
    }
  }
}

// It goes ahead of its equals, for it was posted before them.
void TaskTable::wait_again(Job job) {
  const int priority = job.task.rules.priority;
  waiting_.push_front(priority, std::move(job));
}

// Writes a task into a free slot and commits it to the order ring.
void TaskTable::post(Job job) {
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Place& place = places_[index];
  TaskSlot& slot = board_.slot(index);
  place.job = std::move(job);
  ++place.sequence;
  place.verdict = Verdict::none;
  place.condemn_at = Deadline::never();
  place.seen_running = 0;
  const Bytes& call = place.job.task.call.bytes();
  copy_bytes(slot.bytes, call.data(), call.size());
  slot.size.store(static_cast<std::uint32_t>(call.size()), std::memory_order_relaxed);
  slot.task.store(place.job.message.id(), std::memory_order_relaxed);
  slot.result.store(0, std::memory_order_relaxed);
  slot.spared.store(place.job.spared_message.id(), std::memory_order_relaxed);
  slot.begun.store(0, std::memory_order_relaxed);
  slot.item.store(0, std::memory_order_relaxed);
  slot.heeds.store(0, std::memory_order_relaxed);
  slot.stop.store(0, std::memory_order_relaxed);
  slot.stream.store(place.job.task.stream, std::memory_order_relaxed);
  repeatable_ += may_repeat(place.job) ? 1 : 0;
  if (place.has_limit()) {
    ++timed_;
    // T1: it cannot have lasted too long before this.
    tend_at_ = std::min(tend_at_, from_now(place.job.task.rules.timeout));
  }
  layout::BoardHeader& header = board_.header();
  const std::uint64_t tail = header.tail.load(std::memory_order_relaxed);
  place.position = tail;
  slot.position.store(tail, std::memory_order_relaxed);
  slot.state.store(layout::slot_state(SlotPhase::posted, 0, place.sequence),
                   std::memory_order_release);
  board_.order(tail).store(order_entry(tail, index), std::memory_order_release);
  header.tail.store(tail + 1, std::memory_order_release);
  header.work.cpu.store(static_cast<std::uint32_t>(os::current_cpu() + 1),
                        std::memory_order_relaxed);
  wake_worker();
}

// Unless as many look for tasks as there are tasks.
void TaskTable::wake_worker() {
  layout::BoardHeader& header = board_.header();
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the task before the look at them
  int looking = 0;
  for (std::uint32_t word = 0; word * 64 < board_.worker_count(); ++word) {
    looking += std::popcount(header.looking[word].load(std::memory_order_relaxed));
  }
  if (header.tail.load(std::memory_order_relaxed) - header.head.load(std::memory_order_relaxed) >
      static_cast<std::uint64_t>(looking)) {
    memory::gate_wake(header.work, 1);
  }
}

// A worker that died may have looked for tasks, and somebody counted on it.
void TaskTable::looks_no_more(std::uint32_t worker) {
  layout::BoardHeader& header = board_.header();
  header.looking[worker / 64].fetch_and(~layout::BoardHeader::bit_of(worker));
  wake_worker();
}

void TaskTable::post_waiting() {
  if (ranked_ != 0 && !waiting_.empty()) {
    take_back_below(waiting_.highest());
  }
  while (!waiting_.empty() && has_room()) {
    post(waiting_.pop());
  }
}

// Frees the slot and returns what was in it.
TaskTable::Job TaskTable::clear(std::uint32_t index) {
  Place& place = places_[index];
  TaskSlot& slot = board_.slot(index);
  // A result block that is still here was not taken: its worker was killed before it was done.
  if (const memory::BlockId left = slot.result.exchange(0); memory::take_block(left)) {
    memory::free_message(left);
  }
  slot.task.store(0, std::memory_order_relaxed);
  slot.spared.store(0, std::memory_order_relaxed);
  slot.state.store(layout::slot_state(SlotPhase::empty, 0, place.sequence),
                   std::memory_order_release);
  free_.push_back(index);
  repeatable_ -= may_repeat(place.job) ? 1 : 0;
  timed_ -= place.has_limit() || place.verdict == Verdict::cancelled ? 1 : 0;
  return std::exchange(place.job, {});
}

void TaskTable::finish(Job job, Finished& finished) {
  --unfinished_;
  ranked_ -= job.task.rules.priority != 0 ? 1 : 0;
  finished.push_back(std::move(job.task.result));
}

void TaskTable::fail(Job job, const std::exception_ptr& why, Finished& finished) {
  ResultAccess::set_failure(*job.task.result, why);
  finish(std::move(job), finished);
}

// The job was begun and came to nothing.
void TaskTable::try_again(Job job) {
  const TaskRules& rules = job.task.rules;
  const int doublings = std::min(job.attempts, 20);
  ++job.attempts;
  if (rules.backoff.count() == 0) {
    wait_again(std::move(job));
  } else {
    job.not_before = Deadline{rules.backoff * (1LL << doublings)};
    tend_at_ = std::min(tend_at_, job.not_before);
    resting_.push_back(std::move(job));
  }
}

void TaskTable::take_outcome(std::uint32_t index, Finished& finished) {
  Place& place = places_[index];
  RawResult& result = *place.job.task.result;
  TaskSlot& slot = board_.slot(index);
  if (place.verdict == Verdict::cancelled) {
    fail(clear(index), std::make_exception_ptr(Cancelled{}), finished);
    return;
  }
  try {
    const memory::BlockId block = slot.result.load(std::memory_order_relaxed);
    if (block != 0 && memory::take_block(block)) {
      ResultAccess::set_message(result, memory::Message::adopt(block));
      slot.result.store(0, std::memory_order_relaxed);
    } else {
      const std::size_t size =
          std::min<std::size_t>(slot.size.load(std::memory_order_relaxed), TaskSlot::kInline);
      ResultAccess::set_bytes(result, Bytes(slot.bytes, slot.bytes + size));
    }
  } catch (const std::exception&) {
    ResultAccess::set_failure(result, std::current_exception());
  }
  if (place.job.task.rules.retry_exceptions && may_repeat(place.job) &&
      ResultAccess::has_failed(result)) {
    try_again(clear(index));
  } else {
    finish(clear(index), finished);
  }
}

void TaskTable::drain(std::uint32_t worker, Finished& finished) {
  const std::uint64_t tail = board_.worker(worker).done_tail.load();
  std::uint64_t& head = done_heads_[worker];
  if (tail - head > board_.slot_count()) {
    head = tail - board_.slot_count();  // more than can be true
  }
  for (; head != tail; ++head) {
    const std::uint64_t entry = board_.done(worker, head).load(std::memory_order_acquire);
    const auto index = static_cast<std::uint32_t>(entry);
    const auto sequence = static_cast<std::uint32_t>(entry >> 32);
    if (index < board_.slot_count() && places_[index].is_used() &&
        places_[index].sequence == sequence &&
        board_.slot(index).state.load() == layout::slot_state(SlotPhase::done, worker, sequence)) {
      take_outcome(index, finished);
    }
  }
}

void TaskTable::collect(Finished& finished) {
  layout::BoardHeader& header = board_.header();
  for (std::uint32_t word = 0; word * 64 < board_.worker_count(); ++word) {
    if (header.finished[word].load(std::memory_order_relaxed) == 0) {
      continue;
    }
    const std::uint64_t bits = header.finished[word].exchange(0);
    for (std::uint32_t bit = 0; bit < 64; ++bit) {
      const std::uint32_t worker = word * 64 + bit;
      if ((bits >> bit & 1) != 0 && worker < board_.worker_count()) {
        drain(worker, finished);
      }
    }
  }
  post_waiting();
}

void TaskTable::judge(std::uint32_t worker, const Death& death, Finished& finished) {
  looks_no_more(worker);
  drain(worker, finished);
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    const Place& place = places_[index];
    if (!place.is_used()) {
      continue;
    }
    const std::uint64_t state = board_.slot(index).state.load();
    if (state == layout::slot_state(SlotPhase::done, worker, place.sequence)) {
      take_outcome(index, finished);
    } else if (state == layout::slot_state(SlotPhase::running, worker, place.sequence) ||
               state == layout::slot_state(SlotPhase::condemned, worker, place.sequence)) {
      const Verdict verdict = place.verdict;
      const Memory memory = place.memory;
      const std::uint32_t item = board_.slot(index).item.load();
      Job job = clear(index);
      if (verdict == Verdict::cancelled) {
        fail(std::move(job), std::make_exception_ptr(Cancelled{}), finished);
      } else if (verdict == Verdict::timed_out && !may_repeat(job)) {
        fail(std::move(job), std::make_exception_ptr(TaskTimeout{}), finished);
      } else if (verdict == Verdict::too_large) {
        settle_too_large(std::move(job), memory, death, finished);
      } else {
        settle_death(std::move(job), item, death, finished);
      }
    }
  }
  post_waiting();
}

void TaskTable::fail_all(const std::exception_ptr& why, Finished& finished) {
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    if (places_[index].is_used()) {
      fail(clear(index), why, finished);
    }
  }
  while (!waiting_.empty()) {
    fail(waiting_.pop(), why, finished);
  }
  for (Job& job : std::exchange(resting_, {})) {
    fail(std::move(job), why, finished);
  }
}

bool TaskTable::has_unbegun() const noexcept {
  return may_post() || std::ranges::any_of(places_, [&](const Place& place) {
           const auto index = static_cast<std::uint32_t>(&place - places_.data());
           return place.is_used() &&
                  layout::slot_phase(board_.slot(index).state.load()) == SlotPhase::posted;
         });
}

// Whether a task is in this phase by that worker.
bool TaskTable::has(std::uint32_t worker, SlotPhase phase) const noexcept {
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    if (places_[index].is_used() &&
        board_.slot(index).state.load() ==
            layout::slot_state(phase, worker, places_[index].sequence)) {
      return true;
    }
  }
  return false;
}

std::uint64_t TaskTable::low_mark() const noexcept {
  const layout::BoardHeader& header = board_.header();
  const std::uint64_t left = board_.slot_count() / 4;
  const std::uint64_t tail = header.tail.load(std::memory_order_relaxed);
  return header.head.load() + left < tail ? tail - left : 0;
}

bool TaskTable::something_finished() const noexcept {
  const layout::BoardHeader& header = board_.header();
  for (std::uint32_t word = 0; word * 64 < board_.worker_count(); ++word) {
    if (header.finished[word].load(std::memory_order_acquire) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace mp::pool
