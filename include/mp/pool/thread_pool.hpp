// SPDX-License-Identifier: Apache-2.0
// mp/pool/thread_pool.hpp — a Pool whose workers are threads of this process.
//
// The interface is Pool's, and so is what it means, arguments and results are copied as if they
// travelled, so that one can be put for the other. But a thread cannot be ended: a task that runs
// cannot be cancelled, terminate() waits for it, and a time limit is refused. A task that crashes
// takes the process with it.
//
// Threads:   as Pool.
// Fork:      as Pool.
// Owns:      its threads. The destructor waits for the tasks that they run.
// Throws:    as Pool; UsageError for a task with a time limit.
// Python:    multiprocessing.pool.ThreadPool
#pragma once

#include "mp/pool/options.hpp"
#include "mp/pool/pool.hpp"

namespace mp {

struct ThreadPoolOptions {
  int threads = 0;  // 0: as many as there are CPUs to use
  Initializer initializer = {};
};

class MP_API ThreadPool : public Pool {
 public:
  ThreadPool();
  explicit ThreadPool(int threads);
  explicit ThreadPool(const ThreadPoolOptions& options);
};

}  // namespace mp
