// SPDX-License-Identifier: Apache-2.0
// mp/pool/progress.hpp — how far a map is, on stderr.
//
//     pool.map(f, xs, {.progress = "training"});
//     training   42 % |########            |  420 of 1000, 12.3 s, 17.0 s left, 34.1/s
//
// With MP_PROGRESS=1 in the environment every map and imap of the program has a bar, named by its
// callable. On a terminal there is a line for each that runs, drawn anew at most ten times a second
// by whoever waits for results; in a file or pipe a line for each tenth (when the length is not
// known, for each doubling); nothing when stderr is closed.
//
// Threads: everything may be called from any thread.
// Blocks:  tick, as long as writing to stderr does.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <typeinfo>

#include "mp/base/export.hpp"

namespace mp::detail {

// One bar. It is done when as many items have ended as there are, or when nobody has it any more.
class MP_API Progress {
 public:
  Progress(std::string label, std::uint64_t total);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Neither waits nor writes.
  void advance(std::uint64_t items) noexcept { done_.fetch_add(items, std::memory_order_relaxed); }
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  // 0: not known.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t done() const noexcept {
    return done_.load(std::memory_order_relaxed);
  }

 private:
  std::string label_;
  std::uint64_t total_;
  std::atomic<std::uint64_t> done_{0};
};

// A bar with this label; with an empty one null, unless MP_PROGRESS asks for bars.
[[nodiscard]] MP_API std::shared_ptr<Progress> make_progress(const std::string& label,
                                                             const std::type_info& callable,
                                                             std::uint64_t total);

// Whether any bar is shown at this moment.
[[nodiscard]] MP_API bool progress_is_shown() noexcept;
// Draws what is due.
MP_API void tick_progress() noexcept;

}  // namespace mp::detail
