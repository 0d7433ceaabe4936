// SPDX-License-Identifier: Apache-2.0
// Part of the static library only. The link option --wrap=__libc_start_main turns the reference in
// crt1.o into one to __wrap___libc_start_main, which pulls this file out of the archive, even into
// a program that uses nothing else of mp.
#include "process/entry_hook.hpp"

extern "C" {

using mp::process::Main;

int __real___libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                             void (*rtld_fini)(), void* stack_end);

__attribute__((used, visibility("default"))) int __wrap___libc_start_main(
    Main main, int argc, char** argv, void (*init)(), void (*fini)(), void (*rtld_fini)(),
    void* stack_end) {
  return __real___libc_start_main(mp::process::catch_main(main), argc, argv, init, fini, rtld_fini,
                                  stack_end);
}

}  // extern "C"
