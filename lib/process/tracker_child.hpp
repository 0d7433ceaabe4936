// SPDX-License-Identifier: Apache-2.0
// process/tracker_child.hpp — starting the tracker of named shared memory (memory/names.hpp).
#pragma once

namespace mp::process {

// Starts the tree's tracker if there is none; to be called when a name was registered. Without one
// names are removed by unlink() and cleanup() alone, so that it cannot be started is a warning.
void ensure_tracker();

}  // namespace mp::process
