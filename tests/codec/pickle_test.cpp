// SPDX-License-Identifier: Apache-2.0
// Values to pickles and back, bytes that CPython wrote, and bytes that nobody should have written.
#include "mp/codec/pickle.hpp"

#include <gtest/gtest.h>
#include <string>

#include "mp/errors/error.hpp"

#include "codec/pickle_golden.hpp"

namespace mp::pickle {
namespace {

Bytes unhex(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16)));
  }
  return bytes;
}

Bytes raw(std::string_view text) {
  const ByteView bytes = std::as_bytes(std::span{text});
  return Bytes(bytes.begin(), bytes.end());
}

TEST(Pickle, IsReadAsCPythonWroteIt) {
  for (const test::GoldenPickle& golden : test::kGoldenPickles) {
    for (std::size_t protocol = 0; protocol != golden.hex.size(); ++protocol) {
      SCOPED_TRACE(std::string{golden.python} + " in protocol " + std::to_string(protocol));
      const Bytes bytes = unhex(golden.hex[protocol]);
      const Value value = decode(bytes);
      if (protocol >= 2 || value.kind() != Kind::object) {
        EXPECT_EQ(value.repr(), golden.repr);
      }
      const Value again = decode(encode(value));
      EXPECT_EQ(again, value);
      EXPECT_EQ(again.hash(), value.hash());
      for (std::size_t size = 0; size != bytes.size(); ++size) {
        EXPECT_THROW(static_cast<void>(decode(ByteView{bytes}.first(size))), DecodeError) << size;
      }
    }
  }
}

TEST(Pickle, KeepsWhatAnObjectIsMadeOf) {
  const Value dict =
      decode(raw("\x80\x04"
                 "ccollections\nOrderedDict\n)R(\x8c\x01"
                 "aK\x01u}\x8c\x01xK\x02sb."));
  const Object& object = dict.as_object();
  EXPECT_TRUE(object.is("collections", "OrderedDict"));
  ASSERT_EQ(object.pairs.size(), 1U);
  EXPECT_EQ(object.pairs[0], (std::pair<Value, Value>{"a", 1}));
  EXPECT_EQ(*object.state.find("x"), Value{2});
  EXPECT_EQ(decode(encode(dict)), dict);
}

TEST(Pickle, NeverRunsAnything) {
  const Value value = decode(raw("cos\nsystem\n(Vtouch /tmp/owned\ntR."));
  EXPECT_EQ(value.repr(), "os.system('touch /tmp/owned')");
  EXPECT_TRUE(value.as_object().is("os", "system"));
}

TEST(Pickle, IsRefusedWhenItContainsItself) {
  for (const char* text : {"]q\x01h\x01"
                           "a.",
                           "}q\x01(Vx\nh\x01u.", "]q\x01h\x01\x85q\x02h\x01Na.",
                           "cbuiltins\nobject\n)\x81q\x01h\x01"
                           "b."}) {
    EXPECT_THROW(static_cast<void>(decode(raw(text))), DecodeError) << text;
  }
}

TEST(Pickle, IsRefusedWhenItLaughs) {
  // Ten lists of ten of the list before.
  std::string text = "\x80\x04(K\x01l\x94";
  for (int i = 0; i != 30; ++i) {
    text += "](";
    for (int j = 0; j != 10; ++j) {
      text += std::string{"h"} + static_cast<char>(i);
    }
    text += "e\x94";
  }
  text += ".";
  EXPECT_THROW(static_cast<void>(decode(raw(text))), DecodeError);
}

TEST(Pickle, IsRefusedWhenItNestsTooDeeply) {
  const auto nested = [](std::size_t levels) {
    std::string text(levels, ']');
    text.append(levels - 1, 'a').append(".");
    return decode(raw(text));
  };
  EXPECT_EQ(nested(kMaxDepth + 1).depth(), kMaxDepth);
  EXPECT_THROW(static_cast<void>(nested(kMaxDepth + 2)), DecodeError);
  EXPECT_THROW(static_cast<void>(nested(1'000'000)), DecodeError);
  Value deep;
  EXPECT_THROW(
      for (std::size_t i = 0; i != kMaxDepth + 1; ++i) { deep = Value::list({deep}); }, UsageError);
}

TEST(Pickle, IsRefusedWhenItAsksForMuchMemory) {
  constexpr DecodeLimits kTight{.depth = kMaxDepth, .slack = 4096, .factor = 4};
  std::string lists(10000, ']');
  lists += '.';
  EXPECT_THROW(static_cast<void>(decode(raw(lists), kTight)), DecodeError);
  // A str of 4 GiB of which there are three bytes, and a place in the memo far away.
  EXPECT_THROW(static_cast<void>(decode(raw("X\xff\xff\xff\xff"
                                            "abc."))),
               DecodeError);
  EXPECT_THROW(static_cast<void>(decode(raw("Nr\xff\xff\xff\x7f."))), DecodeError);
}

TEST(Pickle, IsRefusedWhenItIsNone) {
  for (const std::string_view text : {"",
                                      ".",
                                      "N",
                                      "NN",
                                      "N.N",
                                      "a.",
                                      "(.",
                                      "t.",
                                      "Na.",
                                      "NNs.",
                                      "h\x05.",
                                      "P0\n.",
                                      "NQ.",
                                      "\x82\x01.",
                                      "N)R.",
                                      "cos\nsystem\nNR.",
                                      "\x80\x06N.",
                                      "I1x\n.",
                                      "Fx\n.",
                                      "Vx",
                                      "S'a\n.",
                                      "]Nb.",
                                      "\x8c\x01\xff.",
                                      "(Nu.",
                                      "}(Nu.",
                                      "\x95",
                                      "\x97.",
                                      "NN\x93."}) {
    EXPECT_THROW(static_cast<void>(decode(raw(text))), DecodeError) << text;
  }
}

TEST(Pickle, CarriesTheBytesThatWereRefused) {
  const Bytes bytes = raw("NN");
  try {
    static_cast<void>(decode(bytes));
    FAIL();
  } catch (const DecodeError& error) {
    EXPECT_EQ(error.message(), bytes);
  }
  const Bytes list = dumps(std::vector{1});
  try {
    static_cast<void>(loads<std::string>(list));
    FAIL();
  } catch (const TypeMismatch& error) {
    EXPECT_EQ(error.message(), list);
    EXPECT_STREQ(error.what(), "expected a message of type str but received one of Python's list");
  }
}

TEST(PickleValue, ComparesAsInPython) {
  EXPECT_EQ(Value{1}, Value{1.0});
  EXPECT_EQ(Value{1}, Value{true});
  EXPECT_EQ(Value{1}.hash(), Value{1.0}.hash());
  EXPECT_NE(Value{1}, Value{"1"});
  EXPECT_EQ(Value::set({1, 2}), Value::frozen_set({2, 1}));
  EXPECT_EQ(Value::set({1, 2}).hash(), Value::frozen_set({2, 1}).hash());
  EXPECT_EQ(Value::dict({{"a", 1}, {"b", 2}}), Value::dict({{"b", 2}, {"a", 1}}));
  EXPECT_NE(Value::list({1}), Value::tuple({1}));
  EXPECT_EQ(Value{std::uint64_t{1} << 63U}, Value{9223372036854775808.0});
  EXPECT_EQ(Value{std::uint64_t{1} << 63U}.hash(), Value{9223372036854775808.0}.hash());
  EXPECT_TRUE(Value{"x"}.truthy() && !Value{""}.truthy() && !Value{}.truthy());
  Value sets[2];
  for (Value& set : sets) {
    for (int i = 0; i != 150; ++i) {
      set = Value::frozen_set({set});
    }
    set = Value::dict({{set, &set == &sets[0]}});
  }
  EXPECT_NE(sets[0], sets[1]);
}

TEST(PickleValue, SaysWhatItIsWhenAskedForSomethingElse) {
  EXPECT_THROW(static_cast<void>(Value{1}.as_string()), TypeMismatch);
  EXPECT_THROW(static_cast<void>(Value{"1"}.as_int()), TypeMismatch);
  EXPECT_THROW(static_cast<void>(Value{}.items()), TypeMismatch);
  EXPECT_THROW(static_cast<void>(Value::list({}).pairs()), TypeMismatch);
  EXPECT_EQ(Value{std::string{"\xff"}}.kind(), Kind::bytes);
  EXPECT_EQ(Value("a'b\n").repr(), "\"a'b\\n\"");
  EXPECT_EQ(Value::list({"abcdef"}).repr(4), "['abc...");
}

}  // namespace
}  // namespace mp::pickle
