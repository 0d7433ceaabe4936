// SPDX-License-Identifier: Apache-2.0
// mp/pool/pool.hpp — worker processes and a queue of calls for them.
//
//     mp::Pool pool{4};
//     std::vector<double> prices = pool.map(price, contracts);      // in the order of contracts
//     auto later = pool.apply_async(price, contract);
//     double one = later.get();
//
// A callable and its arguments must be able to travel (mp/process/callable.hpp): functions,
// captureless lambdas, mp::partial(f, values...). A lambda with captures does not compile.
//
// The life of a Pool has three phases: open (takes calls), closing (finishes those it took), ended.
// close() begins the second, terminate() jumps to the third, join() waits for it.
//
// Threads:   all members may be called from any thread.
// Processes: usable in the process that made it. Under fork the workers are copies of it as it was
//            when the Pool was made, replacements too: they see its globals as they were then.
// Fork:      a forked child must not use it; see RawPool.
// Crash:     a worker that dies is replaced. The call it was running fails with WorkerDied (of a
//            map: its chunk), whose report() says what is known; all others are unaffected. No call
//            runs twice unless its `retries` say so (options.hpp). An item of a map that killed its
//            worker each time fails with PoisonTask, and the others of its chunk have results.
//            Should the process that has the pool be killed, its workers end too.
// Owns:      its workers. The destructor terminates and reaps them.
// Blocks:    apply, map and starmap, until the result is there; join.
// Order:     calls begin in the order in which they were made.
// Throws:    PoolClosed from calls after close; StartError when workers cannot be started; from
//            calls what the task threw.
// Python:    multiprocessing.Pool; the destructor is the end of its with block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <future>
#include <iterator>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/contract.hpp"
#include "mp/pool/async_result.hpp"
#include "mp/pool/awaitable.hpp"
#include "mp/pool/call_site.hpp"
#include "mp/pool/imap.hpp"
#include "mp/pool/imap_chunks.hpp"
#include "mp/pool/insights.hpp"
#include "mp/pool/map_chunks.hpp"
#include "mp/pool/options.hpp"
#include "mp/pool/outcome.hpp"
#include "mp/pool/raw_pool.hpp"

namespace mp {

class MP_API Pool {
 public:
  // A pool of as many workers as there are CPUs to use.
  Pool();
  explicit Pool(int processes);
  explicit Pool(PoolOptions options);
  ~Pool();
  Pool(Pool&&) noexcept = default;
  Pool& operator=(Pool&& other) noexcept;

  // Calls f(args...) in a worker and returns what it returned.
  template <class F, class... Args>
  [[gnu::noinline]] CallResult<F, Args...> apply(const F& f, const Args&... args) {
    const detail::CallSite here{__builtin_return_address(0)};
    return apply_async(f, args...).get();
  }

  template <class F, class... Args>
  requires std::is_invocable_v<std::decay_t<F>, detail::Normalized<Args>...>
  [[gnu::noinline]] AsyncResult<CallResult<F, Args...>> apply_async(const F& f,
                                                                    const Args&... args) {
    const detail::CallSite here{__builtin_return_address(0)};
    return apply_async(CallOptions<CallResult<F, Args...>>{}, f, args...);
  }
  template <class F, class... Args>
  requires std::is_invocable_v<std::decay_t<F>, detail::Normalized<Args>...>
  [[gnu::noinline]] AsyncResult<CallResult<F, Args...>> apply_async(
      CallOptions<CallResult<F, Args...>> options, const F& f, const Args&... args) {
    const detail::CallSite here{__builtin_return_address(0)};
    using R = CallResult<F, Args...>;
    RawTask task = make_task_of(f, args...);
    task.rules = detail::rules_of(options);
    task.callback = detail::make_callback<R>(std::move(options), &detail::decode_outcome<R>);
    return {{detail::ResultParts::Kind::call, raw_, {raw_->submit(std::move(task))}},
            [](const detail::ResultParts& parts) -> R {
              return detail::decode_outcome<R>(*parts.parts().front());
            }};
  }

  // The same, with a std::future. What is thrown comes out of its get().
  template <class F, class... Args>
  [[gnu::noinline]] std::future<CallResult<F, Args...>> submit(const F& f, const Args&... args) {
    const detail::CallSite here{__builtin_return_address(0)};
    using R = CallResult<F, Args...>;
    auto promise = std::make_shared<std::promise<R>>();
    auto future = promise->get_future();
    RawTask task = make_task_of(f, args...);
    task.callback = [promise](const std::shared_ptr<RawResult>& result) {
      try {
        if constexpr (std::is_void_v<R>) {
          detail::decode_outcome<R>(*result);
          promise->set_value();
        } else {
          promise->set_value(detail::decode_outcome<R>(*result));
        }
      } catch (...) {
        promise->set_exception(std::current_exception());
      }
    };
    raw_->submit(std::move(task));
    return future;
  }
  // The same, for a coroutine to co_await.
  template <class F, class... Args>
  [[gnu::noinline]] Awaitable<CallResult<F, Args...>> awaitable(const F& f, const Args&... args) {
    const detail::CallSite here{__builtin_return_address(0)};
    RawTask task = make_task_of(f, args...);
    task.call_site = detail::CallSite::current();
    return {raw_, std::move(task)};
  }

  // Calls f for each item and returns the results in the order of the items. All items are run,
  // also when one throws; then the first exception is thrown.
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto map(const F& f, Items&& items, const MapOptions& options = {}) {
    const detail::CallSite here{__builtin_return_address(0)};
    return finish_map<Spread::no>(f, std::forward<Items>(items), options);
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto map(const F& f, Items&& items, std::size_t chunksize) {
    const detail::CallSite here{__builtin_return_address(0)};
    return map(f, std::forward<Items>(items), MapOptions{.chunksize = expect_chunk(chunksize)});
  }
  template <class F, class T>
  [[gnu::noinline]] auto map(const F& f, std::initializer_list<T> items,
                             const MapOptions& options = {}) {
    const detail::CallSite here{__builtin_return_address(0)};
    return finish_map<Spread::no>(f, items, options);
  }
  // The same, with an Outcome for each item: its result or what was thrown.
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto map(const F& f, Items&& items, ReturnExceptions, MapOptions options = {}) {
    const detail::CallSite here{__builtin_return_address(0)};
    return detail::map_outcomes<Spread::no>(raw_, f, std::forward<Items>(items),
                                            std::move(options));
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto map_async(
      const F& f, Items&& items,
      MapAsyncOptions<detail::MapReturn<F, Items, Spread::no>> options = {}) {
    const detail::CallSite here{__builtin_return_address(0)};
    return run_map<Spread::no>(f, std::forward<Items>(items), std::move(options));
  }

  // Like map; each item is a tuple (or pair, or array) of arguments.
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto starmap(const F& f, Items&& items, const MapOptions& options = {}) {
    const detail::CallSite here{__builtin_return_address(0)};
    return finish_map<Spread::yes>(f, std::forward<Items>(items), options);
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto starmap(const F& f, Items&& items, std::size_t chunksize) {
    const detail::CallSite here{__builtin_return_address(0)};
    return starmap(f, std::forward<Items>(items), MapOptions{.chunksize = expect_chunk(chunksize)});
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto starmap_async(
      const F& f, Items&& items,
      MapAsyncOptions<detail::MapReturn<F, Items, Spread::yes>> options = {}) {
    const detail::CallSite here{__builtin_return_address(0)};
    return run_map<Spread::yes>(f, std::forward<Items>(items), std::move(options));
  }

  // Returns the results one by one, in the order of the items (imap) or as they are finished. An
  // lvalue range must outlive the returned object.
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto imap(const F& f, Items&& items, std::size_t chunksize = 1) {
    const detail::CallSite here{__builtin_return_address(0)};
    return imap(f, std::forward<Items>(items), MapOptions{.chunksize = expect_chunk(chunksize)});
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto imap(const F& f, Items&& items, const MapOptions& options) {
    const detail::CallSite here{__builtin_return_address(0)};
    return detail::make_imap<Spread::no>(raw_, detail::Order::kept, f, std::forward<Items>(items),
                                         options);
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto imap_unordered(const F& f, Items&& items, std::size_t chunksize = 1) {
    const detail::CallSite here{__builtin_return_address(0)};
    return imap_unordered(f, std::forward<Items>(items),
                          MapOptions{.chunksize = expect_chunk(chunksize)});
  }
  template <class F, std::ranges::input_range Items>
  [[gnu::noinline]] auto imap_unordered(const F& f, Items&& items, const MapOptions& options) {
    const detail::CallSite here{__builtin_return_address(0)};
    return detail::make_imap<Spread::no>(raw_, detail::Order::as_finished, f,
                                         std::forward<Items>(items), options);
  }

  // Takes no more calls; those it has are finished.
  void close();
  // Takes no more calls, and ends the workers now. Calls not finished fail with PoolClosed.
  void terminate();
  // Waits until the workers are gone. Throws UsageError unless close or terminate came before.
  void join();

  // How many calls can run at once.
  [[nodiscard]] int processes() const;
  // Changes that while the pool works, up to four times what it was made with or 16, whichever is
  // more. New workers are on their way when this returns; workers that are too many end when they
  // have ended their tasks. Throws UsageError, PoolClosed.
  void resize(int processes);
  // What the workers' worker_exit (options.hpp) returned, in the order in which they ended; after
  // join, of all that ended in order. Throws the first exception that one of them threw; UsageError
  // when it returns something else.
  template <class R>
  std::vector<R> exit_results() const {
    std::vector<R> results;
    for (const auto& outcome : raw_->exit_results(detail::result_tag<R>())) {
      results.push_back(detail::decode_outcome<R>(*outcome));
    }
    return results;
  }
  // What the workers did with their time, and the slowest tasks (mp/pool/insights.hpp).
  [[nodiscard]] PoolInsights insights() const;
  [[nodiscard]] RawPool& raw() noexcept { return *raw_; }

 protected:
  explicit Pool(std::shared_ptr<RawPool> raw) noexcept : raw_{std::move(raw)} {}

 private:
  template <class F, class... Args>
  static RawTask make_task_of(const F& f, const Args&... args) {
    return detail::make_task(
        [&](Carrier& carrier) { return make_call_with(&carrier, f, args...); });
  }
  static std::size_t expect_chunk(std::size_t chunksize) {
    MP_EXPECTS(chunksize > 0, "a chunk must have at least one item");
    return chunksize;
  }

  template <Spread kSpread, class F, class Items>
  detail::MapReturn<F, Items, kSpread> finish_map(const F& f, Items&& items,
                                                  const MapOptions& options) {
    using Return = detail::MapReturn<F, Items, kSpread>;
    if (!options.journal.empty()) {
      return detail::map_with_journal<kSpread>(raw_, f, std::forward<Items>(items), options);
    }
    return run_map<kSpread>(f, std::forward<Items>(items), detail::async_options<Return>(options))
        .get();
  }
  template <Spread kSpread, class F, class Items>
  auto run_map(const F& f, Items&& items,
               MapAsyncOptions<detail::MapReturn<F, Items, kSpread>> options) {
    return detail::submit_map<kSpread>(raw_, f, std::forward<Items>(items), std::move(options));
  }

  std::shared_ptr<RawPool> raw_;
};

}  // namespace mp
