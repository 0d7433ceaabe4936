// SPDX-License-Identifier: Apache-2.0
// memory/threads.hpp — thread tags and the leases that say whether their owner lives.
//
// A thread that claims shared state registers at its first claim and holds a lease, a robust futex,
// for the rest of its life; the kernel sets the lease's death bit when the thread is gone, however
// it went. Whoever meets a tag can tell with one load whether its owner will ever run again, and
// can sleep on the lease to be woken by its death.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory/arena_layout.hpp"
#include "memory/tags.hpp"

namespace mp::memory {

namespace detail {

// This thread's tag, 0 until it is registered; a fork makes it 0 in the child. Initial-exec, so
// that reading it is one load in a shared library too.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit ThreadTag thread_tag;
// Where its entry says what it works at; valid while it has a tag.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit layout::Word64* thread_inside;
ThreadTag register_this_thread();

}  // namespace detail

// The calling thread's tag; 0 before its first use of shared state.
[[nodiscard]] inline ThreadTag known_tag() noexcept {
  return detail::thread_tag;
}

// The calling thread's tag; registers the thread (and its process) at the first call.
[[nodiscard]] inline ThreadTag this_thread() {
  const ThreadTag tag = detail::thread_tag;
  return tag != 0 ? tag : detail::register_this_thread();
}

// What a thread works at without any lock of its own, because it has a bias: the place's offset in
// the arena, 0 = nothing. Written by the thread alone; of the calling thread, which has a tag.
[[nodiscard]] inline layout::Word64& inside_of_this_thread() noexcept {
  return *detail::thread_inside;
}
// Of another one. When that is gone, its successor's.
[[nodiscard]] const layout::Word64& inside_of(ThreadTag tag) noexcept;

// Whether the thread behind `tag` will never run again: it ended, or was killed.
[[nodiscard]] bool thread_gone(ThreadTag tag) noexcept;
// Whether the process of the thread behind `tag` is dead, or was killed and is being taken apart. A
// thread that merely ended while its process lives is not dead in this sense. Costs a look at /proc
// when the thread is gone but its process has not been buried yet.
[[nodiscard]] bool process_gone(ThreadTag tag) noexcept;
// The process that `tag` belonged to, 0 when that is known no longer (it is dead then).
[[nodiscard]] ProcessId process_of(ThreadTag tag) noexcept;

// A thread of `process` that lives and is registered, 0 when there is none.
[[nodiscard]] ThreadTag living_thread_of(ProcessId process) noexcept;

// The lease's futex word and the value it has while the owner lives, to sleep on; nullptr when the
// thread is gone already.
struct LeaseView {
  const layout::Word* word = nullptr;
  std::uint32_t alive = 0;
};
[[nodiscard]] LeaseView lease_of(ThreadTag tag) noexcept;

}  // namespace mp::memory
