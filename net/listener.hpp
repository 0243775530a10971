#pragma once

#include "domain/limits.hpp"
#include "domain/ports/connection.hpp"
#include "domain/ports/telemetry.hpp"
#include "domain/result.hpp"
#include "net/http.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace frontdesk::net {

struct io_core;

/// One I/O thread and the connections on it. Give each gateway its own.
///
/// Order: construct; start() with the events; open listeners on it; ... stop_accepting();
/// close_all(); stop(). The listeners may be destroyed before or after stop(), but before the
/// io_thread.
class io_thread final : public domain::connection_host {
public:
  /// `name`: of the thread, 15 characters of it. References must outlive the object.
  io_thread(std::string name, const domain::limits& limits, domain::metrics& metrics,
            domain::logger& logger);
  ~io_thread() override;
  io_thread(const io_thread&) = delete;
  io_thread& operator=(const io_thread&) = delete;

  /// Starts the thread. Without events there are no WebSockets, only HTTP. Once.
  void start(domain::connection_events* events = nullptr);
  /// Resets what is still open (on_close is called for it), then joins. From another thread; again
  /// does nothing.
  void stop();
  /// From any thread: closes every WebSocket at a moment of its own within `spread_ms`, so that the
  /// clients do not all come back at once, and ends idle HTTP connections. Those that come later
  /// are not meant.
  void close_all(domain::close_reason reason, std::string text, std::uint32_t spread_ms);
  /// All connections, WebSocket or not. Any thread.
  std::size_t load() const;

  void send(domain::connection_number connection, std::string_view message) override;
  void flush() override;
  void close(domain::connection_number connection, domain::close_reason reason,
             std::string_view text) override;
  void pause(domain::connection_number connection, bool paused) override;
  void post(std::function<void()> work) override;
  void after_ms(std::uint32_t delay_ms, std::function<void()> work) override;
  /// Open WebSockets.
  std::size_t connection_count() const override;

private:
  friend class listener;
  std::unique_ptr<io_core> core_;
  bool running_ = false;
};

struct listener_options {
  std::string address = "127.0.0.1"; ///< numeric; "::" takes IPv4 as well
  std::uint16_t port = 0;            ///< 0 = any free one
  std::string certificate_file{};    ///< PEM; both files or none
  std::string key_file{};
  std::vector<std::string> trusted_proxies{}; ///< addresses or CIDR ranges
  bool websocket = true;                      ///< serve /v1/socket
  std::function<bool(std::string_view origin)>
    origin_allowed{}; ///< null = all; else others get 403. Any I/O thread
  /// Connections held at once. 0 = limits.sockets_max, or what the descriptors allow; accepting
  /// pauses there.
  std::size_t connections_max = 0;
  bool close_when_full
    = false; ///< admin: close new connections at once instead of letting them wait
};

/// Accepts connections and hands each to the I/O thread that has the fewest. The first of them does
/// the accepting.
class listener {
public:
  /// Binds and begins. The threads are started already and outlive the listener. errc::config for
  /// bad options or files, errc::io if the address cannot be bound.
  static domain::result<std::unique_ptr<listener>>
  open(const listener_options& options, http_routes routes, const std::vector<io_thread*>& threads);
  /// Stops accepting.
  ~listener();
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  /// The bound port.
  std::uint16_t port() const;
  /// How many connections it holds at most.
  std::size_t capacity() const;
  std::size_t connection_count() const;
  /// Reads the certificate files again, for new connections. errc::config: they are bad, the old
  /// ones stay in use.
  domain::result<void> reload();
  /// Closes the listening socket: from now on connects are refused, upgrades are answered 503 and
  /// HTTP connections end after their next answer.
  void stop_accepting();

private:
  class implementation;
  explicit listener(std::shared_ptr<implementation> shared);
  std::shared_ptr<implementation> implementation_;
};

/// Raises the soft limit of descriptors to the hard one; what it is now. Call at the start of the
/// process.
std::size_t raise_descriptor_limit();

/// Sockets that `descriptors` leave room for: less limits.descriptors_reserved, or half of them if
/// that is more.
std::size_t socket_capacity(const domain::limits& limits, std::size_t descriptors);

} // namespace frontdesk::net
