// SPDX-License-Identifier: Apache-2.0
// mp/manager/pool_proxy.hpp — pools of worker processes on the server's side.
//
//     auto pool = manager.Pool(4);                         // four processes beside the server
//     std::vector<int> squares = pool.map(square, xs);     // the function travels, as to mp::Pool
//     auto later = pool.apply_async(square, 7);
//     int one = later.get();
//     int two = pool.apply_named<int>("square", 7);        // what the server has registered
//
// Functions travel as to mp::Pool: what can be sent is in mp/process/callable.hpp. The server takes
// them from processes of its user on its machine that run the very build that it runs, and from
// others if it was made with `accept_code` (manager.hpp). Whoever else has the key, a CPython
// client too, calls functions by the names under which the server has registered them
// (BaseManager::register_function).
//
// Workers begin as spawned processes do: they see the program's globals as they are initialised.
//
// Threads, Fork, Blocks: as RawProxy.
// Processes: as RawProxy. So do the results: whoever is handed an AsyncResultProxy may wait for it.
// Crash:     a worker that dies is replaced; its call throws WorkerDied, of a map its chunk. When
//            the client that waits is killed, what was begun is finished and forgotten. The pool
//            ends with its last holder, the server at the latest.
// Throws:    what the function throws; WorkerDied, PoisonTask, PoolClosed, TimeoutError. UsageError
//            when the server does not take code from this process. RemoteError for a name that is
//            not registered. And as RawProxy.
// Python:    SyncManager.Pool: PoolProxy, and the proxies of AsyncResult and of imap's iterators.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/type_tag.hpp"
#include "mp/manager/async_result_proxy.hpp"
#include "mp/manager/raw_proxy.hpp"
#include "mp/manager/sync_proxies.hpp"
#include "mp/process/call.hpp"

namespace mp {

namespace detail {

// Which program this is: two processes with the same answer may send each other code.
[[nodiscard]] MP_API std::array<std::uint64_t, 2> program_build();

// How a map is to be done. A chunk of 0: four for each worker.
struct MapSpec {
  std::uint64_t chunksize;
  bool spread;
  bool ordered;
};

template <class F, class... Args>
void add_pool_call(Arguments& args, const F& f, const Args&... values) {
  args.add_written(kPoolCodeTag, [&](auto& out) {
    out.write_raw(program_build());
    write_call(out, f, values...);
  });
}

template <Spread kSpread, class F, class Items>
void add_pool_map(Arguments& args, const F& f, const MapSpec& spec, Items&& items) {
  using Item = std::ranges::range_value_t<Items>;
  args.add_written(kPoolCodeTag, [&](auto& out) {
    out.write_raw(program_build());
    write_batch_head<Item, kSpread>(out, f);
  });
  args.add(spec);
  for (auto&& each : items) {
    const Item& item = each;
    args.add_written(kPoolItemTag, [&](auto& out) { write_argument(out, item); });
  }
}

template <class F, class Item, Spread kSpread>
using PoolItemResult = std::decay_t<typename ItemTypes<std::decay_t<F>, Normalized<Item>,
                                                       kSpread>::template Result<std::decay_t<F>&>>;

// What a map of results of type R is.
template <class R>
struct PoolCollected {
  using Type = std::vector<R>;
};
template <>
struct PoolCollected<void> {
  using Type = void;
};
template <class F, class Items, Spread kSpread>
using PoolMapReturn =
    typename PoolCollected<PoolItemResult<F, std::ranges::range_value_t<Items>, kSpread>>::Type;

}  // namespace detail

class MP_API PoolProxy {
 public:
  static constexpr std::string_view kTypeName = "mp.PoolProxy";
  explicit PoolProxy(RawProxy raw);

  // Calls f(args...) in a worker and returns what it returned.
  template <class F, class... Args>
  CallResult<F, Args...> apply(const F& f, const Args&... args) const {
    return detail::pool_result<CallResult<F, Args...>>(call("apply", f, args...));
  }
  template <class F, class... Args>
  [[nodiscard]] AsyncResultProxy<CallResult<F, Args...>> apply_async(const F& f,
                                                                     const Args&... args) const {
    return AsyncResultProxy<CallResult<F, Args...>>{call("apply_async", f, args...).object()};
  }

  // Calls f for each item and returns the results in the order of the items. All items are run,
  // also when one throws; then the first exception is thrown. `chunksize` items go to a worker at a
  // time; 0: so that each worker gets about four chunks.
  template <class F, std::ranges::input_range Items>
  detail::PoolMapReturn<F, Items, Spread::no> map(const F& f, Items&& items,
                                                  std::size_t chunksize = 0) const {
    return detail::pool_result<detail::PoolMapReturn<F, Items, Spread::no>>(
        send_map<Spread::no>("map", f, items, {chunksize, false, true}));
  }
  template <class F, std::ranges::input_range Items>
  [[nodiscard]] auto map_async(const F& f, Items&& items, std::size_t chunksize = 0) const {
    return AsyncResultProxy<detail::PoolMapReturn<F, Items, Spread::no>>{
        send_map<Spread::no>("map_async", f, items, {chunksize, false, true}).object()};
  }
  // Like map; each item is a tuple (or pair, or array) of arguments.
  template <class F, std::ranges::input_range Items>
  detail::PoolMapReturn<F, Items, Spread::yes> starmap(const F& f, Items&& items,
                                                       std::size_t chunksize = 0) const {
    return detail::pool_result<detail::PoolMapReturn<F, Items, Spread::yes>>(
        send_map<Spread::yes>("map", f, items, {chunksize, true, true}));
  }
  template <class F, std::ranges::input_range Items>
  [[nodiscard]] auto starmap_async(const F& f, Items&& items, std::size_t chunksize = 0) const {
    return AsyncResultProxy<detail::PoolMapReturn<F, Items, Spread::yes>>{
        send_map<Spread::yes>("map_async", f, items, {chunksize, true, true}).object()};
  }
  // The results one by one, in the order of the items, or as they are finished. The items are sent
  // at once.
  template <class F, std::ranges::input_range Items>
  [[nodiscard]] auto imap(const F& f, Items&& items, std::size_t chunksize = 1) const {
    return make_imap(f, items, {chunksize, false, true});
  }
  template <class F, std::ranges::input_range Items>
  [[nodiscard]] auto imap_unordered(const F& f, Items&& items, std::size_t chunksize = 1) const {
    return make_imap(f, items, {chunksize, false, false});
  }

  // The same with a function that the server has registered under `name`, which returns an R.
  template <class R = void, class... Args>
  R apply_named(std::string_view name, const Args&... args) const {
    return detail::pool_result<R>(raw_.call_raw("apply", raw_.encode(std::string{name}, args...)));
  }
  template <class R = void, class... Args>
  [[nodiscard]] AsyncResultProxy<R> apply_named_async(std::string_view name,
                                                      const Args&... args) const {
    return AsyncResultProxy<R>{
        raw_.call_raw("apply_async", raw_.encode(std::string{name}, args...)).object()};
  }
  template <class R, std::ranges::input_range Items>
  std::vector<R> map_named(std::string_view name, Items&& items, std::size_t chunksize = 0) const {
    detail::Arguments args =
        raw_.encode(std::string{name}, detail::MapSpec{chunksize, false, true});
    for (const std::ranges::range_value_t<Items>& item : items) {
      args.add(item);
    }
    return detail::pool_result<std::vector<R>>(raw_.call_raw("map", args));
  }

  // Takes no more calls; those it has are finished.
  void close() const;
  // Takes no more calls, and ends the workers now. Calls not finished fail with PoolClosed.
  void terminate() const;
  // Waits until the workers are gone; false at the end of the time. Throws UsageError unless close
  // or terminate came before.
  bool join(Deadline until = Deadline::never()) const;
  // How many calls can run at once.
  [[nodiscard]] int processes() const;
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const PoolProxy&, const PoolProxy&) = default;

 private:
  template <class F, class... Args>
  detail::Reply call(std::string_view method, const F& f, const Args&... values) const {
    detail::Arguments args = raw_.encode();
    detail::add_pool_call(args, f, values...);
    return raw_.call_raw(method, args);
  }
  template <Spread kSpread, class F, class Items>
  detail::Reply send_map(std::string_view method, const F& f, Items&& items,
                         const detail::MapSpec& spec) const {
    detail::Arguments args = raw_.encode();
    detail::add_pool_map<kSpread>(args, f, spec, items);
    return raw_.call_raw(method, args);
  }
  template <class F, class Items>
  [[nodiscard]] auto make_imap(const F& f, Items&& items, const detail::MapSpec& spec) const {
    using R = detail::PoolItemResult<F, std::ranges::range_value_t<Items>, Spread::no>;
    return ImapProxy<R>{send_map<Spread::no>("imap", f, items, spec).object()};
  }

  RawProxy raw_;
};

// How a pool of a server is made.
struct PoolProxyOptions {
  int processes = 0;         // workers; 0: as many as the server's machine has CPUs to use
  int maxtasksperchild = 0;  // a worker is replaced after so many; 0: never
};

template <>
struct codec<PoolProxy> : detail::ProxyCodec<PoolProxy> {};

}  // namespace mp
