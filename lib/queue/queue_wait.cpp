// SPDX-License-Identifier: Apache-2.0
// A queue as one of several things to wait for.
#include <memory>
#include <mutex>
#include <utility>

#include "mp/memory/waitable.hpp"
#include "mp/queue/raw_queue.hpp"

#include "memory/feed.hpp"
#include "memory/fork_mutex.hpp"
#include "memory/gate.hpp"
#include "memory/wait_source.hpp"
#include "queue/alone.hpp"
#include "queue/local_queue.hpp"
#include "queue/queue_layout.hpp"
#include "queue/ring.hpp"

namespace mp {

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{28};  // guards who makes a queue's feed

class QueueSource final : public detail::WaitSource {
 public:
  enum class Share : bool { no, yes };

  QueueSource(detail::ObjectRef object, const std::shared_ptr<detail::LocalQueue>& local,
              Share share)
      : object_{std::move(object)},
        local_{local},
        held_{share == Share::yes ? local : nullptr},
        serial_{local->serial} {}

  bool ready() override {
    const std::shared_ptr<detail::LocalQueue> local = local_.lock();
    return local == nullptr ||
           local->closed_after.load(std::memory_order_relaxed) == detail::fork_generation ||
           (head().flags.load() & layout::kQueueShut) != 0 || has_item();
  }
  memory::SleepPlace prepare() override {
    return {.word = &head().not_empty.word,
            .expected = queue::prepare_for_items(head()),
            .owner = queue::who_is_alone(head().sole_writer)};
  }
  // A put wakes one, who may have been us.
  void pass_on() noexcept override {
    if (has_item()) {
      memory::gate_wake(head().not_empty, 1);
    }
  }

 private:
  layout::QueueHead& head() const { return *reinterpret_cast<layout::QueueHead*>(object_.data()); }
  // One that somebody alive is just putting or getting counts, too.
  bool has_item() const { return queue::count_items({.head = &head(), .serial = serial_}) != 0; }

  detail::ObjectRef object_;
  std::weak_ptr<detail::LocalQueue> local_;
  // None in the source of the queue's own feed, which is part of it.
  std::shared_ptr<detail::LocalQueue> held_;
  std::uint64_t serial_;
};

// The same for those who want to put.
class RoomSource final : public detail::WaitSource {
 public:
  RoomSource(detail::ObjectRef object, std::shared_ptr<detail::LocalQueue> local)
      : object_{std::move(object)}, local_{std::move(local)} {}

  bool ready() override {
    return local_->closed_after.load(std::memory_order_relaxed) == detail::fork_generation ||
           (head().flags.load() & layout::kQueueShut) != 0 || has_room();
  }
  memory::SleepPlace prepare() override {
    layout::Gate& gate = head().not_full;
    return {.word = &gate.word, .expected = memory::gate_prepare(gate)};
  }
  void pass_on() noexcept override {
    if (has_room()) {
      memory::gate_wake(head().not_full, 1);
    }
  }

 private:
  layout::QueueHead& head() const { return *reinterpret_cast<layout::QueueHead*>(object_.data()); }
  bool has_room() const {
    return queue::has_room({.head = &head(), .serial = local_->serial}, head().tail.load());
  }

  detail::ObjectRef object_;
  std::shared_ptr<detail::LocalQueue> local_;
};

}  // namespace

Waitable RawQueue::room() const {
  return {std::make_shared<RoomSource>(object_, local_), &local_->put_spinner};
}

Waitable RawQueue::waitable() const {
  return {std::make_shared<QueueSource>(object_, local_, QueueSource::Share::yes), local_.get()};
}

int RawQueue::fileno() const {
  const std::lock_guard hold{mutex};
  memory::Feed* feed = local_->feed.load(std::memory_order_relaxed);
  if (feed == nullptr || !feed->is_ours()) {
    local_->feeds.push_back(std::make_unique<detail::QueueFeed>(
        std::make_shared<QueueSource>(object_, local_, QueueSource::Share::no)));
    feed = &local_->feeds.back()->feed;
    local_->feed.store(feed, std::memory_order_release);
  }
  return feed->fileno();
}

}  // namespace mp
