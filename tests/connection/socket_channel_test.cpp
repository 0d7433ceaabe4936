// SPDX-License-Identifier: Apache-2.0
// Connections over sockets: the same promises as a pipe's, kept to peers that need not be ours.
#include "connection/socket_channel.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors/error.hpp"

#include "connection/frame_layout.hpp"
#include "memory/message.hpp"
#include "memory/processes.hpp"
#include "os/limits.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/faults.hpp"
#include "support/proc_view.hpp"

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

Connection over(os::Fd socket, std::uint64_t max_frame = kDefaultMaxFrame) {
  return Connection{std::make_shared<connection::SocketChannel>(std::move(socket), max_frame)};
}

// Two connections over a unix socket pair, or one and the bare socket at its other end.
struct Ends {
  Connection a;
  Connection b;
};

Ends make_ends(std::uint64_t max_frame = kDefaultMaxFrame) {
  auto [left, right] = os::socket_pair(os::SocketKind::stream);
  return {over(std::move(left), max_frame), over(std::move(right), max_frame)};
}

struct HalfBare {
  Connection connection;
  os::Fd bare;
};

HalfBare make_half_bare(std::uint64_t max_frame = kDefaultMaxFrame) {
  auto [left, right] = os::socket_pair(os::SocketKind::stream);
  return {over(std::move(left), max_frame), std::move(right)};
}

std::string head_of(std::uint64_t size) {
  const layout::FrameHead head = layout::make_frame_head(size);
  return text_of({head.view().begin(), head.view().end()});
}

TEST(SocketChannel, CarriesBytesAndValues) {
  const Ends ends = make_ends();
  ends.a.send_bytes({});
  ends.a.send_bytes(view_of("0123456789"), 2, 3);
  ends.a.send(std::map<std::string, int>{{"one", 1}});
  EXPECT_EQ(ends.b.recv_bytes().size(), 0U);
  EXPECT_EQ(text_of(ends.b.recv_bytes()), "234");
  EXPECT_EQ((ends.b.recv<std::map<std::string, int>>()), (std::map<std::string, int>{{"one", 1}}));
  EXPECT_FALSE(ends.b.poll());
  EXPECT_TRUE(ends.a.readable() && ends.a.writable() && !ends.a.closed());
}

TEST(SocketChannel, PutsTheSizeInFront) {
  const HalfBare ends = make_half_bare();
  ends.connection.send_bytes(view_of("hello"));
  std::array<std::byte, 9> got{};
  ASSERT_EQ(os::receive_all(ends.bare.get(), got).size, 9U);
  EXPECT_EQ(text_of({got.begin(), got.end()}), head_of(5) + "hello");
}

TEST(SocketChannel, CarriesMessagesOfAnySizeBothWays) {
  const Ends ends = make_ends();
  const auto talk = [](const Connection& end) {
    std::thread sender{[&] {
      for (const std::size_t size : {1UL, 17UL, 16384UL, 16385UL, 1UL << 20, 9UL << 20}) {
        std::vector<std::uint32_t> values(size / 4 + 1);
        std::iota(values.begin(), values.end(), size);
        end.send(values);
      }
    }};
    for (const std::size_t size : {1UL, 17UL, 16384UL, 16385UL, 1UL << 20, 9UL << 20}) {
      std::vector<std::uint32_t> values(size / 4 + 1);
      std::iota(values.begin(), values.end(), size);
      EXPECT_EQ(end.recv<std::vector<std::uint32_t>>(), values);
    }
    sender.join();
  };
  Child child{[&] { talk(ends.b); }};
  talk(ends.a);
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(SocketChannel, GivesEachMessageToOneOfManyReceivers) {
  const Ends ends = make_ends();
  constexpr int kMessages = 4000;
  std::atomic<long> sum{0};
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int n = i; n < kMessages; n += 3) {
        ends.a.send(std::vector<int>(n % 50, n));
      }
    });
    threads.emplace_back([&] {
      for (;;) {
        const auto message = ends.b.recv<std::vector<int>>();
        if (message.size() == 60) {
          return;
        }
        for (const int each : message) {
          ASSERT_EQ(each, message.front());
          sum += each;
        }
        ++count;
      }
    });
  }
  for (std::size_t i = 0; i < threads.size(); i += 2) {
    threads[i].join();
  }
  for (int i = 0; i < 3; ++i) {
    ends.a.send(std::vector<int>(60, 0));
  }
  for (std::size_t i = 1; i < threads.size(); i += 2) {
    threads[i].join();
  }
  long expected = 0;
  for (int n = 0; n < kMessages; ++n) {
    expected += static_cast<long>(n) * (n % 50);
  }
  EXPECT_EQ(count, kMessages);
  EXPECT_EQ(sum, expected);
}

TEST(SocketChannel, EndsWithThePeer) {
  const Ends ends = make_ends();
  ends.a.send(1);
  ends.a.close();
  EXPECT_TRUE(ends.b.poll());
  EXPECT_EQ(ends.b.recv<int>(), 1);
  EXPECT_TRUE(ends.b.poll());
  EXPECT_THROW(static_cast<void>(ends.b.recv<int>()), EOFError);
  EXPECT_THROW(
      {
        for (;;) {
          ends.b.send(1);
        }
      },
      EOFError);
  EXPECT_THROW(ends.a.send(1), ClosedError);
  EXPECT_THROW(static_cast<void>(ends.a.recv<int>()), ClosedError);
  EXPECT_THROW(static_cast<void>(ends.a.poll()), ClosedError);
}

TEST(SocketChannel, EndsWithAKilledPeerAndNeverInHalf) {
  Connection mine;
  pid_t killed = 0;
  {
    const Ends ends = make_ends();
    mine = ends.b;
    Child child{[a = ends.a] {
      a.send(std::string(1000, 'x'));
      a.send(std::string(64 << 20, 'y'));  // gets stuck
    }};
    killed = child.pid();
    EXPECT_EQ(mine.recv<std::string>(), std::string(1000, 'x'));
    ends.a.close();
    EXPECT_EVENTUALLY(test::is_asleep(killed));
    child.kill();
  }
  EXPECT_THROW(static_cast<void>(mine.recv<std::string>()), EOFError);
  memory::bury_the_dead();
}

TEST(SocketChannel, WaitsForTheWholeMessageInTime) {
  const HalfBare ends = make_half_bare();
  os::send_all(ends.bare.get(), view_of(head_of(6) + "abc"));
  EXPECT_FALSE(ends.connection.poll());
  EXPECT_EQ(ends.connection.try_recv_bytes(), std::nullopt);
  EXPECT_EQ(ends.connection.try_recv_bytes_for(20ms), std::nullopt);
  os::send_all(ends.bare.get(), view_of("def" + head_of(0).substr(0, 2)));
  EXPECT_TRUE(ends.connection.poll(10s));
  EXPECT_EQ(text_of(ends.connection.recv_bytes()), "abcdef");
  EXPECT_FALSE(ends.connection.poll(0s));
  ends.connection.send(1);  // its own way is free
}

TEST(SocketChannel, FinishesWhatATimedSendHasBegun) {
  const HalfBare ends = make_half_bare();
  const std::string large(4 << 20, 'z');
  ASSERT_TRUE(ends.connection.try_send_bytes(view_of(large)));
  EXPECT_FALSE(ends.connection.try_send_bytes(view_of("next")));
  EXPECT_FALSE(ends.connection.try_send_bytes_for(view_of("next"), 20ms));
  std::thread reader{[&] {
    Bytes got(4 + large.size());
    EXPECT_EQ(os::receive_all(ends.bare.get(), got, 0, Deadline{20s}).size, got.size());
    EXPECT_EQ(text_of(got).substr(4), large);
    os::send_all(ends.bare.get(), view_of(head_of(2) + "ok"));
    got.resize(8);
    EXPECT_EQ(os::receive_all(ends.bare.get(), got, 0, Deadline{20s}).size, 8U);
    EXPECT_EQ(text_of(got), head_of(4) + "next");
  }};
  // The call that waits for the answer sends the rest of the question.
  EXPECT_EQ(text_of(ends.connection.recv_bytes()), "ok");
  ends.connection.send_bytes(view_of("next"));
  reader.join();
}

TEST(SocketChannel, LeavesAMessageThatIsOverTheLimitOfACall) {
  const Ends ends = make_ends();
  ends.a.send_bytes(view_of("0123456789"));
  EXPECT_THROW(static_cast<void>(ends.b.recv_bytes(5)), FrameTooLarge);
  EXPECT_THROW(static_cast<void>(ends.b.recv_bytes(5)), FrameTooLarge);
  EXPECT_TRUE(ends.b.poll());
  EXPECT_EQ(text_of(ends.b.recv_bytes(10)), "0123456789");
  std::array<std::byte, 8> buffer{};
  ends.a.send_bytes(view_of("0123"));
  EXPECT_EQ(ends.b.recv_bytes_into(buffer, 4), 4U);
  EXPECT_EQ(buffer[7], std::byte{'3'});
  ends.a.send_bytes(view_of("0123456789"));
  try {
    ends.b.recv_bytes_into(buffer);
    ADD_FAILURE();
  } catch (const BufferTooShort& error) {
    EXPECT_EQ(text_of(error.message()), "0123456789");
  }
}

TEST(SocketChannel, RefusesWhatIsTooLongBothWays) {
  const HalfBare ends = make_half_bare(100);
  EXPECT_THROW(ends.connection.send_bytes(Bytes(101)), FrameTooLarge);
  ends.connection.send_bytes(Bytes(100));
  os::send_all(ends.bare.get(), view_of(head_of(101)));
  EXPECT_TRUE(ends.connection.poll(10s));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(static_cast<void>(ends.connection.recv_bytes()), FrameTooLarge);
  }
}

TEST(SocketChannel, RefusesWhatIsNoFrame) {
  const HalfBare ends = make_half_bare();
  os::send_all(ends.bare.get(), view_of("\xde\xad\xbe\xef"));
  EXPECT_TRUE(ends.connection.poll(10s));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(static_cast<void>(ends.connection.recv_bytes()), DecodeError);
  }
}

TEST(SocketChannel, KeepsWorkingAfterAMessageOfAnotherType) {
  const Ends ends = make_ends();
  ends.a.send(std::string{"text"});
  ends.a.send_bytes(view_of("no value at all"));
  ends.a.send(7);
  EXPECT_THROW(static_cast<void>(ends.b.recv<int>()), TypeMismatch);
  EXPECT_THROW(static_cast<void>(ends.b.recv<int>()), CodecError);
  EXPECT_EQ(ends.b.recv<int>(), 7);
}

TEST(SocketChannel, RefusesSharedObjects) {
  const Ends ends = make_ends();
  auto [x, y] = Pipe();
  EXPECT_THROW(ends.a.send(x), UsageError);
  // What says that it is one, and comes from a stranger.
  memory::ObjectCollector collector;
  ends.a.send_bytes(encode(x, &collector));
  EXPECT_THROW(static_cast<void>(ends.b.recv<Connection>()), DecodeError);
  // And the other way round.
  EXPECT_THROW(x.send(ends.a), UsageError);
  EXPECT_THROW(x.send(FileDescriptor::duplicate(1)), UsageError);
  x.send(3);
  EXPECT_EQ(y.recv<int>(), 3);
}

TEST(SocketChannel, CarriesDescriptors) {
  const Ends ends = make_ends();
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  std::vector<FileDescriptor> files;
  files.emplace_back(pipe[0]);
  files.emplace_back();
  files.emplace_back(pipe[1]);
  ends.a.send(files);
  ends.a.send(1);
  auto got = ends.b.recv<std::vector<FileDescriptor>>();
  EXPECT_EQ(ends.b.recv<int>(), 1);
  ASSERT_EQ(got.size(), 3U);
  EXPECT_EQ(got[1].fileno(), -1);
  EXPECT_NE(got[0].fileno(), pipe[0]);
  EXPECT_EQ(::fcntl(got[0].fileno(), F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(::write(got[2].fileno(), "x", 1), 1);
  char byte = 0;
  ASSERT_EQ(::read(files[0].fileno(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST(SocketChannel, CarriesConnectionsOverSockets) {
  const Ends ends = make_ends();
  const Ends others = make_ends();
  Child child{[a = ends.a] { a.recv<Connection>().send(std::string{"from a child"}); }};
  ends.b.send(others.a);
  EXPECT_EQ(others.b.recv<std::string>(), "from a child");
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(SocketChannel, ClosesDescriptorsThatNobodyTakes) {
  const Ends ends = make_ends();
  ends.a.send(FileDescriptor::duplicate(1));
  static_cast<void>(ends.b.recv_bytes());
  ends.a.send(FileDescriptor::duplicate(1));
  EXPECT_THROW(static_cast<void>(ends.b.recv<int>()), TypeMismatch);
  ends.a.send(FileDescriptor::duplicate(1));
  EXPECT_TRUE(ends.b.poll(10s));
  // A message that says it has one, and brings none.
  ends.b.close();
  const Ends more = make_ends();
  Bytes honest;
  {
    struct Nothing final : Carrier {
      void put_fd(int) override {}
    } nothing;
    honest = encode(FileDescriptor::duplicate(1), &nothing);
  }
  more.a.send_bytes(honest);
  EXPECT_THROW(static_cast<void>(more.b.recv<FileDescriptor>()), DecodeError);
}

TEST(SocketChannel, SaysThatThereIsNoRoomForADescriptor) {
  const Ends ends = make_ends();
  ends.a.send(FileDescriptor::duplicate(1));
  {
    test::Faults faults;
    faults.fail(os::Sys::recvmsg, EMFILE, 1);
    EXPECT_THROW(static_cast<void>(ends.b.recv<FileDescriptor>()), OsError);
  }
}

TEST(SocketChannel, CloseEndsCallsThatWait) {
  const HalfBare ends = make_half_bare();
  std::array<std::atomic<pid_t>, 3> waiting{};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    waiting[0] = ::gettid();
    EXPECT_THROW(static_cast<void>(ends.connection.recv_bytes()), ClosedError);
  });
  threads.emplace_back([&] {
    waiting[1] = ::gettid();
    EXPECT_THROW(static_cast<void>(ends.connection.poll(1h)), ClosedError);
  });
  threads.emplace_back([&] {
    waiting[2] = ::gettid();
    EXPECT_THROW(
        {
          for (;;) {
            ends.connection.send_bytes(Bytes(1 << 20));
          }
        },
        ClosedError);
  });
  for (auto& each : waiting) {
    EXPECT_EVENTUALLY(each != 0 && test::is_asleep(each));
  }
  ends.connection.close();
  for (std::thread& each : threads) {
    each.join();
  }
}

TEST(SocketChannel, CloseIsForOneProcessOnly) {
  const Ends ends = make_ends();
  EXPECT_EQ(test::in_child([&] { ends.a.close(); }), test::exited(0));
  ends.a.send(1);
  EXPECT_EQ(ends.b.recv<int>(), 1);
  Child child{[&] { ends.a.send(2); }};
  ends.a.close();
  EXPECT_EQ(ends.b.recv<int>(), 2);
  EXPECT_THROW(static_cast<void>(ends.b.recv<int>()), EOFError);
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

TEST(SocketChannel, WorksInAChildForkedWhileAThreadWaits) {
  const Ends ends = make_ends();
  std::atomic<pid_t> waiter{0};
  std::thread waiting{[&] {
    waiter = ::gettid();
    EXPECT_EQ(ends.a.recv<int>(), 2);
  }};
  EXPECT_EVENTUALLY(waiter != 0 && test::is_asleep(waiter));
  Child child{[&] {
    EXPECT_FALSE(ends.a.poll());
    ends.a.send(1);
  }};
  EXPECT_EQ(ends.b.recv<int>(), 1);
  EXPECT_EQ(child.wait(), test::exited(0));
  ends.b.send(2);
  waiting.join();
  memory::bury_the_dead();
}

TEST(SocketChannel, SurvivesSignalsAndFullBuffers) {
  const Ends ends = make_ends();
  test::Faults faults;
  faults.fail(os::Sys::recvmsg, EINTR, 5);
  faults.fail(os::Sys::sendmsg, EAGAIN, 5);
  faults.fail(os::Sys::poll, EINTR, 2);
  ends.a.send(std::string(100'000, 'x'));
  EXPECT_EQ(ends.b.recv<std::string>().size(), 100'000U);
}

TEST(SocketChannel, SendsNothingAfterHalfAMessage) {
  const HalfBare ends = make_half_bare();
  test::Faults faults;
  ASSERT_TRUE(ends.connection.try_send_bytes(Bytes(100)));
  faults.fail(os::Sys::poll, ENOMEM);
  EXPECT_THROW(ends.connection.send_bytes(Bytes(4 << 20)), OsError);
  faults.fail(os::Sys::poll, 0, 0);
  EXPECT_THROW(ends.connection.send_bytes(Bytes(1)), EOFError);
}

TEST(SocketChannel, TellsOfAPeerThatWasReset) {
  const Ends ends = make_ends();
  test::Faults faults;
  faults.fail(os::Sys::recvmsg, ECONNRESET);
  faults.fail(os::Sys::sendmsg, ECONNRESET);
  EXPECT_THROW(ends.a.send(1), EOFError);
  EXPECT_THROW(static_cast<void>(ends.b.recv<int>()), EOFError);
}

TEST(SocketChannel, HasNoCredentialsWithoutAUnixSocket) {
  auto [x, y] = Pipe();
  EXPECT_THROW(static_cast<void>(x.peer_credentials()), UsageError);
  const Listener listener{tcp("127.0.0.1", 0)};
  const Connection client = Client(listener.address());
  EXPECT_THROW(static_cast<void>(client.peer_credentials()), UsageError);
  EXPECT_EQ(make_ends().a.peer_credentials().pid, ::getpid());
}

}  // namespace
}  // namespace mp
