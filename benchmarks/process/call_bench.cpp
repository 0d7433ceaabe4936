// SPDX-License-Identifier: Apache-2.0
// What it costs to name code, and to make and run an encoded call, without moving it anywhere.
#include <benchmark/benchmark.h>
#include <string>
#include <vector>

#include "mp/codec.hpp"
#include "mp/process/call.hpp"
#include "mp/process/fn.hpp"

namespace mp {
namespace {

int increment(int x) {
  return x + 1;
}

const void* address(int (*f)(int)) {
  return reinterpret_cast<const void*>(f);
}

void BM_CodeRef_Write(benchmark::State& state) {
  Bytes bytes(64);
  for (auto _ : state) {
    Writer out{bytes};
    detail::write_code(out, address(increment));
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_CodeRef_Write)->UseRealTime();

void BM_CodeRef_Resolve(benchmark::State& state) {
  Writer out;
  detail::write_code(out, address(increment));
  const Bytes bytes = out.take();
  for (auto _ : state) {
    Reader in{bytes};
    benchmark::DoNotOptimize(detail::read_code(in));
  }
}
BENCHMARK(BM_CodeRef_Resolve)->UseRealTime();

// The same for code in a shared object, which travels with its build and path.
void BM_CodeRef_LibraryWriteAndResolve(benchmark::State& state) {
  int (*const absolute)(int) = &std::abs;
  Bytes bytes(256);
  for (auto _ : state) {
    Writer out{bytes};
    detail::write_code(out, address(absolute));
    Reader in{bytes};
    benchmark::DoNotOptimize(detail::read_code(in));
  }
}
BENCHMARK(BM_CodeRef_LibraryWriteAndResolve)->UseRealTime();

// Encode into a given buffer, decode, call, encode the result, decode that.
template <class F, class... Args>
void round_trip(benchmark::State& state, const F& f, const Args&... args) {
  using R = CallResult<F, Args...>;
  Bytes call(call_size(f, args...));
  Bytes outcome(256);
  const ExceptionOrigin self;
  for (auto _ : state) {
    Writer out{call};
    write_call(out, f, args...);
    Reader in{call};
    Writer result{outcome};
    run_call(in, result, self);
    Reader back{ByteView{outcome}.first(result.size())};
    benchmark::DoNotOptimize(read_outcome<R>(back));
  }
}

void BM_Call_Lambda(benchmark::State& state) {
  round_trip(
      state, [](int x) { return x + 1; }, 1);
}
BENCHMARK(BM_Call_Lambda)->UseRealTime();

void BM_Call_FunctionPointer(benchmark::State& state) {
  round_trip(state, increment, 1);
}
BENCHMARK(BM_Call_FunctionPointer)->UseRealTime();

void BM_Call_Partial(benchmark::State& state) {
  round_trip(state, partial([](int a, int b) { return a + b; }, 1), 2);
}
BENCHMARK(BM_Call_Partial)->UseRealTime();

void BM_Call_String(benchmark::State& state) {
  round_trip(
      state, [](const std::string& s) { return s.size(); },
      std::string(static_cast<std::size_t>(state.range(0)), 'x'));
}
BENCHMARK(BM_Call_String)->Arg(8)->Arg(64)->UseRealTime();

// One item of a batch, in both directions.
void BM_Batch_Item(benchmark::State& state) {
  const std::vector<int> items(static_cast<std::size_t>(state.range(0)), 7);
  const auto f = [](int x) { return x + 1; };
  Bytes call(64 + items.size() * sizeof(int));
  Bytes outcome(64 + items.size() * 16);
  const ExceptionOrigin self;
  for (auto _ : state) {
    Writer out{call};
    write_batch_head<int>(out, f);
    write_batch_items<int>(out, items.begin(), items.size());
    Reader in{ByteView{call}.first(out.size())};
    Writer result{outcome};
    run_call(in, result, self);
    Reader back{ByteView{outcome}.first(result.size())};
    BatchOutcome results{back};
    int sum = 0;
    while (const auto item = results.next()) {
      sum += item->get<int>();
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Batch_Item)->Arg(16)->Arg(1024)->UseRealTime();

}  // namespace
}  // namespace mp

BENCHMARK_MAIN();
