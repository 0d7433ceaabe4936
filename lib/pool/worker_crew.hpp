// SPDX-License-Identifier: Apache-2.0
// pool/worker_crew.hpp — the worker processes of a pool: made, watched and replaced.
//
// Threads: the caller holds the executor's lock, but for start(), which only one thread may be in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mp/process/start_method.hpp"

#include "os/poll.hpp"
#include "pool/board.hpp"
#include "process/child_process.hpp"

namespace mp::pool {

class WorkerCrew {
 public:
  WorkerCrew(Board board, StartMethod method);
  ~WorkerCrew();
  WorkerCrew(const WorkerCrew&) = delete;
  WorkerCrew& operator=(const WorkerCrew&) = delete;

  // Under StartMethod::fork forks the zygote, which makes all workers from then on; workers made
  // before are forked by the calling thread. Call it before the pool has threads.
  void settle();
  // No more workers will be made.
  void dismiss_zygote() noexcept;

  // Makes a worker process. Throws StartError, OutOfMemory.
  [[nodiscard]] std::shared_ptr<process::ChildProcess> start(std::uint32_t index);
  // Puts it in its place.
  void enter(std::uint32_t index, std::shared_ptr<process::ChildProcess> process);
  // Takes a dead worker out of its place.
  std::shared_ptr<process::ChildProcess> remove(std::uint32_t index);

  [[nodiscard]] const std::shared_ptr<process::ChildProcess>& worker(std::uint32_t index) const {
    return workers_[index];
  }
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(workers_.size());
  }
  [[nodiscard]] std::uint32_t alive() const noexcept { return alive_; }
  void signal_all(int number);

 private:
  Board board_;
  StartMethod method_;
  std::unique_ptr<process::Zygote> zygote_;
  std::vector<std::shared_ptr<process::ChildProcess>> workers_;
  std::uint32_t alive_ = 0;
  int numbered_ = 0;
};

}  // namespace mp::pool
