// SPDX-License-Identifier: Apache-2.0
// Design: a list of modules that only grows. Readers walk it without a lock; writers push with one
// CAS. A shared object is pinned (RTLD_NODELETE) before it enters the list.
//
// Invariants
//  I1 What is on the list is mapped where it says until the process ends.
//  I2 A node is complete before it is published and never changes afterwards.
//  I3 No lock is held that a fork in another thread could leave locked in the child.
#include "os/image.hpp"

#include <atomic>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

// Weak, because a fully static executable should not be made to link a loader.
#pragma weak dlopen
#pragma weak dlclose
#pragma weak dlerror

namespace mp::os {

namespace {

using Header = ElfW(Phdr);

// A digest that need not resist attacks: refs are exchanged between processes of one tree.
class Digest {
 public:
  void add(const void* bytes, std::size_t size) noexcept {
    const auto* byte = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i < size; ++i) {
      high_ = (high_ ^ byte[i]) * 0x100000001B3U;  // FNV-1a
      low_ = ((low_ << 7 | low_ >> 57) + byte[i]) * 0x9E3779B97F4A7C15U;
    }
  }
  [[nodiscard]] BuildId value() const noexcept { return {finish(high_), finish(low_ ^ high_)}; }

 private:
  static std::uint64_t finish(std::uint64_t x) noexcept {  // the finaliser of MurmurHash3
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCDU;
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53U;
    return x ^ x >> 33;
  }
  std::uint64_t high_ = 0xCBF29CE484222325U;
  std::uint64_t low_ = 0;
};

// A view of one module as dl_iterate_phdr shows it, good only inside the callback.
struct Image {
  const dl_phdr_info& info;

  [[nodiscard]] std::uintptr_t at(std::uintptr_t file_address) const noexcept {
    return static_cast<std::uintptr_t>(info.dlpi_addr) + file_address;
  }
  [[nodiscard]] bool is_code(const Header& header) const noexcept {
    return header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0;
  }
  [[nodiscard]] bool holds(std::uintptr_t address) const noexcept {
    for (int i = 0; i < info.dlpi_phnum; ++i) {
      const Header& header = info.dlpi_phdr[i];
      if (is_code(header) && address - at(header.p_vaddr) < header.p_memsz) {
        return true;
      }
    }
    return false;
  }
  // Whether the bytes of `header` are part of the mapped, readable file.
  [[nodiscard]] bool is_loaded(const Header& header) const noexcept {
    for (int i = 0; i < info.dlpi_phnum; ++i) {
      const Header& load = info.dlpi_phdr[i];
      if (load.p_type == PT_LOAD && (load.p_flags & PF_R) != 0 && header.p_vaddr >= load.p_vaddr &&
          header.p_vaddr - load.p_vaddr <= load.p_filesz &&
          header.p_memsz <= load.p_filesz - (header.p_vaddr - load.p_vaddr)) {
        return true;
      }
    }
    return false;
  }

  // Adds the build-id to `digest`; returns false when this note segment holds none.
  bool add_build_id(const Header& header, Digest& digest) const noexcept {
    const std::size_t alignment = header.p_align == 8 ? 8 : 4;
    const auto padded = [&](std::size_t n) { return (n + alignment - 1) & ~(alignment - 1); };
    const auto* notes = reinterpret_cast<const char*>(at(header.p_vaddr));
    std::size_t left = header.p_memsz;
    while (left >= sizeof(ElfW(Nhdr))) {
      ElfW(Nhdr) note;
      std::memcpy(&note, notes, sizeof note);
      // Offsets count from the start of the note, so that 8-aligned notes come out right.
      const std::size_t content = padded(sizeof note + note.n_namesz);
      const std::size_t whole = padded(content + note.n_descsz);
      if (content > left || note.n_descsz > left - content) {
        return false;
      }
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz > 0 &&
          std::memcmp(notes + sizeof note, "GNU", 4) == 0) {
        digest.add(notes + content, note.n_descsz);
        return true;
      }
      if (whole >= left) {
        return false;
      }
      notes += whole;
      left -= whole;
    }
    return false;
  }

  [[nodiscard]] BuildId build() const noexcept {
    Digest digest;
    for (int i = 0; i < info.dlpi_phnum; ++i) {
      const Header& header = info.dlpi_phdr[i];
      if (header.p_type == PT_NOTE && is_loaded(header) && add_build_id(header, digest)) {
        return digest.value();
      }
    }
    std::string_view name{info.dlpi_name};
    name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    digest.add(name.data(), name.size());
    for (int i = 0; i < info.dlpi_phnum; ++i) {
      const Header& header = info.dlpi_phdr[i];
      digest.add(&header, sizeof header);
      if (header.p_type == PT_GNU_EH_FRAME && is_loaded(header)) {
        digest.add(reinterpret_cast<const void*>(at(header.p_vaddr)), header.p_memsz);
      }
    }
    return digest.value();
  }
};

// Calls `visit(image, is_main)` for each loaded module until it returns true.
template <class Visit>
void for_each_image(Visit visit) {
  struct State {
    Visit& visit;
    bool is_main = true;  // the main executable always comes first
  } state{visit};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& it = *static_cast<State*>(data);
        return it.visit(Image{*info}, std::exchange(it.is_main, false)) ? 1 : 0;
      },
      &state);
}

// Whether shared objects can be loaded. A fully static executable has no interpreter; glibc's
// dlopen, should it be linked in, would give it a second C library.
bool has_loader() {
  bool found = false;
  for_each_image([&](const Image& image, bool) {  // the first one only
    for (int i = 0; i < image.info.dlpi_phnum; ++i) {
      found = found || image.info.dlpi_phdr[i].p_type == PT_INTERP;
    }
    return true;
  });
  return found && dlopen != nullptr;
}

std::string absolute(const char* path) {
  const std::unique_ptr<char, decltype(&std::free)> full{::realpath(path, nullptr), &std::free};
  return full ? full.get() : path;
}

}  // namespace

class ModuleTable {
 public:
  // The modules that were used so far, newest first.
  static const Module* first() noexcept {
    return newest_.load(std::memory_order_acquire);  // pairs with the release in publish()
  }
  static const Module* next(const Module& module) noexcept { return module.next_; }

  // Finds the first loaded image that `matches`, pins and publishes it.
  template <class Matches>
  static const Module* discover(Matches matches) {
    std::unique_ptr<Module> found = look(matches);
    if (!found) {
      return nullptr;
    }
    if (!found->is_main_) {
      if (!pin(found->path_)) {
        return nullptr;
      }
      // Pinned by name: what the name meant may have been replaced since it was looked at.
      const std::uintptr_t base = found->base_;
      const BuildId build = found->build_;
      found = look(
          [&](const Image& image, bool) { return image.at(0) == base && image.build() == build; });
      if (!found) {
        return nullptr;
      }
      found->path_ = absolute(found->path_.c_str());
    }
    return publish(std::move(found));
  }

 private:
  template <class Matches>
  static std::unique_ptr<Module> look(Matches matches) {
    auto module = std::make_unique<Module>();
    const char* name = nullptr;
    for_each_image([&](const Image& image, bool is_main) {
      if (!matches(image, is_main)) {
        return false;
      }
      module->build_ = image.build();
      module->base_ = image.at(0);
      module->is_main_ = is_main;
      std::size_t count = 0;
      for (int i = 0; i < image.info.dlpi_phnum && count < Module::kMaxSegments; ++i) {
        const Header& header = image.info.dlpi_phdr[i];
        if (image.is_code(header)) {
          const std::uintptr_t begin = image.at(header.p_vaddr);
          module->code_[count++] = {begin, begin + header.p_memsz};
        }
      }
      name = image.info.dlpi_name;
      module->path_ = is_main ? "" : name;
      return true;
    });
    return name == nullptr ? nullptr : std::move(module);
  }

  // Makes sure that the loaded shared object `path` stays loaded.
  static bool pin(const std::string& path) {
    return has_loader() && dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
  }

  static const Module* publish(std::unique_ptr<Module> module) noexcept {
    const Module* head = newest_.load(std::memory_order_acquire);
    do {
      for (const Module* other = head; other != nullptr; other = other->next_) {
        if (other->base_ == module->base_ && other->build_ == module->build_) {
          return other;  // another thread was faster
        }
      }
      module->next_ = head;
    } while (!newest_.compare_exchange_weak(head, module.get(), std::memory_order_release,
                                            std::memory_order_acquire));
    return module.release();
  }

  static std::atomic<const Module*> newest_;
};

constinit std::atomic<const Module*> ModuleTable::newest_{nullptr};

namespace detail {

constinit std::atomic<const Module*> main_module{nullptr};

const Module& find_main_module() {
  // Every process has a main executable, and threads that find it at once publish the same one.
  const Module* module = ModuleTable::discover([](const Image&, bool is_main) { return is_main; });
  main_module.store(module, std::memory_order_release);  // pairs with main_module()
  return *module;
}

const Module* find_module_of(std::uintptr_t address) {
  for (const Module* it = ModuleTable::first(); it != nullptr; it = ModuleTable::next(*it)) {
    if (it->holds(address)) {
      return it;
    }
  }
  return ModuleTable::discover([&](const Image& image, bool) { return image.holds(address); });
}

}  // namespace detail

const Module* module_with(const BuildId& build) {
  if (const Module& main = main_module(); main.build() == build) [[likely]] {
    return &main;
  }
  for (const Module* it = ModuleTable::first(); it != nullptr; it = ModuleTable::next(*it)) {
    if (it->build() == build) {
      return it;
    }
  }
  return ModuleTable::discover([&](const Image& image, bool) { return image.build() == build; });
}

const Module* load_module(const BuildId& build, const std::string& path, std::string& reason) {
  if (const Module* loaded = module_with(build)) [[likely]] {
    return loaded;
  }
  if (path.empty() || !has_loader()) {
    reason = "it is not part of this executable";
    return nullptr;
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* words = dlerror();
    reason = words != nullptr ? words : "it cannot be loaded";
    return nullptr;
  }
  const Module* loaded = module_with(build);
  if (loaded == nullptr) {
    reason = "the file is of another build";
  }
  dlclose(handle);  // when it is the right one it has been pinned by now
  return loaded;
}

}  // namespace mp::os
