// SPDX-License-Identifier: Apache-2.0
// The C library's shm_open is open() in /dev/shm with a few flags; so are these. A file without a
// name is made and named by calls that shm_open has no words for.
#include "os/shm.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/map.hpp"
#include "os/memfd.hpp"
#include "os/proc.hpp"
#include "os/signal.hpp"

namespace mp::os {

namespace {

constexpr const char* kFolder = "/dev/shm";
constexpr int kSigHangup = 1;

std::string path_of(const std::string& name) {
  std::string path{kFolder};
  path += '/';
  return path += name;
}

Outcome<int> open_named(const std::string& name, int flags, unsigned mode) noexcept {
  const std::string path = path_of(name);
  return call(Sys::open, [&] {
    return ::open(path.c_str(), flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
  });
}

FileIdentity identity_from(const struct stat& status) noexcept {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .memory = static_cast<std::uint64_t>(status.st_blocks) * 512,
          .links = status.st_nlink,
          .owner = status.st_uid};
}

std::string descriptor_path(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

// Standard streams stay, too.
void close_all_but(const std::vector<int>& keep) {
  std::vector<int> others;
  std::error_code error;
  for (std::filesystem::directory_iterator it{"/proc/self/fd", error}, end; !error && it != end;
       it.increment(error)) {
    const int fd = std::atoi(it->path().filename().c_str());
    if (fd > STDERR_FILENO && std::find(keep.begin(), keep.end(), fd) == keep.end()) {
      others.push_back(fd);
    }
  }
  for (const int fd : others) {
    (void)::close(fd);  // the iterator's own is among them, and gone
  }
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Outcome<int> shm_create(const std::string& name, unsigned mode) noexcept {
  return open_named(name, O_CREAT | O_EXCL, mode);
}

Outcome<int> shm_open(const std::string& name) noexcept {
  return open_named(name, 0, 0);
}

Outcome<int> shm_open_or_create(const std::string& name, unsigned mode) noexcept {
  return open_named(name, O_CREAT, mode);
}

int shm_unlink(const std::string& name) noexcept {
  const std::string path = path_of(name);
  return call(Sys::unlink, [&] { return ::unlink(path.c_str()); }).error;
}

std::vector<std::string> shm_names(std::string_view prefix) {
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::directory_iterator it{kFolder, error}, end; !error && it != end;
       it.increment(error)) {
    if (std::string name = it->path().filename().string(); name.starts_with(prefix)) {
      found.push_back(std::move(name));
    }
  }
  return found;
}

Outcome<int> shm_create_unnamed(unsigned mode) noexcept {
  return call(Sys::open, [&] { return ::open(kFolder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode); });
}

int shm_give_name(int fd, const std::string& name) noexcept {
  const std::string from = descriptor_path(fd);
  const std::string to = path_of(name);
  return call(Sys::linkat,
              [&] {
                return ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW);
              })
      .error;
}

FileIdentity identity_of(int fd) {
  struct stat status {};
  check(call(Sys::fstat, [&] { return ::fstat(fd, &status); }));
  return identity_from(status);
}

std::optional<FileIdentity> shm_identity(const std::string& name) noexcept {
  struct stat status {};
  const std::string path = path_of(name);
  if (!call(Sys::fstat, [&] { return ::lstat(path.c_str(), &status); }).ok() ||
      !S_ISREG(status.st_mode)) {
    return {};
  }
  return identity_from(status);
}

unsigned effective_user() noexcept {
  return ::geteuid();
}

int shm_allocate(int fd, std::uint64_t size) noexcept {
  const int error = allocate_file(fd, 0, size);
  if (error != EOPNOTSUPP && !is_unavailable(error)) {
    return error;
  }
  if (const int grown = grow_file(fd, size); grown != 0) {
    return grown;
  }
  static constexpr std::array<std::byte, 16384> kZeroes{};
  for (std::uint64_t done = 0; done < size;) {
    const std::size_t piece = std::min<std::uint64_t>(size - done, kZeroes.size());
    const auto put = call(
        Sys::pwrite, [&] { return ::pwrite(fd, kZeroes.data(), piece, static_cast<off_t>(done)); });
    if (!put.ok()) {
      return put.error;
    }
    done += static_cast<std::uint64_t>(put.value);
  }
  return 0;
}

int shm_commit(int fd, void* address, std::uint64_t size) noexcept {
  const int error = call(Sys::fallocate, [&] {
                      return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
                    }).error;
  return error == EOPNOTSUPP || is_unavailable(error) ? commit_pages(fd, 0, address, size) : error;
}

std::uint64_t shm_room(int fd) noexcept {
  struct statfs status {};
  if (!call(Sys::fstatfs, [&] { return ::fstatfs(fd, &status); }).ok() || status.f_blocks == 0) {
    return UINT64_MAX;
  }
  return static_cast<std::uint64_t>(status.f_bfree) * static_cast<std::uint64_t>(status.f_bsize);
}

std::size_t read_at(int fd, std::uint64_t offset, MutableByteView into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = check(call(Sys::pread, [&] {
      return ::pread(fd, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    }));
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

int write_at(int fd, std::uint64_t offset, ByteView from) noexcept {
  for (std::size_t done = 0; done < from.size();) {
    const auto put = call(Sys::pwrite, [&] {
      return ::pwrite(fd, from.data() + done, from.size() - done,
                      static_cast<off_t>(offset + done));
    });
    if (!put.ok()) {
      return put.error;
    }
    done += static_cast<std::size_t>(put.value);
  }
  return 0;
}

bool lock_file(int fd, FileLock kind, bool wait) {
  const int how = (kind == FileLock::shared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB);
  const auto locked = call(Sys::flock, [&] { return ::flock(fd, how); });
  if (locked.error == EWOULDBLOCK) {
    return false;
  }
  check(locked);
  return true;
}

bool take_mark(int fd) {
  struct flock lock = whole_file(F_WRLCK);
  const auto taken = call(Sys::fcntl, [&] { return ::fcntl(fd, F_OFD_SETLK, &lock); });
  if (taken.error == EAGAIN || taken.error == EACCES) {
    return false;
  }
  check(taken, "F_OFD_SETLK");
  return true;
}

bool is_marked(int fd) noexcept {
  struct flock lock = whole_file(F_WRLCK);
  return call(Sys::fcntl, [&] { return ::fcntl(fd, F_OFD_GETLK, &lock); }).ok() &&
         lock.l_type != F_UNLCK;
}

Fd open_again(int fd, bool writable) {
  return open_file(descriptor_path(fd).c_str(), writable ? O_RDWR : O_RDONLY);
}

bool daemonize(std::string_view thread_name, const std::vector<int>& keep) {
  // Before the fork, so that the child never has another name and never hears a signal.
  set_thread_name(thread_name);
  for (const int signal : {kSigHangup, kSigInt, kSigTerm, kSigPipe}) {
    (void)ignore_signal(signal);
  }
  const auto forked = call(Sys::fork, [] { return ::fork(); });
  if (check(forked) != 0) {
    return false;
  }
  (void)::setsid();
  (void)::chdir("/");
  (void)set_signal_mask(0);
  if (const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC); null >= 0) {
    for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; ++standard) {
      (void)::dup2(null, standard);
    }
  }
  close_all_but(keep);
  return true;
}

}  // namespace mp::os
