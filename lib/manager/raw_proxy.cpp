// SPDX-License-Identifier: Apache-2.0
#include "mp/manager/raw_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "mp/base/contract.hpp"
#include "mp/codec/exception.hpp"
#include "mp/codec/types/optional.hpp"
#include "mp/errors/error.hpp"
#include "mp/manager/modifier.hpp"
#include "mp/memory/object_ref.hpp"
#include "mp/process/current.hpp"

#include "manager/known_keys.hpp"
#include "manager/link.hpp"
#include "manager/protocol_layout.hpp"
#include "memory/fork_mutex.hpp"
#include "process/keyring.hpp"

namespace mp {

namespace {

// Guards the links of proxies after a fork.
[[gnu::section("mp_at_fork")]] memory::ForkMutex mutex{11};

}  // namespace

namespace manager {

void remember_key(const Address& address, const std::string& authkey) {
  process::remember_key(address.to_string(), authkey);
}

namespace {

std::string name_of_settings(const Address& address) {
  return "link " + address.to_string();
}

std::string encoded(const LinkSettings& settings) {
  std::string text(encoded_size(settings), '\0');
  Writer out{std::as_writable_bytes(std::span{text.data(), text.size()})};
  mp::write(out, settings);
  return text;
}

}  // namespace

std::string to_text(const LinkSettings& settings) {
  std::string text = encoded(settings);
  return text == encoded({}) ? std::string{} : text;
}

void remember_settings(const Address& address, const std::string& text) {
  if (settings_text(address) != text) {
    process::remember_key(name_of_settings(address), text);
  }
}

std::string settings_text(const Address& address) {
  return process::known_key(name_of_settings(address)).value_or("");
}

LinkSettings settings_of(const std::string& text) {
  return text.empty() ? LinkSettings{}
                      : detail::read_item_bytes<LinkSettings>(
                            std::as_bytes(std::span{text.data(), text.size()}));
}

std::string key_of(const Address& address) {
  const auto known = process::known_key(address.to_string());
  return known ? *known : current_process().authkey();
}

}  // namespace manager

namespace detail {

namespace {

constinit std::atomic<ItemOps*> all_ops{nullptr};
constinit std::atomic<const Modifier*> all_modifiers{nullptr};

}  // namespace

ProxyCarrier::~ProxyCarrier() = default;
void ProxyCarrier::put_proxy(std::string_view, std::uint64_t) {}
bool ProxyCarrier::take_proxy(std::string_view, std::uint64_t) {
  return false;
}

ItemOps::ItemOps(std::uint64_t the_tag, Sorted the_sorted, Add the_add, ToPython the_to_python,
                 FromPython the_from_python, FromToken the_from_token) noexcept
    : tag{the_tag},
      sorted{the_sorted},
      add{the_add},
      to_python{the_to_python},
      from_python{the_from_python},
      from_token{the_from_token},
      next{all_ops.load()} {
  while (!all_ops.compare_exchange_weak(next, this)) {
  }
}

Modifier::Modifier(std::uint64_t the_name, std::uint64_t the_tag, Apply the_apply) noexcept
    : name{the_name}, tag{the_tag}, apply{the_apply}, next{all_modifiers.load()} {
  while (!all_modifiers.compare_exchange_weak(next, this)) {
  }
}

const Modifier* find_modifier(std::uint64_t name, std::uint64_t tag) noexcept {
  const Modifier* each = all_modifiers.load(std::memory_order_acquire);
  while (each != nullptr && (each->name != name || each->tag != tag)) {
    each = each->next;
  }
  return each;
}

const ItemOps* find_item_ops(std::uint64_t tag) noexcept {
  const ItemOps* each = all_ops.load(std::memory_order_acquire);
  while (each != nullptr && each->tag != tag) {
    each = each->next;
  }
  return each;
}

pickle::Value python_value(const ItemView& item) {
  if (item.tag == kTypeTag<pickle::Value>) {
    return read_item_bytes<pickle::Value>(item.bytes);
  }
  const ItemOps* ops = find_item_ops(item.tag);
  if (ops == nullptr || ops->to_python == nullptr) {
    throw UsageError{(ops == nullptr ? "this program does not know the type " : "Python has no ") +
                     name_of_tag(item.tag)};
  }
  return ops->to_python(item.bytes);
}

void throw_item_mismatch(std::uint64_t wanted, const ItemView& item) {
  throw TypeMismatch{name_of_tag(wanted), name_of_tag(item.tag),
                     Bytes(item.bytes.begin(), item.bytes.end())};
}

void Arguments::put_proxy(std::string_view address, std::uint64_t id) {
  if (address == address_) {
    objects_.push_back(id);
  }
}

std::size_t Arguments::begin_item(std::uint64_t tag, std::size_t size) {
  const std::size_t head = out_.size();
  out_.write_raw(tag);
  out_.write_raw(static_cast<std::uint64_t>(size));
  out_.write_raw(std::uint32_t{0});
  objects_.clear();
  return head;
}

void Arguments::end_item(std::size_t head, std::size_t size) {
  if (out_.size() - head - layout::kItemHead != size) {
    throw_unfilled();
  }
  ++count_;
  if (objects_.empty()) {
    return;
  }
  // Rare: write it again, with the objects before the bytes.
  const ByteView written = out_.written().subspan(head);
  const Bytes item(written.begin(), written.end());
  out_.rewind(head);
  out_.write_bytes(item.data(), layout::kItemHead - sizeof(std::uint32_t));
  out_.write_raw(static_cast<std::uint32_t>(objects_.size()));
  out_.write_bytes(objects_.data(), objects_.size() * sizeof(std::uint64_t));
  out_.write_bytes(item.data() + layout::kItemHead, size);
}

Reply::Reply(Bytes message, std::shared_ptr<Link> link)
    : message_{std::move(message)}, link_{std::move(link)} {
  Reader in{message_};
  (void)in.read_raw<std::uint64_t>();
  const auto read_item = [&] {
    ItemView& item = items_.emplace_back();
    item.tag = in.read_raw<std::uint64_t>();
    const auto size = in.read_raw<std::uint64_t>();
    for (auto objects = in.read_raw<std::uint32_t>(); objects != 0; --objects) {
      lent_.push_back(in.read_raw<std::uint64_t>());
    }
    item.bytes = in.read_view(size);
  };
  kind_ = static_cast<Kind>(in.read_choice(layout::kReplyKinds));
  switch (kind_) {
    case Kind::nothing:
      break;
    case Kind::value:
      read_item();
      break;
    case Kind::values: {
      const std::size_t count = in.read_count(layout::kItemHead, sizeof(ItemView));
      items_.reserve(count);
      for (std::size_t i = 0; i != count; ++i) {
        read_item();
      }
      break;
    }
    case Kind::error:
      rethrow_exception(in.read_view(in.remaining()));
    case Kind::object: {
      ProxyToken& token = token_.emplace();
      token.id = in.read_raw<std::uint64_t>();
      lent_.push_back(token.id);
      token.type = layout::read_text(in);
      const auto count = in.read_raw<std::uint32_t>();
      for (std::uint32_t i = 0; i != count; ++i) {
        token.tags.push_back(in.read_raw<std::uint64_t>());
      }
      break;
    }
  }
  in.expect_end();
}

Reply::~Reply() {
  if (link_) {
    for (const std::uint64_t id : lent_) {
      link_->tell(layout::Op::decref, id);
    }
  }
}

const ItemView& Reply::at(std::size_t index) const {
  if (index >= items_.size()) {
    throw_wrong_reply(kind_);
  }
  return items_[index];
}

RawProxy Reply::object() {
  if (kind_ != Kind::object) {
    throw_wrong_reply(kind_);
  }
  token_->address = link_->address();
  RawProxy proxy{*token_, link_->authkey(), true};
  lent_.clear();
  return proxy;
}

bool Reply::take_proxy(std::string_view address, std::uint64_t id) {
  if (!link_ || link_->address_text() != address) {
    return false;
  }
  const auto found = std::find(lent_.begin(), lent_.end(), id);
  if (found == lent_.end()) {
    return false;
  }
  lent_.erase(found);
  return true;
}

void throw_wrong_reply(Reply::Kind got) {
  switch (got) {
    case Reply::Kind::nothing:
      throw TypeMismatch{"a value", "nothing"};
    case Reply::Kind::value:
      throw TypeMismatch{"an object of the server", "a value"};
    case Reply::Kind::object:
      throw TypeMismatch{"a value", "an object of the server"};
    default:
      throw TypeMismatch{"a value", "several values"};
  }
}

void throw_wrong_object(const ProxyToken& token, std::string_view wanted) {
  std::string name = token.type;
  for (const std::uint64_t tag : token.tags) {
    name += " of " + name_of_tag(tag);
  }
  throw TypeMismatch{wanted, name};
}

void expect_object(const RawProxy& proxy, std::string_view type,
                   std::initializer_list<std::uint64_t> tags) {
  const ProxyToken& token = proxy.token();
  // What holds Python's values holds any: they are converted.
  const auto fits = [](std::uint64_t wanted, std::uint64_t there) {
    return wanted == there || there == kTypeTag<pickle::Value>;
  };
  if (token.type != type ||
      !std::equal(tags.begin(), tags.end(), token.tags.begin(), token.tags.end(), fits)) {
    std::string wanted{type};
    for (const std::uint64_t tag : tags) {
      wanted += " of " + name_of_tag(tag);
    }
    throw_wrong_object(token, wanted);
  }
}

Reply await_reply(PendingReply& pending) {
  return pending.link->await(pending);
}

bool reply_is_here(const PendingReply& pending) noexcept {
  return pending.done.load(std::memory_order_acquire);
}

}  // namespace detail

// What all copies of a proxy in this process share.
struct RawProxy::State {
  State(detail::ProxyToken the_token, std::string the_key)
      : token{std::move(the_token)}, text{token.address.to_string()}, authkey{std::move(the_key)} {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (generation.load() == detail::fork_generation && holder) {
      holder->tell(layout::Op::decref, token.id);
    }
  }

  // The link through which this process is counted as a holder.
  const std::shared_ptr<detail::Link>& link() {
    if (generation.load(std::memory_order_acquire) != detail::fork_generation) [[unlikely]] {
      adopt();
    }
    return holder;
  }
  // In a process that is not counted yet: a child, or who has received the token.
  void adopt() {
    auto made = detail::Link::to(token.address, authkey);
    made->request(layout::Op::incref, std::as_bytes(std::span{&token.id, 1}));
    {
      const std::lock_guard hold{mutex};
      if (generation.load(std::memory_order_relaxed) != detail::fork_generation) {
        holder.swap(made);
        // Pairs with link().
        generation.store(detail::fork_generation, std::memory_order_release);
        return;
      }
    }
    made->tell(layout::Op::decref, token.id);
  }

  const detail::ProxyToken token;
  const std::string text;
  const std::string authkey;
  std::shared_ptr<detail::Link> holder;
  std::atomic<std::uint32_t> generation{~std::uint32_t{0}};
};

RawProxy::RawProxy() noexcept = default;
RawProxy::RawProxy(const RawProxy&) noexcept = default;
RawProxy::RawProxy(RawProxy&&) noexcept = default;
RawProxy& RawProxy::operator=(const RawProxy&) noexcept = default;
RawProxy& RawProxy::operator=(RawProxy&&) noexcept = default;
RawProxy::~RawProxy() = default;

RawProxy::RawProxy(detail::ProxyToken token, std::string authkey, bool counted)
    : state_{std::make_shared<State>(std::move(token), std::move(authkey))} {
  if (counted) {
    state_->holder = detail::Link::to(state_->token.address, state_->authkey);
    state_->generation.store(detail::fork_generation, std::memory_order_release);
  }
}

const detail::ProxyToken& RawProxy::token() const {
  MP_EXPECTS(state_ != nullptr, "this proxy refers to no object");
  return state_->token;
}

std::string_view RawProxy::address_text() const {
  MP_EXPECTS(state_ != nullptr, "this proxy refers to no object");
  return state_->text;
}

std::shared_ptr<detail::PendingReply> RawProxy::send_raw(std::string_view method,
                                                         const detail::Arguments& args) const {
  MP_EXPECTS(state_ != nullptr, "this proxy refers to no object");
  auto pending = std::make_shared<detail::PendingReply>(state_->link());
  Writer head;
  head.write_raw(state_->token.id);
  layout::write_text(head, method);
  head.write_raw(args.count());
  pending->link->send(layout::Op::call, head.written(), args.bytes(), *pending);
  return pending;
}

detail::Reply RawProxy::call_raw(std::string_view method, const detail::Arguments& args) const {
  MP_EXPECTS(state_ != nullptr, "this proxy refers to no object");
  std::byte small[128];
  const std::size_t size = 8 + 4 + method.size() + 4;
  Bytes large(size > sizeof small ? size : 0);
  Writer head{large.empty() ? MutableByteView{small} : MutableByteView{large}};
  head.write_raw(state_->token.id);
  layout::write_text(head, method);
  head.write_raw(args.count());
  return state_->link()->request(layout::Op::call, head.written(), args.bytes());
}

void RawProxy::note_sending(Carrier* carrier) const {
  if (auto* const knows = dynamic_cast<detail::ProxyCarrier*>(carrier)) {
    knows->put_proxy(state_->text, state_->token.id);
    return;
  }
  try {
    state_->link()->tell(layout::Op::lend, state_->token.id);
  } catch (const std::exception&) {
    // The server is gone. Whoever receives the proxy will learn that.
  }
}

RawProxy RawProxy::received(detail::ProxyToken token, Carrier* carrier) {
  auto* const knows = dynamic_cast<detail::ProxyCarrier*>(carrier);
  const bool counted = knows != nullptr && knows->take_proxy(token.address.to_string(), token.id);
  std::string key = manager::key_of(token.address);
  return RawProxy{std::move(token), std::move(key), counted};
}

bool operator==(const RawProxy& a, const RawProxy& b) noexcept {
  return a.state_ == b.state_ ||
         (a.state_ && b.state_ && a.state_->token.id == b.state_->token.id &&
          a.state_->text == b.state_->text);
}

}  // namespace mp
