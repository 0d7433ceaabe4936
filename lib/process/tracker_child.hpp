// SPDX-License-Identifier: Apache-2.0
// process/tracker_child.hpp — starting the tracker of named shared memory (memory/names.hpp).
#pragma once

namespace mp::process {

// Tells the register of names how its tracker is started. The entry hook calls it, because a copy
// of this program that nobody catches would be no tracker.
void offer_tracker() noexcept;

}  // namespace mp::process
