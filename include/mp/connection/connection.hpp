// SPDX-License-Identifier: Apache-2.0
// mp/connection/connection.hpp — one end of a channel that carries messages.
//
// A Connection carries whole messages, in order, in one direction or in both. Its channel is shared
// memory between processes of one tree (Pipe), or a socket to anybody (Listener, Client). Messages
// are bytes or typed values; a typed message is a type tag and the encoding of the value, so
// send and recv are send_bytes and recv_bytes with mp::encode and mp::decode in between, and both
// kinds may be mixed.
//
//     auto [a, b] = mp::Pipe();
//     a.send(std::vector{1, 2, 3});
//     auto numbers = b.recv<std::vector<int>>();
//
// With Codec::pickle (ClientOptions, ListenerOptions) they are those of mp/codec/pickle.hpp, and
// meet the send and recv of Python's Connection: the types are those with a pickle::Convert.
//
// A Connection is a handle: copies are the same end, and constness is that of the handle. It can
// be an argument of a process, a result, or a message: then the receiver holds the end as well. One
// over a socket travels only through a unix socket, and in a process forked from here it works.
//
// The end of file comes when every process that was given the other end has closed it or is gone,
// and everything that was sent has been received.
//
// Threads:   any number may send and receive through one end at the same time. A message is whole;
//            which receiver gets it is not defined. Not from signal handlers.
// Processes: any number of processes may hold one end. The end stays open while one of them does,
//            or while a message on its way carries it.
// Fork:      memory merely inherited does not hold an end; its first use does. By then the end may
//            have been closed for good, which is ClosedError.
// Crash:     what a killed process had sent is received; what it was sending or receiving stays
//            unsent or unreceived, never half of it. Its hold on the end is gone.
// Owns:      this process's place at its end, until close() or until the last handle is gone.
// Blocks:    send while the channel is full; recv until a message is there. try_ forms do not wait,
//            _for forms until the time is over; any duration, or a steady_clock time point. Over a
//            socket a message that has begun to go out when the time is over counts as sent: the
//            next calls of any kind send the rest.
// Order:     everything written before send is visible after the recv of that message.
// Throws:    EOFError: recv, when the other end is closed and nothing is left; send, when nobody is
//            left to receive. ClosedError: this end was closed by this process. UsageError: wrong
//            direction; a handle of shared memory sent through a socket. TypeMismatch,
//            DecodeError: the message is no T; it is inside the error, and the channel stays
//            usable. OutOfMemory: nothing was sent. Over a socket also FrameTooLarge, beyond
//            max_frame, and OsError.
// Python:    multiprocessing.connection.Connection. There a closed handle and a wrong direction are
//            OSError and sending to nobody is BrokenPipeError (EOFError here compares equal to
//            std::errc::broken_pipe). recv never runs code that the sender chose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/codec/pickle.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/connection/loan.hpp"
#include "mp/connection/parcel.hpp"
#include "mp/memory/waitable.hpp"

namespace mp {

namespace detail {

class Channel;

}  // namespace detail

// What send and recv make of values.
enum class Codec : std::uint8_t {
  native,  // mp::encode: for programs of mp
  pickle,  // pickle::dumps: for CPython
};

// Who made the other end of a unix socket, as the kernel wrote it down then.
struct PeerCredentials {
  int pid = 0;
  unsigned user = 0;
  unsigned group = 0;
};

class MP_API Connection {
 public:
  // No end at all: every call throws ClosedError.
  Connection() noexcept;
  explicit Connection(std::shared_ptr<detail::Channel> channel,
                      Codec codec = Codec::native) noexcept;
  Connection(const Connection&) noexcept;
  Connection(Connection&&) noexcept;
  Connection& operator=(const Connection&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // Sends `value`, of any type that mp can encode. With Codec::pickle a type that Python has
  // nothing for is a UsageError.
  template <class T>
  void send(const T& value) const {
    send_value<detail::Normalized<T>>(value, Deadline::never());
  }
  // The same if there is room, now or in time. Returns whether it was sent.
  template <class T>
  [[nodiscard]] bool try_send(const T& value) const {
    return send_value<detail::Normalized<T>>(value, Deadline::now());
  }
  template <class T>
  [[nodiscard]] bool try_send_for(const T& value, Deadline until) const {
    return send_value<detail::Normalized<T>>(value, until);
  }

  // Waits for the next message, and returns the T in it.
  template <class T>
  T recv() const {
    return *recv_value<T>(Deadline::never());
  }
  // The same if there is one, now or in time.
  template <class T>
  [[nodiscard]] std::optional<T> try_recv() const {
    return recv_value<T>(Deadline::now());
  }
  template <class T>
  [[nodiscard]] std::optional<T> try_recv_for(Deadline until) const {
    return recv_value<T>(until);
  }

  static constexpr std::size_t kAll = static_cast<std::size_t>(-1);

  // Sends `size` of the bytes from `offset` on. Throws UsageError if there are not so many.
  void send_bytes(ByteView bytes, std::size_t offset = 0, std::size_t size = kAll) const;
  [[nodiscard]] bool try_send_bytes(ByteView bytes) const;
  [[nodiscard]] bool try_send_bytes_for(ByteView bytes, Deadline until) const;

  // Waits for the next message, and returns its bytes. A message of more than `max_size` bytes
  // stays where it is: the call throws FrameTooLarge, and may be repeated with a larger limit.
  Bytes recv_bytes(std::size_t max_size = kAll) const;
  [[nodiscard]] std::optional<Bytes> try_recv_bytes() const;
  [[nodiscard]] std::optional<Bytes> try_recv_bytes_for(Deadline until) const;
  // Receives into `buffer` from `offset` on, and returns the number of bytes. Throws BufferTooShort
  // if the message is longer; it is taken then, and the error carries it.
  std::size_t recv_bytes_into(MutableByteView buffer, std::size_t offset = 0) const;

  // Sends what was written to the loan's memory, without copying it if it is long. The loan is
  // empty then, and unchanged if the call throws or the try_ form returns false.
  void send_zero_copy(Loan&& loan) const;
  [[nodiscard]] bool try_send_zero_copy(Loan&& loan, Deadline until = Deadline::now()) const;
  // Waits for the next message and returns it where it lies. See mp/connection/loan.hpp.
  MessageView recv_view() const;
  [[nodiscard]] std::optional<MessageView> try_recv_view(Deadline until = Deadline::now()) const;

  // Returns whether recv would return or throw at once, now or in time: there is a message, or the
  // end of file.
  [[nodiscard]] bool poll(Deadline until = Deadline::now()) const;

  // Closes this process's end, for all its handles. Calls of other threads that wait here throw
  // ClosedError. May be repeated.
  void close() const noexcept;
  [[nodiscard]] bool closed() const noexcept;
  [[nodiscard]] bool readable() const noexcept;
  [[nodiscard]] bool writable() const noexcept;

  // Returns a descriptor that is readable while recv would not wait: the socket, or an eventfd that
  // a thread of the library raises for a pipe (this process's own; a forked child asks for
  // another). Before sleeping on it, receive until try_recv has nothing: poll and wait may have
  // taken a message in already. It is good as long as the Connection, and not to be read from.
  [[nodiscard]] int fileno() const;
  // For mp::wait.
  [[nodiscard]] Waitable waitable() const;

  [[nodiscard]] Codec codec() const noexcept { return codec_; }

  // Who is at the other end. Expects: a connection over a unix socket.
  [[nodiscard]] PeerCredentials peer_credentials() const;

  // Whether both are handles of one end.
  friend bool operator==(const Connection& a, const Connection& b) noexcept = default;

 private:
  friend struct mp::codec<Connection>;
  static Connection from_id(std::uint64_t id);
  static Connection from_socket(int fd, Codec codec);
  [[nodiscard]] std::uint64_t id() const;
  [[nodiscard]] int socket() const;

  bool send_parcel(detail::Outgoing& parcel, Deadline until) const;
  bool recv_parcel(detail::Incoming& parcel, Deadline until) const;

  template <class T>
  bool send_value(const T& value, Deadline until) const;
  template <class T>
  bool send_pickle(const T& value, Deadline until) const;
  template <class T>
  std::optional<T> recv_value(Deadline until) const;
  template <class T>
  std::optional<T> recv_pickle(Deadline until) const;

  std::shared_ptr<detail::Channel> channel_;
  Codec codec_ = Codec::native;
};

namespace detail {

[[noreturn]] MP_API void throw_not_picklable(std::string_view type);

}  // namespace detail

template <class T>
bool Connection::send_pickle(const T& value, Deadline until) const {
  if constexpr (pickle::Picklable<T>) {
    const Bytes message = pickle::dumps(value);
    detail::Outgoing parcel{ByteView{message}};
    return send_parcel(parcel, until);
  } else {
    detail::throw_not_picklable(detail::spelled_name<T>());
  }
}

template <class T>
std::optional<T> Connection::recv_pickle(Deadline until) const {
  if constexpr (pickle::Picklable<T>) {
    detail::Incoming parcel{{}};
    if (!recv_parcel(parcel, until)) {
      return std::nullopt;
    }
    return pickle::loads<T>(parcel.bytes());
  } else {
    detail::throw_not_picklable(detail::spelled_name<T>());
  }
}

template <class T>
bool Connection::send_value(const T& value, Deadline until) const {
  detail::require_codable<T>();
  if (codec_ == Codec::pickle) [[unlikely]] {
    return send_pickle(value, until);
  }
  if constexpr (Codable<T>) {
    detail::Outgoing parcel{message_size(value)};
    Writer out{parcel.bytes(), &parcel};
    write_message(out, value);
    if (out.size() != parcel.bytes().size()) [[unlikely]] {
      detail::throw_unfilled();
    }
    return send_parcel(parcel, until);
  }
}

template <class T>
std::optional<T> Connection::recv_value(Deadline until) const {
  detail::require_codable<T>();
  if (codec_ == Codec::pickle) [[unlikely]] {
    return recv_pickle<T>(until);
  }
  if constexpr (Codable<T>) {
    std::byte small[detail::kSmallMessage];
    detail::Incoming parcel{small};
    if (!recv_parcel(parcel, until)) {
      return std::nullopt;
    }
    return mp::decode<T>(parcel.bytes(), &parcel);
  }
}

// A Connection inside a message: the receiver becomes a holder of the end. One over a socket has no
// id: its descriptor travels with the message.
template <>
struct codec<Connection> {
  static constexpr std::string_view kName = "mp.Connection";
  static constexpr std::size_t kMinSize = sizeof(std::uint64_t);
  static constexpr bool kFixed = true;
  static void write(auto& out, const Connection& end) {
    if (const int socket = end.socket(); socket >= 0) {
      out.write_raw(end.codec() == Codec::pickle ? kPickleSocket : kSocket);
      out.put_fd(socket, "a Connection over a socket");
    } else {
      out.put_object(end.id(), "a Connection");
    }
  }
  static Connection read(Reader& in) {
    const auto id = in.read_raw<std::uint64_t>();
    if (id == kSocket || id == kPickleSocket) {
      return Connection::from_socket(in.take_fd("a Connection over a socket"),
                                     id == kSocket ? Codec::native : Codec::pickle);
    }
    in.take_object(id, "a Connection");
    return Connection::from_id(id);
  }

 private:
  // What no object has for an id.
  static constexpr std::uint64_t kSocket = 0;
  static constexpr std::uint64_t kPickleSocket = ~std::uint64_t{0};
};

}  // namespace mp
