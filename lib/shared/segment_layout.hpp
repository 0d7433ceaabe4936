// SPDX-License-Identifier: Apache-2.0
// shared/segment_layout.hpp — the head of a Segment. Behind it lies a managed_external_buffer of
// Boost.Interprocess, whose bytes are Boost's affair; `boost` is its version.
//
//   0          SegmentHead
//   4 KiB      the managed buffer
#pragma once

#include <cstddef>
#include <cstdint>

#include "mp/shared/segment_mutex.hpp"

namespace mp::layout {

inline constexpr std::uint64_t kSegmentMagic = 0x31544e454745536dULL;  // "mSEGENT1"
inline constexpr std::uint32_t kSegmentVersion = 1;
inline constexpr std::size_t kSegmentHead = 4096;
inline constexpr std::size_t kSmallestSegment = kSegmentHead + 4096;

struct SegmentStamp {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t boost;
  std::uint64_t size;  // of the whole file
};
struct SegmentHead {
  SegmentStamp stamp;
  detail::SegmentMutex mutex;
};
static_assert(sizeof(SegmentStamp) == 24 && sizeof(SegmentHead) == 72);

}  // namespace mp::layout
