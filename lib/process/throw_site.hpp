// SPDX-License-Identifier: Apache-2.0
// process/throw_site.hpp — where an exception was thrown, for those who catch it.
//
//     try {
//       body();
//     } catch (const ThrowSite&) {       // never entered
//     } catch (const std::exception& e) {
//       report(e, stack_of_throw());
//     }
//
// No exception has the type ThrowSite. But the unwinder looks for a handler before it unwinds
// anything (phase 1 of the Itanium C++ ABI's two), and asks the clauses of a try block one after
// the other: being asked, this one notes the stack, which still stands as it was at the throw.
//
// Threads: a note is the thread's own. Nothing is noted for what is caught further in.
#pragma once

#include <cstdint>
#include <vector>

namespace mp::process {

struct ThrowSite {
  ThrowSite() = delete;
  // Never defined, so that the type's type_info is not made by the compiler but in throw_site.cpp.
  virtual ~ThrowSite();
};

// The addresses of the last exception that passed this thread's ThrowSite clauses, innermost first,
// from the throwing function up to and without the function that `catcher`, a return address into
// it, stands for.
[[nodiscard]] std::vector<std::uint64_t> stack_of_throw(const void* catcher);

}  // namespace mp::process
