// SPDX-License-Identifier: Apache-2.0
// baseline/posix_channels.hpp — what the kernel has to pass messages between processes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mqueue.h>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/peer.hpp"
#include "support/placement.hpp"

namespace mp::bench {

inline void must(bool done, const char* what) {
  if (!done) {
    std::perror(what);
    std::abort();
  }
}

// A name that no other channel of any process has.
inline std::string unique_name() {
  static int next = 0;
  return "mp-bench-" + std::to_string(::getpid()) + "-" + std::to_string(next++);
}

// Bytes in order, from the second descriptor to the first.
class Descriptors {
 public:
  using Party = Peer;
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors() {
    for (const int fd : fds_) {
      ::close(fd);
    }
  }
  void put(const void* from, std::size_t size) {
    const auto* bytes = static_cast<const char*>(from);
    while (size != 0) {
      const ssize_t done = ::write(fds_[1], bytes, size);
      must(done > 0, "write");
      bytes += done;
      size -= static_cast<std::size_t>(done);
    }
  }
  void get(void* to, std::size_t size) {
    auto* bytes = static_cast<char*>(to);
    while (size != 0) {
      const ssize_t done = ::read(fds_[0], bytes, size);
      must(done > 0, "read");
      bytes += done;
      size -= static_cast<std::size_t>(done);
    }
  }

 protected:
  std::array<int, 2> fds_{};
};

class PosixPipe : public Descriptors {
 public:
  PosixPipe(std::size_t, Placement) { must(::pipe(fds_.data()) == 0, "pipe"); }
};

class PosixFifo : public Descriptors {
 public:
  PosixFifo(std::size_t, Placement) {
    const std::string path = "/tmp/" + unique_name();
    must(::mkfifo(path.c_str(), 0600) == 0, "mkfifo");
    for (int& fd : fds_) {
      fd = ::open(path.c_str(), O_RDWR);
      must(fd >= 0, "open");
    }
    ::unlink(path.c_str());
  }
};

class Socketpair : public Descriptors {
 public:
  Socketpair(std::size_t, Placement) {
    must(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds_.data()) == 0, "socketpair");
  }
};

// Messages of up to some 200 KiB: the kernel's buffer holds a whole one.
class Seqpacket : public Descriptors {
 public:
  Seqpacket(std::size_t, Placement) {
    must(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds_.data()) == 0, "socketpair");
  }
};

// Ten messages of up to 8 KiB fit by default.
class PosixMq {
 public:
  using Party = Peer;
  PosixMq(std::size_t size, Placement) {
    const std::string name = "/" + unique_name();
    mq_attr attributes{};
    attributes.mq_maxmsg = 10;
    attributes.mq_msgsize = static_cast<long>(size);
    queue_ = ::mq_open(name.c_str(), O_CREAT | O_RDWR, 0600, &attributes);
    must(queue_ >= 0, "mq_open");
    ::mq_unlink(name.c_str());
  }
  PosixMq(const PosixMq&) = delete;
  PosixMq& operator=(const PosixMq&) = delete;
  ~PosixMq() { ::mq_close(queue_); }
  void put(const void* from, std::size_t size) {
    must(::mq_send(queue_, static_cast<const char*>(from), size, 0) == 0, "mq_send");
  }
  void get(void* to, std::size_t size) {
    must(::mq_receive(queue_, static_cast<char*>(to), size, nullptr) >= 0, "mq_receive");
  }

 private:
  mqd_t queue_;
};

}  // namespace mp::bench
