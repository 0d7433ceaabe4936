// SPDX-License-Identifier: Apache-2.0
// Design
//
// The only source that knows Asio, which here tells when descriptors are ready and moves no bytes:
// those go through the house's own calls, a whole batch of frames at a time. A peer that does not
// read what it is sent is not read from either, beyond kMostUnsent.
#include "manager/event_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mp/errors/error.hpp"
#include "mp/log.hpp"

#include "connection/endpoints.hpp"
#include "connection/handshake_link.hpp"
#include "manager/frame_buffer.hpp"
#include "os/endpoint.hpp"
#include "os/socket.hpp"

namespace mp::manager {

namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;
using connection::Handshake;
using connection::HandshakeLink;
using connection::Tls;

constexpr std::size_t kMostUnsent = std::size_t{16} << 20;
constexpr int kReadsAtOnce = 8;

void log_dropped(std::string_view why) {
  Logger& logger = get_logger();
  if (logger.is_enabled_for(LogLevel::info)) {
    logger.info("a manager's server dropped a peer: " + std::string{why});
  }
}

struct Client final : Peer, std::enable_shared_from_this<Client> {
  Client(asio::io_context& context, os::Fd socket, HandshakeLink the_link, std::uint64_t max_frame)
      : descriptor{context, socket.release()}, link{std::move(the_link)}, in{max_frame} {}

  Descriptor descriptor;
  std::optional<HandshakeLink> link;  // until the key is proved
  std::unique_ptr<Tls> tls;           // from then on
  EventLoop::TimerId patience = 0;
  FrameBuffer in;
  std::size_t sent = 0;  // of `out`
  bool reading = false;  // a wait is under way
  bool writing = false;
  bool touched = false;
  bool gone = false;
};

}  // namespace

struct EventLoop::Parts {
  Parts(os::Fd the_listener, LoopOptions the_options, LoopHandler& the_handler)
      : options{std::move(the_options)},
        handler{the_handler},
        listener{context, the_listener.release()},
        timer{context} {}

  void accept();
  void accept_ready();
  void prove(const std::shared_ptr<Client>& client);
  void settle(Client& client);
  void read(const std::shared_ptr<Client>& client);
  void on_readable(const std::shared_ptr<Client>& client);
  void write(const std::shared_ptr<Client>& client);
  void drop(const std::shared_ptr<Client>& client) noexcept;
  void flush();
  void arm();

  LoopOptions options;
  LoopHandler& handler;
  asio::io_context context{1};
  Descriptor listener;
  asio::steady_timer timer;
  bool accepting = false;
  std::size_t unproved = 0;
  std::unordered_set<std::shared_ptr<Client>> clients;
  std::vector<std::shared_ptr<Client>> touched;

  struct Alarm {
    TimerId id;
    std::function<void()> function;
  };
  std::multimap<std::int64_t, Alarm> alarms;
  std::unordered_map<TimerId, std::multimap<std::int64_t, Alarm>::iterator> by_id;
  TimerId last_timer = 0;
  std::int64_t armed = std::numeric_limits<std::int64_t>::max();
  struct Watch {
    Descriptor descriptor;
    std::function<bool()> function;
  };
  void watch(const std::shared_ptr<Watch>& each);
  std::vector<std::weak_ptr<Watch>> watches;
};

void EventLoop::Parts::accept() {
  if (accepting || unproved >= options.most_unproved) {
    return;
  }
  accepting = true;
  listener.async_wait(Descriptor::wait_read, [this](const boost::system::error_code& error) {
    accepting = false;
    if (!error) {
      accept_ready();
      flush();
      accept();
    }
  });
}

void EventLoop::Parts::accept_ready() {
  while (unproved < options.most_unproved) {
    os::SocketAddress from;
    os::Fd socket;
    try {
      socket = os::accept_one(listener.native_handle(), from);
    } catch (const OsError& error) {
      log_dropped(error.what());  // no descriptors left, or it is gone again
      return;
    }
    if (!socket) {
      return;
    }
    int process = 0;
    bool is_ours = options.accept_code;
    if (!options.is_tcp) {
      const os::Credentials peer = os::peer_credentials(socket.get());
      if (options.same_user && peer.user != os::own_credentials().user) {
        log_dropped("it runs as another user");
        continue;
      }
      process = peer.pid;
      is_ours = is_ours || peer.user == os::own_credentials().user;
    }
    os::set_no_delay(socket.get());
    if (options.is_tcp) {
      os::set_lease(socket.get(), options.lease);
    }
    auto client = std::make_shared<Client>(
        context, std::move(socket),
        HandshakeLink{Handshake{Handshake::Role::server, options.authkey, options.allow_md5},
                      options.tls ? std::make_unique<Tls>(options.tls) : nullptr},
        options.max_frame);
    client->connected = true;
    client->process = process;
    client->may_send_code = is_ours;
    clients.insert(client);
    ++unproved;
    const TimerId id = ++last_timer;
    const Deadline until{options.handshake_timeout};
    by_id.emplace(id, alarms.emplace(until.nanoseconds(),
                                     Alarm{id, [this, weak = std::weak_ptr{client}] {
                                             if (const auto late = weak.lock()) {
                                               late->patience = 0;
                                               log_dropped("it did not prove the key in time");
                                               drop(late);
                                             }
                                           }}));
    client->patience = id;
    arm();
    prove(client);
  }
}

void EventLoop::Parts::settle(Client& client) {
  if (client.link) {
    client.link.reset();
    --unproved;
    if (const auto known = by_id.find(client.patience); known != by_id.end()) {
      alarms.erase(known->second);
      by_id.erase(known);
    }
    accept();
  }
}

void EventLoop::Parts::prove(const std::shared_ptr<Client>& client) {
  HandshakeLink::State state = HandshakeLink::State::gone;
  try {
    state = client->link->step(client->descriptor.native_handle());
  } catch (const Error& error) {
    log_dropped(error.what());
  }
  if (state == HandshakeLink::State::done) {
    client->tls = client->link->take_tls();
    settle(*client);
    on_readable(client);  // the first request comes with the last of the proof
    return;
  }
  if (state != HandshakeLink::State::going_on) {
    log_dropped(client->link->reason());
    drop(client);
    return;
  }
  client->descriptor.async_wait(
      client->link->wants_to_write() ? Descriptor::wait_write : Descriptor::wait_read,
      [this, client](const boost::system::error_code& error) {
        if (!error && !client->gone && client->link) {
          prove(client);
          flush();
        }
      });
}

void EventLoop::Parts::read(const std::shared_ptr<Client>& client) {
  if (client->reading || client->gone || client->closing ||
      client->out.size() - client->sent > kMostUnsent) {
    return;
  }
  client->reading = true;
  const auto go_on = [this, client](const boost::system::error_code& error) {
    client->reading = false;
    if (!error && !client->gone) {
      on_readable(client);
      flush();
    }
  };
  if (client->tls && client->tls->has_unread()) {
    asio::post(context, [go_on] { go_on({}); });  // of which the socket knows nothing
  } else {
    client->descriptor.async_wait(Descriptor::wait_read, go_on);
  }
}

void EventLoop::Parts::on_readable(const std::shared_ptr<Client>& client) {
  try {
    for (int i = 0; i != kReadsAtOnce && !client->gone && !client->closing; ++i) {
      const MutableByteView room = client->in.room();
      const auto got =
          connection::receive(client->descriptor.native_handle(), client->tls.get(), room);
      if (!got) {
        os::acknowledge_quickly(client->descriptor.native_handle());
        break;
      }
      if (*got == 0) {
        drop(client);
        return;
      }
      client->in.filled(*got);
      while (!client->gone && !client->closing) {
        const std::optional<ByteView> frame = client->in.next();
        if (!frame) {
          break;
        }
        handler.on_frame(*client, *frame);
      }
      if (!client->tls && *got < room.size()) {
        break;  // that was all
      }
    }
  } catch (const std::exception& error) {
    log_dropped(error.what());
    drop(client);
    return;
  }
  if (!client->out.empty()) {
    write(client);
  }
  read(client);
}

void EventLoop::Parts::write(const std::shared_ptr<Client>& client) {
  if (client->writing || client->gone) {
    return;
  }
  while (client->sent != client->out.size() || (client->tls && client->tls->has_unsent())) {
    std::optional<std::size_t> sent;
    try {
      sent = connection::send(client->descriptor.native_handle(), client->tls.get(),
                              ByteView{client->out}.subspan(client->sent));
    } catch (const Error&) {
      drop(client);
      return;
    }
    if (!sent) {
      client->writing = true;
      client->descriptor.async_wait(Descriptor::wait_write,
                                    [this, client](const boost::system::error_code& error) {
                                      client->writing = false;
                                      if (!error && !client->gone) {
                                        write(client);
                                        read(client);
                                        flush();
                                      }
                                    });
      return;
    }
    client->sent += *sent;
  }
  client->sent = 0;
  client->out.clear();
  if (client->out.capacity() > kMostUnsent / 16) {
    client->out = Bytes{};
  }
  if (client->closing) {
    drop(client);
  }
}

void EventLoop::Parts::drop(const std::shared_ptr<Client>& client) noexcept {
  if (client->gone) {
    return;
  }
  const std::shared_ptr<Client> last = client;  // `client` may be the one in the set
  last->gone = true;
  settle(*last);
  boost::system::error_code ignored;
  last->descriptor.close(ignored);
  clients.erase(last);
  handler.on_gone(*last);
}

void EventLoop::Parts::flush() {
  while (!touched.empty()) {
    const std::vector<std::shared_ptr<Client>> batch = std::exchange(touched, {});
    for (const auto& client : batch) {
      client->touched = false;
      write(client);
    }
  }
}

void EventLoop::Parts::arm() {
  const std::int64_t first =
      alarms.empty() ? std::numeric_limits<std::int64_t>::max() : alarms.begin()->first;
  if (first >= armed) {
    return;
  }
  armed = first;
  timer.expires_at(std::chrono::steady_clock::time_point{std::chrono::nanoseconds{first}});
  timer.async_wait([this](const boost::system::error_code& error) {
    if (error) {
      return;  // an earlier one was set
    }
    armed = std::numeric_limits<std::int64_t>::max();
    while (!alarms.empty() &&
           alarms.begin()->first <= std::chrono::steady_clock::now().time_since_epoch().count()) {
      const std::function<void()> function = std::move(alarms.begin()->second.function);
      by_id.erase(alarms.begin()->second.id);
      alarms.erase(alarms.begin());
      function();
    }
    flush();
    arm();
  });
}

void EventLoop::Parts::watch(const std::shared_ptr<Watch>& each) {
  each->descriptor.async_wait(Descriptor::wait_read,
                              [this, each](const boost::system::error_code& error) {
                                if (!error && each->function()) {
                                  flush();
                                  watch(each);
                                } else {
                                  (void)each->descriptor.release();
                                  flush();
                                }
                              });
}

EventLoop::EventLoop(os::Fd listener, LoopOptions options, LoopHandler& handler)
    : parts_{std::make_unique<Parts>(std::move(listener), std::move(options), handler)} {}

EventLoop::~EventLoop() {
  for (const auto& weak : parts_->watches) {
    if (const auto each = weak.lock()) {
      (void)each->descriptor.release();  // somebody else's
    }
  }
  drop_clients();
}

void EventLoop::drop_clients() noexcept {
  while (!parts_->clients.empty()) {
    parts_->drop(*parts_->clients.begin());
  }
}

void EventLoop::run() {
  parts_->accept();
  parts_->context.run();
  // What was said last is still to be sent, as far as there is room.
  const auto clients = parts_->clients;
  for (const auto& client : clients) {
    parts_->write(client);
  }
}

void EventLoop::stop() {
  parts_->context.stop();
}

void EventLoop::post(std::function<void()> function) {
  asio::post(parts_->context, [this, function = std::move(function)] {
    function();
    parts_->flush();
  });
}

EventLoop::TimerId EventLoop::add_timer(Deadline when, std::function<void()> function) {
  const TimerId id = ++parts_->last_timer;
  parts_->by_id.emplace(
      id, parts_->alarms.emplace(when.nanoseconds(), Parts::Alarm{id, std::move(function)}));
  parts_->arm();
  return id;
}

void EventLoop::cancel_timer(TimerId timer) noexcept {
  if (const auto known = parts_->by_id.find(timer); known != parts_->by_id.end()) {
    parts_->alarms.erase(known->second);
    parts_->by_id.erase(known);
  }
}

void EventLoop::watch(int fd, std::function<bool()> function) {
  auto each = std::make_shared<Parts::Watch>(
      Parts::Watch{Descriptor{parts_->context, fd}, std::move(function)});
  std::erase_if(parts_->watches, [](const auto& weak) { return weak.expired(); });
  parts_->watches.push_back(each);
  parts_->watch(each);
}

Address EventLoop::address_of(const Peer& peer, const Address& own) const {
  const bool everywhere = own.host().empty() || own.host() == "0.0.0.0" || own.host() == "::";
  if (own.kind() != Address::Kind::tcp || !everywhere) {
    return own;
  }
  const auto& client = static_cast<const Client&>(peer);
  const int socket = const_cast<Client&>(client).descriptor.native_handle();
  return connection::address_of(os::own_address(socket));
}

void EventLoop::touch(Peer& peer) {
  if (!peer.connected) {
    return;
  }
  auto& client = static_cast<Client&>(peer);
  if (!client.touched && !client.gone) {
    client.touched = true;
    parts_->touched.push_back(client.shared_from_this());
  }
}

}  // namespace mp::manager
