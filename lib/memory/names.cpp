// SPDX-License-Identifier: Apache-2.0
// Invariants
//   N1  A name is readable in its entry before a file of that name is made by us, so no kill leaves
//       a file that nobody knows of.
//   N2  A file is removed only if it is the one that was registered. Between its making and the
//   note
//       of its inode it has no byte yet.
//   N3  Who may make names holds the register's lock, shared, from before its first name: whoever
//       gets it exclusively knows that no such process is left. A register whose link is gone was
//       swept between our open and our lock; we begin anew.
//   N4  The arena's lock is held by one open file that every process of the tree inherits or is
//       handed, and that its mapping keeps: the tracker, which opened it anew, gets that lock
//       exactly when the last process of the tree is gone.
#include "memory/names.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <span>
#include <system_error>

#include "mp/errors/error.hpp"

#include "memory/arena.hpp"
#include "memory/fork_mutex.hpp"
#include "memory/processes.hpp"
#include "os/map.hpp"
#include "os/memfd.hpp"
#include "os/start_marker.hpp"

namespace mp::memory {

namespace {

using layout::NameEntry;
using layout::NamesHeader;
using layout::NameState;

constexpr const char* kPrefix = "mp-names-";
constexpr std::uint32_t kEntriesAtOnce = 64;   // whose pages are made together
constexpr std::uint32_t kLookForTracker = 16;  // names between two looks whether it still lives

[[gnu::section("mp_at_fork")]] ForkMutex joining{65};

constexpr std::uint64_t make_word(NameState state, ProcessId owner) {
  return (static_cast<std::uint64_t>(state) << 32) | owner;
}
constexpr NameState state_of(std::uint64_t word) {
  return static_cast<NameState>((word >> 32) & 3);
}

std::string register_file(std::uint64_t nonce) {
  std::string name{kPrefix};
  for (int shift = 60; shift >= 0; shift -= 4) {
    name += "0123456789abcdef"[(nonce >> shift) & 15];
  }
  return name;
}

// This process's view of the register.
struct Register {
  std::atomic<std::byte*> base{nullptr};
  std::atomic<int> fd{-1};
  std::atomic<std::uint32_t> count{0};

  NamesHeader& header() const { return *reinterpret_cast<NamesHeader*>(base.load()); }
  NameEntry& entry(std::uint32_t index) const {
    return reinterpret_cast<NameEntry*>(base.load() + layout::kNamesOffset)[index];
  }
};
constinit Register names;

// Opens the register and holds its lock. The file may be swept away before the lock is had.
os::Fd open_locked(const std::string& name) {
  for (;;) {
    os::Fd fd{os::check(os::shm_open_or_create(name, 0600), name)};
    (void)os::lock_file(fd.get(), os::FileLock::shared, true);
    if (os::identity_of(fd.get()).links != 0) {
      return fd.get() < 3 ? fd.duplicate(3) : std::move(fd);
    }
  }
}

void join() {
  const std::lock_guard hold{joining};
  if (names.base.load() != nullptr) {
    return;
  }
  const Arena& arena = Arena::get();
  os::Fd fd = open_locked(register_file(arena.header().nonce));
  int error = 0;
  if (os::identity_of(fd.get()).size < layout::kNamesSize) {
    error = os::grow_file(fd.get(), layout::kNamesSize);
  }
  if (error == 0) {
    error =
        os::allocate_file(fd.get(), 0, layout::kNamesOffset + kEntriesAtOnce * sizeof(NameEntry));
  }
  const auto mapped = os::map_shared(fd.get(), layout::kNamesSize);
  if (error != 0 || !mapped.ok()) {
    throw OutOfMemory{"the register of named shared memory cannot be made: " +
                      std::system_category().message(error != 0 ? error : mapped.error)};
  }
  // N4: one open file for the whole tree, so it does not matter which of its processes asks.
  (void)os::lock_file(arena.fd(), os::FileLock::shared, false);
  names.fd = fd.release();
  names.base = static_cast<std::byte*>(mapped.value);
  names.header().magic = layout::kNamesMagic;
}

// Removes the file of an entry if it is the one that was registered. Returns whether it did.
bool remove_file_of(const NameEntry& entry, NameState state) {
  const std::string name{entry.name, ::strnlen(entry.name, layout::kNameBytes)};
  if (name.empty() || name.find('/') != std::string::npos) {
    return false;
  }
  const auto file = os::shm_identity(name);
  if (!file) {
    return false;
  }
  const bool is_it = state == NameState::made
                         ? file->device == entry.device && file->inode == entry.inode
                         : file->size == 0 && file->owner == os::effective_user();
  if (!is_it) {
    return false;
  }
  if (static_cast<NameKind>(entry.kind.load()) == NameKind::segment) {
    const auto opened = os::shm_open(name);
    const os::Fd fd{opened.ok() ? opened.value : -1};
    if (!fd || !os::lock_file(fd.get(), os::FileLock::exclusive, false)) {
      return false;  // somebody uses it, and has it registered for another tree
    }
  }
  return os::shm_unlink(name) == 0;
}

// Nobody else uses the register any more.
std::size_t sweep(int fd, const std::string& name) {
  std::size_t removed = 0;
  std::array<std::byte, kEntriesAtOnce * sizeof(NameEntry)> page;
  for (std::uint64_t at = layout::kNamesOffset; at < layout::kNamesSize; at += page.size()) {
    const std::size_t got = os::read_at(fd, at, page);
    for (std::size_t i = 0; i < got / sizeof(NameEntry); ++i) {
      const auto& entry = *reinterpret_cast<const NameEntry*>(page.data() + i * sizeof(NameEntry));
      const NameState state = state_of(entry.word);
      if (state == NameState::making || state == NameState::made) {
        removed += remove_file_of(entry, state) ? 1 : 0;
      }
    }
  }
  (void)os::shm_unlink(name);
  return removed;
}

// Whether the entry is of no use: its maker died before there was a file, or somebody took the file
// away without telling.
bool is_stale(const NameEntry& entry, std::uint64_t word) {
  const NameState state = state_of(word);
  const bool dead = is_dead(static_cast<ProcessId>(word));
  if (state == NameState::claimed) {
    return dead;
  }
  const std::string name{entry.name, ::strnlen(entry.name, layout::kNameBytes)};
  const auto file = os::shm_identity(name);
  if (state == NameState::making) {
    return dead && (!file || file->size != 0);
  }
  return !file || file->device != entry.device || file->inode != entry.inode;
}

void free_stale_entries() {
  for (std::uint32_t i = 0; i < layout::kMaxNames; ++i) {
    NameEntry& entry = names.entry(i);
    std::uint64_t word = entry.word;
    if (state_of(word) != NameState::free && is_stale(entry, word)) {
      (void)entry.word.compare_exchange_strong(word, 0);
    }
  }
}

// Makes the pages exist that entry `index` is in.
void commit_entry(std::uint32_t index) {
  const std::uint64_t begin =
      layout::kNamesOffset + index / kEntriesAtOnce * kEntriesAtOnce * sizeof(NameEntry);
  if (const int error = os::allocate_file(names.fd, begin, kEntriesAtOnce * sizeof(NameEntry))) {
    throw OutOfMemory{"the register of named shared memory cannot grow: " +
                      std::system_category().message(error)};
  }
}

NameEntry* claim(std::uint32_t from, std::uint32_t to, ProcessId self, std::uint32_t& index) {
  for (std::uint32_t i = from; i < to; ++i) {
    NameEntry& entry = names.entry(i);
    std::uint64_t expected = 0;
    if (entry.word.load(std::memory_order_relaxed) == 0 &&
        entry.word.compare_exchange_strong(expected, make_word(NameState::claimed, self))) {
      index = i;
      return &entry;
    }
  }
  return nullptr;
}

NameEntry& claim_entry(std::uint32_t& index) {
  const ProcessId self = this_process();
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::uint32_t limit = std::min(names.header().limit.load(), layout::kMaxNames);
    if (NameEntry* entry = claim(0, limit, self, index)) {
      return *entry;
    }
    while (limit < layout::kMaxNames) {
      commit_entry(limit);
      const std::uint32_t end =
          std::min(limit / kEntriesAtOnce * kEntriesAtOnce + kEntriesAtOnce, layout::kMaxNames);
      NameEntry* entry = claim(limit, end, self, index);
      std::uint32_t known = names.header().limit;
      const std::uint32_t used = entry != nullptr ? index + 1 : end;
      while (known < used && !names.header().limit.compare_exchange_weak(known, used)) {
      }
      if (entry != nullptr) {
        return *entry;
      }
      limit = end;
    }
    free_stale_entries();
  }
  throw OutOfMemory{"this tree of processes has 4096 named objects in shared memory already"};
}

// Visits the entries of a file; returns how many there are.
template <class Visit>
int for_each_of(const os::FileIdentity& file, const Visit& visit) noexcept {
  int found = 0;
  const std::uint32_t limit = std::min(names.header().limit.load(), layout::kMaxNames);
  for (std::uint32_t i = 0; i < limit; ++i) {
    NameEntry& entry = names.entry(i);
    const std::uint64_t word = entry.word;
    if (state_of(word) == NameState::made && entry.inode == file.inode &&
        entry.device == file.device) {
      visit(entry, word);
      ++found;
    }
  }
  return found;
}

}  // namespace

NameTicket register_name(const std::string& name, NameKind kind) {
  if (names.base.load() == nullptr) {
    join();
  }
  std::uint32_t index = 0;
  NameEntry& entry = claim_entry(index);
  entry.device.store(0, std::memory_order_relaxed);
  entry.inode.store(0, std::memory_order_relaxed);
  entry.kind.store(static_cast<std::uint32_t>(kind), std::memory_order_relaxed);
  std::memset(entry.name, 0, layout::kNameBytes);
  std::memcpy(entry.name, name.data(), std::min(name.size(), layout::kNameBytes - 1));
  entry.word = make_word(NameState::making, this_process());  // N1
  return {.index = index, .valid = true};
}

void name_made(NameTicket ticket, const os::FileIdentity& file) noexcept {
  NameEntry& entry = names.entry(ticket.index);
  entry.device = file.device;
  entry.inode = file.inode;
  entry.word = make_word(NameState::made, static_cast<ProcessId>(entry.word.load()));
}

void forget_name(NameTicket ticket) noexcept {
  if (ticket.valid) {
    names.entry(ticket.index).word = 0;
  }
}

void register_file(const std::string& name, NameKind kind, const os::FileIdentity& file) {
  if (names.base.load() == nullptr) {
    join();
  }
  const auto ignore = [](NameEntry&, std::uint64_t) {};
  if (for_each_of(file, ignore) == 0) {
    name_made(register_name(name, kind), file);
  }
}

void forget_file(const os::FileIdentity& file) noexcept {
  // Without a view of the register the entry, if there is one, is found stale when it is in the
  // way.
  if (names.base.load() != nullptr) {
    (void)for_each_of(file, [](NameEntry& entry, std::uint64_t word) {
      (void)entry.word.compare_exchange_strong(word, 0);
    });
  }
}

std::size_t sweep_dead_trees() {
  std::size_t removed = 0;
  for (const std::string& name : os::shm_names(kPrefix)) {
    const auto file = os::shm_identity(name);
    if (!file || file->owner != os::effective_user()) {
      continue;
    }
    const auto opened = os::shm_open(name);
    const os::Fd fd{opened.ok() ? opened.value : -1};
    if (fd && os::lock_file(fd.get(), os::FileLock::exclusive, false)) {
      removed += sweep(fd.get(), name);
    }
  }
  return removed;
}

std::optional<TrackerFiles> wanted_tracker() {
  if (names.count.fetch_add(1, std::memory_order_relaxed) % kLookForTracker != 0 ||
      os::is_marked(names.fd)) {
    return std::nullopt;
  }
  return TrackerFiles{.names = names.fd, .arena = Arena::get().fd()};
}

void run_tracker(TrackerFiles inherited) {
  // Anew, so that the locks are this process's own and pass to its child.
  const os::Fd file = os::open_again(inherited.names, true);
  const os::Fd arena = os::open_again(inherited.arena, false);
  (void)os::lock_file(file.get(), os::FileLock::shared, true);
  if (!os::take_mark(file.get())) {
    return;
  }
  std::uint64_t nonce = 0;
  if (os::read_at(arena.get(), offsetof(layout::ArenaHeader, nonce),
                  std::as_writable_bytes(std::span{&nonce, 1})) != sizeof nonce ||
      !os::daemonize("mp-tracker", {file.get(), arena.get()})) {
    return;
  }
  (void)os::lock_file(arena.get(), os::FileLock::exclusive, true);  // N4
  (void)os::lock_file(file.get(), os::FileLock::exclusive, true);
  (void)sweep(file.get(), register_file(nonce));
  os::exit_now(0);
}

}  // namespace mp::memory
