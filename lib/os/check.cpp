// SPDX-License-Identifier: Apache-2.0
#include "os/check.hpp"

#include <array>
#include <cstddef>

#include "mp/errors/error.hpp"

namespace mp::os {

namespace {

constexpr std::array<const char*, static_cast<std::size_t>(Sys::count_)> kNames{
    "accept",
    "bind",
    "clone3",
    "clone(CLONE_PIDFD)",
    "clone",
    "close_range",
    "connect",
    "dup",
    "eventfd",
    "fallocate",
    "fcntl",
    "fdatasync",
    "flock",
    "fork",
    "fstat",
    "fstatfs",
    "ftruncate",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "getaddrinfo",
    "getrandom",
    "getrlimit",
    "getsockname",
    "getsockopt",
    "get_robust_list",
    "kill",
    "linkat",
    "listen",
    "madvise(MADV_DONTDUMP)",
    "madvise(MADV_DONTFORK)",
    "madvise(MADV_POPULATE_WRITE)",
    "madvise(MADV_REMOVE)",
    "membarrier",
    "memfd_create",
    "memfd_create(MFD_NOEXEC_SEAL)",
    "mmap",
    "munmap",
    "open",
    "ioctl(PIDFD_GET_INFO)",
    "pidfd_open",
    "pidfd_send_signal",
    "poll",
    "posix_spawn",
    "prctl",
    "pread",
    "pthread_mutex",
    "pwrite",
    "read",
    "readlink",
    "recvmsg",
    "rseq",
    "sched_getaffinity",
    "sched_setaffinity",
    "prctl(PR_SET_SECCOMP)",
    "sendmsg",
    "setpgid",
    "setrlimit",
    "setsockopt",
    "sigaction",
    "pthread_sigmask",
    "socket",
    "socketpair",
    "unlink",
    "waitid",
    "waitid(P_PIDFD)",
    "write",
};
static_assert(kNames.back() != nullptr, "every call has a name");

}  // namespace

namespace detail {

constinit std::atomic<FaultHook> fault_hook{nullptr};

void throw_os_error(int error, Sys sys, std::string_view detail) {
  throw OsError{error, name(sys), detail};
}

}  // namespace detail

const char* name(Sys sys) noexcept {
  return kNames[static_cast<std::size_t>(sys)];
}

FaultHook set_fault_hook(FaultHook hook) noexcept {
  return detail::fault_hook.exchange(hook);
}

}  // namespace mp::os
