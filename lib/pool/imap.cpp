// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/imap.hpp"

#include <algorithm>
#include <exception>

#include "mp/errors/error.hpp"
#include "mp/pool/call_site.hpp"

namespace mp::detail {

// Chunks in flight for each worker: enough that none waits while results are being looked at.
constexpr std::size_t kAhead = 8;

struct ImapWindow::Finished {
  std::mutex mutex;
  std::deque<std::shared_ptr<RawResult>> results;

  std::shared_ptr<RawResult> take() {
    const std::lock_guard hold{mutex};
    if (results.empty()) {
      return nullptr;
    }
    auto first = std::move(results.front());
    results.pop_front();
    return first;
  }
  bool empty() {
    const std::lock_guard hold{mutex};
    return results.empty();
  }
};

ImapWindow::ImapWindow(std::shared_ptr<RawPool> pool, Order order, NextChunk next,
                       std::function<void()> at_end)
    : pool_{std::move(pool)},
      order_{order},
      next_chunk_{std::move(next)},
      call_site_{CallSite::current()},
      at_end_hook_{std::move(at_end)},
      finished_{order == Order::as_finished ? std::make_shared<Finished>() : nullptr},
      window_{static_cast<std::size_t>(pool_->width()) * kAhead} {
  fill();
}

ImapWindow::~ImapWindow() = default;

void ImapWindow::fill() {
  while (!at_end_ && flying_ < window_) {
    RawTask task;
    try {
      task = next_chunk_();
    } catch (...) {
      range_error_ = std::current_exception();
    }
    if (task.known != nullptr) {
      ++flying_;
      if (task.progress != nullptr) {
        task.progress->advance(1);
      }
      if (order_ == Order::kept) {
        in_order_.push_back(std::move(task.known));
      } else {
        const std::lock_guard hold{finished_->mutex};
        finished_->results.push_back(std::move(task.known));
      }
      continue;
    }
    if (!task.call) {
      at_end_ = true;
      return;
    }
    if (order_ == Order::as_finished) {
      task.listener = [finished = finished_](const std::shared_ptr<RawResult>& result) {
        const std::lock_guard hold{finished->mutex};
        finished->results.push_back(result);
      };
    }
    task.call_site = call_site_;
    auto result = pool_->submit(std::move(task));
    ++flying_;
    if (order_ == Order::kept) {
      in_order_.push_back(std::move(result));
    }
  }
}

std::shared_ptr<RawResult> ImapWindow::next(Deadline until) {
  tick_progress();
  if (flying_ == 0) {
    if (range_error_) {
      std::rethrow_exception(std::exchange(range_error_, nullptr));
    }
    if (const auto hook = std::exchange(at_end_hook_, nullptr)) {
      hook();
    }
    return nullptr;
  }
  std::shared_ptr<RawResult> result;
  if (order_ == Order::kept) {
    const auto& first = in_order_.front();
    if (!first->ready() && !pool_->wait([&first] { return first->ready(); }, until)) {
      throw TimeoutError{"the next result was not there in time"};
    }
    result = std::move(in_order_.front());
    in_order_.pop_front();
  } else {
    if (finished_->empty() && !pool_->wait([this] { return !finished_->empty(); }, until)) {
      throw TimeoutError{"the next result was not there in time"};
    }
    result = finished_->take();
  }
  --flying_;
  fill();
  return result;
}

}  // namespace mp::detail
