// SPDX-License-Identifier: Apache-2.0
// mp/pool/worker_state.hpp — an object of which every worker has its own, for all its tasks.
//
//     int count(const std::string& word) {
//       Index& index = mp::worker_state<Index>("words.idx");   // opened once in each worker
//       return index.count(word);
//     }
//
// It is made when a worker first asks for one of its type, in a task or in the initializer, and
// destroyed when the worker ends in order, behind the pool's worker_exit: the last made first.
//
// Threads:   an object belongs to the thread that asks: in a worker process the one that runs the
//            tasks, in a ThreadPool each of its threads. Other threads get objects of their own.
// Processes: each has its own; a fork copies none that it would then destroy.
// Crash:     who is killed destroys nothing.
// Throws:    what the constructor throws; the next call tries again.
// Python:    what one keeps in globals that Pool's initializer sets; mpire's worker_state.
#pragma once

#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mp/base/export.hpp"

namespace mp {

namespace detail {

// The calling thread's object of that type; nullptr if there is none.
[[nodiscard]] MP_API void* find_worker_state(const std::type_info& type) noexcept;
// Keeps it until the worker's end.
MP_API void keep_worker_state(const std::type_info& type, std::shared_ptr<void> state);

}  // namespace detail

// The worker's T. The first call makes it of the arguments; later ones ignore them.
template <class T, class... Args>
T& worker_state(Args&&... args) {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>);
  if (void* found = detail::find_worker_state(typeid(T))) {
    return *static_cast<T*>(found);
  }
  auto made = std::make_shared<T>(std::forward<Args>(args)...);
  T& state = *made;
  detail::keep_worker_state(typeid(T), std::move(made));
  return state;
}

}  // namespace mp
