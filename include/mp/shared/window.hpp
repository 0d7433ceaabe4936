// SPDX-License-Identifier: Apache-2.0
// mp/shared/window.hpp — bytes in shared memory, with or without a lock: what lies behind Value and
// Array. Not for direct use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codable.hpp"
#include "mp/codec/reader.hpp"
#include "mp/codec/traits.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/sync/rlock.hpp"

namespace mp {

// Asks for memory that is not reserved: pages come when touched. Should the machine have none left
// then, the system's OOM killer answers, not an exception.
struct Sparse {
  explicit Sparse() = default;
};
inline constexpr Sparse sparse{};

namespace detail {

class MP_API Window {
 public:
  enum class Locked : bool { no, yes };

  // Makes an object of `count` elements of `size` bytes, all zero. Throws OutOfMemory, also where
  // the product overflows.
  Window(std::size_t count, std::size_t size, Locked locked, bool sparse = false);
  // What a message or argument refers to. Throws DecodeError when that is no whole number of
  // elements of `size` bytes, or has a lock and should not, or the other way round.
  static Window take(Reader& in, const char* noun, std::size_t size, Locked locked);

  Window(Window&&) noexcept = default;
  Window& operator=(Window&&) noexcept = default;
  // A copy is a use: after a fork it makes the child a holder.
  Window(const Window& other) : ref_{other.held()}, bytes_{other.bytes_} {}
  Window& operator=(const Window& other) {
    if (this != &other) {
      *this = Window{other};
    }
    return *this;
  }
  ~Window() = default;

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t id() const { return ref_.id(); }
  // The first byte; makes this process a holder if it is not yet.
  [[nodiscard]] std::byte* data() const {
    MP_EXPECTS(static_cast<bool>(ref_), "a handle that was moved from refers to nothing");
    return ref_.data() + kHead;
  }
  [[nodiscard]] RLock lock() const { return RLock{held()}; }

  friend bool operator==(const Window& a, const Window& b) noexcept { return a.ref_ == b.ref_; }

 private:
  static constexpr std::size_t kHead = 64;
  Window(ObjectRef ref, std::size_t bytes) noexcept : ref_{std::move(ref)}, bytes_{bytes} {}
  const ObjectRef& held() const {
    if (ref_) {
      static_cast<void>(ref_.data());
    }
    return ref_;
  }

  ObjectRef ref_;
  std::size_t bytes_;
};

[[noreturn]] MP_API void throw_out_of_range(std::size_t index, std::size_t size);

// Whether a T means the same to every process that looks at its bytes.
template <class T>
consteval bool is_shareable() {
  if constexpr (std::is_reference_v<T> || std::is_array_v<T> || std::is_const_v<T> ||
                std::is_volatile_v<T>) {
    return false;
  } else {
    constexpr Refusal kWhy = kRefusal<T>;
    return std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> &&
           !std::is_polymorphic_v<T> && kWhy != Refusal::pointer && kWhy != Refusal::reference &&
           kWhy != Refusal::view && kWhy != Refusal::function;
  }
}

template <class T>
consteval void require_shareable() {
  static_assert(
      is_shareable<T>(),
      "mp cannot put this type into shared memory: it must be trivially copyable and hold "
      "no pointer, reference or view, which would mean nothing in another process.");
  static_assert(alignof(T) <= 64, "mp aligns shared memory to 64 bytes, and this type wants more.");
}

// The wire form of Handle, a window on Ts: the id of the object. Type tags tell the Ts apart.
template <class T>
struct PartsInTag {
  using Parts = CodecParts<>;
  static constexpr std::uint64_t kSalt = sizeof(T);
};
template <Codable T>
struct PartsInTag<T> {
  using Parts = CodecParts<T>;
};

template <class Handle, class T, Window::Locked kLocked>
struct WindowCodec : PartsInTag<T> {
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const Handle& handle) {
    out.put_object(handle.window_.id(), Handle::kNoun);
  }
  static Handle read(Reader& in) {
    return Handle{Window::take(in, Handle::kNoun, sizeof(T), kLocked)};
  }
};

}  // namespace detail

}  // namespace mp
