// SPDX-License-Identifier: Apache-2.0
// fuzz/codec/memory_meter.hpp — how much memory this thread has asked for at once.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sanitizer/allocator_interface.h>

#include "mp/codec/reader.hpp"

namespace mp::fuzz {

// Little slack, so that a few bytes of input show a decoder that allocates before it checks.
inline constexpr DecodeLimits kLimits{.depth = kMaxDepth, .slack = 64 << 10, .factor = 64};

// Runs `decode` and aborts when the memory alive grew, at any moment, by more than the limits
// allow. What the error itself needs, a sentence and a copy of the bytes, comes on top.
template <class Decode>
void expect_bounded(std::size_t input, Decode decode) {
  static std::size_t alive = 0;
  static std::size_t peak = 0;
  static std::size_t before = 0;
  [[maybe_unused]] static const int installed = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t size) {
        alive += size;
        peak = alive > peak ? alive : peak;
      },
      [](const volatile void* place) {
        alive -=
            place == nullptr ? 0 : __sanitizer_get_allocated_size(const_cast<const void*>(place));
      });
  before = peak = alive;
  decode();
  const std::size_t allowed = kLimits.slack + kLimits.factor * input + input + 4096;
  if (peak > before && peak - before > allowed) {
    std::fprintf(stderr, "%zu bytes of input made the decoder hold %zu bytes; %zu are allowed\n",
                 input, peak - before, allowed);
    std::abort();
  }
}

}  // namespace mp::fuzz
