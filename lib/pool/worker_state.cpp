// SPDX-License-Identifier: Apache-2.0
#include "mp/pool/worker_state.hpp"

#include <cstdint>
#include <vector>

#include "mp/memory/object_ref.hpp"

#include "pool/worker_states.hpp"

namespace mp {

namespace {

struct States {
  struct State {
    const std::type_info* type;
    std::shared_ptr<void> object;
  };
  std::vector<State> all;
  std::uint32_t fork_generation = detail::fork_generation;

  ~States() { end(); }
  void end() noexcept {
    while (!all.empty()) {
      const State last = std::move(all.back());
      all.pop_back();  // first: its destructor may ask for others
    }
  }
  // What a fork has copied is the parent's to destroy.
  void forget_inherited() {
    if (fork_generation != detail::fork_generation) {
      static_cast<void>(new std::vector<State>{std::move(all)});
      all.clear();
      fork_generation = detail::fork_generation;
    }
  }
};

States& states() {
  thread_local States mine;
  mine.forget_inherited();
  return mine;
}

}  // namespace

namespace detail {

void* find_worker_state(const std::type_info& type) noexcept {
  for (const States::State& state : states().all) {
    if (*state.type == type) {
      return state.object.get();
    }
  }
  return nullptr;
}

void keep_worker_state(const std::type_info& type, std::shared_ptr<void> state) {
  states().all.push_back({&type, std::move(state)});
}

}  // namespace detail

namespace pool {

void end_worker_states() noexcept {
  states().end();
}

}  // namespace pool

}  // namespace mp
