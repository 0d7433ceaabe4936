// SPDX-License-Identifier: Apache-2.0
#include "manager/link.hpp"

#include <atomic>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "mp/base/contract.hpp"
#include "mp/connection/client.hpp"
#include "mp/connection/listener.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"
#include "mp/memory/object_ref.hpp"

#include "connection/dial.hpp"
#include "connection/frame_layout.hpp"
#include "manager/known_keys.hpp"
#include "memory/fork_mutex.hpp"
#include "os/endpoint.hpp"
#include "os/fork_hook.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"

namespace mp::detail {

namespace {

constexpr std::size_t kMuch = std::size_t{32} << 10;

[[gnu::section("mp_at_fork")]] memory::ForkMutex table_mutex{12};

// Which thread asks: an RLock of the server belongs to one.
std::uint32_t thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

[[noreturn]] void throw_gone() {
  throw EOFError{"the manager's server is gone"};
}

}  // namespace

// All links of this process. What a child inherits of it is of another generation.
struct LinkTable {
  std::map<std::string, std::shared_ptr<Link>> by_address;
  std::vector<Link*> all;

  static LinkTable& get() {
    static LinkTable* const table = [] {
      os::at_fork(nullptr, nullptr, [] { get().close_inherited(); });
      return new LinkTable;
    }();
    return *table;
  }
  // In a forked child, with nobody else there.
  void close_inherited() noexcept {
    for (Link* link : all) {
      link->socket_.reset();
    }
    all.clear();
  }
};

std::shared_ptr<Link> Link::to(const Address& address, const std::string& authkey) {
  return to(address, authkey, manager::settings_text(address));
}

std::shared_ptr<Link> Link::to(const Address& address, const std::string& authkey,
                               const std::string& settings) {
  const std::string key = address.to_string() + '\0' + authkey + '\0' + settings;
  LinkTable& table = LinkTable::get();
  {
    const std::lock_guard hold{table_mutex};
    if (const auto known = table.by_address.find(key);
        known != table.by_address.end() && known->second->usable()) {
      return known->second;
    }
  }
  auto made = std::make_shared<Link>(address, authkey, settings);
  std::shared_ptr<Link> broken;  // let go of without the mutex, which its end takes
  const std::lock_guard hold{table_mutex};
  std::shared_ptr<Link>& place = table.by_address[key];
  if (place && place->usable()) {
    return place;  // another thread was faster
  }
  broken = std::exchange(place, made);
  return made;
}

void Link::forget(const Address& address) noexcept {
  std::vector<std::shared_ptr<Link>> dropped;  // let go of without the mutex
  const std::lock_guard hold{table_mutex};
  LinkTable& table = LinkTable::get();
  const std::string prefix = address.to_string() + '\0';
  for (auto each = table.by_address.begin(); each != table.by_address.end();) {
    if (each->first.starts_with(prefix)) {
      dropped.push_back(std::move(each->second));
      each = table.by_address.erase(each);
    } else {
      ++each;
    }
  }
}

Link::Link(const Address& address, const std::string& authkey, const std::string& settings)
    : generation_{fork_generation},
      address_{address},
      address_text_{address.to_string()},
      authkey_{authkey},
      in_{kDefaultMaxFrame} {
  const manager::LinkSettings how = manager::settings_of(settings);
  const std::chrono::nanoseconds limit{how.handshake_timeout};
  connection::Secured made = connection::dial_secured(
      address,
      ClientOptions{.authkey = authkey, .connect_timeout = limit, .handshake_timeout = limit},
      how.tls ? std::make_shared<connection::TlsContext>(connection::TlsRole::client, *how.tls)
              : nullptr);
  socket_ = std::move(made.socket);
  tls_ = std::move(made.tls);
  if (address.kind() == Address::Kind::tcp) {
    os::set_lease(socket_.get(), std::chrono::seconds{how.lease});
  }
  os::set_blocking(socket_.get(), true);
  negotiate();
  LinkTable& table = LinkTable::get();
  const std::lock_guard hold{table_mutex};
  table.all.push_back(this);
}

Link::~Link() {
  if (generation_ == fork_generation) {
    LinkTable& table = LinkTable::get();
    const std::lock_guard hold{table_mutex};
    std::erase(table.all, this);
  }
}

void Link::negotiate() {
  manager::add_frame(out_, std::as_bytes(std::span{layout::kAskForNative}));
  try {
    connection::send_all(socket_.get(), tls_.get(), out_);
    out_.clear();
    for (;;) {
      if (const std::optional<ByteView> answer = in_.next()) {
        if (answer->size() != layout::kNativeAccepted.size() ||
            std::memcmp(answer->data(), layout::kNativeAccepted.data(), answer->size()) != 0) {
          throw RemoteError{"the server at " + address_text_ + " does not speak mp's own protocol",
                            {}};
        }
        return;
      }
      const std::size_t got = connection::await_bytes(socket_.get(), tls_.get(), in_.room());
      if (got == 0) {
        throw_gone();
      }
      in_.filled(got);
    }
  } catch (const OsError& error) {
    if (os::peer_is_gone(error.code().value())) {
      throw_gone();
    }
    throw;
  }
}

bool Link::usable() const noexcept {
  return generation_ == fork_generation && !broken_.load(std::memory_order_acquire);
}

void Link::append(layout::Op op, std::uint64_t id, ByteView head, ByteView tail) {
  const std::size_t frame = manager::begin_frame(out_);
  const std::size_t start = out_.size();
  const std::uint32_t thread = thread_number();
  out_.resize(start + sizeof id + sizeof op + sizeof thread + head.size() + tail.size());
  Writer writer{MutableByteView{out_}.subspan(start)};
  writer.write_raw(id);
  writer.write_raw(op);
  writer.write_raw(thread);
  writer.write_bytes(head.data(), head.size());
  writer.write_bytes(tail.data(), tail.size());
  manager::end_frame(out_, frame);
}

void Link::flush(Hold& hold) {
  if (sending_) {
    return;  // whoever sends finds it
  }
  sending_ = true;
  while (!out_.empty() && !broken_) {
    Bytes batch;
    batch.swap(out_);
    hold.unlock();
    ByteView left{batch};
    bool failed = false;
    while (!left.empty() || (tls_ && tls_->has_unsent())) {
      try {
        if (const auto sent = connection::send(socket_.get(), tls_.get(), left)) {
          left = left.subspan(*sent);
          continue;
        }
      } catch (const Error&) {
        failed = true;
        break;
      }
      hold.lock();
      const bool read = !reading_;
      reading_ = reading_ || read;
      hold.unlock();
      os::PollEntry entry{socket_.get(),
                          static_cast<short>(os::kWritable | (read ? os::kReadable : 0))};
      os::poll(std::span{&entry, 1}, Deadline::never());
      if (read) {
        hold.lock();
        try {
          const auto got = (entry.ready & ~os::kWritable) == 0
                               ? std::nullopt
                               : connection::receive(socket_.get(), tls_.get(), in_.room());
          if (got) {
            in_.filled(*got);
            while (const std::optional<ByteView> frame = in_.next()) {
              deliver(*frame);
            }
          }
          if (got == 0) {
            break_off();
          }
        } catch (const Error&) {
          break_off();
        }
        reading_ = false;
        const bool over = broken_;
        hold.unlock();
        if (over) {
          break;
        }
      }
    }
    batch.clear();
    hold.lock();
    if (failed) {
      break_off();
    }
    if (out_.empty() && out_.capacity() == 0) {
      out_.swap(batch);  // keeps the memory
    }
  }
  sending_ = false;
}

void Link::break_off() noexcept {
  broken_.store(true, std::memory_order_release);
  for (const auto& [id, pending] : pending_) {
    pending->wake.notify_all();
  }
}

void Link::deliver(ByteView frame) {
  Reader in{frame};
  const auto id = in.read_raw<std::uint64_t>();
  const auto found = pending_.find(id);
  if (found == pending_.end()) {
    orphans_.emplace_back(frame.begin(), frame.end());
    return;
  }
  PendingReply& pending = *found->second;
  pending.message.assign(frame.begin(), frame.end());
  pending_.erase(found);
  pending.done.store(true, std::memory_order_release);
  if (pending.waiting) {
    pending.wake.notify_one();
  }
}

void Link::read_once(Hold& hold) {
  reading_ = true;
  const MutableByteView room = in_.room();
  hold.unlock();
  std::size_t got = 0;
  try {
    got = connection::await_bytes(socket_.get(), tls_.get(), room);
  } catch (const Error&) {
    got = 0;
  }
  hold.lock();
  reading_ = false;
  try {
    in_.filled(got);
    while (const std::optional<ByteView> frame = in_.next()) {
      deliver(*frame);
    }
  } catch (const Error&) {
    got = 0;
  }
  if (got == 0) {
    break_off();
  }
}

void Link::send(layout::Op op, ByteView head, ByteView tail, PendingReply& pending) {
  Hold hold{mutex_};
  if (broken_) {
    throw_gone();
  }
  pending.id = ++last_id_;
  append(op, pending.id, head, tail);
  pending_.emplace(pending.id, &pending);
  if (out_.size() >= kMuch) {
    flush(hold);
  }
}

Reply Link::await(PendingReply& pending) {
  MP_EXPECTS(generation_ == fork_generation, "this call was sent by the parent of this process");
  Hold hold{mutex_};
  if (!pending.done) {
    flush(hold);
  }
  while (!pending.done) {
    if (broken_) {
      throw_gone();
    }
    if (!reading_) {
      read_once(hold);
    } else {
      pending.waiting = true;
      pending.wake.wait(hold);
      pending.waiting = false;
    }
  }
  // Somebody else must read on.
  if (!reading_) {
    for (const auto& [id, other] : pending_) {
      if (other->waiting) {
        other->wake.notify_one();
        break;
      }
    }
  }
  const std::vector<Bytes> orphans = std::exchange(orphans_, {});
  hold.unlock();
  for (const Bytes& orphan : orphans) {
    try {
      Reply{orphan, shared_from_this()};  // gives back what it lends
    } catch (const std::exception&) {
    }
  }
  return Reply{std::move(pending.message), shared_from_this()};
}

Reply Link::request(layout::Op op, ByteView head, ByteView tail) {
  PendingReply pending{shared_from_this()};
  send(op, head, tail, pending);
  return await(pending);
}

void Link::tell(layout::Op op, std::uint64_t object) noexcept {
  tell(op, std::as_bytes(std::span{&object, 1}));
}

void Link::tell(layout::Op op, ByteView body) noexcept {
  if (!usable()) {
    return;
  }
  try {
    Hold hold{mutex_};
    append(op, 0, body, {});
    flush(hold);
  } catch (...) {
    // Out of memory: the server counts us as holders for as long as we live.
  }
}

void Link::forget(PendingReply& pending) noexcept {
  if (generation_ != fork_generation) {
    return;
  }
  const std::lock_guard hold{mutex_};
  pending_.erase(pending.id);
}

PendingReply::~PendingReply() {
  if (id != 0 && !done.load(std::memory_order_acquire)) {
    link->forget(*this);
  }
}

}  // namespace mp::detail
