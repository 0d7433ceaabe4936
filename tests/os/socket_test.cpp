// SPDX-License-Identifier: Apache-2.0
#include "os/socket.hpp"

#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/limits.hpp"
#include "os/poll.hpp"
#include "os/proc.hpp"
#include "support/child.hpp"
#include "support/faults.hpp"

namespace mp::os {
namespace {

using namespace std::chrono_literals;

ByteView bytes(std::string_view text) {
  return std::as_bytes(std::span{text});
}

std::string text(MutableByteView buffer, std::size_t size) {
  return {reinterpret_cast<const char*>(buffer.data()), size};
}

// The errno of the OsError that `action` throws; 0 if it throws none.
template <class Action>
int error_of(const Action& action) {
  try {
    action();
  } catch (const OsError& error) {
    return error.code().value();
  }
  return 0;
}

class Sockets : public testing::TestWithParam<SocketKind> {
 protected:
  Sockets() : ends{socket_pair(GetParam())} {}

  [[nodiscard]] int left() const { return ends.first.get(); }
  [[nodiscard]] int right() const { return ends.second.get(); }

  std::pair<Fd, Fd> ends;
  std::array<std::byte, 64> buffer{};
};
INSTANTIATE_TEST_SUITE_P(Kinds, Sockets, testing::Values(SocketKind::stream, SocketKind::seqpacket),
                         [](const auto& kind) {
                           return kind.param == SocketKind::stream ? "Stream" : "Seqpacket";
                         });

TEST_P(Sockets, CarryBytes) {
  send_all(left(), bytes("hello"));
  const Received got = receive(right(), buffer);
  EXPECT_EQ(text(buffer, got.size), "hello");
  EXPECT_EQ(::fcntl(left(), F_GETFD), FD_CLOEXEC);
}

TEST_P(Sockets, CarryDescriptors) {
  const Fd null = open_file("/dev/null", O_RDWR);
  const std::array sent{null.get(), left()};
  send_all(left(), bytes("x"), sent);
  const Received got = receive(right(), buffer, 2);
  ASSERT_EQ(got.fds.size(), 2U);
  EXPECT_EQ(::fcntl(got.fds[0].get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::write(got.fds[0].get(), "y", 1), 1);
  send_all(got.fds[1].get(), bytes("through the copy"));
  EXPECT_EQ(receive(right(), buffer).size, 16U);
}

TEST_P(Sockets, CarryAsManyDescriptorsAsTheKernelTakes) {
  const Fd null = open_file("/dev/null", O_RDWR);
  const std::vector<int> sent(kMaxSentFds, null.get());
  send_all(left(), bytes("x"), sent);
  EXPECT_EQ(receive(right(), buffer, kMaxSentFds).fds.size(), kMaxSentFds);
  const std::vector<int> too_many(kMaxSentFds + 1, null.get());
  EXPECT_THROW(send_all(left(), bytes("x"), too_many), UsageError);
  EXPECT_THROW(send_all(left(), {}, sent), UsageError);
}

// The leak sentinel proves that none of the descriptors of these stays open.
TEST_P(Sockets, CloseDescriptorsNobodyAskedFor) {
  const Fd null = open_file("/dev/null", O_RDWR);
  const std::array sent{null.get(), null.get(), null.get()};
  send_all(left(), bytes("x"), sent);
  EXPECT_EQ(error_of([&] { (void)receive(right(), buffer, 2); }), EMSGSIZE);
  send_all(left(), bytes("x"), sent);
  EXPECT_EQ(error_of([&] { (void)receive_all(right(), MutableByteView{buffer}.first(1)); }),
            EMSGSIZE);
}

TEST_P(Sockets, CloseDescriptorsThatCameInPart) {
  const Fd null = open_file("/dev/null", O_RDWR);
  const std::array sent{null.get(), null.get(), null.get()};
  send_all(left(), bytes("x"), sent);
  EXPECT_EQ(test::in_child([&] {
              // Room for one more descriptor, but not for three.
              const auto next = static_cast<std::uint64_t>(null.duplicate().get());
              set_limit(Limit::open_files, {next + 1, limit(Limit::open_files).hard});
              EXPECT_EQ(error_of([&] { (void)receive(right(), buffer, 3); }), EMFILE);
              EXPECT_EQ(static_cast<std::uint64_t>(null.duplicate().get()), next);
            }),
            test::exited(0));
}

TEST_P(Sockets, EndWhenThePeerIsGoneWithoutASignal) {
  ends.first.reset();
  EXPECT_EQ(receive(right(), buffer).size, 0U);
  EXPECT_EQ(receive_all(right(), buffer).size, 0U);
  EXPECT_EQ(error_of([&] { send_all(right(), bytes("x")); }), EPIPE);
}

TEST_P(Sockets, GiveUpAtTheDeadline) {
  EXPECT_EQ(error_of([&] { (void)receive(right(), buffer, 0, Deadline{5ms}); }), ETIMEDOUT);
  EXPECT_EQ(error_of([&] { (void)receive_all(right(), buffer, 0, Deadline::now()); }), ETIMEDOUT);
  const Bytes large(std::size_t{1} << 16);
  EXPECT_EQ(error_of([&] {
              for (;;) {
                send_all(left(), large, {}, Deadline{5ms});
              }
            }),
            ETIMEDOUT);
}

TEST_P(Sockets, KnowTheirPeer) {
  const Credentials peer = peer_credentials(left());
  EXPECT_EQ(peer.pid, pid());
  EXPECT_EQ(peer.user, own_credentials().user);
  EXPECT_EQ(peer.group, own_credentials().group);
}

TEST_P(Sockets, AreNotDisturbedByInterruption) {
  test::Faults faults;
  faults.fail(Sys::sendmsg, EINTR, 3);
  faults.fail(Sys::recvmsg, EINTR, 3);
  send_all(left(), bytes("hello"));
  EXPECT_EQ(receive(right(), buffer).size, 5U);
  faults.fail(Sys::sendmsg, EAGAIN, 1);
  faults.fail(Sys::recvmsg, EAGAIN, 1);
  faults.fail(Sys::poll, EINTR, 1);
  send_all(left(), bytes("hello"));
  EXPECT_EQ(receive(right(), buffer).size, 5U);
}

TEST_P(Sockets, ReportWhatTheKernelReports) {
  test::Faults faults;
  faults.fail(Sys::sendmsg, ENOMEM, 1);
  EXPECT_EQ(error_of([&] { send_all(left(), bytes("x")); }), ENOMEM);
  faults.fail(Sys::recvmsg, ENOMEM, 1);
  EXPECT_EQ(error_of([&] { (void)receive(right(), buffer); }), ENOMEM);
  faults.fail(Sys::socketpair, EMFILE, 1);
  EXPECT_EQ(error_of([&] { (void)socket_pair(GetParam()); }), EMFILE);
}

TEST(Seqpacket, RefusesAMessageThatIsTooLong) {
  const auto [left, right] = socket_pair(SocketKind::seqpacket);
  const Fd null = open_file("/dev/null", O_RDWR);
  std::array<std::byte, 4> small{};
  send_all(left.get(), bytes("hello"), std::array{null.get()});
  EXPECT_EQ(error_of([&, &right = right] { (void)receive(right.get(), small, 1); }), EMSGSIZE);
}

TEST(Stream, CarriesMoreThanItsBufferHolds) {
  const auto ends = socket_pair(SocketKind::stream);
  Bytes sent(std::size_t{3} << 20);
  for (std::size_t i = 0; i != sent.size(); ++i) {
    sent[i] = static_cast<std::byte>(i * 31 >> 3);
  }
  const Fd null = open_file("/dev/null", O_RDWR);
  test::Child sender{[&] { send_all(ends.first.get(), sent, std::array{null.get()}); }};
  Bytes got(sent.size());
  const Received received = receive_all(ends.second.get(), got, 1);
  EXPECT_EQ(received.size, got.size());
  EXPECT_EQ(received.fds.size(), 1U);
  EXPECT_EQ(std::memcmp(got.data(), sent.data(), got.size()), 0);
  EXPECT_EQ(sender.wait(), test::exited(0));
}

TEST(Stream, ReturnsWhatCameBeforeTheEnd) {
  auto ends = socket_pair(SocketKind::stream);
  send_all(ends.first.get(), bytes("abc"));
  ends.first.reset();
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(receive_all(ends.second.get(), buffer).size, 3U);
}

TEST(Poll, TellsWhichDescriptorsAreReady) {
  const auto ends = socket_pair(SocketKind::stream);
  std::array<PollEntry, 3> entries{PollEntry{ends.first.get(), kReadable},
                                   PollEntry{ends.second.get(), kReadable | kWritable},
                                   PollEntry{-1, kReadable}};
  send_all(ends.first.get(), bytes("x"));
  EXPECT_EQ(poll(entries, Deadline::never()), 1);
  EXPECT_EQ(entries[0].ready, 0);
  EXPECT_EQ(entries[1].ready, kReadable | kWritable);
  EXPECT_EQ(entries[2].ready, 0);
}

TEST(Poll, ReturnsAtTheDeadlineAndReportsErrors) {
  EXPECT_EQ(poll({}, Deadline{1ms}), 0);
  const auto ends = socket_pair(SocketKind::stream);
  EXPECT_FALSE(wait_readable(ends.first.get(), Deadline{1ms}));
  EXPECT_TRUE(wait_writable(ends.first.get(), Deadline::now()));
  test::Faults faults;
  faults.fail(Sys::poll, ENOMEM, 1);
  EXPECT_THROW((void)wait_readable(ends.first.get(), Deadline::never()), OsError);
}

TEST(Eventfd, IsReadableFromSignalToDrain) {
  const Fd event = eventfd();
  EXPECT_FALSE(wait_readable(event.get(), Deadline::now()));
  EXPECT_FALSE(eventfd_drain(event.get()));
  eventfd_signal(event.get());
  eventfd_signal(event.get());
  EXPECT_TRUE(wait_readable(event.get(), Deadline::never()));
  EXPECT_TRUE(eventfd_drain(event.get()));
  EXPECT_FALSE(wait_readable(event.get(), Deadline::now()));
  test::Faults faults;
  faults.fail(Sys::eventfd, EMFILE, 1);
  EXPECT_THROW((void)eventfd(), OsError);
}

}  // namespace
}  // namespace mp::os
