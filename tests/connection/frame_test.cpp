// SPDX-License-Identifier: Apache-2.0
// Messages on a stream: put together from whatever pieces come, refused when they are none.
#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mp/errors/error.hpp"

#include "connection/frame_layout.hpp"
#include "connection/frame_reader.hpp"

namespace mp::connection {
namespace {

Bytes bytes_of(std::string_view text) {
  const ByteView view = std::as_bytes(std::span{text});
  return {view.begin(), view.end()};
}

void append_frame(Bytes& stream, ByteView message) {
  const layout::FrameHead head = layout::make_frame_head(message.size());
  stream.insert(stream.end(), head.view().begin(), head.view().end());
  stream.insert(stream.end(), message.begin(), message.end());
}

// Gives the reader at most `most` bytes at a time; returns what it made of them.
std::vector<Bytes> feed(FrameReader& reader, ByteView stream, std::size_t most) {
  std::vector<Bytes> messages;
  while (!stream.empty()) {
    const MutableByteView room = reader.room();
    EXPECT_FALSE(room.empty());
    const std::size_t size = std::min({room.size(), stream.size(), most});
    std::copy_n(stream.begin(), size, room.begin());
    stream = stream.subspan(size);
    reader.filled(size);
    if (reader.complete()) {
      messages.push_back(reader.take());
    }
  }
  return messages;
}

TEST(Frame, HasABigEndianSizeInFront) {
  const layout::FrameHead shorter = layout::make_frame_head(0x01020304);
  EXPECT_EQ(Bytes(shorter.view().begin(), shorter.view().end()), bytes_of("\1\2\3\4"));
  EXPECT_EQ(layout::make_frame_head(0x7fffffff).size, 4U);
  const layout::FrameHead longer = layout::make_frame_head(0x80000000);
  const ByteView view = longer.view();
  EXPECT_EQ(Bytes(view.begin(), view.end()),
            bytes_of(std::string_view{"\xff\xff\xff\xff\0\0\0\0\x80\0\0\0", 12}));
}

TEST(Frame, IsPutTogetherFromPiecesOfAnySize) {
  std::vector<Bytes> sent;
  Bytes stream;
  for (const std::size_t size : {0U, 1U, 3U, 4U, 5U, 100U, 70'000U, 0U, 3'000'000U}) {
    sent.emplace_back(size);
    for (std::size_t i = 0; i < size; ++i) {
      sent.back()[i] = static_cast<std::byte>(i * 7 + size);
    }
    append_frame(stream, sent.back());
  }
  for (const std::size_t most :
       {std::size_t{1}, std::size_t{5}, std::size_t{65536}, stream.size()}) {
    FrameReader reader{1 << 24};
    EXPECT_EQ(feed(reader, stream, most), sent) << most;
    EXPECT_FALSE(reader.begun());
  }
}

TEST(Frame, MayBeLongThoughShort) {
  // The long form of the head, though the short one would have done.
  Bytes stream = bytes_of(std::string_view{"\xff\xff\xff\xff\0\0\0\0\0\0\0\2hi", 14});
  FrameReader reader{100};
  const std::vector<Bytes> got = feed(reader, stream, 3);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0], bytes_of("hi"));
}

TEST(Frame, OfAnotherProtocolIsRefused) {
  FrameReader negative{1 << 20};
  EXPECT_THROW(feed(negative, bytes_of(std::string_view{"\x80\0\0\0", 4}), 4), DecodeError);
  FrameReader get{1 << 20};
  EXPECT_THROW(feed(get, bytes_of("GET / HTTP/1.1"), 4), FrameTooLarge);
  FrameReader huge{1 << 20};
  EXPECT_THROW(feed(huge, bytes_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 12),
               FrameTooLarge);
}

TEST(Frame, ThatIsAnnouncedGetsItsMemoryOnlyAsItComes) {
  FrameReader reader{std::uint64_t{1} << 40};
  const layout::FrameHead head = layout::make_frame_head(std::uint64_t{1} << 39);
  EXPECT_TRUE(feed(reader, head.view(), 4).empty());
  EXPECT_TRUE(reader.announced());
  EXPECT_EQ(reader.size(), std::uint64_t{1} << 39);
  EXPECT_LE(reader.room().size(), std::size_t{1} << 20);
}

TEST(Frame, OfRandomBytesIsAMessageOrAnError) {
  std::mt19937_64 random{20261122};
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    Bytes stream(random() % 40);
    std::generate(stream.begin(), stream.end(),
                  [&] { return static_cast<std::byte>(random() % 4 == 0 ? random() : 0); });
    FrameReader reader{1000};
    try {
      for (const Bytes& message : feed(reader, stream, 1 + random() % 8)) {
        ASSERT_LE(message.size(), stream.size());
      }
    } catch (const CodecError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace mp::connection
