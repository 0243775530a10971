#include "tests/net/test_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <future>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <unistd.h>

namespace frontdesk::net::testing {

void recorder::add(std::string line) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
  changed_.notify_all();
}

void wait_until(const std::function<bool()>& reached, const char* what) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!reached()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "never came: " << what;
    std::this_thread::yield();
  }
}

class recorder::host_events final : public domain::connection_events {
public:
  host_events(recorder& into, domain::connection_host& host) : into_(into), host_(host) {}

  void on_open(domain::connection_number connection, domain::wire_form form,
               const domain::peer_info& peer) override {
    {
      const std::lock_guard lock(into_.mutex_);
      into_.last_peer_ = peer;
    }
    into_.add(std::string("open ") + (form == domain::wire_form::json ? "json " : "proto ")
              + peer.address);
    if (into_.opened)
      into_.opened(host_, connection);
  }

  void on_messages(domain::connection_number connection,
                   const std::vector<std::string_view>& messages) override {
    for (const std::string_view message : messages) {
      if (into_.keep_messages)
        into_.add("message " + std::string(message));
      if (into_.received)
        into_.received(host_, connection, message);
    }
  }

  void on_shaped(domain::connection_number, std::uint32_t warnings) override {
    into_.add("shaped " + std::to_string(warnings));
  }

  void on_close(domain::connection_number connection, domain::close_reason reason) override {
    into_.add("close " + std::to_string(static_cast<unsigned>(reason)));
    if (into_.closed)
      into_.closed(host_, connection);
  }

private:
  recorder& into_;
  domain::connection_host& host_;
};

std::unique_ptr<domain::connection_events> recorder::events_of(domain::connection_host& host) {
  return std::make_unique<host_events>(*this, host);
}

domain::peer_info recorder::last_peer() const {
  const std::lock_guard lock(mutex_);
  return last_peer_;
}

void recorder::wait_for(const std::string& line) {
  std::unique_lock lock(mutex_);
  const auto there = [&] { return std::find(lines_.begin(), lines_.end(), line) != lines_.end(); };
  ASSERT_TRUE(changed_.wait_for(lock, patience, there)) << "never came: " << line;
}

void recorder::wait_for_count(std::string_view prefix, std::size_t count) {
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(changed_.wait_for(lock, patience, [&] { return count_locked(prefix) >= count; }))
    << "never came " << count << " times: " << prefix;
}

std::vector<std::string> recorder::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

std::size_t recorder::count_locked(std::string_view prefix) const {
  return static_cast<std::size_t>(
    std::count_if(lines_.begin(), lines_.end(),
                  [&](const std::string& line) { return line.starts_with(prefix); }));
}

std::size_t recorder::count(std::string_view prefix) const {
  const std::lock_guard lock(mutex_);
  return count_locked(prefix);
}

void recording_logger::log(domain::log_level, std::string_view message,
                           std::initializer_list<domain::log_field>) {
  const std::lock_guard lock(mutex_);
  ++seen_[std::string(message)];
}

std::size_t recording_logger::count(std::string_view message) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(message);
  return found == seen_.end() ? 0 : found->second;
}

test_server::test_server(domain::limits bounds, std::size_t thread_count) : limits(bounds) {
  for (std::size_t i = 0; i < thread_count; ++i)
    threads.push_back(
      std::make_unique<io_thread>("test-" + std::to_string(i), limits, metrics, logger));
}

test_server::~test_server() {
  stop();
}

void test_server::echo() {
  events.received = [](domain::connection_host& host, domain::connection_number connection,
                       std::string_view message) { host.send(connection, message); };
}

void test_server::start() {
  std::vector<io_thread*> all;
  for (auto& thread : threads) {
    thread_events.push_back(events.events_of(*thread));
    thread->start(thread_events.back().get());
    all.push_back(thread.get());
  }
  auto opened = listener::open(options, routes, all);
  if (!opened)
    throw std::runtime_error(opened.failure().message);
  sockets = *std::move(opened);
}

void test_server::stop() {
  if (sockets)
    sockets->stop_accepting();
  for (auto& thread : threads)
    thread->stop();
}

connect_options test_server::to(domain::wire_form form) const {
  connect_options target;
  target.port = port();
  target.form = form;
  target.timeout_ms = static_cast<std::uint32_t>(std::chrono::milliseconds(patience).count());
  return target;
}

void test_server::on_host(const std::function<void(io_thread&)>& work) {
  std::promise<void> done;
  host().post([&] {
    work(host());
    done.set_value();
  });
  done.get_future().wait();
}

raw_socket::raw_socket(std::uint16_t port, int receive_buffer_bytes) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer_bytes > 0)
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval deadline{patience.count(), 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::system_error(errno, std::generic_category(), "connect");
}

raw_socket::~raw_socket() {
  ::close(descriptor_);
}

bool raw_socket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

bool raw_socket::readable() const {
  pollfd state{descriptor_, POLLIN, 0};
  return ::poll(&state, 1, 0) > 0;
}

void raw_socket::end_writing() {
  ::shutdown(descriptor_, SHUT_WR);
}

void raw_socket::abort() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(descriptor_);
  descriptor_ = -1;
}

bool raw_socket::fill() {
  std::array<char, 16384> buffer{};
  const ssize_t size = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    ADD_FAILURE() << "nothing came and the connection did not end";
    return false;
  }
  if (size <= 0)
    return false;
  held_.append(buffer.data(), static_cast<std::size_t>(size));
  return true;
}

std::string raw_socket::read_until(std::string_view needle) {
  std::size_t found = 0;
  while ((found = held_.find(needle)) == std::string::npos)
    if (!fill())
      return std::exchange(held_, {});
  std::string out = held_.substr(0, found + needle.size());
  held_.erase(0, out.size());
  return out;
}

std::string raw_socket::read_exactly(std::size_t size) {
  while (held_.size() < size)
    if (!fill())
      return std::exchange(held_, {});
  std::string out = held_.substr(0, size);
  held_.erase(0, size);
  return out;
}

std::string raw_socket::read_all() {
  while (fill()) {
  }
  return std::exchange(held_, {});
}

std::string raw_socket::read_response() {
  std::string head = read_until("\r\n\r\n");
  const std::string name = "Content-Length: ";
  const std::size_t at = head.find(name);
  if (at == std::string::npos)
    return head;
  return head + read_exactly(std::stoul(head.substr(at + name.size())));
}

std::string raw_socket::upgrade(std::string_view protocol, std::string_view more_headers) {
  std::string request
    = "GET /v1/socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (!protocol.empty())
    request.append("Sec-WebSocket-Protocol: ").append(protocol).append("\r\n");
  request.append(more_headers).append("\r\n");
  send(request);
  return read_until("\r\n\r\n");
}

std::string raw_socket::read_frame(std::uint8_t* first) {
  std::string head = read_exactly(2);
  if (head.size() < 2)
    return {};
  if (first)
    *first = static_cast<std::uint8_t>(head[0]);
  std::uint64_t size = static_cast<std::uint8_t>(head[1]);
  if (size >= 126) {
    const std::string length = read_exactly(size == 126 ? 2 : 8);
    size = 0;
    for (const char byte : length)
      size = size << 8 | static_cast<std::uint8_t>(byte);
  }
  return read_exactly(size);
}

std::uint16_t raw_socket::read_close() {
  for (;;) {
    std::uint8_t first = 0;
    const std::string payload = read_frame(&first);
    if (first == 0)
      return 0;
    if (first != 0x88)
      continue;
    EXPECT_EQ(read_all(), "");
    if (payload.size() < 2)
      return 1005;
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8
                                      | static_cast<std::uint8_t>(payload[1]));
  }
}

} // namespace frontdesk::net::testing
