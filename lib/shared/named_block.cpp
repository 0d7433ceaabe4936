// SPDX-License-Identifier: Apache-2.0
#include "shared/named_block.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "mp/errors/error.hpp"
#include "mp/memory/object_ref.hpp"

#include "os/map.hpp"
#include "os/memfd.hpp"
#include "os/random.hpp"
#include "process/tracker_child.hpp"

namespace mp::detail {

namespace {

[[noreturn]] void throw_out_of_memory(std::size_t size, int error) {
  throw OutOfMemory{std::to_string(size) + " bytes of shared memory cannot be had: " +
                    std::system_category().message(error)};
}

[[noreturn]] void throw_shorter() {
  throw SegmentBroken{"somebody made this block of shared memory shorter"};
}

// The name of a block that is being made. Unless kept, it goes again with this object.
class Making {
 public:
  Making(const std::string& name, bool track) : name_{name} {
    if (track) {
      ticket_ = memory::register_name(name, memory::NameKind::block);
      process::ensure_tracker();
    }
  }
  ~Making() {
    if (exists_) {
      (void)os::shm_unlink(name_);
    }
    memory::forget_name(ticket_);
  }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;

  void exists() noexcept { exists_ = true; }
  void is(const os::FileIdentity& file) noexcept {
    if (ticket_.valid) {
      memory::name_made(ticket_, file);
    }
  }
  void keep() noexcept {
    exists_ = false;
    ticket_.valid = false;
  }

 private:
  const std::string& name_;
  memory::NameTicket ticket_;
  bool exists_ = false;
};

}  // namespace

void expect_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= os::kLongestName && name != "." &&
                    name != ".." && name.find('/') == std::string::npos &&
                    name.find('\0') == std::string::npos;
  if (!good) {
    throw UsageError{
        "the name of shared memory has 1 to 254 bytes and no slash, and is not \".\" or \"..\""};
  }
}

void expect_size(std::size_t size) {
  if (size == 0 || size > static_cast<std::size_t>(PTRDIFF_MAX)) {
    throw UsageError{"the size of shared memory is at least 1 and at most PTRDIFF_MAX"};
  }
}

std::string make_name() {
  // Drawn for many names at once, and thrown away by a child, which would draw the same.
  struct Supply {
    std::array<std::byte, 64> random;
    std::size_t left = 0;
    std::uint32_t generation = 0;
  };
  static thread_local Supply supply;
  constexpr std::size_t kDigits = 8;
  if (supply.left < kDigits / 2 || supply.generation != fork_generation) {
    os::fill_random(supply.random);
    supply.left = supply.random.size();
    supply.generation = fork_generation;
  }
  std::string name = "psm_";
  for (std::size_t i = 0; i < kDigits / 2; ++i) {
    const auto byte = std::to_integer<unsigned>(supply.random[--supply.left]);
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

std::shared_ptr<NamedBlock> NamedBlock::create(const std::string& name, std::size_t size,
                                               unsigned mode, bool track) {
  Making making{name, track};
  const auto made = os::shm_create(name, mode);
  if (made.error == os::kFileExists) {
    return nullptr;
  }
  os::Fd fd{os::check(made, name)};
  making.exists();
  os::FileIdentity file = os::identity_of(fd.get());
  making.is(file);
  // Memory comes with bytes(). What there can be none for is refused here already.
  const int error = size > os::shm_room(fd.get()) ? os::kNoRoom : os::grow_file(fd.get(), size);
  if (error != 0) {
    throw_out_of_memory(size, error);
  }
  file.size = size;
  auto block = std::make_shared<NamedBlock>(std::move(fd), file);
  making.keep();
  return block;
}

std::shared_ptr<NamedBlock> NamedBlock::open(const std::string& name) {
  os::Fd fd{os::check(os::shm_open(name), name)};
  const os::FileIdentity file = os::identity_of(fd.get());
  if (file.size == 0 || file.size > static_cast<std::uint64_t>(PTRDIFF_MAX)) {
    throw SegmentBroken{"the block of shared memory \"" + name + "\" is empty"};
  }
  return std::make_shared<NamedBlock>(std::move(fd), file);
}

NamedBlock::NamedBlock(os::Fd fd, const os::FileIdentity& file) noexcept
    : fd_{std::move(fd)}, file_{file} {}

NamedBlock::~NamedBlock() {
  os::unmap(mapped_.load(), size());
}

// Several threads may come at once: the mapping of the first is everybody's.
std::byte* NamedBlock::map() const {
  const auto mapped = os::map_shared(fd_.get(), size());
  if (!mapped.ok()) {
    throw_out_of_memory(size(), mapped.error);
  }
  if (file_.memory < size()) {  // of one that was opened; what others gave it since does no harm
    if (const int error = os::shm_commit(fd_.get(), mapped.value, size())) {
      os::unmap(mapped.value, size());
      throw_out_of_memory(size(), error);
    }
  }
  std::byte* known = nullptr;
  auto* const mine = static_cast<std::byte*>(mapped.value);
  // Release: pairs with the acquire in bytes().
  if (!mapped_.compare_exchange_strong(known, mine, std::memory_order_acq_rel)) {
    os::unmap(mine, size());
    return known;
  }
  return mine;
}

void NamedBlock::expect_inside(std::size_t offset, std::size_t size) const {
  if (offset > this->size() || size > this->size() - offset) {
    throw std::out_of_range{std::to_string(size) + " bytes at " + std::to_string(offset) +
                            " are outside a block of " + std::to_string(this->size())};
  }
}

void NamedBlock::read(std::size_t offset, MutableByteView into) const {
  expect_inside(offset, into.size());
  if (os::read_at(fd_.get(), offset, into) != into.size()) {
    throw_shorter();
  }
}

void NamedBlock::write(std::size_t offset, ByteView from) const {
  expect_inside(offset, from.size());
  check();  // or it would become longer again, with zeroes
  if (const int error = os::write_at(fd_.get(), offset, from)) {
    throw_out_of_memory(from.size(), error);
  }
}

void NamedBlock::check() const {
  if (os::identity_of(fd_.get()).size < size()) {
    throw_shorter();
  }
}

void NamedBlock::unlink(const std::string& name, const os::FileIdentity& file, int fd) {
  // Whoever has it open need not look the name up: a file without links has lost it.
  const auto present = fd >= 0 ? std::optional{os::identity_of(fd)} : os::shm_identity(name);
  if (!present || present->links == 0 || !present->same_file(file)) {
    throw OsError{os::kNoSuchFile, os::name(os::Sys::unlink), name};
  }
  os::check(os::shm_unlink(name), os::Sys::unlink, name);
  memory::forget_file(file);
}

}  // namespace mp::detail
