// SPDX-License-Identifier: Apache-2.0
// A segment is built in a file without a name, and the name is given last, by one call that cannot
// be half done. Who has it open holds the file's lock, shared: the tracker of a tree that goes
// removes the segment only where it gets that lock alone, so a segment lasts until the last tree
// that used it is gone.
#include "mp/shared/raw_segment.hpp"

#include <boost/version.hpp>
#include <new>
#include <span>
#include <system_error>
#include <utility>

#include "mp/errors/error.hpp"

#include "memory/names.hpp"
#include "os/robust_mutex.hpp"
#include "process/tracker_child.hpp"
#include "shared/named_block.hpp"
#include "shared/segment_layout.hpp"

namespace mp::detail {

using layout::SegmentHead;
using layout::SegmentStamp;

namespace {

void expect_room(std::size_t size) {
  expect_size(size);
  if (size < layout::kSmallestSegment) {
    throw UsageError{"a Segment has at least 8192 bytes"};
  }
}

void check_head(const NamedBlock& block, const std::string& name) {
  SegmentStamp stamp{};
  if (block.size() >= layout::kSmallestSegment) {
    block.read(0, std::as_writable_bytes(std::span{&stamp, 1}));
  }
  if (stamp.magic != layout::kSegmentMagic || stamp.version != layout::kSegmentVersion ||
      stamp.boost != BOOST_VERSION || stamp.size != block.size()) {
    throw DecodeError{"\"" + name + "\" is no Segment of this version of mp"};
  }
}

}  // namespace

SegmentMutex::SegmentMutex() {
  static_assert(sizeof(storage_) == os::kRobustMutexSize);
  os::robust_init(storage_.data());
}

bool SegmentMutex::acquire(Deadline until) {
  const os::Robust result = os::robust_lock(storage_.data(), until);
  if (result == os::Robust::busy) {
    return false;
  }
  if (result == os::Robust::owner_died) {
    is_broken_.store(1);  // the commit: nothing takes it back
    os::robust_go_on(storage_.data());
  }
  if (is_broken_.load() != 0) {
    os::robust_unlock(storage_.data());
    throw SegmentBroken{"somebody was killed while changing the segment"};
  }
  return true;
}

void SegmentMutex::unlock() noexcept {
  os::robust_unlock(storage_.data());
}

RawSegment::RawSegment(Create, const std::string& name, std::size_t size,
                       const SharedMemoryOptions& options, Build build)
    : name_{name} {
  expect_name(name);
  expect_room(size);
  if (!make(size, options, build)) {
    throw OsError{os::kFileExists, os::name(os::Sys::linkat), name};
  }
}

RawSegment::RawSegment(Open, const std::string& name) : name_{name} {
  expect_name(name);
  if (!find()) {
    throw OsError{os::kNoSuchFile, os::name(os::Sys::open), name};
  }
}

RawSegment::RawSegment(OpenOrCreate, const std::string& name, std::size_t size,
                       const SharedMemoryOptions& options, Build build)
    : name_{name} {
  expect_name(name);
  expect_room(size);
  while (!find() && !make(size, options, build)) {
  }
}

RawSegment::~RawSegment() = default;

bool RawSegment::make(std::size_t size, const SharedMemoryOptions& options, Build build) {
  os::Fd fd{os::check(os::shm_create_unnamed(options.mode), name_)};
  if (const int error = os::shm_allocate(fd.get(), size)) {
    throw OutOfMemory{"the segment \"" + name_ +
                      "\" cannot be made: " + std::system_category().message(error)};
  }
  (void)os::lock_file(fd.get(), os::FileLock::shared, true);
  const os::FileIdentity file = os::identity_of(fd.get());
  const int descriptor = fd.get();
  auto block = std::make_shared<NamedBlock>(std::move(fd), file);
  auto* head = ::new (static_cast<void*>(block->bytes().data())) SegmentHead;
  head->stamp = {.magic = layout::kSegmentMagic,
                 .version = layout::kSegmentVersion,
                 .boost = BOOST_VERSION,
                 .size = size};
  build(block->bytes().subspan(layout::kSegmentHead));
  memory::NameTicket ticket;
  if (options.track) {
    ticket = memory::register_name(name_, memory::NameKind::segment);
    memory::name_made(ticket, file);  // before it has its name: no other file is meant
    process::ensure_tracker();
  }
  if (const int error = os::shm_give_name(descriptor, name_)) {
    memory::forget_name(ticket);
    if (error == os::kFileExists) {
      return false;
    }
    os::check(error, os::Sys::linkat, name_);
  }
  block_ = std::move(block);
  return true;
}

bool RawSegment::find() {
  const auto opened = os::shm_open(name_);
  if (opened.error == os::kNoSuchFile) {
    return false;
  }
  os::Fd fd{os::check(opened, name_)};
  (void)os::lock_file(fd.get(), os::FileLock::shared, true);
  const os::FileIdentity file = os::identity_of(fd.get());
  if (file.links == 0) {
    return false;  // removed between the two
  }
  if (file.size < layout::kSmallestSegment) {
    throw DecodeError{"\"" + name_ + "\" is too small for a Segment"};
  }
  auto block = std::make_shared<NamedBlock>(std::move(fd), file);
  check_head(*block, name_);
  (void)block->bytes();  // may throw here, and nowhere else
  memory::register_file(name_, memory::NameKind::segment, file);
  process::ensure_tracker();
  block_ = std::move(block);
  return true;
}

MutableByteView RawSegment::bytes() const noexcept {
  return block_->bytes().subspan(layout::kSegmentHead);
}

SegmentMutex& RawSegment::mutex() const noexcept {
  return reinterpret_cast<SegmentHead*>(block_->bytes().data())->mutex;
}

bool RawSegment::acquire(Deadline until) const {
  check();
  return mutex().acquire(until);
}

void RawSegment::check() const {
  block_->check();
}

void RawSegment::unlink() const {
  NamedBlock::unlink(name_, block_->file(), block_->fd());
}

void throw_segment_full(std::size_t bytes) {
  throw OutOfMemory{"the segment has no room for " + std::to_string(bytes) + " bytes"};
}

void throw_other_type(const char* name) {
  throw TypeMismatch{std::string{"the type that is asked for as \""} + name + "\"",
                     "an object of another type"};
}

}  // namespace mp::detail
