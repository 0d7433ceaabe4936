// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/file_descriptor.hpp"

#include "os/fd.hpp"

namespace mp {

FileDescriptor FileDescriptor::duplicate(int fd) {
  return FileDescriptor{os::duplicate(fd).release()};
}

FileDescriptor::~FileDescriptor() {
  os::Fd{fd_}.reset();
}

}  // namespace mp
