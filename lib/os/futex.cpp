// SPDX-License-Identifier: Apache-2.0
#include "os/futex.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mp/base/contract.hpp"

#include "os/check.hpp"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449  // the same number on every architecture
#endif

namespace mp::os {

namespace {

// The kernel's struct futex_waitv; its header has it only since 5.16.
struct KernelWait {
  std::uint64_t value;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
static_assert(sizeof(KernelWait) == 24);
constexpr std::uint32_t kFutex32 = 2;  // a 32-bit word, shared

Probe waitv_probe;

// The moment as the kernel takes it; null means never.
class KernelTime {
 public:
  explicit KernelTime(Deadline until) noexcept : never_{until.is_never()} {
    // A moment that has passed may not be negative or the kernel answers EINVAL.
    const std::int64_t ns = std::max<std::int64_t>(0, until.nanoseconds());
    time_.tv_sec = ns / 1'000'000'000;
    time_.tv_nsec = ns % 1'000'000'000;
  }
  [[nodiscard]] const timespec* get() const noexcept { return never_ ? nullptr : &time_; }

 private:
  timespec time_{};
  bool never_;
};

Wait reason(int error) noexcept {
  switch (error) {
    case EAGAIN:
      return Wait::changed;
    case ETIMEDOUT:
      return Wait::timed_out;
    default:
      // A word that is misaligned or no longer mapped would turn every wait into a spin.
      MP_ENSURES(error != EFAULT && error != EINVAL, "a futex word is mapped and aligned");
      return Wait::woken;
  }
}

Wait wait_in_slice(std::span<const FutexWait> words, Deadline until) noexcept {
  for (const FutexWait& each : words) {
    // Acquire: what the changer wrote before the word is to be seen by the caller's next look.
    if (each.word->load(std::memory_order_acquire) != each.expected) {
      return Wait::changed;
    }
  }
  const Wait how =
      futex_wait(*words.front().word, words.front().expected, until.no_later_than(kFutexSlice));
  return how == Wait::timed_out && !until.passed() ? Wait::woken : how;
}

}  // namespace

Wait futex_wait(const Word& word, std::uint32_t expected, Deadline until) noexcept {
  const KernelTime time{until};
  const auto slept = call_once(Sys::futex_wait, [&] {
    return ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, time.get(), nullptr,
                     FUTEX_BITSET_MATCH_ANY);
  });
  return slept.ok() ? Wait::woken : reason(slept.error);
}

int futex_wake(const Word& word, int n) noexcept {
  const auto woken = call_once(Sys::futex_wake, [&] {
    return ::syscall(SYS_futex, &word, FUTEX_WAKE, n, nullptr, nullptr, 0);
  });
  return woken.ok() ? static_cast<int>(woken.value) : 0;
}

bool have_futex_waitv() noexcept {
  return waitv_probe.known([] {
    // No words to wait for is EINVAL where the call exists.
    const auto asked = call_once(
        Sys::futex_waitv, [] { return ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0); });
    return !is_unavailable(asked.error);
  });
}

Wait futex_wait_any(std::span<const FutexWait> words, Deadline until, std::size_t* which) noexcept {
  if (which != nullptr) {
    *which = kUnknownWord;
  }
  MP_ENSURES(!words.empty() && words.size() <= kMaxFutexWaits, "futex_wait_any has 1..128 words");
  if (!have_futex_waitv()) {
    return wait_in_slice(words, until);
  }
  std::array<KernelWait, kMaxFutexWaits> list;  // NOLINT: only the used part is initialised
  for (std::size_t i = 0; i != words.size(); ++i) {
    list[i] = {words[i].expected, reinterpret_cast<std::uintptr_t>(words[i].word), kFutex32, 0};
  }
  const KernelTime time{until};
  const auto slept = call_once(Sys::futex_waitv, [&] {
    return ::syscall(SYS_futex_waitv, list.data(), words.size(), 0, time.get(), CLOCK_MONOTONIC);
  });
  if (slept.ok()) {
    if (which != nullptr) {
      *which = static_cast<std::size_t>(slept.value);
    }
    return Wait::woken;
  }
  // The kernel allocates for this call; where it cannot, a slice is still a bounded sleep.
  const bool slice = slept.error == ENOMEM || is_unavailable(slept.error);
  return slice ? wait_in_slice(words, until) : reason(slept.error);
}

}  // namespace mp::os
