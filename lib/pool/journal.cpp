// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/journal.hpp"

#include <array>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "mp/codec/writer.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/raw_call.hpp"

#include "os/file.hpp"
#include "pool/journal_layout.hpp"
#include "pool/result_access.hpp"

namespace mp::detail {

namespace {

constexpr int kInUse = 11;  // EWOULDBLOCK

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = crc_table();

std::uint32_t crc32c(ByteView bytes) noexcept {
  std::uint32_t crc = ~0u;
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<std::uint32_t>(byte)) & 0xff];
  }
  return ~crc;
}

}  // namespace

std::uint64_t digest(ByteView bytes, std::uint64_t before) noexcept {
  for (const std::byte byte : bytes) {
    before = (before ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return before;
}

struct MapJournal::Impl {
  struct Entry {
    std::uint64_t digest;
    Bytes result;
  };

  std::string path;
  JournalSync sync;
  os::File file;
  mutable std::mutex mutex;
  std::unordered_map<std::uint64_t, Entry> entries;
  std::exception_ptr failure;

  void read(std::uint64_t identity) {
    Bytes bytes(file.size());
    bytes.resize(file.read_at(0, bytes));
    layout::JournalHead head{};
    if (bytes.size() < sizeof head) {
      // New, or torn while it was new. Somebody else's file must not be cut off.
      if (!bytes.empty() &&
          std::memcmp(bytes.data(), layout::kJournalMagic,
                      std::min(bytes.size(), sizeof layout::kJournalMagic)) != 0) {
        throw DecodeError{path + " is no journal"};
      }
      file.truncate(0);
      std::memcpy(head.magic, layout::kJournalMagic, sizeof head.magic);
      head.identity = identity;
      file.append(std::as_bytes(std::span{&head, 1}));
      return;
    }
    std::memcpy(&head, bytes.data(), sizeof head);
    if (std::memcmp(head.magic, layout::kJournalMagic, sizeof head.magic) != 0) {
      throw DecodeError{path + " is no journal"};
    }
    if (head.identity != identity) {
      throw DecodeError{path + " is the journal of another map"};
    }
    std::size_t at = sizeof head;
    while (const std::size_t size = read_record(ByteView{bytes}.subspan(at))) {
      at += size;
    }
    if (at != bytes.size()) {
      file.truncate(at);
    }
  }

  // Returns the size of the record; 0 when there is none, or none that is right.
  std::size_t read_record(ByteView bytes) {
    layout::JournalRecord record{};
    if (bytes.size() < sizeof record) {
      return 0;
    }
    std::memcpy(&record, bytes.data(), sizeof record);
    if (record.size > bytes.size() - sizeof record) {
      return 0;
    }
    const std::size_t size = sizeof record + record.size;
    if (crc32c(bytes.first(size).subspan(sizeof record.checksum)) != record.checksum) {
      return 0;
    }
    const ByteView result = bytes.subspan(sizeof record, record.size);
    entries[record.item] = {record.digest, Bytes(result.begin(), result.end())};
    return size;
  }

  void write_record(std::uint64_t item, std::uint64_t item_digest, ByteView result) {
    layout::JournalRecord record{};
    if (result.size() > std::numeric_limits<decltype(record.size)>::max()) {
      throw UsageError{"a result of four gigabytes or more cannot be kept in a journal"};
    }
    record.size = static_cast<std::uint32_t>(result.size());
    record.item = item;
    record.digest = item_digest;
    Bytes bytes(sizeof record + result.size());
    std::memcpy(bytes.data(), &record, sizeof record);
    copy_bytes(bytes.data() + sizeof record, result.data(), result.size());
    record.checksum = crc32c(ByteView{bytes}.subspan(sizeof record.checksum));
    std::memcpy(bytes.data(), &record, sizeof record.checksum);
    file.append(bytes);
  }
};

MapJournal::MapJournal(const std::string& path, std::uint64_t identity, JournalSync sync)
    : impl_{std::make_unique<Impl>()} {
  impl_->path = path;
  impl_->sync = sync;
  impl_->file = os::File::open(path);
  if (!impl_->file.try_lock()) {
    throw OsError{kInUse, "flock", path};
  }
  impl_->read(identity);
}

MapJournal::~MapJournal() = default;

std::shared_ptr<RawResult> MapJournal::find(std::uint64_t item, std::uint64_t item_digest) const {
  const std::lock_guard hold{impl_->mutex};
  const auto found = impl_->entries.find(item);
  if (found == impl_->entries.end()) {
    return nullptr;
  }
  if (found->second.digest != item_digest) {
    throw DecodeError{impl_->path + " is the journal of a map of other items"};
  }
  const Bytes& result = found->second.result;
  Writer out;
  out.write_raw(std::uint8_t{0});  // the call succeeded,
  out.write_count(1);              // with one item,
  out.write_raw(std::uint8_t{0});  // which succeeded
  out.write_count(result.size());
  out.write_bytes(result.data(), result.size());
  auto known = std::make_shared<RawResult>();
  ResultAccess::set_bytes(*known, out.take());
  ResultAccess::finish(known);
  return known;
}

void MapJournal::append(std::uint64_t first, const std::vector<std::uint64_t>& digests,
                        const RawResult& chunk) noexcept {
  const std::lock_guard hold{impl_->mutex};
  if (impl_->failure) {
    return;  // the file may end in half a record, and what is behind that would be lost
  }
  try {
    Reader in{chunk.outcome(), chunk.carrier()};
    BatchOutcome outcome{in};
    bool wrote = false;
    for (std::size_t i = 0; i < digests.size(); ++i) {
      const auto item = outcome.next();
      if (!item || item->failed) {
        continue;
      }
      if (chunk.carrier() != nullptr && ResultAccess::has_objects(chunk)) {
        throw UsageError{"results that refer to shared objects cannot be kept in a journal"};
      }
      impl_->write_record(first + i, digests[i], item->bytes);
      wrote = true;
    }
    if (wrote && impl_->sync == JournalSync::always) {
      impl_->file.sync();
    }
  } catch (const WorkerDied&) {
    // The chunk has no outcome but this; it runs again next time.
  } catch (const Cancelled&) {
  } catch (const TaskTimeout&) {
  } catch (const PoolClosed&) {
  } catch (...) {
    if (!impl_->failure) {
      impl_->failure = std::current_exception();
    }
  }
}

void MapJournal::finish() {
  const std::lock_guard hold{impl_->mutex};
  if (impl_->failure) {
    std::rethrow_exception(std::exchange(impl_->failure, nullptr));
  }
  if (impl_->sync != JournalSync::never) {
    impl_->file.sync();
  }
}

}  // namespace mp::detail
