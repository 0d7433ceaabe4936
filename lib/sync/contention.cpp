// SPDX-License-Identifier: Apache-2.0
#include "sync/contention.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include "os/clock.hpp"
#include "os/proc.hpp"

namespace mp::sync {

namespace {

constexpr unsigned kSpins = 1000;  // pauses, about 20 us
constexpr unsigned kFirstLook = 8;
constexpr unsigned kRarestLook = 128;
constexpr std::int64_t kOverdue = 500'000;  // ns

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Asked now and then, since that can change.
bool single_cpu() noexcept {
  static std::atomic<std::uint32_t> countdown{0};
  static std::atomic<bool> single{false};
  // Relaxed: both are hints.
  if (countdown.load(std::memory_order_relaxed) == 0) {
    single.store(os::cpu_count() <= 1, std::memory_order_relaxed);
    countdown.store(256, std::memory_order_relaxed);
  } else {
    countdown.fetch_sub(1, std::memory_order_relaxed);
  }
  return single.load(std::memory_order_relaxed);
}

}  // namespace

Contention& Contention::of(const layout::Word& word) noexcept {
  static std::array<Contention, 64> all;
  return all[reinterpret_cast<std::uintptr_t>(&word) / 64 % all.size()];
}

bool Contention::spin(const layout::Word& word, std::uint32_t bits, std::uint32_t most,
                      int other_cpu) noexcept {
  const auto free = [&] { return (word.load(std::memory_order_relaxed) & bits) <= most; };
  if (other_cpu < 0 && single_cpu()) {
    std::this_thread::yield();
    return free();
  }
  unsigned distance = kFirstLook;
  for (unsigned spun = 0; spun < kSpins; spun += distance) {
    for (unsigned i = 0; i < distance; ++i) {
      pause();
    }
    if (free()) {
      return true;
    }
    distance = std::min(distance * 2, kRarestLook);
  }
  return false;
}

bool Contention::overdue(bool waking) noexcept {
  if (!waking) {
    if (since_.load(std::memory_order_relaxed) != 0) {
      since_.store(0, std::memory_order_relaxed);
    }
    return false;
  }
  const std::int64_t now = os::monotonic_ns();
  const std::int64_t since = since_.load(std::memory_order_relaxed);
  if (since != 0 && now - since <= kOverdue) {
    return false;
  }
  since_.store(now, std::memory_order_relaxed);
  return since != 0;
}

}  // namespace mp::sync
