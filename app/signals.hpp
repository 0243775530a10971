#pragma once

#include "domain/result.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

/// Signals as events. A thread of its own reads a signalfd; no work is done in a handler.
namespace frontdesk::app {

enum class signal_event : std::uint8_t {
  drain,  ///< first SIGTERM or SIGINT
  reload, ///< SIGHUP
};

class signal_watch {
public:
  /// Blocks SIGTERM, SIGINT and SIGHUP in this thread and all it starts later, ignores SIGPIPE, and
  /// watches. Call once, before any other thread is started. errc::io when the system refuses.
  static domain::result<std::unique_ptr<signal_watch>> start();
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;
  /// Stops watching and gives the signals back their former treatment. Same thread as `start`.
  ~signal_watch();

  /// The next event, or nothing after the time. A second SIGTERM or SIGINT never gets here: it ends
  /// the process at once with 128 + its number, whatever the other threads do. Any thread.
  std::optional<signal_event> wait(std::chrono::milliseconds time);

private:
  class state;
  explicit signal_watch(std::unique_ptr<state> inner);
  std::unique_ptr<state> state_;
};

} // namespace frontdesk::app
