// SPDX-License-Identifier: Apache-2.0
#include "harness/trace.hpp"

#include <algorithm>
#include <unordered_map>

namespace mp::crash {

Trace::Trace(std::vector<std::uintptr_t> instructions, std::vector<std::size_t> sleeps)
    : instructions_{std::move(instructions)},
      sleeps_{std::move(sleeps)},
      from_(instructions_.size(), 0) {
  // cost[k] = 1 + the least cost in the window (previous execution of the same instruction, k).
  // `least` holds the suffix minima of cost: positions upwards, costs strictly upwards.
  std::vector<std::size_t> cost(instructions_.size(), 0);
  std::vector<std::size_t> least;
  std::unordered_map<std::uintptr_t, std::size_t> last;  // 1 + the last position of an instruction
  for (std::size_t k = 0; k < instructions_.size(); ++k) {
    if (k > 0) {
      // Standing on the instruction itself, only a step leads on; hence the window is open below.
      const std::size_t first = std::min(last[instructions_[k]], k - 1);
      from_[k] = *std::lower_bound(least.begin(), least.end(), first);
      cost[k] = cost[from_[k]] + 1;
    }
    while (!least.empty() && cost[least.back()] >= cost[k]) {
      least.pop_back();
    }
    least.push_back(k);
    last[instructions_[k]] = k + 1;
  }
}

std::vector<std::size_t> Trace::route(std::size_t position) const {
  std::vector<std::size_t> stops;
  for (std::size_t k = position; k > 0; k = from_[k]) {
    stops.push_back(k);
  }
  std::reverse(stops.begin(), stops.end());
  return stops;
}

std::vector<Trace::Point> Trace::points(std::size_t visits) const {
  std::unordered_map<std::uintptr_t, std::size_t> last;
  for (std::size_t k = 0; k < instructions_.size(); ++k) {
    last[instructions_[k]] = k;
  }
  std::vector<Point> points;
  std::unordered_map<std::uintptr_t, std::size_t> seen;
  for (std::size_t k = 0; k < instructions_.size(); ++k) {
    if (++seen[instructions_[k]] <= visits || last[instructions_[k]] == k) {
      points.push_back({.position = k, .asleep = false});
    }
    if (std::find(sleeps_.begin(), sleeps_.end(), k) != sleeps_.end()) {
      points.push_back({.position = k, .asleep = true});
    }
  }
  return points;
}

}  // namespace mp::crash
