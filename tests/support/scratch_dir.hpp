// SPDX-License-Identifier: Apache-2.0
// support/scratch_dir.hpp — a folder of a test's own, removed with all that is in it.
//
// It is held open, so that the leak sentinel of a test program that runs beside this one sees whose
// it is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace mp::test {

class ScratchDir {
 public:
  ScratchDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mp-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw std::system_error{errno, std::system_category(), "mkdtemp"};
    }
    path_ = pattern;
    held_ = ::open(pattern.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }

  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  ~ScratchDir() {
    std::error_code ignored;
    if (maker_ == ::getpid()) {
      std::filesystem::remove_all(path_, ignored);
    }
    ::close(held_);
  }

  const std::filesystem::path& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  pid_t maker_ = ::getpid();
  int held_ = -1;
  std::filesystem::path path_;
};

}  // namespace mp::test
