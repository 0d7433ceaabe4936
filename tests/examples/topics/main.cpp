// SPDX-License-Identifier: Apache-2.0
// topics — learns to tell the topics of a text apart, on a pool of processes.
//
// One ridge regressor is trained for each topic, against the rest. The parameters of each are the
// best of 1782 combinations, by cross-validation on the training lines (grid.hpp); what the
// regressors together make of lines that no training saw is the accuracy. The result is the same,
// to the last bit, with any number of processes.
//
// Exit status: 0; 1 when something failed; 2 when the command line or the text cannot be used.
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <utility>

#include "corpus.hpp"
#include "crew.hpp"
#include "grid.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "timed.hpp"

namespace topics {
namespace {

std::unique_ptr<Crew> make_crew(const Options& options, const Corpus& corpus) {
  if (!options.serial) {
    return make_pool_crew(options.source, options.processes, options.start, options.journal);
  }
  return make_serial_crew(corpus);
}

template <class Result>
const Result& note(Outcome& outcome, Progress& progress, const Done<Result>& done) {
  Work& work = outcome.workers[done.worker];
  ++work.tasks;
  work.busy += done.seconds;
  work.cpu += done.cpu_seconds;
  progress.step();
  return done.result;
}

Outcome run(const Corpus& corpus, Crew& crew, std::chrono::steady_clock::time_point begin) {
  Outcome outcome;
  const std::vector<Batch> batches = all_batches();
  Progress progress{stdout, static_cast<int>(batches.size() + corpus.topics.size())};
  Tally tally{corpus};
  crew.search(batches,
              [&](const Done<BatchResult>& done) { tally.add(note(outcome, progress, done)); });
  outcome.choices = tally.choose();

  std::vector<Training> trainings;
  for (const Choice& choice : outcome.choices) {
    trainings.push_back({.topic = static_cast<int>(trainings.size()),
                         .recipe = choice.recipe,
                         .lambda = choice.lambda});
  }
  outcome.scores.resize(trainings.size());
  crew.train(trainings, [&](const Done<TrainedTopic>& done) {
    const TrainedTopic& trained = note(outcome, progress, done);
    outcome.scores.at(trained.topic) = trained.scores;
  });
  outcome.wall = seconds_since(begin);
  return outcome;
}

// Part of the search, for measuring what several independent processes achieve.
void run_share(const Options& options, Crew& crew) {
  const std::vector<Batch> all = all_batches();
  std::vector<Batch> mine;
  for (std::size_t i = options.share - 1; i < all.size(); i += options.shares) {
    mine.push_back(all[i]);
  }
  crew.search(mine, [](const Done<BatchResult>&) {});
  std::printf("%zu of %zu tasks\n", mine.size(), all.size());
}

int main_of(const Options& options) {
  const Corpus corpus = read_corpus(options.source);
  // A crew's start is part of the time that it takes.
  const auto begin = std::chrono::steady_clock::now();
  const std::unique_ptr<Crew> crew = make_crew(options, corpus);
  if (options.share > 0) {
    run_share(options, *crew);
    return 0;
  }
  std::printf("%zu lines in %zu topics from %s, %zu of them held out\n",
              corpus.training.size() + corpus.held_out.size(), corpus.topics.size(),
              options.source.folder.c_str(), corpus.held_out.size());
  std::printf("%d combinations for each topic, %d folds, %zu tasks\n", kCombinations, kFolds,
              all_batches().size());
  const Outcome outcome = run(corpus, *crew, begin);
  print_topics(stdout, corpus, outcome);
  print_workers(stdout, outcome);
  if (!options.compare) {
    print_speed_up(stdout, outcome);
    return 0;
  }
  const auto again = std::chrono::steady_clock::now();
  const std::unique_ptr<Crew> alone = make_serial_crew(corpus);
  return print_comparison(stdout, outcome, run(corpus, *alone, again)) ? 0 : 1;
}

}  // namespace
}  // namespace topics

int main(int argc, char** argv) {
  try {
    const auto options = topics::parse(argc, argv);
    return options ? topics::main_of(*options) : 0;
  } catch (const topics::InputError& error) {
    std::fprintf(stderr, "topics: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "topics: %s\n", error.what());
    return 1;
  }
}
