// SPDX-License-Identifier: Apache-2.0
// mp/manager/async_result_proxy.hpp — what calls come to that a pool of a server was given.
//
// AsyncResultProxy<T> is of one call, or of a map as a whole; ImapProxy<R> is the results of an
// imap, one after the other.
//
// Threads, Fork, Blocks, Owns: as RawProxy; an ImapProxy is for one thread at a time.
// Processes: an AsyncResultProxy as RawProxy; an ImapProxy stays where it was made.
// Crash:     as PoolProxy.
// Throws:    what the call threw; TimeoutError; and as PoolProxy.
// Python:    the proxies of AsyncResult, and of the iterators of imap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/codec/type_tag.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/manager/sync_proxies.hpp"
#include "mp/process/raw_call.hpp"

namespace mp {

namespace detail {

// What the items are that go to a pool, and come from it.
inline constexpr std::uint64_t kPoolCodeTag = hash_text("mp.PoolCode");  // build, call or its head
inline constexpr std::uint64_t kPoolItemTag = hash_text("mp.PoolItem");  // an item of a map
inline constexpr std::uint64_t kPoolOutcomeTag = hash_text("mp.PoolOutcome");  // of a call
inline constexpr std::uint64_t kPoolBatchTag = hash_text("mp.PoolBatch");      // of a chunk

template <class T>
inline constexpr bool kIsVector = false;
template <class T, class A>
inline constexpr bool kIsVector<std::vector<T, A>> = true;

// What the chunks of a map have come to. Throws the first exception in them.
template <class T>
T pool_map_result(Reply& reply) {
  if constexpr (std::is_void_v<T> || kIsVector<T>) {
    [[maybe_unused]] std::conditional_t<std::is_void_v<T>, int, T> all{};
    for (std::size_t i = 0; i != reply.size(); ++i) {
      Reader in{reply.item(i).bytes, &reply};
      BatchOutcome chunk{in};
      while (const auto item = chunk.next()) {
        if constexpr (std::is_void_v<T>) {
          item->template get<void>();
        } else {
          all.push_back(item->template get<typename T::value_type>());
        }
      }
    }
    if constexpr (!std::is_void_v<T>) {
      return all;
    }
  } else {
    throw_item_mismatch(kTypeTag<T>, reply.item(0));
  }
}

// What a call or a map has come to. A call by name has come to its result.
template <class T>
T pool_result(Reply&& reply) {
  if (reply.size() == 1 && reply.item(0).tag == kPoolOutcomeTag) {
    Reader in{reply.item(0).bytes, &reply};
    return read_outcome<T>(in);
  }
  if (reply.size() != 0 && reply.item(0).tag == kPoolBatchTag) {
    return pool_map_result<T>(reply);
  }
  if constexpr (kIsVector<T>) {
    if (reply.kind() == Reply::Kind::values) {
      T all;
      for (std::size_t i = 0; i != reply.size(); ++i) {
        all.push_back(reply.template get<typename T::value_type>(i));
      }
      return all;
    }
  }
  return take_reply<T>(std::move(reply));
}

}  // namespace detail

// What a call that was given to a pool comes to: a T.
template <class T>
class AsyncResultProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.AsyncResultProxy";
  explicit AsyncResultProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "AsyncResult", {});
  }

  // Waits for the result and returns it, each time anew; throws what was thrown, and TimeoutError.
  T get(Deadline until = Deadline::never()) const {
    return detail::pool_result<T>(raw_.call_raw("get", raw_.encode(detail::to_wire(until))));
  }
  // Waits until there is a result or an exception; returns whether there is.
  bool wait(Deadline until = Deadline::never()) const {
    return raw_.call<bool>("wait", detail::to_wire(until));
  }
  [[nodiscard]] bool ready() const { return raw_.call<bool>("ready"); }
  // Whether the call returned, rather than threw. Throws UsageError unless ready().
  [[nodiscard]] bool successful() const { return raw_.call<bool>("successful"); }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const AsyncResultProxy&, const AsyncResultProxy&) = default;

 private:
  RawProxy raw_;
};

// The results of imap, each as soon as it is its turn. A range that can be walked through once.
template <class R>
class ImapProxy {
 public:
  explicit ImapProxy(RawProxy raw) : raw_{std::move(raw)} {
    detail::expect_object(raw_, "Iterator", {});
  }

  // Waits for the next result; nothing behind the last. Throws what the function threw, and goes on
  // behind it; TimeoutError.
  std::optional<R> next(Deadline until = Deadline::never()) {
    for (;;) {
      if (chunk_) {
        if (const auto item = chunk_->outcome->next()) {
          return item->template get<R>();
        }
      }
      chunk_ = std::make_unique<Chunk>(raw_, until);
      if (!chunk_->outcome) {
        chunk_.reset();
        return std::nullopt;
      }
    }
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using pointer = const R*;
    using reference = const R&;

    explicit Iterator(ImapProxy& from) : from_{&from}, value_{from.next()} {}
    reference operator*() const { return *value_; }
    Iterator& operator++() {
      value_ = from_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, std::default_sentinel_t) { return !a.value_; }

   private:
    ImapProxy* from_;
    std::optional<R> value_;
  };
  [[nodiscard]] Iterator begin() { return Iterator{*this}; }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }

 private:
  struct Chunk {
    Chunk(const RawProxy& from, Deadline until)
        : reply{from.call_raw("next", from.encode(detail::to_wire(until)))} {
      if (reply.size() != 0) {
        outcome.emplace(in.emplace(reply.item(0).bytes, &reply));
      }
    }
    detail::Reply reply;
    std::optional<Reader> in;
    std::optional<BatchOutcome> outcome;  // none: that was all
  };

  RawProxy raw_;
  std::unique_ptr<Chunk> chunk_;
};

template <class T>
struct codec<AsyncResultProxy<T>> : detail::ProxyCodec<AsyncResultProxy<T>> {
  using Parts = CodecParts<T>;
};
template <>
struct codec<AsyncResultProxy<void>> : detail::ProxyCodec<AsyncResultProxy<void>> {};
}  // namespace mp
