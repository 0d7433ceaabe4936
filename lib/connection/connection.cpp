// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/connection.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/connection/listener.hpp"
#include "mp/errors/error.hpp"

#include "connection/channel.hpp"
#include "connection/ring_channel.hpp"
#include "connection/socket_channel.hpp"
#include "os/endpoint.hpp"
#include "os/socket.hpp"

namespace mp {

namespace {

detail::Channel& checked(const std::shared_ptr<detail::Channel>& channel) {
  if (channel == nullptr) [[unlikely]] {
    throw ClosedError{"this Connection is no end of anything"};
  }
  return *channel;
}

}  // namespace

Connection::Connection() noexcept = default;
Connection::Connection(std::shared_ptr<detail::Channel> channel, Codec codec) noexcept
    : channel_{std::move(channel)}, codec_{codec} {}
Connection::Connection(const Connection&) noexcept = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(const Connection&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

void detail::throw_not_picklable(std::string_view type) {
  throw UsageError{"Python has no value for a " + std::string{type} +
                   ": specialise mp::pickle::Convert for it"};
}

bool Connection::send_parcel(detail::Outgoing& parcel, Deadline until) const {
  return checked(channel_).send(parcel, until);
}

bool Connection::recv_parcel(detail::Incoming& parcel, Deadline until) const {
  detail::Channel& channel = checked(channel_);
  const bool received = channel.recv(parcel, until);
  channel.after_receiving();
  return received;
}

void Connection::send_bytes(ByteView bytes, std::size_t offset, std::size_t size) const {
  MP_EXPECTS(offset <= bytes.size(), "the offset is behind the end of the bytes");
  MP_EXPECTS(size == kAll || size <= bytes.size() - offset, "there are fewer bytes than that");
  detail::Outgoing parcel{bytes.subspan(offset, std::min(size, bytes.size() - offset))};
  send_parcel(parcel, Deadline::never());
}

bool Connection::try_send_bytes(ByteView bytes) const {
  return try_send_bytes_for(bytes, Deadline::now());
}

bool Connection::try_send_bytes_for(ByteView bytes, Deadline until) const {
  detail::Outgoing parcel{bytes};
  return send_parcel(parcel, until);
}

Bytes Connection::recv_bytes(std::size_t max_size) const {
  detail::Incoming parcel{{}, max_size};
  recv_parcel(parcel, Deadline::never());
  return parcel.take();
}

std::optional<Bytes> Connection::try_recv_bytes() const {
  return try_recv_bytes_for(Deadline::now());
}

std::optional<Bytes> Connection::try_recv_bytes_for(Deadline until) const {
  detail::Incoming parcel{{}};
  if (!recv_parcel(parcel, until)) {
    return std::nullopt;
  }
  return parcel.take();
}

std::size_t Connection::recv_bytes_into(MutableByteView buffer, std::size_t offset) const {
  MP_EXPECTS(offset <= buffer.size(), "the offset is behind the end of the buffer");
  const MutableByteView room = buffer.subspan(offset);
  detail::Incoming parcel{room};
  recv_parcel(parcel, Deadline::never());
  const std::size_t size = parcel.bytes().size();
  if (size > room.size()) {
    throw BufferTooShort{parcel.take()};
  }
  if (!parcel.in_buffer()) {
    std::copy(parcel.bytes().begin(), parcel.bytes().end(), room.begin());
  }
  return size;
}

bool Connection::try_send_zero_copy(Loan&& loan, Deadline until) const {
  MP_EXPECTS(loan.parcel_ != nullptr, "the loan has been sent already");
  if (!send_parcel(*loan.parcel_, until)) {
    return false;
  }
  loan.parcel_.reset();
  return true;
}

void Connection::send_zero_copy(Loan&& loan) const {
  static_cast<void>(try_send_zero_copy(std::move(loan), Deadline::never()));
}

std::optional<MessageView> Connection::try_recv_view(Deadline until) const {
  auto parcel = std::make_unique<detail::Incoming>(MutableByteView{});
  if (!recv_parcel(*parcel, until)) {
    return std::nullopt;
  }
  return MessageView{std::move(parcel)};
}

MessageView Connection::recv_view() const {
  return *try_recv_view(Deadline::never());
}

bool Connection::poll(Deadline until) const {
  detail::Channel& channel = checked(channel_);
  const bool ready = channel.poll(until);
  channel.after_receiving();
  return ready;
}

void Connection::close() const noexcept {
  if (channel_ != nullptr) {
    channel_->close();
  }
}

bool Connection::closed() const noexcept {
  return channel_ == nullptr || channel_->closed();
}

bool Connection::readable() const noexcept {
  return channel_ != nullptr && channel_->readable();
}

bool Connection::writable() const noexcept {
  return channel_ != nullptr && channel_->writable();
}

int Connection::fileno() const {
  return checked(channel_).fileno(channel_);
}

Waitable Connection::waitable() const {
  MP_EXPECTS(checked(channel_).readable(),
             "this end of the connection only sends: there is nothing to wait for");
  return {channel_, channel_.get()};
}

PeerCredentials Connection::peer_credentials() const {
  const int fd = checked(channel_).socket();
  MP_EXPECTS(fd >= 0 && os::family_of(fd) == os::Family::local,
             "only the peer at a unix socket has credentials");
  const os::Credentials peer = os::peer_credentials(fd);
  return {.pid = peer.pid, .user = peer.user, .group = peer.group};
}

Connection Connection::from_socket(int fd, Codec codec) {
  os::Fd owned{fd};
  if (os::family_of(fd) == os::Family::none) {
    throw DecodeError{"the descriptor that came in place of a Connection is no socket"};
  }
  return Connection{std::make_shared<connection::SocketChannel>(std::move(owned), kDefaultMaxFrame),
                    codec};
}

int Connection::socket() const {
  return checked(channel_).socket();
}

Connection Connection::from_id(std::uint64_t id) {
  return Connection{connection::RingChannel::of(id)};
}

std::uint64_t Connection::id() const {
  return checked(channel_).id();
}

}  // namespace mp
