// SPDX-License-Identifier: Apache-2.0
// memory/sweep.hpp — giving back what a dead process left behind.
//
// bury() (processes.hpp) runs the parts in this order. Each is idempotent and harmless when several
// processes do it at once or one is killed in it: everything is a CAS on a word that carries a
// generation.
#pragma once

#include "memory/tags.hpp"

namespace mp::memory {

// Takes `dead` out of every object, and finishes destructions that were interrupted.
void sweep_objects(ProcessId dead) noexcept;
// Frees the blocks that `dead` owned and nobody was handed, and mends the free bits.
void sweep_blocks(ProcessId dead, void (*free_message)(BlockId)) noexcept;
// Frees the thread entries of `dead`.
void sweep_threads(ProcessId dead) noexcept;

}  // namespace mp::memory
