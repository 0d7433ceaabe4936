// SPDX-License-Identifier: Apache-2.0
// Every type that mp knows comes back as it went; no byte of it can be missing, and no bytes that
// differ from it can do harm.
#include <bitset>
#include <complex>
#include <filesystem>
#include <gtest/gtest.h>
#include <limits>
#include <random>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

#include "codec/samples.hpp"

namespace mp {
namespace {

using test::Deep;
using test::for_each_sample;

TEST(Codec, BringsEveryTypeBackAsItWent) {
  for_each_sample([]<class T>(const T& value) {
    SCOPED_TRACE(type_name<T>());
    const Bytes message = encode(value);
    EXPECT_EQ(message.size(), message_size(value));
    EXPECT_GE(encoded_size(value), detail::kMinSizeOf<T>);
    if (detail::kFixedSize<T>) {
      EXPECT_EQ(encoded_size(value), detail::kMinSizeOf<T>);
    }
    const T again = decode<T>(message);
    EXPECT_TRUE(test::same(again, value));
    EXPECT_EQ(encode(again), message);
  });
}

TEST(Codec, WritesTheSameIntoASpanAndIntoGrowingBytes) {
  for_each_sample([]<class T>(const T& value) {
    SCOPED_TRACE(type_name<T>());
    Writer grows;
    write(grows, value);
    EXPECT_EQ(grows.size(), encoded_size(value));
    Bytes fixed(encoded_size(value));
    Writer out{MutableByteView{fixed}};
    write(out, value);
    EXPECT_EQ(grows.take(), fixed);
    Writer counts{Writer::CountOnly::yes};
    write(counts, value);
    EXPECT_EQ(counts.size(), fixed.size());
    if (!fixed.empty()) {
      Writer short_by_one{MutableByteView{fixed.data(), fixed.size() - 1}};
      EXPECT_THROW(write(short_by_one, value), UsageError);
    }
  });
}

TEST(Codec, RefusesEveryTruncation) {
  for_each_sample([]<class T>(const T& value) {
    SCOPED_TRACE(type_name<T>());
    const Bytes message = encode(value);
    for (std::size_t size = 0; size != message.size(); ++size) {
      EXPECT_THROW((void)decode<T>(ByteView{message.data(), size}), DecodeError) << size;
    }
    Bytes longer = message;
    longer.push_back(std::byte{0});
    EXPECT_THROW((void)decode<T>(longer), DecodeError);
  });
}

TEST(Codec, AnswersAnyBytesWithAValueOrDecodeError) {
  std::minstd_rand random{20};
  for_each_sample([&random]<class T>(const T& value) {
    SCOPED_TRACE(type_name<T>());
    const Bytes message = encode(value);
    for (int i = 0; i != 300; ++i) {
      Bytes hostile = message;
      for (unsigned changes = 1 + random() % 4; changes != 0 && message.size() > kTagSize;
           --changes) {
        const std::size_t place = kTagSize + random() % (message.size() - kTagSize);
        hostile[place] = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
      }
      try {
        const T other = decode<T>(hostile);
        EXPECT_EQ(message_size(other), encode(other).size());
      } catch (const DecodeError& error) {
        EXPECT_EQ(error.message(), hostile);
      }
    }
  });
}

TEST(Codec, EncodesMisalignedElements) {
  std::tuple<char, std::vector<double>, std::vector<std::array<std::int64_t, 2>>> value{
      'x', {1.5, 2.5}, {{1, 2}, {3, 4}}};
  EXPECT_EQ(decode<decltype(value)>(encode(value)), value);
}

struct Padded {
  char c;
  double d;
};

TEST(Codec, LeavesPaddingBehind) {
  EXPECT_EQ(encoded_size(Padded{'a', 1}), 9u);
  EXPECT_EQ(encoded_size(std::vector<Padded>(10)), 8u + 90u);
  if (std::numeric_limits<long double>::digits == 64) {
    EXPECT_EQ(encoded_size(1.5L), 10u);
  }
}

TEST(Codec, TakesMoveOnlyValues) {
  std::vector<std::unique_ptr<std::string>> value;
  value.push_back(std::make_unique<std::string>("one"));
  value.push_back(nullptr);
  const auto again = decode<decltype(value)>(encode(value));
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(*again[0], "one");
  EXPECT_EQ(again[1], nullptr);
}

TEST(Codec, RefusesWhatCannotTravelAtRunTime) {
  EXPECT_THROW((void)encode(std::error_code{1, std::error_code{test::OwnErrc{}}.category()}),
               UsageError);
  Deep ring;
  ring.next = std::make_shared<Deep>();
  ring.next->next = ring.next;
  EXPECT_THROW((void)encode(ring), UsageError);
  ring.next->next.reset();
}

struct NoDefault {
  explicit NoDefault(int the_value) : value{the_value} {}
  int value;
};

}  // namespace

// A user's class, whose write takes a plain Writer and whose size is therefore counted.
template <>
struct codec<NoDefault> {
  static constexpr std::string_view kName = "test.NoDefault";
  static void write(Writer& out, const NoDefault& value) { mp::write(out, value.value); }
  static NoDefault read(Reader& in) { return NoDefault{mp::read<int>(in)}; }
};

namespace {

struct HoldsNoDefault {
  int before;
  NoDefault inside;
  std::vector<NoDefault> many;
};

TEST(Codec, UsesTheCodecOfAUser) {
  const HoldsNoDefault again =
      decode<HoldsNoDefault>(encode(HoldsNoDefault{1, NoDefault{2}, {NoDefault{3}, NoDefault{4}}}));
  EXPECT_EQ(again.inside.value, 2);
  ASSERT_EQ(again.many.size(), 2u);
  EXPECT_EQ(again.many[1].value, 4);
  EXPECT_EQ(type_name<std::vector<NoDefault>>(), "vector<test.NoDefault>");
}

}  // namespace
}  // namespace mp
