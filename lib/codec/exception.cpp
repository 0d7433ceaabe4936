// SPDX-License-Identifier: Apache-2.0
// A message with an exception: tag, what was thrown and where (RemoteInfo), what(), the number of
// the type in kKnown, and what else that type needs.
//
// Invariants
//  I1 Encoding loses no exception: whatever goes wrong while the details are saved, what is known
//     already travels as kind kUnknown and arrives as RemoteError.
//  I2 The numbers are places in kKnown; both sides are the same build or agree on the list.
#include "mp/codec/exception.hpp"

#include <atomic>
#include <cstdlib>
#include <cxxabi.h>
#include <string>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/codec/types/vector.hpp"

#include "codec/known_exceptions.hpp"

namespace mp {

namespace {

constexpr std::uint64_t kExceptionTag = detail::hash_text("mp.exception");
constexpr std::uint16_t kUnknown = 0xffff;
constexpr std::uint16_t kRegistered = 0xfffe;

constinit std::atomic<detail::ExceptionEntry*> registered_exceptions{nullptr};

std::string demangled(const std::type_info* type) {
  if (type == nullptr) {
    return "an exception of another language";
  }
  int status = 0;
  char* const text = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string name = text != nullptr ? text : type->name();
  std::free(text);
  return name;
}

// Finds by type (then `name` is null) or by the name that came in a message.
const detail::ExceptionEntry* find_registered(const std::type_info* type, const std::string* name) {
  // Pairs with the release in ExceptionEntry's constructor.
  for (const auto* entry = registered_exceptions.load(std::memory_order_acquire); entry != nullptr;
       entry = entry->next) {
    if (name != nullptr ? *name == entry->type.name() : entry->matches(*type)) {
      return entry;
    }
  }
  return nullptr;
}

// All that a message says of an exception.
struct Description {
  RemoteInfo info;
  std::string text;
  std::uint16_t kind = kUnknown;
  std::string registered_name;
  Bytes details;
};

void describe_registered(const detail::ExceptionEntry& entry, const std::exception_ptr& error,
                         Description& out) {
  RemoteInfo info = out.info;
  out.details = entry.save(error, info);
  out.info = std::move(info);
  out.registered_name = entry.type.name();
  out.kind = kRegistered;
}

void describe_known(const std::exception& error, Description& out) {
  if (const RemoteInfo* const from = remote_info(error)) {
    out.info = *from;
  }
  if (const std::optional<std::size_t> number = codec_detail::number_of(error)) {
    Writer details;
    codec_detail::kKnown[*number].save(details, error);
    out.details = details.take();
    out.kind = static_cast<std::uint16_t>(*number);
  }
}

// Runs in a catch clause for `error`.
void describe(const std::exception_ptr& error, const std::exception* known, Description& out) {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  out.info.type_name = demangled(type);
  if (known != nullptr && known->what() != nullptr) {
    out.text = known->what();
  }
  try {
    const auto* const entry = type != nullptr ? find_registered(type, nullptr) : nullptr;
    if (entry != nullptr) {
      describe_registered(*entry, error, out);
    } else if (known != nullptr) {
      describe_known(*known, out);
    }
  } catch (...) {
    out.kind = kUnknown;  // I1
    out.details.clear();
  }
}

std::exception_ptr make_registered(const std::string& name, ByteView details, std::string_view text,
                                   RemoteInfo info) {
  if (const auto* const entry = find_registered(nullptr, &name)) {
    try {
      return entry->load(details, info);
    } catch (const DecodeError&) {
      throw;
    } catch (...) {  // its constructor threw: what is known of it must do
    }
  }
  return std::make_exception_ptr(RemoteError{text, std::move(info)});
}

}  // namespace

detail::ExceptionEntry::ExceptionEntry(const std::type_info& the_type, Match the_match,
                                       Save the_save, Load the_load) noexcept
    : type{the_type},
      matches{the_match},
      save{the_save},
      load{the_load},
      next{registered_exceptions.load(std::memory_order_relaxed)} {
  // Release: whoever finds the entry in the list also sees its fields.
  while (!registered_exceptions.compare_exchange_weak(next, this, std::memory_order_release,
                                                      std::memory_order_relaxed)) {
  }
}

Bytes encode_exception(const std::exception_ptr& error, const ExceptionOrigin& origin) {
  MP_EXPECTS(error != nullptr, "there must be an exception to encode");
  Description about;
  about.info.process_name = origin.process_name;
  about.info.pid = origin.pid;
  about.info.stack = origin.stack;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    describe(error, &known, about);
  } catch (...) {
    describe(error, nullptr, about);
  }
  Writer out;
  out.write_raw(kExceptionTag);
  write(out, about.info.type_name);
  write(out, about.info.process_name);
  write(out, about.info.pid);
  write(out, about.info.stack);
  write(out, about.text);
  write(out, about.kind);
  write(out, about.registered_name);
  out.write_count(about.details.size());
  out.write_bytes(about.details.data(), about.details.size());
  return out.take();
}

std::exception_ptr decode_exception(ByteView message) {
  Reader in{message};
  if (in.read_raw<std::uint64_t>() != kExceptionTag) {
    in.fail("the message holds no exception");
  }
  RemoteInfo info;
  info.type_name = read<std::string>(in);
  info.process_name = read<std::string>(in);
  info.pid = read<int>(in);
  info.stack = read<std::string>(in);
  const auto text = read<std::string>(in);
  const auto kind = read<std::uint16_t>(in);
  const auto registered_name = read<std::string>(in);
  const ByteView details = in.read_view(in.read_count(1, 0));
  in.expect_end();
  if (kind == kRegistered) {
    return make_registered(registered_name, details, text, std::move(info));
  }
  if (kind == kUnknown) {
    return std::make_exception_ptr(RemoteError{text, std::move(info)});
  }
  if (kind >= codec_detail::kKnown.size()) {
    in.fail("the message holds an exception of an unknown kind");
  }
  Reader rest{details};
  std::exception_ptr error = codec_detail::kKnown[kind].load(rest, text, std::move(info));
  rest.expect_end();
  return error;
}

void rethrow_exception(ByteView message) {
  std::rethrow_exception(decode_exception(message));
}

}  // namespace mp
