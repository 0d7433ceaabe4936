// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/shared_memory_manager.hpp"

#include <gtest/gtest.h>
#include <optional>
#include <string>

#include "mp/errors.hpp"
#include "mp/process.hpp"

#include "support/start_methods.hpp"

namespace mp {
namespace {

using namespace std::chrono_literals;

class SharedMemoryManagerTest : public test::StartMethodTest {};
MP_FOR_ALL_START_METHODS(SharedMemoryManagerTest);

bool is_there(const std::string& name) {
  try {
    const SharedMemory block{open, name};
    return true;
  } catch (const OsError&) {
    return false;
  }
}

TEST_P(SharedMemoryManagerTest, NamesGoWithTheManager) {
  SharedMemoryManager manager{{.start = GetParam()}};
  EXPECT_THROW((void)manager.SharedMemory(8), UsageError);
  manager.start();
  const SharedMemory block = manager.SharedMemory(100);
  const ShareableList list = manager.ShareableList({1, 2.5, "three"});
  const std::string early = manager.SharedMemory(1).name();
  EXPECT_EQ(manager.segments().size(), 3U);
  manager.release(early);
  EXPECT_FALSE(is_there(early));
  EXPECT_THROW(manager.release(early), std::out_of_range);
  EXPECT_TRUE(is_there(block.name()));

  // Another process makes one, and sees ours.
  const auto work = [](const std::string& name, const Address& address) {
    SharedMemory{open, name}.buf()[0] = std::byte{7};
    SharedMemoryManager there{{.address = address}};
    there.connect();
    (void)there.SharedMemory(8);
  };
  Process child{{.start = GetParam()}, work, block.name(), manager.address()};
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(block.buf()[0], std::byte{7});
  const std::vector<std::string> names = manager.segments();
  EXPECT_EQ(names.size(), 3U);
  manager.shutdown();
  for (const std::string& name : names) {
    EXPECT_FALSE(is_there(name)) << name;
  }
  EXPECT_EQ(block.buf()[0], std::byte{7});
}

TEST(SharedMemoryManager, TakesNoPathsForNames) {
  SharedMemoryManager manager;
  manager.start();
  const Proxy segments = manager.get<Proxy>("segments");
  EXPECT_THROW(segments.call("track", std::string{"a/b"}), std::invalid_argument);
  EXPECT_THROW(segments.call("track", std::string{}), std::invalid_argument);
  EXPECT_TRUE(manager.segments().empty());
  SyncManager other;
  other.start();
  EXPECT_THROW((void)other.get<Proxy>("segments"), RemoteError);
}

}  // namespace
}  // namespace mp
