// SPDX-License-Identifier: Apache-2.0
#include "memory/spinner.hpp"

#include <algorithm>

#include "memory/arena.hpp"
#include "os/proc.hpp"

namespace mp::memory {

namespace {

// A round between two that both sleep takes two prices and what is done in between.
constexpr std::uint32_t kPrices = 3;
constexpr std::uint32_t kShortestSpin = 10'000;
// Before anything was measured: between that of a machine and that of a virtual one.
constexpr std::uint32_t kLikelyPrice = 30'000;
// A long wait counts as this many spins, so that a few short ones outweigh it.
constexpr std::int64_t kLongWait = 4;
// The weight of one more wait is an eighth.
constexpr std::int64_t kMemory = 8;

std::int64_t clock() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

std::uint32_t longest_spin() noexcept {
  return std::clamp(wake_price() * kPrices, kShortestSpin,
                    static_cast<std::uint32_t>(kLongestSpin.count()));
}

}  // namespace

bool single_cpu() noexcept {
  static std::atomic<std::uint32_t> countdown{0};
  static std::atomic<bool> single{false};
  // Relaxed: both are hints. Asked now and then, since the answer can change.
  if (countdown.load(std::memory_order_relaxed) == 0) {
    single.store(os::cpu_count() <= 1, std::memory_order_relaxed);
    countdown.store(256, std::memory_order_relaxed);
  } else {
    countdown.fetch_sub(1, std::memory_order_relaxed);
  }
  return single.load(std::memory_order_relaxed);
}

std::uint32_t wake_price() noexcept {
  const Arena* arena = Arena::existing();
  const std::uint32_t measured =
      arena == nullptr ? 0 : arena->header().wake_price.load(std::memory_order_relaxed);
  return measured == 0 ? kLikelyPrice : std::min(measured, 1'000'000u);
}

void Spinner::learn(std::int64_t nanoseconds) noexcept {
  const std::int64_t most = kLongWait * longest_spin();
  const std::int64_t before = recent_.load(std::memory_order_relaxed);
  const std::int64_t after =
      before + (std::clamp<std::int64_t>(nanoseconds, 0, most) - before) / kMemory;
  if (after != before) {
    recent_.store(static_cast<std::uint32_t>(after), std::memory_order_relaxed);
  }
}

bool Waiting::helps(int waker_cpu) noexcept {
  return waker_cpu < 0 ? !single_cpu() : waker_cpu != os::current_cpu();
}

void Waiting::begin() noexcept {
  if (begun_ == 0) {
    begun_ = clock();
    const std::uint32_t longest = longest_spin();
    spin_until_ = spinner_.recent() <= longest ? begun_ + longest : begun_;
  }
}

bool Waiting::goes_on() const noexcept {
  return spin_until_ != begun_ && clock() < spin_until_;
}

void Waiting::end() noexcept {
  constexpr std::int64_t kShortWait = 500;
  spinner_.learn(begun_ == 0 ? kShortWait : clock() - begun_);
}

}  // namespace mp::memory
