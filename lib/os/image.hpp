// SPDX-License-Identifier: Apache-2.0
// os/image.hpp — the modules (executable and shared objects) that are loaded in this process.
//
// A Module tells where code lies in a form that another process of the same tree understands: which
// build of which file, and where its segments are mapped here. Modules are found when they are
// first asked for; from then on a question about them costs a few nanoseconds and no lock.
//
// Threads: any function may be called from any thread.
// Fork:    the table is memory without locks; a child goes on with its copy, whenever it was made.
// Owns:    a Module, once returned, lives until the process ends, and so does the mapping that it
//          describes: the shared object is pinned, a later dlclose does not unload it.
// Throws:  std::bad_alloc.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace mp::os {

// Which build a module is: a digest of its build-id note. Where the linker was told to make none it
// is a digest of the file's name, its program headers and its table of function addresses
// (.eh_frame_hdr), which together change whenever any function moves.
struct BuildId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const BuildId&, const BuildId&) = default;
};

class Module {
 public:
  struct Segment {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
  };
  // Linkers make one executable segment, or two; what lies beyond the fourth is not shipped.
  static constexpr std::size_t kMaxSegments = 4;

  [[nodiscard]] const BuildId& build() const noexcept { return build_; }
  // The file, absolute where that could be had; empty for the main executable.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // The difference between addresses here and addresses in the file.
  [[nodiscard]] std::uintptr_t base() const noexcept { return base_; }
  [[nodiscard]] bool is_main() const noexcept { return is_main_; }

  // Returns whether `address` lies in one of the executable segments.
  [[nodiscard]] bool holds(std::uintptr_t address) const noexcept {
    for (const Segment& segment : code_) {
      if (address - segment.begin < segment.end - segment.begin) {
        return true;
      }
    }
    return false;
  }

 private:
  friend class ModuleTable;
  BuildId build_;
  std::uintptr_t base_ = 0;
  std::array<Segment, kMaxSegments> code_{};
  bool is_main_ = false;
  std::string path_;
  const Module* next_ = nullptr;
};

namespace detail {

extern constinit std::atomic<const Module*> main_module;  // null until it is first asked for
[[nodiscard]] const Module& find_main_module();
[[nodiscard]] const Module* find_module_of(std::uintptr_t address);

}  // namespace detail

// Returns the main executable.
[[nodiscard]] inline const Module& main_module() {
  // Pairs with the release in find_main_module().
  const Module* known = detail::main_module.load(std::memory_order_acquire);
  return known != nullptr ? *known : detail::find_main_module();
}

// Returns the module with `address` in an executable segment, or nullptr: generated code, data,
// the kernel's vdso, or a shared object that cannot be pinned.
[[nodiscard]] inline const Module* module_of(const void* address) {
  const auto number = reinterpret_cast<std::uintptr_t>(address);
  const Module& main = main_module();
  return main.holds(number) ? &main : detail::find_module_of(number);
}

// Returns the loaded module of this build, or nullptr.
[[nodiscard]] const Module* module_with(const BuildId& build);

// Like module_with, but loads the shared object at `path` when no loaded module is of this build.
// `reason`, when nothing is returned, says why: the loader's own words, or that the file is of
// another build (it is unloaded again).
[[nodiscard]] const Module* load_module(const BuildId& build, const std::string& path,
                                        std::string& reason);

}  // namespace mp::os
