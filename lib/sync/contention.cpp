// SPDX-License-Identifier: Apache-2.0
#include "sync/contention.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include "memory/spinner.hpp"
#include "os/clock.hpp"

namespace mp::sync {

namespace {

constexpr unsigned kSpins = 1000;  // pauses, about 20 us
constexpr unsigned kFirstLook = 8;
constexpr unsigned kRarestLook = 128;
constexpr std::int64_t kOverdue = 500'000;  // ns

}  // namespace

Contention& Contention::of(const layout::Word& word) noexcept {
  static std::array<Contention, 64> all;
  return all[reinterpret_cast<std::uintptr_t>(&word) / 64 % all.size()];
}

bool Contention::spin(const layout::Word& word, std::uint32_t bits, std::uint32_t most,
                      int other_cpu) noexcept {
  const auto free = [&] { return (word.load(std::memory_order_relaxed) & bits) <= most; };
  if (other_cpu < 0 && memory::single_cpu()) {
    std::this_thread::yield();
    return free();
  }
  unsigned distance = kFirstLook;
  for (unsigned spun = 0; spun < kSpins; spun += distance) {
    for (unsigned i = 0; i < distance; ++i) {
      memory::relax();
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
