// SPDX-License-Identifier: Apache-2.0
// Everything that is read from the board here may have been written by a worker gone mad: indices
// and sequences are checked against the table's own, and what does not fit is passed over.
#include "pool/task_table.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "memory/gate.hpp"
#include "os/proc.hpp"
#include "pool/result_access.hpp"

namespace mp::pool {

using layout::SlotPhase;
using layout::TaskSlot;

TaskTable::TaskTable(Board board)
    : board_{std::move(board)}, places_(board_.slot_count()), done_heads_(board_.worker_count()) {
  for (std::uint32_t i = board_.slot_count(); i-- > 0;) {
    free_.push_back(i);
  }
}

void TaskTable::add(Task task) {
  Waiting waiting{std::move(task), {}};
  const Bytes& call = waiting.task.call.bytes();
  if (call.size() > TaskSlot::kInline || !waiting.task.objects.empty()) {
    waiting.message = memory::Message{call.size(), waiting.task.objects};
    copy_bytes(waiting.message.payload().data(), call.data(), call.size());
    waiting.task.call = {};
  }
  ++unfinished_;
  if (free_.empty() || !waiting_.empty()) {
    waiting_.push_back(std::move(waiting));
  } else {
    post(std::move(waiting));
  }
}

// Writes a task into a free slot and commits it to the order ring.
void TaskTable::post(Waiting waiting) {
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Place& place = places_[index];
  TaskSlot& slot = board_.slot(index);
  place.result = std::move(waiting.task.result);
  place.message = std::move(waiting.message);
  ++place.sequence;
  const Bytes& call = waiting.task.call.bytes();
  copy_bytes(slot.bytes, call.data(), call.size());
  slot.size.store(static_cast<std::uint32_t>(call.size()), std::memory_order_relaxed);
  slot.task.store(place.message.id(), std::memory_order_relaxed);
  slot.result.store(0, std::memory_order_relaxed);
  slot.state.store(layout::slot_state(SlotPhase::posted, 0, place.sequence),
                   std::memory_order_release);
  layout::BoardHeader& header = board_.header();
  const std::uint64_t tail = header.tail.load(std::memory_order_relaxed);
  board_.order(tail).store(order_entry(tail, index), std::memory_order_release);
  header.tail.store(tail + 1, std::memory_order_release);
  header.work.cpu.store(static_cast<std::uint32_t>(os::current_cpu() + 1),
                        std::memory_order_relaxed);
  memory::gate_wake(header.work, 1);
}

void TaskTable::post_waiting() {
  // The order ring has room for twice as many entries as there are slots, so only a head that
  // nobody helped forward for a whole round could be in the way.
  const layout::BoardHeader& header = board_.header();
  while (!waiting_.empty() && !free_.empty() &&
         header.tail.load(std::memory_order_relaxed) - header.head.load() <
             2 * std::uint64_t{board_.slot_count()} - 1) {
    post(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

// Frees the slot and returns the result that belongs to it.
std::shared_ptr<RawResult> TaskTable::clear(std::uint32_t index) {
  Place& place = places_[index];
  TaskSlot& slot = board_.slot(index);
  // A result block that is still here was not taken: its worker was killed before it was done.
  if (const memory::BlockId left = slot.result.exchange(0); memory::take_block(left)) {
    memory::free_message(left);
  }
  slot.task.store(0, std::memory_order_relaxed);
  slot.state.store(layout::slot_state(SlotPhase::empty, 0, place.sequence),
                   std::memory_order_release);
  place.message = {};
  free_.push_back(index);
  --unfinished_;
  return std::exchange(place.result, nullptr);
}

void TaskTable::take_outcome(std::uint32_t index, Finished& finished) {
  RawResult& result = *places_[index].result;
  TaskSlot& slot = board_.slot(index);
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
  finished.push_back(clear(index));
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
    if (index < board_.slot_count() && places_[index].result != nullptr &&
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

void TaskTable::judge(std::uint32_t worker, const std::exception_ptr& why, Finished& finished) {
  drain(worker, finished);
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    const Place& place = places_[index];
    if (place.result == nullptr) {
      continue;
    }
    const std::uint64_t state = board_.slot(index).state.load();
    if (state == layout::slot_state(SlotPhase::done, worker, place.sequence)) {
      take_outcome(index, finished);
    } else if (state == layout::slot_state(SlotPhase::running, worker, place.sequence)) {
      ResultAccess::set_failure(*place.result, why);
      finished.push_back(clear(index));
    }
  }
  post_waiting();
}

bool TaskTable::is_in_task(std::uint32_t worker) const noexcept {
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    if (places_[index].result != nullptr &&
        board_.slot(index).state.load() ==
            layout::slot_state(SlotPhase::running, worker, places_[index].sequence)) {
      return true;
    }
  }
  return false;
}

std::shared_ptr<RawResult> TaskTable::take_back(const RawResult& result) {
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (it->task.result.get() == &result) {
      auto taken = std::move(it->task.result);
      waiting_.erase(it);
      --unfinished_;
      return taken;
    }
  }
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    const Place& place = places_[index];
    if (place.result.get() != &result) {
      continue;
    }
    std::uint64_t posted = layout::slot_state(SlotPhase::posted, 0, place.sequence);
    if (!board_.slot(index).state.compare_exchange_strong(
            posted, layout::slot_state(SlotPhase::cancelled, 0, place.sequence))) {
      return nullptr;  // somebody has begun
    }
    return clear(index);
  }
  return nullptr;
}

void TaskTable::fail_all(const std::exception_ptr& why, Finished& finished) {
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    if (places_[index].result != nullptr) {
      ResultAccess::set_failure(*places_[index].result, why);
      finished.push_back(clear(index));
    }
  }
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    ResultAccess::set_failure(*waiting.task.result, why);
    finished.push_back(std::move(waiting.task.result));
    --unfinished_;
  }
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
