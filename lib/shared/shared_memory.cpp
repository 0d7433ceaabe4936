// SPDX-License-Identifier: Apache-2.0
#include "mp/shared/shared_memory.hpp"

#include "mp/errors/error.hpp"

#include "memory/names.hpp"
#include "shared/named_block.hpp"

namespace mp {

SharedMemory::SharedMemory(Create, std::size_t size, const SharedMemoryOptions& options)
    : size_{size} {
  detail::expect_size(size);
  do {
    name_ = detail::make_name();
    block_ = detail::NamedBlock::create(name_, size, options.mode, options.track);
  } while (block_ == nullptr);
  device_ = block_->file().device;
  inode_ = block_->file().inode;
}

SharedMemory::SharedMemory(Create, const std::string& name, std::size_t size,
                           const SharedMemoryOptions& options)
    : name_{name}, size_{size} {
  detail::expect_name(name);
  detail::expect_size(size);
  block_ = detail::NamedBlock::create(name, size, options.mode, options.track);
  if (block_ == nullptr) {
    throw OsError{os::kFileExists, "shm_open", name};
  }
  device_ = block_->file().device;
  inode_ = block_->file().inode;
}

SharedMemory::SharedMemory(Open, const std::string& name) : name_{name} {
  detail::expect_name(name);
  block_ = detail::NamedBlock::open(name);
  size_ = block_->size();
  device_ = block_->file().device;
  inode_ = block_->file().inode;
}

const detail::NamedBlock& SharedMemory::block() const {
  if (block_ == nullptr) {
    throw ClosedError{"this handle of shared memory was closed"};
  }
  return *block_;
}

MutableByteView SharedMemory::buf() const {
  return block().bytes();
}

std::shared_ptr<std::byte[]> SharedMemory::view() const {
  return {block_, block().bytes().data()};
}

void SharedMemory::read(std::size_t offset, MutableByteView into) const {
  block().read(offset, into);
}

void SharedMemory::write(std::size_t offset, ByteView from) const {
  block().write(offset, from);
}

void SharedMemory::check() const {
  block().check();
}

void SharedMemory::unlink() const {
  os::FileIdentity file;
  file.device = device_;
  file.inode = inode_;
  detail::NamedBlock::unlink(name_, file, block_ != nullptr ? block_->fd() : -1);
}

std::size_t cleanup() {
  return memory::sweep_dead_trees();
}

}  // namespace mp
