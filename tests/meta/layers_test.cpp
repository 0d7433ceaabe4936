// SPDX-License-Identifier: Apache-2.0
// The floors of lib/LAYERS hold: nothing includes sideways or up, and system headers stay in `os`.
#include <array>
#include <fstream>
#include <gmock/gmock.h>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "meta/sources.hpp"

namespace mp::meta {
namespace {

constexpr int kRoof = 1000;

using Floors = std::map<std::string, int>;

Floors read_floors(std::istream& in) {
  Floors floors;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words{line};
    int floor = 0;
    if (!line.starts_with('#') && words >> floor) {
      for (std::string module; words >> module;) {
        floors[module] = floor;
      }
    }
  }
  return floors;
}

Floors read_floors() {
  std::ifstream in{root() / "lib/LAYERS"};
  return read_floors(in);
}

// The name between the marks of an include directive, and the opening mark.
struct Include {
  char mark = '\0';
  std::string name;
};

std::optional<Include> include_in(const std::string& line) {
  static const std::regex kDirective{R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)"};
  std::smatch match;
  if (!std::regex_match(line, match, kDirective)) {
    return std::nullopt;
  }
  return Include{match[1].str()[0], match[2].str()};
}

// "memory" of "mp/memory/arena.hpp", "memory/arena.hpp" and "mp/memory.hpp"; "" of "mp/mp.hpp".
std::string module_of(std::string name) {
  if (name.starts_with("mp/")) {
    name.erase(0, 3);
  }
  const std::size_t end = name.find_first_of("/.");
  const std::string module = name.substr(0, end);
  return module == "mp" ? "" : module;
}

// The module that a file of lib/ or include/mp/ belongs to.
std::string home_of(const std::string& path) {
  return module_of(path.substr(path.starts_with("lib/") ? 4 : sizeof "include/" - 1));
}

bool is_umbrella(const std::string& name) {
  return name == "mp/mp.hpp" ||
         (name.starts_with("mp/") && name.find('/', 3) == std::string::npos &&
          std::filesystem::is_directory(root() / "include" / name.substr(0, name.rfind('.'))));
}

bool is_system_header(const std::string& name) {
  static const std::regex kSystem{
      R"((sys|linux|asm|asm-generic|net|netinet|arpa|bits|gnu)/.*|)"
      R"((aio|cpuid|dirent|dlfcn|elf|endian|execinfo|fcntl|fnmatch|ftw|glob|grp|ifaddrs|link|mqueue|)"
      R"(netdb|poll|pthread|pwd|sched|semaphore|signal|spawn|syscall|syslog|termios|ucontext|ulimit|)"
      R"(unistd|utime|wait|errno|time|stdlib|stdio|string|stdint)\.h)"};
  return std::regex_match(name, kSystem);
}

// Why the file may not include that; "" if it may.
std::string objection(const Floors& floors, const std::string& path, const Include& include) {
  const std::string home = home_of(path);
  if (include.mark == '<' && is_system_header(include.name)) {
    return home == "os" ? "" : "a system header outside of lib/os";
  }
  const bool is_roof = path == "include/mp/mp.hpp";
  // An umbrella may stand on another one: a Pool's user needs the codec of what it is given.
  if (is_umbrella(include.name) && !is_roof && !is_umbrella(path.substr(path.find('/') + 1))) {
    return "an umbrella header, below the roof";
  }
  if (include.mark == '<') {
    return include.name.starts_with("mp/") ? "a header of mp between angle brackets" : "";
  }
  const std::string target = module_of(include.name);
  if (!floors.contains(target)) {
    return "of no module in lib/LAYERS";
  }
  if (target == "os" && path.starts_with("include/")) {
    return "os, in a public header";
  }
  const int floor = is_roof ? kRoof : floors.at(home);
  // The rooms of the ground are one.
  if (target == home || floors.at(target) < floor || floor == 0) {
    return "";
  }
  return floors.at(target) == floor ? "sideways on floor " + std::to_string(floor)
                                    : "up from floor " + std::to_string(floor);
}

TEST(Layers, FilesIncludeOnlyWhatIsBelowThem) {
  const Floors floors = read_floors();
  ASSERT_GT(floors.size(), 10U);
  std::size_t includes = 0;
  for (const Source& source : sources_in({"lib", "include"})) {
    const std::string home = home_of(source.path);
    if (!home.empty()) {
      ASSERT_TRUE(floors.contains(home)) << source.path << ": its module is not in lib/LAYERS";
    }
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      if (const auto include = include_in(source.lines[i])) {
        ++includes;
        EXPECT_EQ(objection(floors, source.path, *include), "")
            << source.at(i) << ": includes " << include->name;
      }
    }
  }
  EXPECT_GT(includes, 500U);
}

TEST(Layers, ErrnoIsReadOnlyBelowTheSeam) {
  const std::regex errno_name{R"(\berrno\b)"};
  for (const Source& source : sources_in({"lib", "include"})) {
    for (std::size_t i = 0; i < source.code.size() && !source.path.starts_with("lib/os/"); ++i) {
      EXPECT_FALSE(std::regex_search(source.code[i], errno_name)) << source.at(i);
    }
  }
}

// The rules themselves, on includes that were made up.
TEST(Layers, ObjectToWhatTheyShould) {
  std::istringstream table{"# comment\n0 base\n1 os\n2 codec memory\n3 sync connection\n"};
  const Floors floors = read_floors(table);
  const auto ask = [&](const char* path, char mark, const char* name) {
    return objection(floors, path, {mark, name});
  };
  EXPECT_EQ(ask("lib/sync/lock.cpp", '"', "mp/sync/lock.hpp"), "");
  EXPECT_EQ(ask("lib/sync/lock.cpp", '"', "memory/gate.hpp"), "");
  EXPECT_EQ(ask("lib/sync/lock.cpp", '<', "atomic"), "");
  EXPECT_EQ(ask("lib/os/fd.cpp", '<', "sys/mman.h"), "");
  EXPECT_EQ(ask("lib/sync/lock.cpp", '<', "sys/mman.h"), "a system header outside of lib/os");
  EXPECT_EQ(ask("include/mp/sync/lock.hpp", '<', "unistd.h"), "a system header outside of lib/os");
  EXPECT_EQ(ask("include/mp/sync/lock.hpp", '"', "os/fd.hpp"), "os, in a public header");
  EXPECT_EQ(ask("lib/sync/lock.cpp", '"', "connection/ring.hpp"), "sideways on floor 3");
  EXPECT_EQ(ask("lib/memory/gate.cpp", '"', "mp/codec/codec.hpp"), "sideways on floor 2");
  EXPECT_EQ(ask("lib/memory/gate.cpp", '"', "mp/sync/lock.hpp"), "up from floor 2");
  EXPECT_EQ(ask("lib/memory/gate.cpp", '"', "mp/mp.hpp"), "an umbrella header, below the roof");
  EXPECT_EQ(ask("include/mp/sync.hpp", '"', "mp/memory.hpp"), "");
  EXPECT_EQ(ask("include/mp/sync.hpp", '"', "mp/connection.hpp"), "sideways on floor 3");
  EXPECT_EQ(ask("lib/memory/gate.cpp", '"', "errors.hpp"), "of no module in lib/LAYERS");
  EXPECT_EQ(ask("lib/memory/gate.cpp", '<', "mp/base/bytes.hpp"),
            "a header of mp between angle brackets");
}

}  // namespace
}  // namespace mp::meta
