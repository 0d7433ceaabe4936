// SPDX-License-Identifier: Apache-2.0
// What the machine can do and no library can beat: two processes that bounce one cache line, and a
// copy of memory. The first is also how a run of comparisons notices that the machine has changed.
#include <atomic>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <sys/uio.h>
#include <unistd.h>

#include "support/latency.hpp"
#include "support/peer.hpp"
#include "support/placement.hpp"
#include "support/registry.hpp"
#include "support/shared.hpp"

namespace mp::bench {
namespace {

constexpr std::uint64_t kLeave = ~std::uint64_t{0};

void await(const std::atomic<std::uint64_t>& line, std::uint64_t value, Placement placement) {
  while (line.load(std::memory_order_acquire) != value) {
    if (placement == Placement::one_cpu) {
      std::this_thread::yield();
    } else {
      __builtin_ia32_pause();
    }
  }
}

// Odd numbers go there, even ones come back.
void bounce(benchmark::State& state, Placement placement) {
  struct alignas(128) Line {
    std::atomic<std::uint64_t> number;
  };
  const Shared<Line> line;
  const Peer peer{[&] {
    pin(cpu_of(placement, 1));
    for (std::uint64_t next = 1;; next += 2) {
      std::uint64_t seen = 0;
      while ((seen = line->number.load(std::memory_order_acquire)) != next) {
        if (seen == kLeave) {
          return;
        }
        if (placement == Placement::one_cpu) {
          std::this_thread::yield();
        } else {
          __builtin_ia32_pause();
        }
      }
      line->number.store(next + 1, std::memory_order_release);
    }
  }};
  const Pinned here{cpu_of(placement, 0)};
  std::uint64_t number = 0;
  const auto once = [&] {
    line->number.store(++number, std::memory_order_release);
    await(line->number, ++number, placement);
  };
  // Warm, but on a busy machine no longer than that takes on a quiet one.
  const auto warm = std::chrono::steady_clock::now() + std::chrono::milliseconds{2};
  while (std::chrono::steady_clock::now() < warm) {
    once();
  }
  for (auto _ : state) {
    once();
  }
  report_latency(state, once);
  line->number.store(kLeave, std::memory_order_release);
}

void copy(benchmark::State& state, std::size_t size) {
  const std::vector<char> from(size, 1);
  std::vector<char> to(size);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), size);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

// The same out of the memory of another process, by the kernel.
void copy_from_process(benchmark::State& state, std::size_t size) {
  std::vector<char> from(size, 1);
  std::vector<char> to(size);
  const Peer peer{[] { ::pause(); }};
  iovec mine{to.data(), size};
  iovec theirs{from.data(), size};
  for (auto _ : state) {
    if (::process_vm_readv(peer.pid(), &mine, 1, &theirs, 1, 0) != static_cast<ssize_t>(size)) {
      state.SkipWithError("process_vm_readv is not permitted");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
  peer.kill();
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  for (const Placement placement : placements()) {
    add("bare/round_trip/line/bare" + suffix(placement),
        [placement](auto& state) { bounce(state, placement); });
  }
  for (const std::size_t size : {8, 64, 1024, 4096, 64 << 10, 1 << 20, 16 << 20, 64 << 20}) {
    if (!quick() || size <= 1 << 20) {
      add("bare/copy/" + bytes(size) + "/memcpy", [size](auto& state) { copy(state, size); });
      add("bare/copy/" + bytes(size) + "/process_vm_readv",
          [size](auto& state) { copy_from_process(state, size); });
    }
  }
  return run(argc, argv);
}
