// SPDX-License-Identifier: Apache-2.0
// mp/manager/shared_memory_manager.hpp — named shared memory that goes with its manager.
//
//     mp::SharedMemoryManager manager;
//     manager.start();
//     mp::SharedMemory block = manager.SharedMemory(4096);
//     mp::ShareableList row = manager.ShareableList({1, 2.5, "three"});
//     ...
//     manager.shutdown();                       // both names are gone
//
// The caller makes the memory; the server keeps the names and removes those that are left when it
// ends. Any process of this machine that has the key may connect() and make more, CPython's too.
//
// Threads, Processes, Fork, Throws: as BaseManager, SharedMemory and ShareableList.
// Crash:     when the server is killed, the names go with the tree of processes that made them.
// Owns:      the names, until release() or the end of the server. Whoever has a block open keeps
//            it.
// Python:    multiprocessing.managers.SharedMemoryManager.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "mp/base/export.hpp"
#include "mp/manager/manager.hpp"
#include "mp/shared/shareable_list.hpp"
#include "mp/shared/shared_memory.hpp"

namespace mp {

class MP_API SharedMemoryManager : public BaseManager {
 public:
  explicit SharedMemoryManager(ManagerOptions options = {});
  ~SharedMemoryManager() override;

  // A new block of `size` zeroes.
  [[nodiscard]] mp::SharedMemory SharedMemory(std::size_t size) const;
  [[nodiscard]] mp::ShareableList ShareableList(const std::vector<ShareableItem>& items) const;
  // The names that the server keeps.
  [[nodiscard]] std::vector<std::string> segments() const;
  // Removes a name before the end. Throws std::out_of_range if the server does not keep it.
  void release(const std::string& name) const;
};

}  // namespace mp
