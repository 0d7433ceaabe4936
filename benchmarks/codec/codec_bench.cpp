// SPDX-License-Identifier: Apache-2.0
// What it costs to send a value, beside what it costs to copy it: BM_X_Copy is the copy
// constructor, BM_X_RoundTrip is encode into fresh bytes and decode from them.
#include <benchmark/benchmark.h>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "mp/codec.hpp"

namespace {

struct Record {
  int id;
  std::string name;
  std::string comment;
  std::vector<std::string> words;
  double weight;
};

struct Plain {
  double x, y;
  int id, kind;
};

std::vector<double> doubles() {
  return std::vector<double>(1000, 1.5);
}

Record record() {
  return {7,
          "a name",
          "a comment that is too long for the small string",
          {"alpha", "beta", "gamma"},
          2.5};
}

std::map<std::string, int> map_of_100() {
  std::map<std::string, int> map;
  for (int i = 0; i < 100; ++i) {
    map["key number " + std::to_string(i)] = i;
  }
  return map;
}

Plain plain() {
  return {1, 2, 3, 4};
}

std::tuple<int, std::string> tuple() {
  return {1, "a string"};
}

template <auto make>
void copy(benchmark::State& state) {
  const auto value = make();
  for (auto _ : state) {
    auto again = value;
    benchmark::DoNotOptimize(again);
    benchmark::ClobberMemory();
  }
}

template <auto make>
void round_trip(benchmark::State& state) {
  const auto value = make();
  using T = std::remove_const_t<decltype(value)>;
  for (auto _ : state) {
    mp::Bytes bytes = mp::encode(value);
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
    T again = mp::decode<T>(std::move(bytes));
    benchmark::DoNotOptimize(again);
    benchmark::ClobberMemory();
  }
}

// Into memory that is there already, as a message into a ring or a slot is.
template <auto make>
void encode_in_place(benchmark::State& state) {
  const auto value = make();
  mp::Bytes memory(mp::encoded_size(value));
  for (auto _ : state) {
    benchmark::DoNotOptimize(mp::encoded_size(value));
    mp::Writer out{memory};
    mp::write(out, value);
    benchmark::ClobberMemory();
  }
}

template <auto make>
void decode_in_place(benchmark::State& state) {
  const auto value = make();
  using T = std::remove_const_t<decltype(value)>;
  mp::Bytes memory(mp::encoded_size(value));
  mp::Writer out{memory};
  mp::write(out, value);
  for (auto _ : state) {
    mp::Reader in{memory};
    T again = mp::read<T>(in);
    benchmark::DoNotOptimize(again);
    benchmark::ClobberMemory();
  }
}

#define MP_CODEC_BENCH(name, make)                              \
  BENCHMARK(copy<make>)->Name("BM_" name "_Copy");              \
  BENCHMARK(round_trip<make>)->Name("BM_" name "_RoundTrip");   \
  BENCHMARK(encode_in_place<make>)->Name("BM_" name "_Encode"); \
  BENCHMARK(decode_in_place<make>)->Name("BM_" name "_Decode")

MP_CODEC_BENCH("Doubles1000", doubles);
MP_CODEC_BENCH("Record", record);
MP_CODEC_BENCH("Map100", map_of_100);
MP_CODEC_BENCH("Plain24", plain);
MP_CODEC_BENCH("Tuple", tuple);

void encode_exception(benchmark::State& state) {
  const auto error = std::make_exception_ptr(std::runtime_error{"something went wrong"});
  for (auto _ : state) {
    mp::Bytes bytes = mp::encode_exception(error, {.process_name = "Worker-1", .pid = 42});
    benchmark::DoNotOptimize(bytes.data());
  }
}
BENCHMARK(encode_exception)->Name("BM_Exception_Encode");

}  // namespace

BENCHMARK_MAIN();
