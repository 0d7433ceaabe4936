// SPDX-License-Identifier: Apache-2.0
// mp/manager/registry.hpp — what a server can make, and which methods it answers.
//
//     manager.register_type<Account, int>("Account")       // made by Account{int}
//         .method("deposit", &Account::deposit)
//         .method("doubled", [](Account& a) { return 2 * a.balance(); });
//
// Only what is registered can be made, and only the methods that are named can be called. Methods
// run on a few threads of the server: those of one object one after the other, unless the type says
// thread_safe().
//
// A method that returns a std::shared_ptr to an object of a registered class, which is not a value
// that could be sent, returns a proxy: `account.call<mp::Proxy>("owner")`. The same object is
// served once, however often it is returned.
//
// Threads:   to be filled by one thread, before the server starts.
// Processes: travels to the server's process; so a method is a pointer to member, or a function or
//            lambda without captures that takes the object first.
// Throws:    UsageError for a name that is registered twice.
// Python:    BaseManager.register, with `exposed`.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mp/base/bytes.hpp"
#include "mp/base/export.hpp"
#include "mp/codec/codec.hpp"
#include "mp/manager/item.hpp"
#include "mp/process/callable.hpp"
#include "mp/queue/raw_queue.hpp"

namespace mp {

namespace detail {

// Which class it is, by the name that the compiler gives it.
template <class T>
constexpr std::uint64_t class_id() {
  return hash_text(spelled_name<std::remove_const_t<T>>());
}

// A result that is not sent, but stays in the server and is served: a shared_ptr to what cannot be
// sent.
template <class T>
inline constexpr bool kIsServedObject = false;
template <class T>
inline constexpr bool kIsServedObject<std::shared_ptr<T>> = !Codable<T>;

// The arguments of a call in the server, and where its result goes.
class MP_API ServedCall {
 public:
  virtual ~ServedCall();
  virtual void expect_arguments(std::size_t count) = 0;
  [[nodiscard]] virtual ItemView argument(std::size_t index) = 0;
  [[nodiscard]] virtual Carrier* carrier() = 0;
  // Where to write the result of `size` bytes.
  [[nodiscard]] virtual Writer& begin_result(std::uint64_t tag, std::size_t size) = 0;
  // The result is an object of a class that is registered.
  virtual void put_object(std::uint64_t class_id, std::shared_ptr<void> object) = 0;

  template <class T>
  T take(std::size_t index) {
    return item_value<T>(argument(index), carrier());
  }
  template <class T>
  void put(const T& value) {
    if constexpr (kIsServedObject<T>) {
      put_object(class_id<typename T::element_type>(),
                 std::const_pointer_cast<void>(std::shared_ptr<const void>{value}));
    } else {
      mp::write(begin_result(item_tag<T>(), encoded_size(value)), value);
    }
  }
};

// What a method is called by: its thunk knows the types, `target` which member or function it is.
struct MethodTarget {
  MemberCode code = {};
};
using MethodThunk = void (*)(const MethodTarget& target, void* object, ServedCall& call);
using MakeThunk = std::shared_ptr<void> (*)(ServedCall& call);

struct ServedMethod {
  std::string name = {};
  MethodThunk thunk = nullptr;
  bool has_member = false;
  MethodTarget target = {};
};

struct ServedType {
  enum class Kind : std::uint8_t {
    made,      // each time anew
    queue,     // one of shared memory
    standard,  // one that the server makes when it begins
    function,  // no object: what pools call by its name, the only one of the methods
  };

  std::string name = {};
  Kind kind = Kind::made;
  std::string standard = {};  // of the last kind: what it is
  MakeThunk make = nullptr;
  std::uint64_t class_id = 0;  // of its objects
  bool thread_safe = false;
  std::vector<ServedMethod> methods = {};
  std::vector<RawQueue> queue = {};  // of a queue: the one
  std::vector<std::uint64_t> tags = {};
};

// Calls `f` with the object, if there is one, and what the call brought for A...
template <class R, class... A, class F, class... First, std::size_t... I>
void apply_call(ServedCall& call, std::index_sequence<I...>, F&& f, First&... first) {
  call.expect_arguments(sizeof...(A));
  std::tuple<std::decay_t<A>...> args{call.take<std::decay_t<A>>(I)...};
  if constexpr (std::is_void_v<R>) {
    std::invoke(f, first..., std::forward<A>(std::get<I>(args))...);
  } else {
    const std::decay_t<R> result = std::invoke(f, first..., std::forward<A>(std::get<I>(args))...);
    call.put(result);
  }
}

template <class T, class M>
struct MemberMethod;
template <class T, class C, class R, class... A>
struct MemberMethod<T, R (C::*)(A...)> {
  using Pointer = R (C::*)(A...);
  static void run(const MethodTarget& target, void* object, ServedCall& call) {
    const auto pointer = std::bit_cast<Pointer>(target.code);
    apply_call<R, A...>(call, std::index_sequence_for<A...>{}, pointer, *static_cast<T*>(object));
  }
};
template <class T, class C, class R, class... A>
struct MemberMethod<T, R (C::*)(A...) const> {
  using Pointer = R (C::*)(A...) const;
  static void run(const MethodTarget& target, void* object, ServedCall& call) {
    const auto pointer = std::bit_cast<Pointer>(target.code);
    apply_call<R, A...>(call, std::index_sequence_for<A...>{}, pointer,
                        *static_cast<const T*>(object));
  }
};
template <class T, class C, class R, class... A>
struct MemberMethod<T, R (C::*)(A...) noexcept> : MemberMethod<T, R (C::*)(A...)> {};
template <class T, class C, class R, class... A>
struct MemberMethod<T, R (C::*)(A...) const noexcept> : MemberMethod<T, R (C::*)(A...) const> {};

// A callable without state, made from nothing.
template <class F>
F stateless_callable() {
  Reader nothing{ByteView{}};
  return Shipping<F>::read(nothing);
}

template <class T, class F, class Signature = decltype(&F::operator())>
struct FunctionMethod;
template <class T, class F, class R, class O, class... A>
struct FunctionMethod<T, F, R (F::*)(O, A...) const> {
  static_assert(std::is_convertible_v<T&, O>, "a method takes its object first, by reference");
  static void run(const MethodTarget&, void* object, ServedCall& call) {
    auto f = stateless_callable<F>();
    apply_call<R, A...>(call, std::index_sequence_for<A...>{}, f, *static_cast<T*>(object));
  }
};

// A function that pools call: a pointer to one, or a callable without state.
template <class F, class Signature = decltype(&F::operator())>
struct NamedFunction;
template <class F, class R, class... A>
struct NamedFunction<F, R (F::*)(A...) const> {
  static MethodTarget target(const F&) { return {}; }
  static void run(const MethodTarget&, void*, ServedCall& call) {
    auto f = stateless_callable<F>();
    apply_call<R, A...>(call, std::index_sequence_for<A...>{}, f);
  }
};
template <class F, class R, class... A>
struct NamedFunction<F, R (F::*)(A...) const noexcept> : NamedFunction<F, R (F::*)(A...) const> {};
template <class F>
struct NamedPointer;
template <class R, class... A>
struct NamedPointer<R (*)(A...)> {
  using Pointer = R (*)(A...);
  static MethodTarget target(Pointer f) { return {{reinterpret_cast<std::uintptr_t>(f), 0}}; }
  static void run(const MethodTarget& target, void*, ServedCall& call) {
    auto f = reinterpret_cast<Pointer>(target.code.function);
    apply_call<R, A...>(call, std::index_sequence_for<A...>{}, f);
  }
};
template <class R, class... A>
struct NamedPointer<R (*)(A...) noexcept> : NamedPointer<R (*)(A...)> {};

template <class F>
ServedMethod named_function(const F& f) {
  ServedMethod method;
  if constexpr (std::is_pointer_v<F>) {
    method.thunk = &NamedPointer<F>::run;
    method.has_member = true;
    method.target = NamedPointer<F>::target(f);
  } else {
    static_assert(std::is_empty_v<F>,
                  "a function has no captures: the server's workers are other processes");
    method.thunk = &NamedFunction<F>::run;
  }
  return method;
}

template <class T, class... Args>
struct MakeByConstructor {
  static std::shared_ptr<void> run(ServedCall& call) {
    return make(call, std::index_sequence_for<Args...>{});
  }

 private:
  template <std::size_t... I>
  static std::shared_ptr<void> make(ServedCall& call, std::index_sequence<I...>) {
    call.expect_arguments(sizeof...(Args));
    std::tuple<Args...> args{call.take<Args>(I)...};
    return std::apply(
        [](auto&&... arg) { return std::make_shared<T>(std::forward<decltype(arg)>(arg)...); },
        std::move(args));
  }
};

// Of a function that returns the object, or a std::shared_ptr to it.
template <class F, class Signature = decltype(&F::operator())>
struct MakeByCallable;
template <class F, class R, class... A>
struct MakeByCallable<F, R (F::*)(A...) const> {
  template <class T>
  struct Pointee {
    using type = T;
  };
  template <class T>
  struct Pointee<std::shared_ptr<T>> {
    using type = T;
  };
  using Object = typename Pointee<R>::type;

  static std::shared_ptr<void> run(ServedCall& call) {
    return make(call, std::index_sequence_for<A...>{});
  }

 private:
  template <std::size_t... I>
  static std::shared_ptr<void> make(ServedCall& call, std::index_sequence<I...>) {
    call.expect_arguments(sizeof...(A));
    std::tuple<std::decay_t<A>...> args{call.take<std::decay_t<A>>(I)...};
    auto f = stateless_callable<F>();
    if constexpr (std::is_same_v<R, Object>) {
      return std::make_shared<Object>(f(std::forward<A>(std::get<I>(args))...));
    } else {
      return f(std::forward<A>(std::get<I>(args))...);
    }
  }
};

}  // namespace detail

class MP_API Registry {
 public:
  // Adds a type. Throws UsageError when the name is taken.
  detail::ServedType& add(detail::ServedType type);
  [[nodiscard]] const detail::ServedType* find(std::string_view name) const noexcept;
  [[nodiscard]] const detail::ServedType* find_class(std::uint64_t class_id) const noexcept;
  [[nodiscard]] const std::vector<std::unique_ptr<detail::ServedType>>& types() const noexcept {
    return types_;
  }
  Registry();
  Registry(const Registry& other);
  Registry(Registry&&) noexcept;
  Registry& operator=(Registry&&) noexcept;
  ~Registry();

 private:
  std::vector<std::unique_ptr<detail::ServedType>> types_;  // whose addresses stay
};

template <>
struct MP_API codec<Registry> {
  static constexpr std::string_view kName = "mp.Registry";
  static void write(Writer& out, const Registry& registry);
  static Registry read(Reader& in);
};

// Adds methods to a type that was registered.
template <class T>
class TypeRegistration {
 public:
  explicit TypeRegistration(detail::ServedType& type) noexcept : type_{&type} {}

  // Exposes a member function, or a function without captures whose first parameter is T&.
  template <class M>
  TypeRegistration& method(std::string name, M function) {
    detail::ServedMethod& made = type_->methods.emplace_back();
    made.name = std::move(name);
    if constexpr (std::is_member_function_pointer_v<M>) {
      made.thunk = &detail::MemberMethod<T, M>::run;
      made.has_member = true;
      made.target.code = std::bit_cast<detail::MemberCode>(function);
    } else {
      static_assert(std::is_empty_v<M>, "a method has no captures: the server is another process");
      made.thunk = &detail::FunctionMethod<T, M>::run;
    }
    return *this;
  }
  // Methods of one object may run at the same time.
  TypeRegistration& thread_safe() noexcept {
    type_->thread_safe = true;
    return *this;
  }

 private:
  detail::ServedType* type_;
};

}  // namespace mp
