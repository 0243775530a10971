#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

/// What every unit may say about itself: log lines and metrics, without knowing who reads them. Any
/// thread.
namespace frontdesk::domain {

enum class log_level : std::uint8_t { debug, info, warning, error };

struct log_field {
  std::string_view key;
  std::string value;
};

class logger {
public:
  virtual ~logger() = default;
  /// One event, one line. Never pass a secret or a message's text.
  virtual void log(log_level level, std::string_view message,
                   std::initializer_list<log_field> fields)
    = 0;

  void log(log_level level, std::string_view message) { log(level, message, {}); }
};

struct counter {
  std::atomic<std::uint64_t> value{0};

  void add(std::uint64_t amount = 1) { value.fetch_add(amount, std::memory_order_relaxed); }
};

struct gauge {
  std::atomic<std::int64_t> value{0};

  void set(std::int64_t now) { value.store(now, std::memory_order_relaxed); }

  void add(std::int64_t amount) { value.fetch_add(amount, std::memory_order_relaxed); }
};

/// Seconds, in buckets that double from 50 us to 52 s.
struct histogram {
  static constexpr std::size_t bucket_count = 21;
  std::array<std::atomic<std::uint64_t>, bucket_count + 1> buckets{}; ///< the last one is +Inf
  std::atomic<std::uint64_t> sum_us{0};

  static constexpr std::uint64_t bound_us(std::size_t bucket) { return 50ull << bucket; }

  void observe_us(std::uint64_t microseconds) {
    std::size_t bucket = 0;
    while (bucket < bucket_count && microseconds > bound_us(bucket))
      ++bucket;
    buckets[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_us.fetch_add(microseconds, std::memory_order_relaxed);
  }
};

// member, kind, exported name (counters get _total, histograms are in seconds), help
#define FRONTDESK_METRICS(METRIC)                                                                  \
  METRIC(connections, gauge, "frontdesk_connections", "Open WebSocket connections")                \
  METRIC(connections_accepted, counter, "frontdesk_connections_accepted",                          \
         "Accepted TCP connections")                                                               \
  METRIC(connections_refused, counter, "frontdesk_connections_refused",                            \
         "Connections refused by a limit")                                                         \
  METRIC(accept_paused, gauge, "frontdesk_accept_paused",                                          \
         "1 while accepting is paused for want of descriptors")                                    \
  METRIC(slow_consumers, counter, "frontdesk_slow_consumers",                                      \
         "Connections cut because they did not read")                                              \
  METRIC(shaper_warnings, counter, "frontdesk_shaper_warnings",                                    \
         "Warnings to sockets over their rate")                                                    \
  METRIC(shaper_cuts, counter, "frontdesk_shaper_cuts", "Sockets cut for their rate")              \
  METRIC(frames_in, counter, "frontdesk_frames_received", "Frames received from clients")          \
  METRIC(frames_out, counter, "frontdesk_frames_sent", "Frames sent to clients")                   \
  METRIC(bytes_in, counter, "frontdesk_received_bytes", "Bytes received from clients")             \
  METRIC(bytes_out, counter, "frontdesk_sent_bytes", "Bytes sent to clients")                      \
  METRIC(bad_frames, counter, "frontdesk_bad_frames", "Frames that could not be decoded")          \
  METRIC(commands, counter, "frontdesk_commands", "Commands received")                             \
  METRIC(commands_refused, counter, "frontdesk_commands_refused", "Commands refused")              \
  METRIC(commands_repeated, counter, "frontdesk_commands_repeated",                                \
         "Repeats answered from the stored state")                                                 \
  METRIC(acknowledged, counter, "frontdesk_acknowledged",                                          \
         "Commands acknowledged after their sync")                                                 \
  METRIC(pushes, counter, "frontdesk_pushes", "Events pushed to clients")                          \
  METRIC(commits, counter, "frontdesk_commits", "Commits made durable")                            \
  METRIC(committed_events, counter, "frontdesk_committed_events", "Events made durable")           \
  METRIC(commit_failures, counter, "frontdesk_commit_failures", "Commits that failed")             \
  METRIC(stale_appends, counter, "frontdesk_stale_appends",                                        \
         "Appends dropped because their entity was reloaded")                                      \
  METRIC(append_queue, gauge, "frontdesk_append_queue", "Appends waiting for a commit")            \
  METRIC(entities, gauge, "frontdesk_entities", "Entity actors in memory")                         \
  METRIC(entity_restarts, counter, "frontdesk_entity_restarts",                                    \
         "Entity actors that crashed and were replaced")                                           \
  METRIC(conversations_waiting, gauge, "frontdesk_conversations_waiting",                          \
         "Conversations waiting for an agent")                                                     \
  METRIC(agents_online, gauge, "frontdesk_agents_online", "Agents that take conversations")        \
  METRIC(memory_level, gauge, "frontdesk_memory_level",                                            \
         "0 normal, 1 no new conversations, 2 no visitor writes")                                  \
  METRIC(store_state, gauge, "frontdesk_store_state", "0 writable, 1 full, 2 read-only, 3 failed") \
  METRIC(commit_duration, histogram, "frontdesk_commit_seconds", "Time of a commit with its sync") \
  METRIC(ack_duration, histogram, "frontdesk_ack_seconds",                                         \
         "Time from a command's arrival to its acknowledgement")                                   \
  METRIC(history_duration, histogram, "frontdesk_history_seconds", "Time to read a page of history")

struct metrics {
#define FRONTDESK_METRIC_MEMBER(member, kind, name, help) kind member{};
  FRONTDESK_METRICS(FRONTDESK_METRIC_MEMBER)
#undef FRONTDESK_METRIC_MEMBER
};

} // namespace frontdesk::domain
