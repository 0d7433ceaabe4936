// SPDX-License-Identifier: Apache-2.0
// process/identity.hpp — what this process knows of itself.
//
// Threads: reading takes no lock; what is read stays as it is for ever. Changing is guarded by a
// fork-safe lock, and keeps what was before: a process is named once or twice in its life.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "process/child_process.hpp"

namespace mp::process {

// What this process is called and has inherited. Its authkey is empty until somebody asks for it.
[[nodiscard]] const Identity& identity() noexcept;
// Made when it is first asked for.
[[nodiscard]] const std::string& authkey();

// An identity in memory that is never freed once it is set, with the one before it, since somebody
// may still be reading that.
struct KeptIdentity {
  Identity identity;
  const KeptIdentity* before;
};
[[nodiscard]] std::unique_ptr<const KeptIdentity> keep(Identity identity);

// What was kept by the parent before it forked costs its child no page.
void set_identity(std::unique_ptr<const KeptIdentity> identity) noexcept;
void set_name(std::string name);
void set_authkey(std::string key);

// Gives the next child its numbers, and the name that follows from them: Process-2, Process-2:1.
struct ChildNumber {
  std::vector<int> path;
  std::string name;
};
[[nodiscard]] ChildNumber next_child_number();

// What the child of `spec` is told: its name and numbers, and what it inherits.
[[nodiscard]] Identity child_identity(const ChildSpec& spec);

}  // namespace mp::process
