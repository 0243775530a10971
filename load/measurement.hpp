#pragma once

#include "domain/result.hpp"
#include "load/histogram.hpp"
#include "load/machine.hpp"
#include "load/node.hpp"
#include "load/scenario.hpp"
#include "load/worker.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace frontdesk::load {

/// Quantiles of one kind of latency, in nanoseconds.
struct latency {
  std::uint64_t count = 0;
  double mean = 0;
  std::uint64_t p50 = 0;
  std::uint64_t p90 = 0;
  std::uint64_t p99 = 0;
  std::uint64_t p999 = 0;
  std::uint64_t most = 0;
};

latency summarise(const histogram& all);

/// What one scenario has shown.
struct measurement {
  scenario what{};
  double set_up_seconds = 0; ///< until every connection was logged in and every conversation open
  double fill_seconds = 0;
  double seconds = 0; ///< measured

  // In the measured time.
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t pushed = 0;
  std::uint64_t pages = 0;
  latency to_ack{};
  latency to_push{};
  latency from_sent{};
  std::array<latency, page_places.size()> page{};
  double machine_busy = 0;  ///< share of all processors, 0 to 1
  double server_cpu_us = 0; ///< microseconds of processor time in all; 0 = not known
  double load_cpu_us = 0;
  std::map<std::string, double> server_thread_cpu_us{};

  // Over the whole run.
  std::uint64_t connected = 0;
  std::uint64_t echoed = 0;
  std::uint64_t refused = 0;
  std::uint64_t rejected = 0;
  std::uint64_t gaps = 0;
  std::uint64_t resyncs = 0;
  std::uint64_t problems = 0;
  std::uint64_t disconnects = 0;
  std::uint64_t connect_failures = 0;
  std::uint64_t lost = 0;
  std::uint64_t postponed = 0;
  std::uint64_t unsent = 0;
  std::uint64_t slow_cut = 0;
  std::uint64_t flood_cut = 0;
  std::uint64_t flood_cut_code = 0;
  std::uint64_t flood_warnings = 0;
  std::uint64_t flood_frames = 0;

  // Memory of the server: before the connections, with all of them, at the end.
  process_sample server_before{};
  process_sample server_connected{};
  process_sample server_end{};
  std::uint64_t slab_before = 0;
  std::uint64_t slab_connected = 0;
  std::uint64_t connections = 0; ///< between before and connected

  // From the server's own metrics, in the measured time.
  double commits = 0;
  double committed_events = 0;
  double slow_consumers = 0; ///< over the whole run
  double shaper_cuts = 0;    ///< over the whole run
  double history_p99_us = 0; ///< upper end of the histogram's bucket; 0 = not known
  double commit_p50_us = 0;
  double commit_p99_us = 0;

  double per_second(std::uint64_t count) const {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
  }
};

struct measured_node {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::optional<pid_t> process{}; ///< for processor time and memory
};

/// Runs one scenario to its end; how long that may take is bounded by it. Forks, so the caller has
/// no threads. errc::unavailable with what a worker could not do.
domain::result<measurement> measure(const scenario& what, const measured_node& node,
                                    node_admin& admin);

} // namespace frontdesk::load
