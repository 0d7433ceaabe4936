// SPDX-License-Identifier: Apache-2.0
// memory/object.hpp — objects in the arena that live as long as somebody holds them.
//
// An object is a block with an ObjectHead in front. Its holders stand in the head, by name: a
// process, or a message on its way that refers to the object. When the last holder leaves, whoever
// cleared the last cell destroys it; when a process is killed the sweep clears its cells. Handles
// of users are process-local references (mp::detail::ObjectRef); however many there are, the
// process stands in the head once.
//
// Crash: adding and removing a holder are one store each. Destruction is marked in the block's word
//        and may be continued by anyone, so ObjectOps::destroy must be idempotent.
#pragma once

#include <cstdint>

#include "mp/memory/object_ref.hpp"

#include "memory/allocator.hpp"

namespace mp::memory {

// One per kind of shared object of the library; the numbers stand in shared memory.
enum class ObjectType : std::uint32_t {
  none = 0,
  memory = 1,  // plain bytes: Value, Array, and the words of sync
  lock = 2,
  semaphore = 3,
  condition = 4,
  event = 5,
  barrier = 6,
  queue = 7,
  pipe = 8,
  pool = 9,
  buffer = 10,
  pipe_end = 11,
  fork_lanes = 12,
  test = 15,
  kCount = 16,  // NOLINT(readability-identifier-naming): a number, no type
};

// What the floors above tell this one about their objects. Null where there is nothing to do.
struct ObjectOps {
  // Frees what the object owns (blocks it refers to). The object's own block is freed by the
  // caller. Nobody else uses the object, but an earlier destroyer may have died half-way.
  void (*destroy)(std::byte* object) = nullptr;
  // `process` is dead: take it out of the object's own tables (permits, ends). Idempotent.
  void (*on_death)(std::byte* object, ProcessId process) = nullptr;
  // `process` leaves in order: the last handle there is gone.
  void (*on_release)(std::byte* object, ProcessId process) = nullptr;
};
// Called from static constructors of the floors above.
bool register_object_type(ObjectType type, const ObjectOps& ops) noexcept;

// Builds an object of `size` bytes (after the head): allocates, calls `construct` on zeroed memory,
// then publishes it with this process as its first holder.
[[nodiscard]] mp::detail::ObjectRef make_object(ObjectType type, std::uint64_t size,
                                                bool sparse = false);
// The same in two steps, for objects that need non-zero contents before anybody may see them.
class ObjectBuilder {
 public:
  ObjectBuilder(ObjectType type, std::uint64_t size, bool sparse = false);
  ~ObjectBuilder();  // gives the block back unless published
  ObjectBuilder(const ObjectBuilder&) = delete;
  ObjectBuilder& operator=(const ObjectBuilder&) = delete;
  [[nodiscard]] std::byte* data() const noexcept;
  [[nodiscard]] mp::detail::ObjectRef publish();

 private:
  Block block_;
};

// The type of the object behind an id of unknown origin; none when it is no live object.
[[nodiscard]] ObjectType object_type(BlockId id) noexcept;

// A holder is a ProcessId or the BlockId of a message (never equal: an id of a block has bits above
// the low 32 set).
// Adds `holder` to the object's holders. The caller keeps the object alive meanwhile (it holds it
// or owns a message that does). Throws OutOfMemory.
void add_holder(BlockId object, std::uint64_t holder);
// Whether `holder` is among them.
[[nodiscard]] bool is_holder(BlockId object, std::uint64_t holder) noexcept;
// Calls visit(context, holder) for every holder that the object has at this moment.
void for_each_holder(BlockId object, void (*visit)(void* context, std::uint64_t holder),
                     void* context) noexcept;
// Makes this process a holder of an object that nobody keeps alive for it (a handle inherited by
// fork). Returns whether the object was still there.
[[nodiscard]] bool adopt_object(BlockId object);
// Removes `holder`, and destroys the object when it was the last. Nothing happens when the object
// is gone or `holder` is none of its holders.
void remove_holder(BlockId object, std::uint64_t holder) noexcept;
// Destroys an object that nobody holds any more, if whoever should have done so is dead. For who
// waits for that end and cannot rely on somebody's sweep.
void finish_destruction(BlockId object) noexcept;

}  // namespace mp::memory
