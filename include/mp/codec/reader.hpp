// SPDX-License-Identifier: Apache-2.0
// mp/codec/reader.hpp — where codecs read from: bytes that may have been made by an enemy.
//
// A codec's `read` sees only this. Whatever the bytes are, reading ends with a value or
// DecodeError:
//  * a count is checked against the bytes that are left before anything is allocated for it;
//  * all memory that decoding allocates is charged first, and the sum is at most
//    slack + factor x (size of the message);
//  * values nest at most `depth` levels.
// The default limits let every honest message of the types that mp knows pass.
//
// Threads:   distinct Readers are independent; one Reader is for one thread.
// Processes: the bytes must not change meanwhile: what another process could still write is copied
//            before it is decoded.
// Throws:    DecodeError with a copy of all the bytes; UsageError when a handle is read without a
//            carrier.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/writer.hpp"

namespace mp {

// What decoding one message may cost.
struct DecodeLimits {
  std::size_t depth = kMaxDepth;
  std::size_t slack = std::size_t{64} << 20;  // bytes of memory any message may ask for
  std::size_t factor = 64;                    // and for each of its bytes, so many more
};

class MP_API Reader {
 public:
  explicit Reader(ByteView from, Carrier* carrier = nullptr,
                  const DecodeLimits& limits = {}) noexcept
      : begin_{from.data()},
        pos_{from.data()},
        end_{from.data() + from.size()},
        depth_left_{limits.depth},
        memory_left_{budget(from.size(), limits)},
        carrier_{carrier} {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void read_bytes(void* to, std::size_t size) {
    if (size > remaining()) [[unlikely]] {
      fail_short(size);
    }
    if (size != 0) {
      std::memcpy(to, pos_, size);
      pos_ += size;
    }
  }
  // Returns the next `size` bytes, where they lie, and steps over them.
  [[nodiscard]] ByteView read_view(std::size_t size) {
    if (size > remaining()) [[unlikely]] {
      fail_short(size);
    }
    const ByteView view{pos_, size};
    pos_ += size;
    return view;
  }
  // Reads an object representation. T must be a type for which every bit pattern is a value.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  [[nodiscard]] T read_raw() {
    std::array<std::byte, sizeof(T)> bytes;
    read_bytes(bytes.data(), sizeof(T));
    return std::bit_cast<T>(bytes);
  }
  // Reads a byte that must be below `limit`: a flag, or the index of an alternative.
  [[nodiscard]] std::uint8_t read_choice(std::uint32_t limit) {
    const auto choice = read_raw<std::uint8_t>();
    if (choice >= limit) [[unlikely]] {
      fail_choice(choice, limit);
    }
    return choice;
  }
  // Reads a number of elements of which each takes at least `encoded` bytes of the message and
  // `memory` bytes once decoded, and charges that memory.
  [[nodiscard]] std::size_t read_count(std::size_t encoded, std::size_t memory) {
    const auto count = read_raw<std::uint64_t>();
    if (encoded != 0 ? count > remaining() / encoded : (memory += kEmptyElement, false))
        [[unlikely]] {
      fail_count(count);
    }
    if (memory != 0 && count > memory_left_ / memory) [[unlikely]] {
      fail_memory();
    }
    memory_left_ -= count * memory;
    return count;
  }
  // Must be called before `size` bytes are allocated on account of the message.
  void charge(std::size_t size) {
    if (size > memory_left_) [[unlikely]] {
      fail_memory();
    }
    memory_left_ -= size;
  }

  // Reads the id of a shared object, of which this process becomes a holder through the carrier.
  [[nodiscard]] std::uint64_t take_object(const char* what);
  // The same for an id that was read already.
  void take_object(std::uint64_t id, const char* what);
  // Returns the descriptor that the carrier brought. Reads nothing.
  [[nodiscard]] int take_fd(const char* what);

  void enter() {
    if (depth_left_ == 0) [[unlikely]] {
      fail("values are nested too deeply");
    }
    --depth_left_;
  }
  void leave() noexcept { ++depth_left_; }

  // Throws DecodeError: `why`, and where.
  [[noreturn]] void fail(std::string_view why) const;
  // Throws DecodeError when bytes are left.
  void expect_end() const {
    if (pos_ != end_) [[unlikely]] {
      fail("bytes are left over after the value");
    }
  }
  // Leaves the bytes out of the errors: for a caller that has them and puts them in itself.
  void leave_bytes_out() noexcept { with_bytes_ = false; }

  [[nodiscard]] std::size_t remaining() const noexcept {
    return static_cast<std::size_t>(end_ - pos_);
  }
  [[nodiscard]] ByteView whole() const noexcept { return {begin_, end_}; }
  [[nodiscard]] Carrier* carrier() const noexcept { return carrier_; }

 private:
  // An element without bytes of its own costs this much memory more, or eight bytes of message
  // could keep the decoder busy for 2^64 elements.
  static constexpr std::size_t kEmptyElement = 64;

  static constexpr std::size_t budget(std::size_t size, const DecodeLimits& limits) noexcept {
    const std::size_t room = static_cast<std::size_t>(-1) - limits.slack;
    const bool all = limits.factor != 0 && size > room / limits.factor;
    return all ? static_cast<std::size_t>(-1) : limits.slack + limits.factor * size;
  }

  [[noreturn]] void fail_short(std::size_t wanted) const;
  [[noreturn]] void fail_choice(std::uint8_t choice, std::uint32_t limit) const;
  [[noreturn]] void fail_count(std::uint64_t count) const;
  [[noreturn]] void fail_memory() const;

  const std::byte* begin_;
  const std::byte* pos_;
  const std::byte* end_;
  std::size_t depth_left_;
  std::size_t memory_left_;
  Carrier* carrier_;
  bool with_bytes_ = true;
};

}  // namespace mp
