// SPDX-License-Identifier: Apache-2.0
// Invariants
//   T1  An entry belongs to one process from its first claim until that process is buried; its
//       threads use it in turn, each under the next generation.
//   T2  A tag whose generation is the entry's names the thread that holds the lease now. An older
//       tag, down to first_generation, names a thread of the same process that has ended.
//   T3  The last entries are given out when no other is free, and whoever gets one buries some of
//       the dead at once (P4), which needs a tag.
#include "memory/threads.hpp"

#include <algorithm>

#include "mp/errors/error.hpp"

#include "memory/arena.hpp"
#include "memory/fences.hpp"
#include "memory/processes.hpp"
#include "memory/sweep.hpp"
#include "os/fork_hook.hpp"

namespace mp::memory {

namespace {

using layout::ThreadEntry;
using layout::ThreadState;

constexpr std::uint64_t make_word(ThreadState state, std::uint32_t generation, ProcessId process) {
  return std::uint64_t{static_cast<std::uint8_t>(state)} << 62 | std::uint64_t{generation} << 46 |
         process;
}
constexpr ThreadState state_of(std::uint64_t word) {
  return static_cast<ThreadState>(word >> 62);
}
constexpr std::uint32_t generation_of(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> 46) & kThreadGenerationMask;
}
constexpr ProcessId process_in(std::uint64_t word) {
  return static_cast<ProcessId>(word);
}

std::uint32_t next(std::uint32_t generation) {
  const std::uint32_t n = (generation + 1) & kThreadGenerationMask;
  return n == 0 ? 1 : n;
}

ThreadEntry* table() noexcept {
  return Arena::get().at<ThreadEntry>(layout::kThreadTableOffset);
}

// The child has one thread, this one, and it is another thread than the parent's.
[[gnu::hot]] void forget_tag() {
  detail::thread_tag = 0;
}

[[maybe_unused]] const bool hooked = [] {
  os::at_fork(nullptr, nullptr, forget_tag);
  return true;
}();

// Gives the entry back to the process when the thread ends in order. The lease is let go first: a
// tag whose lease is free but whose state is still held is gone all the same (thread_gone).
struct AtThreadExit {
  ~AtThreadExit() {
    if (detail::thread_tag == 0) {
      return;
    }
    ThreadEntry& entry = table()[thread_index(detail::thread_tag)];
    std::uint64_t word = entry.word.load(std::memory_order_relaxed);
    entry.word.compare_exchange_strong(
        word, make_word(ThreadState::idle, generation_of(word), process_in(word)));
    os::lease_release(entry.lease);
    detail::thread_tag = 0;
  }
};

bool lease_is_held(const ThreadEntry& entry) noexcept {
  const std::uint32_t word = entry.lease.word().load(std::memory_order_acquire);
  return (word & os::kLeaseThread) != 0 && (word & os::kLeaseDied) == 0;
}

constexpr std::uint32_t kEntries = kMaxThreads - kLastThreads;  // given out first

// Claims the entry if it is free, or was left by a thread of this process.
ThreadTag claim(std::uint32_t index, ProcessId me) {
  ThreadEntry& entry = table()[index];
  std::uint64_t word = entry.word.load(std::memory_order_acquire);
  const bool ours = state_of(word) != ThreadState::free && process_in(word) == me;
  if (state_of(word) != ThreadState::free &&
      !(ours && (state_of(word) == ThreadState::idle || os::lease_died(entry.lease)))) {
    return 0;
  }
  const std::uint32_t generation = next(generation_of(word));
  if (!entry.word.compare_exchange_strong(word, make_word(ThreadState::held, generation, me))) {
    return 0;
  }
  if (!ours) {
    entry.first_generation.store(generation);
  }
  entry.adopting.store(0);
  entry.inside.store(0);
  os::lease_init(entry.lease);
  if (!os::lease_hold(entry.lease)) {
    throw OutOfMemory{"this thread's lease cannot be taken"};
  }
  return make_thread_tag(index, generation);
}

// Claims an entry that a thread of this process has left in order.
ThreadTag claim_idle(ProcessId me) {
  const std::uint32_t used =
      std::min(Arena::get().header().thread_limit.load(std::memory_order_acquire), kMaxThreads);
  for (std::uint32_t index = 0; index < used; ++index) {
    const std::uint64_t word = table()[index].word.load(std::memory_order_relaxed);
    if (state_of(word) == ThreadState::idle && process_in(word) == me) {
      if (const ThreadTag tag = claim(index, me)) {
        return tag;
      }
    }
  }
  return 0;
}

// Claims a free entry, round robin; one of the last where no other is free.
ThreadTag claim_free(ProcessId me) {
  Arena& arena = Arena::get();
  layout::ArenaHeader& header = arena.header();
  const std::uint32_t first = header.thread_cursor.fetch_add(1, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < kMaxThreads; ++i) {
    const std::uint32_t index =
        i < kEntries ? (first + i) % kEntries : kEntries + (first + i) % kLastThreads;
    std::uint32_t limit = header.thread_limit.load(std::memory_order_relaxed);
    if (index >= limit) {
      arena.commit(arena.offset_of(&table()[index]), sizeof(ThreadEntry));
      while (limit <= index && !header.thread_limit.compare_exchange_weak(limit, index + 1)) {
      }
    }
    if (const ThreadTag tag = claim(index, me)) {
      return tag;
    }
  }
  throw OutOfMemory{"a tree cannot have more than 16384 threads that use shared objects at once"};
}

}  // namespace

namespace detail {

thread_local constinit ThreadTag thread_tag = 0;
thread_local constinit layout::Word64* thread_inside = nullptr;

ThreadTag register_this_thread() {
  const ProcessId me = this_process();  // throws where there is no arena
  if (thread_tag != 0) {
    return thread_tag;  // entering this process meant burying, for which this thread registered
  }
  note_start_time();
  join_heavy_fences();
  const ThreadTag idle = claim_idle(me);
  const ThreadTag tag = idle != 0 ? idle : claim_free(me);
  thread_inside = &table()[thread_index(tag)].inside;
  thread_tag = tag;
  thread_local AtThreadExit at_exit;
  static_cast<void>(&at_exit);
  if (idle == 0 && thread_index(tag) >= kEntries) {
    bury_the_dead(kBuriedAtOnce);  // T3
  }
  return tag;
}

}  // namespace detail

const layout::Word64& inside_of(ThreadTag tag) noexcept {
  return table()[thread_index(tag)].inside;
}

bool thread_gone(ThreadTag tag) noexcept {
  const ThreadEntry& entry = table()[thread_index(tag)];
  const std::uint64_t word = entry.word.load(std::memory_order_acquire);
  return generation_of(word) != thread_generation(tag) || state_of(word) != ThreadState::held ||
         !lease_is_held(entry);
}

ProcessId process_of(ThreadTag tag) noexcept {
  const ThreadEntry& entry = table()[thread_index(tag)];
  const std::uint64_t word = entry.word.load(std::memory_order_acquire);
  if (state_of(word) == ThreadState::free) {
    return 0;
  }
  const std::uint32_t now = generation_of(word);
  const std::uint32_t age = (now - thread_generation(tag)) & kThreadGenerationMask;
  const std::uint32_t span = (now - entry.first_generation.load()) & kThreadGenerationMask;
  return age <= span ? process_in(word) : 0;
}

bool process_gone(ThreadTag tag) noexcept {
  const ProcessId process = process_of(tag);
  if (process == 0) {
    return true;
  }
  return thread_gone(tag) && (is_dead(process) || is_ending(process));
}

ThreadTag living_thread_of(ProcessId process) noexcept {
  const std::uint32_t used =
      std::min(Arena::get().header().thread_limit.load(std::memory_order_acquire), kMaxThreads);
  for (std::uint32_t index = 0; index < used; ++index) {
    const ThreadEntry& entry = table()[index];
    const std::uint64_t word = entry.word.load(std::memory_order_acquire);
    if (state_of(word) == ThreadState::held && process_in(word) == process &&
        lease_is_held(entry)) {
      return make_thread_tag(index, generation_of(word));
    }
  }
  return 0;
}

LeaseView lease_of(ThreadTag tag) noexcept {
  ThreadEntry& entry = table()[thread_index(tag)];
  auto& word = const_cast<layout::Word&>(entry.lease.word());
  std::uint32_t seen = word.load(std::memory_order_acquire);
  // The kernel wakes at a death only if the word says that somebody sleeps on it.
  while ((seen & os::kLeaseSleepers) == 0) {
    if (thread_gone(tag)) {
      return {};
    }
    if (word.compare_exchange_weak(seen, seen | os::kLeaseSleepers)) {
      seen |= os::kLeaseSleepers;
    }
  }
  return thread_gone(tag) ? LeaseView{} : LeaseView{&word, seen};
}

void sweep_threads(ProcessId dead) noexcept {
  const std::uint32_t used =
      std::min(Arena::get().header().thread_limit.load(std::memory_order_acquire), kMaxThreads);
  for (std::uint32_t index = 0; index < used; ++index) {
    ThreadEntry& entry = table()[index];
    std::uint64_t word = entry.word.load(std::memory_order_acquire);
    if (state_of(word) != ThreadState::free && process_in(word) == dead) {
      entry.word.compare_exchange_strong(word,
                                         make_word(ThreadState::free, generation_of(word), 0));
    }
  }
}

}  // namespace mp::memory
