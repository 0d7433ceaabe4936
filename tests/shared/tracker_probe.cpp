// SPDX-License-Identifier: Apache-2.0
// A tree of processes of its own, which makes named memory and ends in the way that it is told,
// after a line on its standard input.
#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "mp/shared/shared_memory.hpp"

namespace {

void await_line() {
  char each = 0;
  while (::read(0, &each, 1) == 1 && each != '\n') {
  }
}

void make(std::vector<mp::SharedMemory>& blocks, bool track) {
  blocks.emplace_back(mp::create, 100, mp::SharedMemoryOptions{.track = track});
  std::puts(blocks.back().name().c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int, char** argv) {
  const std::string_view how{argv[1]};
  std::vector<mp::SharedMemory> blocks;
  make(blocks, how != "untracked");
  await_line();
  if (how == "again") {  // enough names for a look whether the tracker lives
    for (int i = 0; i < 16; ++i) {
      make(blocks, true);
    }
    await_line();
  }
  if (how == "kill") {
    std::raise(SIGKILL);
  }
  if (how == "orphan" && ::fork() == 0) {
    await_line();
    std::raise(SIGKILL);
  }
  ::_exit(0);
}
