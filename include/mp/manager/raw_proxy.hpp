// SPDX-License-Identifier: Apache-2.0
// mp/manager/raw_proxy.hpp — a reference to an object that a manager's server holds.
//
// RawProxy is what all proxies are made of: it knows where the object is and sends calls there. A
// call is the name of a method and a list of values; what comes back is nothing, a value, a list of
// values, or another object. A typed proxy (DictProxy, QueueProxy, ...) is one of these with a
// face.
//
// Threads:   any number of threads may call through one proxy. All proxies of a process share one
//            connection to each server; a thread that waits holds up no other.
// Processes: a proxy can be an argument, a message or a result. On its way it names the server and
//            the object, never the key: the receiver must have the key, by default that of the
//            tree. The server keeps what is on its way for a minute.
// Fork:      a child has a connection of its own, from its first call on.
// Crash:     when a process is killed, the server counts its proxies as gone.
// Owns:      a place among the object's holders, until the last copy in this process is gone.
// Blocks:    until the server has answered.
// Throws:    what the method threw, of its own type, with remote_info; RemoteError for an object or
//            method that is unknown or not exposed. EOFError when the server is gone, before the
//            call or during it; OsError when it cannot be reached. AuthenticationError.
// Python:    multiprocessing.managers.BaseProxy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/deadline.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/connection/address.hpp"
#include "mp/manager/item.hpp"

namespace mp {

class RawProxy;

namespace detail {

class Link;
struct PendingReply;

// Where an object is, and what it is.
struct ProxyToken {
  Address address = {};
  std::uint64_t id = 0;
  std::string type = {};                 // "dict", "Queue", "Account", ...
  std::vector<std::uint64_t> tags = {};  // of the types of its values, where it has such
};

// The arguments of a call, as they are being encoded.
class MP_API Arguments final : public ProxyCarrier {
 public:
  // The objects of the server at `address` may be named among the arguments.
  template <class... Args>
  explicit Arguments(std::string_view address, const Args&... args) : address_{address} {
    (add(args), ...);
  }

  template <class T>
  void add(const T& value) {
    using Sent = Normalized<T>;
    if constexpr (!std::is_same_v<Sent, T>) {
      add(Sent(value));
    } else {
      const std::size_t size = encoded_size(value);
      const std::size_t head = begin_item(item_tag<T>(), size);
      mp::write(out_, value);
      end_item(head, size);
    }
  }
  // Adds an item with `tag` and the bytes that `write` writes, which is called with a Sizer first
  // and then with a Writer.
  template <class Write>
  void add_written(std::uint64_t tag, const Write& write) {
    Sizer sizer;
    write(sizer);
    const std::size_t head = begin_item(tag, sizer.size());
    write(out_);
    end_item(head, sizer.size());
  }
  void put_proxy(std::string_view address, std::uint64_t id) override;

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] ByteView bytes() const noexcept { return out_.written(); }

 private:
  std::size_t begin_item(std::uint64_t tag, std::size_t size);
  void end_item(std::size_t head, std::size_t size);

  std::string_view address_;
  Writer out_{this};
  std::uint32_t count_ = 0;
  std::vector<std::uint64_t> objects_;
};

// What a call returned.
class MP_API Reply final : public ProxyCarrier {
 public:
  enum class Kind : std::uint8_t { nothing, value, values, error, object };

  Reply() noexcept = default;
  Reply(Bytes message, std::shared_ptr<Link> link);
  ~Reply() override;

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  // The value at `index`. Throws TypeMismatch.
  template <class T>
  T get(std::size_t index = 0) {
    return item_value<T>(at(index), this);
  }
  // The item at `index`, good as long as this is.
  [[nodiscard]] const ItemView& item(std::size_t index) const { return at(index); }
  // The object that was returned.
  [[nodiscard]] RawProxy object();
  bool take_proxy(std::string_view address, std::uint64_t id) override;

 private:
  [[nodiscard]] const ItemView& at(std::size_t index) const;

  Kind kind_ = Kind::nothing;
  Bytes message_;
  std::shared_ptr<Link> link_;
  std::vector<ItemView> items_;
  std::vector<std::uint64_t> lent_;  // objects that we hold once more than proxies are made of
  std::optional<ProxyToken> token_;
};

template <class R>
R take_reply(Reply&& reply);

}  // namespace detail

// A call that has been sent. Whoever forgets it does not learn what became of it.
template <class R>
class PendingCall;

class MP_API RawProxy {
 public:
  // No object: every call throws UsageError.
  RawProxy() noexcept;
  // The object that `token` names. `counted` says whether the server counts this process already.
  RawProxy(detail::ProxyToken token, std::string authkey, bool counted);
  RawProxy(const RawProxy&) noexcept;
  RawProxy(RawProxy&&) noexcept;
  RawProxy& operator=(const RawProxy&) noexcept;
  RawProxy& operator=(RawProxy&&) noexcept;
  ~RawProxy();

  // Calls a method with `args`, and returns what it returns.
  template <class R = void, class... Args>
  R call(std::string_view method, const Args&... args) const {
    return detail::take_reply<R>(call_raw(method, encode(args...)));
  }
  // Sends the call, without waiting for an answer; many are on their way at once. They are sent
  // with the next call that waits, or when some kilobytes have gathered.
  template <class R = void, class... Args>
  [[nodiscard]] PendingCall<R> call_async(std::string_view method, const Args&... args) const {
    return PendingCall<R>{send_raw(method, encode(args...))};
  }

  template <class... Args>
  [[nodiscard]] detail::Arguments encode(const Args&... args) const {
    return detail::Arguments{address_text(), args...};
  }
  [[nodiscard]] detail::Reply call_raw(std::string_view method,
                                       const detail::Arguments& args) const;
  [[nodiscard]] std::shared_ptr<detail::PendingReply> send_raw(std::string_view method,
                                                               const detail::Arguments& args) const;

  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }
  // Where the object is. Expects: not empty.
  [[nodiscard]] const detail::ProxyToken& token() const;
  // Whether both refer to one object.
  friend MP_API bool operator==(const RawProxy& a, const RawProxy& b) noexcept;

 private:
  friend struct codec<RawProxy>;
  struct State;

  [[nodiscard]] std::string_view address_text() const;
  // Tells the carrier of a message, or the server, that the object is on its way.
  void note_sending(Carrier* carrier) const;
  static RawProxy received(detail::ProxyToken token, Carrier* carrier);

  std::shared_ptr<State> state_;
};

template <>
struct codec<RawProxy> {
  static constexpr std::string_view kName = "mp.Proxy";
  static constexpr std::size_t kMinSize = 1;
  static void write(auto& out, const RawProxy& proxy) {
    const detail::ProxyToken& token = proxy.token();
    if constexpr (!std::remove_reference_t<decltype(out)>::kCounts) {
      proxy.note_sending(out.carrier());
    }
    mp::write(out, token.address);
    out.write_raw(token.id);
    mp::write(out, token.type);
    mp::write(out, token.tags);
  }
  static RawProxy read(Reader& in) {
    detail::ProxyToken token;
    token.address = mp::read<Address>(in);
    token.id = in.read_raw<std::uint64_t>();
    token.type = mp::read<std::string>(in);
    token.tags = mp::read<std::vector<std::uint64_t>>(in);
    return RawProxy::received(std::move(token), in.carrier());
  }
};

namespace detail {

[[noreturn]] MP_API void throw_wrong_reply(Reply::Kind got);
[[noreturn]] MP_API void throw_wrong_object(const ProxyToken& token, std::string_view wanted);
MP_API Reply await_reply(PendingReply& pending);
[[nodiscard]] MP_API bool reply_is_here(const PendingReply& pending) noexcept;
// Throws when `proxy` is no reference to an object of that type, with values of these types.
MP_API void expect_object(const RawProxy& proxy, std::string_view type,
                          std::initializer_list<std::uint64_t> tags);

template <class P>
concept TypedProxy = requires(const P& proxy) {
  { proxy.raw() } -> std::same_as<const RawProxy&>;
};

// A value that may be missing: nothing is the reply where there is none.
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class R>
R take_reply(Reply&& reply) {
  if constexpr (std::is_void_v<R>) {
    return;
  } else if constexpr (TypedProxy<R>) {
    return reply.kind() == Reply::Kind::object ? R{reply.object()} : reply.get<R>();
  } else if constexpr (kIsOptional<R>) {
    using T = typename R::value_type;
    if (reply.kind() == Reply::Kind::nothing) {
      return std::nullopt;
    }
    return take_reply<T>(std::move(reply));
  } else {
    if (reply.kind() != Reply::Kind::value) [[unlikely]] {
      throw_wrong_reply(reply.kind());
    }
    return reply.get<R>();
  }
}

template <TypedProxy P>
struct FromTokenOf<P> {
  static Bytes encode(const ProxyToken& token) {
    ProxyCarrier nobody;  // who is told that the object is on its way
    return item_bytes_of(P{RawProxy{token, {}, false}}, &nobody);
  }
  static P read(ByteView bytes, Carrier* carrier) {
    return P{read_item_bytes<RawProxy>(bytes, carrier)};
  }
  static constexpr bool kExists = true;
  static constexpr ItemOps::FromToken kFunction = &encode;
};

// How the typed proxies travel: as the RawProxy inside.
template <class P>
struct ProxyCodec {
  static constexpr std::string_view kName = P::kTypeName;
  static constexpr std::size_t kMinSize = 1;
  static void write(auto& out, const P& proxy) { mp::write(out, proxy.raw()); }
  static P read(Reader& in) { return P{mp::read<RawProxy>(in)}; }
};

}  // namespace detail

template <class R>
class PendingCall {
 public:
  explicit PendingCall(std::shared_ptr<detail::PendingReply> pending) noexcept
      : pending_{std::move(pending)} {}
  // Waits for the answer, and returns or throws what the call did. Once.
  R get() { return detail::take_reply<R>(detail::await_reply(*pending_)); }
  // Whether get() would return at once.
  [[nodiscard]] bool ready() const noexcept { return detail::reply_is_here(*pending_); }

 private:
  std::shared_ptr<detail::PendingReply> pending_;
};

// A reference to an object whose methods are called by name.
class Proxy {
 public:
  static constexpr std::string_view kTypeName = "mp.AnyProxy";
  Proxy() noexcept = default;
  explicit Proxy(RawProxy raw) noexcept : raw_{std::move(raw)} {}

  template <class R = void, class... Args>
  R call(std::string_view method, const Args&... args) const {
    return raw_.call<R>(method, args...);
  }
  template <class R = void, class... Args>
  [[nodiscard]] PendingCall<R> call_async(std::string_view method, const Args&... args) const {
    return raw_.call_async<R>(method, args...);
  }
  [[nodiscard]] const RawProxy& raw() const noexcept { return raw_; }
  friend bool operator==(const Proxy&, const Proxy&) = default;

 private:
  RawProxy raw_;
};

template <>
struct codec<Proxy> : detail::ProxyCodec<Proxy> {};

}  // namespace mp
