// SPDX-License-Identifier: Apache-2.0
// mp/shared/shared_memory.hpp — a block of shared memory with a name, for unrelated processes and
// for Python.
//
//     mp::SharedMemory block{mp::create, 4096};          // a name is made up: "psm_01234567"
//     std::ranges::fill(block.buf(), std::byte{7});
//     ...                                                // in any process of this machine:
//     mp::SharedMemory same{mp::open, "psm_01234567"};
//     ...
//     block.unlink();                                    // when nobody needs the name any more
//
// Memory that is only shared within one tree of processes wants no name: see Value, Array, Buffer.
//
// Threads:   distinct handles are independent; the bytes are guarded by nobody.
// Processes: the name is what others need: a string, or the handle itself as an argument or
// message,
//            which opens the block by its name in the receiver. Copies share one mapping.
// Fork:      an inherited handle works.
// Crash:     a block has no holders: it lasts until somebody unlinks it. What a tree of processes
//            made and did not unlink is removed by the tree's tracker once the last process of the
//            tree is gone, however it went; should the tracker have been killed as well, by
//            cleanup(). Who merely attaches never causes a removal. A program whose start mp cannot
//            catch (mp/process/entry.hpp) has no tracker.
// Owns:      the mapping, which the last handle and the last view of it end; never the name.
//            A block whose file a stranger makes shorter has lost its memory: touching what is gone
//            is a SIGBUS, as with every mapped file. read(), write() and check() never are.
// Throws:    UsageError for a bad name or size; OutOfMemory for a block larger than all memory that
//            is left, and from buf(), view() and write() when there is no more; OsError: no such
//            block, no permission, exists already; SegmentBroken for a block that is empty or was
//            made shorter; ClosedError after close().
// Python:    multiprocessing.shared_memory.SharedMemory, byte for byte and name for name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/traits.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/shared/open_mode.hpp"

namespace mp {

namespace detail {
class NamedBlock;
}  // namespace detail

struct SharedMemoryOptions {
  unsigned mode = 0600;  // permissions, as for open(2)
  // Whether the block is removed with this tree of processes, if nobody did it before.
  bool track = true;
};

class MP_API SharedMemory {
 public:
  // A new block of `size` zeroes, under a name of our own, or `name`, which must be free.
  SharedMemory(Create, std::size_t size, const SharedMemoryOptions& options = {});
  SharedMemory(Create, const std::string& name, std::size_t size,
               const SharedMemoryOptions& options = {});
  // The block of that name, all of it.
  SharedMemory(Open, const std::string& name);

  // The bytes. Good until the last handle that shares this mapping is closed. The first call maps
  // them, and gives the block real memory wherever it has none yet, which Python leaves to the
  // first touch of each page: where there is no memory left this throws OutOfMemory, and no later
  // access is a SIGBUS for want of it.
  [[nodiscard]] MutableByteView buf() const;
  // The first byte, as a pointer that keeps the mapping alive.
  [[nodiscard]] std::shared_ptr<std::byte[]> view() const;  // NOLINT(modernize-avoid-c-arrays)

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // Copies bytes out or in, without a mapping. If somebody made the block shorter, throws
  // SegmentBroken. Throws std::out_of_range beyond size().
  void read(std::size_t offset, MutableByteView into) const;
  void write(std::size_t offset, ByteView from) const;
  // Throws SegmentBroken if somebody made the block shorter than it was when this handle came to
  // be.
  void check() const;

  // Lets go of the mapping. Closing twice is fine.
  void close() noexcept { block_.reset(); }
  // Removes the name; who has the block open keeps it. Throws OsError if the name is gone already,
  // or names another block by now.
  void unlink() const;

 private:
  const detail::NamedBlock& block() const;

  std::shared_ptr<detail::NamedBlock> block_;
  std::string name_;
  std::size_t size_;
  std::uint64_t device_;
  std::uint64_t inode_;
};

// Removes named memory that programs of this user have left behind which were killed together with
// their trackers. Returns how many blocks.
MP_API std::size_t cleanup();

template <>
struct codec<SharedMemory> {
  static constexpr std::string_view kName = "mp.SharedMemory";
  using Parts = CodecParts<std::string>;
  static void write(auto& out, const SharedMemory& block) { mp::write(out, block.name()); }
  static SharedMemory read(Reader& in) { return {open, mp::read<std::string>(in)}; }
};

}  // namespace mp
