// SPDX-License-Identifier: Apache-2.0
#include "harness/symbol.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <vector>

#include <dlfcn.h>
#include <link.h>

namespace mp::crash {
namespace {

std::string hex(std::uintptr_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%lx", static_cast<unsigned long>(number));
  return text.data();
}

// The lines that a command prints.
std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines;
  if (std::FILE* pipe = ::popen(command.c_str(), "re"); pipe != nullptr) {
    std::array<char, 4096> text{};
    while (std::fgets(text.data(), text.size(), pipe) != nullptr) {
      lines.emplace_back(text.data());
      std::erase(lines.back(), '\n');
    }
    ::pclose(pipe);
  }
  return lines;
}

// An address may stand in several functions, inlined into each other, the innermost first. Those
// of the standard library say little when there are others.
std::string tell(const std::vector<std::string>& lines) {
  std::string text;
  for (std::string line : lines) {
    if (const std::string_view prefix = " (inlined by) "; line.starts_with(prefix)) {
      line.erase(0, prefix.size());
    }
    if (line.find("/include/c++/") != std::string::npos) {
      continue;
    }
    if (const std::size_t slash = line.rfind('/'), at = line.rfind(" at ");
        slash != std::string::npos && at != std::string::npos && at < slash) {
      line.erase(at + 4, slash - at - 3);  // the folder
    }
    if (line.starts_with("std::_Function_handler<")) {
      line = "a lambda" + line.substr(line.rfind(" at "));
    }
    text += (text.empty() ? "" : " < ") + line;
  }
  return text.empty() ? lines.front() : text;
}

}  // namespace

std::string symbol_of(std::uintptr_t address) {
  Dl_info info{};
  link_map* image = nullptr;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  if (::dladdr1(reinterpret_cast<void*>(address), &info, reinterpret_cast<void**>(&image),
                RTLD_DL_LINKMAP) == 0 ||
      image == nullptr) {
    return hex(address);
  }
  const std::uintptr_t offset = address - image->l_addr;
  // The program itself has an empty name in its link map.
  std::string path = image->l_name;
  if (path.empty()) {
    path = std::filesystem::read_symlink("/proc/self/exe").string();
  }
  const std::vector<std::string> found =
      lines_of("addr2line -Cfpie '" + path + "' " + hex(offset) + " 2>/dev/null");
  if (!found.empty() && !found.front().starts_with("??")) {
    return tell(found);
  }
  const std::string name = info.dli_sname == nullptr ? "" : std::string{info.dli_sname} + " in ";
  return name + std::filesystem::path{path}.filename().string() + "+" + hex(offset);
}

}  // namespace mp::crash
