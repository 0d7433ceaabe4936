// SPDX-License-Identifier: Apache-2.0
// report.hpp — the outcome, and what is told of it.
#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "corpus.hpp"
#include "grid.hpp"

namespace topics {

// What a worker did.
struct Work {
  int tasks = 0;
  double busy = 0.0;  // seconds in tasks, on the wall
  double cpu = 0.0;   // seconds in tasks, on a CPU; less than busy when it had to wait for one
};

struct Outcome {
  std::vector<Choice> choices;              // of each topic
  std::vector<std::vector<double>> scores;  // of each topic, for each held-out line
  std::map<std::string, Work> workers;
  double wall = 0.0;  // seconds
};

// For each held-out line the topic whose regressor scores highest.
std::vector<int> vote(const Corpus& corpus, const Outcome& outcome);

// The accuracy of the ensemble and the table of topics.
void print_topics(std::FILE* out, const Corpus& corpus, const Outcome& outcome);

// The table of workers.
void print_workers(std::FILE* out, const Outcome& outcome);

// The wall time, against the sum of the tasks' times.
void print_speed_up(std::FILE* out, const Outcome& outcome);

// The wall time, against a serial run of the same; returns whether both had the same results.
bool print_comparison(std::FILE* out, const Outcome& outcome, const Outcome& serial);

}  // namespace topics
