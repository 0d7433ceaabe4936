// SPDX-License-Identifier: Apache-2.0
// mp/codec/writer.hpp — where codecs write to: a given span, bytes that grow, or a mere count.
//
// A codec's `write` sees only this. The same `write` runs twice for a message: once against a
// Sizer, which adds up lengths and compiles to almost nothing, and once against a Writer over
// exactly that many bytes of a ring, a queue slot or an arena block. So a message is written where
// it will lie.
//
//     mp::Bytes bytes(mp::encoded_size(value));
//     mp::Writer out{bytes};                 // into a span; or Writer out; ... out.take() to grow
//     mp::write(out, value);
//
// Threads:   distinct Writers are independent; one Writer is for one thread.
// Throws:    UsageError when the span is too short, a value is nested deeper than kMaxDepth, or a
//            handle is written without a carrier that takes it. std::bad_alloc.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "mp/base/bytes.hpp"
#include "mp/base/carrier.hpp"
#include "mp/base/export.hpp"

namespace mp {

static_assert(std::endian::native == std::endian::little, "mp encodes in little-endian order");

// How deep containers and pointers may be nested in one message, at both ends.
inline constexpr std::size_t kMaxDepth = 64;

namespace detail {

[[noreturn]] MP_API void throw_too_deep();

// Counts one level of nesting for as long as it lives.
template <class Stream>
class Nesting {
 public:
  explicit Nesting(Stream& stream) : stream_{stream} { stream_.enter(); }
  ~Nesting() { stream_.leave(); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Stream& stream_;
};

}  // namespace detail

class MP_API Writer {
 public:
  static constexpr bool kCounts = false;
  enum class CountOnly : bool { yes };

  // Writes into bytes of its own, which grow; take() hands them out.
  explicit Writer(Carrier* carrier = nullptr) noexcept : mode_{Mode::grow}, carrier_{carrier} {}
  // Writes into `into`, from its start.
  explicit Writer(MutableByteView into, Carrier* carrier = nullptr) noexcept
      : begin_{into.data()},
        pos_{into.data()},
        end_{into.data() + into.size()},
        mode_{Mode::span},
        carrier_{carrier} {}
  // Only counts. Handles tell `carrier` of themselves when there is one, and pass without.
  explicit Writer(CountOnly, Carrier* carrier = nullptr) noexcept
      : mode_{Mode::count}, carrier_{carrier} {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void write_bytes(const void* from, std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - pos_)) [[unlikely]] {
      write_beyond(from, size);
    } else if (size != 0) {
      std::memcpy(pos_, from, size);
      pos_ += size;
    }
  }
  // Writes the object representation of `value`, which must have no padding and no pointer.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void write_raw(const T& value) { write_bytes(&value, sizeof(T)); }
  // Writes the number of elements that follow.
  void write_count(std::size_t count) { write_raw(static_cast<std::uint64_t>(count)); }

  // Writes the id of a shared object and lets the carrier keep the object alive. `what` is the noun
  // for the error, "a Lock".
  void put_object(std::uint64_t id, const char* what);
  // Lets the carrier carry a duplicate of `fd`. Writes nothing.
  void put_fd(int fd, const char* what);

  void enter() {
    if (++depth_ > kMaxDepth) [[unlikely]] {
      detail::throw_too_deep();
    }
  }
  void leave() noexcept { --depth_; }

  [[nodiscard]] std::size_t size() const noexcept {
    return counted_ + static_cast<std::size_t>(pos_ - begin_);
  }
  // What has been written so far; good until the next write.
  [[nodiscard]] ByteView written() const noexcept {
    return {begin_, static_cast<std::size_t>(pos_ - begin_)};
  }
  // Takes back all but the first `size` bytes. What a carrier was told of stays with the message.
  void rewind(std::size_t size) noexcept {
    if (mode_ == Mode::count) {
      counted_ = size;
    } else {
      pos_ = begin_ + size;
    }
  }
  [[nodiscard]] Carrier* carrier() const noexcept { return carrier_; }
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }
  // Starts at a given depth: for a count that continues another stream's.
  void set_depth(std::size_t depth) noexcept { depth_ = depth; }

  // Ends a Writer that grows and returns what was written.
  [[nodiscard]] Bytes take();

 private:
  enum class Mode : std::uint8_t { span, grow, count };

  void write_beyond(const void* from, std::size_t size);

  std::byte* begin_ = nullptr;
  std::byte* pos_ = nullptr;
  std::byte* end_ = nullptr;
  std::size_t counted_ = 0;
  std::size_t depth_ = 0;
  Mode mode_;
  Carrier* carrier_;
  Bytes grown_;
};

// Adds up what a Writer would write. Never touches a carrier.
class Sizer {
 public:
  static constexpr bool kCounts = true;

  void write_bytes(const void*, std::size_t size) noexcept { size_ += size; }
  template <class T>
  void write_raw(const T&) noexcept {
    size_ += sizeof(T);
  }
  void write_count(std::size_t) noexcept { size_ += sizeof(std::uint64_t); }
  void add(std::size_t size) noexcept { size_ += size; }
  void put_object(std::uint64_t, const char*) noexcept { size_ += sizeof(std::uint64_t); }
  void put_fd(int, const char*) noexcept {}
  void enter() {
    if (++depth_ > kMaxDepth) [[unlikely]] {
      detail::throw_too_deep();
    }
  }
  void leave() noexcept { --depth_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }

 private:
  std::size_t size_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace mp
