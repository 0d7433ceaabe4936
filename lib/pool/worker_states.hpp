// SPDX-License-Identifier: Apache-2.0
// pool/worker_states.hpp — the end of the objects of mp/pool/worker_state.hpp.
#pragma once

namespace mp::pool {

// Destroys those of the calling thread, the last made first.
void end_worker_states() noexcept;

}  // namespace mp::pool
