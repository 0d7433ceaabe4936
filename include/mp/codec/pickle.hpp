// SPDX-License-Identifier: Apache-2.0
// mp/codec/pickle.hpp — the language of CPython's multiprocessing: pickles, read as data only.
//
//     mp::Bytes bytes = mp::pickle::dumps(std::map<std::string, int>{{"answer", 42}});
//     auto copy = mp::pickle::loads<std::map<std::string, int>>(bytes);
//
// Decoding builds values and never looks a class up, calls a function, or imports a module: what
// Python would run to rebuild a value stays an Object, which nobody runs. Bytes by an enemy give
// a Value or DecodeError:
//  * all memory is charged before it is taken, at most slack + factor x (size of the message);
//  * a Value shares what the pickle shares, and if nothing were shared it would be no larger than
//    that either, so that whoever walks through it comes to an end;
//  * values nest at most `depth` levels, and one that contains itself is refused.
// Protocols 0 to 5 are read, but for persistent ids, extension codes and buffers out of band. What
// is written is protocol 4, which CPython reads from 3.4 on.
//
// Some objects become values: sets, frozensets, bytes and bytearrays that protocols 2 and 3 write
// as calls, lists of dict views. Names of Python 2 (__builtin__, Queue) become those of Python 3.
//
// Threads:   all functions may be called from any thread.
// Throws:    decode: DecodeError with the bytes. bad_alloc.
// Python:    pickle.dumps and loads.
#pragma once

#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/pickle/convert.hpp"
#include "mp/codec/pickle/value.hpp"
#include "mp/codec/reader.hpp"
#include "mp/errors/error.hpp"

namespace mp::pickle {

// A byte of pickle can ask for more memory than one of ours: `]` is a list.
inline constexpr DecodeLimits kDefaultLimits{
    .depth = kMaxDepth, .slack = std::size_t{64} << 20, .factor = 192};

// Returns the value that the pickle holds. Nothing may follow it.
[[nodiscard]] MP_API Value decode(ByteView pickle, const DecodeLimits& limits = kDefaultLimits);
// Returns a pickle of `value`.
[[nodiscard]] MP_API Bytes encode(const Value& value);

// Returns a pickle of `value`, of any type that has a Convert.
template <class T>
[[nodiscard]] Bytes dumps(const T& value) {
  return encode(from(value));
}

// Returns the T that the pickle holds. Throws TypeMismatch or DecodeError, with the bytes.
template <class T>
[[nodiscard]] T loads(ByteView pickle, const DecodeLimits& limits = kDefaultLimits) {
  const Value value = decode(pickle, limits);
  try {
    return to<T>(value);
  } catch (const TypeMismatch& error) {
    throw TypeMismatch{error, Bytes(pickle.begin(), pickle.end())};
  }
}

}  // namespace mp::pickle

// Between programs of mp a Value travels as a pickle, too.
template <>
struct mp::codec<mp::pickle::Value> {
  static constexpr std::string_view kName = "mp.pickle.Value";
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static void write(auto& out, const pickle::Value& value) {
    const Bytes bytes = pickle::encode(value);
    out.write_count(bytes.size());
    out.write_bytes(bytes.data(), bytes.size());
  }
  static pickle::Value read(Reader& in) {
    constexpr DecodeLimits kWithin{
        .depth = pickle::kMaxDepth, .slack = 4096, .factor = pickle::kDefaultLimits.factor};
    return pickle::decode(in.read_view(in.read_count(1, 1)), kWithin);
  }
};
