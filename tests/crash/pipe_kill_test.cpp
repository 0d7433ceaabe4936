// SPDX-License-Identifier: Apache-2.0
// Pipes under the kill harness: who is killed at any instruction of a send, a receive or a close
// leaves a pipe that works, whole messages, and an end of file where one is due.
#include <atomic>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <tuple>
#include <vector>

#include "mp/codec.hpp"
#include "mp/connection.hpp"
#include "mp/errors/error.hpp"

#include "harness/kill_harness.hpp"
#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "support/child.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

// A message that says of itself what it must be.
using Message = std::vector<std::uint64_t>;

Message make(std::uint64_t id, std::size_t size) {
  Message message(size + 1, id * 0x9e3779b97f4a7c15u);
  message[0] = id;
  return message;
}

// Returns the id of a message that must be whole.
std::uint64_t id_of(const Message& message) {
  check(!message.empty(), "a message without its beginning");
  check(message == make(message[0], message.size() - 1), "a torn message");
  return message[0];
}

// The pipe under test, new in each trial, and the number of blocks before it was made.
Connection reader;
Connection writer;
std::uint64_t blocks = 0;

constexpr std::uint64_t kBefore = 1;  // sent by setup
constexpr std::uint64_t kVictim = 2;  // sent by victims
constexpr std::uint64_t kAfter = 3;   // sent by survivors

// Just too long for the ring.
constexpr std::size_t kBlock = 2100;

void open_pipe() {
  memory::bury_the_dead();
  blocks = memory::heap_use().blocks;
  std::tie(reader, writer) = Pipe(simplex);
}

// Closes the pipe; nothing of it may be left.
void close_pipe() {
  reader = {};
  writer = {};
  memory::bury_the_dead();
  const std::uint64_t left = memory::heap_use().blocks - blocks;
  check(left == 0, std::to_string(left) + " blocks are left in the arena");
}

// What must be in the pipe: `before` messages of setup, of which `lost` may have been taken, then
// at most `victims` of theirs. Then the pipe must carry one more in each state.
std::function<void()> balance(int before, int lost, int victims) {
  return [=] {
    int first = 0;
    int second = 0;
    while (auto message = reader.try_recv<Message>()) {
      const std::uint64_t id = id_of(*message);
      check(id == kBefore ? second == 0 : id == kVictim, "a message that nobody sent, or too late");
      ++(id == kBefore ? first : second);
    }
    check(first <= before && first >= before - lost, "messages of setup are lost, or came twice");
    check(second <= victims, "a message came twice");
    for (const std::size_t size : {std::size_t{0}, std::size_t{500}, kBlock}) {
      writer.send(make(kAfter, size));
      check(reader.poll(1s), "a message that was sent is not there");
      check(id_of(reader.recv<Message>()) == kAfter, "not the message that was sent");
    }
    check(!reader.poll(), "there is a message that nobody sent");
  };
}

// A carrier for nothing.
struct Nobody final : Carrier {
  void put_object(std::uint64_t) override {}
};

// First uses belong to no operation: the process, the thread, the hold on the end.
void warm(const Connection& end) {
  Nobody nobody;
  static_cast<void>(encode(end, &nobody));
}

Operation sending(const std::string& state, std::size_t size, int before = 0) {
  return {
      .name = "Pipe.send",
      .state = state,
      .setup =
          [=] {
            open_pipe();
            for (int i = 0; i < before; ++i) {
              writer.send(make(kBefore, size));
            }
          },
      .teardown = close_pipe,
      .warm = [] { warm(writer); },
      .run = [message = make(kVictim, size)] { writer.send(message); },
      .verify = balance(before, 0, 2),
  };
}

Operation receiving(const std::string& state, std::size_t size, int before) {
  Operation operation = sending(state, size, before);
  operation.name = "Pipe.recv";
  operation.warm = [] { warm(reader); };
  // Kept: freeing it is no part of the operation.
  static Message received;
  operation.run = [] { received = reader.recv<Message>(); };
  operation.verify = balance(before, 2, 0);
  return operation;
}

TEST(PipeKill, SendsShortMessages) {
  expect_survival(sending("empty, 8 bytes", 0));
  expect_survival(sending("part full, 64 bytes", 7, 3));
}

TEST(PipeKill, SendsLongMessages) {
  expect_survival(sending("empty, 4 KiB", 512));
  expect_survival(sending("part full, 17 KB block", kBlock, 2));
}

TEST(PipeKill, SendsPastTheEndOfTheRing) {
  Operation operation = sending("before the end of the ring", 512);
  operation.setup = [] {
    open_pipe();
    for (int i = 0; i < 15; ++i) {
      writer.send(make(kBefore, 512));
      static_cast<void>(reader.recv<Message>());
    }
  };
  expect_survival(operation);
}

TEST(PipeKill, SendsToASleepingReceiver) {
  Operation operation = sending("a receiver asleep", 7);
  operation.waiters = {
      [] { check(id_of(reader.recv<Message>()) != kBefore, "not what was sent"); }};
  operation.owed = [] { return reader.poll(); };
  operation.verify = [] {
    // The waiter may take one; there still is one for us.
    writer.send(make(kAfter, 0));
    writer.send(make(kAfter, 0));
    check(reader.poll(1s), "a message that was sent is not there");
    static_cast<void>(id_of(reader.recv<Message>()));
  };
  expect_survival(operation);
}

TEST(PipeKill, SendsIntoAFullRing) {
  Operation operation = sending("full", 1000);
  operation.setup = [] {
    open_pipe();
    while (writer.try_send(make(kBefore, 1000))) {
    }
  };
  operation.when_asleep = [] { static_cast<void>(reader.recv<Message>()); };
  operation.verify = balance(8, 8, 2);
  expect_survival(operation);
}

TEST(PipeKill, ReceivesShortMessages) {
  expect_survival(receiving("part full, 8 bytes", 0, 4));
}

TEST(PipeKill, ReceivesLongMessages) {
  expect_survival(receiving("part full, 4 KiB", 512, 4));
  expect_survival(receiving("part full, 17 KB block", kBlock, 4));
}

// The same messages, written and read where they lie. A Message's bytes are its words.
TEST(PipeKill, SendsWithoutCopying) {
  Operation operation = sending("empty, 17 KB zero copy", kBlock);
  operation.run = [message = encode(make(kVictim, kBlock))] {
    Loan loan{message.size()};
    copy_bytes(loan.bytes().data(), message.data(), message.size());
    writer.send_zero_copy(std::move(loan));
  };
  expect_survival(operation);
}

TEST(PipeKill, ReceivesWithoutCopying) {
  Operation operation = receiving("part full, 17 KB zero copy", kBlock, 4);
  operation.run = [] { check(reader.recv_view().bytes().size() > kBlock, "a torn message"); };
  expect_survival(operation);
}

TEST(PipeKill, PassesOnWithoutCopying) {
  Operation operation = receiving("part full, 17 KB, passed on", kBlock, 4);
  operation.run = [] { writer.send_zero_copy(Loan{reader.recv_view()}); };
  expect_survival(operation);
}

TEST(PipeKill, ReceivesFromASleepingSender) {
  Operation operation = receiving("full, a sender asleep", 1000, 8);
  operation.setup = [] {
    open_pipe();
    while (writer.try_send(make(kBefore, 1000))) {
    }
  };
  operation.waiters = {[] { writer.send(make(kVictim, 1000)); }};
  operation.second = [] { static_cast<void>(reader.recv<Message>()); };
  operation.owed = [] { return false; };
  operation.verify = [] {
    for (int i = 0; i < 4; ++i) {
      check(reader.poll(1s), "messages are lost");
      static_cast<void>(id_of(reader.recv<Message>()));
    }
    check(writer.try_send_for(make(kAfter, 0), 1s), "there is no room in an empty ring");
  };
  expect_survival(operation);
}

// Who has sent and received so often in a row goes into the rings without taking their locks.
void win_the_bias() {
  constexpr int kEnough = 24;
  for (int i = 0; i < kEnough; ++i) {
    writer.send(make(kBefore, 0));
    static_cast<void>(reader.recv<Message>());
  }
}

// How many parties of this trial were warmed: the first one has the bias.
const test::Shared<std::atomic<int>> warmed;

Operation by_the_bias(Operation operation) {
  operation.setup = [setup = operation.setup] {
    setup();
    warmed->store(0);
  };
  operation.warm = [warm = operation.warm] {
    warm();
    if (warmed->fetch_add(1) == 0) {
      win_the_bias();
    }
  };
  return operation;
}

TEST(PipeKill, SendsByTheBias) {
  expect_survival(by_the_bias(sending("by the bias", 0, 3)));
}

TEST(PipeKill, ReceivesByTheBias) {
  expect_survival(by_the_bias(receiving("by the bias", 0, 4)));
}

TEST(PipeKill, TakesTheBiasFromTheLiving) {
  for (Operation operation :
       {sending("another has the bias", 0, 3), receiving("another has the bias", 0, 4)}) {
    operation.setup = [setup = operation.setup] {
      setup();
      win_the_bias();
    };
    expect_survival(operation);
  }
}

TEST(PipeKill, TakesTheBiasFromTheDead) {
  for (Operation operation :
       {sending("a dead one has the bias", 0, 3), receiving("a dead one has the bias", 0, 4)}) {
    operation.setup = [setup = operation.setup] {
      setup();
      test::Child winner{win_the_bias};
      check(winner.wait() == test::exited(0), "the one before did not end well");
    };
    expect_survival(operation);
  }
}

TEST(PipeKill, ClosesTheLastWriter) {
  // The victim alone holds the writing end of a second pipe, whose reading end it has sent.
  static Connection last;
  Operation operation{
      .name = "Pipe.close",
      .state = "last writer",
      .setup = open_pipe,
      .teardown = close_pipe,
      .warm =
          [] {
            Connection other;
            std::tie(other, last) = Pipe(simplex);
            last.send(make(kVictim, 0));
            writer.send(other);
          },
      .run = [] { last.close(); },
      .verify =
          [] {
            while (auto end = reader.try_recv<Connection>()) {
              check(id_of(end->recv<Message>()) == kVictim, "the last message is lost");
              try {
                check(end->try_recv_for<Message>(1500ms).has_value(), "no end of file");
                throw Broken{"a message after the last"};
              } catch (const EOFError&) {
              }
            }
          },
  };
  expect_survival(operation);
}

TEST(PipeKill, CreatesAndDrops) {
  static const Message small = make(kVictim, 0);
  static const Message large = make(kVictim, kBlock);
  Operation operation{
      .name = "Pipe",
      .state = "create, fill, drop",
      .setup = open_pipe,
      .teardown = close_pipe,
      .warm = [] { warm(writer); },
      .run =
          [] {
            auto [a, b] = Pipe();
            a.send(small);
            a.send(large);
          },
      .verify = balance(0, 0, 0),
  };
  expect_survival(operation);
}

TEST(PipeKill, SendsAnEnd) {
  Operation operation{
      .name = "Pipe.send",
      .state = "an end of another pipe",
      .setup = open_pipe,
      .teardown = close_pipe,
      .warm = [] { warm(writer); },
      .run =
          [] {
            auto [mine, yours] = Pipe(simplex);
            yours.send(make(kVictim, 0));
            writer.send(mine);
          },
      .verify =
          [] {
            while (auto end = reader.try_recv<Connection>()) {
              check(id_of(end->recv<Message>()) == kVictim, "the message in it is lost");
            }
            balance(0, 0, 0)();
          },
  };
  expect_survival(operation);
}

TEST(PipeKill, ReceivesAnEnd) {
  Operation operation{
      .name = "Pipe.recv",
      .state = "an end of another pipe",
      .setup =
          [] {
            open_pipe();
            for (int i = 0; i < 3; ++i) {
              auto [mine, yours] = Pipe(simplex);
              yours.send(make(kBefore, 0));
              writer.send(mine);
            }
          },
      .teardown = close_pipe,
      .warm = [] { warm(reader); },
      .run =
          [] {
            auto end = reader.recv<Connection>();
            check(id_of(end.recv<Message>()) == kBefore, "the message in it is lost");
          },
      .verify =
          [] {
            int ends = 0;
            while (auto end = reader.try_recv<Connection>()) {
              check(id_of(end->recv<Message>()) == kBefore, "the message in it is lost");
              ++ends;
            }
            check(ends >= 1 && ends <= 3, "ends are lost");
            balance(0, 0, 0)();
          },
  };
  expect_survival(operation);
}

}  // namespace
}  // namespace mp::crash
