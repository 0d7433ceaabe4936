// SPDX-License-Identifier: Apache-2.0
#include "connection/ring_lock.hpp"

#include <algorithm>

#include "memory/spinner.hpp"
#include "os/proc.hpp"

namespace mp::connection {

namespace {

// Owners copy a few kilobytes at most, so a wait is short unless the owner was preempted.
memory::Spinner spinner;

// How many turns in a row give the bias, the first time, and how often that doubles at most.
constexpr std::uint32_t kTurnsForBias = 16;
constexpr std::uint32_t kMostDoublings = 16;

}  // namespace

bool RingLock::try_acquire() {
  me_ = memory::this_thread();
  if (!take_word(side_.lock.load(std::memory_order_relaxed))) {
    return false;
  }
  held_ = Held::by_word;
  const std::atomic<bool> at_once{true};
  return take_bias(Deadline::now(), at_once);
}

bool RingLock::acquire_word(Deadline until, const std::atomic<bool>& closed) {
  std::uint32_t nobody = 0;
  // Acquire: pairs with the release by the last owner.
  if (!side_.lock.compare_exchange_strong(nobody, me_, std::memory_order_acquire,
                                          std::memory_order_relaxed) &&
      !wait_for_word(until, closed)) {
    return false;
  }
  held_ = Held::by_word;
  return take_bias(until, closed);
}

// Takes the word if it is free or belongs to the dead.
bool RingLock::take_word(std::uint32_t seen) noexcept {
  return (seen == 0 || memory::thread_gone(seen)) &&
         side_.lock.compare_exchange_strong(seen, me_, std::memory_order_acquire,
                                            std::memory_order_relaxed);
}

bool RingLock::wait_for_word(Deadline until, const std::atomic<bool>& closed) {
  const auto taken = [&] { return take_word(side_.lock.load(std::memory_order_relaxed)); };
  // Even those who may not wait spin: the owner is about to leave.
  memory::Waiting waiting{spinner};
  if (waiting.spin(taken)) {
    return true;
  }
  while (!closed.load(std::memory_order_relaxed) && !until.passed()) {
    const std::uint32_t key = memory::gate_prepare_heavily(side_.turn);
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

bool RingLock::is_inside(memory::ThreadTag other) const noexcept {
  // Acquire: pairs with the release when it leaves.
  return memory::inside_of(other).load(std::memory_order_acquire) == side_.self &&
         !memory::thread_gone(other);
}

// Having the word: waits until whoever has the bias is not inside, and takes the bias away. Without
// success gives the word back.
bool RingLock::take_bias(Deadline until, const std::atomic<bool>& closed) {
  const memory::ThreadTag other = side_.bias.load(std::memory_order_relaxed);
  if (other == 0 || other == me_) {
    return true;
  }
  memory::heavy_fence();  // B2; pairs with the light one in enter
  const auto outside = [&] { return !is_inside(other); };
  memory::Waiting waiting{spinner};
  for (bool out = waiting.spin(outside); !out; out = outside()) {
    const std::uint32_t key = memory::gate_prepare_heavily(side_.turn);
    if (outside()) {
      break;
    }
    if (closed.load() || until.passed()) {
      release();
      return false;
    }
    memory::gate_sleep(side_.turn, key, until, other);
  }
  side_.bias.store(0, std::memory_order_relaxed);
  side_.streak.store(0, std::memory_order_relaxed);
  side_.taken_back.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// Having said that this thread is inside, and not gone in: who took the lock may wait for that.
void RingLock::stay_out() noexcept {
  memory::inside_of_this_thread().store(0, std::memory_order_release);
  memory::gate_wake(side_.turn, memory::kAll);
}

void RingLock::leave() noexcept {
  if (held_ == Held::by_bias) {
    memory::inside_of_this_thread().store(0, std::memory_order_release);
  } else {
    side_.lock.store(0, std::memory_order_release);
  }
  held_ = Held::no;
}

void RingLock::release() noexcept {
  leave();
  memory::gate_wake(side_.turn, memory::kAll);
}

void RingLock::note_cpu_now() noexcept {
  const auto cpu = static_cast<std::uint32_t>(os::current_cpu() + 1);
  if (side_.cpu.load(std::memory_order_relaxed) != cpu) {  // a hint
    side_.cpu.store(cpu, std::memory_order_relaxed);
  }
}

void RingLock::commit_word(std::uint64_t position) noexcept {
  // Relaxed: all but the position is for those who have the lock, or a hint.
  const bool again = side_.last.load(std::memory_order_relaxed) == me_;
  const std::uint32_t streak = again ? side_.streak.load(std::memory_order_relaxed) + 1 : 1;
  side_.last.store(me_, std::memory_order_relaxed);
  side_.streak.store(streak, std::memory_order_relaxed);
  if (streak == 1) {
    note_cpu_now();
  }
  // Release: pairs with the acquire load by the other side, and by the next owner.
  side_.position.store(position, std::memory_order_release);
  const std::uint32_t doublings =
      std::min(side_.taken_back.load(std::memory_order_relaxed), kMostDoublings);
  if (streak >= kTurnsForBias << doublings && memory::fences_are_light()) {
    side_.bias.store(me_, std::memory_order_relaxed);  // B1
  }
  side_.lock.store(0, std::memory_order_release);
}

void RingLock::commit_and_wake(std::uint64_t position) noexcept {
  const memory::ArmedWake armed;
  note_cpu_now();
  if (held_ == Held::by_bias) {
    side_.position.store(position, std::memory_order_release);
    leave();
  } else {
    held_ = Held::no;
    commit_word(position);
  }
  wake();
}

void RingLock::wake() noexcept {
  memory::gate_wake(side_.moved, memory::kAll);
  memory::gate_wake(side_.turn, memory::kAll);
}

}  // namespace mp::connection
