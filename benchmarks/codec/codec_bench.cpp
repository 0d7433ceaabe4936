// SPDX-License-Identifier: Apache-2.0
// What it costs to send a value, encoded into fresh bytes and decoded from them, beside what it
// costs to copy it by its copy constructor.
#include <benchmark/benchmark.h>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "mp/codec.hpp"

#include "support/registry.hpp"

namespace mp::bench {
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

std::tuple<int, std::string> pair() {
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
    Bytes bytes = encode(value);
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
    T again = decode<T>(std::move(bytes));
    benchmark::DoNotOptimize(again);
    benchmark::ClobberMemory();
  }
}

// Into memory that is there already, as a message into a ring or a slot is.
template <auto make>
void encode_in_place(benchmark::State& state) {
  const auto value = make();
  Bytes memory(encoded_size(value));
  for (auto _ : state) {
    benchmark::DoNotOptimize(encoded_size(value));
    Writer out{memory};
    write(out, value);
    benchmark::ClobberMemory();
  }
}

template <auto make>
void decode_in_place(benchmark::State& state) {
  const auto value = make();
  using T = std::remove_const_t<decltype(value)>;
  Bytes memory(encoded_size(value));
  Writer out{memory};
  write(out, value);
  for (auto _ : state) {
    Reader in{memory};
    T again = read<T>(in);
    benchmark::DoNotOptimize(again);
    benchmark::ClobberMemory();
  }
}

void encode_error(benchmark::State& state) {
  const auto error = std::make_exception_ptr(std::runtime_error{"something went wrong"});
  for (auto _ : state) {
    Bytes bytes = encode_exception(error, {.process_name = "Worker-1", .pid = 42});
    benchmark::DoNotOptimize(bytes.data());
  }
}

template <auto make>
void add_value(const std::string& size) {
  add("codec/encode_decode/" + size + "/mp", round_trip<make>);
  add("codec/encode_decode/" + size + "/copy", copy<make>);
  add("codec/encode_in_place/" + size + "/mp", encode_in_place<make>);
  add("codec/decode_in_place/" + size + "/mp", decode_in_place<make>);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  add_value<doubles>("doubles1000");
  add_value<record>("record");
  add_value<map_of_100>("map100");
  add_value<plain>("plain24");
  add_value<pair>("tuple");
  add("codec/encode/exception/mp", encode_error);
  return run(argc, argv);
}
