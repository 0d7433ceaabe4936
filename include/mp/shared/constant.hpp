// SPDX-License-Identifier: Apache-2.0
// mp/shared/constant.hpp — a value that is placed in shared memory once, and that everybody reads.
//
//     const auto model = mp::shared(load_model());     // Constant<Model>
//     pool.map(mp::partial(score, model), items);      // a handle travels, not the model
//     double score(const mp::Constant<Model>& model, const Item& item) { return model->rate(item);
//     }
//
// How a process sees it depends on the type:
//
//     plain data                         const T&, in the shared memory itself
//     std::vector and std::string of it  std::span<const U>, std::string_view, likewise
//     any other type that can be sent    const T&, decoded once for each handle that was received
//
// The memory is mapped a second time, for reading only: who writes through a cast is stopped by the
// processor.
//
// Threads:   a Constant may be read by any number of threads.
// Processes: a handle can be an argument, a message or a result. Values that hold handles of mp
//            (a Lock, a Queue) cannot be placed.
// Fork:      an inherited handle works.
// Crash:     nobody can leave a value by half: it is whole before there is a handle.
// Owns:      the memory, until the last handle in the last process is gone; references and views
//            are good as long as a copy of the handle that gave them.
// Throws:    shared: OutOfMemory, and UsageError for a handle inside. get: DecodeError, if memory
// was
//            spoiled by a wild write.
// Python:    there is nothing like it but pages shared by fork.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/shared/window.hpp"

namespace mp {

namespace detail {

// A window, mapped for reading only.
class MP_API ReadOnlyWindow {
 public:
  explicit ReadOnlyWindow(Window window);
  ReadOnlyWindow(const ReadOnlyWindow&) = delete;
  ReadOnlyWindow& operator=(const ReadOnlyWindow&) = delete;
  ~ReadOnlyWindow();

  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  [[nodiscard]] const Window& window() const noexcept { return window_; }

 private:
  Window window_;
  void* mapped_;
  std::size_t length_;
  ByteView bytes_;
};

// How a T lies there, and how it is seen.
template <class T>
struct ConstantForm {
  static constexpr bool kInPlace = is_shareable<T>() && !Atomic<T>;
  using View = const T&;

  static Bytes bytes_of(const T& value) {
    if constexpr (kInPlace) {
      const auto* first = reinterpret_cast<const std::byte*>(&value);
      return {first, first + sizeof(T)};
    } else {
      return encode(value);
    }
  }
  static View view(ByteView bytes) { return *reinterpret_cast<const T*>(bytes.data()); }
};
template <class U>
requires(is_shareable<U>() && !std::is_same_v<U, bool>) struct ConstantForm<std::vector<U>> {
  static constexpr bool kInPlace = true;
  using View = std::span<const U>;
  static ByteView bytes_of(const std::vector<U>& value) { return std::as_bytes(std::span{value}); }
  static View view(ByteView bytes) {
    return {reinterpret_cast<const U*>(bytes.data()), bytes.size() / sizeof(U)};
  }
};
template <>
struct ConstantForm<std::string> {
  static constexpr bool kInPlace = true;
  using View = std::string_view;
  static ByteView bytes_of(const std::string& value) { return std::as_bytes(std::span{value}); }
  static View view(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

[[nodiscard]] MP_API Window make_constant(ByteView bytes);

}  // namespace detail

template <class T>
class Constant {
 public:
  using View = typename detail::ConstantForm<T>::View;

  explicit Constant(const T& value)
      : Constant{detail::make_constant(detail::ConstantForm<T>::bytes_of(value))} {}

  [[nodiscard]] View get() const {
    if constexpr (detail::ConstantForm<T>::kInPlace) {
      return detail::ConstantForm<T>::view(shared_->memory.bytes());
    } else {
      std::call_once(shared_->once, [this] {
        const ByteView bytes = shared_->memory.bytes();
        shared_->value.emplace(decode<T>(Bytes{bytes.begin(), bytes.end()}));
      });
      return *shared_->value;
    }
  }
  [[nodiscard]] View operator*() const { return get(); }
  [[nodiscard]] const T* operator->() const requires std::is_reference_v<View> {
    return std::addressof(get());
  }

  // Whether two handles refer to the same place.
  friend bool operator==(const Constant& a, const Constant& b) noexcept {
    return a.window_ == b.window_;
  }

 private:
  friend struct detail::RawWindowCodec<Constant, std::byte>;
  static constexpr const char* kNoun = "a Constant";
  struct Shared {
    explicit Shared(const detail::Window& window) : memory{window} {}
    detail::ReadOnlyWindow memory;
    std::once_flag once;
    std::optional<T> value;
  };
  explicit Constant(const detail::Window& window)
      : window_{window}, shared_{std::make_shared<Shared>(window)} {
    if constexpr (detail::ConstantForm<T>::kInPlace && std::is_reference_v<View>) {
      if (window.bytes() != sizeof(T)) {
        throw DecodeError{"the message refers to a Constant of another size"};
      }
    }
  }

  detail::Window window_;
  std::shared_ptr<Shared> shared_;
};

// Places a value.
template <class T>
[[nodiscard]] Constant<T> shared(const T& value) {
  detail::require_codable<T>();
  return Constant<T>{value};
}

template <class T>
struct codec<Constant<T>> {
  static constexpr std::string_view kName = "mp.Constant";
  using Parts = CodecParts<T>;
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kFixed = true;
  static void write(auto& out, const Constant<T>& value) {
    detail::RawWindowCodec<Constant<T>, std::byte>::write(out, value);
  }
  static Constant<T> read(Reader& in) {
    return detail::RawWindowCodec<Constant<T>, std::byte>::read(in);
  }
};

}  // namespace mp
