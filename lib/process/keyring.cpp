// SPDX-License-Identifier: Apache-2.0
#include "process/keyring.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "memory/fork_mutex.hpp"
#include "process/identity.hpp"

namespace mp::process {

namespace {

[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{21};

// Never destroyed: a finalizer may still ask. Guarded by the mutex.
Keyring& learned() {
  static auto* const keys = new Keyring;
  return *keys;
}

auto find(Keyring& keys, std::string_view name) {
  return std::find_if(keys.begin(), keys.end(),
                      [name](const KnownKey& known) { return known.name == name; });
}

}  // namespace

void remember_key(std::string name, std::string key) {
  const std::lock_guard hold{mutex};
  if (const auto known = find(learned(), name); known != learned().end()) {
    known->key = std::move(key);
  } else {
    learned().push_back({std::move(name), std::move(key)});
  }
}

std::optional<std::string> known_key(std::string_view name) {
  {
    const std::lock_guard hold{mutex};
    if (const auto known = find(learned(), name); known != learned().end()) {
      return known->key;
    }
  }
  for (const KnownKey& inherited : identity().keyring) {
    if (inherited.name == name) {
      return inherited.key;
    }
  }
  return std::nullopt;
}

Keyring keyring() {
  const std::lock_guard hold{mutex};
  Keyring all = learned();
  for (const KnownKey& inherited : identity().keyring) {
    if (find(all, inherited.name) == all.end()) {
      all.push_back(inherited);
    }
  }
  return all;
}

}  // namespace mp::process
