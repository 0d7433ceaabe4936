// SPDX-License-Identifier: Apache-2.0
// mp/manager/queue_proxy.hpp — queues of a manager's server.
//
//     auto jobs = manager.JoinableQueue<Job>();
//     const Job job = jobs.get();       // ours until task_done: if this process is killed before,
//     work(job);                        // or its machine is no longer there, the next one gets it
//     jobs.task_done();
//
// Threads, Processes, Fork, Owns, Blocks: as RawProxy.
// Crash:     what a killed process was putting is inside or not. What it had got from a
//            JoinableQueue and not finished is handed out again, first: at least once. What it had
//            got from a Queue is gone with it.
// Throws:    Full, Empty at the end of a timeout; QueueClosed; and as RawProxy.
// Python:    the proxies of SyncManager.Queue and JoinableQueue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/manager/element.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/manager/sync_proxies.hpp"
#include "mp/queue/queue.hpp"

namespace mp {

namespace detail {

template <class T>
class QueueLikeProxy {
 public:
  using value_type = T;

  void put(const T& value, Deadline until = Deadline::never()) const {
    if (!try_put_for(value, until)) {
      throw_queue_full();
    }
  }
  void put_nowait(const T& value) const { put(value, Deadline::now()); }
  bool try_put(const T& value) const { return try_put_for(value, Deadline::now()); }
  bool try_put_for(const T& value, Deadline until) const {
    return raw_.call<bool>("put", value, to_wire(until));
  }
  // Puts every value of a range, with one round trip if there is room for all.
  template <class Range>
  void put_many(const Range& values) const {
    Arguments args = raw_.encode();
    for (const T& value : values) {
      args.add(value);
    }
    auto put_already = take_reply<std::uint64_t>(raw_.call_raw("put_many", args));
    for (const T& value : values) {
      if (put_already == 0) {
        put(value);
      } else {
        --put_already;
      }
    }
  }

  T get(Deadline until = Deadline::never()) const {
    std::optional<T> value = try_get_for(until);
    if (!value) {
      throw_queue_empty();
    }
    return *std::move(value);
  }
  T get_nowait() const { return get(Deadline::now()); }
  std::optional<T> try_get() const { return try_get_for(Deadline::now()); }
  std::optional<T> try_get_for(Deadline until) const {
    return raw_.call<std::optional<T>>("get", to_wire(until));
  }
  // Gets what is inside, up to `most` values, without waiting.
  std::vector<T> get_many(std::uint64_t most) const {
    return reply_values<T>(raw_.call_raw("get_many", raw_.encode(most)));
  }

  [[nodiscard]] std::size_t qsize() const { return raw_.call<std::uint64_t>("qsize"); }
  [[nodiscard]] bool empty() const { return raw_.call<bool>("empty"); }
  [[nodiscard]] bool full() const { return raw_.call<bool>("full"); }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 protected:
  QueueLikeProxy(RawProxy raw, std::string_view type) : raw_{std::move(raw)} {
    expect_object(raw_, type, {item_tag<T>()});
  }
  RawProxy raw_;
};

}  // namespace detail

template <class T>
class QueueProxy : public detail::QueueLikeProxy<T> {
 public:
  static constexpr std::string_view kTypeName = "mp.QueueProxy";
  explicit QueueProxy(RawProxy raw) : detail::QueueLikeProxy<T>{std::move(raw), "Queue"} {}
};

template <class T>
class JoinableQueueProxy : public detail::QueueLikeProxy<T> {
 public:
  static constexpr std::string_view kTypeName = "mp.JoinableQueueProxy";
  explicit JoinableQueueProxy(RawProxy raw)
      : detail::QueueLikeProxy<T>{std::move(raw), "JoinableQueue"} {}

  // What this thread has got first of what it has not finished, is finished.
  void task_done() const { this->raw_.call("task_done"); }
  // Waits until everything that was put is finished. False: the time was over.
  bool join(Deadline until = Deadline::never()) const {
    return this->raw_.template call<bool>("join", detail::to_wire(until));
  }
};

template <class T>
struct codec<QueueProxy<T>> : detail::ProxyCodec<QueueProxy<T>> {
  using Parts = CodecParts<T>;
};
template <class T>
struct codec<JoinableQueueProxy<T>> : detail::ProxyCodec<JoinableQueueProxy<T>> {
  using Parts = CodecParts<T>;
};

}  // namespace mp
