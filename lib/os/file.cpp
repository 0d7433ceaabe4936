// SPDX-License-Identifier: Apache-2.0
#include "os/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/check.hpp"

namespace mp::os {

File File::create(const std::string& path) {
  return {open_file(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600), path};
}

File File::open(const std::string& path) {
  return {open_file(path.c_str(), O_RDWR | O_CREAT | O_APPEND, 0644), path};
}

File File::open_to_read(const std::string& path) {
  return {open_file(path.c_str(), O_RDONLY), path};
}

std::uint64_t File::size() const {
  struct stat status {};
  check(call(Sys::fstat, [&] { return ::fstat(fd_.get(), &status); }), path_);
  return static_cast<std::uint64_t>(status.st_size);
}

std::size_t File::read_at(std::uint64_t offset, MutableByteView into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto got = check(call(Sys::pread,
                                [&] {
                                  return ::pread(fd_.get(), into.data() + done, into.size() - done,
                                                 static_cast<off_t>(offset + done));
                                }),
                           path_);
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void File::append(ByteView bytes) {
  while (!bytes.empty()) {
    const auto put = check(
        call(Sys::write, [&] { return ::write(fd_.get(), bytes.data(), bytes.size()); }), path_);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void File::truncate(std::uint64_t size) {
  check(call(Sys::ftruncate, [&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }),
        path_);
}

void File::sync() {
  check(call(Sys::fdatasync, [&] { return ::fdatasync(fd_.get()); }), path_);
}

bool File::try_lock() {
  const auto locked = call(Sys::flock, [&] { return ::flock(fd_.get(), LOCK_EX | LOCK_NB); });
  if (locked.error == EWOULDBLOCK) {
    return false;
  }
  check(locked, path_);
  return true;
}

Bytes read_file(const std::string& path) {
  const File file = File::open_to_read(path);
  Bytes bytes(file.size());
  bytes.resize(file.read_at(0, bytes));
  return bytes;
}

}  // namespace mp::os
