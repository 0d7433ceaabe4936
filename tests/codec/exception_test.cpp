// SPDX-License-Identifier: Apache-2.0
#include "mp/codec/exception.hpp"

#include <any>
#include <filesystem>
#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <regex>
#include <variant>

#include "mp/codec.hpp"
#include "mp/errors.hpp"

namespace mp {
namespace {

using testing::HasSubstr;

const ExceptionOrigin kOrigin{.process_name = "Worker-1", .pid = 42, .stack = "frame 1\nframe 2"};

template <class E>
Bytes sent(E error) {
  return encode_exception(std::make_exception_ptr(std::move(error)), kOrigin);
}

// Throws what arrives and expects it to be an E with the same text and the origin beside it.
template <class E, class Check>
void expect_arrives(const E& error, Check check) {
  SCOPED_TRACE(typeid(E).name());
  const Bytes message = sent(error);
  try {
    rethrow_exception(message);
    FAIL() << "nothing was thrown";
  } catch (const E& arrived) {
    EXPECT_STREQ(arrived.what(), error.what());
    const RemoteInfo* const info = remote_info(arrived);
    ASSERT_NE(info, nullptr);
    EXPECT_EQ(info->process_name, "Worker-1");
    EXPECT_EQ(info->pid, 42);
    EXPECT_EQ(info->stack, "frame 1\nframe 2");
    check(arrived);
  }
  for (std::size_t size = 0; size != message.size(); ++size) {
    EXPECT_THROW((void)decode_exception({message.data(), size}), DecodeError);
  }
}

template <class E>
void expect_arrives(const E& error) {
  expect_arrives(error, [](const E&) {});
}

TEST(Exception, OfTheStandardKeepsItsType) {
  expect_arrives(std::exception{});
  expect_arrives(std::logic_error{"text"});
  expect_arrives(std::domain_error{"text"});
  expect_arrives(std::invalid_argument{"text"});
  expect_arrives(std::length_error{"text"});
  expect_arrives(std::out_of_range{"text"});
  expect_arrives(std::runtime_error{"text"});
  expect_arrives(std::range_error{"text"});
  expect_arrives(std::overflow_error{"text"});
  expect_arrives(std::underflow_error{"text"});
  expect_arrives(std::bad_alloc{});
  expect_arrives(std::bad_array_new_length{});
  expect_arrives(std::bad_cast{});
  expect_arrives(std::bad_any_cast{});
  expect_arrives(std::bad_typeid{});
  expect_arrives(std::bad_exception{});
  expect_arrives(std::bad_optional_access{});
  expect_arrives(std::bad_variant_access{});
  expect_arrives(std::bad_function_call{});
  expect_arrives(std::bad_weak_ptr{});
  expect_arrives(std::regex_error{std::regex_constants::error_paren},
                 [](const auto& e) { EXPECT_EQ(e.code(), std::regex_constants::error_paren); });
  expect_arrives(std::future_error{std::future_errc::broken_promise},
                 [](const auto& e) { EXPECT_EQ(e.code(), std::future_errc::broken_promise); });
  const auto same_code = [](const auto& code) {
    return [code](const auto& e) { EXPECT_EQ(e.code(), code); };
  };
  const auto no_entry = std::make_error_code(std::errc::no_such_file_or_directory);
  const std::error_code system{13, std::system_category()};
  expect_arrives(std::system_error{no_entry, "text"}, same_code(no_entry));
  expect_arrives(std::system_error{system, "text"}, same_code(system));
  expect_arrives(std::system_error{Errc::full}, same_code(make_error_code(Errc::full)));
  expect_arrives(std::ios_base::failure{"text"},
                 same_code(std::make_error_code(std::io_errc::stream)));
  expect_arrives(std::filesystem::filesystem_error{"text", "/a", "/b", system},
                 [&](const std::filesystem::filesystem_error& e) {
                   EXPECT_EQ(e.path1(), "/a");
                   EXPECT_EQ(e.path2(), "/b");
                   EXPECT_EQ(e.code(), system);
                 });
}

TEST(Exception, OfMpKeepsItsType) {
  const auto check = [](const auto& error) {
    expect_arrives(error, [&](const auto& e) { EXPECT_EQ(e.code(), error.code()); });
  };
  check(Error{Errc::remote, "text"});
  check(OsError{2, "open", "/nowhere"});
  expect_arrives(OsError{2, "open", "/x"},
                 [](const OsError& e) { EXPECT_EQ(e.operation(), "open"); });
  expect_arrives(OutOfMemory{"the arena is full"});
  expect_arrives(UsageError{"text"});
  check(TimeoutError{"text"});
  check(TaskTimeout{});
  check(Cancelled{});
  check(Empty{"text"});
  check(Full{});
  check(ClosedError{});
  check(EOFError{});
  check(PoolClosed{});
  check(QueueClosed{});
  check(AuthenticationError{});
  check(SyncError{Errc::not_owner, "text"});
  check(OwnerDied{});
  check(NotOwner{});
  check(OverRelease{});
  check(BrokenBarrier{});
  check(SegmentBroken{});
  check(ProcessError{Errc::start_failed, "text"});
  check(StartError{});
  check(WrongProcess{});
  check(FrameTooLarge{10, 5});
  expect_arrives(WorkerDied{7, -11}, [](const WorkerDied& e) {
    EXPECT_EQ(e.pid(), 7);
    EXPECT_EQ(e.signal(), 11);
  });
  const auto has_message = [](const CodecError& e) { EXPECT_EQ(e.message().size(), 5u); };
  expect_arrives(DecodeError{"text", Bytes(5, std::byte{1})}, has_message);
  expect_arrives(TypeMismatch{"int", "string", Bytes(5, std::byte{1})}, has_message);
  expect_arrives(BufferTooShort{Bytes(5, std::byte{1})}, has_message);
}

struct Strange {
  std::string why;
};
struct Unregistered : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class E>
void expect_remote_error(const E& error, const std::string& type, const std::string& text) {
  try {
    rethrow_exception(sent(error));
    FAIL();
  } catch (const RemoteError& arrived) {
    EXPECT_THAT(arrived.type_name(), HasSubstr(type));
    EXPECT_THAT(arrived.what(), HasSubstr(text));
    EXPECT_EQ(arrived.pid(), 42);
  }
}

TEST(Exception, OfAnyOtherTypeArrivesAsRemoteError) {
  expect_remote_error(Strange{"?"}, "Strange", "Strange");
  expect_remote_error(Unregistered{"text"}, "Unregistered", "text");
  expect_remote_error(42, "int", "int");
  expect_remote_error("literal", "char const*", "char const*");
}

struct OutOfStock {
  std::string item;
  int missing;
};
struct Refused : std::runtime_error {
  explicit Refused(const std::string& text) : std::runtime_error{text} {}
};
struct Last final : std::runtime_error {
  explicit Last(const std::string& text) : std::runtime_error{text} {}
};
struct Picky : std::runtime_error {
  explicit Picky(const std::string& text) : std::runtime_error{text} {
    if (text == "received") {
      throw std::length_error{"not this text"};
    }
  }
  const char* what() const noexcept override { return "received"; }
};
// Its copy constructor throws, and it has no text.
struct Uncopyable : std::exception {
  Uncopyable() = default;
  Uncopyable(const Uncopyable&) { throw std::bad_alloc{}; }
  const char* what() const noexcept override { return nullptr; }
};

[[maybe_unused]] const bool registered = register_exception<OutOfStock>() &&
                                         register_exception<Refused>() &&
                                         register_exception<Last>() && register_exception<Picky>();

TEST(Exception, OfARegisteredTypeKeepsIt) {
  try {
    rethrow_exception(sent(OutOfStock{"bolt", 3}));
    FAIL();
  } catch (const OutOfStock& arrived) {
    EXPECT_EQ(arrived.item, "bolt");
    EXPECT_EQ(arrived.missing, 3);
    const auto* const info = static_cast<const detail::Arrived<OutOfStock>*>(&arrived);
    EXPECT_EQ(info->pid, 42);
  }
  expect_arrives(Refused{"text"});
  EXPECT_THROW(rethrow_exception(sent(Last{"text"})), Last);
}

TEST(Exception, ThatCannotBeMadeAgainIsNotLost) {
  expect_remote_error(Picky{"sent"}, "Picky", "received");
  try {
    throw Uncopyable{};
  } catch (...) {
    const Bytes message = encode_exception(std::current_exception(), kOrigin);
    EXPECT_THROW(rethrow_exception(message), RemoteError);
  }
  struct Category : std::error_category {
    const char* name() const noexcept override { return "own"; }
    std::string message(int) const override { return "of its own"; }
  };
  static const Category category;
  expect_remote_error(std::system_error{{1, category}, "text"}, "system_error", "text");
}

TEST(Exception, ThatCameFromAThirdProcessKeepsItsOrigin) {
  const auto relay = [](const auto& error) {
    const std::exception_ptr first = decode_exception(sent(error));
    return encode_exception(first, {.process_name = "Relay", .pid = 43});
  };
  try {
    rethrow_exception(relay(std::out_of_range{"far"}));
    FAIL();
  } catch (const std::out_of_range& arrived) {
    EXPECT_EQ(remote_info(arrived)->pid, 42);
    EXPECT_EQ(remote_info(arrived)->type_name, "std::out_of_range");
    EXPECT_STREQ(arrived.what(), "far");
  }
  try {
    rethrow_exception(relay(Refused{"no"}));
    FAIL();
  } catch (const Refused& arrived) {
    EXPECT_EQ(remote_info(arrived)->pid, 42);
  }
  EXPECT_THROW(rethrow_exception(relay(42)), RemoteError);
}

TEST(Exception, WithANestedOneKeepsItsType) {
  try {
    try {
      throw std::runtime_error{"inner"};
    } catch (...) {
      std::throw_with_nested(std::out_of_range{"outer"});
    }
  } catch (...) {
    const Bytes message = encode_exception(std::current_exception(), kOrigin);
    EXPECT_THROW(rethrow_exception(message), std::out_of_range);
  }
}

TEST(Exception, OfHostileBytesIsDecodeError) {
  EXPECT_THROW((void)decode_exception({}), DecodeError);
  EXPECT_THROW((void)decode_exception(encode(1)), DecodeError);
  EXPECT_THROW((void)encode_exception(nullptr, kOrigin), UsageError);
}

}  // namespace
}  // namespace mp
