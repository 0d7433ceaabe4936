// SPDX-License-Identifier: Apache-2.0
// job.hpp — what the master and its workers, in C++ and in Python, have to agree on.
//
// A Job is "how many primes are there from `first` to `last`?". In Python a Job is the tuple
// (id, first, last), and a Done is (id, primes, worker).
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mp/mp.hpp>
#include <stdexcept>
#include <string>

namespace jobs {

struct Job {
  int id;
  std::int64_t first;
  std::int64_t last;
};

struct Done {
  int id;
  std::int64_t primes;
  std::string worker;
};

// The names under which the master serves its queues.
inline constexpr const char* kJobs = "jobs";
inline constexpr const char* kDone = "done";

inline std::int64_t count_primes(std::int64_t first, std::int64_t last) {
  std::int64_t count = 0;
  for (std::int64_t n = first < 2 ? 2 : first; n <= last; ++n) {
    bool prime = true;
    for (std::int64_t divisor = 2; prime && divisor * divisor <= n; ++divisor) {
      prime = n % divisor != 0;
    }
    count += prime ? 1 : 0;
  }
  return count;
}

// The key that master and workers share: the bytes of the file that JOBS_KEY_FILE names.
inline std::string key() {
  const char* name = std::getenv("JOBS_KEY_FILE");
  std::ifstream in{name != nullptr ? name : "", std::ios::binary};
  std::string bytes{std::istreambuf_iterator<char>{in}, {}};
  if (bytes.empty()) {
    throw std::runtime_error("JOBS_KEY_FILE must name a file with the key");
  }
  return bytes;
}

// Takes jobs until the master is gone, at most one at a time. What a worker has taken and not said
// to be done goes to another one when it dies: so the answer is on its way before task_done.
inline void work(const mp::BaseManager& board, const std::string& name) {
  const auto jobs = board.get<mp::JoinableQueueProxy<Job>>(kJobs);
  const auto done = board.get<mp::QueueProxy<Done>>(kDone);
  std::puts("ready");
  std::fflush(stdout);
  try {
    for (;;) {
      const Job job = jobs.get();
      done.put({job.id, count_primes(job.first, job.last), name});
      jobs.task_done();
    }
  } catch (const mp::EOFError&) {
    // The master has all that it wanted.
  }
}

}  // namespace jobs
