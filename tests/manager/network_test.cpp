// SPDX-License-Identifier: Apache-2.0
// A network that is cut: in a namespace of this test's own, whose only link goes down.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mp/connection.hpp"
#include "mp/errors.hpp"
#include "mp/manager.hpp"
#include "mp/process.hpp"

#include "support/child.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

constexpr int kNotPermitted = 77;
constexpr std::chrono::seconds kLease{2};

bool write_line(const char* path, const std::string& line) {
  std::ofstream out{path};
  out << line << std::flush;
  return out.good();
}

// Sets the loopback device of this namespace up or down.
bool set_link(bool up) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name);
  bool good = ::ioctl(socket, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags =
      static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  good = good && ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  ::close(socket);
  return good;
}

// Expects one thread. Whether this process has a network of its own now.
bool enter_namespace() {
  const std::string user = std::to_string(::getuid());
  const std::string group = std::to_string(::getgid());
  return ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
         write_line("/proc/self/setgroups", "deny") &&
         write_line("/proc/self/uid_map", "0 " + user + " 1") &&
         write_line("/proc/self/gid_map", "0 " + group + " 1") && set_link(true);
}

bool is_permitted() {
  return test::in_child([] { return enter_namespace() ? 0 : kNotPermitted; }) == test::exited(0);
}

// On one side of the cut: takes the lock and the permit, waits for an item, and says what became of
// that.
void hold_and_wait(const LockProxy& lock, const BoundedSemaphoreProxy& permits,
                   const QueueProxy<int>& queue, const EventProxy& held, const Connection& report) {
  lock.acquire();
  permits.acquire();
  held.set();
  try {
    (void)queue.get();
    report.send(std::string{"an item"});
  } catch (const EOFError&) {
    report.send(std::string{"EOFError"});
  } catch (const std::exception& error) {
    report.send(std::string{error.what()});
  }
  for (;;) {
    ::pause();  // it lives: its end is not what the server hears of
  }
}

void cut(const std::optional<TlsOptions>& tls) {
  ASSERT_TRUE(enter_namespace());
  SyncManager manager{
      {.address = tcp("127.0.0.1", 0), .authkey = "key", .lease = kLease, .tls = tls}};
  manager.register_object<LockProxy>("lock");
  manager.register_object<BoundedSemaphoreProxy>("permits");
  manager.start();
  const auto lock = manager.get<LockProxy>("lock");
  const auto permits = manager.get<BoundedSemaphoreProxy>("permits");
  const auto queue = manager.Queue<int>();
  const auto held = manager.Event();
  auto [mine, theirs] = Pipe(simplex);
  Process holder{&hold_and_wait, lock, permits, queue, held, theirs};
  holder.start();
  theirs.close();
  ASSERT_TRUE(held.wait(20s));
  EXPECT_FALSE(lock.try_lock());

  ASSERT_TRUE(set_link(false));
  // A call that waits fails with its lease; so does ours, which has to be sent.
  EXPECT_EQ(mine.recv<std::string>(), "EOFError");
  EXPECT_THROW((void)queue.empty(), EOFError);
  // A client that comes now is told in time that there is no way.
  BaseManager late{
      {.address = manager.address(), .authkey = "key", .handshake_timeout = 500ms, .tls = tls}};
  EXPECT_THROW(late.connect(), Error);

  ASSERT_TRUE(set_link(true));
  // What the holder had has been given back, though it lives.
  BaseManager fresh{{.address = manager.address(), .authkey = "key", .lease = kLease, .tls = tls}};
  fresh.connect();
  const auto again = fresh.get<LockProxy>("lock");
  EXPECT_THROW((void)again.acquire(20s), OwnerDied);
  EXPECT_TRUE(again.recover());
  again.release();
  EXPECT_TRUE(fresh.get<BoundedSemaphoreProxy>("permits").acquire(20s));
  EXPECT_FALSE(holder.exitcode().has_value());
  holder.kill();
  holder.join();
}

class NetworkCut : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Wires, NetworkCut, testing::Bool(), [](const auto& under_tls) {
  return std::string{under_tls.param ? "tls" : "plain"};
});

TEST_P(NetworkCut, EndsCallsAndGivesBackWhatWasHeld) {
  if (!is_permitted()) {
    GTEST_SKIP() << "no namespaces of users and networks may be made here (unshare -rn)";
  }
  Child inside{[] {
    cut(GetParam() ? std::optional{TlsOptions{.psk = "a key of thirty-two random bytes"}}
                   : std::nullopt);
  }};
  EXPECT_EQ(inside.wait(90s), test::exited(0));
}

}  // namespace
}  // namespace mp
