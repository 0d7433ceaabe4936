// SPDX-License-Identifier: Apache-2.0
// How many workers the LocalExecutor has, what each is for, and where it runs.
//
// The board has more places than workers. A worker is active, or a standby that waits for an active
// one to end; who has handed over, or is to leave for good, is not counted any more. The parent
// only counts: whenever a worker has died or the pool was resized it makes standbys active while
// there are too few active ones, and lists places as vacant while there are too few workers.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/home.hpp"
#include "os/proc.hpp"
#include "pool/local_executor.hpp"
#include "pool/result_access.hpp"

namespace mp::pool {

using layout::Leave;
using layout::Role;

namespace {

void keep_call(const mp::detail::HeldCall& kept, layout::Word64& cell) {
  if (kept) {
    const Bytes& call = kept.call().bytes();
    memory::Message message{call.size(), kept.objects()};
    copy_bytes(message.payload().data(), call.data(), call.size());
    memory::set_home(message.id(), layout::HomeKind::cell, &cell);
    cell.store(message.release());
  }
}

}  // namespace

std::vector<int> cpus_to_pin(const Pinning& pin) {
  if (pin.order() == Pinning::none && pin.cpus().empty()) {
    return {};
  }
  std::vector<int> usable = os::affinity();
  if (!pin.cpus().empty()) {
    for (const int cpu : pin.cpus()) {
      if (!std::ranges::binary_search(usable, cpu)) {
        throw UsageError{"workers cannot be pinned to CPU " + std::to_string(cpu) +
                         ", which this process may not use"};
      }
    }
    return pin.cpus();
  }
  struct Place {
    int core;
    int thread;  // among the usable ones of its core
    int cpu;
  };
  std::vector<Place> places;
  for (const int cpu : usable) {
    const int core = os::core_of(cpu);
    const auto before = std::ranges::count(places, core, &Place::core);
    places.push_back({core, static_cast<int>(before), cpu});
  }
  std::ranges::stable_sort(places, [&](const Place& a, const Place& b) {
    return pin.order() == Pinning::spread ? a.thread < b.thread : a.core < b.core;
  });
  std::vector<int> order;
  for (const Place& place : places) {
    order.push_back(place.cpu);
  }
  return order;
}

void LocalExecutor::keep_calls(const PoolOptions& options) {
  keep_call(options.initializer, board_.header().initializer);
  keep_call(options.worker_exit, board_.header().last_call);
}

void LocalExecutor::wake_workers() {
  memory::gate_wake(board_.header().work, memory::kAll);
  for (std::uint32_t i = 0; i < crew_.size(); ++i) {
    if (layout::role_of(board_.worker(i).role.load()) == Role::standby) {
      memory::gate_wake(board_.worker(i).stop, memory::kAll);
    }
  }
}

std::uint32_t LocalExecutor::count(Role role) const {
  std::uint32_t workers = 0;
  for (std::uint32_t i = 0; i < crew_.size(); ++i) {
    const layout::WorkerEntry& entry = board_.worker(i);
    workers += layout::role_of(entry.role.load()) == role &&
                       static_cast<Leave>(entry.leave.load()) != Leave::for_good
                   ? 1
                   : 0;
  }
  return workers;
}

// What the next active worker's word says: it gets the CPU that has the fewest.
std::uint32_t LocalExecutor::active_role() const {
  if (cpus_.empty()) {
    return layout::worker_role(Role::active, 0);
  }
  const auto workers_on = [this](int cpu) {
    const auto word = layout::worker_role(Role::active, static_cast<std::uint32_t>(cpu + 1));
    std::uint32_t workers = 0;
    for (std::uint32_t i = 0; i < crew_.size(); ++i) {
      workers += board_.worker(i).role.load() == word ? 1 : 0;
    }
    // One that is listed twice may have twice as many.
    return static_cast<double>(workers) / static_cast<double>(std::ranges::count(cpus_, cpu));
  };
  const int cpu = *std::ranges::min_element(cpus_, {}, workers_on);
  return layout::worker_role(Role::active, static_cast<std::uint32_t>(cpu + 1));
}

// Says what the worker that is about to be started in a free place is for.
void LocalExecutor::assign(std::uint32_t place) {
  layout::WorkerEntry& entry = board_.worker(place);
  entry.leave.store(static_cast<std::uint32_t>(Leave::no));
  entry.role.store(count(Role::active) < width_ ? active_role()
                                                : layout::worker_role(Role::standby, 0));
}

// Counts, and corrects. New workers are started once `when` has passed.
void LocalExecutor::balance(Deadline when) {
  if (phase_ == Phase::terminated || broken_ ||
      (phase_ == Phase::closing && !table_.has_unbegun())) {
    return;
  }
  std::uint32_t active = count(Role::active);
  for (std::uint32_t i = 0; active < width_ && i < crew_.size(); ++i) {
    layout::WorkerEntry& entry = board_.worker(i);
    std::uint32_t role = layout::worker_role(Role::standby, 0);
    // It competes with workers that hand over.
    if (crew_.worker(i) != nullptr && entry.role.load() == role &&
        entry.role.compare_exchange_strong(role, active_role())) {
      memory::gate_wake(entry.stop, memory::kAll);
      ++active;
    }
  }
  const std::uint32_t wanted = width_ + (phase_ == Phase::open ? standbys_ : 0);
  std::uint32_t present = active + count(Role::standby);
  // A place that is being filled counts already by its role.
  for (const Vacancy& vacancy : vacancies_) {
    present += layout::role_of(board_.worker(vacancy.place).role.load()) == Role::none ? 1 : 0;
  }
  for (std::uint32_t i = 0; present < wanted && i < crew_.size(); ++i) {
    if (crew_.worker(i) == nullptr && std::ranges::count(vacancies_, i, &Vacancy::place) == 0) {
      vacancies_.push_back({i, when});
      ++present;
    }
  }
}

void LocalExecutor::resize(int processes) {
  MP_EXPECTS(processes > 0, "a pool needs at least one process");
  const std::lock_guard hold{mutex_};
  if (phase_ != Phase::open) {
    throw PoolClosed{};
  }
  const auto wanted = static_cast<std::uint32_t>(processes);
  MP_EXPECTS(wanted <= crew_.size() - standbys_,
             "a pool can become four times as large as it was made, or 16 processes");
  width_ = wanted;
  table_.set_width(wanted);
  // Those at work go last.
  std::uint32_t active = count(Role::active);
  for (const bool even_at_work : {false, true}) {
    for (std::uint32_t i = crew_.size(); active > wanted && i-- > 0;) {
      layout::WorkerEntry& entry = board_.worker(i);
      if (crew_.worker(i) != nullptr && layout::role_of(entry.role.load()) == Role::active &&
          static_cast<Leave>(entry.leave.load()) != Leave::for_good &&
          (even_at_work || entry.running.load() == 0)) {
        entry.leave.store(static_cast<std::uint32_t>(Leave::for_good));
        --active;
      }
    }
  }
  wake_workers();
  balance(Deadline::now());
  os::eventfd_signal(call_reaper_.get());
}

void LocalExecutor::watch_memory() {
  if (!memory_.next().passed()) {
    return;
  }
  memory_.begin();
  bool goes_on = table_.unfinished() != 0;
  bool replaced = false;
  std::vector<TaskTable::Sentence> sentences;
  for (std::uint32_t i = 0; i < crew_.size(); ++i) {
    layout::WorkerEntry& entry = board_.worker(i);
    const std::uint32_t tasks = entry.tasks.load();
    if (crew_.worker(i) == nullptr) {
      continue;
    }
    goes_on = goes_on || tasks_seen_[i] != tasks;
    tasks_seen_[i] = tasks;
    const std::uint64_t resident = os::resident_bytes(crew_.worker(i)->pid());
    const auto finding = memory_.judge(resident);
    // One that has not done anything would be replaced by one that is just as large.
    if (finding == MemoryWatch::Finding::fine || (tasks == 0 && !table_.is_in_task(i))) {
      continue;
    }
    if (finding == MemoryWatch::Finding::above_hard) {
      table_.condemn_for_memory(i, {resident, memory_.hard()}, sentences);
    }
    std::uint32_t stays = static_cast<std::uint32_t>(Leave::no);
    replaced |=
        entry.leave.compare_exchange_strong(stays, static_cast<std::uint32_t>(Leave::replaced));
  }
  memory_.end(goes_on);
  carry_out(sentences);
  if (replaced) {
    wake_workers();
  }
}

void LocalExecutor::keep_farewell(layout::WorkerEntry& entry) {
  const memory::BlockId block = entry.farewell.load();
  if (phase_ != Phase::terminated && block != 0 && memory::take_block(block)) {
    auto outcome = std::make_shared<RawResult>();
    ResultAccess::set_message(*outcome, memory::Message::adopt(block));
    ResultAccess::finish(outcome);
    entry.farewell.store(0);
    farewells_.push_back(std::move(outcome));
  }
}

std::vector<std::shared_ptr<RawResult>> LocalExecutor::farewells() const {
  const std::lock_guard hold{mutex_};
  return farewells_;
}

}  // namespace mp::pool
