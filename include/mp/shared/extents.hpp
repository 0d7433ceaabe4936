// SPDX-License-Identifier: Apache-2.0
// mp/shared/extents.hpp — arrays of several dimensions, as C++23's std::extents and std::mdspan.
//
//     mp::Array<double> data(mp::extents{rows, columns});
//     const mp::MdSpan<double, 2> grid = data.mdspan<2>();    // in every process
//     grid(3, 4) = 1;                                         // data[3 * columns + 4]
//     for (double& each : grid.row(3).elements()) { ... }
//
// The last index is the fastest. The extents lie in shared memory beside the elements, so whoever
// has the Array has them too.
//
// Threads:   both are values; the elements are guarded by nobody.
// Owns:      nothing: an MdSpan is good as long as a handle of its Array.
// Throws:    std::out_of_range from at() and row().
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

#include "mp/base/export.hpp"

namespace mp {

// NOLINTBEGIN(readability-identifier-naming): std's name
template <std::size_t N>
class extents {
 public:
  static_assert(N >= 1 && N <= 4, "an Array has one to four dimensions");
  template <std::integral... I>
  requires(sizeof...(I) == N) constexpr extents(I... sizes) noexcept
      : sizes_{static_cast<std::size_t>(sizes)...} {}
  constexpr explicit extents(const std::array<std::size_t, N>& sizes) noexcept : sizes_{sizes} {}

  [[nodiscard]] static constexpr std::size_t rank() noexcept { return N; }
  [[nodiscard]] constexpr std::size_t extent(std::size_t dimension) const noexcept {
    return sizes_[dimension];
  }
  [[nodiscard]] constexpr std::span<const std::size_t> sizes() const noexcept { return sizes_; }
  friend constexpr bool operator==(const extents&, const extents&) noexcept = default;

 private:
  std::array<std::size_t, N> sizes_;
};
template <std::integral... I>
extents(I...) -> extents<sizeof...(I)>;
// NOLINTEND(readability-identifier-naming)

namespace detail {
[[noreturn]] MP_API void throw_out_of_range(std::size_t index, std::size_t size);
}  // namespace detail

// The elements of an Array under several indices.
template <class T, std::size_t N>
class MdSpan {
 public:
  constexpr MdSpan(T* data, const extents<N>& sizes) noexcept : data_{data}, sizes_{sizes} {}

  [[nodiscard]] static constexpr std::size_t rank() noexcept { return N; }
  [[nodiscard]] constexpr std::size_t extent(std::size_t dimension) const noexcept {
    return sizes_.extent(dimension);
  }
  [[nodiscard]] constexpr std::size_t size() const noexcept {
    std::size_t product = 1;
    for (const std::size_t each : sizes_.sizes()) {
      product *= each;
    }
    return product;
  }
  [[nodiscard]] constexpr std::span<T> elements() const noexcept { return {data_, size()}; }

  // Nothing is checked.
  template <std::integral... I>
  requires(sizeof...(I) == N) constexpr T& operator()(I... indices) const noexcept {
    return data_[offset({static_cast<std::size_t>(indices)...})];
  }
  template <std::integral... I>
  requires(sizeof...(I) == N) constexpr T& at(I... indices) const {
    const std::array<std::size_t, N> all{static_cast<std::size_t>(indices)...};
    for (std::size_t d = 0; d < N; ++d) {
      expect_inside(all[d], d);
    }
    return data_[offset(all)];
  }

  // What the first index selects.
  [[nodiscard]] constexpr auto row(std::size_t index) const requires(N > 1) {
    expect_inside(index, 0);
    std::array<std::size_t, N - 1> rest{};
    std::size_t stride = 1;
    for (std::size_t d = 1; d < N; ++d) {
      rest[d - 1] = extent(d);
      stride *= extent(d);
    }
    return MdSpan<T, N - 1>{data_ + index * stride, extents<N - 1>{rest}};
  }

 private:
  constexpr void expect_inside(std::size_t index, std::size_t dimension) const {
    if (index >= extent(dimension)) {
      detail::throw_out_of_range(index, extent(dimension));
    }
  }
  constexpr std::size_t offset(const std::array<std::size_t, N>& indices) const noexcept {
    std::size_t at = 0;
    for (std::size_t d = 0; d < N; ++d) {
      at = at * extent(d) + indices[d];
    }
    return at;
  }

  T* data_;
  extents<N> sizes_;
};

}  // namespace mp
