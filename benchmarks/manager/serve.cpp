// SPDX-License-Identifier: Apache-2.0
// manager_serve PATH|PORT — a SyncManager for a client of CPython: says its port, or 0, and serves
// until its input ends. The key is "secret".
#include <cstdio>
#include <cstdlib>
#include <string>

#include "mp/manager.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  const std::string where = argv[1];
  const bool is_path = where.find('/') != std::string::npos;
  mp::SyncManager manager{
      {.address = is_path ? mp::unix_socket(where) : mp::tcp("127.0.0.1", std::stoi(where)),
       .authkey = "secret"}};
  manager.start();
  std::printf("%d\n", manager.address().port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
