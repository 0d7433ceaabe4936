// SPDX-License-Identifier: Apache-2.0
#include "mp/process/code_ref.hpp"

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "mp/errors/error.hpp"

#include "os/image.hpp"

namespace mp::detail {

namespace {

constexpr int kOffsetBits = 48;  // no image is larger: user space has 47 bits
constexpr std::uint64_t kOffsetMask = (std::uint64_t{1} << kOffsetBits) - 1;
constexpr std::uint64_t kElsewhere = std::uint64_t{1} << 63;

// Fifteen bits of the build, where they stand in the token.
std::uint64_t check_of(const os::BuildId& build) noexcept {
  return (build.low & 0x7FFF) << kOffsetBits;
}

std::string hex(std::uint64_t number) {
  std::array<char, 16> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + 16, number, 16).ptr};
}

const os::Module& module_of(const void* code) {
  const os::Module* module = os::module_of(code);
  if (module == nullptr) [[unlikely]] {
    throw UsageError{"the function at 0x" + hex(reinterpret_cast<std::uintptr_t>(code)) +
                     " lies in no executable or shared object, so it cannot be sent"};
  }
  return *module;
}

const void* address_in(const os::Module& module, std::uint64_t offset, const Reader& in) {
  const std::uintptr_t address = module.base() + offset;
  if (!module.holds(address)) [[unlikely]] {
    in.fail("the call names offset 0x" + hex(offset) + " of " +
            (module.is_main() ? "the main executable" : module.path()) + ", where no code is");
  }
  return reinterpret_cast<const void*>(address);
}

const void* read_elsewhere(std::uint64_t offset, Reader& in) {
  os::BuildId build;
  build.high = in.read_raw<std::uint64_t>();
  build.low = in.read_raw<std::uint64_t>();
  const ByteView bytes = in.read_view(in.read_count(1, 0));
  const std::string_view path{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const os::Module* module = os::module_with(build);
  if (module == nullptr) [[unlikely]] {
    std::string reason;
    module = os::load_module(build, std::string{path}, reason);
    if (module == nullptr) {
      in.fail("the module " + std::string{path} + " with build " + hex(build.high) +
              hex(build.low) + " is not loaded in this process: " + reason);
    }
  }
  return address_in(*module, offset, in);
}

}  // namespace

std::size_t code_size(const void* code) {
  const os::Module& module = module_of(code);
  return module.is_main() ? sizeof(std::uint64_t)
                          : 4 * sizeof(std::uint64_t) + module.path().size();
}

void write_code(Writer& out, const void* code) {
  const os::Module& module = module_of(code);
  const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(code) - module.base();
  if (module.is_main()) [[likely]] {
    out.write_raw(offset | check_of(module.build()));
    return;
  }
  out.write_raw(offset | kElsewhere);
  out.write_raw(module.build().high);
  out.write_raw(module.build().low);
  out.write_count(module.path().size());
  out.write_bytes(module.path().data(), module.path().size());
}

const void* read_code(Reader& in) {
  const auto token = in.read_raw<std::uint64_t>();
  if ((token & kElsewhere) != 0) {
    return read_elsewhere(token & kOffsetMask, in);
  }
  const os::Module& main = os::main_module();
  if ((token & ~kOffsetMask) != check_of(main.build())) [[unlikely]] {
    in.fail("the call was made by another build of the main executable");
  }
  return address_in(main, token & kOffsetMask, in);
}

namespace {

// A null or virtual pointer to member has no code of its own.
bool has_code(MemberCode member) noexcept {
  return !member.is_virtual() && member.function != 0;
}

}  // namespace

std::size_t member_code_size(MemberCode member) {
  return 1 + sizeof(std::int64_t) +
         (has_code(member) ? code_size(reinterpret_cast<const void*>(member.function))
                           : sizeof(std::uint64_t));
}

void write_member_code(Writer& out, MemberCode member) {
  out.write_raw(static_cast<std::uint8_t>(has_code(member)));
  out.write_raw(static_cast<std::int64_t>(member.adjustment));
  if (has_code(member)) {
    write_code(out, reinterpret_cast<const void*>(member.function));
  } else {
    out.write_raw(static_cast<std::uint64_t>(member.function));
  }
}

MemberCode read_member_code(Reader& in) {
  const bool with_code = in.read_choice(2) != 0;
  MemberCode member{};
  member.adjustment = static_cast<std::ptrdiff_t>(in.read_raw<std::int64_t>());
  member.function = with_code ? reinterpret_cast<std::uintptr_t>(read_code(in))
                              : static_cast<std::uintptr_t>(in.read_raw<std::uint64_t>());
  return member;
}

}  // namespace mp::detail
