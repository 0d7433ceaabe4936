// SPDX-License-Identifier: Apache-2.0
#include "support/rendezvous.hpp"

#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace mp::test {

Signal::Signal() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error{errno, std::system_category(), "pipe2"};
  }
  read_end_ = ends[0];
  write_end_ = ends[1];
}

Signal::~Signal() {
  ::close(read_end_);
  ::close(write_end_);
}

void Signal::raise() {
  if (::write(write_end_, "!", 1) != 1) {
    throw std::system_error{errno, std::system_category(), "write"};
  }
}

bool Signal::try_take() {
  char event = 0;
  return ::read(read_end_, &event, 1) == 1;
}

void Signal::await(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!try_take()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      throw std::runtime_error{"nobody raised the signal in time"};
    }
    pollfd look{.fd = read_end_, .events = POLLIN, .revents = 0};
    ::poll(&look, 1, static_cast<int>(left.count()));
  }
}

void Rendezvous::arrive_and_wait(std::chrono::milliseconds limit) {
  const int ticket = state_->arrived.fetch_add(1);
  Signal& door = doors_[static_cast<std::size_t>(ticket / parties_ % 2)];
  if (ticket % parties_ == parties_ - 1) {
    for (int i = 1; i < parties_; ++i) {
      door.raise();
    }
  } else {
    door.await(limit);
  }
}

}  // namespace mp::test
