// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/registry.hpp"

#include <algorithm>

#include "mp/codec/types/string.hpp"
#include "mp/codec/types/vector.hpp"
#include "mp/errors/error.hpp"
#include "mp/process/code_ref.hpp"
#include "mp/queue/queue.hpp"

namespace mp {

namespace detail {

ServedCall::~ServedCall() = default;

}  // namespace detail

Registry::Registry() = default;
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&&) noexcept = default;
Registry::~Registry() = default;

Registry::Registry(const Registry& other) {
  types_.reserve(other.types_.size());
  for (const auto& type : other.types_) {
    types_.push_back(std::make_unique<detail::ServedType>(*type));
  }
}

detail::ServedType& Registry::add(detail::ServedType type) {
  if (find(type.name) != nullptr) {
    throw UsageError{"'" + type.name + "' is registered already"};
  }
  return *types_.emplace_back(std::make_unique<detail::ServedType>(std::move(type)));
}

const detail::ServedType* Registry::find(std::string_view name) const noexcept {
  const auto found = std::find_if(types_.begin(), types_.end(),
                                  [&](const auto& type) { return type->name == name; });
  return found == types_.end() ? nullptr : found->get();
}

const detail::ServedType* Registry::find_class(std::uint64_t class_id) const noexcept {
  const auto found = std::find_if(types_.begin(), types_.end(), [class_id](const auto& type) {
    return type->class_id == class_id && class_id != 0;
  });
  return found == types_.end() ? nullptr : found->get();
}

namespace {

template <class Function>
void write_function(Writer& out, Function function) {
  out.write_raw(static_cast<std::uint8_t>(function != nullptr));
  if (function != nullptr) {
    detail::write_code(out, reinterpret_cast<const void*>(function));
  }
}

template <class Function>
Function read_function(Reader& in) {
  return in.read_choice(2) == 0
             ? nullptr
             : reinterpret_cast<Function>(const_cast<void*>(detail::read_code(in)));
}

}  // namespace

void codec<Registry>::write(Writer& out, const Registry& registry) {
  out.write_count(registry.types().size());
  for (const auto& type : registry.types()) {
    mp::write(out, type->name);
    out.write_raw(static_cast<std::uint8_t>(type->kind));
    write_function(out, type->make);
    out.write_raw(type->class_id);
    out.write_raw(static_cast<std::uint8_t>(type->thread_safe));
    out.write_count(type->methods.size());
    for (const detail::ServedMethod& method : type->methods) {
      mp::write(out, method.name);
      write_function(out, method.thunk);
      out.write_raw(static_cast<std::uint8_t>(method.has_member));
      if (method.has_member) {
        detail::write_member_code(out, method.target.code);
      }
    }
    mp::write(out, type->standard);
    mp::write(out, type->tags);
    if (type->kind == detail::ServedType::Kind::queue) {
      mp::write(out, Queue<std::uint8_t>{type->queue.front()});
    }
  }
}

Registry codec<Registry>::read(Reader& in) {
  Registry registry;
  for (std::size_t types = in.read_count(1, 0); types != 0; --types) {
    detail::ServedType type;
    type.name = mp::read<std::string>(in);
    type.kind = static_cast<detail::ServedType::Kind>(in.read_choice(4));
    type.make = read_function<detail::MakeThunk>(in);
    type.class_id = in.read_raw<std::uint64_t>();
    type.thread_safe = in.read_choice(2) != 0;
    for (std::size_t methods = in.read_count(1, 0); methods != 0; --methods) {
      detail::ServedMethod& method = type.methods.emplace_back();
      method.name = mp::read<std::string>(in);
      method.thunk = read_function<detail::MethodThunk>(in);
      method.has_member = in.read_choice(2) != 0;
      if (method.has_member) {
        method.target.code = detail::read_member_code(in);
      }
    }
    type.standard = mp::read<std::string>(in);
    type.tags = mp::read<std::vector<std::uint64_t>>(in);
    if (type.kind == detail::ServedType::Kind::queue) {
      type.queue.push_back(mp::read<Queue<std::uint8_t>>(in).raw());
    }
    registry.add(std::move(type));
  }
  return registry;
}

}  // namespace mp
