// SPDX-License-Identifier: Apache-2.0
// os/shm.hpp — named shared memory: the files that shm_open makes, and the locks on them.
//
// A name here has no slash in front: "psm_01234567" is shm_open's "/psm_01234567". What callers
// decide by returns the error; the rest throws.
//
// Threads: everything may be called from any thread.
// Crash:   a file stays until somebody removes its name. Locks go with the last descriptor (and, of
//          lock_file, the last mapping) of the open file that took them.
// Throws:  OsError where a function returns no error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mp/base/bytes.hpp"

#include "os/check.hpp"
#include "os/fd.hpp"

namespace mp::os {

inline constexpr int kFileExists = EEXIST;
inline constexpr int kNoSuchFile = ENOENT;
inline constexpr int kNoRoom = ENOSPC;
inline constexpr std::size_t kLongestName = 254;  // shm_open's, with its slash

// Makes a file that was not there; EEXIST if it was.
[[nodiscard]] Outcome<int> shm_create(const std::string& name, unsigned mode) noexcept;
// Opens one that is there, for reading and writing.
[[nodiscard]] Outcome<int> shm_open(const std::string& name) noexcept;
// Opens one, or makes it.
[[nodiscard]] Outcome<int> shm_open_or_create(const std::string& name, unsigned mode) noexcept;
// Takes a name away. Returns 0 or the error.
int shm_unlink(const std::string& name) noexcept;
// The names that begin with `prefix`.
[[nodiscard]] std::vector<std::string> shm_names(std::string_view prefix);

// Makes a file without a name, which nobody else can open; and gives such a file its name, for good
// or not at all. Returns 0 or the error: EEXIST.
[[nodiscard]] Outcome<int> shm_create_unnamed(unsigned mode) noexcept;
[[nodiscard]] int shm_give_name(int fd, const std::string& name) noexcept;

// Which file it is, whatever its name.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::uint64_t memory = 0;  // how much of it there is real memory for, in bytes
  std::uint64_t links = 0;
  unsigned owner = 0;

  [[nodiscard]] bool same_file(const FileIdentity& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
};
[[nodiscard]] FileIdentity identity_of(int fd);
[[nodiscard]] std::optional<FileIdentity> shm_identity(const std::string& name) noexcept;
[[nodiscard]] unsigned effective_user() noexcept;

// Gives the file `size` bytes of real memory, all zero. Returns 0 or the error: ENOSPC, EFBIG,
// ENOMEM. Where fallocate does not exist it writes the zeroes.
[[nodiscard]] int shm_allocate(int fd, std::uint64_t size) noexcept;
// Gives a file that others may be writing to, mapped at `address`, real memory where it has none.
// It does not become longer. Returns 0 or the error.
[[nodiscard]] int shm_commit(int fd, void* address, std::uint64_t size) noexcept;
// How much memory the file's file system still has; the most there is if it has no bound.
[[nodiscard]] std::uint64_t shm_room(int fd) noexcept;

// Reads or writes through the descriptor, where a file that somebody made shorter is a short answer
// and not a SIGBUS. The one returns how many bytes there were, the other 0 or the error: ENOSPC.
[[nodiscard]] std::size_t read_at(int fd, std::uint64_t offset, MutableByteView into);
[[nodiscard]] int write_at(int fd, std::uint64_t offset, ByteView from) noexcept;

// The lock on an open file, which all its duplicates and forks share (flock). Waits if `wait`;
// returns whether it was had.
enum class FileLock : std::uint8_t { shared, exclusive };
[[nodiscard]] bool lock_file(int fd, FileLock kind, bool wait);

// A second, independent kind of lock: whether this open file now has it, alone (F_OFD_SETLK); and
// whether another has.
[[nodiscard]] bool take_mark(int fd);
[[nodiscard]] bool is_marked(int fd) noexcept;

// Opens the file that `fd` is for once more: locks of the two are independent.
[[nodiscard]] Fd open_again(int fd, bool writable);

// A child of this small process that outlives it: of its own session, without standard streams or
// other descriptors than those in `keep`, deaf to SIGINT, SIGTERM and SIGHUP. Returns whether this
// is the child.
[[nodiscard]] bool daemonize(std::string_view thread_name, const std::vector<int>& keep);

}  // namespace mp::os
