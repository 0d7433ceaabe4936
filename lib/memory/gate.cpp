// SPDX-License-Identifier: Apache-2.0
#include "memory/gate.hpp"

#include <array>
#include <chrono>
#include <new>

#include "memory/arena.hpp"
#include "memory/fences.hpp"
#include "os/futex.hpp"
#include "os/robust.hpp"

namespace mp::memory {

namespace {

using namespace std::chrono_literals;

layout::ArenaHeader& header() noexcept {
  return Arena::get().header();
}

// Wakes everybody, unless somebody did since `deaths` was read: then all those who slept at that
// time are awake already. The count goes up after the wake-up, so whoever is killed in between
// leaves the duty to the others, who have not gone back to sleep with a newer count.
void pass_on(std::uint32_t deaths) noexcept {
  layout::ArenaHeader& shared = header();
  if (shared.deaths.load() == deaths) {
    os::futex_wake(shared.gate, os::kEverybody);
    shared.deaths.compare_exchange_strong(deaths, deaths + 1);
  }
}

std::uint32_t now_32() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return static_cast<std::uint32_t>(now) | 1;
}

// Wakers note the time, so that those whom they wake can tell what a wake-up takes. Words share
// notes, and the last waker's counts: a measurement, not a fact.
layout::Word& note_of(const layout::Word& word) noexcept {
  const auto place = reinterpret_cast<std::uintptr_t>(&word);  // the low bits are the same anywhere
  layout::ArenaHeader& shared = header();
  return shared.woken_at[place / 8 % shared.woken_at.size()];
}

int wake(const layout::Word& word, int n) noexcept {
  note_of(word).store(now_32(), std::memory_order_relaxed);
  return os::futex_wake(word, n);
}

// The caller was just woken from a sleep on `word`.
void measure(const layout::Word& word) noexcept {
  const std::uint32_t noted = note_of(word).load(std::memory_order_relaxed);
  const std::uint32_t took = now_32() - noted;
  constexpr std::uint32_t kOtherReasons = 500'000;  // others had the CPU, or nobody noted anything
  if (noted == 0 || took > kOtherReasons) {
    return;
  }
  layout::Word& price = header().wake_price;
  const std::uint32_t before = price.load(std::memory_order_relaxed);
  price.store(before == 0 ? took : before - before / 8 + took / 8, std::memory_order_relaxed);
}

}  // namespace

bool word_sleep(const layout::Word& word, std::uint32_t expected, Deadline until,
                ThreadTag owner) noexcept {
  if (until.passed()) {
    return false;
  }
  layout::ArenaHeader& shared = header();
  const std::uint32_t deaths = shared.deaths.load();
  std::array<os::FutexWait, 3> waits{{{&word, expected}, {&shared.gate, 0}, {}}};
  std::size_t count = 2;
  LeaseView lease;
  if (owner != 0) {
    lease = lease_of(owner);
    if (lease.word == nullptr) {
      return true;  // it is gone: look again
    }
    waits[count++] = {lease.word, lease.alive};
  }
  const auto slice = os::have_futex_waitv() ? 1000ms : 50ms;
  std::size_t which = os::kUnknownWord;
  const os::Wait how =
      os::futex_wait_any({waits.data(), count}, until.no_later_than(slice), &which);
  if (lease.word != nullptr && thread_gone(owner)) {
    // The kernel woke one of those who slept on the lease.
    os::futex_wake(*lease.word, os::kEverybody);
  }
  if (how == os::Wait::woken && which == 0) {
    measure(word);
  }
  // Woken by the tree's gate or a death, also if our word has changed meanwhile: the kernel woke
  // one sleeper, and the others may sleep on that very word. Where it is not known what woke us,
  // an unchanged word says that it was not the word.
  if (how == os::Wait::woken &&
      (which == os::kUnknownWord ? word.load(std::memory_order_acquire) == expected : which != 0)) {
    pass_on(deaths);
  }
  return !until.passed() || word.load(std::memory_order_acquire) != expected;
}

int word_wake(const layout::Word& word, int n) noexcept {
  return wake(word, n);
}

void wake_others_of_the_tree(std::uint32_t deaths) noexcept {
  pass_on(deaths);
}

void wake_the_tree() noexcept {
  layout::ArenaHeader& shared = header();
  os::futex_wake(shared.gate, os::kEverybody);
  shared.deaths.fetch_add(1);
}

std::uint32_t gate_prepare(layout::Gate& gate) noexcept {
  // seq_cst: the flag is up before the caller looks at its condition, so a waker that makes the
  // condition true after that look sees the flag.
  return gate.word.fetch_or(layout::kGateSleepers) | layout::kGateSleepers;
}

std::uint32_t gate_prepare_heavily(layout::Gate& gate) noexcept {
  const std::uint32_t key = gate_prepare(gate);
  heavy_fence();
  return key;
}

bool gate_sleep(layout::Gate& gate, std::uint32_t key, Deadline until, ThreadTag owner) noexcept {
  return word_sleep(gate.word, key, until, owner);
}

void gate_wake(layout::Gate& gate, int n) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // the condition before the look at the flag
  std::uint32_t word = gate.word.load(std::memory_order_relaxed);
  if ((word & layout::kGateSleepers) == 0) {
    return;
  }
  const ArmedWake armed;
  if (n != kAll) {
    // The flag stays up: others may sleep on.
    word = gate.word.fetch_add(layout::kGateStep) + layout::kGateStep;
    if (wake(gate.word, n) == n) {
      return;
    }
  }
  // Nobody slept a moment ago, or all are to be woken: lower the flag, which changes the word, and
  // wake those who fell asleep before it changed.
  const auto lowered = [](std::uint32_t from) {
    return (from + layout::kGateStep) & ~layout::kGateSleepers;
  };
  if (n == kAll) {
    while (!gate.word.compare_exchange_weak(word, lowered(word))) {
    }
  } else if (!gate.word.compare_exchange_strong(word, lowered(word))) {
    return;  // somebody else changed it after our wake-up, and wakes
  }
  wake(gate.word, os::kEverybody);
}

// os::PendingWake, built in place so that its members stay out of the header.
ArmedWake::ArmedWake() noexcept {
  ::new (storage_) os::PendingWake{header().gate};
}

ArmedWake::~ArmedWake() {
  std::launder(reinterpret_cast<os::PendingWake*>(storage_))->~PendingWake();
}

}  // namespace mp::memory
