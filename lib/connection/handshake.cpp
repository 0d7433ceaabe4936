// SPDX-License-Identifier: Apache-2.0
#include "connection/handshake.hpp"

#include <array>
#include <cstring>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "mp/errors/error.hpp"

namespace mp::connection {

namespace {

constexpr std::string_view kChallenge = "#CHALLENGE#";
constexpr std::string_view kWelcome = "#WELCOME#";
constexpr std::string_view kFailure = "#FAILURE#";
constexpr std::string_view kPreferred = "{sha256}";
constexpr std::size_t kRandomBytes = 40;
constexpr std::size_t kMd5Size = 16;
constexpr std::size_t kOldChallengeSize = 20;
constexpr std::size_t kShortestChallenge = 20;

struct Digest {
  std::string_view name;
  const EVP_MD* (*make)();
};
constexpr std::array<Digest, 5> kDigests{{{"md5", EVP_md5},
                                          {"sha256", EVP_sha256},
                                          {"sha384", EVP_sha384},
                                          {"sha3_256", EVP_sha3_256},
                                          {"sha3_384", EVP_sha3_384}}};

Bytes to_bytes(std::string_view text) {
  const ByteView view = std::as_bytes(std::span{text});
  return {view.begin(), view.end()};
}

bool equals(ByteView bytes, std::string_view text) noexcept {
  return bytes.size() == text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

bool starts_with(ByteView bytes, std::string_view text) noexcept {
  return bytes.size() >= text.size() && equals(bytes.first(text.size()), text);
}

void append(Bytes& bytes, ByteView more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

Bytes hmac(const Digest& digest, std::string_view key, ByteView message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  unsigned size = 0;
  // An empty key is a key.
  const char* start = key.empty() ? "" : key.data();
  if (HMAC(digest.make(), start, static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(), code.data(),
           &size) == nullptr) {
    throw Error{make_error_code(std::errc::not_supported),
                "this machine's OpenSSL cannot compute HMAC-" + std::string{digest.name}};
  }
  const ByteView view = std::as_bytes(std::span{code}.first(size));
  return {view.begin(), view.end()};
}

// The digest that the text "{name}..." begins with; `rest` is what comes after it.
const Digest* named_digest(ByteView text, ByteView& rest) noexcept {
  for (const Digest& each : kDigests) {
    const std::size_t size = each.name.size();
    if (text.size() >= size + 2 && text[0] == std::byte{'{'} && text[size + 1] == std::byte{'}'} &&
        equals(text.subspan(1, size), each.name)) {
      rest = text.subspan(size + 2);
      return &each;
    }
  }
  return nullptr;
}

bool same(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Handshake::Handshake(Role role, std::string key, bool allow_md5)
    : role_{role},
      awaits_{role == Role::server ? Awaits::response : Awaits::challenge},
      allow_md5_{allow_md5},
      key_{std::move(key)} {}

Handshake::~Handshake() {
  OPENSSL_cleanse(key_.data(), key_.size());
}

Bytes Handshake::begin() {
  return role_ == Role::server ? challenge() : Bytes{};
}

Bytes Handshake::challenge() {
  Bytes message = to_bytes(kChallenge);
  append(message, std::as_bytes(std::span{kPreferred}));
  std::array<unsigned char, kRandomBytes> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    throw Error{make_error_code(std::errc::io_error), "no random bytes for a challenge can be had"};
  }
  append(message, std::as_bytes(std::span{random}));
  sent_.assign(message.begin() + kChallenge.size(), message.end());
  awaits_ = Awaits::response;
  return message;
}

Bytes Handshake::respond(ByteView challenge) {
  ByteView rest;
  const Digest* named = named_digest(challenge, rest);
  const bool old = challenge.size() == kOldChallengeSize || challenge.size() == kMd5Size;
  if (old && allow_md5_) {
    return hmac(kDigests[0], key_, challenge);
  }
  // One that is short enough for us to be tricked into signing something else is no challenge.
  if (old || named == nullptr || challenge.size() < kShortestChallenge ||
      (named == kDigests.data() && !allow_md5_)) {
    end(old ? State::refused : State::garbage,
        old ? "the peer's challenge asks for HMAC-MD5, which is not allowed here"
            : "the peer's challenge names no digest that is known here");
    return {};
  }
  Bytes response = to_bytes("{" + std::string{named->name} + "}");
  append(response, hmac(*named, key_, challenge));
  return response;
}

bool Handshake::verify(ByteView response) const {
  if (response.size() == kMd5Size || response.size() == kOldChallengeSize) {
    return allow_md5_ && same(response, hmac(kDigests[0], key_, sent_));
  }
  ByteView code;
  const Digest* digest = named_digest(response, code);
  if (digest == nullptr || (digest == kDigests.data() && !allow_md5_)) {
    return false;
  }
  return same(code, hmac(*digest, key_, sent_));
}

void Handshake::end(State state, const char* reason) noexcept {
  state_ = state;
  reason_ = reason;
}

std::optional<Bytes> Handshake::hear(ByteView message) {
  switch (awaits_) {
    case Awaits::challenge: {
      if (!starts_with(message, kChallenge)) {
        end(State::garbage, "the peer does not begin as one with a key does");
        return std::nullopt;
      }
      awaits_ = Awaits::verdict;
      Bytes response = respond(message.subspan(kChallenge.size()));
      return state_ == State::going_on ? std::optional{std::move(response)} : std::nullopt;
    }
    case Awaits::response:
      if (!verify(message)) {
        end(State::refused, "the peer does not have the same key");
        return to_bytes(kFailure);
      }
      if (role_ == Role::server) {
        awaits_ = Awaits::challenge;
      } else {
        end(State::done, "");
      }
      return to_bytes(kWelcome);
    case Awaits::verdict:
      break;
  }
  if (!equals(message, kWelcome)) {
    const bool honest = equals(message, kFailure);
    end(honest ? State::refused : State::garbage,
        honest ? "the peer did not accept the key" : "the peer's verdict is none");
    return std::nullopt;
  }
  if (role_ == Role::client) {
    return challenge();
  }
  end(State::done, "");
  return std::nullopt;
}

}  // namespace mp::connection
