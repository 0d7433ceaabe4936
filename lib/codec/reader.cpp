// SPDX-License-Identifier: Apache-2.0
// The cold half of Reader: every way to fail. Out of line, so that a decoder's fast path stays
// small.
#include "mp/codec/reader.hpp"

#include <string>

#include "mp/errors/error.hpp"

namespace mp {

void Reader::fail(std::string_view why) const {
  std::string sentence =
      "at byte " + std::to_string(pos_ - begin_) + " of " + std::to_string(end_ - begin_) + ": ";
  sentence.append(why);
  throw DecodeError{sentence, with_bytes_ ? Bytes(begin_, end_) : Bytes{}};
}

void Reader::fail_short(std::size_t wanted) const {
  fail(std::to_string(wanted) + " bytes are needed and " + std::to_string(remaining()) +
       " are left");
}

void Reader::fail_choice(std::uint8_t choice, std::uint32_t limit) const {
  fail("a choice among " + std::to_string(limit) + " is " + std::to_string(choice));
}

void Reader::fail_count(std::uint64_t count) const {
  fail("a count of " + std::to_string(count) + " does not fit into the " +
       std::to_string(remaining()) + " bytes that are left");
}

void Reader::fail_memory() const {
  fail("decoding would take more memory than a message of this size may");
}

std::uint64_t Reader::take_object(const char* what) {
  const auto id = read_raw<std::uint64_t>();
  take_object(id, what);
  return id;
}

void Reader::take_object(std::uint64_t id, const char* what) {
  if (carrier_ == nullptr) {
    throw UsageError{std::string{what} + " can only be received by a process of the same tree"};
  }
  carrier_->take_object(id);
}

int Reader::take_fd(const char* what) {
  if (carrier_ == nullptr) {
    throw UsageError{std::string{what} + " can only be received through a unix socket"};
  }
  return carrier_->take_fd();
}

}  // namespace mp
