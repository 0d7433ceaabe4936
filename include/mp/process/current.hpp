// SPDX-License-Identifier: Apache-2.0
// mp/process/current.hpp — this process, its parent and its children.
//
// Threads: all functions may be called from any thread.
// Python:  multiprocessing.current_process, parent_process, active_children, cpu_count.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mp/base/export.hpp"
#include "mp/process/process_handle.hpp"

namespace mp {

// This process, as one knows oneself.
class MP_API CurrentProcess {
 public:
  // "MainProcess", or the name it was started under.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] int pid() const noexcept;
  [[nodiscard]] bool daemon() const noexcept;
  [[nodiscard]] std::string authkey() const;
  void set_name(std::string name);
  // Children that are started from now on inherit it.
  void set_authkey(std::string key);
};

[[nodiscard]] MP_API CurrentProcess current_process() noexcept;
// The process that started this one; nothing in the main process.
[[nodiscard]] MP_API std::optional<ProcessHandle> parent_process();
// The children that run. Children that have ended are reaped on the way.
[[nodiscard]] MP_API std::vector<ProcessHandle> active_children();
// How many CPUs this process may use, at least 1.
[[nodiscard]] MP_API int cpu_count();

}  // namespace mp
