// SPDX-License-Identifier: Apache-2.0
#include "pool/worker_crew.hpp"

#include <string>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/process/call.hpp"

#include "os/clock.hpp"
#include "pool/worker.hpp"
#include "process/exit.hpp"

namespace mp::pool {

WorkerCrew::WorkerCrew(Board board, StartMethod method)
    : board_{std::move(board)}, method_{method}, workers_(board_.worker_count()) {}

WorkerCrew::~WorkerCrew() = default;

void WorkerCrew::settle() {
  if (method_ != StartMethod::fork || zygote_ != nullptr) {
    return;
  }
  std::vector<int> pidfds;
  for (const auto& worker : workers_) {
    if (worker != nullptr && worker->pidfd() >= 0) {
      pidfds.push_back(worker->pidfd());
    }
  }
  try {
    zygote_ = process::Zygote::fork_now("PoolZygote", std::move(pidfds));
  } catch (const OsError& error) {
    throw StartError{std::string{"a process could not be started: "} + error.what()};
  }
}

void WorkerCrew::dismiss_zygote() noexcept {
  if (zygote_ != nullptr) {
    zygote_->dismiss();
  }
}

std::shared_ptr<process::ChildProcess> WorkerCrew::start(std::uint32_t index) {
  board_.worker(index).times.asked.store(static_cast<std::uint64_t>(os::monotonic_ns()));
  process::ChildSpec spec;
  spec.name = "PoolWorker-" + std::to_string(++numbered_);
  spec.daemon = true;
  spec.ignores_interrupt = true;
  spec.call = make_call(&worker_main, board_.id(), index);
  spec.objects = {board_.id()};
  std::shared_ptr<process::ChildProcess> worker;
  if (zygote_ == nullptr) {
    worker = process::start_child(method_, std::move(spec));
  } else {
    try {
      worker = zygote_->start(spec);
    } catch (const OsError& error) {
      throw StartError{std::string{"a process could not be started: "} + error.what()};
    }
  }
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
