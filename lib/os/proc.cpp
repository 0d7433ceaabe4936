// SPDX-License-Identifier: Apache-2.0
#include "os/proc.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

#include "os/check.hpp"
#include "os/fd.hpp"
#include "os/limits.hpp"

namespace mp::os {

namespace {

// "/proc/PID/stat" and the like, without allocating.
std::array<char, 32> path_of(int pid, std::string_view rest) noexcept {
  std::array<char, 32> path{"/proc/"};
  char* end = std::to_chars(path.data() + 6, path.data() + 20, pid).ptr;
  *std::copy(rest.begin(), rest.end(), end) = '\0';
  return path;
}

// Reads a file of /proc as far as it fits; the number of bytes, or -1.
ssize_t read_whole(const char* path, char* buffer, std::size_t size) noexcept {
  const auto opened = call(Sys::open, [&] { return ::open(path, O_RDONLY | O_CLOEXEC); });
  if (!opened.ok()) {
    return -1;
  }
  const Fd file{opened.value};
  std::size_t got = 0;
  while (got < size) {
    const auto some = call(Sys::read, [&] { return ::read(file.get(), buffer + got, size - got); });
    if (!some.ok()) {
      return -1;
    }
    if (some.value == 0) {
      break;
    }
    got += static_cast<std::size_t>(some.value);
  }
  return static_cast<ssize_t>(got);
}

template <class Number>
bool to_number(std::string_view field, Number& value) noexcept {
  const char* end = field.data() + field.size();
  return std::from_chars(field.data(), end, value).ptr == end && !field.empty();
}

#if __has_include(<sys/rseq.h>)

// Where this thread's pointer to its control block points; rseq_offset counts from there.
const char* thread_pointer() noexcept {
#if defined(__x86_64__)
  const char* self = nullptr;
  asm("mov %%fs:0, %0" : "=r"(self));  // clang 14 has no __builtin_thread_pointer here
  return self;
#else
  return static_cast<const char*>(__builtin_thread_pointer());
#endif
}

#endif

}  // namespace

[[gnu::hot]] int pid() noexcept {
  return ::getpid();
}

int parent_pid() noexcept {
  return ::getppid();
}

int thread_id() noexcept {
  return static_cast<int>(::syscall(SYS_gettid));
}

std::optional<ProcStat> parse_proc_stat(std::string_view line) noexcept {
  // PID (COMM) STATE PPID ...: nothing after COMM holds a parenthesis, so the last one ends it.
  const std::size_t comm_end = line.rfind(')');
  if (comm_end == std::string_view::npos || comm_end + 3 >= line.size() ||
      line[comm_end + 1] != ' ') {
    return std::nullopt;
  }
  line.remove_prefix(comm_end + 2);
  ProcStat stat{};
  stat.state = line.front();
  // Fields are numbered from 1 as in proc(5); COMM was the second.
  for (int field = 3; field <= 22; ++field) {
    const std::size_t end = std::min(line.find_first_of(" \n"), line.size());
    const std::string_view text = line.substr(0, end);
    const bool good = field == 4    ? to_number(text, stat.parent)
                      : field == 9  ? to_number(text, stat.flags)
                      : field == 20 ? to_number(text, stat.threads)
                      : field == 22 ? to_number(text, stat.start_time)
                                    : !text.empty();
    if (!good) {
      return std::nullopt;
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  for (int field = 23; field <= 28; ++field) {
    const std::size_t end = std::min(line.find_first_of(" \n"), line.size());
    if (field == 28 && !to_number(line.substr(0, end), stat.image)) {
      stat.image = 0;
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return stat;
}

std::optional<ProcStat> proc_stat(int pid) noexcept {
  if (pid <= 0) {
    return std::nullopt;
  }
  std::array<char, 1024> line;  // NOLINT: filled by the read; a line has some 350 bytes
  const ssize_t size = read_whole(path_of(pid, "/stat").data(), line.data(), line.size());
  if (size <= 0) {
    return std::nullopt;
  }
  return parse_proc_stat({line.data(), static_cast<std::size_t>(size)});
}

std::uint64_t resident_bytes(int pid) noexcept {
  std::array<char, 256> line;  // NOLINT: filled by the read
  const ssize_t size =
      pid <= 0 ? -1 : read_whole(path_of(pid, "/statm").data(), line.data(), line.size());
  if (size <= 0) {
    return 0;
  }
  // In pages: all, resident, of those shared, ...
  std::string_view rest{line.data(), static_cast<std::size_t>(size)};
  std::array<std::uint64_t, 3> pages{};
  for (std::uint64_t& field : pages) {
    const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
    if (!to_number(rest.substr(0, end), field)) {
      return 0;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return pages[1] > pages[2] ? (pages[1] - pages[2]) * page : 0;
}

std::uint64_t start_time(int pid) noexcept {
  const auto stat = proc_stat(pid);
  return stat ? stat->start_time : 0;
}

bool is_ending(int pid, std::uint64_t start_time) noexcept {
  constexpr std::uint64_t kExiting = 0x4;  // PF_EXITING, set before anything is taken apart
  const auto stat = proc_stat(pid);
  return stat && (start_time == 0 || stat->start_time == start_time) && stat->threads <= 1 &&
         (stat->flags & kExiting) != 0;
}

bool is_zombie_or_gone(int pid, std::uint64_t start_time) noexcept {
  if (const auto stat = proc_stat(pid)) {
    if (start_time != 0 && stat->start_time != start_time) {
      return true;  // the pid is somebody else's now
    }
    // A main thread that called pthread_exit is shown as Z while its siblings run on.
    return stat->state == 'X' || (stat->state == 'Z' && stat->threads <= 1);
  }
  const auto asked = call(Sys::kill, [&] { return ::kill(pid, 0); });
  return asked.error == ESRCH;
}

int cpu_count() {
  return std::max(1, static_cast<int>(affinity().size()));
}

int current_cpu() noexcept {
#if __has_include(<sys/rseq.h>)
  // The kernel keeps cpu_id up to date for threads whose area glibc registered.
  if (__rseq_size != 0 && fault(Sys::rseq) == 0) {
    const auto* area =
        reinterpret_cast<const volatile struct rseq*>(thread_pointer() + __rseq_offset);
    if (const auto cpu = static_cast<std::int32_t>(area->cpu_id); cpu >= 0) {
      return cpu;
    }
  }
#endif
  return ::sched_getcpu();
}

std::string executable_path() {
  std::string path(256, '\0');
  for (;;) {
    const auto size = check(
        call(Sys::readlink, [&] { return ::readlink("/proc/self/exe", path.data(), path.size()); }),
        "/proc/self/exe");
    if (static_cast<std::size_t>(size) < path.size()) {
      path.resize(static_cast<std::size_t>(size));
      return path;
    }
    path.resize(path.size() * 2);
  }
}

std::vector<std::string> command_line() {
  const Fd file = open_file("/proc/self/cmdline", O_RDONLY);
  std::string text;
  for (std::array<char, 4096> part{};;) {
    const auto size = check(
        call(Sys::read, [&] { return ::read(file.get(), part.data(), part.size()); }), "cmdline");
    if (size == 0) {
      break;
    }
    text.append(part.data(), static_cast<std::size_t>(size));
  }
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    words.emplace_back(text, begin, end - begin);
    begin = end + 1;
  }
  return words;
}

std::string thread_name() {
  std::array<char, 17> name{};
  check(call(Sys::prctl, [&] { return ::prctl(PR_GET_NAME, name.data()); }), "PR_GET_NAME");
  return name.data();
}

void set_thread_name(std::string_view name) noexcept {
  std::array<char, 16> text{};
  std::copy_n(name.begin(), std::min(name.size(), text.size() - 1), text.begin());
  (void)call(Sys::prctl, [&] { return ::prctl(PR_SET_NAME, text.data()); });
}

bool secure_mode() noexcept {
  return ::getauxval(AT_SECURE) != 0;
}

std::vector<std::string> environment() {
  std::vector<std::string> all;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    all.emplace_back(*entry);
  }
  return all;
}

std::optional<std::string> env(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read-only, as std's
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

std::optional<std::string> trusted_env(const char* name) {
  return secure_mode() ? std::nullopt : env(name);
}

}  // namespace mp::os
