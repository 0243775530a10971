#pragma once

#include "net/listener.hpp"
#include "net/websocket_client.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace frontdesk::net::testing {

/// How long a test waits for what must happen; never reached unless something is broken.
constexpr std::chrono::seconds patience{60};

/// Waits for something that nobody announces.
void wait_until(const std::function<bool()>& reached, const char* what);

/// Writes down what a host tells, one line each: "open json 127.0.0.1", "message hello", "shaped
/// 1", "close 1000".
class recorder {
public:
  /// What to start a host with.
  std::unique_ptr<domain::connection_events> events_of(domain::connection_host& host);

  /// Waits until some line is there; fails the test if it never comes.
  void wait_for(const std::string& line);
  /// Waits until that many lines begin so.
  void wait_for_count(std::string_view prefix, std::size_t count);
  std::vector<std::string> lines() const;
  std::size_t count(std::string_view prefix) const;

  /// Called after the line was written, on the host's thread. Set before the first connection.
  std::function<void(domain::connection_host&, domain::connection_number)> opened{};
  std::function<void(domain::connection_host&, domain::connection_number, std::string_view)>
    received{};
  std::function<void(domain::connection_host&, domain::connection_number)> closed{};
  bool keep_messages = true;
  domain::peer_info last_peer() const; ///< of the newest open

private:
  class host_events;
  std::size_t count_locked(std::string_view prefix) const;
  void add(std::string line);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_; // guarded by mutex_
  domain::peer_info last_peer_;    // guarded by mutex_
};

class recording_logger : public domain::logger {
public:
  using domain::logger::log;
  void log(domain::log_level level, std::string_view message,
           std::initializer_list<domain::log_field> fields) override;
  std::size_t count(std::string_view message) const;

private:
  mutable std::mutex mutex_;
  std::map<std::string, std::size_t, std::less<>> seen_; // guarded by mutex_
};

/// One listener on a free port of 127.0.0.1.
class test_server {
public:
  explicit test_server(domain::limits bounds = {}, std::size_t thread_count = 1);
  ~test_server();

  /// Sends every message back.
  void echo();
  /// Starts; change `options` and `routes` before.
  void start();
  void stop();

  std::uint16_t port() const { return sockets->port(); }

  connect_options to(domain::wire_form form = domain::wire_form::json) const;

  io_thread& host() { return *threads.front(); }

  /// Runs on the first thread and waits.
  void on_host(const std::function<void(io_thread&)>& work);

  domain::limits limits;
  domain::metrics metrics;
  recording_logger logger;
  recorder events;
  listener_options options;
  http_routes routes;
  std::vector<std::unique_ptr<domain::connection_events>> thread_events;
  std::vector<std::unique_ptr<io_thread>> threads;
  std::unique_ptr<listener> sockets;
};

/// A blocking TCP connection that sends what it is told to.
class raw_socket {
public:
  explicit raw_socket(std::uint16_t port, int receive_buffer_bytes = 0);
  ~raw_socket();
  raw_socket(const raw_socket&) = delete;
  raw_socket& operator=(const raw_socket&) = delete;

  /// False once the peer has closed.
  bool send(std::string_view bytes);
  /// Whether something has come, or the end.
  bool readable() const;
  void end_writing();
  /// Closes with a reset.
  void abort();
  /// Reads until `needle` was read; what came up to its end.
  std::string read_until(std::string_view needle);
  std::string read_exactly(std::size_t size);
  /// Reads until the peer closes; what came.
  std::string read_all();
  /// Head and body of one HTTP answer with a Content-Length.
  std::string read_response();
  /// Upgrades with this subprotocol (none if empty); the answer's head.
  std::string upgrade(std::string_view protocol = "frontdesk.v1.json",
                      std::string_view more_headers = {});
  /// The payload of the next unmasked frame; `first` gets its first byte.
  std::string read_frame(std::uint8_t* first = nullptr);
  /// Reads frames up to a close frame: its code. 0 if the connection ended without one. Then waits
  /// for the end.
  std::uint16_t read_close();

private:
  bool fill();

  int descriptor_ = -1;
  std::string held_;
};

} // namespace frontdesk::net::testing
