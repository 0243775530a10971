#pragma once

#include "app/config.hpp"
#include "domain/ids.hpp"
#include "domain/ports/telemetry.hpp"

#include <atomic>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

/// The log: one event, one line, written by a thread of its own.
namespace frontdesk::app {

inline constexpr std::size_t log_line_bytes_max
  = std::size_t{16} * 1024; ///< longer lines are cut, still valid, and say so
inline constexpr std::size_t log_queue_lines = 8192;

/// One JSON object without a newline: {"ts":"2026-01-31T12:34:56.789Z","lvl":"info","msg":"...",
/// fields...}. Valid JSON and valid UTF-8 whatever the values hold; control characters of any kind
/// are escaped.
std::string json_line(domain::unix_ms time, domain::log_level level, std::string_view message,
                      std::initializer_list<domain::log_field> fields);
/// `message key=value key="two words"`; nothing in it can move a terminal's cursor or begin a new
/// line.
std::string text_line(std::string_view message, std::initializer_list<domain::log_field> fields);

/// domain::logger over spdlog with a bounded queue. When three quarters are full, debug and info
/// lines are dropped; when it is full, everything is. What was dropped is counted, and said in a
/// line when there is room again.
class process_log : public domain::logger {
public:
  /// To standard error. `automatic` is text on a terminal and JSON elsewhere; `colour` is for text.
  process_log(domain::log_level level, log_format format, bool colour);
  /// To a stream, for tests: JSON or text without colour. The stream outlives the log.
  process_log(domain::log_level level, log_format format, std::ostream& out,
              std::size_t queue_lines);
  process_log(const process_log&) = delete;
  process_log& operator=(const process_log&) = delete;
  /// Writes what is queued.
  ~process_log() override;

  using domain::logger::log;
  /// Any thread; never blocks on the disk or terminal.
  void log(domain::log_level level, std::string_view message,
           std::initializer_list<domain::log_field> fields) override;

  void set_level(domain::log_level level) { level_.store(level, std::memory_order_relaxed); }

  /// Lines dropped since the start.
  std::uint64_t dropped() const;
  /// Returns when everything logged before the call is written.
  void flush();
  /// For tests: the writer stops taking lines until it is called with false.
  void hold(bool held);

private:
  class writer;
  std::atomic<domain::log_level> level_;
  bool json_;
  std::unique_ptr<writer> writer_;
};

} // namespace frontdesk::app
