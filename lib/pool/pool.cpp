// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/pool.hpp"

#include <algorithm>
#include <exception>

#include "mp/errors/error.hpp"

#include "memory/message.hpp"

namespace mp {

namespace detail {

RawTask make_task(const std::function<RawCall(Carrier&)>& encode) {
  memory::ObjectCollector collector;
  RawTask task;
  task.call = encode(collector);
  task.objects = collector.objects();
  task.held = collector.take_held();
  return task;
}

HeldCall::HeldCall(const std::function<RawCall(Carrier&)>& encode) {
  RawTask task = make_task(encode);
  call_ = std::move(task.call);
  objects_ = std::move(task.objects);
  held_ = std::move(task.held);
}

void expect_chunk(const RawResult& result) {
  Reader in{result.outcome(), result.carrier()};
  BatchOutcome outcome{in};
  while (const auto item = outcome.next()) {
    item->get<void>();
  }
}

ResultParts::ResultParts(Kind kind, std::shared_ptr<RawPool> pool,
                         std::vector<std::shared_ptr<RawResult>> parts) noexcept
    : kind_{kind}, pool_{std::move(pool)}, parts_{std::move(parts)} {}

bool ResultParts::ready() const noexcept {
  return std::ranges::all_of(parts_, [](const auto& part) { return part->ready(); });
}

bool ResultParts::look() const noexcept {
  try {
    return ready() || pool_->wait([this] { return ready(); }, Deadline::now());
  } catch (const std::exception&) {
    return ready();  // in a forked child, where nothing comes any more
  }
}

bool ResultParts::wait(Deadline until) const {
  // One part after the other, so that a long map is not looked through after each result.
  auto missing = parts_.begin();
  const auto all_ready = [&] {
    missing = std::find_if(missing, parts_.end(), [](const auto& part) { return !part->ready(); });
    return missing == parts_.end();
  };
  const bool all = all_ready() || (parts_.size() == 1 ? pool_->wait(all_ready, until)
                                                      : pool_->wait_for_many(all_ready, until));
  tick_progress();
  return all;
}

bool ResultParts::successful() const {
  if (!look()) {
    throw UsageError{"the result is not ready"};
  }
  try {
    for (const auto& part : parts_) {
      Reader in{part->outcome(), part->carrier()};
      expect_success(in);
      if (kind_ == Kind::map) {
        Reader again{part->outcome(), part->carrier()};
        BatchOutcome outcome{again};
        while (const auto item = outcome.next()) {
          if (item->failed) {
            return false;
          }
        }
      }
    }
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

void ResultParts::expect_ready(Deadline until) const {
  if (!wait(until)) {
    throw TimeoutError{"the result was not there in time"};
  }
}

bool ResultParts::cancel() const {
  bool all = true;
  for (const auto& part : parts_) {
    all = pool_->cancel(*part) && all;
  }
  return all;
}

}  // namespace detail

namespace {

PoolOptions with_processes(int processes) {
  MP_EXPECTS(processes > 0, "a pool needs at least one process");
  PoolOptions options;
  options.processes = processes;
  return options;
}

}  // namespace

Pool::Pool() : Pool{PoolOptions{}} {}
Pool::Pool(int processes) : Pool{with_processes(processes)} {}
Pool::Pool(PoolOptions options) : raw_{std::make_shared<RawPool>(options)} {}

Pool::~Pool() {
  if (raw_ != nullptr) {
    raw_->end();
  }
}

Pool& Pool::operator=(Pool&& other) noexcept {
  if (this != &other) {
    if (raw_ != nullptr) {
      raw_->end();
    }
    raw_ = std::move(other.raw_);
  }
  return *this;
}

void Pool::close() {
  raw_->close();
}
void Pool::terminate() {
  raw_->terminate();
}
void Pool::join() {
  raw_->join();
}
void Pool::resize(int processes) {
  raw_->resize(processes);
}
PoolInsights Pool::insights() const {
  return raw_->insights();
}
int Pool::processes() const {
  return raw_->width();
}

}  // namespace mp
