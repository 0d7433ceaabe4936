// SPDX-License-Identifier: Apache-2.0
// Starting a process, having it do nothing, and joining it: each start method beside the bare calls
// of POSIX, with a small parent and with one that has touched 1 GiB.
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstring>
#include <string>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/process.hpp"

#include "process/child_process.hpp"
#include "support/registry.hpp"

extern char** environ;

namespace mp::bench {
namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30;
constexpr char kLeaveAtOnce[] = "--leave-at-once";

void nothing() {}

// The parent's size: 0 or 1 GiB of its own, touched.
class Ballast {
 public:
  explicit Ballast(std::size_t size) : size_{size} {
    if (size_ != 0) {
      memory_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      ::madvise(memory_, size_, MADV_NOHUGEPAGE);
      std::memset(memory_, 1, size_);
    }
  }
  ~Ballast() {
    if (size_ != 0) {
      ::munmap(memory_, size_);
    }
  }

 private:
  std::size_t size_;
  void* memory_ = nullptr;
};

void start_join(benchmark::State& state, StartMethod method, std::size_t size) {
  const Ballast ballast{size};
  for (auto _ : state) {
    Process child{{.start = method}, nothing};
    child.start();
    child.join();
  }
}

void raw_fork(benchmark::State& state, std::size_t size) {
  const Ballast ballast{size};
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
  }
}

// The parent waits until the child has ended.
void raw_vfork(benchmark::State& state) {
  for (auto _ : state) {
    const pid_t child = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork): a rival
    if (child == 0) {
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
  }
}

// The same executable, which leaves main at once: as large, as many shared objects, as many static
// objects.
void raw_spawn(benchmark::State& state) {
  char self[] = "/proc/self/exe";
  char leave[sizeof kLeaveAtOnce];
  std::memcpy(leave, kLeaveAtOnce, sizeof leave);
  char* const arguments[] = {self, leave, nullptr};
  for (auto _ : state) {
    pid_t child = 0;
    if (::posix_spawn(&child, self, nullptr, nullptr, arguments, environ) != 0) {
      state.SkipWithError("posix_spawn failed");
      return;
    }
    ::waitpid(child, nullptr, 0);
  }
}

void add_methods(const std::string& size, std::size_t ballast) {
  const std::string name = "process/start_join/" + size;
  add(name + "/mp_forkserver",
      [ballast](auto& state) { start_join(state, StartMethod::forkserver, ballast); });
  add(name + "/posix_fork", [ballast](auto& state) { raw_fork(state, ballast); });
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  if (argc > 1 && std::strcmp(argv[1], kLeaveAtOnce) == 0) {
    return 0;
  }
  add("process/start_join/small/mp_fork",
      [](auto& state) { start_join(state, mp::StartMethod::fork, 0); });
  add("process/start_join/small/mp_spawn",
      [](auto& state) { start_join(state, mp::StartMethod::spawn, 0); });
  add("process/start_join/small/posix_vfork", raw_vfork);
  add("process/start_join/small/posix_spawn", raw_spawn);
  add_methods("small", 0);
  if (!quick()) {
    add_methods("1GiB", kGiB);
  }
  const int status = run(argc, argv);
  mp::process::Zygote::end_forkserver();
  return status;
}
