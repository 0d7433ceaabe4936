// SPDX-License-Identifier: Apache-2.0
// mp/process/entry.hpp — the way into main that most programs need not know about.
//
// A child that is started by spawn executes this program again and is caught before main, without
// any help. Where that cannot be, the program says where it may be caught:
//
//     int main(int argc, char** argv) {
//       mp::init(argc, argv);     // first
//
// Needed only when libmultiprocessing.a is linked by hand without
// -Wl,--wrap=__libc_start_main (CMake and pkg-config pass it), or when the executable reaches the
// shared library only through another one. Elsewhere it does nothing. Where neither is there, as in
// a plugin of a foreign program, spawn throws StartError.
//
// Threads: call it while the program has one thread.
// Throws:  nothing; it does not return in a child.
// Python:  multiprocessing.freeze_support.
#pragma once

#include "mp/base/export.hpp"

namespace mp {

MP_API void init(int argc, char** argv);

}  // namespace mp
