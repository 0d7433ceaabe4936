// SPDX-License-Identifier: Apache-2.0
// memory/wait_source.hpp — what can be waited for together with other things.
//
// Whoever waits for several asks each whether it is ready; if none is, it announces itself to all
// (prepare), asks again, and sleeps on all the places it was told, or on descriptors.
//
// Threads: all members may be called from any thread.
#pragma once

#include <cstdint>

#include "memory/arena_layout.hpp"
#include "memory/tags.hpp"

namespace mp::memory {

// A futex word to sleep on while it is `expected`, and a thread whose end is to wake as well
// (0: nobody to watch yet; look again soon).
struct SleepPlace {
  const layout::Word* word = nullptr;
  std::uint32_t expected = 0;
  ThreadTag owner = 0;
  bool watches = false;  // whether there should be somebody to watch
};

}  // namespace mp::memory

namespace mp::detail {

class WaitSource {
 public:
  WaitSource() = default;
  WaitSource(const WaitSource&) = delete;
  WaitSource& operator=(const WaitSource&) = delete;
  virtual ~WaitSource() = default;

  // Whether what the user waits to do would not wait now. Finds out about the dead.
  [[nodiscard]] virtual bool ready() = 0;
  // The descriptor to poll; -1 when there is memory to sleep on.
  [[nodiscard]] virtual int descriptor() { return -1; }
  // Announces a sleeper; look at ready() after it, then sleep. Of those without a descriptor.
  [[nodiscard]] virtual memory::SleepPlace prepare() { return {}; }
  // The sleeper may have taken a wake-up that was meant for one who does something about it.
  virtual void pass_on() noexcept {}
};

}  // namespace mp::detail
