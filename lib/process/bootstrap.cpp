// SPDX-License-Identifier: Apache-2.0
#include "process/bootstrap.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <string>

#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/raw_call.hpp"

#include "os/image.hpp"
#include "os/proc.hpp"
#include "os/socket.hpp"
#include "os/stdio.hpp"

namespace mp::process {

namespace {

constexpr int kCannotServe = 1;

std::array<std::byte, sizeof(os::BuildId)> own_build() {
  return std::bit_cast<std::array<std::byte, sizeof(os::BuildId)>>(os::main_module().build());
}

// The tree's references to code are offsets into one executable: it had better be the same.
void expect_hello(int channel) {
  const std::optional<Bytes> hello = receive_frame(channel);
  if (!hello) {
    throw EOFError{"the parent closed the channel before its first word"};
  }
  const auto own = own_build();
  if (hello->size() != own.size() || std::memcmp(hello->data(), own.data(), own.size()) != 0) {
    throw StartError{"the parent runs another build of this program"};
  }
}

void serve(int channel) {
  const ExceptionOrigin self{.process_name = {}, .pid = os::pid(), .stack = {}};
  while (const std::optional<Bytes> call = receive_frame(channel)) {
    Reader in{*call};
    Writer out;
    run_call(in, out, self);
    send_frame(channel, out.take());
  }
}

}  // namespace

int child_main(os::Fd channel) noexcept {
  try {
    expect_hello(channel.get());
    serve(channel.get());
    os::flush_output();
    return 0;
  } catch (const std::exception& error) {
    os::write_stderr("mp: a spawned process ends: " + std::string{error.what()} + "\n");
    return kCannotServe;
  }
}

void send_hello(int channel) {
  send_frame(channel, own_build());
}

void send_frame(int channel, ByteView frame) {
  const std::uint64_t size = frame.size();
  os::send_all(channel, std::as_bytes(std::span{&size, 1}));
  os::send_all(channel, frame);
}

std::optional<Bytes> receive_frame(int channel) {
  std::uint64_t size = 0;
  const auto head = os::receive_all(channel, std::as_writable_bytes(std::span{&size, 1}));
  if (head.size == 0) {
    return std::nullopt;
  }
  if (head.size == sizeof size && size > kMaxFrame) {
    throw DecodeError{"a frame of " + std::to_string(size) + " bytes is announced"};
  }
  Bytes frame(head.size == sizeof size ? size : 0);
  if (head.size != sizeof size || os::receive_all(channel, frame).size != size) {
    throw EOFError{"the other end closed in the middle of a frame"};
  }
  return frame;
}

}  // namespace mp::process
