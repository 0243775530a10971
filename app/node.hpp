#pragma once

#include "app/config.hpp"
#include "app/signals.hpp"
#include "domain/ports/telemetry.hpp"
#include "domain/result.hpp"

#include <chrono>
#include <functional>
#include <optional>

/// A node: everything that `frontdesk serve` runs in one process.
namespace frontdesk::app {

/// What the process does for the node. All are called on the thread of run_node.
struct process_hooks {
  /// Waits for the next signal, at most this long. The node's main loop: it wakes up about once a second anyway
  /// to read the memory watermark and to probe the store.
  std::function<std::optional<signal_event>(std::chrono::milliseconds)> wait_signal;
  /// After signal_event::reload: the configuration read again from the same sources, with what cannot be changed
  /// while running taken from the one that runs. Problems and keys that need a restart are already logged, and
  /// the log level is already applied. An error: go on as before.
  std::function<domain::result<configuration>(const configuration& running)> reload;
  /// Listeners are open (systemd: READY=1). Ports are those really bound.
  std::function<void(std::uint16_t server_port, std::uint16_t admin_port)> ready;
  /// Draining has begun (STOPPING=1).
  std::function<void()> stopping;
  /// The main loop is alive (WATCHDOG=1); call on every turn of the loop.
  std::function<void()> alive;
};

/// Opens the store, starts actors and listeners, serves until a drain is asked for and done. The exit code:
/// 0 = drained, 1 = could not start or had to give up (said in the log), 2 = configuration cannot be used.
int run_node(const configuration& config, domain::logger& log, const process_hooks& hooks);

} // namespace frontdesk::app
