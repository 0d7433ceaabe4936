// SPDX-License-Identifier: Apache-2.0
#include "os/confine.hpp"

#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstddef>
#include <dirent.h>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/check.hpp"
#include "os/fd.hpp"
#include "os/file.hpp"
#include "os/signal.hpp"

#ifndef SYS_close_range
#define SYS_close_range 436  // the same numbers on every architecture
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

namespace mp::os {

namespace {

// For kernels before 5.9. Reads the names first: closing changes what is listed.
void close_one_by_one(std::span<const int> kept) {
  std::vector<int> open;
  ::DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) {
    detail::throw_os_error(errno, Sys::open, "/proc/self/fd");
  }
  while (const ::dirent* entry = ::readdir(folder)) {
    const std::string_view name{entry->d_name};
    int fd = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec == std::errc{} &&
        fd != ::dirfd(folder)) {
      open.push_back(fd);
    }
  }
  ::closedir(folder);
  for (const int fd : open) {
    bool keep = false;
    for (const int one : kept) {
      keep = keep || one == fd;
    }
    if (!keep) {
      Fd{fd}.reset();
    }
  }
}

}  // namespace

void close_all_but(std::span<const int> kept) {
  unsigned from = 0;
  const auto close_up_to = [&from](unsigned last) {
    const auto closed =
        call(Sys::close_range, [&] { return ::syscall(SYS_close_range, from, last, 0); });
    return closed.error;
  };
  for (const int fd : kept) {
    const auto at = static_cast<unsigned>(fd);
    if (at > from) {
      if (const int error = close_up_to(at - 1); is_unavailable(error)) {
        return close_one_by_one(kept);
      } else {
        check(error, Sys::close_range);
      }
    }
    from = at + 1;
  }
  if (const int error = close_up_to(UINT_MAX); is_unavailable(error)) {
    close_one_by_one(kept);
  } else {
    check(error, Sys::close_range);
  }
}

void standard_streams_to_null(bool output_too) {
  Fd null = open_file("/dev/null", O_RDWR);
  const int last = output_too ? STDERR_FILENO : STDIN_FILENO;
  for (int fd = STDIN_FILENO; fd <= last; ++fd) {
    if (null.get() == fd) {
      set_close_on_exec(fd, false);
    } else {
      check(call(Sys::dup, [&] { return ::dup2(null.get(), fd); }), "/dev/null");
    }
  }
  if (null.get() <= STDERR_FILENO) {
    static_cast<void>(null.release());
  }
}

void forget_signal_handlers() noexcept {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number <= SIGRTMAX; ++number) {
    (void)::sigaction(number, &plain, nullptr);  // refused for SIGKILL, SIGSTOP and libc's own
  }
  (void)set_signal_mask(0);
}

void lead_process_group(int process) {
  check(call(Sys::setpgid, [&] { return ::setpgid(process, 0); }));
}

int signal_process_group(int leader, int signal) noexcept {
  return call(Sys::kill, [&] { return ::kill(-leader, signal); }).error;
}

std::uint64_t address_space_in_use() noexcept {
  try {
    const File file = File::open_to_read("/proc/self/statm");
    std::string text(64, '\0');
    text.resize(file.read_at(0, std::as_writable_bytes(std::span{text})));
    std::uint64_t pages = 0;
    std::from_chars(text.data(), text.data() + text.size(), pages);
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  } catch (const std::exception&) {
    return 0;
  }
}

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_RISCV64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

// A filter as a list of instructions. The accumulator holds the number of the call between rules.
class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    skip_unless_equal(kArchitecture, 1);
    add(BPF_JMP | BPF_JA, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
    // The x32 numbers are second names of the same calls.
    add(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    refuse();
#endif
  }

  void deny(long number) {
    skip_unless_equal(static_cast<std::uint32_t>(number), 1);
    refuse();
  }

  // Denies the call unless its first argument, an int, is among `allowed`.
  void deny_unless_first(long number, std::initializer_list<int> allowed) {
    const auto count = static_cast<unsigned>(allowed.size());
    skip_unless_equal(static_cast<std::uint32_t>(number), count + 3);
    load(offsetof(seccomp_data, args[0]));  // its low half, which is what an int is
    unsigned left = count;
    for (const int value : allowed) {
      add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(value),
          static_cast<std::uint8_t>(left), 0);
      --left;
    }
    refuse();
    allow();
  }

  void install() {
    allow();
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    check(call(Sys::seccomp,
               [&] { return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0); }));
  }

 private:
  void add(unsigned code, std::uint32_t k, std::uint8_t on_true = 0, std::uint8_t on_false = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), on_true, on_false, k});
  }
  void load(std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void skip_unless_equal(std::uint32_t value, unsigned instructions) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(instructions));
  }
  void refuse() {
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  }
  void allow() {
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }

  std::vector<sock_filter> code_;
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument is first");

}  // namespace

void confine(bool network) {
  if (kArchitecture == 0) {
    detail::throw_os_error(ENOSYS, Sys::seccomp, "on this architecture");
  }
  check(call(Sys::prctl, [] { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }),
        "PR_SET_NO_NEW_PRIVS");
  const int self = ::getpid();
  Filter filter;
  for (const long number : {long{SYS_setsid}, long{SYS_setpgid}, long{SYS_ptrace},
                            long{SYS_process_vm_readv}, long{SYS_process_vm_writev},
                            long{SYS_pidfd_getfd}, long{SYS_pidfd_send_signal}, long{SYS_tkill}}) {
    filter.deny(number);
  }
  filter.deny_unless_first(SYS_kill, {self, 0, -self});
  filter.deny_unless_first(SYS_tgkill, {self});
  filter.deny_unless_first(SYS_rt_sigqueueinfo, {self});
  filter.deny_unless_first(SYS_rt_tgsigqueueinfo, {self});
  filter.deny_unless_first(SYS_prlimit64, {self, 0});
  if (!network) {
    filter.deny(SYS_socket);
    filter.deny(SYS_io_uring_setup);
  }
  filter.install();
}

}  // namespace mp::os
