// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/shareable_list.hpp"

#include <array>
#include <cstring>
#include <gmock/gmock.h>
#include <random>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mp/errors/error.hpp"

#include "os/check.hpp"
#include "shared/travel.hpp"
#include "support/faults.hpp"

namespace mp {
namespace {

using testing::ElementsAre;

struct Unlinked : ShareableList {
  using ShareableList::ShareableList;
  ~Unlinked() { shm().unlink(); }
};

Bytes bytes_of(std::string_view text) {
  const ByteView view = std::as_bytes(std::span{text});
  return {view.begin(), view.end()};
}

TEST(ShareableList, HoldsWhatPythonsHolds) {
  const Unlinked list{7, 1.5, true, nullptr, std::string{"h\u00e9"}, bytes_of("ab"), ""};
  EXPECT_EQ(list.size(), 7U);
  EXPECT_EQ(list.get<int>(0), 7);
  EXPECT_EQ(list.get<double>(1), 1.5);
  EXPECT_EQ(list.get<bool>(2), true);
  EXPECT_EQ(list.get<std::nullptr_t>(3), nullptr);
  EXPECT_EQ(list.get<std::string>(4), "h\u00e9");
  EXPECT_EQ(list.get<Bytes>(5), bytes_of("ab"));
  EXPECT_EQ(list.get<std::string>(-1), "");
  EXPECT_EQ(list.format(), "qdxxxxxxx?xxxxxx?x8s8s8s");
  EXPECT_EQ(list.shm().size(), 191U);
}

TEST(ShareableList, IsEmptyToo) {
  const Unlinked list{std::vector<ShareableItem>{}};
  EXPECT_EQ(list.size(), 0U);
  EXPECT_EQ(list.format(), "");
  EXPECT_THROW(static_cast<void>(list.get(0)), std::out_of_range);
  const ShareableList same{open, list.shm().name()};
  EXPECT_EQ(same.size(), 0U);
}

TEST(ShareableList, ChangesItemsInTheirRoom) {
  const Unlinked list{7, "short", 1.5};
  list.set(0, "12345678");
  EXPECT_EQ(list.get<std::string>(0), "12345678");
  EXPECT_THROW(list.set(0, "123456789"), UsageError);
  EXPECT_EQ(list.get<std::string>(0), "12345678");
  list.set(1, 3);
  list.set(1, "again");
  EXPECT_EQ(list.get<std::string>(1), "again");
  list.set(-1, false);
  EXPECT_EQ(list.get<bool>(2), false);
  EXPECT_THROW(list.set(3, 1), std::out_of_range);
  EXPECT_THROW(list.set(-4, 1), std::out_of_range);
}

TEST(ShareableList, KeepsBytesOfStrings) {
  const std::string many = "xxxxxxx\u00e9\u20ac\U0001F600";  // 16 bytes, 10 letters
  const std::string zeroes{"a\0b\0\0", 5};
  const Unlinked list{many, zeroes, bytes_of(zeroes), std::string(1, '\0')};
  const ShareableList same{open, list.shm().name()};
  EXPECT_EQ(same.get<std::string>(0), many);
  EXPECT_EQ(same.get<std::string>(1), zeroes);
  EXPECT_EQ(same.get<Bytes>(2), bytes_of(zeroes));
  EXPECT_EQ(same.get<std::string>(3), std::string(1, '\0'));
  list.set(0, zeroes);
  EXPECT_EQ(same.get<std::string>(0), zeroes);
  // What the format cannot say: zeroes up to the last byte of the room.
  list.set(1, std::string{"1234567\0", 8});
  EXPECT_EQ(same.get<std::string>(1), "1234567");
}

TEST(ShareableList, CountsAndFinds) {
  const Unlinked list{1, 2, 1, "x", nullptr};
  EXPECT_EQ(list.count(1), 2U);
  EXPECT_EQ(list.count("y"), 0U);
  EXPECT_EQ(list.index("x"), 3U);
  EXPECT_EQ(list.index(nullptr), 4U);
  EXPECT_THROW(static_cast<void>(list.index(9)), UsageError);
}

TEST(ShareableList, TellsOtherTypes) {
  const Unlinked list{1, 300, "x"};
  EXPECT_THROW(static_cast<void>(list.get<double>(0)), TypeMismatch);
  EXPECT_THROW(static_cast<void>(list.get<std::string>(0)), TypeMismatch);
  EXPECT_THROW(static_cast<void>(list.get<bool>(0)), TypeMismatch);
  EXPECT_THROW(static_cast<void>(list.get<int>(2)), TypeMismatch);
  EXPECT_THROW(static_cast<void>(list.get<std::uint8_t>(1)), UsageError);
  EXPECT_THROW((ShareableList{UINT64_MAX}), UsageError);
}

TEST(ShareableList, TravelsByItsName) {
  const Unlinked list{1, 2};
  const ShareableList there = test::send<ShareableList>(list);
  there.set(0, 5);
  EXPECT_EQ(list.get<int>(0), 5);
}

// Opens and reads whatever the bytes are.
void read_all(const SharedMemory& block) {
  try {
    const ShareableList list{open, block.name()};
    for (std::size_t i = 0; i < list.size(); ++i) {
      try {
        static_cast<void>(list.get(static_cast<std::ptrdiff_t>(i)));
      } catch (const DecodeError&) {
      }
    }
  } catch (const DecodeError&) {
  }
}

TEST(ShareableList, BelievesNothing) {
  const Unlinked list{7, 1.5, "text", bytes_of("ab"), nullptr};
  const Bytes honest(list.shm().buf().begin(), list.shm().buf().end());
  std::mt19937_64 random{7};
  for (int round = 0; round < 3000; ++round) {
    const MutableByteView bytes = list.shm().buf();
    std::ranges::copy(honest, bytes.begin());
    for (unsigned i = 0; i <= random() % 4; ++i) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    read_all(list.shm());
  }
  for (const std::int64_t count : {std::int64_t{-1}, std::int64_t{6}, INT64_MAX, INT64_MAX / 8}) {
    std::memcpy(list.shm().buf().data(), &count, sizeof count);
    EXPECT_THROW((ShareableList{open, list.shm().name()}), DecodeError) << count;
  }
}

TEST(ShareableList, TellsThatSomebodyMadeItShorter) {
  const Unlinked list{1, "two", 3.0, std::string(9000, 'x')};
  const int fd = ::shm_open(("/" + list.shm().name()).c_str(), O_RDWR, 0);
  ASSERT_EQ(::ftruncate(fd, 50), 0);
  EXPECT_EQ(list.size(), 4U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_THROW(static_cast<void>(list.get(i)), SegmentBroken);
    EXPECT_THROW(list.set(i, 1), SegmentBroken);
  }
  EXPECT_THROW(static_cast<void>(list.items()), SegmentBroken);
  EXPECT_THROW(static_cast<void>(list.count(1)), SegmentBroken);
  EXPECT_THROW(static_cast<void>(list.format()), SegmentBroken);
  EXPECT_THROW((ShareableList{open, list.shm().name()}), DecodeError);
  ::close(fd);
}

TEST(ShareableList, IsNeverMapped) {
  const Unlinked list{1, 2.5, "text"};
  test::Faults faults;
  faults.fail(os::Sys::mmap, ENOMEM);
  const Unlinked another{3, "four"};
  EXPECT_EQ(another.get<int>(0), 3);
  const ShareableList same{open, list.shm().name()};
  same.set(2, "five");
  EXPECT_EQ(list.get<std::string>(2), "five");
}

TEST(ShareableList, IsAnExceptionWhereMemoryIsFull) {
  const Unlinked list{1, 2};
  test::Faults faults;
  faults.fail(os::Sys::pwrite, ENOSPC);
  EXPECT_THROW(list.set(0, 5), OutOfMemory);
  EXPECT_THROW((ShareableList{create, "mp-test-list-full-" + std::to_string(::getpid()), {1}}),
               OutOfMemory);
  EXPECT_THROW((ShareableList{open, "mp-test-list-full-" + std::to_string(::getpid())}), OsError)
      << "what could not be filled is left";
}

TEST(ShareableList, RefusesBadNames) {
  for (const std::string& name : {std::string{}, std::string{"a/b"}, std::string(255, 'x')}) {
    EXPECT_THROW((ShareableList{create, name, {1}}), UsageError) << name;
    EXPECT_THROW((ShareableList{open, name}), UsageError) << name;
  }
}

TEST(ShareableList, IsInNoBlockThatIsTooSmall) {
  const SharedMemory block{create, 15};
  EXPECT_THROW((ShareableList{open, block.name()}), DecodeError);
  block.unlink();
}

}  // namespace
}  // namespace mp
