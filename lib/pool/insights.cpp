// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/insights.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>

#include "mp/process/raw_call.hpp"

#include "memory/message.hpp"
#include "os/clock.hpp"
#include "pool/slow_tasks.hpp"

namespace mp {

namespace {

constexpr double kGoodRatio = 0.8;

std::chrono::nanoseconds total_of(const WorkerInsight& worker) {
  return worker.start_time + worker.init_time + worker.wait_time + worker.work_time +
         worker.exit_time;
}

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>{time}.count();
}

// Appends what printf makes of it.
template <class... Args>
void print(std::string& out, const char* format, Args... args) {
  std::array<char, 256> line{};
  const int size = std::snprintf(line.data(), line.size(), format, args...);
  out.append(line.data(),
             std::min<std::size_t>(static_cast<std::size_t>(std::max(size, 0)), line.size() - 1));
}

void print_row(std::string& out, const char* name, std::uint64_t tasks, const WorkerInsight& row) {
  const double all = std::max(seconds(total_of(row)), 1e-9);
  print(out, "%-6s %9llu", name, static_cast<unsigned long long>(tasks));
  for (const auto time :
       {row.start_time, row.init_time, row.wait_time, row.work_time, row.exit_time}) {
    print(out, " %9.3f s %3.0f %%", seconds(time), 100 * seconds(time) / all);
  }
  out += '\n';
}

WorkerInsight sum_of(const std::vector<WorkerInsight>& workers) {
  return std::accumulate(workers.begin(), workers.end(), WorkerInsight{},
                         [](WorkerInsight sum, const WorkerInsight& one) {
                           sum.tasks += one.tasks;
                           sum.start_time += one.start_time;
                           sum.init_time += one.init_time;
                           sum.wait_time += one.wait_time;
                           sum.work_time += one.work_time;
                           sum.exit_time += one.exit_time;
                           return sum;
                         });
}

}  // namespace

double PoolInsights::work_ratio() const noexcept {
  const WorkerInsight sum = sum_of(workers);
  const auto all = total_of(sum);
  return all.count() <= 0 ? 1.0 : seconds(sum.work_time) / seconds(all);
}

std::string PoolInsights::text() const {
  std::string out;
  print(out, "%-6s %9s %17s %17s %17s %17s %17s\n", "worker", "tasks", "start", "init", "wait",
        "work", "exit");
  for (std::size_t i = 0; i < workers.size(); ++i) {
    print_row(out, std::to_string(i + 1).c_str(), workers[i].tasks, workers[i]);
  }
  const WorkerInsight sum = sum_of(workers);
  print_row(out, "all", sum.tasks, sum);
  if (!slowest.empty()) {
    out += "slowest tasks:\n";
  }
  for (const SlowTaskInsight& task : slowest) {
    print(out, "%12.6f s  worker %zu  ", seconds(task.time), task.place + 1);
    out += task.name;
    print(out, ", %zu bytes:", task.call_size);
    for (const std::byte byte : task.call) {
      print(out, " %02x", static_cast<unsigned>(byte));
    }
    out += task.call.size() < task.call_size ? " ...\n" : "\n";
  }
  if (work_ratio() < kGoodRatio) {
    print(out, "warning: only %.0f %% of the workers' time was work\n", 100 * work_ratio());
  }
  return out;
}

namespace pool {

using layout::SlowTask;
using layout::WorkerEntry;
using layout::WorkerTimes;

namespace {

void add(layout::Word64& sum, std::uint64_t from, std::uint64_t to) noexcept {
  if (from != 0 && to > from) {
    sum.fetch_add(to - from, std::memory_order_relaxed);
  }
}

std::uint64_t since(std::uint64_t from, std::uint64_t to) noexcept {
  return from != 0 && to > from ? to - from : 0;
}

constexpr std::size_t kTold = 5;

// Its time is nobody's loss.
bool is_standby(const WorkerEntry& entry) noexcept {
  return layout::role_of(entry.role.load(std::memory_order_relaxed)) == layout::Role::standby;
}

// Nothing when there is none, or it is being written.
bool read_slow(const SlowTask& task, std::size_t place, SlowTaskInsight& into) {
  const std::uint64_t ns = task.ns.load(std::memory_order_acquire);
  if (ns == 0) {
    return false;
  }
  SlowTask copy_of_rest;
  std::memcpy(copy_of_rest.name, task.name, sizeof task.name);
  std::memcpy(copy_of_rest.bytes, task.bytes, sizeof task.bytes);
  const std::uint64_t size = task.size;
  std::atomic_thread_fence(std::memory_order_acquire);
  if (task.ns.load(std::memory_order_relaxed) != ns) {
    return false;
  }
  into.time = std::chrono::nanoseconds{static_cast<std::int64_t>(ns)};
  into.place = place;
  into.name.assign(copy_of_rest.name, ::strnlen(copy_of_rest.name, SlowTask::kName));
  into.call_size = size;
  into.call.assign(copy_of_rest.bytes,
                   copy_of_rest.bytes + std::min<std::uint64_t>(size, SlowTask::kBytes));
  return true;
}

}  // namespace

SlowTasks::SlowTasks(WorkerEntry& entry) noexcept : entry_{entry} {
  floor_ = fastest().ns.load(std::memory_order_relaxed);
}

SlowTask& SlowTasks::fastest() const noexcept {
  return *std::min_element(std::begin(entry_.slowest), std::end(entry_.slowest),
                           [](const SlowTask& a, const SlowTask& b) {
                             return a.ns.load(std::memory_order_relaxed) <
                                    b.ns.load(std::memory_order_relaxed);
                           });
}

void SlowTasks::insert(std::uint64_t ns, const std::type_info* callable,
                       const layout::TaskSlot& slot) noexcept {
  try {
    const std::string name = callable == nullptr ? "a call" : mp::detail::type_name(*callable);
    ByteView call{slot.bytes, std::min<std::size_t>(slot.size.load(std::memory_order_relaxed),
                                                    layout::TaskSlot::kInline)};
    if (const memory::BlockId message = slot.task.load(std::memory_order_relaxed)) {
      call = memory::message_payload(message);
    }
    SlowTask& place = fastest();
    place.ns.store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);  // pairs with the fence in read_slow
    place.size = call.size();
    std::memset(place.name, 0, sizeof place.name);
    std::memcpy(place.name, name.data(), std::min<std::size_t>(name.size(), SlowTask::kName));
    std::memcpy(place.bytes, call.data(), std::min<std::size_t>(call.size(), SlowTask::kBytes));
    place.ns.store(ns, std::memory_order_release);
    floor_ = fastest().ns.load(std::memory_order_relaxed);
  } catch (const std::exception&) {
    // It is not told then.
  }
}

void close_times(WorkerEntry& entry) noexcept {
  WorkerTimes& times = entry.times;
  const auto now = static_cast<std::uint64_t>(os::monotonic_ns());
  const std::uint64_t entered = times.entered.exchange(0);
  const std::uint64_t ready = times.ready.exchange(0);
  const std::uint64_t left = times.left.exchange(0);
  add(times.start_sum, times.asked.exchange(0), entered);
  add(times.init_sum, entered, ready != 0 ? ready : now);
  if (!is_standby(entry)) {
    add(times.present_sum, ready, left != 0 ? left : now);
  }
  add(times.exit_sum, left, now);
  entry.tasks_before.fetch_add(entry.tasks.exchange(0), std::memory_order_relaxed);
}

PoolInsights read_insights(const Board& board) {
  PoolInsights insights;
  const auto now = static_cast<std::uint64_t>(os::monotonic_ns());
  const auto ns = [](std::uint64_t value) {
    return std::chrono::nanoseconds{static_cast<std::int64_t>(value)};
  };
  for (std::uint32_t i = 0; i < board.worker_count(); ++i) {
    const WorkerEntry& entry = board.worker(i);
    const WorkerTimes& times = entry.times;
    const std::uint64_t entered = times.entered.load();
    const std::uint64_t ready = times.ready.load();
    const std::uint64_t left = times.left.load();
    const std::uint64_t busy = entry.busy_ns.load();
    const std::uint64_t asked = times.asked.load();
    const std::uint64_t present =
        times.present_sum.load() + (is_standby(entry) ? 0 : since(ready, left != 0 ? left : now));
    if (asked == 0 && times.start_sum.load() == 0) {
      continue;  // nobody was ever there
    }
    WorkerInsight worker;
    worker.tasks = entry.tasks_before.load() + entry.tasks.load();
    worker.start_time = ns(times.start_sum.load() + since(asked, entered != 0 ? entered : now));
    worker.init_time = ns(times.init_sum.load() + since(entered, ready != 0 ? ready : now));
    worker.work_time = ns(busy);
    worker.wait_time = ns(present > busy ? present - busy : 0);
    worker.exit_time = ns(times.exit_sum.load() + since(left, now));
    insights.workers.push_back(worker);
    for (const SlowTask& slow : entry.slowest) {
      if (SlowTaskInsight task; read_slow(slow, insights.workers.size() - 1, task)) {
        insights.slowest.push_back(std::move(task));
      }
    }
  }
  std::ranges::sort(insights.slowest, std::ranges::greater{}, &SlowTaskInsight::time);
  insights.slowest.resize(std::min(insights.slowest.size(), kTold));
  return insights;
}

}  // namespace pool

}  // namespace mp
