// SPDX-License-Identifier: Apache-2.0
// mp/queue/joinable_queue.hpp — a Queue that knows which of its items have been dealt with.
//
//     mp::JoinableQueue<Job> jobs;        // consumers: run(jobs.get()); jobs.task_done();
//     for (const Job& job : todo) jobs.put(job);
//     jobs.join();                        // every job has been run
//
// Threads, Processes, Fork, Owns, Order: as Queue.
// Crash:     the count of unfinished items follows from what was put and what was reported, so
//            nobody's death falsifies it. An item whose consumer died between get and task_done
//            stays unfinished.
// Blocks:    join, until task_done was called as often as items were put.
// Throws:    UsageError from task_done when it was called more often than that.
// Python:    multiprocessing.JoinableQueue; join takes a timeout here, and shutdown(true) counts
//            what it drops as finished.
#pragma once

#include "mp/queue/queue.hpp"

namespace mp {

template <class T>
class JoinableQueue : public Queue<T> {
 public:
  using Queue<T>::Queue;

  // Reports that an item that was got has been dealt with.
  void task_done() { this->raw_.task_done(); }
  // Waits until every item put has been dealt with. Returns false at the end of a timeout.
  bool join(Deadline until = Deadline::never()) const { return this->raw_.join(until); }
};

template <class T>
struct codec<JoinableQueue<T>> {
  static constexpr std::string_view kName = "mp.JoinableQueue";
  static constexpr std::size_t kMinSize = 8;
  using Parts = CodecParts<T>;
  static void write(auto& out, const JoinableQueue<T>& queue) {
    out.put_object(queue.raw().id(), "a JoinableQueue");
  }
  static JoinableQueue<T> read(Reader& in) {
    return JoinableQueue<T>{RawQueue::from_id(in.take_object("a JoinableQueue"))};
  }
};

}  // namespace mp
