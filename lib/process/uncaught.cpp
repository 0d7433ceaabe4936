// SPDX-License-Identifier: Apache-2.0
#include "process/uncaught.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>

#include "mp/process/raw_call.hpp"

#include "os/stdio.hpp"
#include "process/identity.hpp"

namespace mp::process {

namespace {

void report(const std::string& what) {
  const std::type_info* type = abi::__cxa_current_exception_type();
  std::string text = "Process " + identity().name + ": uncaught exception";
  if (type != nullptr) {
    text += " of type " + mp::detail::type_name(*type);
  }
  if (!what.empty()) {
    text += ": " + what;
  }
  os::write_stderr(text + "\n");
}

}  // namespace

int report_uncaught(const std::function<void()>& body) {
  try {
    body();
    return 0;
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const std::exception& error) {
    report(error.what());
  } catch (...) {
    report({});
  }
  return 1;
}

}  // namespace mp::process
