// SPDX-License-Identifier: Apache-2.0
// mp/connection/tls_options.hpp — how the two sides of a connection under TLS 1.3 know each other.
//
//     mp::TlsOptions{.certificate = "server.pem", .private_key = "server.key"}       // who serves
//     mp::TlsOptions{.authorities = "ca.pem"}                                        // who
//     connects mp::TlsOptions{.psk = "at least sixteen random bytes, on both sides"}          //
//     either
//
// With certificates the server shows one, and the client refuses it unless one of its authorities
// has signed it for the name by which the client calls the server; `require_certificate` has
// clients show one, too. With a pre-shared key there are none: both sides prove that they have it.
//
// Files are PEM, and read when a manager starts or connects, and again by each of its children that
// connects.
//
// Threads:   a value.
// Processes: a child of a process that uses these connects with them, too. The key of a
//            pre-shared key is inherited as an authkey is: never on a command line, never logged.
// Throws:    nothing here. Who uses them: UsageError for fields that do not go together, and
//            files that cannot be read; AuthenticationError: the peer is refused, or refuses us,
//            or speaks no TLS.
// Python:    none; CPython's connections know no TLS.
#pragma once

#include <string>

namespace mp {

struct TlsOptions {
  // A file with the certificate that this side shows, and those between it and the authority.
  std::string certificate = {};
  // A file with the key of it.
  std::string private_key = {};
  // A file with the certificates of those who may have signed what the other side shows. Empty:
  // those that the system trusts.
  std::string authorities = {};
  // Server: whether clients must show a certificate that one of the authorities has signed.
  bool require_certificate = false;
  // Client: for whom the server's certificate must have been made. Empty: the host of the address;
  // "localhost" where there is none.
  std::string server_name = {};
  // A key that both sides have, of 16 bytes or more, instead of certificates. It should be random:
  // a word can be guessed by who has listened.
  std::string psk = {};
};

}  // namespace mp
