// SPDX-License-Identifier: Apache-2.0
// The hooks are in a table of our own, and pthread_atfork knows only the three functions that walk
// it, so that a raw clone can run exactly what a fork runs.
#include "os/fork_hook.hpp"

#include <array>
#include <atomic>

#include <pthread.h>

#include "mp/base/contract.hpp"

#include "os/check.hpp"

namespace mp::os {

namespace {

struct Hooks {
  ForkHook prepare;
  ForkHook parent;
  ForkHook child;
  std::atomic<bool> ready;
};

constinit std::array<Hooks, kMaxForkHooks> table{};
constinit std::atomic<int> taken{0};

// Which entries `prepare` ran: after the fork the same ones run, whatever was added meanwhile.
// The thread that forks is the thread that runs on in the child.
static_assert(kMaxForkHooks <= 32);
thread_local constinit unsigned prepared = 0;

[[gnu::hot]] void run_after(ForkHook Hooks::*which) noexcept {
  for (unsigned i = 0; i != table.size(); ++i) {
    if ((prepared & (1U << i)) != 0 && table[i].*which != nullptr) {
      (table[i].*which)();
    }
  }
  prepared = 0;
}

int install() noexcept {
  static const int error =
      ::pthread_atfork([] { run_prepare_hooks(); }, [] { run_parent_hooks(); }, run_child_hooks);
  return error;
}

// When the program is loaded, so that no fork finds the guard of that static half taken. at_fork
// may still come first, from another file's initialisation.
[[maybe_unused]] const int installed_at_load = install();

}  // namespace

void at_fork(ForkHook prepare, ForkHook parent, ForkHook child) {
  check(install(), Sys::clone, "pthread_atfork");
  const int index = taken.fetch_add(1);
  MP_EXPECTS(index < kMaxForkHooks, "at_fork has room for 32 registrations");
  Hooks& hooks = table[static_cast<unsigned>(index)];
  hooks.prepare = prepare;
  hooks.parent = parent;
  hooks.child = child;
  hooks.ready.store(true, std::memory_order_release);  // pairs with the load in run_prepare_hooks
}

void run_prepare_hooks() noexcept {
  prepared = 0;
  for (unsigned i = kMaxForkHooks; i-- != 0;) {
    if (table[i].ready.load(std::memory_order_acquire)) {  // pairs with the store in at_fork
      prepared |= 1U << i;
      if (table[i].prepare != nullptr) {
        table[i].prepare();
      }
    }
  }
}

void run_parent_hooks() noexcept {
  run_after(&Hooks::parent);
}

[[gnu::hot]] void run_child_hooks() noexcept {
  run_after(&Hooks::child);
}

}  // namespace mp::os
