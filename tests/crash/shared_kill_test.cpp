// SPDX-License-Identifier: Apache-2.0
// Shared data, killed at every instruction: locks of values recover, memory comes back, a segment
// is whole or broken for ever, and no file of a name is left that the register does not know of.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "mp/errors/error.hpp"
#include "mp/shared.hpp"
#include "mp/shared/segment.hpp"
#include "mp/shared/segment_sync.hpp"

#include "harness/kill_harness.hpp"
#include "memory/arena.hpp"
#include "memory/names_layout.hpp"
#include "memory/processes.hpp"
#include "memory/threads.hpp"
#include "memory_checks.hpp"
#include "support/shared.hpp"

namespace mp::crash {
namespace {

using namespace std::chrono_literals;

void register_thread() {
  static_cast<void>(memory::this_thread());
}

// Makes the arena, the register and the tracker in the test program, so that every trial finds
// them, and buries whoever died in the trials before.
class SharedKill : public testing::Test {
 protected:
  SharedKill() { SharedMemory{create, 1}.unlink(); }

  static void expect_survival(Operation operation) {
    operation.setup = [setup = std::move(operation.setup)] {
      memory::bury_the_dead();
      setup();
    };
    crash::expect_survival(operation);
  }

  std::string name_ = "mp-kill-" + std::to_string(::getpid());
};

struct Pair {
  int first;
  int second;
};

TEST_F(SharedKill, LeavesAValueUnderALockThatRecovers) {
  std::optional<Value<Pair>> value;
  const auto add = [&] {
    const std::scoped_lock hold{*value};
    (*value)->first += 1;
    (*value)->second += 1;
  };
  const auto mend = [&] {
    try {
      value->acquire(2s);
    } catch (const OwnerDied&) {
      value->get_lock().recover();
      (*value)->second = (*value)->first;
    }
    check((*value)->first == (*value)->second, "the value is torn and nobody was told");
    value->release();
    add();
  };
  expect_survival(Operation{.name = "Value increment",
                            .state = "free",
                            .setup = [&] { value.emplace(); },
                            .teardown = [&] { value.reset(); },
                            .warm = register_thread,
                            .run = add,
                            .second = mend,
                            .verify = mend});
}

TEST_F(SharedKill, LeaksNoArray) {
  expect_survival(Operation{.name = "Array made and dropped",
                            .state = "1000 doubles",
                            .setup = [] { register_thread(); },
                            .warm = register_thread,
                            .run = [] { const Array<double> data(1000); },
                            .verify =
                                [] {
                                  bury_and_check_tables();
                                  check_heap({});
                                  use_heap();
                                }});
}

// Two who make a block of one name: one of them is told.
void tolerate(const std::function<void()>& body) {
  try {
    body();
  } catch (const OsError&) {
  }
}

// The entries of the register that bear this name and would make the tree's end remove `file`.
bool is_known(const std::string& name, const struct stat& file) {
  using layout::NameEntry;
  std::string path = "/dev/shm/mp-names-";
  const std::uint64_t nonce = memory::Arena::get().header().nonce;
  for (int shift = 60; shift >= 0; shift -= 4) {
    path += "0123456789abcdef"[(nonce >> shift) & 15];
  }
  std::FILE* reg = std::fopen(path.c_str(), "r");
  check(reg != nullptr, "there is no register");
  std::vector<std::byte> bytes(layout::kNamesSize);
  const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), reg);
  std::fclose(reg);
  for (std::size_t at = layout::kNamesOffset; at + sizeof(NameEntry) <= got;
       at += sizeof(NameEntry)) {
    const auto& entry = *reinterpret_cast<const NameEntry*>(bytes.data() + at);
    const auto state = static_cast<layout::NameState>((entry.word.load() >> 32) & 3);
    const bool made = state == layout::NameState::made && entry.inode.load() == file.st_ino;
    const bool making = state == layout::NameState::making && file.st_size == 0;
    if (name == entry.name && (made || making)) {
      return true;
    }
  }
  return false;
}

TEST_F(SharedKill, LeavesNoBlockThatTheRegisterDoesNotKnow) {
  const std::string path = "/dev/shm/" + name_;
  expect_survival(
      Operation{.name = "SharedMemory made and unlinked",
                .state = "no block of that name",
                .setup = [&] { ::unlink(path.c_str()); },
                .teardown = [&] { ::unlink(path.c_str()); },
                .warm = register_thread,
                .run =
                    [&] {
                      const SharedMemory block{create, name_, 5000};
                      block.unlink();
                    },
                .second = [&] { tolerate([&] {
                                  SharedMemory{create, name_, 5000}.unlink();
                                }); },
                .verify =
                    [&] {
                      struct stat file {};
                      if (::stat(path.c_str(), &file) == 0) {
                        check(is_known(name_, file), "a file that nobody will remove");
                        ::unlink(path.c_str());
                      }
                      const SharedMemory again{create, name_, 5000};
                      again.unlink();
                    }});
}

TEST_F(SharedKill, LeavesASegmentWholeOrNot) {
  const std::string path = "/dev/shm/" + name_;
  expect_survival(Operation{.name = "Segment made",
                            .state = "no segment of that name",
                            .setup = [&] { ::unlink(path.c_str()); },
                            .teardown = [&] { ::unlink(path.c_str()); },
                            .warm = register_thread,
                            .run =
                                [&] {
                                  const Segment segment{create, name_, 1 << 16};
                                },
                            .second =
                                [&] {
                                  const Segment segment{open_or_create, name_, 1 << 16};
                                },
                            .verify =
                                [&] {
                                  struct stat file {};
                                  if (::stat(path.c_str(), &file) == 0) {
                                    check(is_known(name_, file),
                                          "a segment that nobody will remove");
                                  }
                                  const Segment segment{open_or_create, name_, 1 << 16};
                                  segment.find_or_construct<int>("x", 1);
                                  segment.unlink();
                                }});
}

TEST_F(SharedKill, LeavesASegmentIntactOrBrokenForEver) {
  std::optional<Segment> segment;
  using Vector = shared_vector<int>;
  const auto add = [&] {
    const std::scoped_lock hold{*segment};
    auto& numbers = segment->find_or_construct<Vector>("numbers");
    for (int i = 0; i < 3; ++i) {
      numbers.push_back(static_cast<int>(numbers.size()));
    }
  };
  const auto verify = [&] {
    try {
      const std::scoped_lock hold{*segment};
      const Vector& numbers = *segment->find<Vector>("numbers");
      check(numbers.size() % 3 == 0, "a change by half, and nobody was told");
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        check(numbers[i] == static_cast<int>(i), "the numbers are torn");
      }
      add();
    } catch (const SegmentBroken&) {
      try {
        segment->lock();
      } catch (const SegmentBroken&) {
        return;
      }
      throw Broken{"broken, and then not"};
    }
  };
  expect_survival(Operation{.name = "Segment changed",
                            .state = "a vector that grows",
                            .setup =
                                [&] {
                                  ::unlink(("/dev/shm/" + name_).c_str());
                                  segment.emplace(create, name_, 1 << 16);
                                  add();
                                },
                            .teardown =
                                [&] {
                                  segment->unlink();
                                  segment.reset();
                                },
                            .warm = register_thread,
                            .run = add,
                            .second = verify,
                            .verify = verify});
}

TEST_F(SharedKill, LeavesASegmentLockThatRecovers) {
  struct Guarded {
    SegmentLock lock;
    std::atomic<int> first{0};
    std::atomic<int> second{0};
  };
  std::optional<test::Shared<Guarded>> shared;
  const auto add = [&] {
    const std::scoped_lock hold{(*shared)->lock};
    (*shared)->first += 1;
    (*shared)->second += 1;
  };
  const auto mend = [&] {
    Guarded& guarded = **shared;
    try {
      check(guarded.lock.acquire(2s), "the lock cannot be had");
    } catch (const OwnerDied&) {
      guarded.lock.recover();
      guarded.second = guarded.first.load();
    }
    check(guarded.first == guarded.second, "the data are torn and nobody was told");
    guarded.lock.release();
    add();
  };
  expect_survival(Operation{.name = "SegmentLock.acquire+release",
                            .state = "free",
                            .setup = [&] { shared.emplace(); },
                            .teardown = [&] { shared.reset(); },
                            .warm = register_thread,
                            .run = add,
                            .second = mend,
                            .verify = mend});
}

}  // namespace
}  // namespace mp::crash
