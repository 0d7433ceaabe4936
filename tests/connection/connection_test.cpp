// SPDX-License-Identifier: Apache-2.0
// One process, one thread: what the members promise.
#include "mp/connection.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <vector>

#include "mp/codec.hpp"
#include "mp/errors/error.hpp"

#include "connection/pipe_layout.hpp"
#include "memory/allocator.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

ByteView view(std::string_view text) {
  return std::as_bytes(std::span{text});
}
std::string text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Nothing may be left in shared memory when the ends are gone.
class ConnectionTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(memory::heap_use().blocks, before_); }

 private:
  std::uint64_t before_ = memory::heap_use().blocks;
};

TEST_F(ConnectionTest, CarriesValuesBothWays) {
  auto [a, b] = Pipe();
  a.send(42);
  b.send(std::string{"back"});
  EXPECT_EQ(b.recv<int>(), 42);
  EXPECT_EQ(a.recv<std::string>(), "back");
}

TEST_F(ConnectionTest, SendsStringLiteralsAsStrings) {
  auto [a, b] = Pipe();
  a.send("literal");
  EXPECT_EQ(b.recv<std::string>(), "literal");
}

TEST_F(ConnectionTest, KeepsMessagesWholeAndInOrder) {
  auto [a, b] = Pipe();
  for (int round = 0; round < 50; ++round) {
    for (std::size_t size = 0; size < 200; size += 7) {
      a.send_bytes(Bytes(size, std::byte(size)));
    }
    for (std::size_t size = 0; size < 200; size += 7) {
      EXPECT_EQ(b.recv_bytes(), Bytes(size, std::byte(size)));
    }
  }
}

TEST_F(ConnectionTest, PassesMessagesOfAnySize) {
  auto [a, b] = Pipe();
  const std::size_t longest = layout::kLongestInline;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{1023}, std::size_t{1024}, std::size_t{1025},
        longest - 1, longest, longest + 1, std::size_t{65536}, std::size_t{8} << 20}) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = std::byte(i * 31 + i / 251);
    }
    a.send_bytes(bytes);
    EXPECT_EQ(b.recv_bytes(), bytes) << size;
    const std::string value(size, 'x');
    a.send(value);
    EXPECT_EQ(b.recv<std::string>(), value) << size;
  }
}

TEST_F(ConnectionTest, FillsTheRingAtEveryOffset) {
  auto [a, b] = Pipe();
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (int round = 0; round < 300; ++round) {
    const auto message = [](std::uint64_t n) {
      return Bytes(static_cast<std::size_t>(n * 7919 % 9000), std::byte(n));
    };
    while (a.try_send_bytes(message(sent))) {
      ++sent;
    }
    for (int i = 0; i < 1 + round % 5; ++i) {
      ASSERT_EQ(b.recv_bytes(), message(received));
      ++received;
    }
  }
  while (b.poll()) {
    ASSERT_EQ(b.recv_bytes().size(), received++ * 7919 % 9000);
  }
  EXPECT_EQ(sent, received);
}

TEST_F(ConnectionTest, DoesNotWaitWhereItMayNot) {
  auto [a, b] = Pipe();
  EXPECT_FALSE(b.poll());
  EXPECT_FALSE(b.poll(1ms));
  EXPECT_EQ(b.try_recv<int>(), std::nullopt);
  EXPECT_EQ(b.try_recv_for<int>(1ms), std::nullopt);
  EXPECT_EQ(b.try_recv_bytes(), std::nullopt);
  int sent = 0;
  while (a.try_send(std::vector<int>(1000, sent))) {
    ++sent;
  }
  EXPECT_GT(sent, 10);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(a.try_send_for(std::vector<int>(1000), 20ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  while (a.try_send(0)) {
  }
  EXPECT_FALSE(a.try_send(std::vector<int>(1'000'000)));
  EXPECT_TRUE(b.poll());
  EXPECT_EQ(b.recv<std::vector<int>>(), std::vector<int>(1000, 0));
  EXPECT_TRUE(a.try_send(std::vector<int>(1000)));
}

TEST_F(ConnectionTest, GivesBackWhatIsNoT) {
  auto [a, b] = Pipe();
  a.send(42);
  a.send(std::string(3000, 'x'));
  a.send_bytes(view("no value"));
  a.send(43);
  try {
    static_cast<void>(b.recv<std::string>());
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_EQ(decode<int>(error.message()), 42);
  }
  try {
    static_cast<void>(b.try_recv<int>());
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_EQ(decode<std::string>(error.message()), std::string(3000, 'x'));
  }
  EXPECT_THROW(b.recv<int>(), TypeMismatch);
  EXPECT_EQ(b.recv<int>(), 43);
  a.send_bytes(view("short"));
  EXPECT_THROW(b.recv<int>(), DecodeError);
  a.send(44);
  EXPECT_EQ(b.recv<int>(), 44);
}

TEST_F(ConnectionTest, SendsPartsOfABuffer) {
  auto [a, b] = Pipe();
  a.send_bytes(view("abcdef"), 2);
  a.send_bytes(view("abcdef"), 2, 3);
  a.send_bytes(view("abcdef"), 6);
  EXPECT_EQ(text(b.recv_bytes()), "cdef");
  EXPECT_EQ(text(b.recv_bytes()), "cde");
  EXPECT_EQ(text(b.recv_bytes()), "");
  EXPECT_THROW(a.send_bytes(view("abcdef"), 7), UsageError);
  EXPECT_THROW(a.send_bytes(view("abcdef"), 4, 3), UsageError);
  EXPECT_FALSE(b.poll());
}

TEST_F(ConnectionTest, ReceivesIntoABuffer) {
  auto [a, b] = Pipe();
  std::byte buffer[8] = {};
  a.send_bytes(view("abcd"));
  EXPECT_EQ(b.recv_bytes_into(buffer, 2), 4u);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(buffer) + 2, 4), "abcd");
  EXPECT_EQ(buffer[0], std::byte{0});
  EXPECT_EQ(buffer[6], std::byte{0});
  EXPECT_THROW(b.recv_bytes_into(buffer, 9), UsageError);
  const std::size_t sizes[] = {9, 100'000};
  for (const std::size_t size : sizes) {
    a.send_bytes(Bytes(size, std::byte{7}));
    try {
      b.recv_bytes_into(buffer);
      FAIL();
    } catch (const BufferTooShort& error) {
      EXPECT_EQ(error.message(), Bytes(size, std::byte{7}));
    }
  }
  Bytes large(100'000);
  a.send_bytes(Bytes(90'000, std::byte{9}));
  EXPECT_EQ(b.recv_bytes_into(large), 90'000u);
  EXPECT_EQ(large[89'999], std::byte{9});
  EXPECT_FALSE(b.poll());
}

TEST_F(ConnectionTest, LeavesAMessageOverTheLimitWhereItIs) {
  auto [a, b] = Pipe();
  const std::size_t sizes[] = {100, 100'000};
  for (const std::size_t size : sizes) {
    a.send_bytes(Bytes(size));
    EXPECT_THROW(b.recv_bytes(size - 1), FrameTooLarge);
    EXPECT_THROW(b.recv_bytes(0), FrameTooLarge);
    EXPECT_EQ(b.recv_bytes(size).size(), size);
  }
}

TEST_F(ConnectionTest, KnowsItsDirection) {
  auto [reader, writer] = Pipe(simplex);
  EXPECT_TRUE(reader.readable());
  EXPECT_FALSE(reader.writable());
  EXPECT_FALSE(writer.readable());
  EXPECT_TRUE(writer.writable());
  EXPECT_THROW(reader.send(1), UsageError);
  EXPECT_THROW(writer.recv<int>(), UsageError);
  EXPECT_THROW(static_cast<void>(writer.poll()), UsageError);
  writer.send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
}

TEST_F(ConnectionTest, ClosesAllHandlesOfTheProcess) {
  auto [a, b] = Pipe();
  const Connection copy = a;
  EXPECT_EQ(copy, a);
  EXPECT_FALSE(a == b);
  copy.close();
  copy.close();
  EXPECT_TRUE(a.closed());
  EXPECT_FALSE(b.closed());
  EXPECT_THROW(a.send(1), ClosedError);
  EXPECT_THROW(a.recv<int>(), ClosedError);
  EXPECT_THROW(static_cast<void>(a.poll()), ClosedError);
  EXPECT_THROW(static_cast<void>(encode(a)), ClosedError);
}

TEST_F(ConnectionTest, IsNothingWhenDefaultConstructed) {
  const Connection nothing;
  EXPECT_TRUE(nothing.closed());
  EXPECT_FALSE(nothing.readable());
  EXPECT_FALSE(nothing.writable());
  EXPECT_THROW(nothing.send(1), ClosedError);
  EXPECT_THROW(static_cast<void>(nothing.poll()), ClosedError);
  nothing.close();
}

TEST_F(ConnectionTest, TravelsThroughAPipe) {
  auto [a, b] = Pipe();
  {
    auto [c, d] = Pipe();
    a.send(std::pair{1, d});
    c.send(std::string{"was waiting"});
    // The only handles of d are in the message now.
    d.close();
    a.send(c);
  }
  auto [one, d] = b.recv<std::pair<int, Connection>>();
  EXPECT_EQ(one, 1);
  EXPECT_EQ(d.recv<std::string>(), "was waiting");
  auto c = b.recv<Connection>();
  d.send(5);
  EXPECT_EQ(c.recv<int>(), 5);
}

TEST_F(ConnectionTest, TravelsWithALongMessage) {
  auto [a, b] = Pipe();
  auto [c, d] = Pipe();
  a.send(std::pair{std::vector<int>(100'000, 3), d});
  d = {};
  auto [numbers, end] = b.recv<std::pair<std::vector<int>, Connection>>();
  EXPECT_EQ(numbers, std::vector<int>(100'000, 3));
  c.send(1);
  EXPECT_EQ(end.recv<int>(), 1);
}

// A carrier that carries nothing, to learn the id of an end.
struct Spy final : Carrier {
  void put_object(std::uint64_t object) override { id = object; }
  std::uint64_t id = 0;
};

TEST_F(ConnectionTest, IsNotForgedFromBytes) {
  auto [a, b] = Pipe();
  Spy spy;
  a.send_bytes(encode(b, &spy));
  EXPECT_NE(spy.id, 0u);
  EXPECT_THROW(b.recv<Connection>(), DecodeError);
  a.send(b);
  EXPECT_EQ(b.recv<Connection>(), b);
}

}  // namespace
}  // namespace mp
