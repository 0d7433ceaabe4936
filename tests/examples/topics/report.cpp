// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <algorithm>
#include <cmath>

namespace topics {
namespace {

const char* name_of(TermWeight term) {
  switch (term) {
    case TermWeight::presence:
      return "presence";
    case TermWeight::count:
      return "count";
    case TermWeight::log_count:
      return "log";
  }
  return "";
}

double busy_time(const Outcome& outcome) {
  double busy = 0.0;
  for (const auto& [name, work] : outcome.workers) {
    busy += work.busy;
  }
  return busy;
}

double percent(double part, double whole) {
  return whole > 0.0 ? 100.0 * part / whole : 0.0;
}

bool same(const Outcome& a, const Outcome& b) {
  const auto same_choice = [](const Choice& x, const Choice& y) {
    return x.recipe == y.recipe && x.lambda == y.lambda && x.explained == y.explained;
  };
  return std::equal(a.choices.begin(), a.choices.end(), b.choices.begin(), b.choices.end(),
                    same_choice) &&
         a.scores == b.scores;  // to the last bit
}

}  // namespace

std::vector<int> vote(const Corpus& corpus, const Outcome& outcome) {
  std::vector<int> votes;
  for (std::size_t line = 0; line < corpus.held_out.size(); ++line) {
    int best = 0;
    for (int topic = 1; topic < static_cast<int>(outcome.scores.size()); ++topic) {
      if (outcome.scores[topic][line] > outcome.scores[best][line]) {
        best = topic;
      }
    }
    votes.push_back(best);
  }
  return votes;
}

void print_topics(std::FILE* out, const Corpus& corpus, const Outcome& outcome) {
  struct Count {
    int lines = 0, voted = 0, right = 0;
  };
  std::vector<Count> counts(corpus.topics.size());
  const std::vector<int> votes = vote(corpus, outcome);
  int right = 0;
  int largest = 0;
  for (std::size_t line = 0; line < votes.size(); ++line) {
    const int topic = corpus.held_out[line].topic;
    ++counts[votes[line]].voted;
    largest = std::max(largest, ++counts[topic].lines);
    if (votes[line] == topic) {
      ++counts[topic].right;
      ++right;
    }
  }
  const auto total = static_cast<double>(votes.size());
  std::fprintf(out,
               "\naccuracy on held-out lines: %.1f %% (%d of %zu); always saying the most frequent "
               "topic: %.1f %%\n",
               percent(right, total), right, votes.size(), percent(largest, total));

  int width = 5;
  for (const std::string& topic : corpus.topics) {
    width = std::max(width, static_cast<int>(topic.size()));
  }
  std::fprintf(out, "\n%-*s  %8s  %6s  %9s  %7s  %5s  %6s  %-8s  %6s  %6s  %9s\n", width, "topic",
               "held out", "recall", "precision", "lambda", "words", "common", "term", "rarity",
               "length", "explained");
  for (std::size_t topic = 0; topic < corpus.topics.size(); ++topic) {
    const Count& count = counts[topic];
    const Choice& choice = outcome.choices[topic];
    const Recipe recipe = recipe_at(choice.recipe);
    std::fprintf(out, "%-*s  %8d  %4.0f %%  %7.0f %%  %7g  %5d  %6g  %-8s  %6g  %6s  %7.1f %%\n",
                 width, corpus.topics[topic].c_str(), count.lines,
                 percent(count.right, count.lines), percent(count.right, count.voted),
                 kLambdas.at(choice.lambda), recipe.vocabulary, recipe.common, name_of(recipe.term),
                 recipe.rarity, recipe.unit_length ? "unit" : "as is", 100.0 * choice.explained);
  }
}

void print_workers(std::FILE* out, const Outcome& outcome) {
  int width = 6;
  for (const auto& [name, work] : outcome.workers) {
    width = std::max(width, static_cast<int>(name.size()));
  }
  std::fprintf(out, "\n%-*s  %5s  %9s  %9s  %11s\n", width, "worker", "tasks", "busy", "CPU",
               "utilisation");
  for (const auto& [name, work] : outcome.workers) {
    std::fprintf(out, "%-*s  %5d  %7.2f s  %7.2f s  %9.1f %%\n", width, name.c_str(), work.tasks,
                 work.busy, work.cpu, percent(work.busy, outcome.wall));
  }
}

void print_speed_up(std::FILE* out, const Outcome& outcome) {
  const double busy = busy_time(outcome);
  std::fprintf(out,
               "\nwall time %.2f s; one process: %.2f s (not run: the sum of the tasks' times, as "
               "measured in the workers); speed-up %.2f\n",
               outcome.wall, busy, busy / outcome.wall);
}

bool print_comparison(std::FILE* out, const Outcome& outcome, const Outcome& serial) {
  const bool is_same = same(outcome, serial);
  std::fprintf(out,
               "\nwall time %.2f s; one process: %.2f s (run just now, the same work without a "
               "pool); speed-up %.2f; results %s\n",
               outcome.wall, serial.wall, serial.wall / outcome.wall,
               is_same ? "identical" : "DIFFERENT");
  return is_same;
}

}  // namespace topics
