// SPDX-License-Identifier: Apache-2.0
// jobs_worker HOST PORT [NAME] — works for a master, on any machine.
#include <cstdio>
#include <exception>

#include "job.hpp"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: JOBS_KEY_FILE=key jobs_worker HOST PORT [NAME]\n");
    return 2;
  }
  try {
    mp::BaseManager board{
        {.address = mp::tcp(argv[1], std::stoi(argv[2])), .authkey = jobs::key()}};
    board.connect();
    jobs::work(board, argc > 3 ? argv[3] : "C++");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "jobs_worker: %s\n", error.what());
    return 1;
  }
}
