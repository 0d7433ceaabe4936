// SPDX-License-Identifier: Apache-2.0
#include "support/program.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace mp::test {

Program::Program(std::vector<std::string> words) : child_{start(std::move(words), out_)} {}

Program::~Program() {
  if (out_ >= 0) {
    ::close(out_);
  }
}

Child Program::start(std::vector<std::string> words, int& out) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    throw std::system_error{errno, std::system_category(), "pipe2"};
  }
  out = pipe[0];
  Child child{[&] {
    ::dup2(pipe[1], 1);
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(kNotRun);
  }};
  ::close(pipe[1]);
  return child;
}

std::string Program::line() {
  std::string text;
  for (char each = 0; ::read(out_, &each, 1) == 1 && each != '\n';) {
    text += each;
  }
  return text;
}

std::vector<std::string> pythons() {
  std::vector<std::string> found;
  const char* named = std::getenv("MP_TEST_PYTHON");
  std::istringstream list{named != nullptr ? named : "/usr/bin/python3"};
  for (std::string path; std::getline(list, path, ':');) {
    if (std::filesystem::exists(path)) {
      found.push_back(path);
    }
  }
  return found;
}

}  // namespace mp::test
