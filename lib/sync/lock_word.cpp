// SPDX-License-Identifier: Apache-2.0
#include "sync/lock_word.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "memory/gate.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "sync/contention.hpp"
#include "sync/whereabouts.hpp"

namespace mp::sync {

namespace {

using layout::kLockAbandoned;
using layout::kLockOwner;
using layout::kLockSleepers;
using layout::kLockWaking;
using layout::LockWord;
using memory::ThreadTag;
using namespace std::chrono_literals;

// How long a sleep lasts at most that begins while `waking` is up (L5).
constexpr auto kWakingSlice = 1ms;

constexpr bool is_held(std::uint32_t seen) {
  return (seen & kLockOwner) > kLockAbandoned;
}
constexpr bool is_abandoned(std::uint32_t seen) {
  return (seen & kLockOwner) == kLockAbandoned;
}

// Records that the owner in `seen` died without releasing. Wakes all sleepers, to look again.
void abandon(LockWord& lock, std::uint32_t seen) noexcept {
  const memory::ArmedWake armed;
  if (lock.word.compare_exchange_strong(seen, kLockAbandoned | (seen & kLockSleepers)) &&
      (seen & kLockSleepers) != 0) {
    memory::word_wake(lock.word, memory::kAll);
  }
}

// After the release of a lock to one who sleeps: wakes one.
void wake_one(LockWord& lock) noexcept {
  static_cast<void>(meet_at(lock.cpus));
  if (memory::word_wake(lock.word, 1) != 0) {
    return;
  }
  // Nobody slept, so nobody is on the way. Whoever slept puts `sleepers` back up (L2).
  std::uint32_t seen = kLockSleepers | kLockWaking;
  if (lock.word.compare_exchange_strong(seen, 0, std::memory_order_relaxed)) {
    // But somebody may have come since and fallen asleep, and the lock been released to this same
    // value without a wake-up, because one seemed on its way.
    memory::word_wake(lock.word, 1);
    return;
  }
  while ((seen & kLockWaking) != 0 &&
         !lock.word.compare_exchange_weak(seen, seen & ~kLockWaking, std::memory_order_relaxed)) {
  }
}

// Sleeps while the word is `seen` and its owner may still release it.
class Sleep {
 public:
  // The owner's thread lives, or is the caller itself (0).
  void on_thread(const LockWord& lock, std::uint32_t seen, Deadline until, ThreadTag owner) {
    patience_ = kShort;
    memory::word_sleep(lock.word, seen, until, owner);
  }
  // The owner's thread is gone and its process not yet known to be dead: it is being torn down,
  // or goes on without that thread. A sibling's lease tells of its end; where there is none left,
  // slices do, for what proves a death cannot be slept on together with the word.
  void on_process(const LockWord& lock, std::uint32_t seen, Deadline until, ThreadTag owner) {
    const ThreadTag sibling = memory::living_thread_of(memory::process_of(owner));
    if (sibling != 0) {
      on_thread(lock, seen, until, sibling);
      return;
    }
    memory::word_sleep(lock.word, seen, until.no_later_than(patience_));
    patience_ = std::min<std::chrono::nanoseconds>(patience_ * 2, 50ms);
  }

 private:
  static constexpr std::chrono::nanoseconds kShort = 50us;
  std::chrono::nanoseconds patience_ = kShort;
};

const LockWord& lock_in(const std::byte* object) noexcept {
  return reinterpret_cast<const layout::LockObject*>(object)->lock;
}

[[maybe_unused]] const bool registered = memory::register_object_type(
    memory::ObjectType::lock, {.destroy = nullptr,
                               .on_death =
                                   [](std::byte* object, memory::ProcessId process) {
                                     lock_on_death(const_cast<LockWord&>(lock_in(object)), process);
                                   },
                               .on_release = nullptr});

}  // namespace

Taken lock_acquire_slowly(LockWord& lock, ThreadTag me, Deadline until, OnDeath policy) noexcept {
  std::optional<memory::ArmedWake> armed;  // L3
  std::uint32_t keep = ~0u;                // of the flags, L5
  std::uint32_t slept = 0;                 // L2
  Sleep sleep;
  for (;;) {
    std::uint32_t seen = lock.word.load(std::memory_order_relaxed);
    if (!is_held(seen)) {
      if (is_abandoned(seen) && policy == OnDeath::tell) {
        return Taken::owner_died;
      }
      const std::uint32_t mine = me | (seen & ~kLockOwner & keep) | slept;
      // Acquire: pairs with the release in lock_release, and with the lease's word for the dead.
      if (lock.word.compare_exchange_weak(seen, mine, std::memory_order_acquire)) {
        if (is_abandoned(seen)) {
          lock.nested.store(0, std::memory_order_relaxed);
        }
        return Taken::yes;
      }
      continue;
    }
    const ThreadTag owner = seen & kLockOwner;
    const bool gone = owner != me && memory::thread_gone(owner);
    if (gone && memory::process_gone(owner)) {  // L4
      abandon(lock, seen);
      continue;
    }
    if (until.passed()) {
      const std::uint32_t without = (seen & keep) | slept;
      if (without == seen || lock.word.compare_exchange_weak(seen, without)) {
        return Taken::timed_out;
      }
      continue;
    }
    if (owner != me && !gone) {
      if (Contention::of(lock.word).overdue((seen & kLockWaking) != 0)) {
        keep = ~kLockWaking;
      }
      if (Contention::spin(lock.word, kLockOwner, kLockAbandoned, meet_at(lock.cpus))) {
        continue;
      }
    }
    const std::uint32_t asleep = (seen & keep) | kLockSleepers;
    if (asleep != seen && !lock.word.compare_exchange_weak(seen, asleep)) {
      continue;
    }
    if (!armed) {
      armed.emplace();
      slept = kLockSleepers;
    }
    fall_asleep_at(lock.cpus);
    const Deadline slice = (asleep & kLockWaking) != 0 ? until.no_later_than(kWakingSlice) : until;
    if (gone) {
      sleep.on_process(lock, asleep, slice, owner);
    } else {
      sleep.on_thread(lock, asleep, slice, owner == me ? 0 : owner);
    }
    keep = ~kLockWaking;
  }
}

Released lock_release_slowly(LockWord& lock, ThreadTag me, OnDeath policy, Releaser who) noexcept {
  for (;;) {
    std::uint32_t seen = lock.word.load(std::memory_order_relaxed);
    if (!is_held(seen)) {
      const bool closed = is_abandoned(seen) && policy == OnDeath::tell;
      return closed                   ? Released::owner_died
             : who == Releaser::owner ? Released::not_owner
                                      : Released::was_free;
    }
    const ThreadTag owner = seen & kLockOwner;
    if (owner != me) {
      if (who == Releaser::owner) {
        return Released::not_owner;
      }
      if (memory::thread_gone(owner) && memory::process_gone(owner)) {
        abandon(lock, seen);
        continue;
      }
    }
    const std::uint32_t flags = seen & ~kLockOwner;
    if (flags != kLockSleepers) {  // nobody sleeps, or somebody is being woken
      if (lock.word.compare_exchange_weak(seen, (flags & kLockSleepers) == 0 ? 0 : flags,
                                          std::memory_order_release)) {
        return Released::yes;
      }
      continue;
    }
    const memory::ArmedWake armed;
    if (lock.word.compare_exchange_weak(seen, kLockSleepers | kLockWaking,
                                        std::memory_order_release)) {
      wake_one(lock);
      return Released::yes;
    }
  }
}

bool lock_is_closed(const LockWord& lock, OnDeath policy) noexcept {
  const std::uint32_t seen = lock.word.load(std::memory_order_relaxed);
  return is_held(seen) || (is_abandoned(seen) && policy == OnDeath::tell);
}

bool lock_recover(LockWord& lock, ThreadTag me) noexcept {
  for (;;) {
    std::uint32_t seen = lock.word.load(std::memory_order_relaxed);
    if (is_abandoned(seen)) {
      if (lock.word.compare_exchange_weak(seen, me | (seen & ~kLockOwner),
                                          std::memory_order_acquire)) {
        lock.nested.store(0, std::memory_order_relaxed);
        return true;
      }
    } else if ((seen & kLockOwner) == me) {
      return false;
    } else if (lock_acquire(lock, me, Deadline::never(), OnDeath::tell) == Taken::yes) {
      return false;
    }
  }
}

void lock_on_death(LockWord& lock, memory::ProcessId process) noexcept {
  const std::uint32_t seen = lock.word.load(std::memory_order_acquire);
  const ThreadTag owner = seen & kLockOwner;
  if (is_held(seen) && memory::process_of(owner) == process) {
    abandon(lock, seen);
  }
}

mp::detail::ObjectRef make_lock_object(std::uint32_t flags, std::uint64_t payload, bool sparse) {
  memory::ObjectBuilder builder{memory::ObjectType::lock, sizeof(layout::LockObject) + payload,
                                sparse};
  auto& object = *reinterpret_cast<layout::LockObject*>(builder.data());
  object.flags.store(flags, std::memory_order_relaxed);
  object.payload = payload;
  return builder.publish();
}

}  // namespace mp::sync
