#include "app/admin_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace frontdesk::app {

namespace {

constexpr std::size_t answer_bytes_max = 16 << 20;

domain::error io_error(std::string message) {
  return {domain::errc::io, std::move(message)};
}

domain::error system_error(const std::string& what) {
  return io_error(what + ": " + std::strerror(errno));
}

/// A socket with a deadline for everything done on it.
class socket_with_deadline {
public:
  socket_with_deadline(int descriptor, std::chrono::steady_clock::time_point deadline)
    : descriptor_(descriptor), deadline_(deadline) {}

  socket_with_deadline(const socket_with_deadline&) = delete;
  socket_with_deadline& operator=(const socket_with_deadline&) = delete;

  ~socket_with_deadline() { close(descriptor_); }

  domain::result<void> wait(short events) const {
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline_ - std::chrono::steady_clock::now());
      pollfd ready{descriptor_, events, 0};
      const int count = poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
      if (count > 0)
        return {};
      if (count == 0)
        return domain::error{domain::errc::timeout, "the node did not answer in time"};
      if (errno != EINTR)
        return system_error("poll");
    }
  }

  domain::result<void> send_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      if (auto ready = wait(POLLOUT); !ready)
        return ready;
      const auto sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return system_error("cannot send");
      if (sent > 0)
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }

  domain::result<std::string> receive_all() const {
    std::string bytes;
    std::array<char, 16384> block{};
    for (;;) {
      if (auto ready = wait(POLLIN); !ready)
        return ready.failure();
      const auto size = recv(descriptor_, block.data(), block.size(), 0);
      if (size == 0)
        return bytes;
      if (size < 0) {
        if (errno == EAGAIN || errno == EINTR)
          continue;
        return system_error("cannot receive");
      }
      bytes.append(block.data(), static_cast<std::size_t>(size));
      if (bytes.size() > answer_bytes_max)
        return io_error("the answer is too large");
    }
  }

private:
  int descriptor_;
  std::chrono::steady_clock::time_point deadline_;
};

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) {
    const auto lower
      = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return lower(a) == lower(b);
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

domain::result<std::string> dechunked(std::string_view rest) {
  std::string body;
  for (;;) {
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos)
      return io_error("the answer breaks off");
    const auto digits = rest.substr(0, std::min(rest.find(';'), end));
    std::size_t size = 0;
    const auto [stop, failure]
      = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    if (failure != std::errc{} || stop == digits.data())
      return io_error("the answer has a broken chunk");
    rest.remove_prefix(end + 2);
    if (size == 0)
      return body;
    if (rest.size() < 2 || size > rest.size() - 2)
      return io_error("the answer breaks off");
    body += rest.substr(0, size);
    rest.remove_prefix(size + 2);
  }
}

} // namespace

domain::result<http_answer> parse_http_answer(std::string_view bytes) {
  http_answer answer;
  const auto head_end = bytes.find("\r\n\r\n");
  if (head_end == std::string_view::npos || !bytes.starts_with("HTTP/1."))
    return io_error("the answer is no HTTP answer: is this the admin port of a node?");
  auto head = bytes.substr(0, head_end);
  auto rest = bytes.substr(head_end + 4);
  const auto status = head.size() >= 12 ? head.substr(9, 3) : std::string_view{};
  if (const auto [stop, failure]
      = std::from_chars(status.data(), status.data() + status.size(), answer.status);
      failure != std::errc{} || stop != status.data() + status.size() || answer.status < 100)
    return io_error("the answer has no status");
  bool chunked = false;
  std::string_view length;
  while (!head.empty()) {
    const auto end = std::min(head.find("\r\n"), head.size());
    const auto line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos)
      continue;
    const auto name = line.substr(0, colon);
    const auto text = trimmed(line.substr(colon + 1));
    if (equal_ignoring_case(name, "content-length"))
      length = text;
    if (equal_ignoring_case(name, "transfer-encoding"))
      chunked = equal_ignoring_case(text, "chunked");
  }
  if (chunked) {
    auto body = dechunked(rest);
    if (!body)
      return body.failure();
    answer.body = *std::move(body);
    return answer;
  }
  if (!length.empty()) {
    std::size_t size = 0;
    const auto [stop, failure]
      = std::from_chars(length.data(), length.data() + length.size(), size);
    if (failure != std::errc{} || stop != length.data() + length.size())
      return io_error("the answer has no length");
    if (rest.size() < size)
      return io_error("the answer breaks off");
    rest = rest.substr(0, size);
  }
  answer.body = rest;
  return answer;
}

domain::result<http_answer> exchange(const http_question& question) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, question.address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(question.port);
    size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, question.address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(question.port);
    size = sizeof(sockaddr_in6);
  } else {
    return domain::error{domain::errc::config, "\"" + question.address + "\" is no IP address"};
  }
  const int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0)
    return system_error("cannot make a socket");
  const socket_with_deadline peer{descriptor, std::chrono::steady_clock::now() + question.timeout};
  const auto place = question.address + " port " + std::to_string(question.port);
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&storage), size) != 0
      && errno != EINPROGRESS)
    return domain::error{domain::errc::unavailable,
                         "no node answers at " + place + ": " + std::strerror(errno)};
  if (auto ready = peer.wait(POLLOUT); !ready)
    return ready.failure();
  int failure = 0;
  socklen_t failure_size = sizeof failure;
  getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &failure_size);
  if (failure != 0)
    return domain::error{domain::errc::unavailable,
                         "no node answers at " + place + ": " + std::strerror(failure)};

  const bool bracket = question.address.find(':') != std::string::npos;
  std::string request = question.method + " " + question.target + " HTTP/1.1\r\nHost: "
                        + (bracket ? "[" + question.address + "]" : question.address) + ":"
                        + std::to_string(question.port) + "\r\nConnection: close\r\n";
  if (!question.bearer.empty())
    request += "Authorization: Bearer " + question.bearer + "\r\n";
  if (!question.body.empty())
    request += "Content-Type: application/json\r\n";
  if (!question.body.empty() || question.method == "POST")
    request += "Content-Length: " + std::to_string(question.body.size()) + "\r\n";
  request += "\r\n" + question.body;
  if (auto sent = peer.send_all(request); !sent)
    return sent.failure();
  auto bytes = peer.receive_all();
  if (!bytes)
    return bytes.failure();
  return parse_http_answer(*bytes);
}

} // namespace frontdesk::app
