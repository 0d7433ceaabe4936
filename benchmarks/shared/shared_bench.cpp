// SPDX-License-Identifier: Apache-2.0
// Shared data beside the memory, calls and locks that it is made of.
#include <algorithm>
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdio>
#include <mutex>
#include <numeric>
#include <span>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mp/process.hpp"
#include "mp/shared.hpp"
#include "mp/shared/segment_queue.hpp"

#include "support/registry.hpp"

namespace mp::bench {
namespace {

constexpr std::size_t kMany = 100'000'000;

void sum(benchmark::State& state, std::span<double> data) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::accumulate(data.begin(), data.end(), 0.0));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * data.size_bytes()));
}
void raw_sum(benchmark::State& state) {
  void* memory = ::mmap(nullptr, kMany * sizeof(double), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  sum(state, {static_cast<double*>(memory), kMany});
  ::munmap(memory, kMany * sizeof(double));
}
void array_sum(benchmark::State& state) {
  const RawArray<double> data(kMany);
  sum(state, std::span<double>{data});
}

void rlock_alone(benchmark::State& state) {
  RLock lock;
  for (auto _ : state) {
    const std::scoped_lock hold{lock};
    benchmark::ClobberMemory();
  }
}
void value_increment(benchmark::State& state) {
  const Value<long> value{0L};
  for (auto _ : state) {
    const std::scoped_lock hold{value.get_lock()};
    *value += 1;
    benchmark::ClobberMemory();
  }
}
void atomic_increment(benchmark::State& state) {
  const RawValue<std::atomic<long>> value{0L};
  for (auto _ : state) {
    *value += 1;
  }
}

void raw_block(benchmark::State& state) {
  unsigned number = 0;
  char name[32];
  for (auto _ : state) {
    std::snprintf(name, sizeof name, "/psm_%08x", ++number * 2654435761U);
    const int fd = ::shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    benchmark::DoNotOptimize(::ftruncate(fd, 4096));
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::munmap(memory, 4096);
    ::close(fd);
    ::shm_unlink(name);
  }
}
void block(benchmark::State& state) {
  for (auto _ : state) {
    SharedMemory block{create, 4096};
    block.close();
    block.unlink();
  }
}
// The same with the first byte written, which is when the kernel has to give a page in either case.
void raw_block_touched(benchmark::State& state) {
  unsigned number = 0;
  char name[32];
  for (auto _ : state) {
    std::snprintf(name, sizeof name, "/psm_%08x", ++number * 2654435761U);
    const int fd = ::shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    benchmark::DoNotOptimize(::ftruncate(fd, 4096));
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *static_cast<volatile char*>(memory) = 1;
    ::munmap(memory, 4096);
    ::close(fd);
    ::shm_unlink(name);
  }
}
void block_touched(benchmark::State& state) {
  for (auto _ : state) {
    SharedMemory block{create, 4096};
    block.buf()[0] = std::byte{1};
    block.close();
    block.unlink();
  }
}

// One process that puts and gets: two robust locks of the C library are most of it.
void segment_queue(benchmark::State& state) {
  const RawValue<SegmentQueue<long, 64>> queue;
  for (auto _ : state) {
    queue->put(1);
    benchmark::DoNotOptimize(queue->get());
  }
}

void list_get(benchmark::State& state) {
  const ShareableList list{1, 2.5, "text"};
  for (auto _ : state) {
    benchmark::DoNotOptimize(list.get<int>(0));
  }
  list.shm().unlink();
}

std::size_t resident_shared() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::size_t shared = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%zu %zu %zu", &total, &resident, &shared) != 3) {
      shared = 0;
    }
    std::fclose(file);
  }
  return shared * 4096;
}

// 8 GiB, of which a child writes one element; without the start of the child. `resident` is what
// the array added to this process.
void sparse_array(benchmark::State& state) {
  const RawArray<double> warm(1, sparse);
  std::size_t most = 0;
  for (auto _ : state) {
    const std::size_t before = resident_shared();
    const Array<double> data(std::size_t{1} << 30, sparse);
    data[std::size_t{1} << 29] = 1;
    benchmark::DoNotOptimize(data.data());
    most = std::max(most, resident_shared() - std::min(before, resident_shared()));
  }
  state.counters["resident"] = static_cast<double>(most);
}
void sparse_in_a_child(benchmark::State& state) {
  for (auto _ : state) {
    const Array<double> data(std::size_t{1} << 30, sparse);
    Process child{[](const Array<double>& mine) { mine[std::size_t{1} << 29] = 1; }, data};
    child.start();
    child.join();
    if (data[std::size_t{1} << 29] != 1) {
      state.SkipWithError("the child wrote elsewhere");
    }
  }
}
void empty_child(benchmark::State& state) {
  for (auto _ : state) {
    Process child{[] {}};
    child.start();
    child.join();
  }
}

// 100 M doubles take a second to be there.
void add_sums() {
  add("array/sum/100M/mp", array_sum);
  add("array/sum/100M/raw_memory", raw_sum);
}

}  // namespace
}  // namespace mp::bench

int main(int argc, char** argv) {
  using namespace mp::bench;
  if (!quick()) {
    add_sums();
  }
  add("value/increment/-/mp", value_increment);
  add("value/increment/-/mp_atomic", atomic_increment);
  add("value/lock_alone/-/mp", rlock_alone);
  add("shared_memory/life/4KiB/mp", block);
  add("shared_memory/life/4KiB/posix_shm", raw_block);
  add("shared_memory/life_touched/4KiB/mp", block_touched);
  add("shared_memory/life_touched/4KiB/posix_shm", raw_block_touched);
  add("segment_queue/put_and_get/8B/mp", segment_queue);
  add("shareable_list/get/-/mp", list_get);
  add("array/sparse/8GiB/mp", sparse_array);
  add("array/sparse_in_a_child/8GiB/mp", sparse_in_a_child);
  add("array/sparse_in_a_child/8GiB/mp_empty_child", empty_child);
  return run(argc, argv);
}
