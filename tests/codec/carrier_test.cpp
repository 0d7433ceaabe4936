// SPDX-License-Identifier: Apache-2.0
#include "mp/base/carrier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

namespace mp {
namespace {

struct Handle {
  std::uint64_t id = 0;
  int fd = -1;
};

// Keeps what it is given, and hands it out once.
class Box : public Carrier {
 public:
  void put_object(std::uint64_t id) override { objects.push_back(id); }
  void put_fd(int fd) override { fds.push_back(fd); }
  void take_object(std::uint64_t id) override {
    const auto found = std::find(objects.begin(), objects.end(), id);
    if (found == objects.end()) {
      throw DecodeError{"the message does not carry the object"};
    }
    objects.erase(found);
  }
  int take_fd() override {
    if (fds.empty()) {
      throw DecodeError{"the message carries no descriptor"};
    }
    const int fd = fds.front();
    fds.erase(fds.begin());
    return fd;
  }
  std::vector<std::uint64_t> objects;
  std::vector<int> fds;
};

}  // namespace

template <>
struct codec<Handle> {
  static constexpr std::string_view kName = "test.Handle";
  static constexpr std::size_t kMinSize = 8;
  static void write(auto& out, const Handle& handle) {
    out.put_object(handle.id, "a Handle");
    out.put_fd(handle.fd, "a Handle");
  }
  static Handle read(Reader& in) {
    Handle handle;
    handle.id = in.take_object("a Handle");
    handle.fd = in.take_fd("a Handle");
    return handle;
  }
};

namespace {

using Message = std::map<std::string, std::vector<Handle>>;
const Message kMessage{{"a", {{1, 11}, {2, 12}}}, {"b", {{3, 13}}}};

TEST(Carrier, MovesHandlesInsideAMessageOnce) {
  Box box;
  const Bytes bytes = encode(kMessage, &box);
  EXPECT_THAT(box.objects, testing::ElementsAre(1, 2, 3));  // the count before did not put them
  EXPECT_THAT(box.fds, testing::ElementsAre(11, 12, 13));
  const Message again = decode<Message>(bytes, &box);
  EXPECT_EQ(again.at("b")[0].id, 3u);
  EXPECT_EQ(again.at("a")[1].fd, 12);
  EXPECT_TRUE(box.objects.empty());
  EXPECT_TRUE(box.fds.empty());
  EXPECT_THROW((void)decode<Message>(bytes, &box), DecodeError);  // nothing is carried any more
}

TEST(Carrier, IsToldOfObjectsWithoutEncoding) {
  Box box;
  collect_objects(kMessage, box);
  EXPECT_THAT(box.objects, testing::ElementsAre(1, 2, 3));
}

TEST(Carrier, IsNeededForHandles) {
  try {
    (void)encode(kMessage);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "a Handle can only be sent to a process of the same tree");
  }
  Box box;
  const Bytes bytes = encode(kMessage, &box);
  EXPECT_THROW((void)decode<Message>(bytes), UsageError);
  EXPECT_EQ(encoded_size(kMessage), bytes.size() - kTagSize);
}

TEST(Carrier, RefusesWhatItDoesNotOverride) {
  Carrier bare;
  EXPECT_THROW(bare.put_object(1), UsageError);
  EXPECT_THROW(bare.take_object(1), UsageError);
  EXPECT_THROW(bare.put_fd(1), UsageError);
  EXPECT_THROW((void)bare.take_fd(), UsageError);
}

}  // namespace
}  // namespace mp
