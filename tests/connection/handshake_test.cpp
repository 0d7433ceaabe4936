// SPDX-License-Identifier: Apache-2.0
// The proof of the key, without a socket: our two sides against each other, and answers as CPython
// of each age gives them.
#include "connection/handshake.hpp"

#include <array>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <span>
#include <string>
#include <string_view>

namespace mp::connection {
namespace {

using Role = Handshake::Role;
using State = Handshake::State;

std::string text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ByteView view_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

std::string hmac(const EVP_MD* digest, std::string_view key, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  unsigned size = 0;
  HMAC(digest, key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), code.data(), &size);
  return {reinterpret_cast<const char*>(code.data()), size};
}

// Lets both talk until neither has anything to say. Returns the longest message.
std::size_t talk(Handshake& server, Handshake& client) {
  std::size_t longest = 0;
  std::optional<Bytes> said = server.begin();
  EXPECT_TRUE(client.begin().empty());
  bool to_client = true;
  while (said) {
    longest = std::max(longest, said->size());
    Handshake& hearer = to_client ? client : server;
    if (hearer.state() != State::going_on) {
      break;
    }
    said = hearer.hear(*said);
    to_client = !to_client;
  }
  return longest;
}

TEST(Handshake, SucceedsWithTheSameKey) {
  for (const std::string& key : {std::string{"secret"}, std::string{}, std::string(1000, 'k'),
                                 std::string{"with\0zero", 9}}) {
    Handshake server{Role::server, key};
    Handshake client{Role::client, key};
    EXPECT_LE(talk(server, client), kLongestHandshakeMessage);
    EXPECT_EQ(server.state(), State::done);
    EXPECT_EQ(client.state(), State::done);
  }
}

TEST(Handshake, IsRefusedWithAnotherKey) {
  Handshake server{Role::server, "secret"};
  Handshake client{Role::client, "Secret"};
  talk(server, client);
  EXPECT_EQ(server.state(), State::refused);
  EXPECT_EQ(client.state(), State::refused);
}

TEST(Handshake, ChallengesAreNeverTheSame) {
  EXPECT_NE((Handshake{Role::server, "k"}.begin()), (Handshake{Role::server, "k"}.begin()));
}

TEST(Handshake, OfAServerIsAsCPythonExpects) {
  Handshake server{Role::server, "key"};
  const std::string challenge = text_of(server.begin());
  EXPECT_EQ(challenge.size(), 59U);
  ASSERT_EQ(challenge.substr(0, 19), "#CHALLENGE#{sha256}");
  const std::string message = challenge.substr(11);
  auto reply = server.hear(view_of("{sha256}" + hmac(EVP_sha256(), "key", message)));
  ASSERT_TRUE(reply);
  EXPECT_EQ(text_of(*reply), "#WELCOME#");
  // The peer's own challenge, of each age.
  const std::string theirs = "{sha256}" + std::string(40, 'r');
  reply = server.hear(view_of("#CHALLENGE#" + theirs));
  ASSERT_TRUE(reply);
  EXPECT_EQ(text_of(*reply), "{sha256}" + hmac(EVP_sha256(), "key", theirs));
  EXPECT_FALSE(server.hear(view_of("#WELCOME#")));
  EXPECT_EQ(server.state(), State::done);
}

TEST(Handshake, TakesTheAnswersOfEveryAge) {
  struct Answer {
    const char* name;
    const EVP_MD* digest;
    bool good;
  };
  for (const Answer& each :
       {Answer{"", EVP_md5(), true}, Answer{"{md5}", EVP_md5(), true},
        Answer{"{sha384}", EVP_sha384(), true}, Answer{"{sha3_256}", EVP_sha3_256(), true},
        Answer{"{sha3_384}", EVP_sha3_384(), true}, Answer{"", EVP_sha256(), false},
        Answer{"{sha1}", EVP_sha1(), false}, Answer{"{sha512}", EVP_sha512(), false},
        Answer{"{sha256}", EVP_md5(), false}}) {
    Handshake server{Role::server, "key"};
    const std::string message = text_of(server.begin()).substr(11);
    const auto reply = server.hear(view_of(each.name + hmac(each.digest, "key", message)));
    ASSERT_TRUE(reply);
    EXPECT_EQ(text_of(*reply), each.good ? "#WELCOME#" : "#FAILURE#") << each.name;
    EXPECT_EQ(server.state(), each.good ? State::going_on : State::refused) << each.name;
  }
}

TEST(Handshake, AnswersTheChallengesOfEveryAge) {
  const std::string old(20, 'x');
  Handshake client{Role::client, "key"};
  auto reply = client.hear(view_of("#CHALLENGE#" + old));
  ASSERT_TRUE(reply);
  EXPECT_EQ(text_of(*reply), hmac(EVP_md5(), "key", old));
  const std::string other = "{sha384}" + std::string(40, 'x');
  Handshake second{Role::client, "key"};
  reply = second.hear(view_of("#CHALLENGE#" + other));
  ASSERT_TRUE(reply);
  EXPECT_EQ(text_of(*reply), "{sha384}" + hmac(EVP_sha384(), "key", other));
}

Bytes from_hex(std::string_view digits) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(
        static_cast<std::byte>(std::stoi(std::string{digits.substr(i, 2)}, nullptr, 16)));
  }
  return bytes;
}

// Byte for byte what is said with the key "secret" by the code of each of CPython's ages, 3.8 to
// 3.11 and 3.12 to 3.14, whose random bytes are 0, 1, 2, ...; taken from those interpreters' own
// functions. The `answer` is the one to the challenge, and the only one there is.
struct Transcript {
  const char* python;
  std::string_view prefix;  // of the challenge
  int random;               // bytes behind it
  std::string_view answer;
};
constexpr Transcript kTranscripts[] = {
    {"3.8 to 3.11", "", 20, "7defa9cc46abc3583325d17ccda75190"},
    {"3.12 to 3.14", "{sha256}", 40,
     "7b7368613235367dfc57fbe650d6124b98215e7b5d197d5807ad69982d275a9735ea2d56f1fa6989"},
    {"3.12 to 3.14, made to use MD5", "{md5}", 40, "7b6d64357de8928e8cca3ace2d777017168dc6a0b2"},
    {"3.12 to 3.14, made to use SHA-384", "{sha384}", 40,
     "7b7368613338347dbae78a3376369f7b803a8473318a9b7062495b47434159ac84fc92ddb33c51b277c44c3edd9a5"
     "f"
     "9cb7d628f21abe2665"},
    {"3.12 to 3.14, made to use SHA3-256", "{sha3_256}", 40,
     "7b736861335f3235367d82e8fa62f363295b6655abecf0e98e510224c559e9745af9741c357aec358f90"},
};

TEST(Handshake, IsByteForByteThatOfEachAge) {
  for (const Transcript& each : kTranscripts) {
    SCOPED_TRACE(each.python);
    std::string challenge = "#CHALLENGE#" + std::string{each.prefix};
    for (int i = 0; i != each.random; ++i) {
      challenge += static_cast<char>(i);
    }
    // Where we are the client they begin; what they answer to us is of their age, too.
    Handshake client{Role::client, "secret"};
    EXPECT_EQ(*client.hear(view_of(challenge)), from_hex(each.answer));
    const std::string ours = text_of(*client.hear(view_of("#WELCOME#"))).substr(11);
    const bool is_old = each.prefix.empty();
    EXPECT_EQ(
        text_of(*client.hear(view_of(is_old ? hmac(EVP_md5(), "secret", ours)
                                            : "{sha256}" + hmac(EVP_sha256(), "secret", ours)))),
        "#WELCOME#");
    EXPECT_EQ(client.state(), State::done);
    // Where we are the server they challenge us second.
    Handshake server{Role::server, "secret"};
    const std::string first = text_of(server.begin()).substr(11);
    EXPECT_EQ(
        text_of(*server.hear(view_of(is_old ? hmac(EVP_md5(), "secret", first)
                                            : "{sha256}" + hmac(EVP_sha256(), "secret", first)))),
        "#WELCOME#");
    EXPECT_EQ(*server.hear(view_of(challenge)), from_hex(each.answer));
    EXPECT_FALSE(server.hear(view_of("#WELCOME#")));
    EXPECT_EQ(server.state(), State::done);
  }
}

TEST(Handshake, CanDoWithoutMd5) {
  Handshake server{Role::server, "key", false};
  const std::string message = text_of(server.begin()).substr(11);
  EXPECT_EQ(text_of(*server.hear(view_of(hmac(EVP_md5(), "key", message)))), "#FAILURE#");
  Handshake client{Role::client, "key", false};
  EXPECT_FALSE(client.hear(view_of("#CHALLENGE#" + std::string(20, 'x'))));
  EXPECT_EQ(client.state(), State::refused);
}

TEST(Handshake, EndsWithWhatIsNone) {
  for (const std::string& message :
       {std::string{}, std::string{"hello"}, std::string{"#CHALLENGE#"},
        "#CHALLENGE#" + std::string(32, 'x'), "#CHALLENGE#{sha512}" + std::string(40, 'x'),
        std::string{"#CHALLENGE#{sha256}"}, std::string{"#WELCOME#"}}) {
    Handshake client{Role::client, "key"};
    EXPECT_FALSE(client.hear(view_of(message))) << message;
    EXPECT_EQ(client.state(), State::garbage) << message;
    EXPECT_STRNE(client.reason(), "");
  }
  Handshake client{Role::client, "key"};
  ASSERT_TRUE(client.hear(view_of("#CHALLENGE#{sha256}" + std::string(40, 'x'))));
  EXPECT_FALSE(client.hear(view_of("#PERHAPS#")));
  EXPECT_EQ(client.state(), State::garbage);
}

// A peer that sends our own challenge back has not proved anything.
TEST(Handshake, IsNotFooledByItsOwnWords) {
  Handshake server{Role::server, "key"};
  const Bytes challenge = server.begin();
  EXPECT_EQ(text_of(*server.hear(challenge)), "#FAILURE#");
  EXPECT_EQ(server.state(), State::refused);
}

}  // namespace
}  // namespace mp::connection
