// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/segment.hpp"

#ifdef MP_MUST_FAIL
struct alignas(64) Line {
#else
struct Line {
#endif
  char bytes[64];
};

Line& line(const mp::Segment& segment) {
  return segment.find_or_construct<Line>("line");
}
