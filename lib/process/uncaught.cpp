// SPDX-License-Identifier: Apache-2.0
#include "process/uncaught.hpp"

#include <cstdint>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

#include "mp/process/raw_call.hpp"

#include "os/crash.hpp"
#include "os/stdio.hpp"
#include "process/identity.hpp"
#include "process/throw_site.hpp"

namespace mp::process {

namespace {

void report(const std::string& what, const std::vector<std::uint64_t>& stack) {
  const std::type_info* type = abi::__cxa_current_exception_type();
  std::string text = "Process " + identity().name + ": uncaught exception";
  if (type != nullptr) {
    text += " of type " + mp::detail::type_name(*type);
  }
  if (!what.empty()) {
    text += ": " + what;
  }
  text += '\n';
  if (const std::string frames = os::describe_frames(stack); !frames.empty()) {
    text += "Stack of the throw, innermost first:\n" + frames;
  }
  os::write_stderr(text);
}

}  // namespace

[[gnu::hot]] int report_uncaught(const std::function<void()>& body) {
  const void* const caller = __builtin_return_address(0);
  try {
    body();
    return 0;
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const ThrowSite&) {
    std::abort();  // no exception is one
  } catch (const std::exception& error) {
    report(error.what(), stack_of_throw(caller));
  } catch (...) {
    report({}, stack_of_throw(caller));
  }
  return 1;
}

}  // namespace mp::process
