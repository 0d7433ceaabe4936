// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/writer.hpp"

#include <algorithm>
#include <string>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

namespace mp {

namespace detail {

void throw_too_deep() {
  throw UsageError{"a value nested deeper than " + std::to_string(kMaxDepth) +
                   " levels, or a ring of pointers, cannot be sent"};
}

}  // namespace detail

void Writer::write_beyond(const void* from, std::size_t size) {
  switch (mode_) {
    case Mode::count:
      counted_ += size;
      return;
    case Mode::span:
      detail::throw_usage_error("the memory to write into is too short for the value");
    case Mode::grow:
      break;
  }
  const std::size_t used = static_cast<std::size_t>(pos_ - begin_);
  grown_.resize(std::max({used + size, 2 * grown_.size(), std::size_t{64}}));
  begin_ = grown_.data();
  pos_ = begin_ + used;
  end_ = begin_ + grown_.size();
  write_bytes(from, size);
}

void Writer::put_object(std::uint64_t id, const char* what) {
  if (carrier_ != nullptr) {
    carrier_->put_object(id);
  } else if (mode_ != Mode::count) {
    throw UsageError{std::string{what} + " can only be sent to a process of the same tree"};
  }
  write_raw(id);
}

void Writer::put_fd(int fd, const char* what) {
  if (carrier_ != nullptr) {
    carrier_->put_fd(fd);
  } else if (mode_ != Mode::count) {
    throw UsageError{std::string{what} + " can only be sent through a unix socket"};
  }
}

Bytes Writer::take() {
  MP_EXPECTS(mode_ == Mode::grow, "only a Writer that grows has bytes to take");
  grown_.resize(static_cast<std::size_t>(pos_ - begin_));
  begin_ = pos_ = end_ = nullptr;
  return std::exchange(grown_, {});
}

}  // namespace mp
