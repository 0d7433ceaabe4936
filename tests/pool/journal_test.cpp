// SPDX-License-Identifier: Apache-2.0
// Maps that go on where their program died.
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "mp/errors.hpp"
#include "mp/pool.hpp"
#include "mp/shared.hpp"

#include "pool/pool_test_base.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/scratch_dir.hpp"

namespace mp {
namespace {

std::string describe(int x) {
  return "item " + std::to_string(x);
}

class PoolJournalTest : public test::PoolTestBase {
 protected:
  std::string file() const { return (scratch_.path() / "run.journal").string(); }
  MapOptions journaled() const { return {.journal = file()}; }
  static std::vector<int> numbers(int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  test::ScratchDir scratch_;
};
MP_FOR_ALL_START_METHODS(PoolJournalTest);

int count_and_double(Value<int> calls, int x) {
  const std::scoped_lock hold{calls};
  ++*calls;
  return 2 * x;
}

TEST_P(PoolJournalTest, ComputesNothingTwice) {
  Pool pool{options(2)};
  Value<int> calls{0};
  const auto first = pool.map(partial(count_and_double, calls), numbers(50), journaled());
  EXPECT_EQ(*calls, 50);
  EXPECT_EQ(pool.map(partial(count_and_double, calls), numbers(50), journaled()), first);
  EXPECT_EQ(*calls, 50);
  const auto more = pool.map(partial(count_and_double, calls), numbers(60), journaled());
  EXPECT_EQ(more.size(), 60u);
  EXPECT_EQ(more.back(), 118);
  EXPECT_EQ(*calls, 60) << "only what is new";
}

TEST_P(PoolJournalTest, KeepsTheOrderAndChunks) {
  Pool pool{options(2)};
  MapOptions chunked = journaled();
  chunked.chunksize = 7;
  const auto some = pool.map(describe, numbers(20), chunked);
  std::vector<std::string> wanted;
  for (const int x : numbers(40)) {
    wanted.push_back(describe(x));
  }
  EXPECT_EQ(pool.map(describe, numbers(40), chunked), wanted);
  EXPECT_EQ(pool.map(describe, numbers(40), journaled()), wanted);
}

TEST_P(PoolJournalTest, ServesTheIterators) {
  Pool pool{options(2)};
  std::size_t count = 0;
  for (const std::string& text : pool.imap_unordered(describe, numbers(10), journaled())) {
    count += text.empty() ? 0 : 1;
  }
  EXPECT_EQ(count, 10u);
  int next = 0;
  for (const std::string& text : pool.imap(describe, numbers(20), journaled())) {
    EXPECT_EQ(text, describe(next));
    ++next;
  }
  EXPECT_EQ(next, 20);
}

TEST_P(PoolJournalTest, RunsAgainWhatThrew) {
  Pool pool{options(2)};
  Value<int> calls{0};
  const auto fails_first = partial(
      [](Value<int> c, int x) {
        const std::scoped_lock hold{c};
        if (++*c <= 10 && x == 3) {
          throw std::domain_error{"three"};
        }
        return x;
      },
      calls);
  EXPECT_THROW(pool.map(fails_first, numbers(10), journaled()), std::domain_error);
  EXPECT_EQ(*calls, 10) << "the others are run";
  EXPECT_EQ(pool.map(fails_first, numbers(10), journaled()), numbers(10));
  EXPECT_EQ(*calls, 11);
}

int die_in_the_middle(Value<int> calls, int parent, int x) {
  {
    const std::scoped_lock hold{calls};
    ++*calls;
  }
  if (x == 17 && parent != 0) {
    ::kill(parent, SIGKILL);
    for (;;) {
      ::pause();  // the end of one of the parent's threads interrupts it too
    }
  }
  return x + 1;
}

TEST_P(PoolJournalTest, GoesOnAfterTheProgramWasKilled) {
  Value<int> calls{0};
  const auto children = [] { return test::Holdings::now().held.at(test::Resource::child); };
  const auto children_before = children();
  test::Child program{[&] {
    Pool pool{options(1)};
    // A call that is bound to a pid is another call, but not another type.
    pool.map(partial(die_in_the_middle, calls, ::getpid()), numbers(30), journaled());
  }};
  EXPECT_EQ(program.wait(), test::killed_by(SIGKILL));
  // Its workers die with it, and are adopted by this process then.
  EXPECT_TRUE(test::eventually([&] {
    test::reap_adopted();
    return children() == children_before;
  }));
  const int before = *calls;
  EXPECT_EQ(before, 18);
  Pool pool{options(1)};
  const auto all = pool.map(partial(die_in_the_middle, calls, 0), numbers(30), journaled());
  EXPECT_EQ(all.size(), 30u);
  EXPECT_EQ(all.back(), 30);
  // 17 were finished. The last of them may not have been appended yet, nor the one at work.
  EXPECT_LE(*calls - before, 30 - 17 + 16);
  EXPECT_GE(*calls - before, 13);
}

TEST_P(PoolJournalTest, CutsOffATornRecord) {
  Pool pool{options(1)};
  const auto whole = pool.map(describe, numbers(10), journaled());
  const auto size = std::filesystem::file_size(file());
  for (std::uintmax_t cut = 1; cut < 60; cut += 7) {
    std::filesystem::resize_file(file(), size - cut);
    EXPECT_EQ(pool.map(describe, numbers(10), journaled()), whole);
    EXPECT_EQ(std::filesystem::file_size(file()), size);
  }
  std::filesystem::resize_file(file(), 9);  // within its head
  EXPECT_EQ(pool.map(describe, numbers(10), journaled()), whole);
}

TEST_P(PoolJournalTest, DoesNotBelieveARecordThatIsWrong) {
  Pool pool{options(1)};
  const auto whole = pool.map(describe, numbers(4), journaled());
  {
    std::fstream bytes{file(), std::ios::in | std::ios::out | std::ios::binary};
    bytes.seekp(-2, std::ios::end);
    bytes.put('?');
  }
  EXPECT_EQ(pool.map(describe, numbers(4), journaled()), whole);
}

TEST_P(PoolJournalTest, RefusesTheJournalOfAnotherMap) {
  Pool pool{options(1)};
  pool.map(describe, numbers(4), journaled());
  EXPECT_THROW(pool.map([](int x) { return x; }, numbers(4), journaled()), DecodeError);
  EXPECT_THROW(pool.map(describe, std::vector{0, 1, 5, 3}, journaled()), DecodeError);
  EXPECT_EQ(pool.map(describe, numbers(4), journaled()).back(), describe(3)) << "and is unharmed";
  std::ofstream{file()} << "my diary, which nobody must overwrite";
  EXPECT_THROW(pool.map(describe, numbers(4), journaled()), DecodeError);
  std::ofstream{file()} << "short";
  EXPECT_THROW(pool.map(describe, numbers(4), journaled()), DecodeError);
}

TEST_P(PoolJournalTest, SaysWhenTheFileCannotBeHad) {
  Pool pool{options(1)};
  EXPECT_THROW(pool.map(describe, numbers(2), {.journal = "/nowhere/at/all"}), OsError);
  EXPECT_THROW(pool.map(describe, numbers(2), {.journal = "/proc/version"}), OsError);
  auto results = pool.imap(describe, numbers(2), journaled());
  EXPECT_THROW(pool.map(describe, numbers(2), journaled()), OsError) << "it is in use";
  EXPECT_EQ(*results.next(), describe(0));
}

TEST_P(PoolJournalTest, RefusesResultsThatCannotBeKept) {
  Pool pool{options(1)};
  EXPECT_THROW(pool.map([](int x) { return Value<int>{x}; }, numbers(2), journaled()), UsageError);
  EXPECT_EQ(pool.apply(describe, 1), describe(1));
}

TEST_P(PoolJournalTest, SyncsAsOftenAsTold) {
  Pool pool{options(1)};
  for (const JournalSync sync : {JournalSync::always, JournalSync::never, JournalSync::at_end}) {
    EXPECT_EQ(pool.map(describe, numbers(3), {.journal = file(), .sync = sync}).size(), 3u);
    std::filesystem::remove(file());
  }
}

}  // namespace
}  // namespace mp
