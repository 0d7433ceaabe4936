// SPDX-License-Identifier: Apache-2.0
// connection/peer_wait.hpp — waiting until the other side of a ring has moved, or is gone.
//
// Three stages: spin (or yield, when the peer ran last on this very CPU), then sleep at the peer's
// gate and on the lease of one of its threads, and between sleeps look whether the processes that
// hold the other end are dead, for nobody else may notice it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "mp/base/deadline.hpp"
#include "mp/errors/error.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/gate.hpp"
#include "memory/spinner.hpp"
#include "memory/wait_source.hpp"

namespace mp::connection {

enum class Waited : std::uint8_t { moved, gone, timed_out };

class PeerWait {
 public:
  // `peer` is the other side of the ring, `gone` its mark, `closed` says that this process has
  // closed its own end, and `end` is the peer's end object.
  PeerWait(layout::RingSide& peer, const layout::Word& gone, const std::atomic<bool>& closed,
           std::uint64_t end) noexcept
      : peer_{peer}, gone_{gone}, closed_{closed}, end_{end} {}

  // Waits until ready(). While it spins it waits for eager(), which may ask for more; `calm` as in
  // spinner.hpp.
  template <class Eager, class Ready>
  Waited wait(Eager&& eager, Ready&& ready, Deadline until, int calm = 0);

  // For who waits for several things: announces a sleeper, and says where to sleep.
  [[nodiscard]] memory::SleepPlace prepare() noexcept {
    const std::uint32_t key = memory::gate_prepare_heavily(peer_.moved);
    const memory::ThreadTag watched = whom_to_watch();
    if (watched == 0) {
      look_around(true);
    }
    return {.word = &peer_.moved.word, .expected = key, .owner = watched, .watches = true};
  }

 private:
  template <class Ready>
  Waited look(Ready&& ready) {
    if (closed_.load(std::memory_order_relaxed)) {
      throw ClosedError{"this end of the connection is closed"};
    }
    // In this order: whatever the peer sent before it was gone is seen.
    const bool gone = gone_.load() != 0;
    return ready() ? Waited::moved : gone ? Waited::gone : Waited::timed_out;
  }
  [[nodiscard]] bool runs_here() const noexcept;
  [[nodiscard]] int peer_cpu() const noexcept {
    return static_cast<int>(peer_.cpu.load(std::memory_order_relaxed)) - 1;
  }
  [[nodiscard]] memory::ThreadTag whom_to_watch() noexcept;
  // Looks for dead holders of the peer's end, unless that was done a moment ago.
  void look_around(bool now) noexcept;

  // How often to let the peer run that sits on this CPU, before sleeping.
  static constexpr int kYields = 3;
  static constexpr std::chrono::nanoseconds kShortestSlice = std::chrono::milliseconds{1};
  static constexpr std::chrono::nanoseconds kLongestSlice = std::chrono::seconds{1};

  layout::RingSide& peer_;
  const layout::Word& gone_;
  const std::atomic<bool>& closed_;
  std::uint64_t end_;
  memory::Spinner spinner_;
  std::atomic<memory::ThreadTag> watched_{0};
  std::atomic<std::int64_t> looked_{0};  // when, on the steady clock
};

template <class Eager, class Ready>
Waited PeerWait::wait(Eager&& eager, Ready&& ready, Deadline until, int calm) {
  Waited now = look(ready);
  if (now != Waited::timed_out) {
    return now;
  }
  if (until == Deadline::now()) {
    look_around(false);
    return look(ready);
  }
  memory::Waiting waiting{spinner_};
  if (waiting.spin(eager, peer_cpu(), calm) || ready()) {
    return Waited::moved;
  }
  for (int i = 0; i < kYields && runs_here(); ++i) {
    std::this_thread::yield();
    if (ready()) {
      return Waited::moved;
    }
  }
  std::chrono::nanoseconds slice = kShortestSlice;
  for (;;) {
    const std::uint32_t key = memory::gate_prepare_heavily(peer_.moved);
    const memory::ThreadTag watched = whom_to_watch();
    if (watched != 0) {
      slice = kLongestSlice;
    } else {
      // Nobody to watch: the peer has not begun yet, or is about to be dead. Look now, then ever
      // more seldom.
      look_around(slice < kLongestSlice);
    }
    now = look(ready);
    if (now != Waited::timed_out) {
      return now;
    }
    memory::gate_sleep(peer_.moved, key, until.no_later_than(slice), watched);
    if (ready()) {
      return Waited::moved;
    }
    if (watched != 0 && memory::thread_gone(watched)) {
      slice = kShortestSlice;
      look_around(true);
    } else {
      slice = std::min(slice * 2, kLongestSlice);
      look_around(false);
    }
    if (until.passed()) {
      return look(ready);
    }
  }
}

}  // namespace mp::connection
