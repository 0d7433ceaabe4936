// SPDX-License-Identifier: Apache-2.0
#include "os/image.hpp"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>

#include "mp/errors/error.hpp"
#include "mp/process/call.hpp"
#include "mp/process/code_ref.hpp"

#include "process/callables.hpp"
#include "process/runner.hpp"
#include "support/child.hpp"
#include "support/proc_view.hpp"

namespace mp {
namespace {

int own_function(int x) {
  return x + 5;
}
int own_data = 1;
const int own_constant = 2;

const void* address(int (*function)(int)) {
  return reinterpret_cast<const void*>(function);
}

Bytes reference_of(const void* code) {
  Writer out;
  detail::write_code(out, code);
  return out.take();
}

const void* resolve(ByteView reference) {
  Reader in{reference};
  return detail::read_code(in);
}

std::string error_of(ByteView reference) {
  try {
    (void)resolve(reference);
  } catch (const DecodeError& error) {
    return error.what();
  }
  return "";
}

// Overwrites 8 bytes of a reference.
Bytes with_word(Bytes reference, std::size_t index, std::uint64_t word) {
  std::memcpy(reference.data() + 8 * index, &word, sizeof word);
  return reference;
}

std::uint64_t word(const Bytes& reference, std::size_t index) {
  std::uint64_t value = 0;
  std::memcpy(&value, reference.data() + 8 * index, sizeof value);
  return value;
}

TEST(Module, OfOwnCodeIsTheMainExecutable) {
  const os::Module* module = os::module_of(address(own_function));
  ASSERT_NE(module, nullptr);
  EXPECT_TRUE(module->is_main());
  EXPECT_EQ(module, &os::main_module());
  EXPECT_EQ(module->path(), "");
  EXPECT_EQ(os::module_with(module->build()), module);
}

TEST(Module, OfASharedObjectHasItsPath) {
  const os::Module* module = os::module_of(address(test::library_static()));
  ASSERT_NE(module, nullptr);
  EXPECT_FALSE(module->is_main());
  EXPECT_EQ(module->path().front(), '/');
  EXPECT_NE(module->path().find("libprocess_library"), std::string::npos);
  EXPECT_NE(module->build(), os::main_module().build());
  EXPECT_EQ(os::module_with(module->build()), module);
}

TEST(Module, IsNotFoundForWhatIsNoCode) {
  int on_stack = 0;
  const auto on_heap = std::make_unique<int>(0);
  for (const void* place :
       {static_cast<const void*>(&own_data), static_cast<const void*>(&own_constant),
        static_cast<const void*>(&on_stack), static_cast<const void*>(on_heap.get()),
        static_cast<const void*>(nullptr), reinterpret_cast<const void*>(1)}) {
    EXPECT_EQ(os::module_of(place), nullptr) << place;
    Writer out;
    EXPECT_THROW(detail::write_code(out, place), UsageError);
  }
}

TEST(Module, OfAnUnknownBuildIsNotFound) {
  EXPECT_EQ(os::module_with({1, 2}), nullptr);
  std::string reason;
  EXPECT_EQ(os::load_module({1, 2}, "", reason), nullptr);
  EXPECT_NE(reason, "");
}

TEST(Module, ThatCannotBeLoadedGivesTheLoadersReason) {
  std::string reason;
  EXPECT_EQ(os::load_module({1, 2}, "/nowhere/libnothing.so", reason), nullptr);
  EXPECT_NE(reason.find("/nowhere/libnothing.so"), std::string::npos);
}

TEST(Module, OfAnotherBuildIsUnloadedAgain) {
  EXPECT_EQ(test::in_child([] {
              std::string reason;
              EXPECT_EQ(os::load_module({1, 2}, MP_TEST_PLUGIN, reason), nullptr);
              EXPECT_NE(reason.find("another build"), std::string::npos);
              EXPECT_EQ(dlopen(MP_TEST_PLUGIN, RTLD_LAZY | RTLD_NOLOAD), nullptr);
            }),
            test::exited(0));
}

TEST(Module, StaysLoadedOnceItWasNamed) {
  EXPECT_EQ(test::in_child([] {
              void* plugin = dlopen(MP_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
              auto* function = reinterpret_cast<int (*)(int)>(dlsym(plugin, "plugin_function"));
              const Bytes reference = reference_of(address(function));
              dlclose(plugin);
              dlclose(dlopen(MP_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL));
              EXPECT_EQ(function(5), 4);
              EXPECT_EQ(resolve(reference), address(function));
            }),
            test::exited(0));
}

TEST(Module, IsUnloadedByDlcloseWhenNobodyNamedIt) {
  EXPECT_EQ(test::in_child([] {
              const os::BuildId build = [] {
                void* plugin = dlopen(MP_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
                EXPECT_EQ(os::module_with({1, 2}), nullptr);  // looks at every module
                dlclose(plugin);
                return os::main_module().build();
              }();
              EXPECT_EQ(dlopen(MP_TEST_PLUGIN, RTLD_LAZY | RTLD_NOLOAD), nullptr);
              EXPECT_EQ(os::module_with(build), &os::main_module());
            }),
            test::exited(0));
}

TEST(Module, IsFoundByManyThreadsAtOnce) {
  EXPECT_EQ(test::in_child([] {
              std::vector<const os::Module*> found(8);
              {
                std::vector<std::jthread> threads;
                for (auto& slot : found) {
                  threads.emplace_back([&slot] {
                    slot = os::module_of(address(test::library_static()));
                    EXPECT_EQ(os::module_with(slot->build()), slot);
                    EXPECT_TRUE(os::main_module().is_main());
                  });
                }
              }
              for (const os::Module* module : found) {
                EXPECT_EQ(module, found.front());
              }
            }),
            test::exited(0));
}

TEST(CodeRef, LeadsBackToTheFunction) {
  double (*const cosine)(double) = &std::cos;
  for (const void* code : {address(own_function), address(test::library_static()),
                           address(test::library_triple), reinterpret_cast<const void*>(cosine)}) {
    EXPECT_EQ(resolve(reference_of(code)), code);
    EXPECT_EQ(detail::code_size(code), reference_of(code).size());
  }
  EXPECT_EQ(reference_of(address(own_function)).size(), 8U);
}

TEST(CodeRef, IsTheSameInAProcessWithOtherAddresses) {
  // The address of a function as the executed child sees it, through a call.
  const auto where = [] { return reinterpret_cast<std::uintptr_t>(&own_function); };
  const auto here = where();
  bool moved = false;
  for (int i = 0; i < 8 && !moved; ++i) {
    moved = test::run<std::uintptr_t>(test::Where::spawned, make_call(where)) != here;
  }
  const std::string randomize = test::slurp("/proc/sys/kernel/randomize_va_space");
  const bool fixed = randomize.empty() || randomize.front() == '0' || os::main_module().base() == 0;
  EXPECT_EQ(moved, !fixed);
  EXPECT_EQ(test::run<int>(test::Where::spawned, make_call(own_function, 1)), 6);
}

TEST(CodeRef, IntoAnotherBuildOfTheExecutableIsRefused) {
  const Bytes good = reference_of(address(own_function));
  EXPECT_NE(
      error_of(with_word(good, 0, word(good, 0) ^ std::uint64_t{1} << 50)).find("another build"),
      std::string::npos);
}

TEST(CodeRef, IntoAModuleThatIsNotLoadedNamesTheModule) {
  const Bytes good = reference_of(address(test::library_static()));
  const std::string& path = os::module_of(address(test::library_static()))->path();
  EXPECT_NE(error_of(with_word(good, 1, word(good, 1) + 1)).find(path), std::string::npos);
}

TEST(CodeRef, OutsideOfCodeIsRefused) {
  for (const void* code : {address(own_function), address(test::library_static())}) {
    const Bytes good = reference_of(code);
    const os::Module& module = *os::module_of(code);
    const std::uint64_t kind = word(good, 0) & ~((std::uint64_t{1} << 48) - 1);
    const std::uint64_t data =
        reinterpret_cast<std::uintptr_t>(&own_data) - os::main_module().base();
    for (const std::uint64_t offset : {std::uint64_t{0}, (std::uint64_t{1} << 48) - 1, data << 8}) {
      EXPECT_FALSE(module.holds(module.base() + offset));
      EXPECT_NE(error_of(with_word(good, 0, kind | offset)).find("where no code is"),
                std::string::npos);
    }
  }
}

TEST(CodeRef, OfRandomBytesIsRefusedOrCode) {
  std::mt19937_64 random{20240607};
  const Bytes good = reference_of(address(test::library_static()));
  for (int i = 0; i < 5000; ++i) {
    Bytes bytes = good;
    bytes.resize(random() % (bytes.size() + 1));
    for (int flips = static_cast<int>(random() % 4); flips >= 0 && !bytes.empty(); --flips) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    try {
      EXPECT_NE(os::module_of(resolve(bytes)), nullptr);
    } catch (const DecodeError&) {
    }
  }
}

}  // namespace
}  // namespace mp
