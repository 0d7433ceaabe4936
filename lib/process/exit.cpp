// SPDX-License-Identifier: Apache-2.0
#include "process/exit.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "mp/memory/object_ref.hpp"
#include "mp/process/finalize.hpp"

#include "memory/fork_mutex.hpp"
#include "memory/processes.hpp"
#include "os/parent_death.hpp"
#include "os/signal.hpp"
#include "os/start_marker.hpp"
#include "os/stdio.hpp"

namespace mp {

struct Finalize::Entry {
  std::function<void()> function;
  int priority;
  std::uint32_t fork_generation;
};

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{10};

struct Registry {
  std::vector<std::shared_ptr<Finalize::Entry>> finalizers;  // in the order of their making
  std::vector<std::function<void()>> after_fork;
};
[[gnu::hot]] Registry& registry() {  // guarded by mutex
  static auto* all = new Registry;
  return *all;
}
// Made when the program is loaded, or every forked child would make its own.
[[maybe_unused]] const Registry& made_at_load = registry();

// Takes the function out of an entry, if it is still there and ours.
std::function<void()> take(Finalize::Entry& entry) {
  const std::lock_guard hold{mutex};
  std::erase_if(registry().finalizers, [&](const auto& one) { return one.get() == &entry; });
  if (entry.fork_generation != detail::fork_generation) {
    return nullptr;
  }
  return std::exchange(entry.function, nullptr);
}

// Runs what has at least this priority, the highest first, the latest of equals first.
[[gnu::hot]] void run_finalizers(int least) {
  for (;;) {
    std::shared_ptr<Finalize::Entry> next;
    {
      const std::lock_guard hold{mutex};
      for (const auto& entry : registry().finalizers) {
        if (entry->priority >= least && (next == nullptr || entry->priority >= next->priority)) {
          next = entry;
        }
      }
    }
    if (next == nullptr) {
      return;
    }
    if (const auto function = take(*next)) {
      try {
        function();
      } catch (const std::exception& error) {
        os::write_stderr("mp: a finalizer failed: " + std::string{error.what()} + "\n");
      } catch (...) {
        os::write_stderr("mp: a finalizer failed\n");
      }
    }
  }
}

}  // namespace

Finalize::Finalize(std::function<void()> function, int priority)
    : entry_{
          std::make_shared<Entry>(Entry{std::move(function), priority, detail::fork_generation})} {
  process::arrange_orderly_exit();
  const std::lock_guard hold{mutex};
  registry().finalizers.push_back(entry_);
}

Finalize::~Finalize() {
  cancel();
}
Finalize::Finalize(Finalize&&) noexcept = default;

Finalize& Finalize::operator=(Finalize&& other) noexcept {
  if (this != &other) {
    cancel();
    entry_ = std::move(other.entry_);
  }
  return *this;
}

void Finalize::operator()() {
  if (entry_ != nullptr) {
    if (const auto function = take(*entry_)) {
      function();
    }
  }
}

void Finalize::cancel() noexcept {
  if (entry_ != nullptr) {
    take(*entry_);
    entry_ = nullptr;
  }
}

bool Finalize::still_active() const noexcept {
  const std::lock_guard hold{mutex};
  return entry_ != nullptr && entry_->function != nullptr &&
         entry_->fork_generation == detail::fork_generation;
}

void register_after_fork(std::function<void()> function) {
  const std::lock_guard hold{mutex};
  registry().after_fork.push_back(std::move(function));
}

namespace process {

namespace {

struct KnownChild {
  std::shared_ptr<ChildProcess> child;
  bool daemon;
};
[[gnu::hot]] std::vector<KnownChild>& known() {  // guarded by mutex
  static auto* children = new std::vector<KnownChild>;
  return *children;
}

[[gnu::hot]] std::vector<KnownChild> own_children() {
  const std::lock_guard hold{mutex};
  std::erase_if(known(), [](const KnownChild& one) { return !one.child->is_ours(); });
  return known();
}

[[gnu::hot]] void end_children() {
  const std::vector<KnownChild> children = own_children();
  for (const auto& [child, daemon] : children) {
    if (daemon) {
      child->signal(os::kSigTerm);
    }
  }
  for (const auto& [child, daemon] : children) {
    child->wait(Deadline::never());
    forget_child(*child);
  }
}

[[gnu::hot]] void end_in_order() {
  run_finalizers(0);
  end_children();
  Zygote::end_forkserver();
  run_finalizers(std::numeric_limits<int>::min());
}

std::uint32_t arranged_for = 0;  // the fork generation; guarded by mutex
bool ending = false;

}  // namespace

void arrange_orderly_exit() {
  // Held to the end: nobody forks meanwhile, or the C library's lock of its exit handlers would
  // stay locked in the child, which registers one as well.
  const std::lock_guard hold{mutex};
  if (std::exchange(arranged_for, mp::detail::fork_generation) == mp::detail::fork_generation) {
    return;
  }
  // In a forked child of ours this never runs: end_child comes before it and does not return. In
  // a child that was forked by hand it serves that child.
  os::at_exit([] {
    if (arranged_for == mp::detail::fork_generation && !std::exchange(ending, true)) {
      try {
        end_in_order();
      } catch (const std::exception& error) {
        os::write_stderr("mp: at exit: " + std::string{error.what()} + "\n");
      }
    }
  });
}

[[gnu::hot]] void end_child(int code) noexcept {
  if (!std::exchange(ending, true)) {
    try {
      end_in_order();
    } catch (const std::exception& error) {
      os::write_stderr("mp: at exit: " + std::string{error.what()} + "\n");
    }
  }
  os::flush_output();
  memory::set_exit_code(code);
  os::exit_now(code);
}

[[gnu::hot]] void forget_inherited() {
  const std::lock_guard hold{mutex};
  registry().finalizers.clear();
  known().clear();
  arranged_for = mp::detail::fork_generation;
  ending = false;
}

[[gnu::hot]] void run_after_fork_hooks() {
  // One by one, since a hook may register another; a copy of all would be the child's first use of
  // the heap, which costs it half a dozen pages.
  for (std::size_t i = 0;; ++i) {
    std::function<void()> hook;
    {
      const std::lock_guard hold{mutex};
      if (i >= registry().after_fork.size()) {
        return;
      }
      hook = registry().after_fork[i];
    }
    hook();
  }
}

void remember_child(std::shared_ptr<ChildProcess> child, bool daemon) {
  arrange_orderly_exit();
  const std::lock_guard hold{mutex};
  known().push_back({std::move(child), daemon});
}

void forget_child(const ChildProcess& child) noexcept {
  const std::lock_guard hold{mutex};
  std::erase_if(known(), [&](const KnownChild& one) { return one.child.get() == &child; });
}

}  // namespace process

}  // namespace mp
