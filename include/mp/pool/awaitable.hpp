// SPDX-License-Identifier: Apache-2.0
// mp/pool/awaitable.hpp — a call that a coroutine waits for.
//
//     Task<void> report() { double price = co_await pool.awaitable(value_of, contract); ... }
//
// The call is made when it is awaited. The coroutine goes on in the pool's thread for callbacks, so
// it must not stay there for long, and the pool must live until it has gone on.
//
// Threads: one coroutine awaits it, once.
// Throws:  PoolClosed, and what the task threw, from co_await.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <utility>

#include "mp/pool/async_result.hpp"
#include "mp/pool/raw_pool.hpp"

namespace mp {

template <class R>
class Awaitable {
 public:
  Awaitable(std::shared_ptr<RawPool> pool, RawTask task)
      : pool_{std::move(pool)}, task_{std::move(task)} {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    task_.callback = [this, waiter](const std::shared_ptr<RawResult>& result) {
      result_ = result;
      waiter.resume();
    };
    // The coroutine may be gone on, and this with it, before submit returns.
    const std::shared_ptr<RawPool> pool = pool_;
    pool->submit(std::move(task_));
  }
  R await_resume() const { return detail::decode_outcome<R>(*result_); }

 private:
  std::shared_ptr<RawPool> pool_;
  RawTask task_;
  std::shared_ptr<RawResult> result_;
};

}  // namespace mp
