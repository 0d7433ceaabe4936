// SPDX-License-Identifier: Apache-2.0
// harness/symbol.hpp — "function at file:line" for an address of this program or its libraries.
#pragma once

#include <cstdint>
#include <string>

namespace mp::crash {

// By addr2line where it is installed, otherwise "image+offset". Forked children have the same map.
std::string symbol_of(std::uintptr_t address);

}  // namespace mp::crash
