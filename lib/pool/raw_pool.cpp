// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/raw_pool.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/pool/call_site.hpp"

#include "os/crash.hpp"
#include "pool/current_task.hpp"
#include "pool/executor.hpp"
#include "pool/local_executor.hpp"
#include "pool/replay.hpp"
#include "pool/result_access.hpp"

namespace mp {

namespace {

constexpr std::chrono::milliseconds kRedraw{100};

}  // namespace

RawPool::RawPool(const PoolOptions& options)
    : fork_generation_{detail::fork_generation},
      seed_{options.seed},
      exit_result_{options.worker_exit.result()} {
  pool::replay_if_asked();
  detail::describe_frames = &os::describe_frames;
  executor_ = pool::make_local_executor(options);
}

RawPool::RawPool(std::unique_ptr<pool::Executor> executor)
    : executor_{std::move(executor)}, fork_generation_{detail::fork_generation} {}

RawPool::~RawPool() {
  if (fork_generation_ != detail::fork_generation) {
    // A copy in a forked child: its threads and children are the parent's.
    static_cast<void>(executor_.release());
    return;
  }
  end();
}

void RawPool::expect_own_process() const {
  if (fork_generation_ != detail::fork_generation) {
    throw WrongProcess{"a pool can be used only in the process that made it"};
  }
}

std::shared_ptr<RawResult> RawPool::submit(RawTask task) {
  const detail::CallSite here{__builtin_return_address(0)};
  expect_own_process();
  MP_EXPECTS(task.rules.retries >= 0, "a task cannot be tried less than once");
  MP_EXPECTS(task.rules.backoff.count() >= 0 && task.rules.grace.count() >= 0,
             "a back-off and a grace must not be negative");
  auto result = std::make_shared<RawResult>();
  ResultAccess::set_items(*result, task.items);
  ResultAccess::set_hooks(*result, std::move(task.callback), std::move(task.listener));
  ResultAccess::set_progress(*result, std::move(task.progress));
  executor_->submit({std::move(task.call), std::move(task.objects), result, task.rules, task.items,
                     task.first_item, std::move(task.held),
                     pool::stream_of(seed_, task.call_number != 0 ? task.call_number : next_call(),
                                     task.first_item),
                     task.call_site != nullptr ? task.call_site : detail::CallSite::current()});
  return result;
}

bool RawPool::wait(const std::function<bool()>& enough, Deadline until) {
  return wait(enough, until, pool::Awaited::one);
}

bool RawPool::wait_for_many(const std::function<bool()>& enough, Deadline until) {
  return wait(enough, until, pool::Awaited::many);
}

bool RawPool::wait(const std::function<bool()>& enough, Deadline until, pool::Awaited what) {
  expect_own_process();
  // Who waits draws the bars.
  bool reached = false;
  while (!reached && detail::progress_is_shown()) {
    detail::tick_progress();
    reached = executor_->wait(enough, until.no_later_than(kRedraw), what);
    if (!reached && until.passed()) {
      return false;
    }
  }
  reached = reached || executor_->wait(enough, until, what);
  detail::tick_progress();
  return reached;
}

bool RawPool::cancel(RawResult& result) {
  expect_own_process();
  return executor_->cancel(result);
}

int RawPool::width() const {
  return executor_->width();
}

void RawPool::resize(int processes) {
  expect_own_process();
  executor_->resize(processes);
}

std::vector<std::shared_ptr<RawResult>> RawPool::exit_results(std::uint64_t result) const {
  expect_own_process();
  MP_EXPECTS(result == exit_result_, "the workers' last call returns something else");
  return executor_->farewells();
}

PoolInsights RawPool::insights() const {
  expect_own_process();
  return executor_->insights();
}

void RawPool::close() {
  expect_own_process();
  executor_->close();
}

void RawPool::terminate() {
  expect_own_process();
  executor_->terminate();
}

void RawPool::join() {
  expect_own_process();
  executor_->join();
}

void RawPool::end() noexcept {
  if (fork_generation_ != detail::fork_generation) {
    return;
  }
  try {
    executor_->terminate();
    executor_->join();
  } catch (const std::exception& error) {
    get_logger().error("a pool could not be ended: " + std::string{error.what()});
  }
}

}  // namespace mp
