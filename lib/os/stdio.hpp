// SPDX-License-Identifier: Apache-2.0
// os/stdio.hpp — the standard streams around the start of a child.
//
// A child made by fork has a copy of what its parent had buffered and would print it again. So
// the parent flushes first, with try-locks: fflush(nullptr) waits for every stream's lock, and a
// thread that sits in fgets(stdin) holds one until somebody types.
//
// Threads: may be called while other threads use the streams. A std::cout that is not
//          synchronised with stdio has no lock that could be tried; as for any other use of it,
//          the program then lets one thread at a time near it.
// Blocks:  only as long as writing to stdout and stderr does.
#pragma once

#include <string_view>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"

namespace mp::os {

// Writes out what stdout, stderr, std::cout, std::clog and their wide siblings have buffered.
// Returns false if another thread was using one of them, which is left as it is then.
bool flush_output() noexcept;

// For a child, first thing: forgets what stdout and stderr have buffered. All of it is its
// parent's, who still has its own copy and prints it: text that another thread wrote after the
// flush, or of a stream that was in use.
void drop_inherited_output() noexcept;

// Makes stdin /dev/null, and forgets what was read ahead from the old one.
void detach_stdin();

// Writes everything, with waits if the descriptor does not block. Returns 0 or the error; ETIMEDOUT
// at the deadline.
int write_all(int fd, ByteView bytes, Deadline until = Deadline::never()) noexcept;

// Writes to descriptor 2, past every buffer and lock; what cannot be written is lost.
void write_stderr(std::string_view text) noexcept;

}  // namespace mp::os
