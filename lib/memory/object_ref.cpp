// SPDX-License-Identifier: Apache-2.0
// The references of this process: one record per object, counted, behind a fork-safe lock.
#include "mp/memory/object_ref.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

#include "memory/fork_mutex.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"

namespace mp::detail {

namespace {

struct Record : LocalObject {
  std::atomic<std::uint32_t> references;
  memory::BlockId id;
};

Record& record(LocalObject* local) {
  return *static_cast<Record*>(local);
}

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{30};

// Never destroyed: static objects of users may hold references until the very end.
std::unordered_map<memory::BlockId, std::unique_ptr<Record>>& records() {
  static auto* map = new std::unordered_map<memory::BlockId, std::unique_ptr<Record>>;
  return *map;
}

std::byte* data_of(memory::BlockId id) {
  return memory::block_address_unchecked(id) + sizeof(layout::ObjectHead);
}

}  // namespace

struct ObjectRegistry {
  static ObjectRef make(Record& entry) {
    // Relaxed: the record is guarded by the lock, and the caller's reference keeps it.
    entry.references.fetch_add(1, std::memory_order_relaxed);
    return ObjectRef{&entry, data_of(entry.id)};
  }
};

ObjectRef ObjectRef::from_id(std::uint64_t id, std::uint32_t type) {
  const auto wanted = static_cast<memory::ObjectType>(type);
  if (memory::object_type(id) != wanted || wanted == memory::ObjectType::none) {
    throw DecodeError{"the message refers to no shared object of the expected kind"};
  }
  const std::uint64_t me = memory::this_process();
  const std::lock_guard hold{mutex};
  std::unique_ptr<Record>& place = records()[id];
  if (place == nullptr) {
    place = std::make_unique<Record>();
    place->id = id;
    place->generation.store(fork_generation - 1, std::memory_order_relaxed);  // nobody has it yet
  }
  if (place->generation.load(std::memory_order_relaxed) != fork_generation) {
    if (!memory::is_holder(id, me)) {
      memory::add_holder(id, me);
    }
    place->generation.store(fork_generation, std::memory_order_release);
  }
  return ObjectRegistry::make(*place);
}

ObjectRef::ObjectRef(const ObjectRef& other) noexcept : local_{other.local_}, data_{other.data_} {
  if (local_ != nullptr) {
    record(local_).references.fetch_add(1, std::memory_order_relaxed);  // `other` keeps it
  }
}

ObjectRef& ObjectRef::operator=(const ObjectRef& other) noexcept {
  if (this != &other) {
    ObjectRef copy{other};
    *this = std::move(copy);
  }
  return *this;
}

ObjectRef& ObjectRef::operator=(ObjectRef&& other) noexcept {
  if (this != &other) {
    reset();
    local_ = std::exchange(other.local_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
  }
  return *this;
}

void ObjectRef::reset() noexcept {
  LocalObject* local = std::exchange(local_, nullptr);
  data_ = nullptr;
  if (local == nullptr) {
    return;
  }
  Record& entry = record(local);
  std::uint32_t seen = entry.references.load(std::memory_order_relaxed);
  while (seen > 1) {
    // Release: our uses of the object come before the last holder's farewell.
    if (entry.references.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel)) {
      return;
    }
  }
  std::unique_ptr<Record> last;
  {
    const std::lock_guard hold{mutex};
    // from_id may have found the record meanwhile.
    if (entry.references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
      return;
    }
    const auto place = records().find(entry.id);
    last = std::move(place->second);
    records().erase(place);
    if (last->generation.load(std::memory_order_relaxed) == fork_generation) {
      memory::remove_holder(last->id, memory::this_process());
    }
  }
}

std::uint64_t ObjectRef::id() const {
  MP_EXPECTS(local_ != nullptr, "an empty handle refers to no shared object");
  static_cast<void>(data());
  return record(local_).id;
}

void ObjectRef::adopt() const {
  Record& entry = record(local_);
  const std::lock_guard hold{mutex};
  if (entry.generation.load(std::memory_order_relaxed) == fork_generation) {
    return;
  }
  if (!memory::adopt_object(entry.id)) {
    throw WrongProcess{"the object behind a handle inherited by fork is gone"};
  }
  entry.generation.store(fork_generation, std::memory_order_release);
}

}  // namespace mp::detail
