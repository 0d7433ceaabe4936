// SPDX-License-Identifier: Apache-2.0
#include "pool/worker_crew.hpp"

#include <string>
#include <utility>

#include "mp/process/call.hpp"

#include "pool/worker.hpp"
#include "process/exit.hpp"

namespace mp::pool {

WorkerCrew::WorkerCrew(Board board, StartMethod method)
    : board_{std::move(board)}, method_{method}, workers_(board_.worker_count()) {
  if (method_ == StartMethod::fork) {
    zygote_ = process::Zygote::fork_now("PoolZygote");
  }
}

WorkerCrew::~WorkerCrew() = default;

std::shared_ptr<process::ChildProcess> WorkerCrew::start(std::uint32_t index) {
  process::ChildSpec spec;
  spec.name = "PoolWorker-" + std::to_string(++numbered_);
  spec.daemon = true;
  spec.ignores_interrupt = true;
  spec.call = make_call(&worker_main, board_.id(), index);
  spec.objects = {board_.id()};
  auto worker = zygote_ != nullptr ? zygote_->start(std::move(spec))
                                   : process::start_child(method_, std::move(spec));
  process::remember_child(worker, true);
  return worker;
}

void WorkerCrew::enter(std::uint32_t index, std::shared_ptr<process::ChildProcess> process) {
  workers_[index] = std::move(process);
  ++alive_;
}

std::shared_ptr<process::ChildProcess> WorkerCrew::remove(std::uint32_t index) {
  --alive_;
  process::forget_child(*workers_[index]);
  return std::exchange(workers_[index], nullptr);
}

void WorkerCrew::signal_all(int number) {
  for (const auto& worker : workers_) {
    if (worker != nullptr) {
      worker->signal(number);
    }
  }
}

}  // namespace mp::pool
