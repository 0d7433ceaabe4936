// SPDX-License-Identifier: Apache-2.0
// os/futex.hpp — sleeping on a 32-bit word until another thread or process wakes.
//
// All futexes are shared ones: the word may lie in memory that processes map at different
// addresses. A wake-up promises nothing: whoever returns from a wait looks at the word again.
//
// Threads:   everything may be called from any thread.
// Processes: waiter and waker may be different processes; the word must be in shared memory then.
// Crash:     a thread killed while it sleeps leaves nothing behind. A wake-up that was given to it
//            is lost; who relies on wake-ups needs a gate or slices.
// Blocks:    futex_wait and futex_wait_any, until woken or the deadline.
// Order:     none; the caller's own loads and stores of the word order what it guards.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>

#include "mp/base/deadline.hpp"

namespace mp::os {

using Word = std::atomic<std::uint32_t>;
static_assert(sizeof(Word) == 4 && Word::is_always_lock_free);

enum class Wait : std::uint8_t {
  woken,      // by futex_wake, a signal, or for no reason
  changed,    // the word did not hold the expected value; nobody slept
  timed_out,  // the deadline passed
};

// Sleeps while `word` holds `expected`, until woken or `until`.
Wait futex_wait(const Word& word, std::uint32_t expected, Deadline until) noexcept;

// Wakes at most `n` of those who sleep on `word`, and returns how many that were.
int futex_wake(const Word& word, int n) noexcept;
inline constexpr int kEverybody = 0x7fffffff;

struct FutexWait {
  const Word* word;
  std::uint32_t expected;
};

// How many words futex_wait_any takes.
inline constexpr std::size_t kMaxFutexWaits = 128;
// How long futex_wait_any sleeps at most where the kernel cannot wait for several words.
inline constexpr std::chrono::milliseconds kFutexSlice{50};

// Whether the kernel can wait for several words at once (futex_waitv, Linux 5.16).
[[nodiscard]] bool have_futex_waitv() noexcept;

// Sleeps while every word holds its expected value, until one is woken or `until`. Expects at
// least one word and at most kMaxFutexWaits. Without futex_waitv it compares all words, then
// sleeps on the first alone and for at most kFutexSlice before it says `woken`, so a change or a
// wake-up of any other word is seen by the caller's next look. With `which` it tells the index of
// the word that was woken, the last one if there were several, or kUnknownWord.
Wait futex_wait_any(std::span<const FutexWait> words, Deadline until,
                    std::size_t* which = nullptr) noexcept;
inline constexpr std::size_t kUnknownWord = static_cast<std::size_t>(-1);

}  // namespace mp::os
