// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/codec.hpp"

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "mp/base/contract.hpp"
#include "mp/errors/error.hpp"

namespace mp::detail {

namespace {

// All types of the program, newest first. Entries are added before main and by dlopen, and are
// taken out never: the list of a library that is closed again would dangle, so we do not support
// unloading a library that sends types of its own.
constinit std::atomic<TypeEntry*> type_entries{nullptr};

}  // namespace

TypeEntry::TypeEntry(std::uint64_t the_tag, std::string (*the_name)()) noexcept
    : tag{the_tag}, name{the_name}, next{type_entries.load(std::memory_order_relaxed)} {
  // Release: whoever finds the entry in the list also sees its fields.
  while (!type_entries.compare_exchange_weak(next, this, std::memory_order_release,
                                             std::memory_order_relaxed)) {
  }
}

std::string name_of_tag(std::uint64_t tag) {
  // Pairs with the release in TypeEntry's constructor.
  for (const TypeEntry* entry = type_entries.load(std::memory_order_acquire); entry != nullptr;
       entry = entry->next) {
    if (entry->tag == tag) {
      return entry->name();
    }
  }
  char text[32];
  std::snprintf(text, sizeof text, "tag 0x%016" PRIx64, tag);
  return text;
}

void throw_unfilled() {
  throw_usage_error(
      "a codec's write wrote fewer bytes than it counted, or the value changed meanwhile");
}

void throw_type_mismatch(const Reader& in, const TypeEntry& wanted, std::uint64_t received,
                         Bytes* message) {
  const ByteView whole = in.whole();
  throw TypeMismatch{wanted.name(), name_of_tag(received),
                     message != nullptr ? std::move(*message) : Bytes(whole.begin(), whole.end())};
}

void rethrow_with(const DecodeError& error, Bytes&& message) {
  throw DecodeError{error.what(), std::move(message)};
}

}  // namespace mp::detail
