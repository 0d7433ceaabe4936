// SPDX-License-Identifier: Apache-2.0
// What a process believes of a start marker. The subject is the probe, or a program that only links
// the real library: its exit status tells whether its main ran (42, and 43 when it still saw the
// variable) or the library's own (0; 1 when the parent is another program or gone).
#include "process/entry_hook.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mp/process/call.hpp"

#include "os/proc.hpp"
#include "os/socket.hpp"
#include "os/spawn.hpp"
#include "os/start_marker.hpp"
#include "os/wait.hpp"
#include "process/bootstrap.hpp"
#include "process/runner.hpp"
#include "support/child.hpp"
#include "support/leak_sentinel.hpp"
#include "support/rendezvous.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

constexpr int kNumber = 3;
constexpr int kMainRan = 42;
constexpr int kMainRanAndSawTheVariable = 43;
constexpr int kNobody = 65534;
constexpr int kSomebody = 12345;

struct Subject {
  std::string variable;  // "MP_SPAWN=..."
  int fd = -1;           // what it shall have as descriptor 3
  std::string path = MP_TEST_PROBE;
  std::vector<std::string> arguments = {"subject", "main"};

  [[nodiscard]] os::Child start() const {
    os::SpawnOptions options;
    options.path = path;
    options.arguments = arguments;
    // LeakSanitizer, in a build with it, cannot look into a privileged process and would fail it.
    options.environment = std::vector<std::string>{variable, "ASAN_OPTIONS=detect_leaks=0"};
    if (fd >= 0) {
      options.fds = {{fd, kNumber}};
    }
    return os::spawn(options);
  }
  [[nodiscard]] int exit_status() const {
    const os::Child child = start();
    return os::wait_child(child.pid, child.pidfd.get(), Deadline::never()).status;
  }
};

std::string nonce_of(const os::StartChannel& channel) {
  return channel.variable.substr(channel.variable.rfind(':') + 1);
}

// Executes `subject` with a good marker, made by this process, and ends the channel after the first
// word. Returns the exit status.
int status_after_hello(Subject subject) {
  os::StartChannel channel = os::open_start_channel(kNumber);
  subject.variable = channel.variable;
  subject.fd = channel.child.get();
  const os::Child child = subject.start();
  channel.child.reset();
  try {
    process::send_hello(channel.parent.get());
  } catch (const OsError&) {  // a subject that does not listen may be gone already
  }
  channel.parent.reset();
  return os::wait_child(child.pid, child.pidfd.get(), Deadline::never()).status;
}

TEST(EntryHook, IsInThisProgram) {
  EXPECT_TRUE(process::hook_linked());
  EXPECT_FALSE(process::is_being_spawned());
}

TEST(EntryHook, EndsTheChildWhenItsParentClosesTheChannel) {
  test::Reexecuted child;
  EXPECT_EQ(child.end(), 0);
}

TEST(EntryHook, EndsTheChildOfAnotherBuildWithALine) {
  EXPECT_EQ(status_after_hello({}), 1);
}

TEST(EntryHook, IsInEachProgramThatLinksTheLibrary) {
  std::vector<std::string> targets{MP_TEST_TARGET};
#ifdef MP_TEST_TARGET_gold
  targets.emplace_back(MP_TEST_TARGET_gold);
#endif
#ifdef MP_TEST_TARGET_lld
  targets.emplace_back(MP_TEST_TARGET_lld);
#endif
#ifdef MP_TEST_TARGET_mold
  targets.emplace_back(MP_TEST_TARGET_mold);
#endif
  for (const std::string& target : targets) {
    EXPECT_EQ(status_after_hello({.variable = {}, .path = target}), 1) << target;
    EXPECT_EQ((Subject{.variable = "NONE=1", .path = target}.exit_status()), kMainRan) << target;
  }
}

TEST(EntryHook, LetsMainRunWithoutAMarker) {
  EXPECT_EQ(Subject{"NONE=1"}.exit_status(), kMainRan);
}

TEST(EntryHook, LetsMainRunWhenTheMarkerIsGarbage) {
  auto [mine, theirs] = os::socket_pair(os::SocketKind::stream);
  const std::string good(32, 'a');
  for (const std::string& value : std::vector<std::string>{"",
                                                           "x",
                                                           ":",
                                                           "3",
                                                           "3:",
                                                           ":" + good,
                                                           "3" + good,
                                                           "-1:" + good,
                                                           "+3:" + good,
                                                           " 3:" + good,
                                                           "3 :" + good,
                                                           "3:" + good + "a",
                                                           "3:" + good.substr(1),
                                                           "3:" + std::string(32, 'A'),
                                                           "3:" + std::string(32, 'g'),
                                                           "3:" + std::string(31, 'a') + "\n",
                                                           "99999999999999999999:" + good,
                                                           "4:" + good,
                                                           "2147483647:" + good,
                                                           std::string(100000, '3')}) {
    EXPECT_EQ((Subject{"MP_SPAWN=" + value, theirs.get()}.exit_status()), kMainRan) << value;
  }
}

TEST(EntryHook, LetsMainRunWhenTheDescriptorIsNoUnixStream) {
  const std::string nonce(32, 'a');
  const std::string variable = "MP_SPAWN=3:" + nonce;
  const auto write_nonce = [&](int fd) {
    EXPECT_EQ(::write(fd, nonce.data(), nonce.size()), static_cast<ssize_t>(nonce.size()));
  };
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const os::Fd read_end{ends[0]};
  const os::Fd write_end{ends[1]};
  write_nonce(write_end.get());
  EXPECT_EQ((Subject{variable, read_end.get()}.exit_status()), kMainRan);

  for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    ASSERT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()), 0);
    const os::Fd mine{ends[0]};
    const os::Fd theirs{ends[1]};
    write_nonce(mine.get());
    EXPECT_EQ((Subject{variable, theirs.get()}.exit_status()), kMainRan);
  }
  const os::Fd internet{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ((Subject{variable, internet.get()}.exit_status()), kMainRan);
  const os::Fd file = os::open_file("/proc/self/exe", O_RDONLY);
  EXPECT_EQ((Subject{variable, file.get()}.exit_status()), kMainRan);
}

TEST(EntryHook, LeavesASocketWithAnotherNonceAsItWas) {
  os::StartChannel channel = os::open_start_channel(kNumber);
  const std::string nonce = nonce_of(channel);
  std::string wrong = nonce;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  const Subject subject{
      "MP_SPAWN=3:" + wrong, channel.child.get(), MP_TEST_PROBE, {"subject", "read", nonce}};
  EXPECT_EQ(subject.exit_status(), kMainRan);
}

TEST(EntryHook, LetsMainRunWhenTheNonceHasNotArrived) {
  auto [mine, theirs] = os::socket_pair(os::SocketKind::stream);
  os::send_all(mine.get(), std::as_bytes(std::span{"aaaa"}));
  EXPECT_EQ((Subject{"MP_SPAWN=3:" + std::string(32, 'a'), theirs.get()}.exit_status()), kMainRan);
}

TEST(EntryHook, DoesNotBelieveASocketOfAnotherProcess) {
  os::StartChannel channel = os::open_start_channel(kNumber);  // ours, but not its parent's
  const test::ExitStatus status = test::in_child([&] {
    return Subject{channel.variable, channel.child.get()}.exit_status();
  });
  EXPECT_EQ(status, test::exited(kMainRan));
}

TEST(EntryHook, EndsAChildWhoseParentDiedBeforeItStarted) {
  // The maker of the channel dies; its child waits for that, and only then becomes the program.
  test::Signal orphaned;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const test::ExitStatus status = test::in_child([&] {
    os::StartChannel channel = os::open_start_channel(kNumber);
    if (::fork() == 0) {
      channel.parent.reset();
      orphaned.await();
      const int result = Subject{channel.variable, channel.child.get()}.exit_status();
      const char byte = static_cast<char>(result);
      (void)!::write(ends[1], &byte, 1);
      ::_exit(0);
    }
  });
  EXPECT_EQ(status, test::exited(0));
  ::close(ends[1]);
  orphaned.raise();
  char result = -1;
  EXPECT_EQ(::read(ends[0], &result, 1), 1);
  EXPECT_EQ(static_cast<int>(result), 1);
  ::close(ends[0]);
  while (test::reap_adopted() == 0) {
  }
}

// The remaining tests change user ids, so they run as root only.
class EntryHookOfAnotherUser : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root, to run programs under other user ids";
    }
    std::filesystem::copy_file(MP_TEST_PROBE, program());
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(program().c_str(), 0755), 0);
  }

  [[nodiscard]] std::string program() const { return folder_ / "program"; }

  // The status of the program, started with a good marker by a process with these ids.
  [[nodiscard]] test::ExitStatus started_by(uid_t real, uid_t effective) const {
    return test::in_child([&] {
      EXPECT_EQ(::setresuid(real, effective, effective), 0);
      return status_after_hello({.variable = {}, .path = program()});
    });
  }

 private:
  test::ScratchDir folder_;
};

TEST_F(EntryHookOfAnotherUser, CatchesAChildUnderAnyUser) {
  EXPECT_EQ(started_by(kNobody, kNobody), test::exited(1));
}

TEST_F(EntryHookOfAnotherUser, IsOffInASetUserIdProgram) {
  ASSERT_EQ(::chown(program().c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(::chmod(program().c_str(), 04755), 0);
  // A good marker, made under the very user id that the program gets: only the kernel's word that
  // it is privileged stands between them.
  EXPECT_EQ(started_by(kSomebody, kNobody), test::exited(kMainRanAndSawTheVariable));
  EXPECT_EQ(started_by(kSomebody, kSomebody), test::exited(kMainRanAndSawTheVariable));
  // Its owner gains nothing by it, so it is an ordinary program.
  EXPECT_EQ(started_by(kNobody, kNobody), test::exited(1));
}

TEST_F(EntryHookOfAnotherUser, IsOffWhenTheUserIdsDiffer) {
  EXPECT_EQ(started_by(kSomebody, kNobody), test::exited(kMainRanAndSawTheVariable));
}

TEST_F(EntryHookOfAnotherUser, DoesNotBelieveASocketMadeUnderAnotherUser) {
  const test::ExitStatus status = test::in_child([&] {
    EXPECT_EQ(::setresuid(0, kNobody, 0), 0);
    os::StartChannel channel = os::open_start_channel(kNumber);
    EXPECT_EQ(::setresuid(0, 0, 0), 0);
    return Subject{channel.variable, channel.child.get(), program()}.exit_status();
  });
  EXPECT_EQ(status, test::exited(kMainRan));
}

}  // namespace
}  // namespace mp
