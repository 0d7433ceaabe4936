// SPDX-License-Identifier: Apache-2.0
#include "connection/socket_channel.hpp"

#include <array>
#include <chrono>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/memory/object_ref.hpp"

#include "memory/fork_mutex.hpp"
#include "os/endpoint.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"

namespace mp::connection {

namespace {

using mp::detail::fork_generation;

// Taken to repair what a fork copied.
[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{26};

[[noreturn]] void throw_closed() {
  throw ClosedError{"this connection is closed"};
}

[[noreturn]] void throw_gone() {
  throw EOFError{"the peer has closed the connection: nobody is left to receive"};
}

}  // namespace

SocketChannel::SocketChannel(os::Fd socket, std::uint64_t max_frame)
    : owner_{std::move(socket)},
      fd_{owner_.get()},
      local_{os::family_of(fd_) == os::Family::local},
      max_frame_{max_frame},
      generation_{fork_generation},
      read_turn_{std::in_place},
      write_turn_{std::in_place},
      frame_{max_frame} {
  if (!local_) {
    os::set_no_delay(fd_);
  }
}

SocketChannel::~SocketChannel() {
  os::Fd{closing_.load()}.reset();
}

void SocketChannel::enter() {
  if (generation_.load(std::memory_order_acquire) != fork_generation) [[unlikely]] {
    adopt();
  }
  if (closed_.load(std::memory_order_relaxed)) [[unlikely]] {
    throw_closed();
  }
}

void SocketChannel::adopt() {
  const std::lock_guard hold{mutex};
  if (generation_.load(std::memory_order_relaxed) == fork_generation) {
    return;
  }
  read_turn_.emplace();
  write_turn_.emplace();
  drop_unsent();  // it is the parent's to send
  os::Fd{closing_.exchange(-1)}.reset();
  generation_.store(fork_generation, std::memory_order_release);
}

SocketChannel::Turn SocketChannel::take_turn(std::timed_mutex& turn, Deadline until) {
  if (until.is_never()) {
    return Turn{turn};
  }
  Turn taken{turn, std::try_to_lock};
  if (!taken && !until.passed()) {
    static_cast<void>(taken.try_lock_until(
        std::chrono::steady_clock::time_point{std::chrono::nanoseconds{until.nanoseconds()}}));
  }
  return taken;
}

int SocketChannel::closing_event() {
  int event = closing_.load();
  if (event < 0) {
    os::Fd made = os::eventfd();
    if (closing_.compare_exchange_strong(event, made.get())) {
      event = made.release();
    }
  }
  return event;
}

bool SocketChannel::wait(short wanted, Deadline until) {
  const int event = closing_event();
  if (closed_.load()) {
    throw_closed();
  }
  std::array<os::PollEntry, 2> entries{{{fd_, wanted}, {event, os::kReadable}}};
  const bool ready = os::poll(entries, until) != 0;
  if (closed_.load()) {
    throw_closed();
  }
  return ready;
}

bool SocketChannel::flush() {
  while (has_unsent()) {
    const std::size_t size = unsent_size_.load(std::memory_order_relaxed);
    const auto sent = os::send_some(fd_, ByteView{unsent_}.last(size), {});
    if (!sent.ok() && os::no_room(sent.error)) {
      return false;
    }
    if (!sent.ok() && os::peer_is_gone(sent.error)) {
      drop_unsent();
      throw_gone();
    }
    const std::size_t left = size - static_cast<std::size_t>(os::check(sent));
    unsent_size_.store(left, std::memory_order_relaxed);
    if (left == 0) {
      drop_unsent();
    }
  }
  return true;
}

void SocketChannel::drop_unsent() noexcept {
  unsent_size_.store(0, std::memory_order_relaxed);
  unsent_ = {};
}

// For those who wait for an answer to what is still on its way.
void SocketChannel::flush_if_idle() noexcept {
  if (Turn turn{*write_turn_, std::try_to_lock}; turn && !closed_.load()) {
    try {
      flush();
    } catch (const Error&) {
      drop_unsent();  // a receiver learns of it from its own side
    }
  }
}

bool SocketChannel::send(mp::detail::Outgoing& parcel, Deadline until) {
  enter();
  const ByteView message = parcel.bytes();
  const std::vector<int>& fds = parcel.descriptors();
  MP_EXPECTS(parcel.objects().empty(),
             "a shared object cannot be sent through a socket: only processes of the same tree "
             "have its memory");
  MP_EXPECTS(fds.empty() || local_, "a file descriptor can only be sent through a unix socket");
  MP_EXPECTS(fds.size() <= os::kMaxSentFds, "at most 253 descriptors travel with one message");
  if (message.size() > max_frame_) {
    throw FrameTooLarge{message.size(), max_frame_};
  }
  const Turn turn = take_turn(*write_turn_, until);
  if (!turn) {
    return false;
  }
  if (cut_) {
    throw_gone();
  }
  std::size_t done = 0;
  try {
    return send_frame(message, fds, until, done);
  } catch (...) {
    cut_ = done != 0;  // what came next would not be understood
    throw;
  }
}

bool SocketChannel::send_frame(ByteView message, std::span<const int> fds, Deadline until,
                               std::size_t& done) {
  const layout::FrameHead head = layout::make_frame_head(message.size());
  const std::size_t size = head.size + message.size();
  while (done != size) {
    if (closed_.load()) {
      throw_closed();
    }
    bool room = flush();
    if (room) {
      const ByteView first = done < head.size ? head.view().subspan(done) : ByteView{};
      const ByteView second = message.subspan(done < head.size ? 0 : done - head.size);
      const auto sent = os::send_some(fd_, first, second, done == 0 ? fds : std::span<const int>{});
      if (!sent.ok() && os::peer_is_gone(sent.error)) {
        throw_gone();
      }
      room = sent.ok() || !os::no_room(sent.error);
      done += room ? static_cast<std::size_t>(os::check(sent)) : 0;
    }
    if (!room && !wait(os::kWritable, until)) {
      if (done == 0) {
        return false;
      }
      // S2. It counts as sent.
      unsent_.assign(head.view().begin(), head.view().end());
      unsent_.insert(unsent_.end(), message.begin(), message.end());
      unsent_size_.store(size - done, std::memory_order_relaxed);
      return true;
    }
  }
  return true;
}

void SocketChannel::pull() {
  while (!has_outcome()) {
    try {
      os::Received got;
      const bool any = os::receive_some(fd_, frame_.room(), local_ ? os::kMaxSentFds : 0, got);
      if (!any) {
        return;
      }
      std::move(got.fds.begin(), got.fds.end(), std::back_inserter(fds_));
      if (got.size == 0) {
        ended_ = true;
      } else {
        frame_.filled(got.size);
      }
      if (fds_.size() > os::kMaxSentFds) {
        throw DecodeError{"the peer sends more descriptors than belong to a message"};
      }
    } catch (const CodecError&) {
      failure_ = std::current_exception();
    } catch (const OsError& error) {
      if (os::peer_is_gone(error.code().value())) {
        ended_ = true;
      } else {
        // Bytes may be lost, with descriptors for which there was no room.
        failure_ = std::current_exception();
      }
    }
  }
}

bool SocketChannel::has_outcome() const noexcept {
  return frame_.complete() || ended_ || failure_ != nullptr;
}

// Returns whether there is a message or an end; takes it if there is a parcel for it.
bool SocketChannel::await_message(mp::detail::Incoming* parcel, Deadline until) {
  enter();
  for (;;) {
    if (Turn turn = take_turn(*read_turn_, until)) {
      if (closed_.load()) {
        throw_closed();
      }
      pull();
      if (parcel != nullptr && frame_.announced() && failure_ == nullptr) {
        parcel->check_limit(frame_.size());  // it stays where it is
      }
      if (has_outcome()) {
        if (parcel == nullptr) {
          return true;
        }
        if (frame_.complete()) {
          parcel->adopt(frame_.take());
          for (os::Fd& fd : fds_) {
            parcel->adopt_descriptor(fd.release());
          }
          fds_.clear();
          return true;
        }
        if (failure_ != nullptr) {
          std::rethrow_exception(failure_);
        }
        throw EOFError{frame_.begun()
                           ? "the peer closed the connection in the middle of a message"
                           : "the peer has closed the connection and everything was received"};
      }
      if (!local_) {
        os::acknowledge_quickly(fd_);  // for peers that hold back what they send until then
      }
    }
    if (has_unsent()) {
      flush_if_idle();
    }
    const auto wanted =
        static_cast<short>(os::kReadable | (has_unsent() ? os::kWritable : short{0}));
    if (until.passed() || !wait(wanted, until)) {
      return false;
    }
  }
}

bool SocketChannel::recv(mp::detail::Incoming& parcel, Deadline until) {
  return await_message(&parcel, until);
}

bool SocketChannel::poll(Deadline until) {
  return await_message(nullptr, until);
}

void SocketChannel::close() noexcept {
  if (generation_.load(std::memory_order_acquire) != fork_generation) {
    adopt();
  }
  if (closed_.exchange(true)) {
    return;
  }
  // Whoever waits with a turn or without one leaves now.
  if (const int event = closing_.load(); event >= 0) {
    os::eventfd_signal(event);
  }
  const std::scoped_lock turns{*read_turn_, *write_turn_};
  if (has_unsent()) {
    try {
      flush();
    } catch (const Error&) {
    }
  }
  drop_unsent();
  fds_.clear();
  owner_.reset();
}

bool SocketChannel::closed() const noexcept {
  return closed_.load(std::memory_order_relaxed);
}

std::uint64_t SocketChannel::id() {
  mp::detail::throw_usage_error(
      "a connection over a socket is not shared memory: it can only be sent through a unix socket");
}

bool SocketChannel::ready() {
  try {
    return poll(Deadline::now());
  } catch (const Error&) {
    return true;  // recv says why
  }
}

int SocketChannel::socket() const noexcept {
  return closed_.load(std::memory_order_relaxed) ? -1 : fd_;
}

}  // namespace mp::connection
