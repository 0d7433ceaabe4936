// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/shared_memory_manager.hpp"

#include <exception>
#include <set>
#include <stdexcept>
#include <utility>

#include "mp/codec/types/string.hpp"

#include "manager/server.hpp"

namespace mp {

namespace manager {

namespace {

void unlink(const std::string& name) noexcept {
  try {
    const SharedMemory block{open, name};
    block.unlink();
  } catch (const std::exception&) {
    // Somebody was faster.
  }
}

// The names of blocks that end with the server.
class ServedSegments final : public Served {
 public:
  explicit ServedSegments(Server& server) : Served{server, std::string{kSegments}, {}} {}
  ~ServedSegments() override {
    for (const std::string& name : names_) {
      unlink(name);
    }
  }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedSegments> kMethods[] = {{"track", &ServedSegments::track},
                                                          {"release", &ServedSegments::release},
                                                          {"list", &ServedSegments::list}};
    serve_by_name(*this, kMethods, call);
  }

 private:
  void track(CallPtr& call) {
    call->expect(1);
    auto name = call->get<std::string>(0);
    if (name.empty() || name.find('/', 1) != std::string::npos) {
      throw std::invalid_argument("'" + name + "' is no name of shared memory");
    }
    names_.insert(std::move(name));
    call->reply_nothing();
  }
  void release(CallPtr& call) {
    call->expect(1);
    const auto name = call->get<std::string>(0);
    if (names_.erase(name) == 0) {
      throw std::out_of_range("the manager has no shared memory named '" + name + "'");
    }
    unlink(name);
    call->reply_nothing();
  }
  void list(CallPtr& call) {
    std::vector<Item> items;
    std::vector<const Item*> all;
    items.reserve(names_.size());
    for (const std::string& name : names_) {
      all.push_back(&items.emplace_back(make_item(name)));
    }
    call->reply_items(all);
  }

  std::set<std::string> names_;
};

}  // namespace

ObjectPtr make_segments(Server& server) {
  auto segments = std::make_shared<ServedSegments>(server);
  server.enter(segments);
  return segments;
}

}  // namespace manager

namespace {

Proxy segments_of(const BaseManager& manager) {
  return manager.get<Proxy>(manager::kSegments);
}

void hand_over(const Proxy& segments, const SharedMemory& block) {
  try {
    segments.call("track", block.name());
  } catch (...) {
    block.unlink();
    throw;
  }
}

}  // namespace

SharedMemoryManager::SharedMemoryManager(ManagerOptions options) : BaseManager{std::move(options)} {
  detail::ServedType type;
  type.name = manager::kSegments;
  type.kind = detail::ServedType::Kind::standard;
  type.standard = manager::kSegments;
  add_type(std::move(type));
}

SharedMemoryManager::~SharedMemoryManager() = default;

SharedMemory SharedMemoryManager::SharedMemory(std::size_t size) const {
  const Proxy segments = segments_of(*this);
  mp::SharedMemory block{mp::create, size};
  hand_over(segments, block);
  return block;
}

ShareableList SharedMemoryManager::ShareableList(const std::vector<ShareableItem>& items) const {
  const Proxy segments = segments_of(*this);
  mp::ShareableList list{items};
  hand_over(segments, list.shm());
  return list;
}

std::vector<std::string> SharedMemoryManager::segments() const {
  const Proxy segments = segments_of(*this);
  return detail::reply_values<std::string>(
      segments.raw().call_raw("list", segments.raw().encode()));
}

void SharedMemoryManager::release(const std::string& name) const {
  segments_of(*this).call("release", name);
}

}  // namespace mp
