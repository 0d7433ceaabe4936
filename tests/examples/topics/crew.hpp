// SPDX-License-Identifier: Apache-2.0
// crew.hpp — who does the work: this process alone, or a pool of processes.
//
// Both run the same tasks on the same corpus and hand over each result as it comes, with the
// worker that made it and the time that took.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "corpus.hpp"
#include "grid.hpp"

namespace topics {

// A result, who made it, and what time that took.
template <class Result>
struct Done {
  Result result;
  std::string worker;
  double seconds = 0.0;      // on the wall
  double cpu_seconds = 0.0;  // that its process ran meanwhile
};

class Crew {
 public:
  Crew() = default;
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  virtual ~Crew() = default;

  virtual void search(const std::vector<Batch>& batches,
                      const std::function<void(const Done<BatchResult>&)>& done) = 0;
  virtual void train(const std::vector<Training>& trainings,
                     const std::function<void(const Done<TrainedTopic>&)>& done) = 0;
};

// This process, one task after the other. Keeps a reference to the corpus.
std::unique_ptr<Crew> make_serial_crew(const Corpus& corpus);

// A pool. Its workers read the corpus from `source`, once each. An empty start method means mp's
// default one. With a journal, what an earlier run of the same program finished is not done again.
std::unique_ptr<Crew> make_pool_crew(const Source& source, int processes,
                                     const std::string& start_method,
                                     const std::string& journal = {});

}  // namespace topics
