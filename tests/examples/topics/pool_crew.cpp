// SPDX-License-Identifier: Apache-2.0
#include <mp/mp.hpp>
#include <optional>
#include <string>
#include <utility>

#include "crew.hpp"
#include "timed.hpp"

namespace topics {
namespace {

// The corpus of a worker process, read by its initializer.
Corpus worker_corpus;

void prepare_worker(const Source& source) {
  worker_corpus = read_corpus(source);
}

Done<BatchResult> evaluate_task(const Batch& batch) {
  return timed(mp::current_process().name(), [&] { return evaluate(worker_corpus, batch); });
}

Done<TrainedTopic> train_task(const Training& training) {
  return timed(mp::current_process().name(), [&] { return train(worker_corpus, training); });
}

std::optional<mp::StartMethod> start_method(const std::string& name) {
  for (const mp::StartMethod method : mp::get_all_start_methods()) {
    if (mp::to_string(method) == name) {
      return method;
    }
  }
  return std::nullopt;
}

class PoolCrew : public Crew {
 public:
  PoolCrew(const Source& source, int processes, const std::string& start, std::string journal)
      : journal_{std::move(journal)},
        pool_{{.processes = processes,
               .initializer = mp::partial(prepare_worker, source),
               .start = start_method(start)}} {}

  void search(const std::vector<Batch>& batches,
              const std::function<void(const Done<BatchResult>&)>& done) override {
    for (const Done<BatchResult>& result :
         pool_.imap_unordered(evaluate_task, batches, journaled(".search"))) {
      done(result);
    }
  }

  void train(const std::vector<Training>& trainings,
             const std::function<void(const Done<TrainedTopic>&)>& done) override {
    for (const Done<TrainedTopic>& result :
         pool_.imap_unordered(train_task, trainings, journaled(".training"))) {
      done(result);
    }
  }

 private:
  mp::MapOptions journaled(const char* what) const {
    mp::MapOptions options;
    if (!journal_.empty()) {
      options.journal = journal_ + what;
    }
    return options;
  }

  std::string journal_;
  mp::Pool pool_;
};

}  // namespace

std::unique_ptr<Crew> make_pool_crew(const Source& source, int processes,
                                     const std::string& start_method, const std::string& journal) {
  return std::make_unique<PoolCrew>(source, processes, start_method, journal);
}

}  // namespace topics
