// SPDX-License-Identifier: Apache-2.0
// Design.  The truth about who holds an object is the set of names in its cells. Adding a holder
// is a CAS on an empty cell, by somebody who holds the object itself; removing one is a store.
// Whoever removes one then looks whether all cells are empty.
//
// Invariants
//   O1  A holder that adds another raises `version` before its own cell is cleared; a sweep does so
//       on behalf of the dead. So a look at the cells with the same version before and after, all
//       empty, means that nobody holds the object and nobody ever will.
//   O2  Destruction begins with a CAS object -> dying(me) on the block's word, which carries the
//       generation: one process destroys, and a look at a block that is another object by now
//       changes nothing.
//   O3  Who writes into an object without holding it (a forked child's first use, the sweep) names
//       it in its thread's `adopting` first and then looks at the word; a destroyer marks the word
//       first and then looks for such names. One of the two sees the other. A destroyer that finds
//       a living one's name leaves the object as dying(nobody), and whoever clears the name picks
//       it up.
#include "memory/object.hpp"

#include <algorithm>
#include <array>

#include "mp/base/contract.hpp"

#include "memory/arena.hpp"
#include "memory/block_word.hpp"
#include "memory/extents.hpp"
#include "memory/gate.hpp"
#include "memory/home.hpp"
#include "memory/processes.hpp"
#include "memory/sweep.hpp"
#include "memory/threads.hpp"

namespace mp::memory {

namespace {

using layout::BlockMeta;
using layout::BlockState;
using layout::HolderPage;
using layout::ObjectHead;
using layout::Word64;

constexpr unsigned kMostPages = 4096;  // more than any set of holders needs; ends a torn chain

std::array<ObjectOps, static_cast<std::size_t>(ObjectType::kCount)> operations{};

ObjectHead& head_of(BlockId object) noexcept {
  return *reinterpret_cast<ObjectHead*>(block_address_unchecked(object));
}
std::byte* data_of(BlockId object) noexcept {
  return block_address_unchecked(object) + sizeof(ObjectHead);
}
const ObjectOps& operations_of(const ObjectHead& head) noexcept {
  const std::uint32_t type = head.type.load(std::memory_order_relaxed);
  return operations[type < operations.size() ? type : 0];
}

bool is_object(std::uint64_t word, BlockId id) noexcept {
  return word_state(word) == BlockState::owned && word_kind(word) == BlockKind::object &&
         word_generation(word) == block_generation(id);
}
bool is_live(BlockId id) noexcept {
  const BlockMeta* meta = block_meta(id);
  return meta != nullptr && is_object(meta->word.load(), id);
}

// Calls visit(cell) for every cell until it returns true; returns that cell or nullptr.
template <class Visit>
Word64* find_cell(BlockId object, Visit&& visit) noexcept {
  ObjectHead& head = head_of(object);
  for (Word64& cell : head.cells) {
    if (visit(cell)) {
      return &cell;
    }
  }
  BlockId more = head.more.load(std::memory_order_acquire);
  for (unsigned pages = 0; more != 0 && pages < kMostPages; ++pages) {
    std::byte* address = block_address(more);
    if (address == nullptr || block_capacity(more) < sizeof(HolderPage)) {
      return nullptr;
    }
    auto* page = reinterpret_cast<HolderPage*>(address);
    for (Word64& cell : page->cells) {
      if (visit(cell)) {
        return &cell;
      }
    }
    more = page->more.load(std::memory_order_acquire);
  }
  return nullptr;
}

bool has_holders(BlockId object) noexcept {
  ObjectHead& head = head_of(object);
  for (;;) {
    const std::uint32_t version = head.version.load();
    if (find_cell(object, [](const Word64& cell) { return cell.load() != 0; }) != nullptr) {
      return true;
    }
    if (head.version.load() == version) {
      return false;
    }
  }
}

// Appends a page of cells to the chain. The CAS of the link is the commit; until then the page
// belongs to this process, afterwards to the object, which its home says.
void append_page(BlockId object) {
  const Block block = allocate(sizeof(HolderPage), {.kind = BlockKind::raw, .zeroed = true});
  Word64* link = &head_of(object).more;
  for (;;) {
    set_home(block.id, layout::HomeKind::cell, link);
    std::uint64_t next = 0;
    if (link->compare_exchange_strong(next, block.id)) {
      return;
    }
    std::byte* address = block_address(next);
    MP_ENSURES(address != nullptr, "the holders of a held object stay");
    link = &reinterpret_cast<HolderPage*>(address)->more;
  }
}

ThreadTag my_tag() {
  return this_thread();
}

layout::ThreadEntry& thread_entry(ThreadTag tag) noexcept {
  return Arena::get().at<layout::ThreadEntry>(layout::kThreadTableOffset)[thread_index(tag)];
}

bool is_being_adopted(BlockId object) noexcept {
  Arena& arena = Arena::get();
  const auto* table = arena.at<layout::ThreadEntry>(layout::kThreadTableOffset);
  const std::uint32_t used = std::min(arena.header().thread_limit.load(), kMaxThreads);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (table[i].adopting.load() != object) {
      continue;
    }
    const std::uint64_t word = table[i].word.load();
    // Who was killed with a name in its entry writes no more, and will not clear it either.
    if (word >> 62 != 0 && !is_dead(static_cast<ProcessId>(word))) {
      return true;
    }
  }
  return false;
}

void free_pages(BlockId object) noexcept {
  // Read the next link before the page goes; a page that is gone already ends the chain.
  BlockId more = head_of(object).more.load();
  for (unsigned pages = 0; more != 0 && pages < kMostPages; ++pages) {
    std::byte* address = block_address(more);
    if (address == nullptr) {
      return;
    }
    const BlockId next = reinterpret_cast<HolderPage*>(address)->more.load();
    free_block(more);
    more = next;
  }
}

// Destroys an object whose word says dying(me).
void destroy(BlockId object) noexcept {
  BlockMeta& meta = *block_meta(object);
  const std::uint32_t generation = block_generation(object);
  const ProcessId me = this_process();
  while (is_being_adopted(object)) {  // O3
    std::uint64_t mine = make_word(BlockState::dying, BlockKind::object, generation, me);
    const std::uint64_t nobodys = make_word(BlockState::dying, BlockKind::object, generation, 0);
    meta.word.compare_exchange_strong(mine, nobodys);
    if (is_being_adopted(object)) {
      return;
    }
    mine = nobodys;
    if (!meta.word.compare_exchange_strong(
            mine, make_word(BlockState::dying, BlockKind::object, generation, me))) {
      return;
    }
  }
  if (const auto& ops = operations_of(head_of(object)); ops.destroy != nullptr) {
    ops.destroy(data_of(object));
  }
  free_pages(object);
  free_block(object);
}

// Destroys the object if nobody holds it.
void destroy_if_unheld(BlockId object) noexcept {
  BlockMeta* meta = block_meta(object);
  if (meta == nullptr || !is_object(meta->word.load(), object) || has_holders(object)) {
    return;
  }
  std::uint64_t word = meta->word.load();
  if (is_object(word, object) && meta->word.compare_exchange_strong(
                                     word, make_word(BlockState::dying, BlockKind::object,
                                                     block_generation(object), this_process()))) {
    destroy(object);
  }
}

// Takes over a destruction whose destroyer is dead or gave it up.
void resume_destruction(BlockId object, ProcessId dead) noexcept {
  BlockMeta& meta = *block_meta(object);
  std::uint64_t word = meta.word.load();
  if (word_state(word) == BlockState::dying && word_kind(word) == BlockKind::object &&
      word_generation(word) == block_generation(object) &&
      (word_owner(word) == 0 || word_owner(word) == dead) &&
      meta.word.compare_exchange_strong(
          word, make_word(BlockState::dying, BlockKind::object, block_generation(object),
                          this_process()))) {
    destroy(object);
  }
}

// Names an object in this thread's entry for as long as it is in scope (O3).
class Adoption {
 public:
  Adoption(ThreadTag tag, BlockId object) : entry_{thread_entry(tag)}, object_{object} {
    entry_.adopting.store(object);
  }
  ~Adoption() {
    entry_.adopting.store(0);
    resume_destruction(object_, 0);
  }
  Adoption(const Adoption&) = delete;
  Adoption& operator=(const Adoption&) = delete;

 private:
  layout::ThreadEntry& entry_;
  BlockId object_;
};

void put_holder(BlockId object, std::uint64_t holder) {
  ObjectHead& head = head_of(object);
  for (;;) {
    const Word64* taken = find_cell(object, [&](Word64& cell) {
      std::uint64_t empty = 0;
      return cell.load(std::memory_order_relaxed) == 0 &&
             cell.compare_exchange_strong(empty, holder);  // the commit
    });
    if (taken != nullptr) {
      head.version.fetch_add(1);  // O1
      return;
    }
    append_page(object);
  }
}

}  // namespace

bool register_object_type(ObjectType type, const ObjectOps& ops) noexcept {
  operations[static_cast<std::size_t>(type)] = ops;
  return true;
}

ObjectBuilder::ObjectBuilder(ObjectType type, std::uint64_t size, bool sparse)
    : block_{allocate(sizeof(ObjectHead) + size,
                      {.kind = BlockKind::fresh, .zeroed = true, .sparse = sparse})} {
  head_of(block_.id).type.store(static_cast<std::uint32_t>(type), std::memory_order_relaxed);
}

ObjectBuilder::~ObjectBuilder() {
  if (block_) {
    free_block(block_.id);
  }
}

std::byte* ObjectBuilder::data() const noexcept {
  return block_.data + sizeof(ObjectHead);
}

mp::detail::ObjectRef ObjectBuilder::publish() {
  const BlockId id = block_.id;
  const ProcessId me = this_process();
  head_of(id).cells[0].store(me, std::memory_order_relaxed);
  // The commit: from here on it is an object, held by this process.
  block_meta(id)->word.store(
      make_word(BlockState::owned, BlockKind::object, block_generation(id), 0));
  block_ = {};
  return mp::detail::ObjectRef::from_id(id, head_of(id).type.load());
}

mp::detail::ObjectRef make_object(ObjectType type, std::uint64_t size, bool sparse) {
  return ObjectBuilder{type, size, sparse}.publish();
}

ObjectType object_type(BlockId id) noexcept {
  if (!is_live(id)) {
    return ObjectType::none;
  }
  return static_cast<ObjectType>(head_of(id).type.load(std::memory_order_relaxed));
}

void add_holder(BlockId object, std::uint64_t holder) {
  put_holder(object, holder);
}

bool is_holder(BlockId object, std::uint64_t holder) noexcept {
  return is_live(object) &&
         find_cell(object, [&](const Word64& cell) { return cell.load() == holder; }) != nullptr;
}

void for_each_holder(BlockId object, void (*visit)(void* context, std::uint64_t holder),
                     void* context) noexcept {
  if (!is_live(object)) {
    return;
  }
  find_cell(object, [&](const Word64& cell) {
    if (const std::uint64_t holder = cell.load()) {
      visit(context, holder);
    }
    return false;
  });
}

void remove_holder(BlockId object, std::uint64_t holder) noexcept {
  if (!is_live(object)) {
    return;
  }
  if (holder <= 0xffffffffu) {
    if (const auto& ops = operations_of(head_of(object)); ops.on_release != nullptr) {
      ops.on_release(data_of(object), static_cast<ProcessId>(holder));
    }
  }
  Word64* cell = find_cell(
      object, [&](const Word64& c) { return c.load(std::memory_order_relaxed) == holder; });
  if (cell == nullptr) {
    return;
  }
  cell->store(0);  // the commit; from here on the object may vanish under us, which O2 allows
  destroy_if_unheld(object);
}

void finish_destruction(BlockId object) noexcept {
  const BlockMeta* meta = block_meta(object);
  if (meta == nullptr) {
    return;
  }
  const std::uint64_t word = meta->word.load();
  if (is_object(word, object)) {
    destroy_if_unheld(object);  // O2: of all who try, one does
  } else if (word_owner(word) == 0 || is_dead(word_owner(word))) {
    resume_destruction(object, word_owner(word));
  }
}

bool adopt_object(BlockId object) {
  const Adoption adoption{my_tag(), object};
  if (!is_live(object)) {
    return false;
  }
  // Whoever started this process may have entered it already.
  if (!is_holder(object, this_process())) {
    put_holder(object, this_process());
  }
  return is_live(object);
}

void sweep_objects(ProcessId dead) noexcept {
  const ThreadTag tag = my_tag();
  const std::uint32_t extents = extent_count();
  for (std::uint32_t e = 0; e < extents; ++e) {
    const Extent& extent = *extent_at(e);
    const std::uint32_t used = std::min(extent.count, extent.head->prepared.load());
    for (std::uint32_t i = 0; i < used; ++i) {
      const std::uint64_t word = extent.metas[i].word.load(std::memory_order_acquire);
      if (word_state(word) == BlockState::free || word_kind(word) != BlockKind::object) {
        continue;
      }
      const BlockId id = make_block_id(e, i, word_generation(word));
      if (word_state(word) == BlockState::dying) {
        resume_destruction(id, dead);
        continue;
      }
      {
        const Adoption adoption{tag, id};
        if (!is_live(id)) {
          continue;
        }
        ObjectHead& head = head_of(id);
        if (const auto& ops = operations_of(head); ops.on_death != nullptr) {
          ops.on_death(data_of(id), dead);
        }
        head.version.fetch_add(1);  // O1
        while (Word64* cell = find_cell(id, [&](const Word64& c) { return c.load() == dead; })) {
          std::uint64_t holder = dead;
          cell->compare_exchange_strong(holder, 0);
        }
      }
      destroy_if_unheld(id);
    }
  }
}

}  // namespace mp::memory
