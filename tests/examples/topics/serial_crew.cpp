// SPDX-License-Identifier: Apache-2.0
#include "mp/process.hpp"

#include "crew.hpp"
#include "timed.hpp"

namespace topics {
namespace {

class SerialCrew : public Crew {
 public:
  explicit SerialCrew(const Corpus& corpus) : corpus_{corpus} {}

  void search(const std::vector<Batch>& batches,
              const std::function<void(const Done<BatchResult>&)>& done) override {
    for (const Batch& batch : batches) {
      done(timed(mp::current_process().name(), [&] { return evaluate(corpus_, batch); }));
    }
  }

  void train(const std::vector<Training>& trainings,
             const std::function<void(const Done<TrainedTopic>&)>& done) override {
    for (const Training& training : trainings) {
      done(timed(mp::current_process().name(), [&] { return topics::train(corpus_, training); }));
    }
  }

 private:
  const Corpus& corpus_;
};

}  // namespace

std::unique_ptr<Crew> make_serial_crew(const Corpus& corpus) {
  return std::make_unique<SerialCrew>(corpus);
}

}  // namespace topics
