// SPDX-License-Identifier: Apache-2.0
#include "memory/arena.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <string>
#include <system_error>

#include "mp/errors/error.hpp"

#include "memory/fork_mutex.hpp"
#include "os/clock.hpp"
#include "os/map.hpp"
#include "os/memfd.hpp"
#include "os/proc.hpp"

namespace mp::memory {

namespace {

// In a program whose stdin or stdout is closed a new descriptor would take its place, and be
// printed into.
constexpr int kNoStandardStream = 3;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kGrowth = 1 << 20;  // the file grows in steps of this
constexpr std::uint64_t kSmallest = layout::kHeapOffset + (1 << 20);
#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kDefaultCapacity = std::uint64_t{512} << 30;  // what TSan leaves free
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr std::uint64_t kDefaultCapacity = std::uint64_t{512} << 30;
#else
constexpr std::uint64_t kDefaultCapacity = std::uint64_t{1} << 40;
#endif
#else
constexpr std::uint64_t kDefaultCapacity = std::uint64_t{1} << 40;
#endif

std::atomic<Arena*> the_arena{nullptr};
bool has_left = false;  // set in a process of one thread
[[gnu::section("mp_at_fork")]] ForkMutex creation{60};

std::uint64_t round_up(std::uint64_t n, std::uint64_t step) {
  return (n + step - 1) / step * step;
}

[[noreturn]] void throw_out_of_memory(const char* what, int error) {
  throw OutOfMemory{std::string{what} + ": " + std::system_category().message(error)};
}

// MP_ARENA_SIZE: bytes, with an optional suffix K, M or G. Anything else is ignored.
std::uint64_t wanted_capacity() {
  const auto text = os::trusted_env("MP_ARENA_SIZE");
  if (!text) {
    return kDefaultCapacity;
  }
  std::uint64_t size = 0;
  const char* end = text->data() + text->size();
  const auto [rest, failure] = std::from_chars(text->data(), end, size);
  unsigned shift = 0;
  if (rest != end) {
    shift = *rest == 'K' ? 10 : *rest == 'M' ? 20 : *rest == 'G' ? 30 : 0;
  }
  const bool whole = rest == end || (shift != 0 && rest + 1 == end);
  if (failure != std::errc{} || !whole || size == 0 || size > (kDefaultCapacity >> shift)) {
    return kDefaultCapacity;
  }
  const std::uint64_t bytes = round_up(size << shift, kGrowth);
  return bytes < kSmallest ? kSmallest : bytes;
}

}  // namespace

Arena* Arena::existing() noexcept {
  return the_arena.load(std::memory_order_acquire);  // pairs with the release in create, attach
}

[[gnu::hot]] Arena& Arena::get() {
  Arena* arena = existing();
  return arena != nullptr ? *arena : *create();
}

Arena* Arena::create() {
  const std::lock_guard hold{creation};
  if (Arena* arena = existing()) {
    return arena;
  }
  if (has_left) {
    throw WrongProcess{"an isolated child has no shared memory: nothing shared can be used in it"};
  }
  os::Fd fd = os::memfd_create("mp-arena");
  if (fd.get() < kNoStandardStream) {
    fd = fd.duplicate(kNoStandardStream);
  }
  std::uint64_t capacity = wanted_capacity();
  if (const int error = os::grow_file(fd.get(), layout::kHeapOffset)) {
    throw_out_of_memory("the shared arena cannot be made", error);
  }
  os::seal_against_shrinking(fd.get());
  static Arena arena;
  arena.map(fd.get(), capacity);
  arena.fd_ = fd.release();
  arena.commit(0, layout::kExtentTableOffset + memory::kMaxExtents * 8);
  layout::ArenaHeader& header = arena.header();
  header.magic = layout::kArenaMagic;
  header.version = layout::kArenaVersion;
  header.header_size = sizeof(layout::ArenaHeader);
  header.capacity = arena.capacity_;
  header.nonce = static_cast<std::uint64_t>(os::monotonic_ns()) ^
                 (static_cast<std::uint64_t>(os::pid()) << 40);
  header.file_size.store(layout::kHeapOffset, std::memory_order_relaxed);
  the_arena.store(&arena, std::memory_order_release);
  return &arena;
}

Arena& Arena::attach(int inherited) {
  const std::lock_guard hold{creation};
  if (existing() != nullptr) {
    throw UsageError{"this process has an arena already and cannot join another tree"};
  }
  os::Fd fd = os::Fd{inherited}.duplicate(kNoStandardStream);
  if (os::file_size(fd.get()) < layout::kHeapOffset || !os::is_sealed_against_shrinking(fd.get())) {
    throw DecodeError{"the descriptor is no arena of mp"};
  }
  static Arena arena;
  arena.map(fd.get(), layout::kHeapOffset);
  const layout::ArenaHeader& header = arena.header();
  const std::uint64_t capacity = header.capacity;
  const bool sane = header.magic == layout::kArenaMagic &&
                    header.version == layout::kArenaVersion &&
                    header.header_size == sizeof(layout::ArenaHeader) && capacity >= kSmallest &&
                    capacity % kGrowth == 0;
  os::unmap(arena.base_, layout::kHeapOffset);
  arena.base_ = nullptr;
  if (!sane) {
    throw DecodeError{"the descriptor is no arena of this version of mp"};
  }
  arena.map(fd.get(), capacity);
  if (arena.capacity_ != capacity) {
    throw OutOfMemory{"the tree's arena does not fit into this process's address space"};
  }
  arena.fd_ = fd.release();
  the_arena.store(&arena, std::memory_order_release);
  return arena;
}

void Arena::leave() noexcept {
  has_left = true;
  if (Arena* arena = the_arena.exchange(nullptr)) {
    os::unmap(arena->base_, arena->capacity_);
    os::Fd{arena->fd_}.reset();
  }
}

// Maps `capacity` bytes, or half as often as the kernel refuses.
void Arena::map(int fd, std::uint64_t capacity) {
  for (;;) {
    const auto mapped = os::map_shared(fd, capacity);
    if (mapped.ok()) {
      base_ = static_cast<std::byte*>(mapped.value);
      capacity_ = capacity;
      os::dont_dump(base_, capacity);
      return;
    }
    const std::uint64_t half = capacity / 2 / kGrowth * kGrowth;
    if (half < kSmallest) {
      throw_out_of_memory("the shared arena cannot be mapped", mapped.error);
    }
    capacity = half;
  }
}

void Arena::grow(std::uint64_t size) {
  layout::ArenaHeader& shared = header();
  // Relaxed: the file itself is the truth; a stale hint costs a system call.
  std::uint64_t known = shared.file_size.load(std::memory_order_relaxed);
  if (size <= known) {
    return;
  }
  if (size > capacity_) {
    throw OutOfMemory{"the shared arena is full"};
  }
  const std::uint64_t wanted = std::min(round_up(size, kGrowth), capacity_);
  if (os::file_size(fd_) < wanted) {
    // Should another process have made it longer meanwhile, the seal refuses with EPERM.
    const int error = os::grow_file(fd_, wanted);
    if (error != 0 && os::file_size(fd_) < size) {
      throw_out_of_memory("the shared arena cannot grow", error);
    }
  }
  while (known < wanted && !shared.file_size.compare_exchange_weak(known, wanted)) {
  }
}

void Arena::commit(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t from = offset / kPage * kPage;
  const std::uint64_t to = round_up(offset + size, kPage);
  if (const int error = os::commit_pages(fd_, from, base_ + from, to - from)) {
    throw_out_of_memory("shared memory cannot be had", error);
  }
}

bool Arena::release(std::uint64_t offset, std::uint64_t size) noexcept {
  const std::uint64_t from = round_up(offset, kPage);
  const std::uint64_t to = (offset + size) / kPage * kPage;
  return from < to && os::release_pages(base_ + from, to - from) == 0;
}

}  // namespace mp::memory
