// SPDX-License-Identifier: Apache-2.0
// The programs as their user sees them: masters, workers of both kinds, and workers that are
// killed.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include <unistd.h>

#include "job.hpp"
#include "support/child.hpp"
#include "support/eventually.hpp"
#include "support/leak_sentinel.hpp"
#include "support/program.hpp"
#include "support/scratch_dir.hpp"

namespace jobs {
namespace {

using namespace std::chrono_literals;
using mp::test::Child;
using mp::test::exited;
using mp::test::Program;

constexpr const char* kPython = "/usr/bin/python3";

class Jobs : public testing::Test {
 protected:
  static constexpr int kCount = 60;

  Jobs() {
    std::ofstream{scratch_ / "key"} << "a key of this test's own";
    ::setenv("JOBS_KEY_FILE", (scratch_ / "key").c_str(), 1);
    master_ = std::make_unique<Program>(
        std::vector<std::string>{JOBS_MASTER, "127.0.0.1", "0", std::to_string(kCount)});
    const std::string where = master_->line();
    port_ = where.substr(where.rfind(' ') + 1);
  }
  ~Jobs() override { ::unsetenv("JOBS_KEY_FILE"); }

  [[nodiscard]] std::unique_ptr<Program> worker(const std::string& name) const {
    return std::make_unique<Program>(
        std::vector<std::string>{JOBS_WORKER, "127.0.0.1", port_, name});
  }
  [[nodiscard]] std::unique_ptr<Program> python_worker() const {
    return std::make_unique<Program>(
        std::vector<std::string>{kPython, JOBS_WORKER_PY, "127.0.0.1", port_});
  }
  [[nodiscard]] mp::BaseManager board() const {
    mp::BaseManager board{{.address = mp::tcp("127.0.0.1", std::stoi(port_)), .authkey = key()}};
    board.connect();
    return board;
  }
  // A worker that has taken some jobs and does nothing about them.
  [[nodiscard]] Child hold_jobs(int count) const {
    Child holder{[this, count] {
      const auto jobs = board().get<mp::JoinableQueueProxy<Job>>(kJobs);
      for (int i = 0; i != count; ++i) {
        (void)jobs.get();
      }
      std::ofstream{scratch_ / "holding"};
      for (;;) {
        ::pause();
      }
    }};
    EXPECT_EVENTUALLY(std::filesystem::exists(scratch_ / "holding"));
    return holder;
  }
  void expect_the_answer() {
    EXPECT_EQ(master_->line(), std::to_string(count_primes(0, kCount * 1000 - 1)) + " primes");
    EXPECT_EQ(master_->child().wait(60s), exited(0));
  }

  mp::test::ScratchDir scratch_;
  std::unique_ptr<Program> master_;
  std::string port_;
};

TEST_F(Jobs, AreDoneByWorkersOfCpp) {
  Child holder = hold_jobs(1);  // so that nobody comes too late
  const auto first = worker("one");
  const auto second = worker("two");
  EXPECT_EQ(first->line(), "ready");
  EXPECT_EQ(second->line(), "ready");
  holder.kill();
  expect_the_answer();
  EXPECT_EQ(first->child().wait(), exited(0));
  EXPECT_EQ(second->child().wait(), exited(0));
}

TEST_F(Jobs, AreDoneByAWorkerOfCPython) {
  if (!std::filesystem::exists(kPython)) {
    (void)worker("instead")->child().wait();
    GTEST_SKIP() << "no " << kPython;
  }
  const auto python = python_worker();
  expect_the_answer();
  EXPECT_EQ(python->child().wait(), exited(0));
}

TEST_F(Jobs, AreNotLostWithTheWorkersThatHoldThem) {
  {
    Program stuck{{JOBS_WORKER, "127.0.0.1", port_, "stuck"}};
    Child holder = hold_jobs(2);
    holder.kill();
    stuck.child().kill();
  }
  if (std::filesystem::exists(kPython)) {
    // One of Python's that is killed at some moment of its work.
    const auto python = python_worker();
    const auto done = board().get<mp::QueueProxy<Done>>(kDone);
    const auto jobs = board().get<mp::JoinableQueueProxy<Job>>(kJobs);
    const std::size_t before = jobs.qsize();
    EXPECT_EVENTUALLY(jobs.qsize() < before);
    python->child().kill();
  }
  const auto last = worker("last");
  expect_the_answer();
  EXPECT_EQ(last->child().wait(), exited(0));
}

TEST_F(Jobs, AreOnlyForThoseWhoHaveTheKey) {
  std::ofstream{scratch_ / "other"} << "another key";
  ::setenv("JOBS_KEY_FILE", (scratch_ / "other").c_str(), 1);
  EXPECT_EQ(worker("thief")->child().wait(), exited(1));
  ::setenv("JOBS_KEY_FILE", (scratch_ / "key").c_str(), 1);
  const auto honest = worker("honest");
  expect_the_answer();
  EXPECT_EQ(honest->child().wait(), exited(0));
}

}  // namespace
}  // namespace jobs
