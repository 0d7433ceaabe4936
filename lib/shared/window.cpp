// SPDX-License-Identifier: Apache-2.0
// A window with a lock is an object of type lock with bytes behind it, one without is an object of
// type memory of the same shape. So the RLock of a Value is an ordinary RLock handle to the same
// object, and its recovery is that of every lock.
#include "mp/shared/window.hpp"

#include <limits>
#include <stdexcept>
#include <string>

#include "mp/errors/error.hpp"

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

Window Window::take(Reader& in, const char* noun, std::size_t size, Locked locked) {
  const std::uint64_t id = in.take_object(noun);
  const auto type = locked == Locked::yes ? memory::ObjectType::lock : memory::ObjectType::memory;
  ObjectRef ref = ObjectRef::from_id(id, static_cast<std::uint32_t>(type));
  const LockObject& object = sync::lock_object(ref);
  // Read once: others can write there.
  const std::uint64_t bytes = *const_cast<const volatile std::uint64_t*>(&object.payload);
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
