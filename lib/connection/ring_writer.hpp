// SPDX-License-Identifier: Apache-2.0
// connection/ring_writer.hpp — putting messages into a ring.
#pragma once

#include <atomic>
#include <cstdint>

#include "mp/base/deadline.hpp"
#include "mp/connection/parcel.hpp"

#include "connection/peer_wait.hpp"
#include "connection/pipe_layout.hpp"

namespace mp::connection {

// This process's view of the writing side; any number of threads may use it.
class RingWriter {
 public:
  RingWriter(layout::Ring& ring, const std::atomic<bool>& closed,
             std::uint64_t readers_end) noexcept
      : ring_{ring}, closed_{closed}, wait_{ring.reader, ring.reader_gone, closed, readers_end} {}

  // Returns false when `until` has passed; throws EOFError when nobody is left to receive.
  bool send(mp::detail::Outgoing& parcel, Deadline until);

  // Wakes the threads that wait here, to see that the end is closed.
  void wake() noexcept;

 private:
  // Writes a record if there is room. Otherwise says which head makes room.
  enum class Put : std::uint8_t { done, no_room, no_lock };
  Put put(layout::RecordKind kind, ByteView payload, std::uint64_t block, Deadline until,
          std::uint64_t& wanted_head);
  Waited await_room(std::uint64_t wanted_head, Deadline until);

  layout::Ring& ring_;
  const std::atomic<bool>& closed_;
  PeerWait wait_;
};

}  // namespace mp::connection
