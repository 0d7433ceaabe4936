// SPDX-License-Identifier: Apache-2.0
// mp/shared/window.hpp — bytes in shared memory, with or without a lock: what lies behind Value and
// Array. Not for direct use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
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
  // The same with as many elements as the product of `extents`, which are kept.
  Window(std::span<const std::size_t> extents, std::size_t size, Locked locked, bool sparse);
  // What a message or argument refers to. Throws DecodeError when that is no whole number of
  // elements of `size` bytes, or has a lock and should not, or the other way round.
  static Window take(Reader& in, const char* noun, std::size_t size, Locked locked);
  // The same for a window whose lock came first: its own, or one beside it.
  static Window take(Reader& in, const char* noun, std::size_t size, const RLock& lock);

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
  // Copies the extents out. Throws UsageError unless they are as many as `to` and their product is
  // the number of elements.
  void extents(std::span<std::size_t> to, std::size_t size) const;

  friend bool operator==(const Window& a, const Window& b) noexcept { return a.ref_ == b.ref_; }

 private:
  static constexpr std::size_t kHead = 64;
  static Window from(Reader& in, std::uint64_t id, std::size_t size, Locked locked);
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

template <class T>
struct AtomicOf;
template <class U>
struct AtomicOf<std::atomic<U>> {
  using Value = U;
};
template <class T>
concept Atomic = requires {
  typename AtomicOf<T>::Value;
};

// Whether a T means the same to every process that looks at its bytes. An atomic does if it works
// without a lock: a lock would be one of this process.
template <class T>
consteval bool is_shareable() {
  if constexpr (Atomic<T>) {
    return T::is_always_lock_free && is_shareable<typename AtomicOf<T>::Value>();
  } else if constexpr (std::is_reference_v<T> || std::is_array_v<T> || std::is_const_v<T> ||
                       std::is_volatile_v<T> || std::is_polymorphic_v<T> ||
                       !std::is_trivially_copyable_v<T> || !std::is_trivially_destructible_v<T>) {
    return false;  // before anybody looks inside, where a class need not be an aggregate
  } else {
    constexpr Refusal kWhy = kRefusal<T>;
    return kWhy != Refusal::pointer && kWhy != Refusal::reference && kWhy != Refusal::view &&
           kWhy != Refusal::function;
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
template <Atomic T>
struct PartsInTag<T> {
  using Parts = CodecParts<typename AtomicOf<T>::Value>;
  static constexpr std::uint64_t kSalt = 0x41;  // not a plain one
};

// Says that the lock of a Value or an Array is an RLock of the user's.
struct LockedBy {
  RLock lock;
};

template <class Handle, class T>
struct RawWindowCodec : PartsInTag<T> {
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const Handle& handle) {
    out.put_object(handle.window_.id(), Handle::kNoun);
  }
  static Handle read(Reader& in) {
    return Handle{Window::take(in, Handle::kNoun, sizeof(T), Window::Locked::no)};
  }
};

// The lock follows: that of the window itself, or another one.
template <class Handle, class T>
struct LockedWindowCodec : PartsInTag<T> {
  static constexpr std::size_t kMinSize = 2 * sizeof(std::uint64_t);
  static constexpr bool kFixed = true;

  static void write(auto& out, const Handle& handle) {
    mp::write(out, handle.lock_);
    out.put_object(handle.window_.id(), Handle::kNoun);
  }
  static Handle read(Reader& in) {
    RLock lock = mp::read<RLock>(in);
    Window window = Window::take(in, Handle::kNoun, sizeof(T), lock);
    return Handle{std::move(window), std::move(lock)};
  }
};

}  // namespace detail

// Names the lock that shall guard a Value or an Array: mp::Value<int> v{mp::locked_by(lock), 5}.
[[nodiscard]] inline detail::LockedBy locked_by(const RLock& lock) {
  return {lock};
}

}  // namespace mp
