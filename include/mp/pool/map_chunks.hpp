// SPDX-License-Identifier: Apache-2.0
// mp/pool/map_chunks.hpp — how a map becomes calls of chunks. Nothing here is meant to be spelled
// by users of Pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "mp/pool/async_result.hpp"
#include "mp/pool/imap.hpp"
#include "mp/pool/options.hpp"
#include "mp/pool/progress.hpp"
#include "mp/pool/raw_pool.hpp"

namespace mp::detail {

// Encodes a call, and notes the shared objects that it refers to.
[[nodiscard]] MP_API RawTask make_task(const std::function<RawCall(Carrier&)>& encode);

template <class F, class Items, Spread kSpread>
using ItemResult =
    std::decay_t<typename ItemTypes<std::decay_t<F>, Normalized<std::ranges::range_value_t<Items>>,
                                    kSpread>::template Result<std::decay_t<F>&>>;

// What a map returns: the results in a vector, or nothing when f returns nothing.
template <class R>
struct Collected {
  using Type = std::vector<R>;
};
template <>
struct Collected<void> {
  using Type = void;
};
template <class F, class Items, Spread kSpread>
using MapReturn = typename Collected<ItemResult<F, Items, kSpread>>::Type;

// A hook that gives options' callbacks what `decode` makes of a result. Null when there are none.
template <class R, class Options, class Decode>
ResultHook make_callback(Options options, Decode decode) {
  if (!options.callback && !options.error_callback) {
    return nullptr;
  }
  return [options = std::move(options), decode](const std::shared_ptr<RawResult>& result) {
    std::exception_ptr error;
    try {
      if constexpr (std::is_void_v<R>) {
        decode(*result);
        if (options.callback) {
          options.callback();
        }
      } else {
        const R value = decode(*result);
        if (options.callback) {
          options.callback(value);
        }
      }
      return;
    } catch (...) {
      error = std::current_exception();
    }
    if (options.error_callback) {
      options.error_callback(error);
    } else if (options.callback) {
      std::rethrow_exception(error);
    }
  };
}

// Encodes the chunk of `count` items from `first`.
template <Spread kSpread, class Item, class F, class Iterator>
RawTask make_chunk(const F& f, Iterator first, std::size_t count) {
  RawTask task = make_task([&](Carrier& carrier) {
    Writer out{&carrier};
    write_batch_head<Item, kSpread>(out, f);
    write_batch_items<Item>(out, first, count);
    return RawCall{out.take(), callable_type<std::decay_t<F>>()};
  });
  task.items = static_cast<std::uint32_t>(count);
  return task;
}

// All parts of a map, decoded in order; throws the first exception.
template <class R>
typename Collected<R>::Type decode_chunks(const std::vector<std::shared_ptr<RawResult>>& parts) {
  if constexpr (std::is_void_v<R>) {
    for (const auto& part : parts) {
      expect_chunk(*part);
    }
  } else {
    std::vector<R> results;
    for (const auto& part : parts) {
      decode_chunk<R>(*part, results);
    }
    return results;
  }
}

// Counts the parts of a map in, for callbacks that want the whole.
struct MapJoin {
  std::vector<std::shared_ptr<RawResult>> parts;
  std::atomic<std::size_t> missing;
};

// The chunk size when none was asked for: about four chunks for each worker.
[[nodiscard]] inline std::size_t default_chunk(std::size_t items, int workers) noexcept {
  const std::size_t chunks = static_cast<std::size_t>(workers) * 4;
  return std::max<std::size_t>(1, (items + chunks - 1) / chunks);
}

template <Spread kSpread, class F, class Items, class Options>
auto submit_map(const std::shared_ptr<RawPool>& pool, const F& f, Items&& items, Options options) {
  using Item = std::ranges::range_value_t<Items>;
  using R = ItemResult<F, Items, kSpread>;
  using Return = typename Collected<R>::Type;
  if constexpr (!std::ranges::forward_range<Items>) {
    std::vector<Item> all;
    for (auto&& item : items) {
      all.push_back(std::forward<decltype(item)>(item));
    }
    return submit_map<kSpread>(pool, f, all, std::move(options));
  } else {
    const auto count = static_cast<std::size_t>(std::ranges::distance(items));
    const std::size_t chunk =
        options.chunksize != 0 ? options.chunksize : default_chunk(count, pool->width());
    std::vector<std::shared_ptr<RawResult>> parts;
    parts.reserve((count + chunk - 1) / chunk);
    const TaskRules rules = rules_of(options);
    const std::uint64_t call_number = pool->next_call();
    const auto progress =
        count == 0 ? nullptr : make_progress(options.progress, typeid(std::decay_t<F>), count);
    std::shared_ptr<MapJoin> join;
    ResultHook all_done;
    if (options.callback || options.error_callback) {
      join = std::make_shared<MapJoin>();
      join->parts.resize((count + chunk - 1) / chunk);
      join->missing = join->parts.size();
      all_done = make_callback<Return>(
          std::move(options), [join](const RawResult&) { return decode_chunks<R>(join->parts); });
    }
    auto first = std::ranges::begin(items);
    for (std::size_t done = 0; done < count; done += chunk) {
      const std::size_t size = std::min(chunk, count - done);
      RawTask task = make_chunk<kSpread, Item>(f, first, size);
      task.rules = rules;
      task.progress = progress;
      task.first_item = done;
      task.call_number = call_number;
      std::ranges::advance(first, static_cast<std::ranges::range_difference_t<Items>>(size));
      if (join != nullptr) {
        task.callback = [join, all_done, place = parts.size()](const auto& result) {
          join->parts[place] = result;
          if (--join->missing == 0) {
            all_done(result);
            join->parts.clear();
          }
        };
      }
      parts.push_back(pool->submit(std::move(task)));
    }
    return AsyncResult<Return>{
        ResultParts{ResultParts::Kind::map, pool, std::move(parts)},
        [](const ResultParts& all) { return decode_chunks<R>(all.parts()); }};
  }
}

}  // namespace mp::detail
