// SPDX-License-Identifier: Apache-2.0
#include "harness/kill_harness.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <utility>

#include "harness/ledger.hpp"
#include "harness/trace.hpp"
#include "harness/trial.hpp"

namespace mp::crash {
namespace {

using Point = Trace::Point;

// The trials of one operation, of one kind.
class Series {
 public:
  Series(const char* kind, const Operation& operation, const Plan& plan, const Trace& trace)
      : plan_{plan}, random_{plan.seed}, trial_{operation, plan_}, trace_{trace} {
    campaign_.kind = kind;
    campaign_.name = operation.name;
    campaign_.state = operation.state;
    campaign_.steps = trace_.steps();
    campaign_.seed = plan.seed;
  }

  Trial& trial() { return trial_; }
  const Trace& trace() const { return trace_; }
  Campaign& campaign() { return campaign_; }

  // Enters a trial. Returns whether it is worth going on.
  bool enter(Verdict verdict) {
    ++campaign_.trials;
    campaign_.missed += verdict.reached ? 0 : 1;
    for (Finding& finding : verdict.findings) {
      campaign_.findings.push_back(std::move(finding));
    }
    return campaign_.findings.size() < plan_.findings;
  }

  std::vector<Point> points() {
    const std::vector<Point> all = points_in_range();
    campaign_.skipped =
        trace_.points(trace_.steps() + 1).size() - trace_.points(plan_.visits).size();
    const std::size_t stride =
        plan_.stride != 0 ? plan_.stride : std::max<std::size_t>(1, all.size() / plan_.trials);
    std::vector<Point> chosen;
    for (std::size_t i = below(stride); i < all.size(); i += stride) {
      chosen.push_back(all[i]);
    }
    return chosen;
  }

  std::vector<std::pair<Point, std::size_t>> pairs(std::size_t second_steps) {
    std::vector<std::pair<Point, std::size_t>> chosen;
    const std::vector<Point> all = points_in_range();
    if (plan_.is_exhaustive() && all.size() <= plan_.most_pairs) {
      for (const Point& point : all) {
        chosen.emplace_back(point, below(second_steps + 1));
      }
      return chosen;
    }
    const std::size_t count = plan_.is_exhaustive() ? plan_.most_pairs : plan_.pairs;
    for (std::size_t i = 0; i < count; ++i) {
      const Point point = all[below(all.size())];
      chosen.emplace_back(point, below(second_steps + 1));
    }
    return chosen;
  }

 private:
  std::vector<Point> points_in_range() const {
    std::vector<Point> points = trace_.points(plan_.visits);
    std::erase_if(points, [&](const Point& point) {
      return point.position < plan_.first || point.position > plan_.last;
    });
    return points;
  }

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>{0, bound - 1}(random_);
  }

  Plan plan_;
  std::mt19937_64 random_;
  Trial trial_;
  const Trace& trace_;
  Campaign campaign_;
};

Campaign kill_one(const Operation& operation, const Plan& plan, const Trace& trace) {
  Series series{"one victim", operation, plan, trace};
  Campaign& campaign = series.campaign();
  for (const Point& point : series.points()) {
    const bool reap = campaign.trials % 2 == 0;
    Verdict verdict = series.trial().kill_one(series.trace(), point, false, reap);
    const bool missed = !verdict.reached;
    bool go_on = series.enter(std::move(verdict));
    if (missed) {
      go_on = series.enter(series.trial().kill_one(series.trace(), point, true, reap)) && go_on;
    }
    if (!go_on) {
      break;
    }
  }
  return campaign;
}

Campaign kill_two(const Operation& operation, const Plan& plan, const Trace& trace) {
  Series series{"two victims", operation, plan, trace};
  for (const auto& [point, steps] : series.pairs(series.trial().length_of_second(series.trace()))) {
    if (!series.enter(series.trial().kill_two(series.trace(), point, steps))) {
      break;
    }
  }
  return series.campaign();
}

Campaign interleave(const Operation& operation, const Plan& plan, const Trace& trace) {
  Series series{"two parties", operation, plan, trace};
  for (const auto& [point, steps] : series.pairs(series.trace().steps())) {
    if (!series.enter(series.trial().interleave(series.trace(), point, steps))) {
      break;
    }
  }
  return series.campaign();
}

Campaign stop_one(const Operation& operation, const Plan& plan, const Trace& trace) {
  Series series{"stopped", operation, plan, trace};
  for (const Point& point : series.points()) {
    if (!series.enter(series.trial().stop_one(series.trace(), point))) {
      break;
    }
  }
  return series.campaign();
}

}  // namespace

Campaign kill_one(const Operation& operation, const Plan& plan) {
  return kill_one(operation, plan, Trial{operation, plan}.record());
}

Campaign kill_two(const Operation& operation, const Plan& plan) {
  return kill_two(operation, plan, Trial{operation, plan}.record());
}

Campaign interleave(const Operation& operation, const Plan& plan) {
  return interleave(operation, plan, Trial{operation, plan}.record());
}

Campaign stop_one(const Operation& operation, const Plan& plan) {
  return stop_one(operation, plan, Trial{operation, plan}.record());
}

void expect_survival(const Campaign& campaign) {
  Ledger::of_this_program().enter(campaign);
  EXPECT_TRUE(campaign.findings.empty()) << campaign.report();
}

void expect_survival(const Operation& operation, const Plan& plan) {
  const Trace trace = Trial{operation, plan}.record();
  expect_survival(kill_one(operation, plan, trace));
  expect_survival(kill_two(operation, plan, trace));
  expect_survival(interleave(operation, plan, trace));
  if (operation.while_stopped) {
    expect_survival(stop_one(operation, plan, trace));
  }
}

}  // namespace mp::crash
