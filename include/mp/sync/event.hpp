// SPDX-License-Identifier: Apache-2.0
// mp/sync/event.hpp — a flag that processes wait for.
//
//     mp::Event go;
//     mp::Process child{[](mp::Event go) { go.wait(); ... }, go};
//     child.start();
//     go.set();
//
// Whoever waits when the flag is set goes on, even if it is cleared again before that one runs.
//
// Threads:   any number, also through one handle. set() may be called from a signal handler of a
//            thread that has used mp before.
// Processes: a handle can be an argument, a message or a result; copies refer to the same flag.
// Fork:      an inherited handle works.
// Crash:     nothing to repair: a process killed in set() has set the flag or has not.
// Owns:      the flag lives until the last handle in the last process is gone.
// Blocks:    wait, until the flag is set; bound it with a timeout.
// Order:     what was written before set() is seen after the wait() that it ends.
// Throws:    OutOfMemory; WrongProcess if the object behind an inherited handle is gone.
// Python:    multiprocessing.Event.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>

#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/memory/waitable.hpp"
#include "mp/sync/handle.hpp"

namespace mp {

class MP_API Event {
 public:
  Event();

  [[nodiscard]] bool is_set() const;
  void set();
  void clear();
  // Waits until the flag is set. Returns false when that did not happen before `until`.
  bool wait(Deadline until = Deadline::never()) const;

  // For mp::wait: ready while the flag is set.
  [[nodiscard]] Waitable waitable() const;

  friend bool operator==(const Event&, const Event&) noexcept = default;
  // <Event(set)>
  friend MP_API std::ostream& operator<<(std::ostream& out, const Event& event);

 private:
  friend struct detail::HandleCodec<Event>;
  static constexpr const char* kNoun = "an Event";
  static constexpr std::uint32_t kObjectType = 5;
  explicit Event(detail::ObjectRef ref) noexcept : ref_{std::move(ref)} {}

  detail::ObjectRef ref_;
};

template <>
struct codec<Event> : detail::HandleCodec<Event> {
  static constexpr std::string_view kName = "mp.Event";
};

}  // namespace mp
