// SPDX-License-Identifier: Apache-2.0
// Listeners and clients: addresses, keys, and peers that do not behave.
#include "mp/connection/listener.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/connection/client.hpp"
#include "mp/connection/pipe.hpp"
#include "mp/errors/error.hpp"

#include "connection/endpoints.hpp"
#include "memory/processes.hpp"
#include "os/endpoint.hpp"
#include "os/limits.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

ByteView view_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A socket to the listener with nothing of ours on top.
os::Fd raw_connect(const Address& address) {
  return os::connect_to(connection::endpoints_of(address).front(), Deadline{10s});
}

struct Ends {
  Connection server;
  Connection client;
};

Ends connect(const Listener& listener, const ClientOptions& options = {}) {
  Ends ends;
  std::thread other{[&] { ends.client = Client(listener.address(), options); }};
  ends.server = listener.accept(10s);
  other.join();
  return ends;
}

int error_of(const auto& action) {
  try {
    action();
  } catch (const OsError& error) {
    return error.code().value();
  }
  return 0;
}

TEST(Listener, HearsFromEveryKindOfAddress) {
  const test::ScratchDir folder;
  for (const Address& address :
       {tcp("127.0.0.1", 0), tcp("localhost", 0), tcp("", 0), tcp("::1", 0), Address{},
        abstract_socket("mp-test-" + std::to_string(::getpid())), unix_socket(folder / "socket"),
        Address{folder / "other"}}) {
    SCOPED_TRACE(address.to_string());
    const Listener listener{address, {.authkey = "secret"}};
    if (address.kind() == Address::Kind::tcp) {
      EXPECT_GT(listener.address().port(), 0);
    }
    EXPECT_EQ(listener.last_accepted(), std::nullopt);
    const Ends ends = connect(listener, {.authkey = "secret"});
    ends.client.send_bytes(view_of("hello"));
    EXPECT_EQ(text_of(ends.server.recv_bytes()), "hello");
    ends.server.send(std::vector{1, 2, 3});
    EXPECT_EQ(ends.client.recv<std::vector<int>>(), (std::vector{1, 2, 3}));
    EXPECT_NE(listener.last_accepted(), std::nullopt);
  }
}

TEST(Listener, RemovesItsPathAndNoOther) {
  const test::ScratchDir folder;
  const std::string path = folder / "socket";
  {
    const Listener listener{path};
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_EQ(error_of([&] { const Listener second{path}; }), EADDRINUSE);
    EXPECT_EQ(test::in_child([&] { listener.close(); }), test::exited(0));
    EXPECT_TRUE(std::filesystem::exists(path));  // it is not the child's to remove
    const Ends ends = connect(listener);
    EXPECT_FALSE(ends.server.closed());
    listener.close();
    EXPECT_FALSE(std::filesystem::exists(path));
    const Listener again{path};
    listener.close();
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Listener, SaysWhatIsWrongWithAnAddress) {
  EXPECT_THROW(static_cast<void>(tcp("127.0.0.1", 65536)), UsageError);
  EXPECT_THROW(static_cast<void>(tcp("127.0.0.1", -1)), UsageError);
  EXPECT_THROW(Listener{unix_socket("")}, UsageError);
  EXPECT_THROW(Listener{unix_socket(std::string(200, 'x'))}, UsageError);
  EXPECT_EQ(error_of([] { const Listener listener{tcp("192.0.2.1", 0)}; }), EADDRNOTAVAIL);
  EXPECT_EQ(error_of([] { const Listener listener{unix_socket("/nowhere/at/all")}; }), ENOENT);
  EXPECT_NE(error_of([] { const Listener listener{tcp("no such host.invalid", 0)}; }), 0);
  EXPECT_THROW(static_cast<void>(Client(Address{})), UsageError);
  EXPECT_EQ(error_of([] { static_cast<void>(Client(unix_socket("/nowhere"))); }), ENOENT);
  const Address gone = Listener{tcp("127.0.0.1", 0)}.address();
  EXPECT_EQ(error_of([&] { static_cast<void>(Client(gone)); }), ECONNREFUSED);
}

TEST(Listener, TellsAddressesApart) {
  EXPECT_EQ(tcp("::1", 80).to_string(), "[::1]:80");
  EXPECT_EQ(Address{"/run/x"}, unix_socket("/run/x"));
  EXPECT_EQ((Address{std::string_view{"\0x", 2}}), abstract_socket("x"));
  EXPECT_NE(unix_socket("x"), abstract_socket("x"));
  EXPECT_EQ(decode<Address>(encode(tcp("host", 7))), tcp("host", 7));
}

TEST(Listener, RefusesAnotherKeyAndGoesOn) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  std::thread wrong{[&] {
    EXPECT_THROW(static_cast<void>(Client(listener.address(), {.authkey = "wrong"})),
                 AuthenticationError);
  }};
  EXPECT_THROW(listener.accept(10s), AuthenticationError);
  wrong.join();
  const Ends ends = connect(listener, {.authkey = "secret"});
  ends.client.send(1);
  EXPECT_EQ(ends.server.recv<int>(), 1);
}

TEST(Listener, DropsGarbageAndGoesOn) {
  const Listener listener{Address{}, {.authkey = "secret"}};
  const os::Fd web = raw_connect(listener.address());
  os::send_all(web.get(), view_of("GET / HTTP/1.1\r\n\r\n"));
  const os::Fd negative = raw_connect(listener.address());
  os::send_all(negative.get(), view_of(std::string_view{"\x80\0\0\0", 4}));
  const os::Fd closed_again = raw_connect(listener.address());
  { const os::Fd gone = raw_connect(listener.address()); }
  const Ends ends = connect(listener, {.authkey = "secret"});
  ends.client.send(1);
  EXPECT_EQ(ends.server.recv<int>(), 1);
  // The first two were closed; their challenge and then the end, or a reset, is all they get.
  for (const int socket : {web.get(), negative.get()}) {
    std::array<std::byte, 256> buffer{};
    try {
      EXPECT_LE(os::receive_all(socket, buffer, 0, Deadline{10s}).size, 63U);
    } catch (const OsError& error) {
      EXPECT_EQ(error.code().value(), ECONNRESET);
    }
  }
}

TEST(Listener, IsNotHeldUpByASilentPeer) {
  const Listener listener{Address{}, {.authkey = "secret", .handshake_timeout = 1h}};
  std::vector<os::Fd> silent;
  for (int i = 0; i < 20; ++i) {
    silent.push_back(raw_connect(listener.address()));
  }
  const Ends ends = connect(listener, {.authkey = "secret"});
  ends.client.send(1);
  EXPECT_EQ(ends.server.recv<int>(), 1);
}

TEST(Listener, DropsHalfAHandshakeAfterItsTime) {
  const Listener listener{Address{}, {.authkey = "secret", .handshake_timeout = 50ms}};
  const os::Fd half = raw_connect(listener.address());
  os::send_all(half.get(), view_of(std::string_view{"\0\0\0\x28{sha", 9}));
  EXPECT_EQ(listener.try_accept_for(500ms), std::nullopt);
  std::array<std::byte, 256> buffer{};
  const os::Received got = os::receive_all(half.get(), buffer, 0, Deadline{10s});
  EXPECT_EQ(got.size, 63U);  // the challenge, then the end
}

TEST(Listener, AcceptEndsInTime) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  EXPECT_EQ(listener.try_accept_for(0s), std::nullopt);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_THROW(listener.accept(30ms), TimeoutError);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 30ms);
}

TEST(Listener, AClientGivesUpInTime) {
  // Nobody asks for the key here.
  const Listener listener{tcp("127.0.0.1", 0)};
  EXPECT_THROW(static_cast<void>(
                   Client(listener.address(), {.authkey = "secret", .handshake_timeout = 30ms})),
               TimeoutError);
  // Nobody accepts here, and the backlog is full.
  const Listener full{Address{}, {.backlog = 0}};
  std::vector<Connection> waiting;
  EXPECT_THROW(
      {
        for (;;) {
          waiting.push_back(Client(full.address(), {.connect_timeout = 30ms}));
        }
      },
      TimeoutError);
  EXPECT_GE(waiting.size(), 1U);
}

TEST(Listener, SaysThatAPeerWantsNoKey) {
  const Listener listener{Address{}};
  std::thread other{[&] {
    const Connection server = listener.accept(10s);
    server.send_bytes(view_of("anything but a challenge"));
    EXPECT_THROW(static_cast<void>(server.recv_bytes()), EOFError);
  }};
  EXPECT_THROW(static_cast<void>(Client(listener.address(), {.authkey = "secret"})),
               AuthenticationError);
  other.join();
}

TEST(Listener, CloseEndsAnAcceptThatWaits) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  std::atomic<pid_t> waiter{0};
  std::thread other{[&] {
    waiter = ::gettid();
    EXPECT_THROW(listener.accept(), ClosedError);
  }};
  EXPECT_EVENTUALLY(waiter != 0 && test::is_asleep(waiter));
  listener.close();
  other.join();
  EXPECT_TRUE(listener.closed());
  EXPECT_EQ(listener.fileno(), -1);
  EXPECT_THROW(listener.accept(), ClosedError);
}

TEST(Listener, SurvivesAFullTableOfDescriptors) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  std::optional<Connection> client;
  std::thread other{[&] { client = Client(listener.address(), {.authkey = "secret"}); }};
  {
    test::Faults faults;
    faults.fail(os::Sys::accept, EMFILE);
    EXPECT_EQ(error_of([&] { listener.accept(10s); }), EMFILE);
    EXPECT_EQ(error_of([&] { listener.accept(10s); }), EMFILE);
  }
  EXPECT_TRUE(listener.accept(10s).readable());
  other.join();
}

TEST(Listener, LooksForTheNextWhenOneIsLostBeforeItIsAccepted) {
  const Listener listener{tcp("127.0.0.1", 0)};
  test::Faults faults;
  faults.fail(os::Sys::accept, ECONNABORTED, 3);
  const Ends ends = connect(listener);
  EXPECT_GE(faults.calls(os::Sys::accept), 4);
}

TEST(Listener, FailsAsTheSystemDoes) {
  for (const os::Sys sys : {os::Sys::socket, os::Sys::bind, os::Sys::listen, os::Sys::eventfd}) {
    test::Faults faults;
    faults.fail(sys, ENOBUFS);
    EXPECT_EQ(error_of([] { const Listener listener{tcp("127.0.0.1", 0)}; }), ENOBUFS);
  }
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  for (const os::Sys sys : {os::Sys::socket, os::Sys::connect}) {
    test::Faults faults;
    faults.fail(sys, ENETUNREACH);
    EXPECT_EQ(error_of([&] { static_cast<void>(Client(listener.address())); }), ENETUNREACH);
  }
  // A peer whose socket fails is dropped, and only that one.
  os::Fd peer = raw_connect(listener.address());
  {
    test::Faults faults;
    faults.fail(os::Sys::sendmsg, ENOMEM, 1);
    EXPECT_EQ(listener.try_accept_for(0s), std::nullopt);
  }
  const Ends ends = connect(listener, {.authkey = "secret"});
  EXPECT_TRUE(ends.server.readable());
}

TEST(Listener, DropsPeersOfAnotherUserWhereAsked) {
  const Listener listener;
  {
    test::Faults faults;
    faults.fail(os::Sys::getsockopt, ENOPROTOOPT);
    const os::Fd peer = raw_connect(listener.address());
    EXPECT_EQ(error_of([&] { listener.accept(10s); }), ENOPROTOOPT);
  }
  const Ends ends = connect(listener);
  const PeerCredentials peer = ends.server.peer_credentials();
  EXPECT_EQ(peer.pid, ::getpid());
  EXPECT_EQ(peer.user, ::geteuid());
  EXPECT_EQ(peer.group, ::getegid());
  if (::geteuid() == 0) {
    Child stranger{[&] {
      ASSERT_EQ(::setuid(65534), 0);
      const os::Fd socket = raw_connect(listener.address());
      std::array<std::byte, 1> byte{};
      EXPECT_EQ(os::receive_all(socket.get(), byte, 0, Deadline{10s}).size, 0U);
    }};
    EXPECT_EQ(listener.try_accept_for(300ms), std::nullopt);
    EXPECT_EQ(stranger.wait(), test::exited(0));
  }
}

TEST(Listener, ServesFromSeveralProcessesAndThreads) {
  const Listener listener{tcp("127.0.0.1", 0), {.authkey = "secret"}};
  constexpr int kEach = 5;
  const auto serve = [&] {
    for (int i = 0; i < kEach; ++i) {
      const Connection peer = listener.accept(15s);
      peer.send(peer.recv<int>() + 1);
    }
  };
  Child first{serve};
  Child second{serve};
  std::thread thread{serve};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3 * kEach; ++i) {
    clients.emplace_back([&, i] {
      const Connection client = Client(listener.address(), {.authkey = "secret"});
      client.send(i);
      EXPECT_EQ(client.recv<int>(), i + 1);
    });
  }
  for (std::thread& each : clients) {
    each.join();
  }
  thread.join();
  EXPECT_EQ(first.wait(), test::exited(0));
  EXPECT_EQ(second.wait(), test::exited(0));
  memory::bury_the_dead();
}

}  // namespace
}  // namespace mp
