// SPDX-License-Identifier: Apache-2.0
// Design
//
// A client that waits is a call in a list, as everywhere in the server. A pool's own threads say
// when a part of a result is done, by posting to the loop; what they post holds nothing alive, so
// an object that is gone by then is not missed.
//
// Who holds whom: a client's session its pools and results; a result that was given to a client its
// pool, until it is there; a pool the results for which a call waits, as nobody else has them.
#include "manager/served_pool.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"
#include "mp/errors/remote_error.hpp"
#include "mp/manager/pool_proxy.hpp"
#include "mp/pool/raw_pool.hpp"
#include "mp/process/call.hpp"

#include "manager/python/items.hpp"
#include "manager/server.hpp"

namespace mp {

manager::NamedTask codec<manager::NamedTask>::read(Reader& in) {
  manager::NamedTask task;
  task.function.thunk =
      reinterpret_cast<detail::MethodThunk>(const_cast<void*>(detail::read_code(in)));
  task.function.has_member = in.read_choice(2) != 0;
  if (task.function.has_member) {
    task.function.target.code = detail::read_member_code(in);
  }
  return task;
}

namespace manager {

namespace {

using mp::detail::MapSpec;

// In a worker: the arguments of a registered function, and its result.
class WorkerCall final : public mp::detail::ServedCall {
 public:
  explicit WorkerCall(const NamedArguments& args) : args_{args} {}

  void expect_arguments(std::size_t count) override {
    if (args_.size() != count) {
      throw std::invalid_argument("the function takes " + std::to_string(count) +
                                  " arguments, and " + std::to_string(args_.size()) +
                                  " were given");
    }
  }
  mp::detail::ItemView argument(std::size_t index) override {
    const mp::detail::EncodedItem& item = args_.at(index);
    return {item.tag, item.bytes};
  }
  Carrier* carrier() override { return nullptr; }
  Writer& begin_result(std::uint64_t tag, std::size_t) override {
    tag_ = tag;
    return result_;
  }
  void put_object(std::uint64_t, std::shared_ptr<void>) override {
    throw UsageError{"a function that a pool calls returns values, not objects"};
  }
  NamedResult take() { return {tag_, result_.take()}; }

 private:
  const NamedArguments& args_;
  Writer result_;
  std::uint64_t tag_ = 0;
};

NamedArguments encoded(std::span<const Item> items) {
  NamedArguments args;
  for (const Item& each : items) {
    const Item item = python::with_proxy(each);
    args.push_back({item.tag, {}, Bytes(item.view().begin(), item.view().end())});
  }
  return args;
}

// The task that a client asks for: its first argument says which.
struct Asked {
  bool is_named = false;
  Bytes code = {};                         // a call, or the head of one for many items
  mp::detail::ServedMethod function = {};  // of a named one
};

Asked asked_of(const Call& call, Server& server) {
  if (call.size() == 0) {
    throw std::invalid_argument("a pool is given a function");
  }
  const mp::detail::ItemView first = call.view(0);
  if (first.tag == mp::detail::kPoolCodeTag) {
    const Peer* peer = call.session().peer();
    if (peer == nullptr || !peer->may_send_code) {
      throw UsageError{
          "the manager's server takes no code from this client, only the names of functions that "
          "are registered (ManagerOptions::accept_code)"};
    }
    Reader in{first.bytes};
    std::array<std::uint64_t, 2> build{};
    build[0] = in.read_raw<std::uint64_t>();
    build[1] = in.read_raw<std::uint64_t>();
    if (build != mp::detail::program_build()) {
      throw UsageError{"the manager's server runs another build of the program, or another one"};
    }
    const ByteView code = in.read_view(in.remaining());
    return {false, Bytes(code.begin(), code.end()), {}};
  }
  const auto name = call.get<std::string>(0);
  const mp::detail::ServedType* known = server.registry().find(name);
  if (known == nullptr || known->kind != mp::detail::ServedType::Kind::function) {
    RemoteInfo info;
    info.type_name = "AttributeError";
    throw RemoteError{"no function is registered as '" + name + "'", std::move(info)};
  }
  return {true, {}, known->methods.front()};
}

// What a pool is given when its calls are made, for the reports of it.
struct PoolTask {};

class ServedPool final : public Served {
 public:
  ServedPool(Server& server, std::shared_ptr<RawPool> pool)
      : Served{server, "Pool", {}}, pool_{std::move(pool)} {}
  ~ServedPool() override {
    server().workers().submit(nullptr, [pool = std::move(pool_)] { pool->end(); });
  }

  void serve(CallPtr& call) override {
    static constexpr Method<ServedPool> kMethods[] = {{"apply", &ServedPool::apply},
                                                      {"apply_async", &ServedPool::apply_async},
                                                      {"map", &ServedPool::map},
                                                      {"map_async", &ServedPool::map_async},
                                                      {"imap", &ServedPool::imap},
                                                      {"close", &ServedPool::close},
                                                      {"terminate", &ServedPool::terminate},
                                                      {"join", &ServedPool::join},
                                                      {"processes", &ServedPool::processes}};
    serve_by_name(*this, kMethods, call);
  }
  void forget(Session& session) override { joining_.drop(session); }

 private:
  void apply(CallPtr& call) { wait_for(start_call(*call), call); }
  void apply_async(CallPtr& call) { hand_out(start_call(*call), *call); }
  void map(CallPtr& call) { wait_for(start_map(*call), call); }
  void map_async(CallPtr& call) { hand_out(start_map(*call), *call); }

  void wait_for(const std::shared_ptr<PoolResult>& result, CallPtr& call) {
    // Its end is heard of before it is forgotten.
    if (!result->is_done()) {
      running_.insert(result);
    }
    result->get_by(call, Deadline::never());
  }
  template <class Work>
  void hand_out(const std::shared_ptr<Work>& work, Call& call) {
    server().enter(work);
    if (!work->is_done()) {
      work->keep(shared_from_this());
    }
    call.reply_object(work);
  }

  std::shared_ptr<PoolResult> start_call(const Call& call) {
    Asked asked = asked_of(call, server());
    const auto result = std::make_shared<PoolResult>(server(), asked.is_named, false);
    if (asked.is_named) {
      std::vector<Item> args;
      for (std::size_t i = 1; i != call.size(); ++i) {
        args.push_back(call.item(i));
      }
      asked.code = make_call(NamedTask{asked.function}, encoded(args)).take_bytes();
    } else {
      call.expect(1);
    }
    keep_objects(call, *result);
    result->expect_parts(1);
    submit(*result, 0, std::move(asked.code), {});
    return result;
  }
  std::shared_ptr<PoolResult> start_map(const Call& call) {
    Asked asked = asked_of(call, server());
    const auto result = std::make_shared<PoolResult>(server(), asked.is_named, true);
    start_chunks(call, std::move(asked), *result);
    return result;
  }
  void imap(CallPtr& call) {
    Asked asked = asked_of(*call, server());
    const bool is_ordered = call->get<MapSpec>(1).ordered;
    const auto result = std::make_shared<PoolIterator>(server(), asked.is_named, is_ordered);
    start_chunks(*call, std::move(asked), *result);
    hand_out(result, *call);
  }

  template <class Work>
  void start_chunks(const Call& call, Asked asked, Work& work) {
    constexpr std::size_t kFirst = 2;
    constexpr std::size_t kForEach = 4;
    const auto spec = call.get<MapSpec>(1);
    const std::size_t count = call.size() - kFirst;
    const std::size_t even = static_cast<std::size_t>(pool_->width()) * kForEach;
    const std::size_t chunk = std::min<std::size_t>(
        count,
        spec.chunksize != 0 ? spec.chunksize : std::max<std::size_t>(1, (count + even - 1) / even));
    keep_objects(call, work);
    work.expect_parts(count == 0 ? 0 : (count + chunk - 1) / chunk);
    const std::uint64_t number = pool_->next_call();
    std::size_t part = 0;
    for (std::size_t done = 0; done < count; done += chunk) {
      const std::size_t size = std::min(chunk, count - done);
      Writer out;
      write_items(out, call, asked, spec, kFirst + done, size);
      submit(work, part++, out.take(), {size, done, number});
    }
  }
  static void write_items(Writer& out, const Call& call, const Asked& asked, const MapSpec& spec,
                          std::size_t first, std::size_t count) {
    if (!asked.is_named) {
      out.write_bytes(asked.code.data(), asked.code.size());
      out.write_count(count);
      for (std::size_t i = first; i != first + count; ++i) {
        const mp::detail::ItemView item = call.view(i);
        if (item.tag != mp::detail::kPoolItemTag) {
          mp::detail::throw_item_mismatch(mp::detail::kPoolItemTag, item);
        }
        out.write_bytes(item.bytes.data(), item.bytes.size());
      }
      return;
    }
    write_batch_head<NamedArguments>(out, NamedTask{asked.function});
    out.write_count(count);
    for (std::size_t i = first; i != first + count; ++i) {
      const Item item = call.item(i);
      mp::write(out, encoded(spec.spread ? python::spread(item) : std::vector<Item>{item}));
    }
  }

  struct Chunk {
    std::size_t items = 0;
    std::size_t first = 0;
    std::uint64_t number = 0;
  };
  void submit(PoolWork& work, std::size_t part, Bytes code, const Chunk& chunk) {
    RawTask task;
    task.call = RawCall{std::move(code), typeid(PoolTask)};
    task.items = static_cast<std::uint32_t>(chunk.items);
    task.first_item = chunk.first;
    task.call_number = chunk.number;
    // A callback and no listener: with one the pool's own thread sees to it that results are taken
    // in, though nobody waits.
    task.callback = [part, &loop = server().loop(), work = work.weak_from_this(),
                     pool = weak_from_this()](const std::shared_ptr<RawResult>&) {
      loop.post([part, work, pool] { part_done(part, work.lock(), pool.lock()); });
    };
    work.add_part(pool_->submit(std::move(task)));
    ++unfinished_;
  }
  static void part_done(std::size_t part, const ObjectPtr& work, const ObjectPtr& pool) {
    if (work) {
      static_cast<PoolWork&>(*work).part_done(part);
    }
    if (pool) {
      static_cast<ServedPool&>(*pool).one_done(work);
    }
  }
  void one_done(const ObjectPtr& work) {
    if (work && static_cast<PoolWork&>(*work).is_done()) {
      running_.erase(work);
    }
    --unfinished_;
    end_joins();
  }
  static void keep_objects(const Call& call, PoolWork& work) {
    for (const ObjectPtr& object : call.objects()) {
      work.keep(object);
    }
  }

  void close(CallPtr& call) {
    pool_->close();
    closed_ = true;
    call->reply_nothing();
    end_joins();
  }
  void terminate(CallPtr& call) {
    closed_ = true;
    do_elsewhere(std::move(call), [](RawPool& pool) { pool.terminate(); });
  }
  void join(CallPtr& call) {
    call->expect(0, 1);
    MP_EXPECTS(closed_, "close or terminate a pool before it is joined");
    const Deadline until = call->deadline(0);
    if (unfinished_ != 0 && until.passed()) {
      call->reply_value(false);
      return;
    }
    joining_.add(*this, call, until, [](CallPtr& late) { late->reply_value(false); });
    end_joins();
  }
  // When nothing is to be done any more the workers leave at once.
  void end_joins() {
    while (closed_ && unfinished_ == 0 && !joining_.empty()) {
      do_elsewhere(joining_.pop(), [](RawPool& pool) { pool.join(); });
    }
  }
  void processes(CallPtr& call) { call->reply_value(static_cast<std::uint64_t>(pool_->width())); }

  // What may take a moment: not in the loop.
  template <class Do>
  void do_elsewhere(CallPtr call, Do act) {
    auto shared = std::make_shared<CallPtr>(std::move(call));
    server().workers().submit(nullptr, [shared = std::move(shared), act, pool = pool_,
                                        &loop = server().loop()]() mutable {
      std::exception_ptr error;
      try {
        act(*pool);
      } catch (...) {
        error = std::current_exception();
      }
      // The call goes back to where it was made, wholly.
      loop.post([shared = std::move(shared), error] {
        error ? (*shared)->fail(error) : (*shared)->reply_value(true);
      });
    });
  }

  std::shared_ptr<RawPool> pool_;
  std::unordered_set<ObjectPtr> running_;  // for which calls wait
  std::size_t unfinished_ = 0;
  bool closed_ = false;
  WaitList joining_;
};

}  // namespace

NamedResult NamedTask::operator()(const NamedArguments& args) const {
  WorkerCall call{args};
  function.thunk(function.target, nullptr, call);
  return call.take();
}

void make_pool(Server& server, CallPtr& call) {
  call->expect(1, 3);
  const auto number = [&call](std::size_t index) {
    return call->size() <= index ? 0 : static_cast<int>(call->get<std::int64_t>(index));
  };
  const PoolOptions options{
      .processes = number(1), .maxtasksperchild = number(2), .start = StartMethod::forkserver};
  auto shared = std::make_shared<CallPtr>(std::move(call));
  server.workers().submit(nullptr, [shared = std::move(shared), options, &server]() mutable {
    std::shared_ptr<RawPool> pool;
    std::exception_ptr error;
    try {
      pool = std::make_shared<RawPool>(options);
    } catch (...) {
      error = std::current_exception();
    }
    server.loop().post([shared = std::move(shared), pool = std::move(pool), error, &server] {
      if (error) {
        (*shared)->fail(error);
        return;
      }
      const auto object = std::make_shared<ServedPool>(server, pool);
      server.enter(object);
      (*shared)->reply_object(object);
    });
  });
}

}  // namespace manager

}  // namespace mp
