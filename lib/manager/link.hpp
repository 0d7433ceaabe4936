// SPDX-License-Identifier: Apache-2.0
// manager/link.hpp — this process's connection to one server, shared by all its threads.
//
// Whoever waits for a reply and finds nobody reading becomes the reader, and hands every reply that
// comes to the one who waits for it; no thread of the library is needed. Requests that nobody waits
// for yet gather until someone waits, or kilobytes have gathered.
//
// Threads: everything may be called from any thread.
// Fork:    a link is its maker's. In a child its descriptor is closed, so that the server sees the
//          end when the maker is gone, and nothing else of it is touched.
// Crash:   when the server is gone, every call that waits, and every later one, throws EOFError.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/connection/address.hpp"
#include "mp/manager/raw_proxy.hpp"

#include "connection/tls.hpp"
#include "manager/frame_buffer.hpp"
#include "manager/protocol_layout.hpp"
#include "os/fd.hpp"

namespace mp::detail {

// A reply that somebody waits for, or will.
struct PendingReply {
  explicit PendingReply(std::shared_ptr<Link> the_link) noexcept : link{std::move(the_link)} {}
  ~PendingReply();
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;

  std::shared_ptr<Link> link;
  std::uint64_t id = 0;
  // With the link's mutex:
  std::atomic<bool> done{false};
  bool waiting = false;
  Bytes message = {};
  std::condition_variable wake = {};
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  // The link of this process to the server at `address`, which is made if there is none. A link
  // that is broken is made anew.
  static std::shared_ptr<Link> to(const Address& address, const std::string& authkey);
  // With these settings, and not with those that are remembered.
  static std::shared_ptr<Link> to(const Address& address, const std::string& authkey,
                                  const std::string& settings);
  // Closes the one there is, if any.
  static void forget(const Address& address) noexcept;

  // `settings`: as known_keys.hpp has them.
  Link(const Address& address, const std::string& authkey, const std::string& settings);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Sends a request and waits. `body` is what follows op and thread.
  Reply request(layout::Op op, ByteView head, ByteView tail = {});
  // Sends a request, now or later.
  void send(layout::Op op, ByteView head, ByteView tail, PendingReply& pending);
  // Sends a request that is not answered. Never throws: the server may be gone.
  void tell(layout::Op op, std::uint64_t object) noexcept;
  void tell_shutdown() noexcept { tell(layout::Op::shutdown, ByteView{}); }
  Reply await(PendingReply& pending);
  void forget(PendingReply& pending) noexcept;

  [[nodiscard]] bool usable() const noexcept;
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] const std::string& address_text() const noexcept { return address_text_; }
  [[nodiscard]] const std::string& authkey() const noexcept { return authkey_; }

 private:
  friend struct LinkTable;
  void tell(layout::Op op, ByteView body) noexcept;
  using Hold = std::unique_lock<std::mutex>;

  void append(layout::Op op, std::uint64_t id, ByteView head, ByteView tail);
  // Sends what has gathered. Reads as well when there is no room, or both sides would wait for
  // ever.
  void flush(Hold& hold);
  // Reads once, or waits until that is somebody else's news.
  void read_once(Hold& hold);
  void deliver(ByteView frame);
  void break_off() noexcept;
  void negotiate();

  const std::uint32_t generation_;
  const Address address_;
  const std::string address_text_;
  const std::string authkey_;
  os::Fd socket_;
  std::unique_ptr<connection::Tls> tls_;  // null: in clear

  mutable std::mutex mutex_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, PendingReply*> pending_;
  std::vector<Bytes> orphans_;  // replies that nobody waits for any more
  Bytes out_;
  bool sending_ = false;
  bool reading_ = false;
  std::atomic<bool> broken_{false};
  manager::FrameBuffer in_;
};

}  // namespace mp::detail
