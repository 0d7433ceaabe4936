// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/pipe.hpp"

#include "connection/pipe_object.hpp"
#include "connection/ring_channel.hpp"

namespace mp {

namespace {

std::pair<Connection, Connection> make(bool duplex) {
  const connection::PipeParts parts = connection::make_pipe_objects(duplex);
  Connection first{connection::RingChannel::of(parts.ends[0].id())};
  Connection second{connection::RingChannel::of(parts.ends[1].id())};
  return {std::move(first), std::move(second)};
}

}  // namespace

std::pair<Connection, Connection> Pipe() {
  return make(true);
}

std::pair<Connection, Connection> Pipe(Simplex) {
  return make(false);
}

}  // namespace mp
