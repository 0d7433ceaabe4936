// SPDX-License-Identifier: Apache-2.0
// mp/connection/pipe.hpp — two Connections with a channel in shared memory between them.
//
//     auto [a, b] = mp::Pipe();                        // both ends send and receive
//     auto [reader, writer] = mp::Pipe(mp::simplex);   // one direction
//
// A message of any size passes; up to some tens of kilobytes may be on their way in each direction
// before send waits for the receiver. No file descriptor is involved, so none can be inherited by
// accident and hold back the end of file.
//
// An end that is sent through its own pipe and never received keeps itself open.
//
// Processes: the ends can be used by all processes of the tree (see Connection).
// Crash:     no process can leave a pipe torn or locked, wherever it is killed.
// Owns:      shared memory, until both ends are closed and no handle is left.
// Throws:    OutOfMemory.
// Python:    multiprocessing.Pipe; Pipe(mp::simplex) is Pipe(duplex=False).
#pragma once

#include <utility>

#include "mp/base/export.hpp"
#include "mp/connection/connection.hpp"

namespace mp {

struct Simplex {
  explicit Simplex() = default;
};
inline constexpr Simplex simplex{};

// Returns the two ends of a pipe that carries messages both ways.
[[nodiscard]] MP_API std::pair<Connection, Connection> Pipe();

// Returns {reader, writer}.
[[nodiscard]] MP_API std::pair<Connection, Connection> Pipe(Simplex);

}  // namespace mp
