// SPDX-License-Identifier: Apache-2.0
// How primitives print: what they are, and who holds them. Everything is old news when it is read.
#include <ostream>
#include <string>
#include <string_view>

#include "mp/sync/barrier.hpp"
#include "mp/sync/condition.hpp"
#include "mp/sync/event.hpp"
#include "mp/sync/lock.hpp"
#include "mp/sync/rlock.hpp"
#include "mp/sync/semaphore.hpp"

#include "log/log.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "sync/lock_word.hpp"
#include "sync/sync_layout.hpp"

namespace mp {

namespace {

constexpr std::string_view kMovedFrom = "moved from";

// The name of the process, or its pid if it has none.
std::string name_of(memory::ProcessId process) {
  if (process == memory::this_process()) {
    return std::string{log::process_name()};
  }
  std::string name = memory::process_name(process);
  return name.empty() ? "process " + std::to_string(memory::pid_of(process)) : name;
}

void print_owner(std::ostream& out, const layout::LockObject& object) {
  const std::uint32_t owner = object.lock.word.load(std::memory_order_relaxed) & layout::kLockOwner;
  if (owner == 0) {
    out << "owner=None";
    return;
  }
  const memory::ProcessId process = owner == layout::kLockAbandoned ? 0 : memory::process_of(owner);
  if (process == 0 || memory::process_gone(owner)) {
    out << "owner=None, whose process died";
    return;
  }
  out << "owner=" << name_of(process);
  if ((object.flags.load(std::memory_order_relaxed) & layout::kLockRecursive) != 0) {
    out << ", count=" << object.lock.nested.load(std::memory_order_relaxed) + 1;
  }
}

void print_lock(std::ostream& out, const detail::ObjectRef& ref) {
  if (!ref) {
    out << "<Lock(" << kMovedFrom << ")>";
    return;
  }
  const layout::LockObject& object = sync::lock_object(ref);
  const bool recursive =
      (object.flags.load(std::memory_order_relaxed) & layout::kLockRecursive) != 0;
  out << (recursive ? "<RLock(" : "<Lock(");
  print_owner(out, object);
  out << ")>";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Lock& lock) {
  print_lock(out, lock.ref_);
  return out;
}

std::ostream& operator<<(std::ostream& out, const RLock& lock) {
  print_lock(out, lock.ref_);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Condition& condition) {
  out << "<Condition(";
  print_lock(out, condition.lock_);
  return out << ")>";
}

std::ostream& operator<<(std::ostream& out, const Event& event) {
  return out << "<Event(" << (!event.ref_ ? kMovedFrom : event.is_set() ? "set" : "clear") << ")>";
}

std::ostream& operator<<(std::ostream& out, const Barrier& barrier) {
  if (!barrier.ref_) {
    return out << "<Barrier(" << kMovedFrom << ")>";
  }
  out << "<Barrier(";
  if (barrier.broken()) {
    return out << "broken)>";
  }
  return out << "waiting=" << barrier.n_waiting() << '/' << barrier.parties() << ")>";
}

namespace detail {

std::ostream& operator<<(std::ostream& out, const SemaphoreHandle& semaphore) {
  if (!semaphore.ref_) {
    return out << "<Semaphore(" << kMovedFrom << ")>";
  }
  const auto& object = *reinterpret_cast<const layout::SemaphoreObject*>(semaphore.ref_.data());
  out << (object.owned != 0 ? "<BoundedSemaphore" : "<Semaphore")
      << "(value=" << semaphore.get_value();
  if (object.owned != 0) {
    out << ", maxvalue=" << object.cells;
  }
  return out << ")>";
}

}  // namespace detail

}  // namespace mp
