// SPDX-License-Identifier: Apache-2.0
// manager/event_loop.hpp — the sockets and the clock of a server: everything that waits.
//
// One thread runs it. It accepts, has peers prove the key, cuts what they send into frames, sends
// what is written for them, and knows nothing of what the frames mean.
//
// Threads: post() and stop() may be called from any thread, everything else from within run().
// Blocks:  run(), until stop().
// Throws:  run() lets nothing out that a peer has caused.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/connection/address.hpp"

#include "connection/tls.hpp"
#include "os/fd.hpp"

namespace mp::manager {

struct LoopOptions {
  std::string authkey = {};
  bool allow_md5 = true;
  bool same_user = false;    // unix sockets: drops peers of other users
  bool accept_code = false;  // from whoever has the key, not only from this user's on this machine
  bool is_tcp = false;
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds{20};
  std::size_t most_unproved = 256;  // peers at a time that have not proved the key
  std::chrono::seconds lease{10};
  std::uint64_t max_frame = 0;
  std::shared_ptr<const connection::TlsContext> tls = {};  // whoever comes must speak it, then
};

class Session;
namespace python {
class Conversation;
}

// A client, from its proof to its end.
class Peer {
 public:
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Frames that are to be sent, at the end of the event that is being handled.
  Bytes out;
  // Send them and close then.
  bool closing = false;
  // What it speaks: mp's own wire, or CPython's. Neither until its first request.
  std::shared_ptr<Session> session;
  std::shared_ptr<python::Conversation> python;
  // Whether there is a socket to send to.
  bool connected = false;
  // The process, on this machine; 0 where it cannot be known.
  int process = 0;
  // Whether pools run code that it sends.
  bool may_send_code = false;

 protected:
  ~Peer() = default;
};

class LoopHandler {
 public:
  virtual void on_frame(Peer& peer, ByteView frame) = 0;
  // Afterwards the peer is no more.
  virtual void on_gone(Peer& peer) = 0;

 protected:
  ~LoopHandler() = default;
};

class EventLoop {
 public:
  using TimerId = std::uint64_t;

  EventLoop(os::Fd listener, LoopOptions options, LoopHandler& handler);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void run();
  void stop();
  // Before the end: afterwards no client is left, and nothing calls the handler any more.
  void drop_clients() noexcept;
  void post(std::function<void()> function);

  // Calls `function` once, at `when`. Never 0.
  [[nodiscard]] TimerId add_timer(Deadline when, std::function<void()> function);
  void cancel_timer(TimerId timer) noexcept;
  // Calls `function` each time that `fd` is readable, until it returns false.
  void watch(int fd, std::function<bool()> function);
  // Where the peer has found us, which listen at `own`.
  [[nodiscard]] Address address_of(const Peer& peer, const Address& own) const;
  // Has what is in peer.out sent when the event is over.
  void touch(Peer& peer);

  struct Parts;

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace mp::manager
