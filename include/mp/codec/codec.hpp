// SPDX-License-Identifier: Apache-2.0
// mp/codec/codec.hpp — values to bytes and back.
//
// A message is the 8 bytes of a type tag and the encoding of one value:
//
//     mp::Bytes bytes = mp::encode(order);
//     Order copy = mp::decode<Order>(std::move(bytes));
//
// Without a tag, into memory of your own or as part of something larger: encoded_size, write and
// read (mp/codec/traits.hpp). A handle of ours inside the value (a Lock, a Queue) needs a Carrier.
//
// Threads:   all functions may be called from any thread.
// Processes: the bytes mean the same in every process, whichever compiler built it; they are not
//            meant to be kept from one version of mp to the next.
// Throws:    decode: TypeMismatch when the message holds another type, DecodeError when the bytes
//            are no such value. Both carry the message. encode: UsageError for what cannot travel
//            (no carrier, too deeply nested). std::bad_alloc.
// Python:    pickle.dumps and loads; decoding never runs code that the bytes choose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codable.hpp"
#include "mp/codec/normalized.hpp"
#include "mp/codec/reader.hpp"
#include "mp/codec/type_tag.hpp"
#include "mp/codec/writer.hpp"
#include "mp/errors/error.hpp"

namespace mp {

// The bytes of a type tag, at the front of a message.
inline constexpr std::size_t kTagSize = sizeof(std::uint64_t);

namespace detail {

[[noreturn]] MP_API void throw_unfilled();
// Throws TypeMismatch. It carries the bytes by moving `message` into it when there is one, and by
// copying them otherwise.
[[noreturn]] MP_API void throw_type_mismatch(const Reader& in, const TypeEntry& wanted,
                                             std::uint64_t received, Bytes* message);
// Throws `error` again, with `message` inside.
[[noreturn]] MP_API void rethrow_with(const DecodeError& error, Bytes&& message);

template <class T>
T decode_from(Reader& in, Bytes* message = nullptr) {
  const auto tag = in.read_raw<std::uint64_t>();
  if (tag != kTypeTag<T>) [[unlikely]] {
    throw_type_mismatch(in, type_entry<T>, tag, message);
  }
  T value = mp::read<T>(in);
  in.expect_end();
  return value;
}

}  // namespace detail

// Returns how many bytes write() will write for `value`.
template <class T>
[[nodiscard]] std::size_t encoded_size(const T& value) {
  detail::require_codable<T>();
  Sizer sizer;
  mp::write(sizer, value);
  return sizer.size();
}

// Returns how many bytes a message with `value` takes: the tag and the value.
template <class T>
[[nodiscard]] std::size_t message_size(const T& value) {
  return kTagSize + encoded_size(value);
}

// Writes the tag and the value.
template <class T>
void write_message(Writer& out, const T& value) {
  (void)&detail::type_entry<T>;
  out.write_raw(type_tag<T>());
  mp::write(out, value);
}

// Returns the message that holds `value`.
template <class T>
[[nodiscard]] Bytes encode(const T& value, Carrier* carrier = nullptr) {
  detail::require_codable<T>();
  Bytes message;
  if constexpr (Codable<T>) {
    message.resize(message_size(value));
    Writer out{message, carrier};
    write_message(out, value);
    if (out.size() != message.size()) [[unlikely]] {
      detail::throw_unfilled();
    }
  }
  return message;
}

// Returns the T that `message` holds.
template <class T>
[[nodiscard]] T decode(ByteView message, Carrier* carrier = nullptr,
                       const DecodeLimits& limits = {}) {
  detail::require_codable<T>();
  if constexpr (Codable<T>) {
    Reader in{message, carrier, limits};
    return detail::decode_from<T>(in);
  }
}

// Like decode above; when it fails, the message itself moves into the error.
template <class T>
[[nodiscard]] T decode(Bytes&& message, Carrier* carrier = nullptr,
                       const DecodeLimits& limits = {}) {
  detail::require_codable<T>();
  if constexpr (Codable<T>) {
    Reader in{message, carrier, limits};
    in.leave_bytes_out();
    try {
      return detail::decode_from<T>(in, &message);
    } catch (const DecodeError& error) {
      detail::rethrow_with(error, std::move(message));
    }
  }
}

template <class T>
[[nodiscard]] T decode(const Bytes& message, Carrier* carrier = nullptr,
                       const DecodeLimits& limits = {}) {
  return decode<T>(ByteView{message}, carrier, limits);
}

// Tells `carrier` of every shared object that a message with `value` would carry. Writes nothing.
template <class T>
void collect_objects(const T& value, Carrier& carrier) {
  detail::require_codable<T>();
  Writer out{Writer::CountOnly::yes, &carrier};
  mp::write(out, value);
}

}  // namespace mp
