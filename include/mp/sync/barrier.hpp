// SPDX-License-Identifier: Apache-2.0
// mp/sync/barrier.hpp — a place where a fixed number of threads or processes wait for each other.
//
//     mp::Barrier meet{3};
//     meet.wait();            // returns in all three once the third has come; then it starts anew
//
// If a party gives up, is aborted or dies while it waits, the barrier breaks: all who wait and all
// who come get BrokenBarrier, until reset().
//
// Threads:   a party is a thread; any threads of any processes, also through one handle.
// Processes: a handle can be an argument, a message or a result, unless it has an action, which can
//            only be inherited by fork; copies refer to the same barrier.
// Fork:      an inherited handle works.
// Crash:     a party that dies while it waits breaks the barrier at once; one that dies later, when
//            the others were let go, does not.
// Owns:      the barrier lives until the last handle in the last process is gone.
// Blocks:    wait, until all parties have come; bound it with a timeout, here or for all waits at
//            construction.
// Order:     what a party wrote before wait() is seen by all after it.
// Throws:    BrokenBarrier; what the action throws, in the party that ran it; UsageError for fewer
//            than 1 party, or when a Barrier with an action is sent; OutOfMemory.
// Python:    multiprocessing.Barrier.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string_view>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/sync/handle.hpp"

namespace mp {

class MP_API Barrier {
 public:
  static constexpr std::chrono::nanoseconds kForever = std::chrono::nanoseconds::max();

  // `action` is run by one of the parties when all have come, before they are let go. `timeout` is
  // for waits that have none of their own.
  explicit Barrier(int parties, std::function<void()> action = {},
                   std::chrono::nanoseconds timeout = kForever);

  // Waits for the other parties. Returns a number from 0 to parties() - 1, another one to each.
  int wait();
  int wait(Deadline until);

  // Breaks the barrier.
  void abort();
  // Makes it whole and empty. Whoever waits in it gets BrokenBarrier.
  void reset();

  [[nodiscard]] int parties() const;
  // How many wait at the moment.
  [[nodiscard]] int n_waiting() const;
  [[nodiscard]] bool broken() const;

  friend bool operator==(const Barrier& a, const Barrier& b) noexcept { return a.ref_ == b.ref_; }
  // <Barrier(waiting=1/3)>
  friend MP_API std::ostream& operator<<(std::ostream& out, const Barrier& barrier);

 private:
  friend struct codec<Barrier>;
  static constexpr const char* kNoun = "a Barrier";
  static constexpr std::uint32_t kObjectType = 6;
  explicit Barrier(detail::ObjectRef ref);
  [[nodiscard]] const detail::ObjectRef& to_send() const;

  detail::ObjectRef ref_;
  std::shared_ptr<const std::function<void()>> action_;
};

template <>
struct codec<Barrier> {
  static constexpr std::string_view kName = "mp.Barrier";
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const Barrier& barrier) {
    out.put_object(barrier.to_send().id(), Barrier::kNoun);
  }
  static Barrier read(Reader& in) {
    return Barrier{
        detail::ObjectRef::from_id(in.take_object(Barrier::kNoun), Barrier::kObjectType)};
  }
};

}  // namespace mp
