// SPDX-License-Identifier: Apache-2.0
// The workers' side of the LocalExecutor: who ends them, who notices, and who comes after them.
//
// Invariants
//   L3  A place is in exactly one of three states: a worker is in it, it is listed as vacant, or it
//       is free. Whoever takes a worker away or changes how many there are to be balances.
#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"

#include "memory/home.hpp"
#include "os/clock.hpp"
#include "os/parent_death.hpp"
#include "os/signal.hpp"
#include "pool/local_executor.hpp"

namespace mp::pool {

namespace {

using namespace std::chrono_literals;

// Between two looks at workers that do not end.
constexpr auto kGrace = 1s;
// Workers that die one after the other without having begun a task: more than so many for each
// place mean that none ever will.
constexpr std::uint32_t kFruitless = 5;
// So many deaths for each place within a second are repaired at once; each one more doubles the
// time for which its place stays empty.
constexpr std::size_t kIntensity = 8;
constexpr std::chrono::milliseconds kFirstPause{1};
// A pool without any worker tries so often to get one, and waits twice as long each time.
constexpr std::uint32_t kRefused = 6;
constexpr std::chrono::milliseconds kFirstRefusal{5};
constexpr std::size_t kDoublings = 10;

}  // namespace

void LocalExecutor::let_workers_go() {
  if (phase_ == Phase::closing && !table_.may_post() && board_.header().closing.load() == 0) {
    board_.header().closing.store(1);
    wake_workers();
  }
  dismiss_zygote();
}

void LocalExecutor::dismiss_zygote() {
  if (phase_ != Phase::open && table_.unfinished() == 0 && vacancies_.empty()) {
    crew_.dismiss_zygote();
  }
}

void LocalExecutor::carry_out(const std::vector<TaskTable::Sentence>& sentences) {
  for (const TaskTable::Sentence& sentence : sentences) {
    if (const auto& worker = crew_.worker(sentence.worker)) {
      worker->signal(os::kSigKill);
    } else {
      doomed_.push_back(sentence.worker);  // it runs already, and is about to be entered
    }
  }
}

void LocalExecutor::tend_in_time() {
  if (table_.next_tending() < tends_at_) {
    tends_at_ = table_.next_tending();
    os::eventfd_signal(call_reaper_.get());
  }
}

void LocalExecutor::tend() {
  if (table_.next_tending().passed()) {
    std::vector<TaskTable::Sentence> sentences;
    table_.tend(sentences);
    carry_out(sentences);
    call_collector_if_needed();
  }
  tends_at_ = table_.next_tending();
}

bool LocalExecutor::is_over() const {
  return phase_ != Phase::open && crew_.alive() == 0 && table_.unfinished() == 0 && due_.empty() &&
         callbacks_due_ == 0 && vacancies_.empty();
}

void LocalExecutor::reap() {
  watch_workers();
  os::internal_thread_ends();
}

void LocalExecutor::watch_workers() {
  std::vector<os::PollEntry> entries;
  std::vector<std::uint32_t> places;
  while (!stopping_.load()) {
    Deadline until = Deadline::never();
    entries.assign(1, {call_reaper_.get(), os::kReadable});
    places.clear();
    {
      const std::lock_guard hold{mutex_};
      tend();
      watch_memory();
      until = std::min(tends_at_, memory_.next());
      for (const Vacancy& vacancy : vacancies_) {
        until = std::min(until, vacancy.until);
      }
      for (std::uint32_t i = 0; i < crew_.size(); ++i) {
        if (crew_.worker(i) != nullptr) {
          entries.push_back({crew_.worker(i)->pidfd(), os::kReadable});
          places.push_back(i);
          if (crew_.worker(i)->pidfd() < 0) {
            until = until.no_later_than(20ms);  // no pidfds here: look now and then
          }
        }
      }
      if (phase_ == Phase::terminated && crew_.alive() != 0) {
        if (kill_at_.passed()) {
          crew_.signal_all(os::kSigKill);
          until = until.no_later_than(kGrace);
        } else {
          until = std::min(until, kill_at_);
        }
      }
    }
    os::poll(entries, until);
    os::eventfd_drain(call_reaper_.get());
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (entries[i + 1].fd < 0 || entries[i + 1].ready != 0) {
        look_at(places[i]);
      }
    }
    refill_places();
  }
}

void LocalExecutor::look_at(std::uint32_t index) {
  const std::shared_ptr<process::ChildProcess> worker = crew_.worker(index);
  const std::optional<int> status = worker->wait(Deadline::now());
  if (!status) {
    return;
  }
  const std::lock_guard hold{mutex_};
  crew_.remove(index);
  layout::WorkerEntry& entry = board_.worker(index);
  const auto phase = static_cast<layout::WorkerPhase>(entry.phase.load());
  const bool fruitless =
      entry.tasks.load() == 0 && phase != layout::WorkerPhase::retired && !table_.is_in_task(index);
  fruitless_ = fruitless ? fruitless_ + 1 : 0;
  const bool in_order = phase == layout::WorkerPhase::retired || table_.is_condemned(index);
  Finished finished;
  table_.judge(index, death_of(index, *worker, *status), finished);
  if (phase == layout::WorkerPhase::init_failed) {
    break_with(initializer_failure(entry), finished);
  } else if (fruitless_ > kFruitless * (width_ + standbys_)) {
    break_with(
        std::make_exception_ptr(StartError{"the workers of the pool die before they begin a task"}),
        finished);
  }
  keep_farewell(entry);
  entry.phase.store(0);
  close_times(entry);
  entry.running.store(0);
  entry.role.store(0);
  tasks_seen_[index] = 0;
  balance(in_order ? Deadline::now() : restart_time());
  settle(finished);
  tell_leader();
  if (is_over()) {
    ended_.notify_all();
  }
}

Death LocalExecutor::death_of(std::uint32_t index, process::ChildProcess& worker, int status) {
  Death death{.pid = worker.pid(), .exitcode = status, .report = worker.report()};
  const os::CrashNote& note = board_.worker(index).crash;
  if (note.signal.load(std::memory_order_acquire) != 0) {
    death.report.fault_address = note.address;
    death.report.frames = os::frames_of(note);
  }
  if (status == -os::kSigKill) {
    const std::uint64_t kills = os::memory_kills();
    death.report.out_of_memory = kills > memory_kills_;
    memory_kills_ = kills;
  }
  return death;
}

Deadline LocalExecutor::restart_time() {
  const std::int64_t now = os::monotonic_ns();
  deaths_.push_back(now);
  while (deaths_.front() < now - std::chrono::nanoseconds{1s}.count()) {
    deaths_.pop_front();
  }
  const std::size_t free_of_charge = kIntensity * (width_ + standbys_);
  if (deaths_.size() <= free_of_charge) {
    return Deadline::now();
  }
  return kFirstPause * (1 << std::min(deaths_.size() - free_of_charge - 1, kDoublings));
}

// Starts workers for the places whose time has come.
void LocalExecutor::refill_places() {
  for (;;) {
    std::uint32_t place = 0;
    {
      const std::lock_guard hold{mutex_};
      if (phase_ == Phase::terminated || broken_) {
        vacancies_.clear();
      }
      const auto due = std::ranges::find_if(
          vacancies_, [](const Vacancy& vacancy) { return vacancy.until.passed(); });
      if (due == vacancies_.end()) {
        if (is_over()) {
          ended_.notify_all();
        }
        return;
      }
      place = due->place;
      assign(place);
    }
    replace_worker(place);
  }
}

void LocalExecutor::replace_worker(std::uint32_t index) {
  std::shared_ptr<process::ChildProcess> fresh;
  std::exception_ptr failure;
  try {
    fresh = crew_.start(index);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  const std::lock_guard hold{mutex_};
  std::erase_if(vacancies_, [index](const Vacancy& vacancy) { return vacancy.place == index; });
  if (fresh != nullptr) {
    refused_ = 0;
    crew_.enter(index, fresh);
    if (phase_ == Phase::terminated) {
      fresh->signal(os::kSigTerm);
    }
    if (std::erase(doomed_, index) != 0) {
      fresh->signal(os::kSigKill);
    }
    return;
  }
  board_.worker(index).role.store(0);
  if (crew_.alive() == 0 && ++refused_ > kRefused) {
    Finished finished;
    break_with(failure, finished);
    settle(finished);
  } else {
    get_logger().error("a worker of a pool could not be replaced");
    balance(
        std::max(restart_time(), Deadline{kFirstRefusal * (1 << std::min(refused_, kRefused))}));
  }
}

void LocalExecutor::break_with(const std::exception_ptr& why, Finished& finished) {
  broken_ = why;
  table_.fail_all(why, finished);
  board_.header().closing.store(2);
  wake_workers();
}

std::exception_ptr LocalExecutor::initializer_failure(const layout::WorkerEntry& entry) {
  try {
    const memory::BlockId block = entry.failure.load();
    if (!memory::take_block(block)) {
      throw StartError{"the initializer of a worker failed"};
    }
    const memory::Message message = memory::Message::adopt(block);
    Reader in{message.payload()};
    expect_success(in);
    return std::make_exception_ptr(StartError{"the initializer of a worker failed"});
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace mp::pool
