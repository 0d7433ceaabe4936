// SPDX-License-Identifier: Apache-2.0
// support/rendezvous.hpp — how test processes wait for each other, instead of sleeping.
//
//     Signal ready;
//     Child child{[&] { lock.lock(); ready.raise(); ... }};
//     ready.await();                       // the child holds the lock now
//
// Both are made before the fork and rest on pipes only, so that they work while the code under
// test does not. Waiting too long throws: that fails the test, and ends a Child with kThrew.
#pragma once

#include <array>
#include <atomic>
#include <chrono>

#include "support/shared.hpp"

namespace mp::test {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds{20};

// A counter of events that one side raises and another takes, one by one.
class Signal {
 public:
  Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();

  void raise();
  void await(std::chrono::milliseconds limit = kPatience);
  // Takes an event if there is one, without waiting.
  bool try_take();

 private:
  int read_end_ = -1;
  int write_end_ = -1;
};

// A meeting point of `parties` processes or threads, usable over and over.
class Rendezvous {
 public:
  explicit Rendezvous(int parties) : state_{}, parties_{parties} {}

  // Returns when all parties have arrived.
  void arrive_and_wait(std::chrono::milliseconds limit = kPatience);

 private:
  struct State {
    std::atomic<int> arrived{0};
  };

  Shared<State> state_;
  int parties_;
  std::array<Signal, 2> doors_;  // even and odd rounds: a fast party cannot take a slow one's event
};

}  // namespace mp::test
