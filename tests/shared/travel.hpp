// SPDX-License-Identifier: Apache-2.0
// shared/travel.hpp — a message to oneself: encodes a value into an arena block that holds its
// objects, and decodes it.
#pragma once

#include "mp/codec.hpp"

#include "memory/message.hpp"

namespace mp::test {

template <class To, class From>
To send_as(const From& value) {
  memory::ObjectCollector collector;
  collect_objects(value, collector);
  memory::Message message{message_size(value), collector.objects()};
  Writer out{message.payload(), &collector};
  write_message(out, value);
  memory::MessageCarrier carrier{message.id()};
  return decode<To>(ByteView{message.payload()}, &carrier);
}

template <class T>
T send(const T& value) {
  return send_as<T>(value);
}

}  // namespace mp::test
