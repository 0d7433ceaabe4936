// SPDX-License-Identifier: Apache-2.0
// memory/spinner.hpp — how long to spin before sleeping.
//
//     Waiting waiting{spinner};                 // before the first look
//     if (!waiting.spin(ready, waker_cpu)) {    // looks once, or spins
//       ... sleep at a gate until ready() ...
//     }                                         // its end tells the spinner how long all that took
//
// A sleep and the wake-up that ends it have a price, measured by the gates of the tree (gate.hpp).
// Spinning for a few times that price never costs much more than sleeping at once would have, and
// wins whenever the wait turns out shorter. It is done where recent waits were short. What counts
// is the whole wait, sleep included, in time: two sides that both sleep make each other's waits two
// prices long, which is less than a few, so one of them spins, its answers come at once, and the
// other one's waits are short as well. Where waits are long there is hardly any spinning: the first
// looks, about a microsecond in all.
//
// Threads:  a Spinner is one per waiting place and process; any number of threads may share it. A
//           Waiting stays in the function that made it.
// Blocks:   a spin is no longer than kLongestSpin, and there is none where it cannot help: on
//           the CPU where the waker ran last, or, if that is not known, with one CPU to run on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace mp::memory {

inline constexpr std::chrono::nanoseconds kLongestSpin = std::chrono::microseconds{300};

// One step of a spin: leaves the core to its other thread for a moment.
inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether this thread may run on one CPU only, as then its peers may have to.
[[nodiscard]] bool single_cpu() noexcept;

// What is remembered of one place's waits.
class Spinner {
 public:
  // How long the waits of the recent past were, in nanoseconds.
  [[nodiscard]] std::uint32_t recent() const noexcept {
    return recent_.load(std::memory_order_relaxed);  // a hint, as everything here
  }
  void learn(std::int64_t nanoseconds) noexcept;

 private:
  std::atomic<std::uint32_t> recent_{0};
};

// One wait, from its beginning to its end.
class Waiting {
 public:
  explicit Waiting(Spinner& spinner) noexcept : spinner_{spinner} {}
  ~Waiting() {
    if (looked_) {
      end();
    }
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  // Looks at ready() until it is true or it is time to sleep. Returns whether it became true. After
  // a sleep it may be called again; there is no second long spin. `waker_cpu` is where the one who
  // makes it ready ran last, -1 if that is not known. Between the first look and the second there
  // are `calm` pauses more: whoever has just caught up with a stream lets a few more items come,
  // for each look takes the line away from the one who writes there.
  template <class Ready>
  bool spin(Ready&& ready, int waker_cpu = -1, int calm = 0) noexcept {
    if (ready()) {
      return true;
    }
    looked_ = true;
    if (!helps(waker_cpu)) {
      begin();
      return false;
    }
    for (; calm > 0; --calm) {
      relax();
    }
    // Waits that end here need no clock.
    for (int i = 0; i < kFirstLooks; ++i) {
      relax();
      if (ready()) {
        return true;
      }
    }
    begin();
    while (goes_on()) {
      for (int i = 0; i < kLooksPerClock; ++i) {
        relax();
        if (ready()) {
          return true;
        }
      }
    }
    return false;
  }

 private:
  static constexpr int kFirstLooks = 32;
  static constexpr int kLooksPerClock = 8;

  [[nodiscard]] static bool helps(int waker_cpu) noexcept;
  // Starts the clock, if it does not run yet.
  void begin() noexcept;
  // Whether the clock has not reached the end of the spin.
  [[nodiscard]] bool goes_on() const noexcept;
  void end() noexcept;

  Spinner& spinner_;
  bool looked_ = false;
  std::int64_t begun_ = 0;       // on the steady clock; 0: the clock does not run
  std::int64_t spin_until_ = 0;  // likewise
};

// The price of a sleep and a wake-up as this tree has measured it, in nanoseconds.
[[nodiscard]] std::uint32_t wake_price() noexcept;

}  // namespace mp::memory
