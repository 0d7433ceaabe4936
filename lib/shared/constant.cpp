// SPDX-License-Identifier: Apache-2.0
// The second mapping is of the pages of the arena's file that the object lies in, so a value of a
// few bytes shows its neighbours too, for reading. Once no handle of this process is left it goes.
#include "mp/shared/constant.hpp"

#include <system_error>

#include "mp/errors/error.hpp"

#include "memory/arena.hpp"
#include "os/map.hpp"

namespace mp::detail {

ReadOnlyWindow::ReadOnlyWindow(Window window) : window_{std::move(window)} {
  const memory::Arena& arena = memory::Arena::get();
  const std::uint64_t offset = arena.offset_of(window_.data());
  const std::uint64_t page = offset / os::page_size() * os::page_size();
  length_ = offset - page + window_.bytes();
  const auto mapped = os::map_for_reading(arena.fd(), page, length_);
  if (!mapped.ok()) {
    throw OutOfMemory{"a Constant cannot be mapped: " +
                      std::system_category().message(mapped.error)};
  }
  mapped_ = mapped.value;
  bytes_ = {static_cast<const std::byte*>(mapped_) + (offset - page), window_.bytes()};
}

ReadOnlyWindow::~ReadOnlyWindow() {
  os::unmap(mapped_, length_);
}

Window make_constant(ByteView bytes) {
  Window window{bytes.size(), 1, Window::Locked::no};
  copy_bytes(window.data(), bytes.data(), bytes.size());
  return window;
}

}  // namespace mp::detail
