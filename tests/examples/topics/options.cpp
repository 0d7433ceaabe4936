// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "mp/process.hpp"

namespace topics {
namespace {

constexpr int kMostProcesses = 1024;
constexpr int kFewestLines = 10;
constexpr int kMostLines = 1'000'000;

// "I/N" with 1 <= I <= N.
void parse_share(const std::string& text, Options& options) {
  int end = 0;
  if (std::sscanf(text.c_str(), "%d/%d%n", &options.share, &options.shares, &end) != 2 ||
      static_cast<std::size_t>(end) != text.size() || options.share < 1 ||
      options.share > options.shares) {
    throw InputError{"--share: " + text + " is not I/N with 1 <= I <= N"};
  }
}

}  // namespace

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  options.source = default_source();
  options.processes = mp::cpu_count();
  std::string folder;
  std::string share;

  CLI::App app{
      "Learns to tell the topics of a text apart: one ridge regressor a topic, each chosen among\n"
      "1782 combinations of parameters by cross-validation, on a pool of processes."};
  app.add_option("--folder", folder, "Folder of text files, one a topic (default: fortunes)");
  app.add_option("--lines", options.source.lines_per_topic, "At most so many lines of each topic")
      ->check(CLI::Range(kFewestLines, kMostLines))
      ->capture_default_str();
  auto* processes = app.add_option("--processes", options.processes, "Number of worker processes")
                        ->check(CLI::Range(1, kMostProcesses))
                        ->capture_default_str();
  auto* start = app.add_option("--start", options.start, "How workers are started")
                    ->check(CLI::IsMember({"fork", "forkserver", "spawn"}));
  auto* serial = app.add_flag("--serial", options.serial, "No pool: this process does it all")
                     ->excludes(processes)
                     ->excludes(start);
  app.add_flag("--compare", options.compare, "Do it again serially; compare times and results")
      ->excludes(serial);
  app.add_option("--journal", options.journal,
                 "Keep finished tasks in FILE.search and FILE.training, and go on from there")
      ->excludes(serial);
  app.add_option("--share", share, "Only the I-th of N equal parts of the search, as I/N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw InputError{error.what()};
  }
  if (!folder.empty()) {
    options.source.folder = folder;
    options.source.files.clear();
  } else if (app.count("--folder") > 0) {
    throw InputError{"--folder: the name is empty"};
  }
  if (!share.empty()) {
    parse_share(share, options);
  }
  return options;
}

}  // namespace topics
