// SPDX-License-Identifier: Apache-2.0
// Bytes that claim to be a request or a reply of CPython's managers. What is taken is written and
// read again as the same.
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <span>

#include "mp/errors.hpp"

#include "manager/python/protocol.hpp"

namespace python = mp::manager::python;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void take_request(mp::ByteView bytes) {
  const python::Request request = python::read_request(bytes);
  const python::Request again = python::read_request(python::write_request(request));
  require(again.id == request.id && again.method == request.method &&
          again.args.size() == request.args.size() && again.kwds.size() == request.kwds.size());
  for (const python::Value& argument : request.args) {
    if (const auto proxy = python::proxy_of(argument)) {
      require(python::proxy_of(python::to_value(*proxy)).has_value());
    }
    if (const auto address = python::address_of(argument)) {
      require(python::address_of(python::to_value(*address)) == address);
    }
  }
}

void take_reply(mp::ByteView bytes) {
  const python::Reply reply = python::read_reply(bytes);
  try {
    python::rethrow_error(reply);
  } catch (const std::exception&) {
    return;
  }
  if (reply.kind == python::Reply::Kind::proxy) {
    const python::Reply again = python::read_reply(python::proxy_reply(reply.exposed, reply.token));
    require(again.exposed == reply.exposed && again.token.id == reply.token.id);
  } else {
    (void)python::read_reply(python::value_reply(reply.value));
    try {
      (void)python::created_of(reply.value);
    } catch (const mp::TypeMismatch&) {
    }
  }
}

template <class Take>
void try_to(Take take, mp::ByteView bytes) {
  try {
    take(bytes);
  } catch (const mp::DecodeError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const mp::ByteView bytes = std::as_bytes(std::span{data, size});
  try_to(&take_request, bytes);
  try_to(&take_reply, bytes);
  return 0;
}
