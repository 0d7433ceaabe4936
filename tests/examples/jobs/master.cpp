// SPDX-License-Identifier: Apache-2.0
// jobs_master HOST PORT JOBS — counts primes with whatever workers come.
//
// Serves two queues over TCP, on a port of the system's choice if PORT is 0, and says on the first
// line of its output where. Workers may come, go and be killed at any time: a job whose worker is
// gone before it is done is handed out again, so an answer may come twice, and is counted once.
#include <cstdio>
#include <exception>
#include <map>
#include <set>

#include "job.hpp"

namespace {

constexpr std::int64_t kNumbersInAJob = 1000;

void run(const std::string& host, int port, int jobs_wanted) {
  mp::BaseManager board{{.address = mp::tcp(host, port), .authkey = jobs::key()}};
  board.register_object<mp::JoinableQueueProxy<jobs::Job>>(jobs::kJobs);
  board.register_object<mp::QueueProxy<jobs::Done>>(jobs::kDone);
  board.start();
  std::printf("%s %d\n", host.c_str(), board.address().port());
  std::fflush(stdout);

  const auto jobs = board.get<mp::JoinableQueueProxy<jobs::Job>>(jobs::kJobs);
  const auto done = board.get<mp::QueueProxy<jobs::Done>>(jobs::kDone);
  for (int id = 0; id < jobs_wanted; ++id) {
    jobs.put({id, id * kNumbersInAJob, (id + 1) * kNumbersInAJob - 1});
  }
  std::set<int> answered;
  std::map<std::string, int> by_worker;
  std::int64_t primes = 0;
  while (answered.size() != static_cast<std::size_t>(jobs_wanted)) {
    const jobs::Done answer = done.get();
    if (!answered.insert(answer.id).second) {
      continue;  // its worker was gone between the answer and task_done
    }
    primes += answer.primes;
    ++by_worker[answer.worker];
    std::fprintf(stderr, "\r%zu of %d", answered.size(), jobs_wanted);
  }
  std::fprintf(stderr, "\n");
  for (const auto& [worker, count] : by_worker) {
    std::fprintf(stderr, "%s did %d\n", worker.c_str(), count);
  }
  std::printf("%lld primes\n", static_cast<long long>(primes));
  board.shutdown();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: JOBS_KEY_FILE=key jobs_master HOST PORT JOBS\n");
    return 2;
  }
  try {
    run(argv[1], std::stoi(argv[2]), std::stoi(argv[3]));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "jobs_master: %s\n", error.what());
    return 1;
  }
}
