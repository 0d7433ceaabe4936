// SPDX-License-Identifier: Apache-2.0
// process/entry_hook.hpp — catches a re-executed child before main, after static construction.
//
// The C library starts a program by __libc_start_main(main, ...). Two small files put themselves in
// its place, each where the other cannot:
//
//     entry_wrap.cpp       static library: -Wl,--wrap=__libc_start_main (an INTERFACE link option)
//                          sends the call of crt1.o here, also in fully static executables
//     entry_interpose.cpp  shared library: a symbol of that name, found before the C library's
//
// Both hand the C library caught_main instead of main. So the child has its arguments, environment
// and every static object, and the program's own main never runs in it.
//
// Threads: all this happens while the process has one thread.
#pragma once

namespace mp::process {

using Main = int (*)(int argc, char** argv, char** envp);

// Remembers `real` and returns what is to be called in its place. Called before the C library of
// a static executable is ready: touches nothing but a static variable.
Main catch_main(Main real) noexcept;

// Whether a copy of this program that is started as a child will be caught: the hook was in place
// when this one started, or init() has been called.
[[nodiscard]] bool hook_linked() noexcept;

// Whether this process is a child that has not got as far as its entry: it runs the constructors of
// its static objects. Starting processes from there would go on for ever.
[[nodiscard]] bool is_being_spawned() noexcept;

}  // namespace mp::process
