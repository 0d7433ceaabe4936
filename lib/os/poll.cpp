// SPDX-License-Identifier: Apache-2.0
#include "os/poll.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "os/check.hpp"

namespace mp::os {

static_assert(kReadable == POLLIN && kWritable == POLLOUT && kFailed == POLLERR &&
              kHungUp == POLLHUP && kNotOpen == POLLNVAL);
static_assert(sizeof(PollEntry) == sizeof(pollfd) && alignof(PollEntry) == alignof(pollfd));
static_assert(offsetof(PollEntry, fd) == offsetof(pollfd, fd));
static_assert(offsetof(PollEntry, wanted) == offsetof(pollfd, events));
static_assert(offsetof(PollEntry, ready) == offsetof(pollfd, revents));

int poll(std::span<PollEntry> entries, Deadline until) {
  for (;;) {
    timespec time{};
    if (!until.is_never()) {
      const std::int64_t left = until.remaining().count();
      time.tv_sec = left / 1'000'000'000;
      time.tv_nsec = left % 1'000'000'000;
    }
    const auto polled = call_once(Sys::poll, [&] {
      return ::ppoll(reinterpret_cast<pollfd*>(entries.data()), entries.size(),
                     until.is_never() ? nullptr : &time, nullptr);
    });
    if (polled.error != EINTR) {
      return check(polled);
    }
  }
}

bool wait_readable(int fd, Deadline until) {
  PollEntry entry{fd, kReadable};
  return poll({&entry, 1}, until) != 0;
}

bool wait_writable(int fd, Deadline until) {
  PollEntry entry{fd, kWritable};
  return poll({&entry, 1}, until) != 0;
}

Fd eventfd() {
  return Fd{check(call(Sys::eventfd, [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }))};
}

void eventfd_signal(int fd) noexcept {
  const int before = errno;
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full, so it is readable.
  (void)call(Sys::write, [&] { return ::write(fd, &one, sizeof(one)); });
  errno = before;  // for whatever a signal handler interrupted
}

bool eventfd_drain(int fd) noexcept {
  std::uint64_t count = 0;
  return call(Sys::read, [&] { return ::read(fd, &count, sizeof(count)); }).ok();
}

}  // namespace mp::os
