// SPDX-License-Identifier: Apache-2.0
// A pool's results are those of one process, to the last bit.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "mp/process.hpp"

#include "crew.hpp"
#include "support/leak_sentinel.hpp"
#include "text_folder.hpp"

namespace topics {
namespace {

// The fork server starts with the first process that wants it, and stays for the next.
[[maybe_unused]] const bool kServerRuns = mp::test::warm_up([] {
  mp::Process process{{.start = mp::StartMethod::forkserver}, [] {}};
  process.start();
  process.join();
});

struct Results {
  std::map<std::pair<int, int>, std::vector<double>> errors;  // of each batch
  std::map<int, std::vector<double>> scores;                  // of each topic
  std::set<std::string> workers;
};

Results results_of(Crew& crew) {
  Results results;
  crew.search(all_batches(), [&](const Done<BatchResult>& done) {
    const Batch batch = done.result.batch;
    EXPECT_TRUE(
        results.errors.emplace(std::pair{batch.recipe, batch.fold}, done.result.errors).second);
    EXPECT_GT(done.seconds, 0.0);
    results.workers.insert(done.worker);
  });
  crew.train({{.topic = 0, .recipe = 11, .lambda = 3}, {.topic = 1, .recipe = 150, .lambda = 7}},
             [&](const Done<TrainedTopic>& done) {
               EXPECT_TRUE(results.scores.emplace(done.result.topic, done.result.scores).second);
             });
  return results;
}

class PoolCrewTest : public testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(PoolCrewTest, FindsWhatOneProcessFinds) {
  const TextFolder text;
  text.write("air", TextFolder::lines("wind", 60));
  text.write("sea", TextFolder::lines("wave", 60));
  const Source source{.folder = text.path(), .files = {}};
  const Corpus corpus = read_corpus(source);
  const auto& [start, processes] = GetParam();

  const Results alone = results_of(*make_serial_crew(corpus));
  const Results together = results_of(*make_pool_crew(source, processes, start));
  EXPECT_EQ(together.errors.size(), kRecipes * kFolds);
  EXPECT_EQ(together.errors, alone.errors);
  EXPECT_EQ(together.scores, alone.scores);
  EXPECT_EQ(together.workers.count("MainProcess"), 0);
  EXPECT_LE(together.workers.size(), processes);
}

INSTANTIATE_TEST_SUITE_P(EveryStartMethod, PoolCrewTest,
                         testing::Combine(testing::Values<std::string>("fork", "forkserver",
                                                                       "spawn"),
                                          testing::Values(1, 2, 3)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "With" +
                                  std::to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace topics
