// SPDX-License-Identifier: Apache-2.0
// os/membarrier.hpp — a full fence in every running thread of all processes that agreed to it.
//
// Linux has it since 4.16. It interrupts the CPUs that run such threads: microseconds for the
// caller, and for nobody else anything until then.
#pragma once

namespace mp::os {

// Agrees, for this process; execve takes that back, a fork inherits it. Returns false where the
// kernel does not offer it. Cheap in a process of one thread, some milliseconds in others.
[[nodiscard]] bool membarrier_join() noexcept;

// The fence. Returns false, with nothing done, where the kernel does not offer it.
[[nodiscard]] bool membarrier_everywhere() noexcept;

}  // namespace mp::os
