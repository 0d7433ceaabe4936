// SPDX-License-Identifier: Apache-2.0
// process/identity.hpp — what this process knows of itself.
//
// Threads: reading and changing is guarded by a fork-safe lock.
#pragma once

#include <string>
#include <vector>

#include "process/child_process.hpp"

namespace mp::process {

// A copy of what this process is called and has inherited.
[[nodiscard]] Identity identity();
void set_identity(Identity identity);
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
