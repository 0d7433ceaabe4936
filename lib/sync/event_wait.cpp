// SPDX-License-Identifier: Apache-2.0
// An event as one of several things to wait for.
#include <memory>
#include <utility>

#include "mp/memory/waitable.hpp"
#include "mp/sync/event.hpp"

#include "memory/wait_source.hpp"
#include "sync/lock_object.hpp"
#include "sync/sync_layout.hpp"

namespace mp {

namespace {

class EventSource final : public detail::WaitSource {
 public:
  explicit EventSource(detail::ObjectRef ref) : ref_{std::move(ref)} {}

  bool ready() override {
    return (word().load(std::memory_order_acquire) & layout::kEventSet) != 0;  // as is_set()
  }
  memory::SleepPlace prepare() override {
    const std::uint32_t seen = word().fetch_or(layout::kEventSleepers) | layout::kEventSleepers;
    return {.word = &word(), .expected = seen};
  }

 private:
  layout::Word& word() const { return reinterpret_cast<layout::EventObject*>(ref_.data())->word; }

  detail::ObjectRef ref_;
};

}  // namespace

Waitable Event::waitable() const {
  if (!ref_) {
    sync::throw_moved_from();
  }
  return {std::make_shared<EventSource>(ref_), ref_.data()};
}

}  // namespace mp
