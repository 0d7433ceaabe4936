// SPDX-License-Identifier: Apache-2.0
// The watch thread is there only in workers whose tasks ask for a std::stop_token. It sleeps on the
// worker's gate, which the parent wakes after it has set the word `stop` of a slot, and hands the
// request on. It names the task by its number, so that a request that comes late, when another task
// is at work, is dropped with the source it was for.
#include "pool/current_task.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/pool/this_task.hpp"

#include "memory/gate.hpp"
#include "os/parent_death.hpp"
#include "os/signal.hpp"

namespace mp::pool {

namespace {

std::atomic<layout::TaskSlot*> slot_at_work{nullptr};

// Never destroyed: its thread runs until the process ends.
struct StopWatch {
  std::mutex mutex;
  layout::WorkerEntry* worker = nullptr;
  std::stop_source source{std::nostopstate};
  std::atomic<bool> has_thread{false};

  void watch(layout::Gate& gate) {
    for (;;) {
      const std::uint32_t key = memory::gate_prepare(gate);
      std::stop_source to_stop{std::nostopstate};
      {
        const std::lock_guard hold{mutex};
        const layout::TaskSlot* slot = slot_at_work.load();
        if (slot != nullptr && slot->stop.load() != 0) {
          to_stop = source;
        }
      }
      to_stop.request_stop();
      memory::gate_sleep(gate, key, Deadline::never());
    }
  }
};

StopWatch& stop_watch() {
  static auto* watch = new StopWatch;
  return *watch;
}

// What task_seed() is made from, by the thread that runs the task.
thread_local std::uint64_t stream_at_work = 0;
thread_local const layout::Word* item_at_work = nullptr;

// The finalizer of SplitMix64, which the streams step through.
constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

bool source_is_given = false;  // in this task; guarded by the watch's mutex

}  // namespace

void task_begins(layout::TaskSlot& slot, layout::WorkerEntry& worker) noexcept {
  StopWatch& watch = stop_watch();
  watch.worker = &worker;  // always the same
  slot_at_work.store(&slot, std::memory_order_release);
}

void task_ends() noexcept {
  StopWatch& watch = stop_watch();
  if (watch.has_thread.load()) {  // set by a call in this task or an earlier one
    const std::lock_guard hold{watch.mutex};
    slot_at_work.store(nullptr);
    watch.source = std::stop_source{std::nostopstate};
    source_is_given = false;
  } else {
    slot_at_work.store(nullptr, std::memory_order_relaxed);
  }
}

std::uint64_t stream_of(std::uint64_t seed, std::uint64_t call, std::uint64_t first_item) noexcept {
  return mix(mix(seed + kStep) ^ call) + kStep * first_item;
}

StreamAtWork::StreamAtWork(std::uint64_t stream, const layout::Word& item) noexcept {
  stream_at_work = stream;
  item_at_work = &item;
}
StreamAtWork::~StreamAtWork() {
  item_at_work = nullptr;
}

}  // namespace mp::pool

namespace mp {

std::uint64_t task_seed() {
  MP_EXPECTS(pool::item_at_work != nullptr, "task_seed() is for the thread that runs a task");
  const std::uint32_t item = pool::item_at_work->load(std::memory_order_relaxed);
  return pool::mix(pool::stream_at_work + pool::kStep * (item == 0 ? 1 : std::uint64_t{item}));
}

}  // namespace mp

namespace mp::this_task {

bool stop_requested() noexcept {
  layout::TaskSlot* slot = pool::slot_at_work.load(std::memory_order_acquire);
  if (slot == nullptr) {
    return false;
  }
  slot->heeds.store(1, std::memory_order_relaxed);
  return slot->stop.load(std::memory_order_acquire) != 0;
}

std::stop_token stop_token() {
  layout::TaskSlot* slot = pool::slot_at_work.load(std::memory_order_acquire);
  if (slot == nullptr) {
    return {};
  }
  pool::StopWatch& watch = pool::stop_watch();
  const std::lock_guard hold{watch.mutex};
  if (!pool::source_is_given) {
    watch.source = std::stop_source{};
    pool::source_is_given = true;
  }
  if (!watch.has_thread.load()) {
    const os::SignalBlock block;
    const os::InternalThreads starting{1};
    std::thread{[&watch, &gate = watch.worker->stop] { watch.watch(gate); }}.detach();
    watch.has_thread.store(true);
  }
  slot->heeds.store(1);
  if (slot->stop.load() != 0) {
    watch.source.request_stop();
  }
  return watch.source.get_token();
}

}  // namespace mp::this_task
