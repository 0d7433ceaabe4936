// SPDX-License-Identifier: Apache-2.0
// A window with a lock is an object of type lock with bytes behind it, one without is an object of
// type memory of the same shape. So the RLock of a Value is an ordinary RLock handle to the same
// object, and its recovery is that of every lock.
#include "mp/shared/window.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "mp/errors/error.hpp"
#include "mp/shared/extents.hpp"

#include "memory/object.hpp"
#include "sync/lock_word.hpp"

namespace mp::detail {

namespace {

using layout::LockObject;

std::uint64_t product(std::size_t count, std::size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > memory::largest_block()) {
    throw OutOfMemory{std::to_string(count) + " elements of " + std::to_string(size) +
                      " bytes are more than shared memory can hold"};
  }
  return bytes;
}

std::size_t count_of(std::span<const std::size_t> extents) {
  std::size_t count = 1;
  for (const std::size_t each : extents) {
    if (__builtin_mul_overflow(count, each, &count)) {
      throw OutOfMemory{"the product of the extents is more than shared memory can hold"};
    }
  }
  return count;
}

// Others can write there: one load, and what it got is what is checked.
std::uint64_t read_once(const std::uint64_t& word) {
  return *const_cast<const volatile std::uint64_t*>(&word);
}

ObjectRef make_memory(std::uint64_t payload, bool sparse) {
  memory::ObjectBuilder builder{memory::ObjectType::memory, sizeof(LockObject) + payload, sparse};
  reinterpret_cast<LockObject*>(builder.data())->payload = payload;
  return builder.publish();
}

}  // namespace

Window::Window(std::size_t count, std::size_t size, Locked locked, bool sparse)
    : bytes_{product(count, size)} {
  static_assert(kHead == sizeof(LockObject));
  ref_ = locked == Locked::yes ? sync::make_lock_object(layout::kLockRecursive, bytes_, sparse)
                               : make_memory(bytes_, sparse);
}

Window::Window(std::span<const std::size_t> extents, std::size_t size, Locked locked, bool sparse)
    : Window{count_of(extents), size, locked, sparse} {
  LockObject& object = sync::lock_object(ref_);  // nobody else knows it yet
  object.rank = extents.size();
  std::ranges::copy(extents, object.extents);
}

void Window::extents(std::span<std::size_t> to, std::size_t size) const {
  const LockObject& object = sync::lock_object(held());
  const bool same_rank = read_once(object.rank) == to.size();
  if (same_rank) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = read_once(object.extents[i]);
    }
  }
  if (!same_rank || product(count_of(to), size) != bytes_) {
    throw UsageError{"the Array was not made with " + std::to_string(to.size()) + " extents"};
  }
}

Window Window::take(Reader& in, const char* noun, std::size_t size, Locked locked) {
  return from(in, in.take_object(noun), size, locked);
}

Window Window::take(Reader& in, const char* noun, std::size_t size, const RLock& lock) {
  const std::uint64_t id = in.take_object(noun);
  return from(in, id, size, lock.ref_.id() == id ? Locked::yes : Locked::no);
}

Window Window::from(Reader& in, std::uint64_t id, std::size_t size, Locked locked) {
  const auto type = locked == Locked::yes ? memory::ObjectType::lock : memory::ObjectType::memory;
  ObjectRef ref = ObjectRef::from_id(id, static_cast<std::uint32_t>(type));
  const std::uint64_t bytes = read_once(sync::lock_object(ref).payload);
  const std::uint64_t room = memory::block_capacity(id) - sizeof(layout::ObjectHead) - kHead;
  if (bytes > room || bytes % size != 0) {
    in.fail("the message refers to shared memory of another size");
  }
  return Window{std::move(ref), bytes};
}

void throw_out_of_range(std::size_t index, std::size_t size) {
  throw std::out_of_range{"index " + std::to_string(index) + " is outside an array of " +
                          std::to_string(size)};
}

}  // namespace mp::detail
