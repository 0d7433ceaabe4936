// SPDX-License-Identifier: Apache-2.0
// crash/memory_checks.hpp — what must hold in the arena after any death, once it is swept.
//
// Each check throws crash::Broken. They look at the shared words themselves, beneath the functions
// that the victim was killed in.
#pragma once

#include <set>

#include "memory/tags.hpp"

namespace mp::crash {

// The ids of all blocks that are not free.
std::set<memory::BlockId> blocks_in_use();

// Buries whoever has died. Then nobody dead is in the tables of processes and threads, and nobody
// is who was not buried.
void bury_and_check_tables();

// So many processes are in the table, every one of them alive.
void check_only_the_living_are_entered(unsigned count);

// Exactly `expected` is in use, and any of `perhaps`; every free block can be found by its bits;
// the bytes that freed blocks keep are counted right.
void check_heap(const std::set<memory::BlockId>& expected,
                const std::set<memory::BlockId>& perhaps = {});

// The heap works: blocks of several sizes are distinct, hold what is written to them while
// others come and go, and are all given back.
void use_heap();

}  // namespace mp::crash
