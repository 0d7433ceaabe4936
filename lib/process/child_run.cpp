// SPDX-License-Identifier: Apache-2.0
#include "process/child_run.hpp"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/errors/remote_error.hpp"
#include "mp/process/start_method.hpp"

#include "log/log.hpp"
#include "memory/object.hpp"
#include "memory/processes.hpp"
#include "os/parent_death.hpp"
#include "os/proc.hpp"
#include "os/signal.hpp"
#include "os/start_marker.hpp"
#include "os/stdio.hpp"
#include "process/exit.hpp"
#include "process/identity.hpp"
#include "process/uncaught.hpp"

namespace mp::process {

namespace {

using mp::detail::ObjectRef;

constexpr int kBroken = 1;  // the exit code of a child that never got as far as its function

// What a child's start message holds, followed by the call.
struct StartRecord {
  Identity identity;
  std::uint64_t call_size;
};

// The objects of a start message, held by this process instead of the message.
std::vector<ObjectRef> take_objects(memory::BlockId message) {
  std::vector<ObjectRef> objects;
  for (const memory::BlockId id : memory::objects_of(message)) {
    objects.push_back(ObjectRef::from_id(id, static_cast<std::uint32_t>(memory::object_type(id))));
  }
  return objects;
}

// Lets the arguments of a call take the objects that this process has just taken over.
class HeldCarrier final : public Carrier {
 public:
  explicit HeldCarrier(std::vector<ObjectRef> objects) : objects_{std::move(objects)} {}
  void take_object(std::uint64_t id) override {
    for (const ObjectRef& object : objects_) {
      if (object.id() == id) {
        return;
      }
    }
    throw DecodeError{"the call refers to a shared object that it does not carry"};
  }
  // The arguments hold what they need now.
  void let_go() { objects_.clear(); }

 private:
  std::vector<ObjectRef> objects_;
};

// What every child does first. From here on it has its name, dies with its parent, and ends in
// order also when somebody calls exit().
[[gnu::hot]] void settle(std::unique_ptr<const KeptIdentity> kept, Origin origin) {
  const Identity& identity = kept->identity;
  if (origin == Origin::copy) {
    forget_inherited();
    os::drop_inherited_output();
  }
  os::die_with_parent(identity.parent_pid);
  if (identity.ignores_interrupt) {
    os::ignore_signal(os::kSigInt);
  }
  os::detach_stdin();
  os::at_exit_first([](int status) { end_child(status & 0xff); });
  if (identity.start_method) {
    set_start_method(*identity.start_method, true);  // a zygote may have been told another one
  }
  // A zygote was made before; what was set since then it does not know.
  log::apply({static_cast<LogLevel>(identity.log_level), identity.log_to_stderr});
  set_identity(std::move(kept));
  if (origin == Origin::copy) {
    run_after_fork_hooks();
  }
}

// Runs an encoded call; returns the exit code.
int run_encoded(ByteView call, std::vector<ObjectRef> objects) {
  HeldCarrier carrier{std::move(objects)};
  Reader in{call, &carrier};
  Writer out;
  const Identity& self = identity();
  const ExceptionOrigin origin{.process_name = self.name, .pid = os::pid(), .stack = {}};
  CallFrame frame{in, out, origin};
  frame.decoded = [](void* c) { static_cast<HeldCarrier*>(c)->let_go(); };
  frame.decoded_argument = &carrier;
  return report_uncaught([&] { run_thunk(frame); });
}

}  // namespace

memory::Message make_start_message(const Identity& identity, ByteView call,
                                   const std::vector<memory::BlockId>& objects) {
  const StartRecord record{identity, call.size()};
  memory::Message message{encoded_size(record) + call.size(), objects};
  Writer out{message.payload()};
  write(out, record);
  out.write_bytes(call.data(), call.size());
  return message;
}

[[gnu::hot]] void run_forked(memory::ProcessId self, memory::BlockId message,
                             std::unique_ptr<const KeptIdentity> identity,
                             const std::function<void()>& body) noexcept {
  int code = kBroken;
  try {
    memory::become(self);
    std::vector<ObjectRef> objects;
    if (message != 0 && memory::take_block(message)) {
      objects = take_objects(message);
      memory::free_message(message);
    }
    settle(std::move(identity), Origin::copy);
    // The handles among the arguments are the same records as these, and count from here on.
    objects.clear();
    code = report_uncaught(body);
  } catch (const std::exception& error) {
    os::write_stderr("mp: a child could not be set up: " + std::string{error.what()} + "\n");
  }
  end_child(code);
}

void run_message(memory::ProcessId self, memory::BlockId block, Origin origin) noexcept {
  int code = kBroken;
  try {
    memory::become(self);
    if (!memory::take_block(block)) {
      os::exit_now(kBroken);  // our parent is gone, and swept
    }
    Bytes call;
    std::vector<ObjectRef> objects;
    {
      const memory::Message message = memory::Message::adopt(block);
      const ByteView payload = message.payload();
      Reader in{payload};
      StartRecord record = read<StartRecord>(in);
      const ByteView encoded = in.read_view(record.call_size);
      call.assign(encoded.begin(), encoded.end());
      objects = take_objects(block);
      if (origin == Origin::copy) {
        // A zygote ignores SIGINT, and blocks it, so that one that is meant for its copy waits
        // until here.
        if (!record.identity.ignores_interrupt) {
          os::default_signal(os::kSigInt);
        }
        os::set_signal_mask(os::signal_mask() & ~os::signal_bit(os::kSigInt));
      }
      settle(keep(std::move(record.identity)), origin);
    }
    code = run_encoded(call, std::move(objects));
  } catch (const std::exception& error) {
    os::write_stderr("mp: a child could not be set up: " + std::string{error.what()} + "\n");
  }
  end_child(code);
}

}  // namespace mp::process
