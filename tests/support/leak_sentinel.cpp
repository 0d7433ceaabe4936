// SPDX-License-Identifier: Apache-2.0
#include "support/leak_sentinel.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <set>
#include <string_view>
#include <thread>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/proc_view.hpp"

namespace mp::test {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPrefixes = {"mp", "psm_", "pymp", "sem.mp", "multiprocessing"};

struct Allowance {
  Resource kind;
  std::string glob;
};

std::vector<Allowance>& allowances() {
  static std::vector<Allowance> list;
  return list;
}

std::vector<std::function<void()>>& warm_ups() {
  static std::vector<std::function<void()>> list;
  return list;
}

const char* name_of(Resource kind) {
  switch (kind) {
    case Resource::child:
      return "child process";
    case Resource::descriptor:
      return "file descriptor";
    case Resource::thread:
      return "thread";
    case Resource::name:
      return "name";
  }
  return "?";
}

bool is_allowed(Resource kind, const std::string& description) {
  return std::any_of(allowances().begin(), allowances().end(), [&](const Allowance& allowance) {
    return allowance.kind == kind && ::fnmatch(allowance.glob.c_str(), description.c_str(), 0) == 0;
  });
}

std::map<std::string, std::string> open_descriptors() {
  std::map<std::string, std::string> found;
  std::error_code error;
  for (fs::directory_iterator it{"/proc/self/fd", error}, end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(it->path(), gone);
    // The iterator's own descriptor shows up as an entry for the folder that is being read.
    if (!gone && target != "/proc/" + std::to_string(::getpid()) + "/fd") {
      found[it->path().filename().string()] = target.string();
    }
  }
  return found;
}

std::map<std::string, std::string> named_objects() {
  std::map<std::string, std::string> found;
  std::error_code none;
  const fs::path temporary = fs::temp_directory_path(none);
  for (const fs::path& folder : std::set<fs::path>{"/dev/shm", "/tmp", temporary}) {
    std::error_code error;
    for (fs::directory_iterator it{folder, error}, end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      const bool is_ours = std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](const char* prefix) {
        return name.starts_with(prefix);
      });
      struct stat info {};
      if (is_ours && ::lstat(it->path().c_str(), &info) == 0 && info.st_uid == ::geteuid()) {
        found[it->path().string()] = it->path().string();
      }
    }
  }
  return found;
}

bool holds(pid_t pid, const std::string& path) {
  const std::string root = "/proc/" + std::to_string(pid);
  if (slurp(root + "/maps").find(path) != std::string::npos) {
    return true;
  }
  std::error_code error;
  for (fs::directory_iterator it{root + "/fd", error}, end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (fs::read_symlink(it->path(), gone) == path) {
      return true;
    }
  }
  return false;
}

// Whether a process that does not descend from this one has the object open or mapped.
bool is_held_elsewhere(const std::string& path) {
  std::set<pid_t> family{::getpid()};
  for (const ProcessView& view : descendants_of(::getpid())) {
    family.insert(view.pid);
  }
  std::error_code error;
  for (fs::directory_iterator it{"/proc", error}, end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t pid = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc{} && *rest == '\0' && !family.contains(pid) && holds(pid, path)) {
      return true;
    }
  }
  return false;
}

#if defined(__SANITIZE_THREAD__)
constexpr bool kUnderTsan = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool kUnderTsan = true;
#else
constexpr bool kUnderTsan = false;
#endif
#else
constexpr bool kUnderTsan = false;
#endif

class LeakSentinel : public testing::EmptyTestEventListener {
 public:
  void OnTestProgramStart(const testing::UnitTest&) override {
    if (kUnderTsan) {
      std::thread{[] {}}.join();  // with the first thread TSan starts one of its own, which stays
    }
    for (const auto& function : warm_ups()) {
      function();
    }
  }

  void OnTestStart(const testing::TestInfo&) override { before_ = Holdings::now(); }

  void OnTestEnd(const testing::TestInfo&) override {
    if (::getpid() != tester_) {
      // A forked child walked out of its test body; it would go on and run the tests that follow.
      std::fputs("a forked child returned into GoogleTest: end it with _exit\n", stderr);
      ::_exit(120);
    }
    for (const std::string& line : lasting_differences(before_)) {
      ADD_FAILURE() << line;
    }
  }

 private:
  pid_t tester_ = ::getpid();
  Holdings before_;
};

}  // namespace

Holdings Holdings::now() {
  Holdings holdings;
  for (const ProcessView& view : children_of(::getpid())) {
    holdings.held[Resource::child][std::to_string(view.pid)] =
        view.state == 'Z' ? view.name + " (zombie)" : view.name;
  }
  holdings.held[Resource::descriptor] = open_descriptors();
  for (const pid_t tid : threads_of_self()) {
    std::string name = slurp("/proc/self/task/" + std::to_string(tid) + "/comm");
    std::erase(name, '\n');
    if (!name.empty()) {
      holdings.held[Resource::thread][std::to_string(tid)] = name;
    }
  }
  holdings.held[Resource::name] = named_objects();
  return holdings;
}

std::vector<std::string> differences(const Holdings& before, const Holdings& after) {
  std::vector<std::string> lines;
  for (const auto kind :
       {Resource::child, Resource::descriptor, Resource::thread, Resource::name}) {
    const auto& old_ones = before.held.at(kind);
    const auto& new_ones = after.held.at(kind);
    for (const auto& [id, description] : new_ones) {
      const auto known = old_ones.find(id);
      // A child that turned into a zombie was there before; a descriptor with another target was
      // closed and its number taken by something new.
      const bool is_new =
          known == old_ones.end() || (kind == Resource::descriptor && known->second != description);
      if (is_new && !is_allowed(kind, description) &&
          !(kind == Resource::name && is_held_elsewhere(id))) {
        lines.push_back(std::string{"leaked "} + name_of(kind) + " " + id + ": " + description);
      }
    }
    for (const auto& [id, description] : old_ones) {
      if (kind == Resource::descriptor && !new_ones.contains(id) &&
          !is_allowed(kind, description)) {
        lines.push_back("closed file descriptor " + id + ", which was open before: " + description);
      }
    }
  }
  return lines;
}

std::vector<std::string> lasting_differences(const Holdings& before,
                                             std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    std::vector<std::string> lines = differences(before, Holdings::now());
    if (lines.empty() || std::chrono::steady_clock::now() >= end) {
      return lines;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
}

void allow_lingering(Resource kind, std::string glob) {
  allowances().push_back({kind, std::move(glob)});
}

bool warm_up(std::function<void()> function) {
  warm_ups().push_back(std::move(function));
  return true;
}

int reap_adopted() {
  int reaped = 0;
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    ++reaped;
  }
  return reaped;
}

void install_leak_sentinel() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // The arena: one memfd for the life of the process, mapped on first use.
  allow_lingering(Resource::descriptor, "/memfd:mp*");
  // The register of named shared memory, and its tracker, which lives as long as this program.
  allow_lingering(Resource::descriptor, "/dev/shm/mp-names-*");
  allow_lingering(Resource::name, "/dev/shm/mp-names-*");
  allow_lingering(Resource::child, "mp-tracker*");
  testing::UnitTest::GetInstance()->listeners().Append(new LeakSentinel);
}

}  // namespace mp::test
