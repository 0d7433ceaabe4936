// SPDX-License-Identifier: Apache-2.0
// Starting a process, having it do nothing, and joining it: each start method beside the bare calls
// of POSIX, with a small parent and with one that has touched 1 GiB. Run with
// --benchmark_enable_random_interleaving=true --benchmark_repetitions=9 and compare medians.
#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstring>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mp/process.hpp"

#include "process/child_process.hpp"

extern char** environ;

namespace {

constexpr std::size_t kGiB = std::size_t{1} << 30;
constexpr char kLeaveAtOnce[] = "--leave-at-once";

void nothing() {}

// The parent's size: 0 or 1 GiB of its own, touched.
class Ballast {
 public:
  explicit Ballast(std::int64_t gib) : size_{static_cast<std::size_t>(gib) * kGiB} {
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

void bm_start_join(benchmark::State& state, mp::StartMethod method) {
  const Ballast ballast{state.range(0)};
  for (auto _ : state) {
    mp::Process child{{.start = method}, nothing};
    child.start();
    child.join();
  }
}
BENCHMARK_CAPTURE(bm_start_join, mp_fork, mp::StartMethod::fork)
    ->Arg(0)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(bm_start_join, mp_forkserver, mp::StartMethod::forkserver)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(bm_start_join, mp_spawn, mp::StartMethod::spawn)
    ->Arg(0)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void bm_raw_fork(benchmark::State& state) {
  const Ballast ballast{state.range(0)};
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
  }
}
BENCHMARK(bm_raw_fork)
    ->Name("bm_start_join/posix_fork")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

// The same executable, which leaves main at once: as large, as many shared objects, as many static
// objects.
void bm_raw_spawn(benchmark::State& state) {
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
BENCHMARK(bm_raw_spawn)
    ->Name("bm_start_join/posix_spawn")
    ->Arg(0)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], kLeaveAtOnce) == 0) {
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  mp::process::Zygote::end_forkserver();
  return 0;
}
