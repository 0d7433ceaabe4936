// SPDX-License-Identifier: Apache-2.0
// The handler calls only what may be called in one: the unwinder through Boost's safe dump, and
// plain stores. The unwinder is warmed up before, because its first use may load a library.
#define BOOST_STACKTRACE_USE_ADDR2LINE
#include "os/crash.hpp"

#include <algorithm>
#include <array>
#include <boost/stacktrace/safe_dump_to.hpp>
#include <boost/stacktrace/stacktrace.hpp>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <ucontext.h>

#include <sys/syscall.h>
#include <unistd.h>

#include "os/check.hpp"
#include "os/image.hpp"
#include "os/proc.hpp"

namespace mp::os {

namespace {

constexpr std::array kDeadly{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
constexpr std::size_t kStack = 64 << 10;

std::atomic<CrashNote*> note_here{nullptr};
alignas(64) std::byte handler_stack[kStack];

std::uintptr_t program_counter(const void* context) noexcept {
  const auto* machine = &static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(machine->gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine->pc;
#else
  return 0;
#endif
}

void handle(int signal, siginfo_t* info, void* context) noexcept {
  CrashNote* const note = note_here.exchange(nullptr);  // only the first crash is told
  if (note != nullptr) {
    std::array<const void*, CrashNote::kFrames + 8> dumped{};
    const std::size_t count =
        boost::stacktrace::safe_dump_to(dumped.data(), sizeof(void*) * dumped.size());
    // What is innermost are this handler's own frames, up to where the signal struck.
    const auto end = dumped.begin() + static_cast<std::ptrdiff_t>(std::min(count, dumped.size()));
    const std::uintptr_t struck = program_counter(context);
    auto first = std::find_if(dumped.begin(), end, [struck](const void* frame) {
      const auto address = reinterpret_cast<std::uintptr_t>(frame);
      return address == struck || address == struck + 1;
    });
    if (first == end) {
      first = dumped.begin();
    }
    std::uint32_t kept = 0;
    for (; first != end && *first != nullptr && kept < CrashNote::kFrames; ++first) {
      note->frames[kept++] = reinterpret_cast<std::uintptr_t>(*first);
    }
    note->count = kept;
    note->address = info->si_code > 0 && signal != SIGABRT
                        ? reinterpret_cast<std::uintptr_t>(info->si_addr)
                        : 0;
    note->signal.store(static_cast<std::uint32_t>(signal), std::memory_order_release);
  }
  ::signal(signal, SIG_DFL);
  // Blocked until the handler returns. A raised signal would not come again by itself.
  ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), signal);
}

}  // namespace

void note_crashes_in(CrashNote* note) {
  note->signal.store(0, std::memory_order_relaxed);
  note->base = main_module().base();
  std::array<const void*, 4> warm{};
  boost::stacktrace::safe_dump_to(warm.data(), sizeof warm);
  note_here.store(note);
  stack_t stack{};
  stack.ss_sp = handler_stack;
  stack.ss_size = sizeof handler_stack;
  ::sigaltstack(&stack, nullptr);
  for (const int signal : kDeadly) {
    struct sigaction before {};
    check(call(Sys::sigaction, [&] { return ::sigaction(signal, nullptr, &before); }));
    if ((before.sa_flags & SA_SIGINFO) == 0 && before.sa_handler == SIG_DFL) {
      struct sigaction action {};
      action.sa_sigaction = handle;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK;
      check(call(Sys::sigaction, [&] { return ::sigaction(signal, &action, nullptr); }));
    }
  }
}

std::vector<std::uint64_t> frames_of(const CrashNote& note) {
  // The note may have been written by a process gone mad.
  const std::uint32_t count = std::min(note.count, CrashNote::kFrames);
  std::vector<std::uint64_t> frames(note.frames, note.frames + count);
  const std::uint64_t here = main_module().base();
  for (std::uint64_t& frame : frames) {
    const std::uint64_t moved = frame - note.base + here;
    if (main_module().holds(moved)) {
      frame = moved;
    }
  }
  return frames;
}

namespace {

// Boost's pipe to addr2line takes the path and the address as they are in the file; its frames
// would give the address as it is in memory, which is of no use where executables are mapped
// anywhere.
std::string ask_addr2line(const Module& module, std::uint64_t address) {
  if (secure_mode()) {
    return {};  // no other programs with rights that are not the user's
  }
  const std::string path = module.path().empty() ? executable_path() : module.path();
  std::array<char, 19> hex{};
  std::snprintf(hex.data(), hex.size(), "0x%llx",
                static_cast<unsigned long long>(address - module.base()));
  boost::stacktrace::detail::addr2line_pipe pipe{"-Cfipe", path.c_str(), hex.data()};
  std::string answer;
  if (std::FILE* const stream = pipe) {
    std::array<char, 256> piece{};
    while (std::fgets(piece.data(), static_cast<int>(piece.size()), stream) != nullptr) {
      answer += piece.data();
    }
  }
  while (!answer.empty() && answer.back() == '\n') {
    answer.pop_back();
  }
  return answer;
}

// `place` is the address, or, of one to return to, inside the call before it.
std::string describe(std::uint64_t address, std::uint64_t place) {
  std::array<char, 19> hex{};
  std::snprintf(hex.data(), hex.size(), "0x%llx", static_cast<unsigned long long>(address));
  std::string text = hex.data();
  const Module* const module = module_of(reinterpret_cast<const void*>(place));
  if (module == nullptr) {
    return text;
  }
  const std::string answer = ask_addr2line(*module, place);
  return answer.empty() || answer.front() == '?' ? text + " in " + module->path()
                                                 : text + " " + answer;
}

}  // namespace

std::string describe_frames(const std::vector<std::uint64_t>& frames) {
  std::string text;
  for (const std::uint64_t address : frames) {
    text += describe(address, text.empty() ? address : address - 1) + '\n';
  }
  return text;
}

std::size_t stack_here(std::span<std::uint64_t> frames) noexcept {
  static_assert(sizeof(std::uint64_t) == sizeof(void*));
  return std::min(boost::stacktrace::safe_dump_to(frames.data(), frames.size_bytes()),
                  frames.size());
}

}  // namespace mp::os
