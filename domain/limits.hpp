#pragma once

#include <cstdint>
#include <span>
#include <string_view>

/// Every bound of the server: name, unit, default, and what happens when it is reached. This is the
/// one list: the `[limits]` section of the configuration, `frontdesk config default` and the table
/// in docs/OPERATIONS.md are made from it.
namespace frontdesk::domain {

// name, unit, default, least, most, what happens when it is reached
#define FRONTDESK_LIMITS(LIMIT)                                                                    \
  LIMIT(frame_bytes_max, "bytes", 131072, 1024, 16777216, "the socket is closed with 1009")        \
  LIMIT(text_bytes_max, "bytes", 32768, 256, 61440, "the command is refused: too_large")           \
  LIMIT(name_bytes_max, "bytes", 200, 16, 4096, "hello is refused: too_large")                     \
  LIMIT(event_bytes_max, "bytes", 65536, 4096, 65536, "the append is refused: too_large")          \
  LIMIT(in_flight_per_client, "commands", 128, 1, 1024,                                            \
        "further commands are refused: too_many_in_flight")                                        \
  LIMIT(clients_per_conversation, "clients", 32, 2, 32,                                            \
        "the least recently used client is forgotten")                                             \
  LIMIT(events_per_head, "events", 128, 8, 1024, "a head is written")                              \
  LIMIT(conversation_idle_ms, "milliseconds", 60000, 100, 3600000,                                 \
        "the conversation leaves memory")                                                          \
  LIMIT(session_idle_ms, "milliseconds", 30000, 100, 3600000,                                      \
        "a session without sockets leaves memory")                                                 \
  LIMIT(dedup_read_back_events, "events", 1024, 16, 8192,                                          \
        "a repeat is acknowledged without its position")                                           \
  LIMIT(dedup_keep_ms, "milliseconds", 604800000, 60000, 2592000000,                               \
        "an opening key or idempotency key is forgotten")                                          \
  LIMIT(edit_window_ms, "milliseconds", 86400000, 0, 31536000000,                                  \
        "an edit or recall by its author is refused: too_old")                                     \
  LIMIT(page_events, "events", 50, 1, 200,                                                         \
        "pages and first replays end here; the client asks for more")                              \
  LIMIT(page_bytes_max, "bytes", 262144, 4096, 1048576, "a page ends early; `more` is set")        \
  LIMIT(outbox_bytes_max, "bytes", 1048576, 65536, 67108864, "the socket is cut as slow_consumer") \
  LIMIT(frames_per_second, "frames", 100, 1, 1000000,                                              \
        "reading pauses (shaper), then a warning, then the socket is cut")                         \
  LIMIT(frames_burst, "frames", 400, 1, 1000000, "as frames_per_second: what may come at once")    \
  LIMIT(bytes_per_second, "bytes", 262144, 1024, 1073741824, "as frames_per_second, by bytes")     \
  LIMIT(bytes_burst, "bytes", 1048576, 1024, 1073741824, "as frames_burst, by bytes")              \
  LIMIT(shaper_warnings_max, "warnings", 3, 0, 1000, "the socket is cut with 1008 rate_limited")   \
  LIMIT(sockets_max, "sockets", 0, 0, 4294967295,                                                  \
        "accepting stops until one closes; 0 = file descriptors less the reserve")                 \
  LIMIT(sockets_per_address, "sockets", 1000, 1, 4294967295, "the upgrade is answered 429")        \
  LIMIT(sockets_per_tenant, "sockets", 1000000, 1, 4294967295,                                     \
        "hello is refused: too_many_connections")                                                  \
  LIMIT(sockets_per_visitor, "sockets", 16, 1, 1024, "hello is refused: too_many_connections")     \
  LIMIT(sockets_per_account, "sockets", 16, 1, 1024, "hello is refused: too_many_connections")     \
  LIMIT(descriptors_reserved, "descriptors", 256, 64, 4096,                                        \
        "kept for the store, logs and the admin listener")                                         \
  LIMIT(hello_timeout_ms, "milliseconds", 10000, 100, 600000,                                      \
        "a socket that has not said hello is cut")                                                 \
  LIMIT(request_header_timeout_ms, "milliseconds", 10000, 100, 600000,                             \
        "a slow HTTP request is answered 408")                                                     \
  LIMIT(request_header_bytes_max, "bytes", 8192, 1024, 65536, "the request is answered 431")       \
  LIMIT(request_body_bytes_max, "bytes", 65536, 1024, 1048576, "the request is answered 413")      \
  LIMIT(keep_alive_timeout_ms, "milliseconds", 30000, 100, 600000,                                 \
        "an idle HTTP connection is closed")                                                       \
  LIMIT(heartbeat_ms, "milliseconds", 30000, 200, 600000,                                          \
        "a socket silent for twice this is closed")                                                \
  LIMIT(close_timeout_ms, "milliseconds", 2000, 100, 60000,                                        \
        "a socket that does not answer a close is reset")                                          \
  LIMIT(subscriptions_per_socket, "conversations", 256, 1, 10000,                                  \
        "subscribe is refused: too_large")                                                         \
  LIMIT(conversations_opened_per_minute, "conversations", 10, 1, 1000000,                          \
        "an opening is refused: rate_limited")                                                     \
  LIMIT(agent_grace_ms, "milliseconds", 5000, 0, 600000,                                           \
        "an agent without sockets counts as offline")                                              \
  LIMIT(agent_capacity, "conversations", 6, 1, 10000, "an agent gets no more from the queue")      \
  LIMIT(list_rows_max, "rows", 500, 10, 10000, "a list frame is split")                            \
  LIMIT(list_tombstones_max, "rows", 10000, 100, 1000000, "older cursors get a full list")         \
  LIMIT(pointer_interval_ms, "milliseconds", 1000, 0, 60000,                                       \
        "pointers of a participant are merged until then")                                         \
  LIMIT(commit_bytes_max, "bytes", 1048576, 65536, 16777216,                                       \
        "the commit ends here; the rest is the next one")                                          \
  LIMIT(commit_events_max, "events", 2000, 1, 100000, "as commit_bytes_max")                       \
  LIMIT(append_queue_max, "appends", 50000, 100, 1000000, "commands are refused: overloaded")      \
  LIMIT(batch_delay_us, "microseconds", 0, 0, 100000, "how long a commit waits for company")       \
  LIMIT(memory_bytes_max, "bytes", 0, 0, 1099511627776,                                            \
        "base of the watermarks; 0 = the cgroup's or machine's memory")                            \
  LIMIT(memory_opening_percent, "percent", 70, 1, 100,                                             \
        "new conversations are refused: overloaded")                                               \
  LIMIT(memory_visitor_percent, "percent", 85, 1, 100,                                             \
        "visitors' commands are refused: overloaded; staff go on")                                 \
  LIMIT(disk_free_bytes_min, "bytes", 268435456, 1048576, 1099511627776,                           \
        "writes are refused: storage_full, until there is room")                                   \
  LIMIT(drain_ms, "milliseconds", 20000, 0, 600000,                                                \
        "what has not left by then is cut at shutdown")                                            \
  LIMIT(admin_connections_max, "connections", 64, 1, 10000, "the admin listener closes new ones")

struct limits {
#define FRONTDESK_LIMIT_MEMBER(name, unit, standard, least, most, behaviour)                       \
  std::uint64_t name = standard;
  FRONTDESK_LIMITS(FRONTDESK_LIMIT_MEMBER)
#undef FRONTDESK_LIMIT_MEMBER
};

struct limit_description {
  std::string_view name;
  std::string_view unit;
  std::uint64_t standard;
  std::uint64_t least;
  std::uint64_t most;
  std::string_view behaviour;
  std::uint64_t limits::*member;
};

/// All limits, in the order of the table above.
std::span<const limit_description> limit_descriptions();

} // namespace frontdesk::domain
