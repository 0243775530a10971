#pragma once

#include "domain/ports/connection.hpp"
#include "domain/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The client side of the socket: for the terminal client, the tests and the load generator. Shares
/// the frame codec, the TLS transport and the event loop with the server.
namespace frontdesk::net {

/// Names a connection of one client host; never reused within it.
using client_number = std::uint64_t;

/// Trust of TLS connections; made once, shared by all of them.
class client_tls {
public:
  /// Trusts the certificates of the PEM file; the system's store when `ca_file` is empty.
  /// errc::config if it cannot be read. `insecure` checks no certificate at all.
  static domain::result<std::shared_ptr<client_tls>> make(const std::string& ca_file,
                                                          bool insecure = false);
  virtual ~client_tls() = default;
};

struct connect_options {
  std::string address = "127.0.0.1"; ///< numeric IPv4 or IPv6; see resolve_host
  std::uint16_t port = 0;
  std::string host{}; ///< Host header and TLS server name; empty = the address
  std::string path = "/v1/socket";
  domain::wire_form form
    = domain::wire_form::proto; ///< chooses the subprotocol and the kind of messages
  std::vector<std::pair<std::string, std::string>>
    headers{};                              ///< further request headers, e.g. Origin
  std::string source_address{};             ///< local address to bind, e.g. 127.0.0.2
  std::shared_ptr<client_tls> tls{};        ///< null = plain
  std::uint32_t timeout_ms = 10000;         ///< from connect to open
  std::uint32_t close_timeout_ms = 2000;    ///< for the peer's answer to our close
  std::size_t message_bytes_max = 16 << 20; ///< a longer message closes with 1009
};

/// How a connection ended.
struct client_close {
  std::uint16_t code = 1006; ///< the peer's close code; 1006 = no close frame was received
  int http_status = 0;       ///< of an upgrade that was refused; otherwise 0
  std::string text{};        ///< the peer's reason, or what went wrong here
};

/// Called on the host's thread.
class client_events {
public:
  virtual ~client_events() = default;
  virtual void on_open(client_number connection) = 0;
  /// The view lives until the call returns.
  virtual void on_message(client_number connection, std::string_view message) = 0;
  /// Once per connection, last, whether or not it was ever open. Never called from within `connect`
  /// or `send`.
  virtual void on_close(client_number connection, const client_close& why) = 0;
};

/// Holds any number of connections (as far as descriptors go) on one thread of its own: an idle one
/// costs some hundred bytes. Pings are answered by the host.
class websocket_client_host {
public:
  /// Starts the thread.
  websocket_client_host();
  /// Resets what is still open (its on_close is called), then joins the thread. Not from the host's
  /// thread.
  ~websocket_client_host();
  websocket_client_host(const websocket_client_host&) = delete;
  websocket_client_host& operator=(const websocket_client_host&) = delete;

  /// Begins to connect; what comes of it is told to `events`, which must outlive the connection.
  /// Any thread; the number may be used at once on the host's thread.
  client_number connect(const connect_options& options, client_events& events);

  // Host's thread only; numbers of closed connections are ignored.
  /// Queues one data message (text for json, binary for proto); it leaves at the next flush, which
  /// the host does itself after each callback and after posted work. Before on_open it is dropped.
  void send(client_number connection, std::string_view message);
  void flush();
  /// Sends a close frame after what is queued and waits for the peer's.
  void close(client_number connection, std::uint16_t code = 1000, std::string_view text = {});
  /// Closes the TCP connection with a reset, as a lost peer would.
  void reset(client_number connection);
  /// Stops (true) or resumes reading.
  void pause(client_number connection, bool paused);
  /// Bytes queued that the kernel has not taken yet.
  std::size_t pending_bytes(client_number connection) const;
  /// Runs the function once on the host's thread after the delay.
  void after_ms(std::uint32_t delay_ms, std::function<void()> work);

  // Any thread.
  void post(std::function<void()> work);
  std::size_t connection_count() const;

  class implementation;

private:
  std::unique_ptr<implementation> implementation_;
};

/// First address of a host name, numeric; numeric input comes back as it is. Blocks.
/// errc::unavailable if unknown.
domain::result<std::string> resolve_host(const std::string& host);

/// One connection that blocks its caller, for tests and tools. Any thread may send while another
/// receives.
class websocket_client {
public:
  /// Connects and upgrades. `options.address` may be a host name here. errc::unavailable,
  /// errc::timeout; errc::forbidden for an upgrade answered by another status, which `message`
  /// names.
  static domain::result<std::unique_ptr<websocket_client>> connect(connect_options options);
  /// As above on a shared host, which must outlive the client.
  static domain::result<std::unique_ptr<websocket_client>> connect(connect_options options,
                                                                   websocket_client_host& host);
  ~websocket_client();
  websocket_client(const websocket_client&) = delete;
  websocket_client& operator=(const websocket_client&) = delete;

  /// errc::unavailable once the connection is closed.
  domain::result<void> send(std::string_view message);
  /// The next message, in order. errc::timeout; errc::unavailable once closed and everything
  /// received is taken.
  domain::result<std::string> receive(std::chrono::milliseconds deadline);
  /// Closes and waits for the end; how it ended. Again: the same answer.
  client_close close(std::uint16_t code = 1000, std::string_view text = {});
  /// Waits until the peer closes. errc::timeout.
  domain::result<client_close> wait_closed(std::chrono::milliseconds deadline);
  /// Drops the TCP connection without a word.
  void reset();
  /// Stops (true) or resumes reading from the socket.
  void pause(bool paused);

private:
  class state;
  explicit websocket_client(std::shared_ptr<state> shared);
  std::shared_ptr<state> state_;
  std::unique_ptr<websocket_client_host> own_; // null on a shared host; ends before state_
};

} // namespace frontdesk::net
