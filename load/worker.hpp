#pragma once

#include "load/histogram.hpp"
#include "load/scenario.hpp"

#include <array>
#include <atomic>
#include <cstdint>

/// One process of the load: its connections and what they count. The parent and its workers share
/// one anonymous mapping, so that nothing is sent between them while a measurement runs.
namespace frontdesk::load {

enum class phase : std::uint32_t {
  set_up,  ///< one worker after the other connects (control::turn)
  fill,    ///< history: messages are stored
  traffic, ///< running, not yet counted in histograms
  measure,
  drain, ///< nothing new is sent
  quit,
};

struct control {
  std::atomic<phase> now{phase::set_up};
  std::atomic<std::uint32_t> turn{0}; ///< the worker that may connect
  std::atomic<std::uint64_t> filled{0};
};

enum class worker_state : std::uint32_t { starting, ready, drained, failed };

inline constexpr std::array<const char*, 3> page_places{"newest", "middle", "oldest"};

/// Written by one worker, read by the parent.
struct worker_report {
  std::atomic<worker_state> state{worker_state::starting};
  std::array<char, 240> failure{};

  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> acknowledged{0};
  std::atomic<std::uint64_t> pushed{0}; ///< to the other side of the conversation
  std::atomic<std::uint64_t> echoed{0}; ///< own messages that came back as events
  std::atomic<std::uint64_t> pages{0};
  std::atomic<std::uint64_t> connected{0};

  std::atomic<std::uint64_t> refused{0};  ///< for now; sent again later
  std::atomic<std::uint64_t> rejected{0}; ///< for good
  std::atomic<std::uint64_t> gaps{0};
  std::atomic<std::uint64_t> resyncs{0};
  std::atomic<std::uint64_t> problems{0};
  std::atomic<std::uint64_t> disconnects{0};
  std::atomic<std::uint64_t> connect_failures{0};
  std::atomic<std::uint64_t> lost{0};      ///< no acknowledgement, or no push, by the end
  std::atomic<std::uint64_t> postponed{0}; ///< open: due while the window was full, sent later
  std::atomic<std::uint64_t> unsent{0};    ///< open: due, and never sent
  std::atomic<std::uint64_t> slow_cut{0};
  std::atomic<std::uint64_t> flood_cut{0};
  std::atomic<std::uint64_t> flood_warnings{0};
  std::atomic<std::uint64_t> flood_frames{0};
  std::atomic<std::uint64_t> flood_cut_code{0}; ///< close code of the last one

  // Of messages whose answer came in the measured time, in nanoseconds.
  histogram to_ack{};    ///< from the time it was due
  histogram to_push{};   ///< likewise
  histogram from_sent{}; ///< from the time it was really sent to its acknowledgement
  std::array<histogram, page_places.size()> page{};
};

/// How many of `total` are the business of worker `index`.
std::uint32_t share_of(std::uint32_t total, std::uint32_t processes, std::uint32_t index);
/// Accounts that worker `index` signs in as.
std::uint32_t agents_of(const scenario& what, std::uint32_t index);

/// Runs worker `index` until the parent says quit; never returns. Call right after fork, before
/// there are threads.
[[noreturn]] void run_worker(std::uint32_t index, const scenario& what, const node_address& node,
                             control& shared, worker_report& report);

} // namespace frontdesk::load
