// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "mp/shared/segment_queue.hpp"

#ifdef MP_MUST_FAIL
using Word = std::string_view;
#else
using Word = char;
#endif

std::size_t count() {
  return mp::SegmentQueue<Word, 10>{}.qsize();
}
