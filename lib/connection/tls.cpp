// SPDX-License-Identifier: Apache-2.0
// Design
//
// OpenSSL never sees a socket: its session reads from and writes to memory, and the house's own
// calls move the bytes. The mutex of a session guards both, for a sender and a receiver beside one
// another; as nothing under it waits, neither holds the other up for long.
//
// A pre-shared key is TLS 1.3's external one. There is one identity, and the key of the session is
// the SHA-256 of a label and the text, as the hash of the cipher needs 32 bytes. A side with such a
// key trusts no certificate at all, so nobody without the key gets through by showing one.
#include "connection/tls.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string_view>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/base/deadline.hpp"
#include "mp/errors/error.hpp"

#include "os/poll.hpp"
#include "os/socket.hpp"

namespace mp::connection {

namespace {

constexpr std::string_view kIdentity = "mp";
constexpr std::string_view kLabel = "mp tls psk v1:";
constexpr std::size_t kShortestPsk = 16;
constexpr std::size_t kLargestRead = std::size_t{64} << 10;
constexpr std::size_t kLargestWrite = std::size_t{64} << 10;
constexpr std::array<unsigned char, 2> kCipherId = {0x13, 0x01};  // TLS_AES_128_GCM_SHA256
constexpr const char* kPskCiphers = "TLS_AES_128_GCM_SHA256";

template <auto Free>
struct Freer {
  void operator()(auto* object) const noexcept { Free(object); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<&SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL, Freer<&SSL_free>>;
using Digest = std::array<unsigned char, 32>;

std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "no reason is known" : reason;
}

// A number, as OpenSSL's have it: what X509_VERIFY_PARAM_set1_ip_asc takes.
bool is_ip(const std::string& host) {
  ASN1_OCTET_STRING* parsed = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(parsed);
  ERR_clear_error();
  return parsed != nullptr;
}

Digest digest_of(const std::string& psk) {
  const std::string text = std::string{kLabel} + psk;
  Digest digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    throw UsageError{"the pre-shared key cannot be digested: " + last_error()};
  }
  return digest;
}

void expect(bool good, const std::string& what) {
  if (!good) {
    throw UsageError{what + ": " + last_error()};
  }
}

}  // namespace

struct TlsContext::Parts {
  TlsRole role = TlsRole::client;
  TlsOptions options;
  ContextPtr context;
  Digest psk{};
};

namespace {

int parts_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// The session that stands for the key. Both callbacks give it away.
SSL_SESSION* psk_session(SSL* ssl) {
  const auto* parts = static_cast<const TlsContext::Parts*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), parts_index()));
  SSL_SESSION* session = SSL_SESSION_new();
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, kCipherId.data());
  if (session == nullptr || cipher == nullptr ||
      SSL_SESSION_set1_master_key(session, parts->psk.data(), parts->psk.size()) != 1 ||
      SSL_SESSION_set_cipher(session, cipher) != 1 ||
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
    SSL_SESSION_free(session);
    return nullptr;
  }
  return session;
}

int use_psk(SSL* ssl, const EVP_MD* digest, const unsigned char** id, std::size_t* id_size,
            SSL_SESSION** session) {
  *session = nullptr;
  if (digest != nullptr && EVP_MD_get_type(digest) != NID_sha256) {
    return 1;  // the server wants another hash: we have none for that
  }
  *session = psk_session(ssl);
  *id = reinterpret_cast<const unsigned char*>(kIdentity.data());
  *id_size = kIdentity.size();
  return *session != nullptr ? 1 : 0;
}

int find_psk(SSL* ssl, const unsigned char* id, std::size_t id_size, SSL_SESSION** session) {
  const std::string_view name{reinterpret_cast<const char*>(id), id_size};
  *session = name == kIdentity ? psk_session(ssl) : nullptr;
  return 1;
}

void set_psk(TlsContext::Parts& parts) {
  const TlsOptions& options = parts.options;
  MP_EXPECTS(options.psk.size() >= kShortestPsk, "a pre-shared key has 16 bytes or more");
  MP_EXPECTS(options.certificate.empty() && options.private_key.empty() &&
                 options.authorities.empty() && !options.require_certificate,
             "a pre-shared key goes without certificates");
  parts.psk = digest_of(options.psk);
  SSL_CTX* const context = parts.context.get();
  expect(SSL_CTX_set_ciphersuites(context, kPskCiphers) == 1, "no cipher for a pre-shared key");
  if (parts.role == TlsRole::server) {
    SSL_CTX_set_psk_find_session_callback(context, &find_psk);
  } else {
    SSL_CTX_set_psk_use_session_callback(context, &use_psk);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);  // and nobody is trusted
  }
}

void set_certificates(const TlsContext::Parts& parts) {
  const TlsOptions& options = parts.options;
  SSL_CTX* const context = parts.context.get();
  const bool is_server = parts.role == TlsRole::server;
  MP_EXPECTS(options.certificate.empty() == options.private_key.empty(),
             "a certificate is shown with its private key");
  MP_EXPECTS(!is_server || !options.certificate.empty(),
             "a server under TLS needs a certificate and its key, or a pre-shared key");
  if (!options.certificate.empty()) {
    expect(SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) == 1,
           "the certificate in " + options.certificate + " cannot be used");
    expect(SSL_CTX_use_PrivateKey_file(context, options.private_key.c_str(), SSL_FILETYPE_PEM) == 1,
           "the private key in " + options.private_key + " cannot be used");
    expect(SSL_CTX_check_private_key(context) == 1,
           "the private key in " + options.private_key + " is not that of the certificate");
  }
  if (is_server && !options.require_certificate) {
    return;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (is_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  if (options.authorities.empty()) {
    expect(SSL_CTX_set_default_verify_paths(context) == 1, "the system's authorities are missing");
  } else {
    expect(SSL_CTX_load_verify_file(context, options.authorities.c_str()) == 1,
           "the authorities in " + options.authorities + " cannot be read");
  }
}

}  // namespace

TlsContext::TlsContext(TlsRole role, const TlsOptions& options)
    : parts_{std::make_unique<Parts>()} {
  ERR_clear_error();
  parts_->role = role;
  parts_->options = options;
  parts_->context.reset(
      SSL_CTX_new(role == TlsRole::server ? TLS_server_method() : TLS_client_method()));
  SSL_CTX* const context = parts_->context.get();
  expect(context != nullptr && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
             SSL_CTX_set_ex_data(context, parts_index(), parts_.get()) == 1,
         "TLS 1.3 cannot be had");
  // Nobody resumes a session.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (options.psk.empty()) {
    set_certificates(*parts_);
  } else {
    set_psk(*parts_);
  }
}

TlsContext::~TlsContext() = default;

struct Tls::Parts {
  // Moves the bytes that are to go out. Returns whether all of them are.
  bool flush(int socket);
  // Gives the session what has come. False: nothing has. Sets `ended`.
  bool pull(int socket);
  [[noreturn]] void fail(const char* doing) const;

  std::shared_ptr<const TlsContext> context;
  SessionPtr session;
  BIO* in = nullptr;   // the session's
  BIO* out = nullptr;  // the session's
  mutable std::mutex mutex;
  Bytes unsent;  // cipher text
  std::size_t sent = 0;
  bool ended = false;  // the socket is at its end
};

Tls::Tls(std::shared_ptr<const TlsContext> context, const std::string& host)
    : parts_{std::make_unique<Parts>()} {
  ERR_clear_error();
  const TlsContext::Parts& common = context->parts();
  parts_->session.reset(SSL_new(common.context.get()));
  parts_->in = BIO_new(BIO_s_mem());
  parts_->out = BIO_new(BIO_s_mem());
  SSL* const session = parts_->session.get();
  if (session == nullptr || parts_->in == nullptr || parts_->out == nullptr) {
    BIO_free(parts_->in);
    BIO_free(parts_->out);
    throw std::bad_alloc{};
  }
  BIO_set_mem_eof_return(parts_->in, -1);
  SSL_set_bio(session, parts_->in, parts_->out);
  if (common.role == TlsRole::server) {
    SSL_set_accept_state(session);
  } else {
    SSL_set_connect_state(session);
    std::string name = common.options.server_name.empty() ? host : common.options.server_name;
    if (name.empty() || name == "0.0.0.0" || name == "::") {
      name = "localhost";
    }
    const bool named =
        is_ip(name) ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name.c_str()) == 1
                    : SSL_set1_host(session, name.c_str()) == 1 &&
                          SSL_set_tlsext_host_name(session, name.c_str()) == 1;
    expect(named, "'" + name + "' is no name for a server");
  }
  parts_->context = std::move(context);
}

Tls::~Tls() = default;

bool Tls::Parts::flush(int socket) {
  for (;;) {
    if (sent == unsent.size()) {
      sent = 0;
      const auto waiting = static_cast<std::size_t>(BIO_ctrl_pending(out));
      unsent.resize(waiting);
      if (waiting == 0) {
        return true;
      }
      unsent.resize(static_cast<std::size_t>(
          std::max(0, BIO_read(out, unsent.data(), static_cast<int>(waiting)))));
    }
    const auto outcome = os::send_some(socket, ByteView{unsent}.subspan(sent), {});
    if (!outcome.ok() && os::no_room(outcome.error)) {
      return false;
    }
    sent += static_cast<std::size_t>(os::check(outcome));
  }
}

bool Tls::Parts::pull(int socket) {
  std::array<std::byte, kLargestRead> room;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  os::Received got;
  if (ended || !os::receive_some(socket, room, 0, got)) {
    return false;
  }
  if (got.size == 0) {
    ended = true;
    return false;
  }
  if (BIO_write(in, room.data(), static_cast<int>(got.size)) != static_cast<int>(got.size)) {
    throw std::bad_alloc{};
  }
  return true;
}

// What went wrong, as far as it is known.
void Tls::Parts::fail(const char* doing) const {
  const long verdict = SSL_get_verify_result(session.get());
  const bool is_client = context->parts().role == TlsRole::client;
  const bool has_psk = !context->parts().options.psk.empty();
  if (verdict != X509_V_OK && !has_psk) {
    ERR_clear_error();
    throw AuthenticationError{std::string{"the peer's certificate is refused: "} +
                              X509_verify_cert_error_string(verdict)};
  }
  // It showed a certificate instead, which nobody has signed for us.
  if (verdict != X509_V_OK && is_client && SSL_is_init_finished(session.get()) == 0) {
    ERR_clear_error();
    throw AuthenticationError{"the server does not know the pre-shared key"};
  }
  const std::string reason = last_error();
  if (reason == "wrong version number" || reason == "http request" ||
      reason == "packet length too long" || reason == "unexpected message") {
    throw AuthenticationError{"the peer speaks no TLS: " + reason};
  }
  throw AuthenticationError{std::string{"TLS failed "} + doing + ": " + reason};
}

bool Tls::handshake(int socket) {
  const std::lock_guard hold{parts_->mutex};
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(parts_->session.get());
    const int error = done == 1 ? 0 : SSL_get_error(parts_->session.get(), done);
    const std::exception_ptr failure = [&]() -> std::exception_ptr {
      if (error == 0 || error == SSL_ERROR_WANT_READ) {
        return nullptr;
      }
      try {
        parts_->fail("in the handshake");
      } catch (const Error&) {
        return std::current_exception();
      }
    }();
    if (failure) {
      try {
        static_cast<void>(parts_->flush(socket));  // the alert that tells the peer
      } catch (const OsError&) {
      }
      std::rethrow_exception(failure);
    }
    if (!parts_->flush(socket)) {
      return false;
    }
    if (done == 1) {
      return true;
    }
    if (!parts_->pull(socket)) {
      if (parts_->ended) {
        throw EOFError{"the peer closed the connection in the TLS handshake"};
      }
      return false;
    }
  }
}

std::optional<std::size_t> Tls::receive(int socket, MutableByteView room) {
  const std::lock_guard hold{parts_->mutex};
  for (;;) {
    ERR_clear_error();
    std::size_t got = 0;
    const int good = SSL_read_ex(parts_->session.get(), room.data(), room.size(), &got);
    if (good == 1) {
      return got;
    }
    const int error = SSL_get_error(parts_->session.get(), good);
    if (error == SSL_ERROR_ZERO_RETURN) {
      return 0;
    }
    if (error != SSL_ERROR_WANT_READ) {
      parts_->fail("while it was received");
    }
    // An answer to a change of keys must not wait until we have something to say.
    static_cast<void>(parts_->flush(socket));
    if (!parts_->pull(socket)) {
      return parts_->ended ? std::optional<std::size_t>{0} : std::nullopt;
    }
  }
}

std::optional<std::size_t> Tls::send(int socket, ByteView bytes) {
  const std::lock_guard hold{parts_->mutex};
  if (!parts_->flush(socket)) {
    return std::nullopt;
  }
  if (bytes.empty()) {
    return 0;
  }
  ERR_clear_error();
  std::size_t taken = 0;
  const int good = SSL_write_ex(parts_->session.get(), bytes.data(),
                                std::min(bytes.size(), kLargestWrite), &taken);
  if (good != 1) {
    parts_->fail("while it was sent");
  }
  static_cast<void>(parts_->flush(socket));
  return taken;
}

bool Tls::has_unsent() const {
  const std::lock_guard hold{parts_->mutex};
  return parts_->sent != parts_->unsent.size() || BIO_ctrl_pending(parts_->out) != 0;
}

bool Tls::has_unread() const {
  const std::lock_guard hold{parts_->mutex};
  return parts_->ended || SSL_pending(parts_->session.get()) != 0 ||
         BIO_ctrl_pending(parts_->in) != 0;
}

std::optional<std::size_t> receive(int socket, Tls* tls, MutableByteView room) {
  if (tls != nullptr) {
    return tls->receive(socket, room);
  }
  os::Received got;
  if (!os::receive_some(socket, room, 0, got)) {
    return std::nullopt;
  }
  return got.size;
}

std::optional<std::size_t> send(int socket, Tls* tls, ByteView bytes) {
  if (tls != nullptr) {
    return tls->send(socket, bytes);
  }
  const auto sent = os::send_some(socket, bytes, {});
  if (!sent.ok() && os::no_room(sent.error)) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(os::check(sent));
}

std::size_t await_bytes(int socket, Tls* tls, MutableByteView room) {
  if (tls == nullptr) {
    return os::await_bytes(socket, room);
  }
  for (;;) {
    if (const auto got = tls->receive(socket, room)) {
      return *got;
    }
    static_cast<void>(os::wait_readable(socket, Deadline::never()));
  }
}

void send_all(int socket, Tls* tls, ByteView bytes) {
  if (tls == nullptr) {
    os::send_all(socket, bytes);
    return;
  }
  while (!bytes.empty() || tls->has_unsent()) {
    if (const auto sent = tls->send(socket, bytes)) {
      bytes = bytes.subspan(*sent);
    }
    if (tls->has_unsent()) {
      static_cast<void>(os::wait_writable(socket, Deadline::never()));
    }
  }
}

}  // namespace mp::connection
