#pragma once

#include "app/config.hpp"
#include "app/signals.hpp"
#include "domain/ports/telemetry.hpp"
#include "domain/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

/// A node: everything that `frontdesk serve` runs in one process.
namespace frontdesk::app {

/// What the process does for the node. All but log_lines_dropped are called on the thread of
/// run_node.
struct process_hooks {
  /// Waits for the next signal, at most this long: the node's main loop, which wakes up about once
  /// a second anyway to read the memory watermark.
  std::function<std::optional<signal_event>(std::chrono::milliseconds)> wait_signal;
  /// After signal_event::reload: the configuration read again from the same sources, with what
  /// cannot be changed while running taken from `running`. Problems and keys that need a restart
  /// are already logged, and the log level is already applied. An error: go on as before.
  std::function<domain::result<configuration>(const configuration& running)> reload;
  /// Listeners are open, on these ports. Logs it and tells the service manager.
  std::function<void(std::uint16_t server_port, std::uint16_t admin_port)> ready;
  /// Draining has begun. Logs it and tells the service manager.
  std::function<void()> stopping;
  /// The main loop is alive: call on every turn, also while draining.
  std::function<void()> alive;
  /// For /metrics. Any thread.
  std::function<std::uint64_t()> log_lines_dropped;
};

/// Opens the store in the data folder, which exists; starts actors and listeners; serves until a
/// drain is asked for and done. The exit code: 0 = drained, 1 = could not start or had to give up
/// (said in the log), 2 = the configuration cannot be used.
int run_node(const configuration& config, domain::logger& log, const process_hooks& hooks);

} // namespace frontdesk::app
