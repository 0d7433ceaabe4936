// SPDX-License-Identifier: Apache-2.0
// Invariants
//   P1  The word of an entry says everything that matters; a claim is one CAS on it.
//   P2  An entry goes free -> reserved -> alive -> (exited | dead) -> free, or begins
//       alive, and its generation goes up when it is claimed. Only bury() makes it free, after the
//       sweep. From the claim on the word names somebody whose death makes it a dead one's.
//   P3  A name with an old generation names a process that is dead and swept.
//   P4  The last entries are given out when no other is free, and whoever gets one buries some of
//       the dead at once, as the member that it is by then. So dead ones that nobody noticed do not
//       keep the living out, however many they are.
#include "memory/processes.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "mp/errors/error.hpp"
#include "mp/memory/object_ref.hpp"

#include "memory/arena.hpp"
#include "memory/fork_mutex.hpp"
#include "memory/gate.hpp"
#include "memory/message.hpp"
#include "memory/sweep.hpp"
#include "memory/threads.hpp"
#include "os/fork_hook.hpp"
#include "os/proc.hpp"

namespace mp::detail {

[[gnu::section("mp_at_fork")]] std::uint32_t fork_generation = 1;

}  // namespace mp::detail

namespace mp::memory {

namespace {

using layout::ProcessEntry;
using layout::ProcessState;

constexpr std::uint32_t kPidMask = (1u << 22) - 1;
constexpr std::uint32_t kStartMask = (1u << 18) - 1;

constexpr std::uint64_t make_word(ProcessState state, std::uint32_t generation, int pid,
                                  std::uint64_t start_time) {
  return std::uint64_t{static_cast<std::uint8_t>(state)} << 60 | std::uint64_t{generation} << 40 |
         std::uint64_t{static_cast<std::uint32_t>(pid) & kPidMask} << 18 |
         (start_time & kStartMask);
}
constexpr ProcessState state_of(std::uint64_t word) {
  return static_cast<ProcessState>(word >> 60);
}
constexpr std::uint32_t generation_of(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> 40) & kProcessGenerationMask;
}
constexpr int pid_in(std::uint64_t word) {
  return static_cast<int>(word >> 18 & kPidMask);
}
constexpr std::uint64_t start_in(std::uint64_t word) {
  return word & kStartMask;
}
constexpr std::uint64_t with_state(std::uint64_t word, ProcessState state) {
  return (word & ~(std::uint64_t{15} << 60)) | std::uint64_t{static_cast<std::uint8_t>(state)}
                                                   << 60;
}

// 0: not entered yet, or inherited by fork.
[[gnu::section("mp_at_fork")]] std::atomic<ProcessId> self{0};
[[gnu::section("mp_at_fork")]] ForkMutex entering{40};

ProcessEntry& entry_of(ProcessId id) noexcept {
  return Arena::get().at<ProcessEntry>(layout::kProcessTableOffset)[process_index(id)];
}

constexpr std::uint32_t kEntries = kMaxProcesses - kLastProcesses;  // given out first

bool is_last(ProcessId id) noexcept {
  return process_index(id) >= kEntries;  // P4
}

// Claims the entry if it is free. The CAS is the commit.
ProcessId claim_at(std::uint32_t index, ProcessState state, int pid, std::uint64_t start_time) {
  Arena& arena = Arena::get();
  layout::ArenaHeader& header = arena.header();
  ProcessEntry& entry = arena.at<ProcessEntry>(layout::kProcessTableOffset)[index];
  std::uint32_t limit = header.process_limit.load(std::memory_order_relaxed);
  if (index >= limit) {
    arena.commit(arena.offset_of(&entry), sizeof entry);
    while (limit <= index && !header.process_limit.compare_exchange_weak(limit, index + 1)) {
    }
  }
  std::uint64_t word = entry.word.load(std::memory_order_acquire);
  if (state_of(word) != ProcessState::free) {
    return 0;
  }
  std::uint32_t generation = (generation_of(word) + 1) & kProcessGenerationMask;
  generation = generation == 0 ? 1 : generation;
  if (!entry.word.compare_exchange_strong(word, make_word(state, generation, pid, start_time))) {
    return 0;
  }
  entry.start_time.store(start_time, std::memory_order_relaxed);
  entry.name[0] = '\0';
  return make_process_id(index, generation);
}

// Claims a free entry, one of the last where no other is free; 0 where none is.
ProcessId claim(ProcessState state, int pid, std::uint64_t start_time) {
  Arena& arena = Arena::get();
  layout::ArenaHeader& header = arena.header();
  const auto* table = arena.at<ProcessEntry>(layout::kProcessTableOffset);
  const std::uint32_t limit = header.process_limit.load(std::memory_order_relaxed);
  // Round robin, so that an index does not come back soon.
  const std::uint32_t first = header.process_cursor.fetch_add(1, std::memory_order_relaxed);
  const auto claim_one_of = [&](std::uint32_t begin, std::uint32_t count) {
    ProcessId id = 0;
    for (std::uint32_t i = 0; i < count && id == 0; ++i) {
      const std::uint32_t index = begin + (first + i) % count;
      const bool is_free =
          index >= limit || state_of(table[index].word.load(std::memory_order_relaxed)) ==
                                ProcessState::free;  // a hint, before a closer look
      id = is_free ? claim_at(index, state, pid, start_time) : 0;
    }
    return id;
  };
  const ProcessId id = claim_one_of(0, kEntries);
  return id != 0 ? id : claim_one_of(kEntries, kLastProcesses);
}

void expect_room(ProcessId claimed) {
  if (claimed == 0) {
    throw OutOfMemory{"a tree cannot have more than 4096 processes at once"};
  }
}

// What an exec changes, as it stands in the entry of who has `generation` there.
constexpr std::uint64_t image_word(std::uint32_t generation, std::uint64_t image) {
  constexpr unsigned kBits = 44;  // of an address in user space, which is aligned to 16
  return image == 0 ? 0
                    : std::uint64_t{generation} << kBits |
                          (image / 16 & ((std::uint64_t{1} << kBits) - 1));
}

void note_image(ProcessId me, const os::ProcStat& stat) noexcept {
  entry_of(me).image.store(image_word(process_generation(me), stat.image),
                           std::memory_order_relaxed);
}

// Whether the process named by the word runs another program now. Not known of one that has not
// noted its image, or does not show it.
bool is_replaced(const ProcessEntry& entry, std::uint64_t word) noexcept {
  const std::uint64_t noted = entry.image.load(std::memory_order_relaxed);
  const auto stat = os::proc_stat(pid_in(word));
  const std::uint64_t now = stat ? image_word(generation_of(word), stat->image) : 0;
  constexpr std::uint64_t kGeneration = ~image_word(0, ~std::uint64_t{0});
  return now != 0 && noted != now && (noted & kGeneration) == (now & kGeneration);
}

// Whether the process named by the word will never run again. The word has but the low bits of its
// start time; all of them stand beside it unless who wrote the word has not come that far.
bool is_gone(const ProcessEntry& entry, std::uint64_t word) noexcept {
  if (start_in(word) == 0) {
    return os::is_zombie_or_gone(pid_in(word), 0);  // it has not noted it yet
  }
  const std::uint64_t noted = entry.start_time.load(std::memory_order_relaxed);
  if ((noted & kStartMask) == start_in(word)) {
    return os::is_zombie_or_gone(pid_in(word), noted) || is_replaced(entry, word);
  }
  return os::is_zombie_or_gone(pid_in(word), 0) ||
         (os::start_time(pid_in(word)) & kStartMask) != start_in(word);
}

std::uint32_t exit_word(ProcessId process, std::uint32_t code) {
  return layout::kExitKnown | process_generation(process) << 8 | (code & 0xff);
}

[[gnu::hot]] void forget_self() {
  self.store(0, std::memory_order_relaxed);
  ++mp::detail::fork_generation;
}

[[maybe_unused]] const bool hooked = [] {
  os::at_fork(nullptr, nullptr, forget_self);
  return true;
}();

// A pid is one process's at a time. So whoever stands in the table with this one's pid and start
// time and is not this one died, and the pid came back, within one tick of the clock by which start
// times are told. Entries are given out in turn, so such a one stands shortly before, unless the
// table is full.
void end_namesakes(ProcessId me) noexcept {
  constexpr std::uint32_t kInOneTick = 64;
  Arena& arena = Arena::get();
  const std::uint64_t mine = entry_of(me).word.load(std::memory_order_acquire);
  const std::uint32_t limit = arena.header().process_limit.load(std::memory_order_relaxed);
  const std::uint32_t count = is_last(me) ? kEntries : kInOneTick;
  for (std::uint32_t back = 1; back <= count && start_in(mine) != 0; ++back) {
    const std::uint32_t index = (process_index(me) + kEntries - back) % kEntries;
    if (index >= limit) {
      continue;
    }
    ProcessEntry& entry = arena.at<ProcessEntry>(layout::kProcessTableOffset)[index];
    std::uint64_t word = entry.word.load(std::memory_order_acquire);
    if (state_of(word) == ProcessState::alive && pid_in(word) == pid_in(mine) &&
        start_in(word) == start_in(mine)) {
      (void)entry.word.compare_exchange_strong(word, with_state(word, ProcessState::dead));
    }
  }
}

// Enters this process; returns whether this call did.
bool enter() {
  const std::lock_guard hold{entering};
  if (self.load(std::memory_order_relaxed) != 0) {
    return false;
  }
  const int pid = os::pid();
  const auto stat = os::proc_stat(pid);
  const ProcessId me = claim(ProcessState::alive, pid, stat ? stat->start_time : 0);
  expect_room(me);
  if (stat) {
    note_image(me, *stat);
  }
  end_namesakes(me);
  self.store(me, std::memory_order_release);
  return true;
}

}  // namespace

ProcessId this_process() {
  const ProcessId known = self.load(std::memory_order_acquire);
  if (known != 0) {
    return known;
  }
  const bool entered = enter();
  const ProcessId me = self.load(std::memory_order_acquire);
  if (entered && is_last(me)) {
    bury_the_dead(kBuriedAtOnce);  // P4; the burying asks for this process again, and knows it
  }
  return me;
}

ProcessId enter_child() {
  const ProcessId parent = this_process();
  const std::uint64_t born = entry_of(parent).start_time.load(std::memory_order_relaxed);
  ProcessId child = claim(ProcessState::reserved, os::pid(), born);
  if (child == 0 || is_last(child)) {
    bury_the_dead(kBuriedAtOnce);  // P4
  }
  if (child == 0) {
    child = claim(ProcessState::reserved, os::pid(), born);
  }
  expect_room(child);
  entry_of(child).parent.store(parent, std::memory_order_relaxed);
  return child;
}

[[gnu::hot]] void become(ProcessId child) noexcept {
  ProcessEntry& entry = entry_of(child);
  const int pid = os::pid();
  std::uint64_t word = entry.word.load(std::memory_order_acquire);
  while (generation_of(word) == process_generation(child) &&
         state_of(word) == ProcessState::reserved) {
    if (entry.word.compare_exchange_weak(
            word, make_word(ProcessState::alive, generation_of(word), pid, 0))) {
      break;
    }
  }
  self.store(child, std::memory_order_release);
}

void note_start_time() noexcept {
  const ProcessId me = this_process();
  ProcessEntry& entry = entry_of(me);
  std::uint64_t word = entry.word.load(std::memory_order_acquire);
  if (start_in(word) != 0) {
    return;
  }
  const auto stat = os::proc_stat(os::pid());
  const std::uint64_t start_time = stat ? stat->start_time : 0;
  entry.start_time.store(start_time, std::memory_order_relaxed);
  if (stat) {
    note_image(me, *stat);
  }
  while (generation_of(word) == process_generation(me) && start_in(word) == 0) {
    if (entry.word.compare_exchange_weak(
            word, make_word(state_of(word), generation_of(word), pid_in(word), start_time))) {
      end_namesakes(me);
      return;
    }
  }
}

void child_not_started(ProcessId child) noexcept {
  bury(child);
}

[[gnu::hot]] void set_exit_code(int code) noexcept {
  if (const ProcessId me = self.load(std::memory_order_acquire)) {
    entry_of(me).exit_code.store(exit_word(me, static_cast<std::uint32_t>(code)));
  }
}

bool exit_code_of(ProcessId process, int& code) noexcept {
  const std::uint32_t value = entry_of(process).exit_code.load();
  if (value != exit_word(process, value)) {
    return false;  // nothing yet, or the code of one who had the entry before
  }
  code = static_cast<int>(value & 0xff);
  return true;
}

bool is_dead(ProcessId process) noexcept {
  const ProcessEntry& entry = entry_of(process);
  const std::uint64_t word = entry.word.load(std::memory_order_acquire);
  if (generation_of(word) != process_generation(process)) {
    return true;
  }
  switch (state_of(word)) {
    case ProcessState::free:
    case ProcessState::exited:
    case ProcessState::dead:
      return true;
    case ProcessState::reserved:
    case ProcessState::alive:
      break;
  }
  if (process == self.load(std::memory_order_relaxed)) {
    return false;
  }
  return is_gone(entry, word);
}

bool is_ending(ProcessId process) noexcept {
  const ProcessEntry& entry = entry_of(process);
  const std::uint64_t word = entry.word.load(std::memory_order_acquire);
  const std::uint64_t noted = entry.start_time.load(std::memory_order_relaxed);
  return generation_of(word) == process_generation(process) &&
         state_of(word) == ProcessState::alive && start_in(word) != 0 &&
         (noted & kStartMask) == start_in(word) && os::is_ending(pid_in(word), noted);
}

int pid_of(ProcessId process) noexcept {
  const std::uint64_t word = entry_of(process).word.load(std::memory_order_acquire);
  const bool is_known = generation_of(word) == process_generation(process) &&
                        state_of(word) != ProcessState::reserved;
  return is_known ? pid_in(word) : 0;
}

void set_process_name(ProcessId process, std::string_view name) noexcept {
  ProcessEntry& entry = entry_of(process);
  const std::size_t size = std::min(name.size(), sizeof entry.name - 1);
  std::memcpy(entry.name, name.data(), size);
  entry.name[size] = '\0';
}

std::string process_name(ProcessId process) {
  const ProcessEntry& entry = entry_of(process);
  std::array<char, sizeof entry.name> copy{};
  std::memcpy(copy.data(), entry.name, copy.size() - 1);
  const std::uint64_t word = entry.word.load(std::memory_order_acquire);
  return generation_of(word) == process_generation(process) ? copy.data() : "";
}

void bury(ProcessId process) {
  static_cast<void>(this_thread());  // the sweep needs it; what that may throw comes from here
  ProcessEntry& entry = entry_of(process);
  std::uint64_t word = entry.word.load(std::memory_order_acquire);
  do {
    if (generation_of(word) != process_generation(process) ||
        state_of(word) == ProcessState::free) {
      return;
    }
  } while (!entry.word.compare_exchange_weak(word, with_state(word, ProcessState::dead)));
  // Others may be sweeping the same process, and we may be killed here: every part is idempotent.
  sweep_objects(process);
  sweep_blocks(process, free_message);
  sweep_threads(process);
  word = with_state(word, ProcessState::dead);
  entry.word.compare_exchange_strong(word, with_state(word, ProcessState::free));
  wake_the_tree();
}

int bury_the_dead(std::uint32_t most) {
  Arena& arena = Arena::get();
  const std::uint32_t limit =
      std::min(arena.header().process_limit.load(std::memory_order_relaxed), kMaxProcesses);
  std::uint32_t buried = 0;
  for (std::uint32_t i = 0; i < limit && buried < most; ++i) {
    const ProcessEntry& entry = arena.at<ProcessEntry>(layout::kProcessTableOffset)[i];
    const std::uint64_t word = entry.word.load(std::memory_order_acquire);
    const ProcessId process = make_process_id(i, generation_of(word));
    if (state_of(word) != ProcessState::free && is_dead(process)) {
      bury(process);
      ++buried;
    }
  }
  return static_cast<int>(buried);
}

}  // namespace mp::memory
