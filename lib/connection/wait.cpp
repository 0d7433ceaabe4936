// SPDX-License-Identifier: Apache-2.0
// Design. Three cases, by what is waited for:
//   only shared memory, and not too much of it: this thread sleeps on all the futexes at once;
//   only descriptors: poll;
//   both: poll, with an eventfd for all that is shared memory, fed by the bridge (feed.hpp).
#include "mp/connection/wait.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "mp/base/contract.hpp"

#include "memory/feed.hpp"
#include "memory/sleep_many.hpp"
#include "memory/spinner.hpp"
#include "memory/wait_source.hpp"
#include "os/poll.hpp"

namespace mp {

namespace {

using detail::WaitSource;

memory::Spinner spinner;

class Wait {
 public:
  explicit Wait(std::span<const Waitable> things) : things_{things}, ready_(things.size()) {
    for (std::size_t i = 0; i != things.size(); ++i) {
      const Waitable& thing = things[i];
      const int fd = thing.source() ? thing.source()->descriptor() : thing.descriptor();
      MP_EXPECTS(fd >= 0 || thing.source() != nullptr, "a closed descriptor cannot be waited for");
      if (fd >= 0) {
        polled_.push_back({fd, os::kReadable});
        indices_.push_back(i);
      } else {
        sources_.push_back(thing.source());
      }
    }
  }

  std::vector<Waitable> run(Deadline until) {
    memory::Waiting waiting{spinner};
    for (bool slept = false;; slept = true) {
      const bool found = look();
      if (found || until.passed()) {
        if (slept) {
          // What woke us is somebody's to take who may still be asleep.
          for (const auto& source : sources_) {
            source->pass_on();
          }
        }
        return found ? result() : std::vector<Waitable>{};
      }
      if (!sources_.empty() && polled_.empty() && sources_.size() <= memory::kMostPlaces) {
        if (slept || !waiting.spin([this] { return any_source_ready(); })) {
          sleep_on_memory(until);
        }
      } else {
        sleep_on_descriptors(until);
      }
    }
  }

 private:
  // Looks at everything once; returns whether anything is ready.
  bool look() {
    bool any = false;
    if (!polled_.empty()) {
      os::poll(polled_, Deadline::now());
    }
    for (std::size_t i = 0, fd = 0; i != things_.size(); ++i) {
      const auto& source = things_[i].source();
      bool ready = false;
      if (fd != indices_.size() && indices_[fd] == i) {
        const short seen = polled_[fd++].ready;
        MP_EXPECTS(source != nullptr || (seen & os::kNotOpen) == 0,
                   "a descriptor that is not open cannot be waited for");
        // One that puts messages together knows more than its descriptor tells.
        ready = source != nullptr ? source->ready() : seen != 0;
      } else {
        ready = source->ready();
      }
      ready_[i] = ready;
      any = any || ready;
    }
    return any;
  }

  std::vector<Waitable> result() const {
    std::vector<Waitable> found;
    for (std::size_t i = 0; i != things_.size(); ++i) {
      if (ready_[i]) {
        found.push_back(things_[i]);
      }
    }
    return found;
  }

  void sleep_on_memory(Deadline until) {
    std::vector<memory::SleepPlace> places;
    places.reserve(sources_.size());
    for (const auto& source : sources_) {
      places.push_back(source->prepare());
    }
    if (!any_source_ready()) {
      memory::sleep_many(places, until, backoff_);
    }
  }

  [[nodiscard]] bool any_source_ready() const {
    return std::any_of(sources_.begin(), sources_.end(),
                       [](const auto& source) { return source->ready(); });
  }

  void sleep_on_descriptors(Deadline until) {
    std::vector<os::PollEntry> entries = polled_;
    if (!sources_.empty() && !feed_) {
      feed_.emplace(sources_);
    } else if (feed_) {
      feed_->lower();
    }
    if (feed_) {
      entries.push_back({feed_->fileno(), os::kReadable});
    }
    os::poll(entries, until);
  }

  std::span<const Waitable> things_;
  std::vector<char> ready_;
  std::vector<os::PollEntry> polled_;
  std::vector<std::size_t> indices_;  // of those that are polled, among all
  std::vector<std::shared_ptr<WaitSource>> sources_;
  std::optional<memory::Feed> feed_;
  memory::Backoff backoff_;
};

}  // namespace

std::vector<Waitable> wait(std::span<const Waitable> things, Deadline until) {
  MP_EXPECTS(!things.empty() || !until.is_never(), "there is nothing to wait for, and no time set");
  return Wait{things}.run(until);
}

}  // namespace mp
