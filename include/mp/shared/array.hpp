// SPDX-License-Identifier: Apache-2.0
// mp/shared/array.hpp — a fixed number of values side by side in shared memory, with a lock of
// their own (Array) or without (RawArray).
//
//     mp::Array<double> data(1000);             // zeroes
//     mp::Array<int> primes{2, 3, 5, 7};
//     std::iota(data.begin(), data.end(), 0.0);
//     std::span<double> view{data};
//     mp::Array<double> grid(mp::extents{rows, columns});    // see extents.hpp
//
// A contiguous range of plain Ts: an access is an access to memory. No lock is taken and nothing is
// checked but by at(). Passing an Array to another process costs a handle, whatever its size.
//
// Threads:   a handle may be used by any number of threads; the elements are guarded by get_lock()
//            alone.
// Processes: a handle can be an argument, a message or a result; copies refer to the same elements.
// Fork:      an inherited handle works. To count as a holder, so that the elements stay when the
//            parent lets go of them, the child copies it, or calls anything but [] and size().
// Crash:     as with Value.
// Owns:      the elements live until the last handle in the last process is gone.
// Throws:    OutOfMemory; std::out_of_range from at(); what RLock throws; WrongProcess if the
//            elements behind an inherited handle are gone.
// Python:    multiprocessing.Array and RawArray; a lock is not taken for each access.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mp/base/deadline.hpp"
#include "mp/codec/traits.hpp"
#include "mp/shared/extents.hpp"
#include "mp/shared/window.hpp"
#include "mp/sync/rlock.hpp"

namespace mp {

namespace detail {

template <class T>
class ArrayWindow {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using pointer = T*;
  using iterator = T*;
  using const_iterator = T*;

  T& operator[](std::size_t index) const noexcept { return elements_[index]; }
  // Throws std::out_of_range.
  T& at(std::size_t index) const {
    if (index >= size_) {
      throw_out_of_range(index, size_);
    }
    return get_obj()[index];
  }
  T& front() const { return *get_obj(); }
  T& back() const { return get_obj()[size_ - 1]; }

  [[nodiscard]] T* data() const { return get_obj(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* begin() const { return get_obj(); }
  [[nodiscard]] T* end() const { return get_obj() + size_; }

  // The elements from `begin` up to `end`. Throws std::out_of_range.
  [[nodiscard]] std::span<T> slice(std::size_t begin, std::size_t end) const {
    if (end > size_ || begin > end) {
      throw_out_of_range(end > size_ ? end : begin, size_);
    }
    return {get_obj() + begin, end - begin};
  }
  // The elements under N indices. Throws UsageError unless the array was made with N extents.
  template <std::size_t N>
  [[nodiscard]] MdSpan<T, N> mdspan() const {
    std::array<std::size_t, N> sizes{};
    window_.extents(sizes, sizeof(T));
    return {get_obj(), extents<N>{sizes}};
  }

  // The first element, after making sure that this process counts as a holder.
  [[nodiscard]] T* get_obj() const { return reinterpret_cast<T*>(window_.data()); }

  friend bool operator==(const ArrayWindow& a, const ArrayWindow& b) noexcept {
    return a.window_ == b.window_;
  }

 protected:
  explicit ArrayWindow(Window window, bool is_new = false)
      : window_{std::move(window)}, elements_{get_obj()}, size_{window_.bytes() / sizeof(T)} {
    require_shareable<T>();
    // Zeroes are a T as they are; a T of another mind says so in its default constructor.
    if constexpr (!std::is_trivially_default_constructible_v<T> && !Atomic<T>) {
      if (is_new) {
        std::uninitialized_value_construct_n(elements_, size_);
      }
    }
  }

  Window window_;
  T* elements_;
  std::size_t size_;
};

template <class R, class T>
concept RangeOf =
    std::ranges::forward_range<R> && std::is_convertible_v<std::ranges::range_reference_t<R>, T> &&
    !std::is_integral_v<std::remove_cvref_t<R>>;

}  // namespace detail

// An array without a lock.
template <class T>
class RawArray : public detail::ArrayWindow<T> {
 public:
  // `count` elements of zero, or as many as the product of the extents.
  explicit RawArray(std::size_t count) : Base{make(count), true} {}
  RawArray(std::size_t count, Sparse) : Base{make(count, true), true} {}
  template <std::size_t N>
  explicit RawArray(const extents<N>& sizes) : Base{make(sizes.sizes()), true} {}
  template <std::size_t N>
  RawArray(const extents<N>& sizes, Sparse) : Base{make(sizes.sizes(), true), true} {}
  RawArray(std::initializer_list<T> elements) : Base{make(elements.size())} {
    std::ranges::copy(elements, this->elements_);
  }
  // As many as the range has.
  template <detail::RangeOf<T> R>
  requires(!std::derived_from<std::remove_cvref_t<R>, RawArray>) explicit RawArray(const R& range)
      : Base{make(static_cast<std::size_t>(std::ranges::distance(range)))} {
    std::ranges::copy(range, this->elements_);
  }

 private:
  using Base = detail::ArrayWindow<T>;
  friend struct detail::RawWindowCodec<RawArray, T>;
  static constexpr const char* kNoun = "a RawArray";
  explicit RawArray(detail::Window window) : Base{std::move(window)} {}
  static detail::Window make(auto count, bool is_sparse = false) {
    return {count, sizeof(T), detail::Window::Locked::no, is_sparse};
  }
};

// An array with a lock: its own, or mp::locked_by(lock) as the first argument.
template <class T>
class Array : public detail::ArrayWindow<T> {
 public:
  explicit Array(std::size_t count) : Array{make(count), true} {}
  Array(std::size_t count, Sparse) : Array{make(count, true), true} {}
  template <std::size_t N>
  explicit Array(const extents<N>& sizes) : Array{make(sizes.sizes()), true} {}
  template <std::size_t N>
  Array(const extents<N>& sizes, Sparse) : Array{make(sizes.sizes(), true), true} {}
  Array(std::initializer_list<T> elements) : Array{make(elements.size()), false} {
    std::ranges::copy(elements, this->elements_);
  }
  template <detail::RangeOf<T> R>
  requires(!std::derived_from<std::remove_cvref_t<R>, Array>) explicit Array(const R& range)
      : Array{make(static_cast<std::size_t>(std::ranges::distance(range))), false} {
    std::ranges::copy(range, this->elements_);
  }
  Array(detail::LockedBy by, std::size_t count)
      : Base{make(count, false, detail::Window::Locked::no), true}, lock_{std::move(by.lock)} {}
  template <std::size_t N>
  Array(detail::LockedBy by, const extents<N>& sizes)
      : Base{make(sizes.sizes(), false, detail::Window::Locked::no), true},
        lock_{std::move(by.lock)} {}

  // The lock that lies beside the elements, or was given. A reference, for std::scoped_lock.
  [[nodiscard]] RLock& get_lock() const noexcept { return lock_; }

  // The lock's, so that std::scoped_lock hold{array} works.
  bool acquire(Deadline until = Deadline::never()) const { return lock_.acquire(until); }
  void release() const { lock_.release(); }
  void lock() const { lock_.lock(); }
  bool try_lock() const { return lock_.try_lock(); }
  void unlock() const { lock_.unlock(); }

 private:
  using Base = detail::ArrayWindow<T>;
  friend struct detail::LockedWindowCodec<Array, T>;
  static constexpr const char* kNoun = "an Array";
  Array(detail::Window window, RLock lock) : Base{std::move(window)}, lock_{std::move(lock)} {}
  Array(detail::Window window, bool is_new)
      : Base{std::move(window), is_new}, lock_{this->window_.lock()} {}
  static detail::Window make(auto count, bool is_sparse = false,
                             detail::Window::Locked locked = detail::Window::Locked::yes) {
    return {count, sizeof(T), locked, is_sparse};
  }

  mutable RLock lock_;
};

template <class T>
struct codec<RawArray<T>> : detail::RawWindowCodec<RawArray<T>, T> {
  static constexpr std::string_view kName = "mp.RawArray";
};
template <class T>
struct codec<Array<T>> : detail::LockedWindowCodec<Array<T>, T> {
  static constexpr std::string_view kName = "mp.Array";
};

}  // namespace mp
