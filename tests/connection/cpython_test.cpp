// SPDX-License-Identifier: Apache-2.0
// Against multiprocessing.connection of the machine's Python, in both roles. MP_TEST_PYTHON names
// others to try instead, separated by colons.
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include <unistd.h>

#include "mp/connection.hpp"
#include "mp/errors/error.hpp"

#include "support/program.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Program;

// What both sides say to each other, in Python. It ends with 0 if all was as it should be.
constexpr const char* kPrelude = R"py(
import sys, hashlib
from multiprocessing.connection import Client, Listener
from multiprocessing import AuthenticationError
family, where, port, key = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
if sys.argv[4] == '-':
    key = None
address = (where, port) if family == 'tcp' else ('\0' + where if family == 'abstract' else where)

def talk(conn):
    conn.send_bytes(b'hello')
    assert conn.recv_bytes() == b'world'
    for size in (0, 1, 16384, 16385, 70000, 300000):
        conn.send_bytes(bytes(i * 7 % 251 for i in range(size)))
        got = conn.recv_bytes()
        assert got == bytes(i * 11 % 253 for i in range(size)), size
    conn.close()
)py";

constexpr const char* kClient = R"py(
try:
    conn = Client(address, authkey=key)
except AuthenticationError:
    sys.exit(7)
talk(conn)
)py";

constexpr const char* kServer = R"py(
listener = Listener(address, authkey=key)
print(listener.address[1] if family == 'tcp' else 0, flush=True)
try:
    conn = listener.accept()
except AuthenticationError:
    sys.exit(7)
talk(conn)
)py";

constexpr int kPythonRefused = 7;

Bytes pattern(std::size_t size, unsigned factor, unsigned modulus) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * factor % modulus);
  }
  return bytes;
}

// Our half of talk().
void talk(const Connection& connection) {
  EXPECT_EQ(connection.recv_bytes(), (Bytes{std::byte{'h'}, std::byte{'e'}, std::byte{'l'},
                                            std::byte{'l'}, std::byte{'o'}}));
  connection.send_bytes(std::as_bytes(std::span{"world", 5}));
  for (const std::size_t size : {0U, 1U, 16384U, 16385U, 70000U, 300000U}) {
    EXPECT_EQ(connection.recv_bytes(), pattern(size, 7, 251)) << size;
    connection.send_bytes(pattern(size, 11, 253));
  }
  EXPECT_THROW(static_cast<void>(connection.recv_bytes()), EOFError);
}

Program run(const std::string& python, const char* script, const Address& address,
            const std::string& key) {
  const bool is_tcp = address.kind() == Address::Kind::tcp;
  const char* family = is_tcp                                         ? "tcp"
                       : address.kind() == Address::Kind::unix_socket ? "unix"
                                                                      : "abstract";
  return Program{{python, "-c", std::string{kPrelude} + script, family,
                  is_tcp ? address.host() : address.path(), std::to_string(address.port()), key}};
}

class CPython : public testing::TestWithParam<std::string> {
 protected:
  // A Python that listens, and where.
  struct Server {
    Program python;
    Address address;
  };
  static Server serve(const Address& wanted, const std::string& key) {
    Program python = run(GetParam(), kServer, wanted, key);
    const std::string port = python.line();
    const bool is_tcp = wanted.kind() == Address::Kind::tcp;
    return {std::move(python), is_tcp ? tcp(wanted.host(), std::stoi(port)) : wanted};
  }
};
INSTANTIATE_TEST_SUITE_P(Pythons, CPython, testing::ValuesIn(test::pythons()),
                         [](const auto& python) {
                           return "number" + std::to_string(python.index);
                         });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CPython);

TEST_P(CPython, IsAClient) {
  const test::ScratchDir folder;
  for (const Address& address : {tcp("127.0.0.1", 0), unix_socket(folder / "socket"),
                                 abstract_socket("mp-test-client-" + std::to_string(::getpid()))}) {
    for (const std::string key : {"secret", "-", ""}) {
      SCOPED_TRACE(address.to_string() + " with key " + key);
      const Listener listener{
          address, {.authkey = key == "-" ? std::nullopt : std::optional<std::string>{key}}};
      Program python = run(GetParam(), kClient, listener.address(), key);
      talk(listener.accept(20s));
      EXPECT_EQ(python.child().wait(), test::exited(0));
    }
  }
}

TEST_P(CPython, IsAServer) {
  const test::ScratchDir folder;
  for (const Address& address : {tcp("127.0.0.1", 0), unix_socket(folder / "socket"),
                                 abstract_socket("mp-test-server-" + std::to_string(::getpid()))}) {
    // Before 3.13 a Listener does not ask for an empty key.
    for (const std::string key : {"secret", "-"}) {
      SCOPED_TRACE(address.to_string() + " with key " + key);
      Server server = serve(address, key);
      talk(Client(server.address,
                  {.authkey = key == "-" ? std::nullopt : std::optional<std::string>{key}}));
      EXPECT_EQ(server.python.child().wait(), test::exited(0));
    }
  }
}

TEST_P(CPython, IsRefusedWithAnotherKey) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  Program python = run(GetParam(), kClient, listener.address(), "wrong");
  EXPECT_THROW(listener.accept(20s), AuthenticationError);
  EXPECT_EQ(python.child().wait(), test::exited(kPythonRefused));
  Program again = run(GetParam(), kClient, listener.address(), "secret");
  talk(listener.accept(20s));
  EXPECT_EQ(again.child().wait(), test::exited(0));
}

TEST_P(CPython, RefusesAnotherKey) {
  Server server = serve(tcp("127.0.0.1", 0), "secret");
  EXPECT_THROW(static_cast<void>(Client(server.address, {.authkey = "wrong"})),
               AuthenticationError);
  EXPECT_EQ(server.python.child().wait(), test::exited(kPythonRefused));
}

}  // namespace
}  // namespace mp
