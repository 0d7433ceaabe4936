// SPDX-License-Identifier: Apache-2.0
// Messages that are written and read where they lie.
#include "mp/connection/loan.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mp/codec.hpp"
#include "mp/connection/connection.hpp"
#include "mp/connection/pipe.hpp"
#include "mp/errors/error.hpp"

#include "connection/socket_channel.hpp"
#include "memory/allocator.hpp"
#include "memory/processes.hpp"
#include "os/socket.hpp"
#include "support/child.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

std::byte pattern(std::size_t i, std::size_t size) {
  return static_cast<std::byte>(i * 31 + size);
}

Loan make_loan(std::size_t size) {
  Loan loan{size};
  EXPECT_EQ(loan.bytes().size(), size);
  for (std::size_t i = 0; i < size; ++i) {
    loan.bytes()[i] = pattern(i, size);
  }
  return loan;
}

bool is_whole(ByteView bytes, std::size_t size) {
  std::size_t i = 0;
  return bytes.size() == size && std::all_of(bytes.begin(), bytes.end(), [&](std::byte each) {
           return each == pattern(i++, size);
         });
}

const std::vector<std::size_t> kSizes = {0, 1, 1024, 1025, 16'000, 17'000, 1 << 20, 5'000'001};

TEST(Loan, IsSentAsAMessage) {
  const std::uint64_t blocks = memory::heap_use().blocks;
  {
    auto [a, b] = Pipe();
    for (const std::size_t size : kSizes) {
      a.send_zero_copy(make_loan(size));
      const MessageView view = b.recv_view();
      EXPECT_TRUE(is_whole(view.bytes(), size)) << size;
      a.send_zero_copy(make_loan(size));
      EXPECT_TRUE(is_whole(b.recv_bytes(), size)) << size;
      a.send_bytes(make_loan(size).bytes());
      EXPECT_TRUE(is_whole(b.recv_view().bytes(), size)) << size;
    }
    EXPECT_EQ(b.try_recv_view(), std::nullopt);
    EXPECT_EQ(b.try_recv_view(10ms), std::nullopt);
  }
  EXPECT_EQ(memory::heap_use().blocks, blocks);
}

TEST(Loan, IsTheMemoryThatTheReceiverSees) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  constexpr std::size_t kSize = 1 << 20;
  Loan loan = make_loan(kSize);
  const std::byte* place = loan.bytes().data();
  a.send_zero_copy(std::move(loan));
  MessageView view = b.recv_view();
  EXPECT_EQ(view.bytes().data(), place);
  // And on, and back.
  Loan again{std::move(view)};
  EXPECT_TRUE(view.bytes().empty());
  EXPECT_EQ(again.bytes().data(), place);
  again.bytes()[0] = std::byte{99};
  b.send_zero_copy(std::move(again));
  const MessageView back = a.recv_view();
  EXPECT_EQ(back.bytes().data(), place);
  EXPECT_EQ(back.bytes()[0], std::byte{99});
}

TEST(Loan, MayBeDropped) {
  const std::uint64_t blocks = memory::heap_use().blocks;
  { const Loan loan = make_loan(1 << 20); }
  EXPECT_EQ(memory::heap_use().blocks, blocks);
}

TEST(Loan, IsKeptWhenItIsNotSent) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  while (a.try_send_bytes(Bytes(10'000))) {
  }
  Loan loan = make_loan(10'000);
  EXPECT_FALSE(a.try_send_zero_copy(std::move(loan)));
  EXPECT_FALSE(a.try_send_zero_copy(std::move(loan), 10ms));
  EXPECT_EQ(loan.bytes().size(), 10'000U);
  while (b.try_recv_bytes()) {
  }
  EXPECT_TRUE(a.try_send_zero_copy(std::move(loan)));
  EXPECT_TRUE(loan.bytes().empty());
  EXPECT_THROW(a.send_zero_copy(std::move(loan)), UsageError);
  EXPECT_TRUE(is_whole(b.recv_view().bytes(), 10'000));
  b.close();
  Loan kept = make_loan(20'000);
  EXPECT_THROW(a.send_zero_copy(std::move(kept)), EOFError);
  EXPECT_TRUE(is_whole(kept.bytes(), 20'000));
}

TEST(Loan, GoesOverSocketsByCopy) {
  auto [left, right] = os::socket_pair(os::SocketKind::stream);
  const Connection a{std::make_shared<connection::SocketChannel>(std::move(left), 1 << 24)};
  const Connection b{std::make_shared<connection::SocketChannel>(std::move(right), 1 << 24)};
  for (const std::size_t size : {0UL, 100UL, 100'000UL}) {
    a.send_zero_copy(make_loan(size));
    MessageView view = b.recv_view();
    EXPECT_TRUE(is_whole(view.bytes(), size));
    b.send_zero_copy(Loan{std::move(view)});
    EXPECT_TRUE(is_whole(a.recv_bytes(), size));
  }
}

TEST(Loan, CarriesATypedMessageOn) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  const std::pair<std::string, Connection> message{std::string(50'000, 'x'), Pipe().first};
  a.send(message);
  b.send_zero_copy(Loan{b.recv_view()});  // what it refers to goes with it
  const auto received = a.recv<std::pair<std::string, Connection>>();
  EXPECT_EQ(received.first, message.first);
  EXPECT_EQ(received.second, message.second);
}

TEST(Loan, BouncesBetweenProcesses) {
  Connection a;
  Connection b;
  std::tie(a, b) = Pipe();
  test::Child child{[b = b] {
    for (int i = 0; i < 500; ++i) {
      Loan loan{b.recv_view()};
      loan.bytes()[0] = static_cast<std::byte>(i);
      b.send_zero_copy(std::move(loan));
    }
  }};
  Loan loan{1 << 20};
  for (int i = 0; i < 500; ++i) {
    a.send_zero_copy(std::move(loan));
    MessageView view = a.recv_view();
    ASSERT_EQ(view.bytes()[0], static_cast<std::byte>(i));
    loan = Loan{std::move(view)};
  }
  EXPECT_EQ(child.wait(), test::exited(0));
  memory::bury_the_dead();
}

}  // namespace
}  // namespace mp
