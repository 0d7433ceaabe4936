// SPDX-License-Identifier: Apache-2.0
// Time limits, cancellation, and tasks that are tried again.
//
// A worker must never be killed for a task that it has ended meanwhile: it could be in another. So
// a task that must end is condemned first, by a CAS on its slot. It fails if the worker has
// committed the outcome. If it succeeds, the worker's own commit fails, and the worker leaves
// without looking for more; then it is killed.
//
// Invariants
//   T1  When a task with a limit is posted, and whenever it is found not begun, it is looked at
//       again no later than its limit from then. So it is looked at before its time can be over,
//       and nobody has to be told when it begins.
//   T2  Only the parent condemns, and a condemned slot stays so until its worker is judged.
#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/gate.hpp"
#include "os/clock.hpp"
#include "pool/replay.hpp"
#include "pool/result_access.hpp"
#include "pool/task_table.hpp"

namespace mp {

std::int64_t TimeLimit::checked(long double nanoseconds) {
  MP_EXPECTS(nanoseconds > 0, "a time limit must be positive");
  return nanoseconds < 3e18L ? std::max<std::int64_t>(1, static_cast<std::int64_t>(nanoseconds))
                             : kNone;
}

namespace pool {

using layout::SlotPhase;
using layout::TaskSlot;

namespace {

Deadline at(std::int64_t moment) {
  return Deadline{Deadline::Clock::time_point{std::chrono::nanoseconds{moment}}};
}

}  // namespace

Deadline TaskTable::next_tending() const noexcept {
  return tend_at_;
}

// When the running task began: what its worker says, if that can be.
std::int64_t TaskTable::begun(Place& place, const TaskSlot& slot) const {
  if (place.seen_running == 0) {
    place.seen_running = os::monotonic_ns();
  }
  const auto told = static_cast<std::int64_t>(slot.begun.load(std::memory_order_relaxed));
  return told > 0 && told < place.seen_running ? told : place.seen_running;
}

void TaskTable::tend(std::vector<Sentence>& sentences) {
  tend_at_ = Deadline::never();
  const auto due = [](const Job& job) { return job.not_before.passed(); };
  for (Job& job : resting_) {
    if (due(job)) {
      const int priority = job.task.rules.priority;
      waiting_.push_back(priority, std::move(job));
    } else {
      tend_at_ = std::min(tend_at_, job.not_before);
    }
  }
  std::erase_if(resting_, [](const Job& job) { return job.task.result == nullptr; });
  for (std::uint32_t index = 0; timed_ != 0 && index < board_.slot_count(); ++index) {
    Place& place = places_[index];
    if (!place.is_used() || (!place.has_limit() && place.condemn_at.is_never())) {
      continue;
    }
    const TaskSlot& slot = board_.slot(index);
    const std::uint64_t state = slot.state.load();
    const std::uint32_t worker = layout::slot_worker(state);
    if (layout::slot_phase(state) == SlotPhase::posted) {
      tend_at_ = std::min(tend_at_, from_now(place.job.task.rules.timeout));  // T1
    } else if (layout::slot_phase(state) == SlotPhase::running && worker < board_.worker_count()) {
      if (!place.condemn_at.is_never()) {
        if (place.condemn_at.passed()) {
          condemn(index, worker, sentences);
        } else {
          tend_at_ = std::min(tend_at_, place.condemn_at);
        }
        continue;
      }
      const Deadline over = at(begun(place, slot) + place.job.task.rules.timeout.nanoseconds());
      if (over.passed()) {
        place.verdict = Verdict::timed_out;
        stop(index, worker, sentences);
      } else {
        tend_at_ = std::min(tend_at_, over);
      }
    }
  }
  post_waiting();
}

// Asks a task that listens to stop; condemns one that does not.
void TaskTable::stop(std::uint32_t index, std::uint32_t worker, std::vector<Sentence>& sentences) {
  Place& place = places_[index];
  TaskSlot& slot = board_.slot(index);
  if (slot.heeds.load() == 0 || place.job.task.rules.grace.count() <= 0) {
    condemn(index, worker, sentences);
    return;
  }
  slot.stop.store(1);
  memory::gate_wake(board_.worker(worker).stop, memory::kAll);
  place.condemn_at = Deadline{place.job.task.rules.grace};
  tend_at_ = std::min(tend_at_, place.condemn_at);
}

void TaskTable::condemn(std::uint32_t index, std::uint32_t worker,
                        std::vector<Sentence>& sentences) {
  const Place& place = places_[index];
  std::uint64_t running = layout::slot_state(SlotPhase::running, worker, place.sequence);
  if (board_.slot(index).state.compare_exchange_strong(
          running, layout::slot_state(SlotPhase::condemned, worker, place.sequence))) {
    sentences.push_back({worker});
  }
}

void TaskTable::condemn_for_memory(std::uint32_t worker, Memory memory,
                                   std::vector<Sentence>& sentences) {
  for (std::uint32_t index = 0; index < board_.slot_count(); ++index) {
    Place& place = places_[index];
    if (place.is_used() && place.verdict == Verdict::none &&
        board_.slot(index).state.load() ==
            layout::slot_state(SlotPhase::running, worker, place.sequence)) {
      place.verdict = Verdict::too_large;
      place.memory = memory;
      condemn(index, worker, sentences);
      return;
    }
  }
}

TaskTable::Cancelling TaskTable::cancel(const RawResult& result, Finished& finished,
                                        std::vector<Sentence>& sentences) {
  const auto is_it = [&](const Job& job) { return job.task.result.get() == &result; };
  const auto fail_cancelled = [&](Job job) {
    fail(std::move(job), std::make_exception_ptr(Cancelled{}), finished);
    post_waiting();
    return Cancelling::done;
  };
  if (std::optional<Job> job = waiting_.remove(is_it)) {
    return fail_cancelled(std::move(*job));
  }
  if (const auto it = std::ranges::find_if(resting_, is_it); it != resting_.end()) {
    Job job = std::move(*it);
    resting_.erase(it);
    return fail_cancelled(std::move(job));
  }
  const auto it = std::ranges::find_if(places_, [&](const Place& p) { return is_it(p.job); });
  if (it == places_.end()) {
    return Cancelling::too_late;
  }
  const auto index = static_cast<std::uint32_t>(it - places_.begin());
  std::uint64_t state = layout::slot_state(SlotPhase::posted, 0, it->sequence);
  if (board_.slot(index).state.compare_exchange_strong(
          state, layout::slot_state(SlotPhase::cancelled, 0, it->sequence))) {
    return fail_cancelled(clear(index));
  }
  const std::uint32_t worker = layout::slot_worker(state);
  if (layout::slot_phase(state) == SlotPhase::done || worker >= board_.worker_count()) {
    return Cancelling::too_late;
  }
  if (it->verdict != Verdict::cancelled) {
    timed_ += it->has_limit() ? 0 : 1;
    it->verdict = Verdict::cancelled;
    stop(index, worker, sentences);
  }
  return Cancelling::begun;
}

DeathReport TaskTable::report_of(const Job& job, const Death& death) {
  DeathReport report = death.report;
  report.task = job.task.call.name();
  if (job.task.call_site != nullptr) {
    report.call_site = reinterpret_cast<std::uintptr_t>(job.task.call_site) - 1;
  }
  return report;
}

// A worker was killed in the job because it had too much memory. It need not have been the job's.
void TaskTable::settle_too_large(Job job, Memory memory, const Death& death, Finished& finished) {
  if (!job.was_too_large) {
    job.was_too_large = true;
    wait_again(std::move(job));
    return;
  }
  DeathReport report = report_of(job, death);
  report.attempts = job.attempts + 2;
  report.resident = memory.resident;
  report.memory_cap = memory.cap;
  fail(std::move(job),
       std::make_exception_ptr(MemoryExceeded{death.pid, death.exitcode, std::move(report)}),
       finished);
}

// A worker died in the job, at the item (0: not a call of many, or not begun).
void TaskTable::settle_death(Job job, std::uint32_t item, const Death& death, Finished& finished) {
  const bool is_fatal = job.attempts > 0 && job.fatal_item == item;
  if (may_repeat(job)) {
    job.fatal_item = item;
    try_again(std::move(job));
    return;
  }
  DeathReport report = report_of(job, death);
  report.attempts = job.attempts + 1;
  if (item != 0) {
    report.item = job.task.first_item + item - 1;
  }
  if (!is_fatal) {
    fail(std::move(job),
         std::make_exception_ptr(WorkerDied{death.pid, death.exitcode, std::move(report)}),
         finished);
    return;
  }
  if (job.task.objects.empty()) {
    report.saved_to = save_task(
        {.name = report.task,
         .item = item,
         .call = job.message.id() != 0 ? ByteView{job.message.payload()} : job.task.call.bytes(),
         .stream = job.task.stream});
  }
  const std::exception_ptr why =
      std::make_exception_ptr(PoisonTask{death.pid, death.exitcode, std::move(report)});
  if (item == 0 || job.task.items < 2) {
    fail(std::move(job), why, finished);
    return;
  }
  Writer out;
  write_failure(out, why, {});
  const auto later = std::ranges::upper_bound(job.spared, item - 1, {}, &SparedItem::item);
  job.spared.insert(later, {item - 1, out.take()});
  try {
    job.spared_message = write_spared(job.spared);
  } catch (const std::bad_alloc&) {
    fail(std::move(job), why, finished);  // without it the item would kill the next worker
    return;
  }
  job.attempts = 0;
  job.fatal_item = 0;
  wait_again(std::move(job));
}

}  // namespace pool

}  // namespace mp
