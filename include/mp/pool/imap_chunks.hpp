// SPDX-License-Identifier: Apache-2.0
// mp/pool/imap_chunks.hpp — how an imap reads its range and makes calls of it, and the maps that
// are built on it. Nothing here is meant to be spelled by users of Pool.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "mp/errors/error.hpp"
#include "mp/pool/imap.hpp"
#include "mp/pool/journal.hpp"
#include "mp/pool/map_chunks.hpp"
#include "mp/pool/options.hpp"
#include "mp/pool/outcome.hpp"
#include "mp/pool/progress.hpp"
#include "mp/pool/raw_pool.hpp"

namespace mp::detail {

// A range that is being read: somebody else's when it was given as an lvalue, otherwise its own.
// (Not std::views::all, which clang 14 cannot compile with this standard library.)
template <class Items>
class Source {
 public:
  using Range = std::remove_reference_t<Items>;

  explicit Source(Items&& items) : items_(hold(items)) {}

  // Appends up to `count` items to `chunk`.
  template <class Item>
  void read(std::vector<Item>& chunk, std::size_t count) {
    Range& range = get();
    if (!at_) {
      at_ = std::ranges::begin(range);
    }
    for (; chunk.size() < count && *at_ != std::ranges::end(range); ++*at_) {
      chunk.push_back(**at_);
    }
  }

 private:
  static constexpr bool kBorrowed = std::is_lvalue_reference_v<Items>;
  using Held = std::conditional_t<kBorrowed, Range*, std::remove_cv_t<Range>>;

  static Held hold(Range& items) {
    if constexpr (kBorrowed) {
      return std::addressof(items);
    } else {
      return std::move(items);
    }
  }
  Range& get() {
    if constexpr (kBorrowed) {
      return *items_;
    } else {
      return items_;
    }
  }

  Held items_;
  std::optional<std::ranges::iterator_t<Range>> at_;
};

// What an imap has between two chunks.
template <Spread kSpread, class F, class Items>
struct ImapState {
  using Item = std::ranges::range_value_t<Items>;

  std::decay_t<F> f;
  Source<Items> source;
  std::size_t chunksize;
  TaskRules rules;
  std::shared_ptr<MapJournal> journal;
  std::uint64_t call_number;
  std::shared_ptr<Progress> progress;  // until the range has ended
  std::size_t given = 0;
  std::shared_ptr<RawResult> known;  // of the item behind the chunk that was made last

  RawTask next() {
    RawTask task = journal != nullptr ? next_missing() : next_chunk();
    task.progress = task.call || task.known ? progress : std::exchange(progress, nullptr);
    return task;
  }

 private:
  RawTask next_chunk() {
    std::vector<Item> chunk;
    source.read(chunk, chunksize);
    const std::size_t first = std::exchange(given, given + chunk.size());
    return task_of(chunk, first);
  }

  RawTask task_of(const std::vector<Item>& chunk, std::size_t first) {
    if (chunk.empty()) {
      return {};
    }
    RawTask task = make_chunk<kSpread, Item>(f, chunk.begin(), chunk.size());
    task.rules = rules;
    task.first_item = first;
    task.call_number = call_number;
    return task;
  }

  static RawTask task_of(std::shared_ptr<RawResult> outcome) {
    RawTask task;
    task.known = std::move(outcome);
    return task;
  }

  // The next item that the journal knows, or a chunk of items that it does not.
  RawTask next_missing() {
    if (known != nullptr) {
      return task_of(std::exchange(known, nullptr));
    }
    const std::size_t first = given;
    std::vector<Item> chunk;
    std::vector<std::uint64_t> digests;
    while (chunk.size() < chunksize) {
      std::vector<Item> one;
      source.read(one, 1);
      if (one.empty()) {
        break;
      }
      Writer encoded;
      const Item& item = one.front();
      write_argument(encoded, item);
      const std::uint64_t mark = digest(encoded.written());
      if (auto outcome = journal->find(given, mark)) {
        ++given;
        if (chunk.empty()) {
          return task_of(std::move(outcome));
        }
        known = std::move(outcome);
        break;
      }
      ++given;
      chunk.push_back(std::move(one.front()));
      digests.push_back(mark);
    }
    RawTask task = task_of(chunk, first);
    if (task.call) {
      task.callback = [journal = journal, first, digests = std::move(digests)](const auto& result) {
        journal->append(first, digests, *result);
      };
    }
    return task;
  }
};

template <class... T>
[[nodiscard]] std::uint64_t digest_of_types() {
  std::uint64_t mark = digest({});
  for (const std::string_view name : {std::string_view{typeid(T).name()}...}) {
    mark = digest(std::as_bytes(std::span{name}), digest(std::as_bytes(std::span{"|"}), mark));
  }
  return mark;
}

template <Spread kSpread, class F, class Items>
auto make_imap(const std::shared_ptr<RawPool>& pool, Order order, const F& f, Items&& items,
               const MapOptions& options) {
  using Item = std::ranges::range_value_t<Items>;
  using R = ItemResult<F, Items, kSpread>;
  using State = ImapState<kSpread, F, Items>;
  static_assert(!std::is_void_v<R>,
                "mp: imap needs a callable that returns something; use map for its effects.");
  std::shared_ptr<MapJournal> journal;
  std::function<void()> at_end;
  if (!options.journal.empty()) {
    journal = std::make_shared<MapJournal>(
        options.journal, digest_of_types<std::decay_t<F>, Item, R>(), options.sync);
    at_end = [journal] { journal->finish(); };
  }
  std::uint64_t length = 0;
  if constexpr (std::ranges::sized_range<Items>) {
    length = std::ranges::size(items);
  }
  auto progress = make_progress(options.progress, typeid(std::decay_t<F>), length);
  auto state = std::shared_ptr<State>{new State{
      f, Source<Items>{std::forward<Items>(items)}, std::max<std::size_t>(1, options.chunksize),
      rules_of(options), journal, pool->next_call(), std::move(progress), 0, nullptr}};
  return Imap<R>{pool, order, [state] { return state->next(); }, std::move(at_end)};
}

// A map that throws nothing of its tasks.
template <Spread kSpread, class F, class Items>
auto map_outcomes(const std::shared_ptr<RawPool>& pool, const F& f, Items&& items,
                  MapOptions options) {
  using R = ItemResult<F, Items, kSpread>;
  if constexpr (std::ranges::sized_range<Items>) {
    if (options.chunksize == 0 && options.journal.empty()) {
      options.chunksize = default_chunk(std::ranges::size(items), pool->width());
    }
  }
  auto results = make_imap<kSpread>(pool, Order::kept, f, std::forward<Items>(items), options);
  std::vector<Outcome<R>> all;
  for (;;) {
    try {
      std::optional<R> result = results.next();
      if (!result) {
        return all;
      }
      all.push_back(std::move(*result));
    } catch (const PoolClosed&) {
      throw;
    } catch (...) {
      all.push_back(Outcome<R>{std::current_exception()});
    }
  }
}

// A map whose results a journal keeps.
template <Spread kSpread, class F, class Items>
auto map_with_journal(const std::shared_ptr<RawPool>& pool, const F& f, Items&& items,
                      const MapOptions& options) {
  using R = ItemResult<F, Items, kSpread>;
  if constexpr (std::is_void_v<R>) {
    throw UsageError{"a map with a journal needs a callable that returns something"};
  } else {
    auto results = make_imap<kSpread>(pool, Order::kept, f, std::forward<Items>(items), options);
    std::vector<R> all;
    std::exception_ptr first;
    for (bool more = true; more;) {
      try {
        std::optional<R> result = results.next();
        more = result.has_value();
        if (more && !first) {
          all.push_back(std::move(*result));
        }
      } catch (...) {
        if (!first) {
          first = std::current_exception();
        }
      }
    }
    if (first) {
      std::rethrow_exception(first);
    }
    return all;
  }
}

}  // namespace mp::detail
