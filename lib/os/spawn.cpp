// SPDX-License-Identifier: Apache-2.0
#include "os/spawn.hpp"

#include <algorithm>
#include <cerrno>

#include <spawn.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/check.hpp"
#include "os/pidfd.hpp"
#include "os/signal_set.hpp"

namespace mp::os {

namespace {

class FileActions {
 public:
  FileActions() {
    check(::posix_spawn_file_actions_init(&actions_), Sys::posix_spawn, "file actions");
  }
  ~FileActions() { (void)::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  // libc clears close-on-exec when both numbers are the same.
  void duplicate(int from, int to) {
    check(::posix_spawn_file_actions_adddup2(&actions_, from, to), Sys::posix_spawn, "dup2");
  }
  void close(int fd) {
    check(::posix_spawn_file_actions_addclose(&actions_, fd), Sys::posix_spawn, "close");
  }
  void close_from(int fd) {
    check(::posix_spawn_file_actions_addclosefrom_np(&actions_, fd), Sys::posix_spawn, "closefrom");
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  explicit Attributes(const SpawnOptions& options) {
    check(::posix_spawnattr_init(&attributes_), Sys::posix_spawn, "attributes");
    int flags = POSIX_SPAWN_SETSIGDEF;
    const sigset_t defaults = to_sigset(options.defaults);
    (void)::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    if (options.mask) {
      flags |= POSIX_SPAWN_SETSIGMASK;
      const sigset_t mask = to_sigset(*options.mask);
      (void)::posix_spawnattr_setsigmask(&attributes_, &mask);
    }
    (void)::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
  }
  ~Attributes() { (void)::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  [[nodiscard]] const posix_spawnattr_t* get() const noexcept { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

// argv or envp: pointers into `words`, and a null.
std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (const std::string& word : words) {
    list.push_back(const_cast<char*>(word.c_str()));
  }
  list.push_back(nullptr);
  return list;
}

// The first number after the standard ones that no mapping writes, nor any above it.
int first_above(const std::vector<FdMapping>& wanted) {
  int above = STDERR_FILENO + 1;
  for (const FdMapping& each : wanted) {
    above = std::max(above, each.to + 1);
  }
  return above;
}

// A descriptor that is to be copied after its number was overwritten would be the wrong one. Such
// are first copied out of the way, above every number that is written; `spare` owns the copies.
std::vector<FdMapping> without_collisions(const std::vector<FdMapping>& wanted,
                                          std::vector<Fd>& spare) {
  const int above = first_above(wanted);
  std::vector<FdMapping> safe = wanted;
  for (FdMapping& each : safe) {
    const bool overwritten = std::any_of(wanted.begin(), wanted.end(), [&](const FdMapping& other) {
      return other.to == each.from && other.from != each.from;
    });
    if (overwritten) {
      spare.push_back(duplicate(each.from, above));
      each.from = spare.back().get();
    }
  }
  return safe;
}

}  // namespace

Child spawn(const SpawnOptions& options) {
  std::vector<Fd> spare;
  FileActions actions;
  for (const FdMapping& each : without_collisions(options.fds, spare)) {
    actions.duplicate(each.from, each.to);
  }
  const int above = first_above(options.fds);
  for (int fd = STDERR_FILENO + 1; fd < above; ++fd) {
    if (std::none_of(options.fds.begin(), options.fds.end(),
                     [fd](const FdMapping& each) { return each.to == fd; })) {
      actions.close(fd);
    }
  }
  actions.close_from(above);
  const Attributes attributes{options};
  const std::vector<char*> arguments = pointers(options.arguments);
  const std::vector<char*> environment =
      options.environment ? pointers(*options.environment) : std::vector<char*>{};
  Child child;
  const int error = call_status(Sys::posix_spawn, [&] {
    return ::posix_spawn(&child.pid, options.path.c_str(), actions.get(), attributes.get(),
                         arguments.data(), options.environment ? environment.data() : ::environ);
  });
  check(error, Sys::posix_spawn, options.path);
  try {
    child.pidfd = pidfd_open(child.pid);
  } catch (const OsError&) {
    // The child runs: without a descriptor (EMFILE), or reaped already (SIGCHLD is ignored).
  }
  return child;
}

}  // namespace mp::os
