// SPDX-License-Identifier: Apache-2.0
// Managers under TLS 1.3: who is let in, and what is said to those who are not.
#include <csignal>
#include <gtest/gtest.h>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors.hpp"
#include "mp/manager.hpp"
#include "mp/process.hpp"

#include "connection/endpoints.hpp"
#include "manager/certificates.hpp"
#include "manager/known_keys.hpp"
#include "os/endpoint.hpp"
#include "os/fd.hpp"
#include "support/eventually.hpp"
#include "support/scratch_dir.hpp"
#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPsk = "a key of thirty-two random bytes";

// A manager that serves.
class Served : public SyncManager {
 public:
  explicit Served(ManagerOptions options) : SyncManager{std::move(options)} {
    register_object<DictProxy<std::string, int>>("scores");
    start();
  }
};

class ManagerTls : public testing::Test {
 protected:
  static ManagerOptions with(TlsOptions tls, Address address = tcp("127.0.0.1", 0),
                             std::chrono::nanoseconds patience = 20s) {
    return {.address = std::move(address),
            .authkey = "key",
            .handshake_timeout = patience,
            .tls = std::move(tls)};
  }
  // What a manager says that connects with these.
  template <class Failure>
  static std::string refusal(const Address& address, std::optional<TlsOptions> tls,
                             std::chrono::nanoseconds patience = 20s) {
    BaseManager client{{.address = address,
                        .authkey = "key",
                        .handshake_timeout = patience,
                        .tls = std::move(tls)}};
    try {
      client.connect();
    } catch (const Failure& error) {
      return error.what();
    }
    return "nothing: it was let in";
  }
  // The server that was refused, or refused somebody, serves others.
  static void expect_alive(const SyncManager& manager, const std::optional<TlsOptions>& tls) {
    BaseManager client{{.address = manager.address(), .authkey = "key", .tls = tls}};
    client.connect();
    const auto scores = client.get<DictProxy<std::string, int>>("scores");
    scores.set("a", 1);
    EXPECT_EQ(scores.at("a"), 1);
  }
  [[nodiscard]] TlsOptions server_tls(const std::string& host = "127.0.0.1", int days = 1) const {
    const auto files = authority.issue(host, days);
    return {.certificate = files.certificate,
            .private_key = files.private_key,
            .authorities = authority.file()};
  }
  [[nodiscard]] TlsOptions client_tls() const { return {.authorities = authority.file()}; }

  test::ScratchDir scratch;
  test::Authority authority{scratch.path().string(), "authority"};
};

TEST_F(ManagerTls, ServesOverTcpAndUnixSockets) {
  for (const Address& address : {tcp("127.0.0.1", 0), unix_socket(scratch / "socket")}) {
    const bool is_tcp = address.kind() == Address::Kind::tcp;
    const Served manager{with(server_tls(is_tcp ? "127.0.0.1" : "localhost"), address)};
    const auto list = manager.list<int>({1, 2, 3});
    EXPECT_EQ(list.copy(), (std::vector{1, 2, 3}));
    expect_alive(manager, client_tls());
    const Served keyed{with({.psk = kPsk}, is_tcp ? address : unix_socket(scratch / "other"))};
    expect_alive(keyed, TlsOptions{.psk = kPsk});
  }
}

TEST_F(ManagerTls, NamesAreChecked) {
  const Served manager{with(server_tls("example.org"), unix_socket(scratch / "socket"))};
  TlsOptions as_it_is = client_tls();
  as_it_is.server_name = "example.org";
  expect_alive(manager, as_it_is);
  TlsOptions other = client_tls();
  other.server_name = "example.com";
  EXPECT_EQ(refusal<AuthenticationError>(manager.address(), other),
            "the peer's certificate is refused: hostname mismatch");
  EXPECT_EQ(refusal<AuthenticationError>(manager.address(), client_tls()),
            "the peer's certificate is refused: hostname mismatch");
  expect_alive(manager, as_it_is);
}

TEST_F(ManagerTls, IpAddressesAreChecked) {
  BaseManager starter{
      {.address = tcp("127.0.0.1", 0), .authkey = "key", .tls = server_tls("127.0.0.2")}};
  starter.start();
  EXPECT_EQ(refusal<AuthenticationError>(starter.address(), client_tls()),
            "the peer's certificate is refused: IP address mismatch");
}

TEST_F(ManagerTls, UnknownAuthoritiesAreRefused) {
  const Served manager{with(server_tls())};
  const test::Authority other{scratch.path().string(), "other"};
  EXPECT_EQ(
      refusal<AuthenticationError>(manager.address(), TlsOptions{.authorities = other.file()}),
      "the peer's certificate is refused: unable to get local issuer certificate");
  // Nobody whom the system trusts has signed it.
  EXPECT_NE(refusal<AuthenticationError>(manager.address(), TlsOptions{}).find("refused"),
            std::string::npos);
  expect_alive(manager, client_tls());
}

TEST_F(ManagerTls, ExpiredCertificatesAreRefused) {
  BaseManager manager{
      {.address = tcp("127.0.0.1", 0), .authkey = "key", .tls = server_tls("127.0.0.1", -1)}};
  manager.start();
  EXPECT_EQ(refusal<AuthenticationError>(manager.address(), client_tls()),
            "the peer's certificate is refused: certificate has expired");
}

TEST_F(ManagerTls, ClientsShowACertificateWhereOneIsAskedFor) {
  TlsOptions strict = server_tls();
  strict.require_certificate = true;
  const Served manager{with(strict)};  // which shows its own, when it is a client
  EXPECT_NE(
      refusal<AuthenticationError>(manager.address(), client_tls()).find("certificate required"),
      std::string::npos);
  const test::Authority other{scratch.path().string(), "other"};
  const auto foreign = other.issue("client");
  EXPECT_NE(
      refusal<AuthenticationError>(manager.address(), TlsOptions{.certificate = foreign.certificate,
                                                                 .private_key = foreign.private_key,
                                                                 .authorities = authority.file()})
          .find("TLS failed"),
      std::string::npos);
  const auto own = authority.issue("client");
  expect_alive(manager, TlsOptions{.certificate = own.certificate,
                                   .private_key = own.private_key,
                                   .authorities = authority.file()});
}

TEST_F(ManagerTls, AnotherPresharedKeyIsRefused) {
  const Served keyed{with({.psk = kPsk})};
  const Served certified{with(server_tls())};
  const TlsOptions wrong{.psk = "a key of thirty-two other bytes."};
  EXPECT_NE(refusal<AuthenticationError>(keyed.address(), wrong).find("TLS failed"),
            std::string::npos);
  // And so are those who have certificates where keys are asked for, and the other way round.
  EXPECT_NE(refusal<AuthenticationError>(keyed.address(), client_tls()).find("TLS failed"),
            std::string::npos);
  EXPECT_EQ(refusal<AuthenticationError>(certified.address(), wrong),
            "the server does not know the pre-shared key");
  expect_alive(keyed, TlsOptions{.psk = kPsk});
  expect_alive(certified, client_tls());
}

TEST_F(ManagerTls, TheAuthkeyIsStillAskedFor) {
  const Served manager{with({.psk = kPsk})};
  BaseManager client{
      {.address = manager.address(), .authkey = "wrong", .tls = TlsOptions{.psk = kPsk}}};
  EXPECT_THROW(client.connect(), AuthenticationError);
}

TEST_F(ManagerTls, PlainClientsAreNotServed) {
  const Served manager{with({.psk = kPsk})};
  // Both wait for the other to begin.
  EXPECT_NE(refusal<TimeoutError>(manager.address(), std::nullopt, 100ms).find("in time"),
            std::string::npos);
  EXPECT_THROW((void)Client(manager.address(), {.authkey = "key", .handshake_timeout = 100ms}),
               TimeoutError);
  expect_alive(manager, TlsOptions{.psk = kPsk});
}

TEST_F(ManagerTls, PlainServersAreNotSpokenTo) {
  SyncManager manager{{.address = tcp("127.0.0.1", 0), .authkey = "key"}};
  manager.register_object<DictProxy<std::string, int>>("scores");
  manager.start();
  for (const TlsOptions& tls : {client_tls(), TlsOptions{.psk = kPsk}}) {
    EXPECT_NE(refusal<AuthenticationError>(manager.address(), tls).find("speaks no TLS"),
              std::string::npos);
  }
  expect_alive(manager, std::nullopt);
}

TEST_F(ManagerTls, GarbageAndSilenceAreDropped) {
  const Served manager{with({.psk = kPsk}, tcp("127.0.0.1", 0), 3s)};
  const auto endpoints = connection::endpoints_of(manager.address());
  const os::Fd garbage = os::connect_to(endpoints.at(0), Deadline{20s});
  const std::string text(2000, 'x');
  ASSERT_EQ(::send(garbage.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
  const os::Fd half = os::connect_to(endpoints.at(0), Deadline{20s});
  ASSERT_EQ(::send(half.get(), "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
  const os::Fd silent = os::connect_to(endpoints.at(0), Deadline{20s});
  for (const os::Fd* each : {&garbage, &half, &silent}) {
    EXPECT_EVENTUALLY([&] {
      char byte = 0;
      const ssize_t got = ::recv(each->get(), &byte, 1, MSG_DONTWAIT);
      return got == 0 || (got < 0 && errno == ECONNRESET);
    }());
  }
  expect_alive(manager, TlsOptions{.psk = kPsk});
}

TEST_F(ManagerTls, SilentPeersAreLimitedInNumber) {
  const Served manager{with({.psk = kPsk}, tcp("127.0.0.1", 0), 3s)};
  const auto endpoints = connection::endpoints_of(manager.address());
  std::vector<os::Fd> silent;
  for (int i = 0; i != 300; ++i) {
    silent.push_back(os::connect_to(endpoints.at(0), Deadline{20s}));
  }
  // The places are taken until those who have them are dropped.
  expect_alive(manager, TlsOptions{.psk = kPsk});
}

std::vector<std::uint32_t> mebibyte() {
  std::vector<std::uint32_t> numbers(std::size_t{1} << 18);
  std::iota(numbers.begin(), numbers.end(), 7U);
  return numbers;
}

TEST_F(ManagerTls, LargeMessagesArriveWhole) {
  const std::vector<std::uint32_t> numbers = mebibyte();
  for (const TlsOptions& tls : {server_tls(), TlsOptions{.psk = kPsk}}) {
    const Served manager{with(tls)};
    const auto queue = manager.Queue<std::vector<std::uint32_t>>();
    for (int i = 0; i != 4; ++i) {
      queue.put(numbers);
      EXPECT_EQ(queue.get(), numbers);
    }
  }
}

// More than the sockets hold, both ways at once.
TEST_F(ManagerTls, BothWaysMayBeFull) {
  const std::vector<std::uint32_t> numbers = mebibyte();
  const Served manager{with({.psk = kPsk}, unix_socket(scratch / "socket"))};
  const auto queue = manager.Queue<std::vector<std::uint32_t>>();
  std::vector<PendingCall<bool>> puts;
  std::vector<PendingCall<std::vector<std::uint32_t>>> gets;
  for (int i = 0; i != 12; ++i) {
    puts.push_back(queue.raw().call_async<bool>("put", numbers, std::int64_t{-1}));
    gets.push_back(queue.raw().call_async<std::vector<std::uint32_t>>("get", std::int64_t{-1}));
  }
  for (auto& each : gets) {
    EXPECT_EQ(each.get(), numbers);
  }
  for (auto& each : puts) {
    EXPECT_TRUE(each.get());
  }
}

TEST_F(ManagerTls, ManyThreadsShareAConnection) {
  const Served manager{with({.psk = kPsk})};
  const auto counts = manager.dict<int, int>();
  std::vector<std::thread> threads;
  for (int i = 0; i != 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k != 200; ++k) {
        counts.increment(i, 1);
      }
    });
  }
  for (std::thread& each : threads) {
    each.join();
  }
  for (int i = 0; i != 4; ++i) {
    EXPECT_EQ(counts.at(i), 200);
  }
}

TEST_F(ManagerTls, CallsFailWhenTheServerIsKilled) {
  const Served manager{with({.psk = kPsk})};
  const auto queue = manager.Queue<int>();
  auto pending = queue.raw().call_async<int>("get", std::int64_t{-1});
  EXPECT_TRUE(queue.empty());  // sent behind it
  active_children().at(0).kill();
  EXPECT_THROW((void)pending.get(), EOFError);
  EXPECT_THROW((void)queue.empty(), EOFError);
}

TEST_F(ManagerTls, OptionsThatDoNotGoTogetherAreUsageErrors) {
  const auto files = authority.issue("localhost");
  for (const TlsOptions& tls :
       {TlsOptions{}, TlsOptions{.certificate = files.certificate},
        TlsOptions{.certificate = files.certificate, .private_key = "/nowhere"},
        TlsOptions{.certificate = "/nowhere", .private_key = files.private_key},
        TlsOptions{.certificate = files.certificate,
        .private_key = authority.issue("localhost").private_key},
        TlsOptions{.psk = "short"},
        TlsOptions{
            .certificate = files.certificate, .private_key = files.private_key, .psk = kPsk}}) {
    EXPECT_THROW(Served{with(tls)}, UsageError);
  }
  const Served manager{with({.psk = kPsk})};
  EXPECT_NE(refusal<UsageError>(manager.address(), TlsOptions{.authorities = "/nowhere"})
                .find("cannot be read"),
            std::string::npos);
}

class ManagerTlsChildren : public test::StartMethodTest {};
MP_FOR_ALL_START_METHODS(ManagerTlsChildren);

// They inherit what their parent knows of the server; proxies say nothing of it.
TEST_P(ManagerTlsChildren, UseTheirParentsServers) {
  Manager manager{{.address = tcp("127.0.0.1", 0),
                   .authkey = "key",
                   .start = GetParam(),
                   .tls = TlsOptions{.psk = kPsk}}};
  manager.start();
  const auto list = manager.list<int>();
  Process child{{.start = GetParam()}, [](ListProxy<int> mine) { mine.append(1); }, list};
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(list.copy(), std::vector{1});
  // So do the workers of a pool in the server.
  EXPECT_EQ(manager.number_of_objects(), 1U);
}

}  // namespace
}  // namespace mp
