// SPDX-License-Identifier: Apache-2.0
// connection/ring_reader.hpp — taking messages out of a ring.
#pragma once

#include <atomic>
#include <cstdint>

#include "mp/base/deadline.hpp"
#include "mp/connection/parcel.hpp"

#include "connection/peer_wait.hpp"
#include "connection/pipe_layout.hpp"
#include "connection/pipe_object.hpp"

namespace mp::connection {

// This process's view of the reading side; any number of threads may use it.
class RingReader {
 public:
  RingReader(layout::Ring& ring, const std::atomic<bool>& closed,
             std::uint64_t writers_end) noexcept
      : ring_{ring}, closed_{closed}, wait_{ring.writer, ring.writer_gone, closed, writers_end} {}

  // Each returns false when `until` has passed; recv throws EOFError at the end.
  bool recv(mp::detail::Incoming& parcel, Deadline until);
  bool poll(Deadline until);

  // Announces a sleeper who waits for this and other things.
  [[nodiscard]] memory::SleepPlace prepare() noexcept { return wait_.prepare(); }

  // Wakes the threads that wait here, to see that the end is closed.
  void wake() noexcept;

 private:
  [[nodiscard]] bool has_message() const noexcept;
  Waited await_message(Deadline until);
  bool take(mp::detail::Incoming& parcel, Deadline until, bool& taken);
  static void take_block(mp::detail::Incoming& parcel, const Record& record);

  layout::Ring& ring_;
  const std::atomic<bool>& closed_;
  PeerWait wait_;
  std::atomic<std::uint64_t> waited_at_{0};  // the head when somebody waited last

  // What comes in such amounts between two waits is a stream.
  static constexpr std::uint64_t kStream = 1024;
  static constexpr int kCalm = 32;
};

}  // namespace mp::connection
