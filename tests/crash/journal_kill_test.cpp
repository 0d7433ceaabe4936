// SPDX-License-Identifier: Apache-2.0
// The journal of a map, with the program killed at every instruction: what was appended before is
// there, a record is whole or cut off, and the file can be used at once.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>

#include "mp/codec/reader.hpp"
#include "mp/codec/writer.hpp"
#include "mp/errors/error.hpp"
#include "mp/pool/journal.hpp"
#include "mp/pool/raw_result.hpp"
#include "mp/process/raw_call.hpp"

#include "harness/kill_harness.hpp"
#include "pool/result_access.hpp"
#include "support/scratch_dir.hpp"

namespace mp::crash {
namespace {

using detail::MapJournal;

constexpr std::uint64_t kIdentity = 77;
constexpr std::uint64_t kItems = 4;

std::string text_of(std::uint64_t item) {
  return std::string(20 + item, static_cast<char>('a' + item));
}
std::uint64_t digest_of(std::uint64_t item) {
  return 1000 + item;
}

// What a chunk of this item returned.
std::shared_ptr<RawResult> outcome_of(std::uint64_t item) {
  const std::string text = text_of(item);
  Writer out;
  out.write_raw(std::uint8_t{0});  // the call succeeded,
  out.write_count(1);              // with one item,
  out.write_raw(std::uint8_t{0});  // which succeeded
  out.write_count(text.size());
  out.write_bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  auto result = std::make_shared<RawResult>();
  ResultAccess::set_bytes(*result, out.take());
  return result;
}

class JournalKill : public testing::Test {
 protected:
  // Opens the journal, appends the item and ends, unless another program has it.
  void append(std::uint64_t item) const {
    try {
      MapJournal journal{path_, kIdentity, sync_};
      journal.append(item, {digest_of(item)}, *outcome_of(item));
      journal.finish();
    } catch (const OsError&) {
    }
  }

  // Whether the item is there; if so, whole.
  static bool has(const MapJournal& journal, std::uint64_t item) {
    const std::shared_ptr<RawResult> known = journal.find(item, digest_of(item));
    if (known == nullptr) {
      return false;
    }
    Reader in{known->outcome()};
    BatchOutcome outcome{in};
    const auto value = outcome.next();
    const std::string text = text_of(item);
    check(value && !value->failed && value->bytes.size() == text.size() &&
              std::equal(value->bytes.begin(), value->bytes.end(),
                         reinterpret_cast<const std::byte*>(text.data())),
          "an item is not what was appended");
    return true;
  }

  // `before` items are in it when the victim appends another one.
  Operation appending(
      const std::string& state, std::uint64_t before, const std::function<void()>& spoil = [] {}) {
    return {.name = "MapJournal.append",
            .state = state,
            .setup =
                [this, before, spoil] {
                  std::filesystem::remove(path_);
                  for (std::uint64_t item = 0; item < before; ++item) {
                    append(item);
                  }
                  spoil();
                },
            .warm = [] { static_cast<void>(outcome_of(0)); },
            .run = [this] { append(kItems - 1); },
            .second = [this] { append(kItems - 2); },
            .while_stopped = [this] { append(kItems - 2); },
            .verify =
                [this, before] {
                  {
                    const MapJournal journal{path_, kIdentity, sync_};
                    for (std::uint64_t item = 0; item < before; ++item) {
                      check(has(journal, item), "an item that was appended is lost");
                    }
                    static_cast<void>(has(journal, kItems - 2));
                    static_cast<void>(has(journal, kItems - 1));
                  }
                  for (std::uint64_t item = 0; item < kItems; ++item) {
                    append(item);
                  }
                  const MapJournal journal{path_, kIdentity, sync_};
                  for (std::uint64_t item = 0; item < kItems; ++item) {
                    check(has(journal, item), "an item cannot be appended any more");
                  }
                }};
  }

  test::ScratchDir scratch_;
  std::string path_ = scratch_ / "run.journal";
  JournalSync sync_ = JournalSync::never;
};

TEST_F(JournalKill, AppendsToANewFile) {
  expect_survival(appending("no file", 0));
}

TEST_F(JournalKill, AppendsToWhatIsThere) {
  sync_ = JournalSync::always;
  expect_survival(appending("two records", 2));
}

TEST_F(JournalKill, AppendsBehindATornRecord) {
  expect_survival(appending("two records and a torn one", 2, [this] {
    append(2);
    std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 3);
  }));
}

TEST_F(JournalKill, AppendsToATornHead) {
  expect_survival(appending("half a head", 0, [this] {
    append(0);
    std::filesystem::resize_file(path_, 9);
  }));
}

}  // namespace
}  // namespace mp::crash
