// SPDX-License-Identifier: Apache-2.0
// One word: the flag, a flag for sleepers, and how often it was set. The count lets a waiter see
// that the flag was set while it slept, and makes every change of the flag a change of the word.
#include "mp/sync/event.hpp"

#include <array>
#include <optional>

#include "memory/gate.hpp"
#include "memory/object.hpp"
#include "memory/spinner.hpp"
#include "sync/lock_object.hpp"
#include "sync/sync_layout.hpp"
#include "sync/whereabouts.hpp"

namespace mp {

namespace {

using layout::EventObject;
using layout::kEventSet;
using layout::kEventSleepers;
using layout::kEventStep;

EventObject& object_of(const detail::ObjectRef& ref) {
  if (!ref) [[unlikely]] {
    sync::throw_moved_from();
  }
  return *reinterpret_cast<EventObject*>(ref.data());
}
layout::Word& word_of(const detail::ObjectRef& ref) {
  return object_of(ref).word;
}

memory::Spinner& spinner_of(const layout::Word& word) noexcept {
  static std::array<memory::Spinner, 16> spinners;
  return spinners[reinterpret_cast<std::uintptr_t>(&word) / 64 % spinners.size()];
}

}  // namespace

Event::Event() : ref_{memory::make_object(memory::ObjectType::event, sizeof(EventObject))} {
  static_assert(kObjectType == static_cast<std::uint32_t>(memory::ObjectType::event));
}

bool Event::is_set() const {
  // Acquire: pairs with the release in set().
  return (word_of(ref_).load(std::memory_order_acquire) & kEventSet) != 0;
}

void Event::set() {
  EventObject& object = object_of(ref_);
  layout::Word& word = object.word;
  std::uint32_t seen = word.load(std::memory_order_relaxed);
  for (;;) {
    if ((seen & kEventSet) != 0) {
      // Set already; but what this caller wrote before must be seen too, so write the word.
      if (word.compare_exchange_weak(seen, seen, std::memory_order_release)) {
        return;
      }
      continue;
    }
    const std::uint32_t raised = ((seen + kEventStep) | kEventSet) & ~kEventSleepers;
    if ((seen & kEventSleepers) == 0) {
      if (word.compare_exchange_weak(seen, raised, std::memory_order_release)) {
        return;
      }
      continue;
    }
    static_cast<void>(sync::meet_at(object.cpus));
    // Killed between the store and the wake-up, the kernel wakes the tree instead.
    const memory::ArmedWake armed;
    if (word.compare_exchange_weak(seen, raised, std::memory_order_release)) {
      memory::word_wake(word, memory::kAll);
      return;
    }
  }
}

void Event::clear() {
  word_of(ref_).fetch_and(~kEventSet, std::memory_order_acq_rel);
}

bool Event::wait(Deadline until) const {
  EventObject& object = object_of(ref_);
  layout::Word& word = object.word;
  const std::uint32_t first = word.load(std::memory_order_acquire);
  const auto raised_in = [first](std::uint32_t seen) {
    return (seen & kEventSet) != 0 || seen / kEventStep != first / kEventStep;
  };
  memory::Waiting waiting{spinner_of(word)};
  for (;;) {
    std::uint32_t seen = word.load(std::memory_order_acquire);
    if (raised_in(seen)) {
      return true;
    }
    if (until.passed()) {
      return false;
    }
    if (waiting.spin([&] { return raised_in(word.load(std::memory_order_acquire)); },
                     sync::meet_at(object.cpus))) {
      return true;
    }
    if ((seen & kEventSleepers) == 0) {
      if (!word.compare_exchange_weak(seen, seen | kEventSleepers)) {
        continue;
      }
      seen |= kEventSleepers;
    }
    sync::fall_asleep_at(object.cpus);
    memory::word_sleep(word, seen, until);
  }
}

}  // namespace mp
