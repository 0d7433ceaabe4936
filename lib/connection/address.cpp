// SPDX-License-Identifier: Apache-2.0
#include "mp/connection/address.hpp"

#include <utility>

#include "mp/base/contract.hpp"

#include "connection/endpoints.hpp"
#include "os/endpoint.hpp"

namespace mp {

namespace {

const std::string kNothing;
constexpr int kMostPorts = 65535;

}  // namespace

Address::Address(std::string_view path) {
  const bool is_abstract = !path.empty() && path.front() == '\0';
  kind_ = is_abstract ? Kind::abstract_socket : Kind::unix_socket;
  name_ = path.substr(is_abstract ? 1 : 0);
}

Address::Address(const char* path) : Address{std::string_view{path}} {}

const std::string& Address::host() const noexcept {
  return kind_ == Kind::tcp ? name_ : kNothing;
}

const std::string& Address::path() const noexcept {
  return kind_ == Kind::tcp ? kNothing : name_;
}

std::string Address::to_string() const {
  switch (kind_) {
    case Kind::none:
      return "";
    case Kind::tcp: {
      const bool bare = name_.find(':') == std::string::npos;
      return (bare ? name_ : "[" + name_ + "]") + ":" + std::to_string(port_);
    }
    case Kind::unix_socket:
      return name_;
    case Kind::abstract_socket:
      break;
  }
  return "@" + name_;
}

Address tcp(std::string host, int port) {
  MP_EXPECTS(port >= 0 && port <= kMostPorts, "a port is a number from 0 to 65535");
  Address address;
  address.kind_ = Address::Kind::tcp;
  address.name_ = std::move(host);
  address.port_ = port;
  return address;
}

Address unix_socket(std::string path) {
  Address address;
  address.kind_ = Address::Kind::unix_socket;
  address.name_ = std::move(path);
  return address;
}

Address abstract_socket(std::string name) {
  Address address;
  address.kind_ = Address::Kind::abstract_socket;
  address.name_ = std::move(name);
  return address;
}

namespace connection {

std::vector<os::SocketAddress> endpoints_of(const Address& address) {
  switch (address.kind()) {
    case Address::Kind::none:
      mp::detail::throw_usage_error("this address is none");
    case Address::Kind::unix_socket:
      return {os::local_address(address.path(), false)};
    case Address::Kind::abstract_socket:
      return {os::local_address(address.path(), true)};
    case Address::Kind::tcp:
      break;
  }
  const os::SocketAddress numeric = os::numeric_address(address.host(), address.port());
  if (numeric.size != 0) {
    return {numeric};
  }
  return os::resolve(address.host(), address.port());
}

Address address_of(const os::SocketAddress& endpoint) {
  os::AddressParts parts = os::parts_of(endpoint);
  switch (parts.family) {
    case os::Family::ipv4:
    case os::Family::ipv6:
      return tcp(std::move(parts.name), parts.port);
    case os::Family::local:
      return parts.is_abstract    ? abstract_socket(std::move(parts.name))
             : parts.name.empty() ? Address{}
                                  : unix_socket(std::move(parts.name));
    case os::Family::none:
      break;
  }
  return {};
}

}  // namespace connection

}  // namespace mp
