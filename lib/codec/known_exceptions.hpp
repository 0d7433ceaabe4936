// SPDX-License-Identifier: Apache-2.0
// codec/known_exceptions.hpp — the exceptions that keep their type in every process.
#pragma once

#include <exception>
#include <optional>
#include <span>
#include <string>
#include <typeinfo>

#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"
#include "mp/errors/remote_error.hpp"

namespace mp::codec_detail {

// One type: how to write what its constructor needs beside the text, and how to make it again.
struct KnownException {
  const std::type_info* type;          // as it is thrown here
  const std::type_info* arrived_type;  // as it is thrown again after it came from elsewhere
  bool (*is)(const std::exception* error) noexcept;
  void (*save)(Writer& out, const std::exception& error);
  std::exception_ptr (*load)(Reader& in, const std::string& text, RemoteInfo info);
};

// Derived classes before their bases. A place in the list is the number on the wire.
extern const std::span<const KnownException> kKnown;

// Returns the number of the type of `error`: exactly that type, or, when std::throw_with_nested hid
// it in a class of its own, the nearest base.
[[nodiscard]] std::optional<std::size_t> number_of(const std::exception& error) noexcept;

}  // namespace mp::codec_detail
