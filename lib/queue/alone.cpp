// SPDX-License-Identifier: Apache-2.0
#include "queue/alone.hpp"

#include <algorithm>
#include <chrono>

#include "memory/gate.hpp"
#include "memory/spinner.hpp"

namespace mp::queue {

namespace {

using layout::QueueHead;
using layout::Word;
using memory::ThreadTag;
using namespace std::chrono_literals;

memory::Spinner spinner;

// Even those who may not wait do so for a moment: the other one is about to leave, and to be told
// that there is no item, or no room, would be wrong.
constexpr auto kMoment = 20ms;
// It was preempted or stopped inside, which is seldom, and tells nobody when it goes on.
constexpr std::chrono::nanoseconds kShortest = 50us;
constexpr std::chrono::nanoseconds kLongest = 1ms;

bool is_inside(const QueueHead& head, ThreadTag other) noexcept {
  // Acquire: pairs with the release in leave_alone.
  return memory::inside_of(other).load(std::memory_order_acquire) == head.self &&
         !memory::thread_gone(other);
}

// `word` is `sharing` already.
bool wait_until_outside(const QueueHead& head, const Word& word, ThreadTag other,
                        Deadline until) noexcept {
  const auto outside = [&] { return !is_inside(head, other); };
  memory::Waiting waiting{spinner};
  if (waiting.spin(outside)) {
    return true;
  }
  const Deadline moment{kMoment};
  for (auto pause = kShortest; !outside(); pause = std::min(pause * 2, kLongest)) {
    if (until.passed() && moment.passed()) {
      return false;
    }
    memory::word_sleep(word, other | kSharing, pause, other);
  }
  return true;
}

}  // namespace

bool share(QueueHead& head, Word& word, ThreadTag me, Deadline until,
           void (*before_sharing)(QueueHead&)) noexcept {
  std::uint32_t seen = word.load();
  while (seen != kMany) {
    const ThreadTag other = seen & ~kSharing;
    if (other == 0 || other == me) {  // nobody is inside
      if (before_sharing != nullptr) {
        before_sharing(head);
      }
      if (word.compare_exchange_strong(seen, kMany)) {
        return true;
      }
      continue;
    }
    if (seen == other && !word.compare_exchange_strong(seen, other | kSharing)) {
      continue;
    }
    memory::heavy_fence();  // pairs with the light one in enter_alone
    if (!wait_until_outside(head, word, other, until)) {
      return false;
    }
    if (before_sharing != nullptr) {
      before_sharing(head);
    }
    seen = other | kSharing;
    if (word.compare_exchange_strong(seen, kMany)) {
      return true;
    }
  }
  return true;
}

std::uint32_t prepare_for_items(QueueHead& head) noexcept {
  const std::uint32_t key = memory::gate_prepare(head.not_empty);
  // seq_cst: a writer who is not alone yet when this looks becomes so by a full fence, and sees the
  // sleeper afterwards.
  const std::uint32_t writer = head.sole_writer.load();
  if (writer != 0 && writer != kMany) {
    memory::heavy_fence();
    if (memory::thread_gone(writer & ~kSharing)) {  // nobody could sleep on that life
      static_cast<void>(share(head, head.sole_writer, 0, Deadline::now(), nullptr));
    }
  }
  return key;
}

namespace detail {

bool settle_slowly(QueueHead& head, Word& word, ThreadTag me, Deadline until,
                   void (*before_sharing)(QueueHead&)) noexcept {
  std::uint32_t nobody = 0;
  const std::uint32_t first = memory::fences_are_light() ? me : kMany;
  return word.compare_exchange_strong(nobody, first) || nobody == me ||
         share(head, word, me, until, before_sharing);
}

}  // namespace detail

}  // namespace mp::queue
