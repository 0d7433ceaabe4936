// SPDX-License-Identifier: Apache-2.0
#include "process/throw_site.hpp"

#include <algorithm>
#include <array>
#include <cxxabi.h>
#include <span>
#include <typeinfo>
#include <unwind.h>

#include "os/crash.hpp"
#include "os/image.hpp"

namespace mp::process {

namespace {

constexpr std::size_t kFrames = 64;

struct Note {
  std::array<std::uint64_t, kFrames> frames;
  std::size_t count = 0;
};
thread_local constinit Note note{};

// The runtime of exceptions, whose frames lie between the clause and the throwing function. It is
// known by functions that sanitizers do not interpose, as they do those that throw.
bool is_runtime(std::uint64_t frame) {
  const os::Module* const module = os::module_of(reinterpret_cast<const void*>(frame));
  return module != nullptr && !module->is_main() &&
         (module ==
              os::module_of(reinterpret_cast<const void*>(&abi::__cxa_current_exception_type)) ||
          module == os::module_of(reinterpret_cast<const void*>(&_Unwind_GetIP)));
}

}  // namespace

// libstdc++ asks a clause's type_info through this function whether it takes what was thrown.
class ThrowSiteType final : public std::type_info {
 public:
  ThrowSiteType() : std::type_info{"N2mp7process9ThrowSiteE"} {}
  bool __do_catch(const std::type_info* /*thrown*/, void** /*object*/,
                  unsigned /*outer*/) const override {
    note.count = os::stack_here(note.frames);
    return false;
  }
};

// The symbol that a clause `catch (const ThrowSite&)` refers to. Made before the other static
// objects, of which one may start a child.
extern const ThrowSiteType throw_site_type asm("_ZTIN2mp7process9ThrowSiteE");
[[gnu::init_priority(101)]] const ThrowSiteType throw_site_type;

std::vector<std::uint64_t> stack_of_throw(const void* catcher) {
  const std::span<const std::uint64_t> all{note.frames.data(), note.count};
  // First the frames of the clause itself, then those of the runtime, then the thrower's.
  auto first = std::find_if(all.begin(), all.end(), is_runtime);
  first = first == all.end() ? all.begin() : std::find_if_not(first, all.end(), is_runtime);
  auto last = std::find(first, all.end(), reinterpret_cast<std::uint64_t>(catcher));
  // The frame before it is the one in which the clause stands.
  if (last != all.end() && last != first) {
    --last;
  }
  return {first, last};
}

}  // namespace mp::process
