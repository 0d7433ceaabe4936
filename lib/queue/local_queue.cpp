// SPDX-License-Identifier: Apache-2.0
#include "queue/local_queue.hpp"

#include <mutex>
#include <unordered_map>

#include "memory/fork_mutex.hpp"

namespace mp::detail {

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{40};

// Never destroyed: static objects of users may hold queues until the very end.
std::unordered_map<std::uint64_t, std::weak_ptr<LocalQueue>>& known() {
  static auto* map = new std::unordered_map<std::uint64_t, std::weak_ptr<LocalQueue>>;
  return *map;
}

}  // namespace

std::shared_ptr<LocalQueue> local_queue(std::uint64_t id) {
  static std::uint64_t serial = 0;  // guarded by mutex
  const std::lock_guard hold{mutex};
  std::weak_ptr<LocalQueue>& place = known()[id];
  std::shared_ptr<LocalQueue> local = place.lock();
  if (local == nullptr) {
    // No id comes back, so an entry is removed as soon as its queue is gone from this process. The
    // deleter looks again: somebody may have made a new one meanwhile.
    local = {new LocalQueue{}, [id](LocalQueue* gone) {
               delete gone;
               const std::lock_guard again{mutex};
               const auto found = known().find(id);
               if (found != known().end() && found->second.expired()) {
                 known().erase(found);
               }
             }};
    local->serial = ++serial;
    place = local;
  }
  return local;
}

}  // namespace mp::detail
