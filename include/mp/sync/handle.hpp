// SPDX-License-Identifier: Apache-2.0
// mp/sync/handle.hpp — how a handle to a shared object travels: as the 8 bytes of its id.
//
// The carrier of the message keeps the object alive on the way and makes the receiver a holder. A
// handle class has kNoun and kObjectType, a constructor from an ObjectRef and a member ref_.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mp/codec/traits.hpp"
#include "mp/memory/object_ref.hpp"

namespace mp::detail {

template <class Handle>
struct HandleCodec {
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const Handle& handle) {
    out.put_object(handle.ref_.id(), Handle::kNoun);
  }
  static Handle read(Reader& in) {
    return Handle{ObjectRef::from_id(in.take_object(Handle::kNoun), Handle::kObjectType)};
  }
};

}  // namespace mp::detail
