// SPDX-License-Identifier: Apache-2.0
// pool/thread_executor.hpp — the executor whose workers are threads.
#pragma once

#include <memory>

#include "mp/pool/thread_pool.hpp"

#include "pool/executor.hpp"

namespace mp::pool {

// Starts the threads. Throws UsageError, StartError.
[[nodiscard]] std::unique_ptr<Executor> make_thread_executor(const ThreadPoolOptions& options);

}  // namespace mp::pool
