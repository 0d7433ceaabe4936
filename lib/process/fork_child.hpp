// SPDX-License-Identifier: Apache-2.0
// process/fork_child.hpp — StartMethod::fork: a copy of this process, in the calling thread.
#pragma once

#include <memory>

#include "process/child_process.hpp"

namespace mp::process {

[[nodiscard]] std::shared_ptr<ChildProcess> fork_child(ChildSpec spec);

}  // namespace mp::process
