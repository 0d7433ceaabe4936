// SPDX-License-Identifier: Apache-2.0
// connection/socket_channel.hpp — the Channel over a stream socket, to anybody who speaks frames.
//
// Invariants
//  S1 Bytes of the stream are read and written only by who has the turn of that direction. A turn
//     to read is taken for as long as there is something to read, never while waiting; a turn to
//     write lasts for a whole message.
//  S2 A message that has begun to go out goes out whole: what a call with a deadline leaves is kept
//     and sent before anything else, by whichever call comes next.
//  S3 Nothing is read beyond the message that is being put together, so the descriptor is readable
//     whenever something is left to read.
//  S4 A stream in which one frame was wrong has no more frames: the failure is kept and given to
//     every receiver.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "connection/channel.hpp"
#include "connection/frame_reader.hpp"
#include "os/fd.hpp"

namespace mp::connection {

class SocketChannel final : public mp::detail::Channel {
 public:
  SocketChannel(os::Fd socket, std::uint64_t max_frame);
  ~SocketChannel() override;

  bool send(mp::detail::Outgoing& parcel, Deadline until) override;
  bool recv(mp::detail::Incoming& parcel, Deadline until) override;
  bool poll(Deadline until) override;
  void close() noexcept override;
  [[nodiscard]] bool closed() const noexcept override;
  [[nodiscard]] bool readable() const noexcept override { return true; }
  [[nodiscard]] bool writable() const noexcept override { return true; }
  [[nodiscard]] std::uint64_t id() override;
  [[nodiscard]] int socket() const noexcept override;
  [[nodiscard]] bool ready() override;

 private:
  using Turn = std::unique_lock<std::timed_mutex>;

  void enter();
  void adopt();
  [[nodiscard]] Turn take_turn(std::timed_mutex& mutex, Deadline until);
  // Reads what there is, until a message is complete. Expects: the turn to read.
  void pull();
  [[nodiscard]] bool has_outcome() const noexcept;
  // Expects: the turn to write. `done` says how far it came.
  bool send_frame(ByteView message, std::span<const int> fds, Deadline until, std::size_t& done);
  // Sends what is left of a message that has begun. Returns whether nothing is left. Expects: the
  // turn to write.
  bool flush();
  void flush_if_idle() noexcept;
  void drop_unsent() noexcept;
  [[nodiscard]] bool has_unsent() const noexcept {
    return unsent_size_.load(std::memory_order_relaxed) != 0;
  }
  bool await_message(mp::detail::Incoming* parcel, Deadline until);
  // Waits until the socket is ready for that, or is closed by another thread. False at `until`.
  bool wait(short wanted, Deadline until);
  int closing_event();

  os::Fd owner_;  // let go of with both turns taken
  const int fd_;  // the same, for those who wait without a turn
  const bool local_;
  const std::uint64_t max_frame_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint32_t> generation_;
  std::atomic<int> closing_{-1};  // an eventfd, made by the first call that waits
  // In an optional, so that a forked child can make new ones: a thread that it does not have may
  // have held them.
  std::optional<std::timed_mutex> read_turn_;
  std::optional<std::timed_mutex> write_turn_;

  // With the turn to read:
  FrameReader frame_;
  std::vector<os::Fd> fds_;  // came with the message
  bool ended_ = false;
  std::exception_ptr failure_;

  // With the turn to write:
  Bytes unsent_;
  std::atomic<std::size_t> unsent_size_{0};  // of the end of unsent_
  bool cut_ = false;                         // a message was left unfinished
};

}  // namespace mp::connection
