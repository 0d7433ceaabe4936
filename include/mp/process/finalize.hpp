// SPDX-License-Identifier: Apache-2.0
// mp/process/finalize.hpp — what is to happen when a process ends, and after a fork.
//
// A child of Process ends without destroying static objects and without its parent's atexit
// handlers. What it has to do at its end it says with a Finalize:
//
//     mp::Finalize flush{[&] { log.flush(); }, 10};     // by descending priority
//     flush();                                          // or now; either way once
//
// Threads: distinct objects are independent; calling and cancelling one from several threads is
//          safe. Functions run one at a time, in the thread that ends the process.
// Fork:    belongs to the process that made it: a forked child runs none of its parent's.
// Crash:   nothing runs in a process that is killed.
// Owns:    the registration. Destroying a Finalize cancels it.
// Python:  multiprocessing.util.Finalize and register_after_fork.
#pragma once

#include <functional>
#include <memory>

#include "mp/base/export.hpp"

namespace mp {

class MP_API Finalize {
 public:
  // Functions of priority 0 and above run before the children of the process are ended, those
  // below afterwards. Equal priorities: the latest first.
  explicit Finalize(std::function<void()> function, int priority = 0);
  ~Finalize();
  Finalize(Finalize&&) noexcept;
  Finalize& operator=(Finalize&&) noexcept;

  // Runs the function now, unless it has run, was cancelled, or belongs to another process.
  void operator()();
  void cancel() noexcept;
  [[nodiscard]] bool still_active() const noexcept;

  struct Entry;

 private:
  std::shared_ptr<Entry> entry_;
};

// Has every forked child of this process (and theirs) call `function` before it runs anything else.
MP_API void register_after_fork(std::function<void()> function);

}  // namespace mp
