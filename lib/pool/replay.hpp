// SPDX-License-Identifier: Apache-2.0
// pool/replay.hpp — tasks that killed their workers, kept in files, to be run again in a debugger.
//
//     "mp task 2\n" | item + 1, or 0 (4) | stream (8) | name | call
//
// Texts and calls are preceded by their lengths (8). The call names code by the build-id of its
// image, so it can be run by the program that wrote it and by no other.
#pragma once

#include <cstdint>
#include <string>

#include "mp/base/bytes.hpp"

namespace mp::pool {

struct SavedTask {
  std::string name;
  std::uint32_t item;  // of a call of many: the guilty one, counted from 1; 0: it is not
  ByteView call;
  std::uint64_t stream = 0;  // see task_seed()
};

// Writes the task to a new file in the directory for temporary files, readable by its user alone.
// Returns its path; nothing when it could not be written.
[[nodiscard]] std::string save_task(const SavedTask& task) noexcept;

// If MP_REPLAY names a file: runs it and ends the process.
void replay_if_asked();

}  // namespace mp::pool
