// SPDX-License-Identifier: Apache-2.0
#include "support/proc_view.hpp"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace mp::test {
namespace {

namespace fs = std::filesystem;

// The entries of a folder whose names are numbers. A process may end while its folder is read.
std::vector<pid_t> numbers_in(const fs::path& folder) {
  std::vector<pid_t> found;
  std::error_code error;
  for (fs::directory_iterator it{folder, error}, end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t number = 0;
    const auto [rest, bad] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (bad == std::errc{} && rest == name.data() + name.size()) {
      found.push_back(number);
    }
  }
  return found;
}

std::vector<ProcessView> all_processes() {
  std::vector<ProcessView> all;
  for (const pid_t pid : numbers_in("/proc")) {
    if (ProcessView view = view_process(pid); view.pid != 0) {
      all.push_back(std::move(view));
    }
  }
  return all;
}

}  // namespace

std::string slurp(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  // Not by istreambuf_iterator: reading a file of /proc fails when its process goes, and that
  // would throw.
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

ProcessView view_process(pid_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t open = stat.find('(');
  const std::size_t close = stat.rfind(')');  // a name may hold parentheses
  if (open == std::string::npos || close == std::string::npos) {
    return {};
  }
  ProcessView view;
  std::istringstream rest{stat.substr(close + 1)};
  if (!(rest >> view.state >> view.parent)) {
    return {};
  }
  view.pid = pid;
  view.name = stat.substr(open + 1, close - open - 1);
  return view;
}

std::vector<ProcessView> children_of(pid_t pid) {
  std::vector<ProcessView> all = all_processes();
  std::erase_if(all, [&](const ProcessView& view) { return view.parent != pid; });
  return all;
}

std::vector<ProcessView> descendants_of(pid_t pid) {
  const std::vector<ProcessView> all = all_processes();
  std::vector<ProcessView> found;
  std::vector<pid_t> to_visit{pid};
  while (!to_visit.empty()) {
    const pid_t parent = to_visit.back();
    to_visit.pop_back();
    for (const ProcessView& view : all) {
      if (view.parent == parent) {
        found.push_back(view);
        to_visit.push_back(view.pid);
      }
    }
  }
  return found;
}

std::vector<pid_t> threads_of_self() {
  return numbers_in("/proc/self/task");
}

bool is_asleep(pid_t pid) {
  return view_process(pid).state == 'S';
}

}  // namespace mp::test
