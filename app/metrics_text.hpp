#pragma once

#include "app/version.hpp"
#include "domain/ports/telemetry.hpp"
#include "domain/result.hpp"

#include <cstdint>
#include <string>

/// What /metrics answers.
namespace frontdesk::app {

/// What the operating system knows of this process.
struct process_facts {
  double cpu_seconds = 0; ///< user and system
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t threads = 0;
  double start_time_seconds = 0; ///< since the Unix epoch
};

/// Reads /proc/self. errc::io when it cannot.
domain::result<process_facts> read_process_facts();

/// Everything in Prometheus' text format 0.0.4. Counters get _total, histograms are in seconds. Any
/// thread.
std::string metrics_text(const domain::metrics& metrics, const process_facts& process,
                         const build_information& build, std::uint64_t log_lines_dropped);

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

} // namespace frontdesk::app
