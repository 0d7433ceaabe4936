// SPDX-License-Identifier: Apache-2.0
#include "connection/ring_lock.hpp"

#include "memory/spinner.hpp"
#include "memory/threads.hpp"
#include "os/proc.hpp"

namespace mp::connection {

namespace {

// Owners copy a few kilobytes at most, so a wait is short unless the owner was preempted.
memory::Spinner spinner;

}  // namespace

bool RingLock::try_acquire() {
  me_ = memory::this_thread();
  held_ = take_from(side_.lock.load(std::memory_order_relaxed));
  return held_;
}

// Takes the lock if it is free or belongs to the dead.
bool RingLock::take_from(std::uint32_t seen) noexcept {
  return (seen == 0 || memory::thread_gone(seen)) &&
         side_.lock.compare_exchange_strong(seen, me_, std::memory_order_acquire,
                                            std::memory_order_relaxed);
}

bool RingLock::acquire_slowly(Deadline until, const std::atomic<bool>& closed) {
  const auto taken = [&] { return take_from(side_.lock.load(std::memory_order_relaxed)); };
  // Even those who may not wait spin: the owner is about to leave.
  memory::Waiting waiting{spinner};
  if (waiting.spin(taken)) {
    return true;
  }
  while (!closed.load(std::memory_order_relaxed) && !until.passed()) {
    const std::uint32_t key = memory::gate_prepare(side_.turn);
    const std::uint32_t owner = side_.lock.load();
    if (owner == 0 || memory::thread_gone(owner)) {
      if (taken()) {
        return true;
      }
      continue;
    }
    if (closed.load()) {
      return false;
    }
    memory::gate_sleep(side_.turn, key, until, owner);
    if (taken()) {
      return true;
    }
  }
  return taken();
}

void RingLock::release() noexcept {
  held_ = false;
  side_.lock.store(0, std::memory_order_release);
  memory::gate_wake(side_.turn, memory::kAll);
}

void RingLock::note_cpu() noexcept {
  // Hints: relaxed.
  side_.last.store(me_, std::memory_order_relaxed);
  const auto cpu = static_cast<std::uint32_t>(os::current_cpu() + 1);
  if (side_.cpu.load(std::memory_order_relaxed) != cpu) {
    side_.cpu.store(cpu, std::memory_order_relaxed);
  }
}

void RingLock::commit_and_wake(std::uint64_t position) noexcept {
  const memory::ArmedWake armed;
  side_.position.store(position, std::memory_order_release);
  side_.lock.store(0, std::memory_order_release);
  wake();
}

void RingLock::wake() noexcept {
  memory::gate_wake(side_.moved, memory::kAll);
  memory::gate_wake(side_.turn, memory::kAll);
}

}  // namespace mp::connection
