// SPDX-License-Identifier: Apache-2.0
// Everything from on_timeout() down to the leaves runs in a signal handler, in a process that may
// hang inside malloc: system calls and buffers on the stack only. backtrace() is the one exception;
// it allocates on its first call, which install_watchdog() makes.
#include "support/watchdog.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <time.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mp::test {
namespace {

constexpr auto kDefaultLimit = std::chrono::seconds{60};
constexpr auto kGrace = std::chrono::seconds{10};

const int kTimeoutSignal = SIGRTMAX - 1;
const int kDumpSignal = SIGRTMAX - 2;

timer_t g_dump_timer;
timer_t g_kill_timer;
char g_test_name[256];
std::atomic<int> g_dumps_done{0};

void put(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

// "format" for handlers: text and numbers one after the other, cut off at the end of the buffer.
class Line {
 public:
  Line& operator<<(const char* text) {
    while (*text != '\0' && length_ + 1 < text_.size()) {
      text_[length_++] = *text++;
    }
    text_[length_] = '\0';
    return *this;
  }

  Line& operator<<(long number) {
    char digits[24];
    std::size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    return *this << digits + at;
  }

  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 512> text_{};
  std::size_t length_ = 0;
};

// Reads up to `size - 1` bytes of a small file into `buffer`; an empty string if that fails.
void read_small(const char* path, char* buffer, std::size_t size) {
  buffer[0] = '\0';
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const ssize_t length = ::read(fd, buffer, size - 1);
    buffer[length > 0 ? length : 0] = '\0';
    ::close(fd);
  }
}

// Calls `visit(number)` for each entry of `folder` that is a number.
template <class Visit>
void for_each_number(const char* folder, Visit visit) {
  const int fd = ::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  alignas(8) char buffer[4096];
  for (long got = 0; fd >= 0 && (got = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
        visit(static_cast<pid_t>(std::atoi(entry->d_name)));
      }
      at += entry->d_reclen;
    }
  }
  ::close(fd);
}

void nap(long milliseconds) {
  const timespec span{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  ::nanosleep(&span, nullptr);
}

// Writes this thread's stack with file and line where addr2line can be had.
void dump_own_stack() {
  void* frames[64];
  const int count = ::backtrace(frames, 64);
  put((Line{} << "--- stack of thread " << ::syscall(SYS_gettid) << " of process " << ::getpid()
              << "\n")
          .c_str());
  ::backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

void on_dump(int) {
  const int saved = errno;
  dump_own_stack();
  g_dumps_done.fetch_add(1);
  errno = saved;
}

// Asks a thread for its stack and gives it a moment to write it.
void ask_for_stack(pid_t process, pid_t thread) {
  const int before = g_dumps_done.load();
  if (::syscall(SYS_tgkill, process, thread, kDumpSignal) != 0) {
    return;
  }
  for (int i = 0; i < 20 && (process != ::getpid() || g_dumps_done.load() == before); ++i) {
    nap(10);  // another process's counter is not ours to see: the whole time
  }
}

bool catches_dump_signal(const char* status) {
  const char* caught = std::strstr(status, "SigCgt:\t");
  if (caught == nullptr) {
    return false;
  }
  const unsigned long long mask = std::strtoull(caught + 8, nullptr, 16);
  return (mask >> (kDumpSignal - 1) & 1U) != 0;
}

pid_t parent_of(pid_t pid) {
  char stat[512];
  read_small((Line{} << "/proc/" << pid << "/stat").c_str(), stat, sizeof stat);
  const char* close = std::strrchr(stat, ')');
  return close == nullptr ? 0 : std::atoi(close + 4);  // ") S ppid"
}

void show_process(pid_t pid) {
  char text[2048];
  put((Line{} << "--- descendant " << pid << "\n").c_str());
  for (const char* file : {"stat", "wchan", "syscall", "stack", "status"}) {
    read_small((Line{} << "/proc/" << pid << "/" << file).c_str(), text, sizeof text);
    const bool is_status = std::strcmp(file, "status") == 0;
    if (text[0] != '\0' && !is_status) {
      put((Line{} << file << ": " << text << "\n").c_str());
    }
    if (is_status && catches_dump_signal(text)) {
      for_each_number((Line{} << "/proc/" << pid << "/task").c_str(),
                      [&](pid_t thread) { ask_for_stack(pid, thread); });
    }
  }
}

// Calls `visit(pid)` for each process below this one, parents first.
template <class Visit>
void for_each_descendant(pid_t ancestor, int depth, Visit visit) {
  for_each_number("/proc", [&](pid_t pid) {
    if (parent_of(pid) == ancestor) {
      visit(pid);
      if (depth < 8) {
        for_each_descendant(pid, depth + 1, visit);
      }
    }
  });
}

void on_timeout(int) {
  put((Line{} << "\n=== watchdog: " << g_test_name << " takes too long\n").c_str());
  const pid_t self = ::getpid();
  const auto own_thread = static_cast<pid_t>(::syscall(SYS_gettid));
  dump_own_stack();
  for_each_number("/proc/self/task", [&](pid_t thread) {
    if (thread != own_thread) {
      ask_for_stack(self, thread);
    }
  });
  for_each_descendant(self, 0, show_process);
  for_each_descendant(self, 0, [](pid_t pid) { ::kill(pid, SIGKILL); });
  put("=== watchdog: aborting\n");
  ::signal(SIGABRT, SIG_DFL);
  ::abort();
}

void arm(timer_t timer, std::chrono::seconds limit) {
  itimerspec when{};
  when.it_value.tv_sec = limit.count();
  ::timer_settime(timer, 0, &when, nullptr);
}

std::chrono::seconds default_limit() {
  const char* text = std::getenv("MP_TEST_TIMEOUT");
  return text == nullptr ? kDefaultLimit : std::chrono::seconds{std::atol(text)};
}

class Watchdog : public testing::EmptyTestEventListener {
 public:
  void OnTestStart(const testing::TestInfo& test) override {
    std::snprintf(g_test_name, sizeof g_test_name, "%s.%s", test.test_suite_name(), test.name());
    set_test_timeout(default_limit());
  }

  void OnTestEnd(const testing::TestInfo&) override { set_test_timeout(std::chrono::seconds{0}); }
};

void make_timer(int signal, timer_t* timer) {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  if (::timer_create(CLOCK_MONOTONIC, &event, timer) != 0) {
    std::perror("timer_create");
    std::abort();
  }
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  ::sigdelset(&action.sa_mask, kDumpSignal);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void set_test_timeout(std::chrono::seconds limit) {
  arm(g_dump_timer, limit);
  arm(g_kill_timer, limit.count() == 0 ? limit : limit + kGrace);
}

void install_watchdog() {
  void* frame = nullptr;
  ::backtrace(&frame, 1);
  handle(kTimeoutSignal, on_timeout);
  handle(kDumpSignal, on_dump);
  make_timer(kTimeoutSignal, &g_dump_timer);
  make_timer(SIGKILL, &g_kill_timer);
  testing::UnitTest::GetInstance()->listeners().Append(new Watchdog);
}

}  // namespace mp::test
