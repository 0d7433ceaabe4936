// SPDX-License-Identifier: Apache-2.0
// os/memfd.hpp — anonymous files in memory: shared memory without a name to clean up.
//
// What can fail for want of memory returns the error number instead of throwing, because the
// caller decides what that means there (OutOfMemory, a smaller mapping, a retry).
//
// Crash:  the kernel frees the file with its last descriptor and mapping.
// Throws: OsError where a function returns no error number.
#pragma once

#include <cstdint>

#include "os/fd.hpp"

namespace mp::os {

// Makes an empty, sealable, close-on-exec file; `name` shows in /proc/PID/maps.
[[nodiscard]] Fd memfd_create(const char* name);

[[nodiscard]] std::uint64_t file_size(int fd);

// Makes the file `size` bytes long, sparse. Returns 0 or the error: EFBIG if RLIMIT_FSIZE forbids
// that length (looked at first, because the call itself would raise SIGXFSZ).
[[nodiscard]] int grow_file(int fd, std::uint64_t size) noexcept;

// Gives the range real pages now. Returns 0 or the error: ENOSPC, EFBIG, ENOMEM.
[[nodiscard]] int allocate_file(int fd, std::uint64_t offset, std::uint64_t size) noexcept;

// From now on nobody can shorten the file under those who mapped it.
void seal_against_shrinking(int fd);
// Whether the file carries that seal: asked before mapping a stranger's file.
[[nodiscard]] bool is_sealed_against_shrinking(int fd) noexcept;

}  // namespace mp::os
