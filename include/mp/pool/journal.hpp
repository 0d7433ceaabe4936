// SPDX-License-Identifier: Apache-2.0
// mp/pool/journal.hpp — a file that keeps the results of a map, so that it can go on where its
// program died.
//
//     pool.map(f, xs, {.journal = "run.journal"});
//
// Each item that is finished is appended with its result. The same call on the same file, after
// whatever end, takes what is there and runs only the rest. An item belongs to its place in the
// range and its value, the journal to the types of the call: with others it is refused. What threw
// is not kept, and runs again. The file stays when the map is done; remove it to begin anew.
//
// Two functions of one type cannot be told apart, nor can a function before and after it was
// changed (which is what lets a repaired program go on): a file for each job, and a new one, or
// none, when results that are there should be computed anew.
//
// Threads:   a journal is used by one call at a time, and locked meanwhile.
// Crash:     a record is written at once and has a checksum; a torn one at the end is cut off. What
//            a killed program had appended is there; to survive the end of the machine as well it
//            must be synced, see JournalSync.
// Throws:    DecodeError: the file is no journal, or that of another map; OsError: it cannot be
//            read or written, or (EWOULDBLOCK) is in use; UsageError: the results refer to shared
//            objects.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/pool/raw_result.hpp"

namespace mp {

// When appended records are forced onto the disk: at the end of the map, after each, or never.
enum class JournalSync : std::uint8_t { at_end, always, never };

namespace detail {

[[nodiscard]] MP_API std::uint64_t digest(ByteView bytes,
                                          std::uint64_t before = 0xcbf29ce484222325) noexcept;

class MP_API MapJournal {
 public:
  // Opens the file, or makes it. `identity` stands for the types of the call.
  MapJournal(const std::string& path, std::uint64_t identity, JournalSync sync);
  ~MapJournal();
  MapJournal(const MapJournal&) = delete;
  MapJournal& operator=(const MapJournal&) = delete;

  // The outcome of a chunk of this one item, if it is in the file. Throws DecodeError when another
  // item is in this place.
  [[nodiscard]] std::shared_ptr<RawResult> find(std::uint64_t item, std::uint64_t digest) const;
  // Appends the items of a finished chunk that succeeded. `digests` are those of its items. What
  // goes wrong is kept for finish().
  void append(std::uint64_t first, const std::vector<std::uint64_t>& digests,
              const RawResult& chunk) noexcept;
  // Syncs; throws what went wrong before.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace detail

}  // namespace mp
