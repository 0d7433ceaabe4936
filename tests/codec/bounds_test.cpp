// SPDX-License-Identifier: Apache-2.0
// What hostile bytes may cost, and what the errors say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

#include "codec/samples.hpp"

namespace mp {
namespace {

using test::Deep;
using testing::HasSubstr;

// An encoding that announces `count` elements and brings `rest` bytes.
Bytes announce(std::uint64_t count, std::size_t rest = 0) {
  Writer out;
  out.write_count(count);
  const Bytes zeros(rest, std::byte{0});
  out.write_bytes(zeros.data(), zeros.size());
  return out.take();
}

template <class T>
void expect_refused(const Bytes& bytes) {
  Reader in{bytes};
  EXPECT_THROW((void)read<T>(in), DecodeError) << type_name<T>();
}

TEST(Reader, RefusesCountsThatTheBytesCannotHold) {
  for (const std::uint64_t count :
       {std::uint64_t{17}, std::uint64_t{1} << 28, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const Bytes bytes = announce(count, 16);
    expect_refused<std::string>(bytes);
    expect_refused<std::u16string>(bytes);
    expect_refused<std::vector<double>>(bytes);
    expect_refused<std::vector<std::string>>(bytes);
    expect_refused<std::list<int>>(bytes);
    expect_refused<std::forward_list<int>>(bytes);
    expect_refused<std::deque<int>>(bytes);
    expect_refused<std::map<int, int>>(bytes);
    expect_refused<std::multimap<int, int>>(bytes);
    expect_refused<std::set<int>>(bytes);
    expect_refused<std::multiset<int>>(bytes);
    expect_refused<std::unordered_map<int, int>>(bytes);
    expect_refused<std::unordered_multimap<int, int>>(bytes);
    expect_refused<std::unordered_set<int>>(bytes);
    expect_refused<std::unordered_multiset<int>>(bytes);
    expect_refused<std::filesystem::path>(bytes);
  }
  expect_refused<std::vector<bool>>(announce(129, 16));
  expect_refused<std::vector<bool>>(announce(~std::uint64_t{0}, 16));
}

TEST(Reader, RefusesElementsWithoutBytesThatNeverEnd) {
  for (const std::uint64_t count : {std::uint64_t{1} << 21, ~std::uint64_t{0}}) {
    expect_refused<std::vector<std::monostate>>(announce(count));
    expect_refused<std::vector<test::Empty>>(announce(count));
    expect_refused<std::list<std::tuple<>>>(announce(count));
  }
}

TEST(Reader, LimitsTheMemoryOfAllPartsTogether) {
  // A byte for each absent value of 4 KiB: honest in form, 4 GiB in memory.
  using Big = std::vector<std::optional<std::array<char, 4096>>>;
  expect_refused<Big>(announce(1 << 20, 1 << 20));
  const Bytes small = announce(100, 100);
  Reader modest{small};
  EXPECT_EQ(read<Big>(modest).size(), 100u);

  const Bytes list = encode(std::vector<std::vector<int>>(100, std::vector<int>(100)));
  EXPECT_THROW(
      (void)decode<std::vector<std::vector<int>>>(list, nullptr, {.slack = 40000, .factor = 0}),
      DecodeError);
  EXPECT_NO_THROW((void)decode<std::vector<std::vector<int>>>(
      list, nullptr, {.slack = 2400 + 40000, .factor = 0}));
}

TEST(Reader, TakesLargeHonestMessagesOfTheDearestTypes) {
  // The most memory for each byte; more than the slack, so that the factor must do.
  const std::list<char> list(3'000'000, 'x');
  EXPECT_EQ(decode<std::list<char>>(encode(list)).size(), list.size());
  const std::multiset<char> set(list.begin(), list.end());
  EXPECT_EQ(decode<std::multiset<char>>(encode(set)).size(), set.size());
}

TEST(Reader, LimitsDepth) {
  const auto nested = [](std::size_t levels) {
    Bytes bytes(levels, std::byte{1});
    bytes.push_back(std::byte{0});
    return bytes;
  };
  const Bytes deepest = nested(kMaxDepth);
  Reader in{deepest};
  EXPECT_NE(read<Deep>(in).next, nullptr);
  expect_refused<Deep>(nested(kMaxDepth + 1));
  expect_refused<Deep>(nested(1'000'000));
}

TEST(Writer, LimitsDepthAlike) {
  Deep top;
  for (std::size_t i = 0; i != kMaxDepth; ++i) {
    top = Deep{std::make_shared<Deep>(std::move(top))};
  }
  EXPECT_NO_THROW((void)decode<Deep>(encode(top)));
  top = Deep{std::make_shared<Deep>(std::move(top))};
  EXPECT_THROW((void)encode(top), UsageError);
}

TEST(Reader, RefusesValuesThatAreNone) {
  const auto byte = [](int value) { return Bytes(1, static_cast<std::byte>(value)); };
  expect_refused<bool>(byte(2));
  expect_refused<test::Flag>(byte(255));
  expect_refused<std::optional<std::monostate>>(byte(2));
  expect_refused<std::variant<std::monostate, bool>>(byte(2));
  expect_refused<std::shared_ptr<int>>(byte(2));
  expect_refused<std::error_code>(Bytes(5, std::byte{9}));
  expect_refused<std::set<int>>(announce(2, 8));  // the same key twice
  expect_refused<std::unordered_map<int, int>>(announce(2, 16));
}

TEST(DecodeError, CarriesTheBytesAndThePlace) {
  Bytes message = encode(std::string{"hello"});
  message.pop_back();
  const Bytes copy = message;
  try {
    (void)decode<std::string>(ByteView{message});
    FAIL();
  } catch (const DecodeError& error) {
    EXPECT_EQ(error.message(), copy);
    EXPECT_STREQ(error.what(),
                 "at byte 16 of 20: a count of 5 does not fit into the 4 bytes that are left");
  }
  const std::byte* const where = message.data();
  try {
    (void)decode<std::string>(std::move(message));
    FAIL();
  } catch (const DecodeError& error) {
    EXPECT_EQ(error.message(), copy);
    EXPECT_EQ(error.message().data(), where);  // moved, not copied
  }
}

TEST(TypeMismatch, NamesBothTypesAndCarriesTheBytes) {
  Bytes message = encode(std::vector<std::map<int, std::string>>{});
  const Bytes copy = message;
  try {
    (void)decode<std::optional<test::Mixed>>(ByteView{message});
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_STREQ(error.what(),
                 "expected a message of type optional<mp::test::Mixed> but received one of "
                 "vector<map<int, string>>");
    EXPECT_EQ(error.message(), copy);
  }
  const std::byte* const where = message.data();
  try {
    (void)decode<int>(std::move(message));
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_EQ(error.message().data(), where);
  }
}

TEST(TypeMismatch, GivesTheTagOfAForeignType) {
  const Bytes message(16, std::byte{0x5a});
  try {
    (void)decode<int>(message);
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_THAT(error.what(), HasSubstr("received one of tag 0x5a5a5a5a5a5a5a5a"));
  }
}

}  // namespace
}  // namespace mp
