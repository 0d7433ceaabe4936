// SPDX-License-Identifier: Apache-2.0
// mp/connection/address.hpp — where a Listener listens.
//
//     mp::tcp("127.0.0.1", 0)              // a free port; listener.address().port() says which
//     mp::tcp("::1", 5000)                 // IPv6; a name is looked up; "" is this whole machine
//     mp::unix_socket("/run/me/socket")    // a path: whoever may write to it may connect
//     mp::abstract_socket("name")          // no file; whoever is on this machine may connect
//
// A string is a path, or, when it begins with a zero byte, a name in the abstract space.
//
// Threads:   a value.
// Processes: can be sent.
// Throws:    UsageError for a port that is none. Names are not checked before they are used.
// Python:    the (host, port) pairs and strings of multiprocessing.connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mp/base/export.hpp"
#include "mp/codec/traits.hpp"
#include "mp/codec/types/string.hpp"

namespace mp {

class MP_API Address {
 public:
  enum class Kind : std::uint8_t { none, tcp, unix_socket, abstract_socket };

  // No address: a Listener chooses one.
  Address() noexcept = default;
  Address(std::string_view path);   // NOLINT(google-explicit-constructor): as Python's strings
  Address(const char* path);        // NOLINT(google-explicit-constructor)
  Address(const std::string& path)  // NOLINT(google-explicit-constructor)
      : Address{std::string_view{path}} {}

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // Of TCP; "" and 0 otherwise.
  [[nodiscard]] const std::string& host() const noexcept;
  [[nodiscard]] int port() const noexcept { return port_; }
  // The path or name of a unix socket; "" otherwise.
  [[nodiscard]] const std::string& path() const noexcept;

  // For people: "127.0.0.1:80", "[::1]:80", "/run/me/socket", "@name".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Address&, const Address&) = default;

 private:
  friend MP_API Address tcp(std::string host, int port);
  friend MP_API Address unix_socket(std::string path);
  friend MP_API Address abstract_socket(std::string name);
  friend struct codec<Address>;

  Kind kind_ = Kind::none;
  int port_ = 0;
  std::string name_;
};

[[nodiscard]] MP_API Address tcp(std::string host, int port);
[[nodiscard]] MP_API Address unix_socket(std::string path);
[[nodiscard]] MP_API Address abstract_socket(std::string name);

template <>
struct codec<Address> {
  static constexpr std::string_view kName = "mp.Address";
  static constexpr std::size_t kMinSize = 1 + sizeof(std::int32_t) + sizeof(std::uint64_t);
  static void write(auto& out, const Address& address) {
    out.write_raw(static_cast<std::uint8_t>(address.kind_));
    out.write_raw(static_cast<std::int32_t>(address.port_));
    mp::write(out, address.name_);
  }
  static Address read(Reader& in) {
    Address address;
    address.kind_ = static_cast<Address::Kind>(in.read_choice(4));
    address.port_ = in.read_raw<std::int32_t>();
    address.name_ = mp::read<std::string>(in);
    return address;
  }
};

}  // namespace mp
