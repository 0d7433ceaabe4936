// SPDX-License-Identifier: Apache-2.0
// Part of the shared library only. crt1.o's reference to __libc_start_main finds this definition,
// because a program's own libraries are searched before the C library.
#include <cstdio>
#include <cstdlib>

#include "mp/base/export.hpp"

#include "os/start_marker.hpp"
#include "process/entry_hook.hpp"

extern "C" MP_API int __libc_start_main(mp::process::Main main, int argc, char** argv,
                                        void (*init)(), void (*fini)(), void (*rtld_fini)(),
                                        void* stack_end);

int __libc_start_main(mp::process::Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                      void (*rtld_fini)(), void* stack_end) {
  const auto real =
      reinterpret_cast<decltype(&__libc_start_main)>(mp::os::next_symbol("__libc_start_main"));
  if (real == nullptr) {
    std::fputs("mp: this C library has no __libc_start_main\n", stderr);
    std::abort();
  }
  return real(mp::process::catch_main(main), argc, argv, init, fini, rtld_fini, stack_end);
}
