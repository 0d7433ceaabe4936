// SPDX-License-Identifier: Apache-2.0
// The end of file in all its forms.
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <unistd.h>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors/error.hpp"

#include "memory/allocator.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/proc_view.hpp"
#include "support/rendezvous.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;
using test::Child;

class PipeEofTest : public testing::Test {
 protected:
  void TearDown() override {
    memory::bury_the_dead();
    EXPECT_EQ(memory::heap_use().blocks, before_);
  }

 private:
  std::uint64_t before_ = memory::heap_use().blocks;
};

TEST_F(PipeEofTest, ComesAfterTheLastMessage) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  writer.send(1);
  writer.send(std::vector<int>(100'000, 2));
  writer.close();
  EXPECT_TRUE(reader.poll());
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_EQ(reader.recv<std::vector<int>>().size(), 100'000u);
  EXPECT_TRUE(reader.poll());
  EXPECT_THROW(reader.recv<int>(), EOFError);
  EXPECT_THROW(static_cast<void>(reader.try_recv<int>()), EOFError);
  EXPECT_THROW(reader.recv_bytes(), EOFError);
  EXPECT_FALSE(reader.closed());
}

TEST_F(PipeEofTest, ComesWhenTheLastHandleIsGone) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Connection copy = b;
  b = {};
  EXPECT_FALSE(a.poll());
  copy = {};
  EXPECT_THROW(a.recv<int>(), EOFError);
}

TEST_F(PipeEofTest, MeetsTheSenderToo) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  a.send(1);
  b.close();
  try {
    a.send(2);
    FAIL();
  } catch (const EOFError& error) {
    EXPECT_EQ(error.code(), std::errc::broken_pipe);
  }
  EXPECT_THROW(static_cast<void>(a.try_send(2)), EOFError);
  EXPECT_THROW(a.send(std::vector<int>(100'000)), EOFError);
}

TEST_F(PipeEofTest, WakesASleepingReceiver) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  for (int round = 0; round < 10; ++round) {
    Connection reader;
    Connection writer;
    std::tie(reader, writer) = Pipe(simplex);
    Child child{[reader = reader] { EXPECT_THROW(reader.recv<int>(), EOFError); }};
    EXPECT_EVENTUALLY(test::is_asleep(child.pid()));
    writer.close();
    EXPECT_EQ(child.wait(), test::exited(0));
  }
}

TEST_F(PipeEofTest, WakesASleepingSender) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  Child child{[writer = writer] {
    EXPECT_THROW(
        for (;;) { writer.send(std::vector<int>(1000)); }, EOFError);
  }};
  EXPECT_EVENTUALLY(test::is_asleep(child.pid()));
  reader.close();
  EXPECT_EQ(child.wait(), test::exited(0));
}

TEST_F(PipeEofTest, IsNotHeldBackByAChildThatMerelyInherited) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  test::Signal done;
  Child child{[&] { done.await(); }};
  writer.send(1);
  writer.close();
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_THROW(reader.recv<int>(), EOFError);
  done.raise();
  EXPECT_EQ(child.wait(), test::exited(0));
}

TEST_F(PipeEofTest, IsHeldBackByAChildThatUsesTheEnd) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  test::Signal used;
  test::Signal done;
  Child child{[&] {
    writer.send(1);
    used.raise();
    done.await();
    writer.send(2);
  }};
  used.await();
  writer.close();
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_FALSE(reader.poll());
  done.raise();
  EXPECT_EQ(reader.recv<int>(), 2);
  EXPECT_THROW(reader.recv<int>(), EOFError);
  EXPECT_EQ(child.wait(), test::exited(0));
}

TEST_F(PipeEofTest, WasBeforeTheFirstUseInAChild) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  test::Signal closed;
  Child child{[&] {
    closed.await();
    EXPECT_THROW(writer.send(1), ClosedError);
    writer.close();
  }};
  writer.close();
  closed.raise();
  EXPECT_EQ(child.wait(), test::exited(0));
  EXPECT_THROW(reader.recv<int>(), EOFError);
}

TEST_F(PipeEofTest, FollowsWhatAKilledWriterHadSent) {
  for (int round = 0; round < 10; ++round) {
    Connection reader;
    Connection writer;
    std::tie(reader, writer) = Pipe(simplex);
    test::Signal sent;
    Child child{[&] {
      writer.send(round);
      writer.send(std::vector<int>(50'000, round));
      sent.raise();
      for (;;) {
        ::pause();
      }
    }};
    sent.await();
    writer.close();
    child.kill();
    if (round % 2 == 0) {
      memory::bury_the_dead();
    }
    EXPECT_EQ(reader.recv<int>(), round);
    EXPECT_EQ(reader.recv<std::vector<int>>(), std::vector<int>(50'000, round));
    EXPECT_THROW(reader.recv<int>(), EOFError);
  }
}

TEST_F(PipeEofTest, IsNoticedByASleeperWhoIsNobodysParent) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  test::Signal used;
  Child writing{[&] {
    writer.send(1);
    used.raise();
    for (;;) {
      ::pause();
    }
  }};
  used.await();
  writer.close();
  Child sibling{[&] {
    EXPECT_EQ(reader.recv<int>(), 1);
    EXPECT_THROW(reader.recv<int>(), EOFError);
  }};
  EXPECT_EVENTUALLY(test::is_asleep(sibling.pid()));
  // Nobody buries the dead, and it stays a zombie for a while.
  writing.send_signal(SIGKILL);
  EXPECT_EQ(sibling.wait(), test::exited(0));
  EXPECT_EQ(writing.wait(), test::killed_by(SIGKILL));
}

TEST_F(PipeEofTest, IsNoticedByPollingWithoutSleeping) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  test::Signal used;
  Child writing{[&] {
    writer.send(1);
    used.raise();
    for (;;) {
      ::pause();
    }
  }};
  used.await();
  writer.close();
  EXPECT_EQ(reader.recv<int>(), 1);
  writing.kill();
  EXPECT_EVENTUALLY(reader.poll());
  EXPECT_THROW(reader.recv<int>(), EOFError);
}

TEST_F(PipeEofTest, MeetsASenderWhoseReceiverIsKilled) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  Child receiving{[reader = reader] {
    for (;;) {
      static_cast<void>(reader.recv<int>());
    }
  }};
  writer.send(1);
  EXPECT_EVENTUALLY(!reader.poll());
  reader.close();
  receiving.kill();
  EXPECT_THROW(
      for (;;) { writer.send(2); }, EOFError);
}

TEST_F(PipeEofTest, WaitsForAnEndThatIsOnItsWay) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  a.send(writer);
  writer.close();
  EXPECT_FALSE(reader.poll());
  auto received = b.recv<Connection>();
  EXPECT_FALSE(reader.poll());
  received.send(1);
  received.close();
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_THROW(reader.recv<int>(), EOFError);
}

TEST_F(PipeEofTest, ComesWhenAnEndOnItsWayIsReceivedByNobody) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  a.send(writer);
  writer.close();
  b.close();
  EXPECT_THROW(reader.recv<int>(), EOFError);
}

TEST_F(PipeEofTest, KeepsAnEndThatAKilledProcessHadSent) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  Child child{[&] {
    Connection reader2;
    Connection writer2;
    std::tie(reader2, writer2) = Pipe(simplex);
    writer2.send(7);
    a.send(reader2);
    a.send(writer);
    ::raise(SIGKILL);
  }};
  EXPECT_EQ(child.wait(), test::killed_by(SIGKILL));
  writer.close();
  memory::bury_the_dead();
  auto sevens = b.recv<Connection>();
  EXPECT_EQ(sevens.recv<int>(), 7);
  EXPECT_THROW(sevens.recv<int>(), EOFError);
  EXPECT_FALSE(reader.poll());
  b.recv<Connection>().close();
  EXPECT_THROW(reader.recv<int>(), EOFError);
}

TEST_F(PipeEofTest, ComesOnceInAllProcesses) {
  Connection reader;
  Connection writer;
  std::tie(reader, writer) = Pipe(simplex);
  std::vector<Child> children;
  test::Rendezvous ready{4};
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&] {
      static_cast<void>(reader.poll());
      ready.arrive_and_wait();
      EXPECT_THROW(
          for (;;) { static_cast<void>(reader.recv<int>()); }, EOFError);
    });
  }
  ready.arrive_and_wait();
  for (int i = 0; i < 100; ++i) {
    writer.send(i);
  }
  writer.close();
  for (auto& child : children) {
    EXPECT_EQ(child.wait(), test::exited(0));
  }
  EXPECT_THROW(reader.recv<int>(), EOFError);
}

}  // namespace
}  // namespace mp
