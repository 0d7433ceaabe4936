// SPDX-License-Identifier: Apache-2.0
#include "pool/replay.hpp"

#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string_view>

#include "mp/codec/codec.hpp"
#include "mp/codec/types/string.hpp"
#include "mp/errors/error.hpp"
#include "mp/log.hpp"
#include "mp/pool/raw_pool.hpp"
#include "mp/process/current.hpp"
#include "mp/process/raw_call.hpp"

#include "os/file.hpp"
#include "os/proc.hpp"
#include "os/stdio.hpp"
#include "pool/current_task.hpp"

namespace mp {

namespace pool {

namespace {

constexpr std::string_view kMagic = "mp task 2\n";

std::string new_path() {
  static std::atomic<unsigned> saved{0};
  const std::string name =
      "mp-poison-" + std::to_string(os::pid()) + "-" + std::to_string(++saved) + ".task";
  return (std::filesystem::temp_directory_path() / name).string();
}

}  // namespace

std::string save_task(const SavedTask& task) noexcept {
  try {
    Writer out;
    out.write_bytes(kMagic.data(), kMagic.size());
    out.write_raw(task.item);
    out.write_raw(task.stream);
    write(out, task.name);
    out.write_count(task.call.size());
    out.write_bytes(task.call.data(), task.call.size());
    std::string path = new_path();
    os::File file = os::File::create(path);
    file.append(out.written());
    return path;
  } catch (const std::exception& error) {
    get_logger().warning("a task that kills its workers could not be saved: " +
                         std::string{error.what()});
    return {};
  }
}

void replay_if_asked() {
  const std::optional<std::string> file = os::trusted_env("MP_REPLAY");
  if (file && !parent_process()) {
    std::exit(replay_task(*file) ? 0 : 1);
  }
}

}  // namespace pool

bool replay_task(const std::string& file) {
  const Bytes bytes = os::read_file(file);
  Reader in{bytes};
  const ByteView magic = in.read_view(std::min(pool::kMagic.size(), bytes.size()));
  if (std::string_view{reinterpret_cast<const char*>(magic.data()), magic.size()} != pool::kMagic) {
    throw DecodeError{file + " holds no saved task"};
  }
  const auto item = in.read_raw<std::uint32_t>();
  const auto task_stream = in.read_raw<std::uint64_t>();
  const auto name = read<std::string>(in);
  Reader call{in.read_view(in.read_count(1, 0))};
  os::write_stderr(
      "mp: running " + name +
      (item != 0 ? ", the item at " + std::to_string(item - 1) + " of its chunk" : "") +
      " again\n");
  Writer out;
  const ExceptionOrigin self{.process_name = current_process().name(), .pid = os::pid()};
  CallFrame frame{call, out, self};
  layout::Word at{0};
  frame.item_slot = &at;
  const pool::StreamAtWork stream{task_stream, at};
  if (item != 0) {
    frame.only_item = item - 1;
  }
  run_call(frame);
  try {
    const ByteView written = out.written();
    Reader outcome{written};
    expect_success(outcome);
    if (item != 0) {
      Reader again{written};
      BatchOutcome items{again};
      while (const auto each = items.next()) {
        if (each->failed) {
          rethrow_exception(each->bytes);
        }
      }
    }
    os::write_stderr("mp: it returned\n");
    return true;
  } catch (const std::exception& error) {
    os::write_stderr("mp: it threw: " + std::string{error.what()} + "\n");
    return false;
  }
}

}  // namespace mp
