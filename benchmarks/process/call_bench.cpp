// SPDX-License-Identifier: Apache-2.0
// What it costs to name code, and to make and run an encoded call, without moving it anywhere.
#include <benchmark/benchmark.h>
#include <string>
#include <vector>

#include "mp/codec.hpp"
#include "mp/process/call.hpp"
#include "mp/process/fn.hpp"

#include "support/registry.hpp"

namespace mp::bench {
namespace {

int increment(int x) {
  return x + 1;
}

const void* address(int (*f)(int)) {
  return reinterpret_cast<const void*>(f);
}

void write_code(benchmark::State& state) {
  Bytes bytes(64);
  for (auto _ : state) {
    Writer out{bytes};
    detail::write_code(out, address(increment));
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
  }
}

void resolve_code(benchmark::State& state) {
  Writer out;
  detail::write_code(out, address(increment));
  const Bytes bytes = out.take();
  for (auto _ : state) {
    Reader in{bytes};
    benchmark::DoNotOptimize(detail::read_code(in));
  }
}

// The same for code in a shared object, which travels with its build and path.
void library_code(benchmark::State& state) {
  int (*const absolute)(int) = &std::abs;
  Bytes bytes(256);
  for (auto _ : state) {
    Writer out{bytes};
    detail::write_code(out, address(absolute));
    Reader in{bytes};
    benchmark::DoNotOptimize(detail::read_code(in));
  }
}

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

void call_lambda(benchmark::State& state) {
  round_trip(
      state, [](int x) { return x + 1; }, 1);
}

void call_function(benchmark::State& state) {
  round_trip(state, increment, 1);
}

void call_partial(benchmark::State& state) {
  round_trip(state, partial([](int a, int b) { return a + b; }, 1), 2);
}

void call_string(benchmark::State& state, std::size_t size) {
  round_trip(
      state, [](const std::string& s) { return s.size(); }, std::string(size, 'x'));
}

// One item of a batch, in both directions.
void batch(benchmark::State& state, std::size_t size) {
  const std::vector<int> items(size, 7);
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
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add("code/write/-/mp", write_code);
  add("code/resolve/-/mp", resolve_code);
  add("code/write_and_resolve/-/mp_library", library_code);
  add("call/there_and_back/lambda/mp", call_lambda);
  add("call/there_and_back/function/mp", call_function);
  add("call/there_and_back/partial/mp", call_partial);
  for (const std::size_t size : {8, 64}) {
    add("call/there_and_back/string" + std::to_string(size) + "/mp",
        [size](auto& state) { call_string(state, size); });
  }
  for (const std::size_t size : {16, 1024}) {
    add("call/batch/" + std::to_string(size) + "/mp", [size](auto& state) { batch(state, size); });
  }
  return run(argc, argv);
}
