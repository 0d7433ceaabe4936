// SPDX-License-Identifier: Apache-2.0
#include "mp/process/raw_call.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <memory>

#include "mp/process/code_ref.hpp"

namespace mp {

namespace {

constexpr std::uint8_t kSucceeded = 0;
constexpr std::uint8_t kFailed = 1;

void write_exception(Writer& out, const std::exception_ptr& error, const ExceptionOrigin& self) {
  const Bytes message = encode_exception(error, self);
  out.write_raw(kFailed);
  out.write_count(message.size());
  out.write_bytes(message.data(), message.size());
}

}  // namespace

void run_thunk(CallFrame& frame) {
  const auto thunk = reinterpret_cast<Thunk>(const_cast<void*>(detail::read_code(frame.in)));
  thunk(frame);
}

bool run_call(Reader& in, Writer& out, const ExceptionOrigin& self,
              const std::type_info** callable) {
  CallFrame frame{in, out, self, callable};
  return run_call(frame);
}

bool run_call(CallFrame& frame) {
  Writer& out = frame.out;
  const std::size_t start = out.size();
  try {
    out.write_raw(kSucceeded);
    run_thunk(frame);
    return true;
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being cancelled; whoever swallows that is aborted
  } catch (...) {
    out.rewind(start);
    write_exception(out, std::current_exception(), frame.self);
    return false;
  }
}

void write_failure(Writer& out, const std::exception_ptr& error, const ExceptionOrigin& self) {
  write_exception(out, error, self);
}

void expect_success(Reader& outcome) {
  if (outcome.read_choice(2) == kFailed) {
    rethrow_exception(outcome.read_view(outcome.read_count(1, 0)));
  }
}

BatchOutcome::BatchOutcome(Reader& outcome) : in_{outcome} {
  expect_success(in_);
  size_ = in_.read_count(1 + sizeof(std::uint64_t), 0);
}

std::optional<BatchOutcome::Item> BatchOutcome::next() {
  if (given_ == size_) {
    in_.expect_end();
    return std::nullopt;
  }
  ++given_;
  const bool failed = in_.read_choice(2) == kFailed;
  return Item{failed, in_.read_view(in_.read_count(1, 0)), in_.carrier()};
}

namespace detail {

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text{
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free};
  return text ? text.get() : type.name();
}

void run_batch(CallFrame& frame, void* callable, BatchStep step) {
  Reader& in = frame.in;
  Writer& out = frame.out;
  const std::size_t count = in.read_count(0, 0);
  out.write_count(count);
  std::exception_ptr broken;  // why no further item can be decoded
  auto known = frame.known.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t start = out.size();
    bool decoded = false;
    const bool is_known = known != frame.known.end() && known->item == i;
    if (is_known || (frame.only_item && *frame.only_item != i)) {
      step(nullptr, in, out, decoded);
      if (is_known) {
        out.write_bytes(known->outcome.data(), known->outcome.size());
        ++known;
      } else {
        out.write_raw(kSucceeded);
        out.write_count(0);
      }
      continue;
    }
    if (frame.item_slot != nullptr) {
      frame.item_slot->store(static_cast<std::uint32_t>(i + 1), std::memory_order_relaxed);
    }
    try {
      if (broken) {
        std::rethrow_exception(broken);
      }
      out.write_raw(kSucceeded);
      step(callable, in, out, decoded);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      if (!decoded) {
        broken = std::current_exception();
      }
      out.rewind(start);
      write_exception(out, std::current_exception(), frame.self);
    }
  }
  if (!broken) {
    in.expect_end();
  }
}

}  // namespace detail

std::string RawCall::name() const {
  return callable_ == nullptr ? std::string{} : detail::type_name(*callable_);
}

}  // namespace mp
