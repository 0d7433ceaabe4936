// SPDX-License-Identifier: Apache-2.0
// pool/local_executor.hpp — an executor whose workers are processes of this machine.
#pragma once

#include <memory>

#include "mp/pool/options.hpp"

#include "pool/executor.hpp"

namespace mp::pool {

// Starts the workers. Throws StartError, UsageError, OutOfMemory.
[[nodiscard]] std::unique_ptr<Executor> make_local_executor(const PoolOptions& options);

}  // namespace mp::pool
