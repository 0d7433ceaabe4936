// SPDX-License-Identifier: Apache-2.0
// memory/feed.hpp — a descriptor that is readable while something in shared memory is ready.
//
// Between the two stands a thread of this process (the bridge) that sleeps on the futexes and
// raises the descriptors, which are eventfds. It sleeps as a receiver would, on the lives of peers
// and on the tree's gate too, so no death between a commit and its wake-up leaves an epoll_wait
// asleep. It runs while there is a feed.
//
// Threads: all members may be called from any thread.
// Fork:    a child has no bridge: a feed works in the process that made it.
// Throws:  the constructor: OsError; std::system_error when there can be no more threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "memory/wait_source.hpp"
#include "os/fd.hpp"

namespace mp::memory {

struct FeedEntry;

class Feed {
 public:
  // Readable once one of the sources is ready. The sources are not kept alive.
  explicit Feed(std::span<const std::shared_ptr<mp::detail::WaitSource>> sources);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  [[nodiscard]] int fileno() const noexcept;
  // To be called after something was taken from a source: makes the descriptor unreadable if none
  // is ready any more.
  void lower() noexcept;
  // Whether it was made by this process.
  [[nodiscard]] bool is_ours() const noexcept;

 private:
  void leave() noexcept;

  std::vector<std::shared_ptr<FeedEntry>> entries_;
  std::shared_ptr<os::Fd> event_;
  std::uint32_t generation_;
};

}  // namespace mp::memory
