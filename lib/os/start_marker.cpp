// SPDX-License-Identifier: Apache-2.0
#include "os/start_marker.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/check.hpp"
#include "os/proc.hpp"
#include "os/socket.hpp"

#pragma weak dlsym  // a fully static executable has none

namespace mp::os {

namespace {

constexpr const char* kVariable = "MP_SPAWN";
constexpr std::size_t kNonceDigits = 32;
using Nonce = std::array<char, kNonceDigits>;

struct Announcement {
  int fd = -1;
  Nonce nonce{};
};

// Parses "<descriptor>:<32 hexadecimal digits>", and nothing else.
bool parse(std::string_view text, Announcement& announced) noexcept {
  const char* end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, announced.fd);
  if (error != std::errc{} || announced.fd < 0 || after == end || *after != ':') {
    return false;
  }
  const std::string_view nonce{after + 1, static_cast<std::size_t>(end - after - 1)};
  if (nonce.size() != kNonceDigits ||
      nonce.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return false;
  }
  std::memcpy(announced.nonce.data(), nonce.data(), kNonceDigits);
  return true;
}

bool is_unix_stream(int fd) noexcept {
  const auto option = [&](int which, int wanted) {
    int value = 0;
    socklen_t size = sizeof value;
    const auto asked =
        call(Sys::getsockopt, [&] { return ::getsockopt(fd, SOL_SOCKET, which, &value, &size); });
    return asked.ok() && value == wanted;
  };
  return option(SO_DOMAIN, AF_UNIX) && option(SO_TYPE, SOCK_STREAM);
}

// Whether the nonce is what waits in the socket. Takes nothing out of it.
bool holds_nonce(int fd, const Nonce& nonce) noexcept {
  Nonce waiting;
  const auto peeked = call(Sys::recvmsg, [&] {
    return ::recv(fd, waiting.data(), waiting.size(), MSG_PEEK | MSG_DONTWAIT);
  });
  return peeked.ok() && static_cast<std::size_t>(peeked.value) == waiting.size() &&
         waiting == nonce;
}

bool peer_hung_up(int fd) noexcept {
  pollfd entry{fd, POLLIN | POLLRDHUP, 0};
  return call(Sys::poll, [&] { return ::poll(&entry, 1, 0); }).value > 0 &&
         (entry.revents & (POLLHUP | POLLRDHUP)) != 0;
}

StartMarker::Kind judge(const Announcement& announced) noexcept {
  using Kind = StartMarker::Kind;
  ucred maker{};
  socklen_t size = sizeof maker;
  const auto credentials = [&] {
    return ::getsockopt(announced.fd, SOL_SOCKET, SO_PEERCRED, &maker, &size);
  };
  if (!is_unix_stream(announced.fd) || !call(Sys::getsockopt, credentials).ok() ||
      maker.uid != ::geteuid() || !holds_nonce(announced.fd, announced.nonce)) {
    return Kind::none;
  }
  if (maker.pid == ::getppid()) {
    return Kind::child;
  }
  // Not our parent's. Either it was, and died, or somebody else's socket was put here.
  return peer_hung_up(announced.fd) ? Kind::orphaned : Kind::none;
}

}  // namespace

StartChannel open_start_channel(int child_number) {
  auto [parent, child] = socket_pair(SocketKind::stream);
  std::array<unsigned char, kNonceDigits / 2> random{};
  check(call(Sys::getrandom, [&] { return ::getentropy(random.data(), random.size()); }));
  std::string nonce;
  for (const unsigned char byte : random) {
    nonce += "0123456789abcdef"[byte >> 4];
    nonce += "0123456789abcdef"[byte & 15];
  }
  send_all(parent.get(), std::as_bytes(std::span{nonce}));
  return {std::move(parent), std::move(child),
          std::string{kVariable} + '=' + std::to_string(child_number) + ':' + nonce};
}

StartMarker take_start_marker() noexcept {
  const char* text = secure_mode() ? nullptr : std::getenv(kVariable);
  if (text == nullptr) {
    return {};
  }
  StartMarker marker;
  Announcement announced;
  if (parse(text, announced)) {
    marker.kind = judge(announced);
  }
  ::unsetenv(kVariable);
  if (marker.kind != StartMarker::Kind::none) {
    Nonce taken;
    // It was peeked at, so it is there.
    (void)call(Sys::recvmsg,
               [&] { return ::recv(announced.fd, taken.data(), taken.size(), MSG_DONTWAIT); });
    marker.fd.reset(announced.fd);
    (void)call(Sys::fcntl, [&] { return ::fcntl(announced.fd, F_SETFD, FD_CLOEXEC); });
  }
  return marker;
}

[[gnu::hot]] void exit_now(int status) noexcept {
  ::_exit(status);
}

void* next_symbol(const char* name) noexcept {
  return dlsym == nullptr ? nullptr : ::dlsym(RTLD_NEXT, name);
}

}  // namespace mp::os
