#pragma once

#include "domain/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// What a gateway may do to sockets and what they report. One `connection_host` per I/O thread;
/// everything here happens on that thread, but for `post`.
namespace frontdesk::domain {

/// Which of the two forms of the frames a socket speaks; chosen by subprotocol.
enum class wire_form : std::uint8_t { proto = 0, json = 1 };

/// Names a connection of one host; never reused within a process.
using connection_number = std::uint64_t;

enum class close_reason : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  bad_text = 1007,
  policy = 1008,
  too_large = 1009,
  internal = 1011,
  restart = 1012,
  try_later = 1013,
  // from here never sent: what a peer did
  peer_closed = 4900,
  reset = 4901,
};

struct peer_info {
  std::string address{}; ///< without the port; from the trusted proxy's header where there is one
  std::string origin{};  ///< Origin header as sent; empty = none
  bool secure = false;
};

class connection_events {
public:
  virtual ~connection_events() = default;
  virtual void on_open(connection_number connection, wire_form form, const peer_info& peer) = 0;
  /// All complete data messages of one read, in order. The views live until the call returns.
  virtual void on_messages(connection_number connection,
                           const std::vector<std::string_view>& messages)
    = 0;

  /// The connection went on sending over its rate for a whole second; reading from it is paused
  /// until it is within its rate again. `warnings` so far; after limits.shaper_warnings_max the
  /// connection is closed with `policy`.
  virtual void on_shaped(connection_number connection, std::uint32_t warnings) {
    static_cast<void>(connection);
    static_cast<void>(warnings);
  }

  /// Once per opened connection, last. No call for this number has an effect afterwards.
  virtual void on_close(connection_number connection, close_reason reason) = 0;
};

class connection_host {
public:
  virtual ~connection_host() = default;

  /// Appends one data message to the outbox; it leaves at the next `flush`. A connection whose
  /// outbox is over its limit is closed as slow_consumer (1013) and the message is dropped.
  virtual void send(connection_number connection, std::string_view message) = 0;
  /// Writes out every outbox touched since the last flush. The host calls it after events and
  /// posted work.
  virtual void flush() = 0;
  /// Sends a close frame after what is queued, then closes; the peer has limits.close_timeout_ms to
  /// answer.
  virtual void close(connection_number connection, close_reason reason, std::string_view text) = 0;
  /// Stops (true) or resumes reading from a connection: the shaper's brake.
  virtual void pause(connection_number connection, bool paused) = 0;

  /// Runs the function on the host's thread. From any thread.
  virtual void post(std::function<void()> work) = 0;
  /// Runs the function on the host's thread after the delay, once. Host's thread only.
  virtual void after_ms(std::uint32_t delay_ms, std::function<void()> work) = 0;
  virtual std::size_t connection_count() const = 0; ///< from any thread
};

} // namespace frontdesk::domain
