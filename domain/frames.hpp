#pragma once

#include "domain/event.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// Everything a client can send and receive, as values. proto/frames.proto is the schema of their
/// bytes, and docs/PROTOCOL.md says what they mean. `visitor` clients know visible_seq only;
/// `staff` clients know both.
namespace frontdesk::domain {

enum class list_kind : std::uint8_t { waiting = 1, mine = 2 };
enum class presence_state : std::uint8_t { offline = 0, online = 1, away = 2 };

/// A place in a conversation: seq for staff, visible_seq for visitors.
struct conversation_cursor {
  conversation_id conversation{};
  message_seq after = 0;
  friend bool operator==(const conversation_cursor&, const conversation_cursor&) = default;
};

/// A place in a list: the applied position of each shard that has contributed.
struct vector_cursor {
  std::uint64_t store_incarnation = 0;
  std::vector<std::pair<std::uint32_t, std::uint64_t>>
    positions{}; ///< (shard, position), ascending by shard
  friend bool operator==(const vector_cursor&, const vector_cursor&) = default;
};

// -- what a client sends
// --------------------------------------------------------------------------------------

/// First frame on every socket, and again after `resync` without a conversation.
struct hello {
  std::string token{};     ///< empty: a new anonymous visitor of `inbox`
  std::string inbox_key{}; ///< public key of the inbox, for visitors
  std::string name{};      ///< a visitor's name if it is known; at most limits.name_bytes_max
  std::uint64_t store_incarnation = 0;        ///< of the cursors; 0 with none
  std::vector<conversation_cursor> cursors{}; ///< conversations to resume
  friend bool operator==(const hello&, const hello&) = default;
};

struct post_message {
  text_content content{};
  friend bool operator==(const post_message&, const post_message&) = default;
};

struct post_note {
  text_content content{};
  friend bool operator==(const post_note&, const post_note&) = default;
};

struct edit_message {
  message_seq target = 0;
  std::string text{};
  friend bool operator==(const edit_message&, const edit_message&) = default;
};

struct recall_message {
  message_seq target = 0;
  friend bool operator==(const recall_message&, const recall_message&) = default;
};

/// Zero account and team: back to the queue. The caller's own account: take.
struct assign {
  account_id account{};
  team_id team{};
  friend bool operator==(const assign&, const assign&) = default;
};

struct resolve {
  friend bool operator==(const resolve&, const resolve&) = default;
};

struct reopen {
  friend bool operator==(const reopen&, const reopen&) = default;
};

using command_body
  = std::variant<post_message, post_note, edit_message, recall_message, assign, resolve, reopen>;

/// A durable command. Kept by the sender until it is acked or refused (section 4 of the data
/// model).
struct command {
  conversation_id conversation{}; ///< zero: open one with `opening`
  opening_key opening{};
  client_key key{};
  std::uint64_t previous = 0; ///< the sender's newest number below key.seq that was not refused
  command_body body{};
  friend bool operator==(const command&, const command&) = default;
};

/// From now on this connection gets the conversation's events; with a cursor, first those after it,
/// else the newest limits.page_events ones.
struct subscribe {
  conversation_id conversation{};
  std::optional<message_seq> after{};
  friend bool operator==(const subscribe&, const subscribe&) = default;
};

struct unsubscribe {
  conversation_id conversation{};
  friend bool operator==(const unsubscribe&, const unsubscribe&) = default;
};

/// A page of events next to `from` (exclusive), older or newer. `from` 0 and older: the newest
/// page.
struct history_request {
  std::uint64_t request = 0;
  conversation_id conversation{};
  message_seq from = 0;
  bool newer = false;
  std::uint32_t limit = 50;
  friend bool operator==(const history_request&, const history_request&) = default;
};

struct mark {
  conversation_id conversation{};
  message_seq delivered = 0;
  message_seq read = 0;
  friend bool operator==(const mark&, const mark&) = default;
};

struct typing {
  conversation_id conversation{};
  bool on = false;
  friend bool operator==(const typing&, const typing&) = default;
};

struct set_presence {
  presence_state state{};
  std::uint32_t capacity = 0;
  friend bool operator==(const set_presence&, const set_presence&) = default;
}; ///< capacity 0 = as configured

struct subscribe_list {
  list_kind list{};
  std::optional<vector_cursor> after{};
  friend bool operator==(const subscribe_list&, const subscribe_list&) = default;
};

struct unsubscribe_list {
  list_kind list{};
  friend bool operator==(const unsubscribe_list&, const unsubscribe_list&) = default;
};

struct ping {
  std::uint64_t nonce = 0;
  friend bool operator==(const ping&, const ping&) = default;
};

using client_frame = std::variant<hello, command, subscribe, unsubscribe, history_request, mark,
                                  typing, set_presence, subscribe_list, unsubscribe_list, ping>;

// -- what a client receives
// -------------------------------------------------------------------------------------

struct welcome {
  participant self{};
  std::string name{};
  std::string token{}; ///< set when the session is new: keep it
  std::uint64_t store_incarnation = 0;
  unix_ms server_time = 0;
  std::uint32_t heartbeat_ms
    = 0; ///< send a ping when silent this long; the server cuts after twice that
  std::uint32_t text_bytes_max = 0;
  std::uint32_t in_flight_max = 0;
  std::vector<conversation_id> conversations{}; ///< a visitor's own, newest first, at most 20
  friend bool operator==(const welcome&, const welcome&) = default;
};

/// The command is durable and in its place. Position 0: stored earlier than can be told.
struct acknowledge {
  conversation_id conversation{};
  opening_key opening{}; ///< as sent, so that an opener learns the conversation's id
  client_key key{};
  message_seq seq = 0; ///< staff only
  message_seq visible_seq = 0;
  unix_ms time = 0;
  std::uint64_t number = 0; ///< the conversation's number for people
  friend bool operator==(const acknowledge&, const acknowledge&) = default;
};

struct refuse {
  conversation_id conversation{};
  opening_key opening{};
  client_key key{};
  error reason{};
  std::uint32_t retry_after_ms = 0; ///< 0: a retry will not help
  friend bool operator==(const refuse&, const refuse&) = default;
};

/// The command does not follow the last one stored: send again from there.
struct gap {
  conversation_id conversation{};
  opening_key opening{};
  client_key key{};
  std::uint64_t last = 0;
  friend bool operator==(const gap&, const gap&) = default;
};

/// One event as this client may see it. Built as bytes on the hot path (proto/codec.hpp), as a
/// value elsewhere.
struct event_push {
  conversation_id conversation{};
  message_seq seq = 0; ///< staff only
  message_seq visible_seq = 0;
  event_kind kind{};
  unix_ms time = 0;
  std::optional<participant> author{}; ///< staff only
  client_key client{};      ///< the sender's key, so that a resumed outbox finds its message
  message_seq target = 0;   ///< visible_seq for visitors, seq for staff
  message_seq revision = 0; ///< nonzero when the parts have changed since
  bool hidden = false;      ///< staff only: visitors do not see this event
  std::optional<public_part> public_content{};
  std::optional<staff_part> staff_content{};
  friend bool operator==(const event_push&, const event_push&) = default;
};

/// Answer to `subscribe` and to each cursor of `hello`; the events after the cursor follow, then
/// live ones.
struct subscribed {
  conversation_id conversation{};
  bool reset = false;  ///< the cursor was of no use: drop what you have; the newest page follows
  message_seq seq = 0; ///< newest at this moment, staff only
  message_seq visible_seq = 0;
  conversation_status status{};
  std::uint64_t number = 0;
  std::string assignee_name{};
  std::string visitor_name{};
  std::vector<pointer> pointers{};       ///< visible_seq for visitors; ids are zero for visitors
  std::vector<client_key> own_clients{}; ///< last stored number of each of the caller's clients
  friend bool operator==(const subscribed&, const subscribed&) = default;
};

struct history_page {
  std::uint64_t request = 0;
  conversation_id conversation{};
  std::vector<event_push> events{}; ///< ascending
  bool more = false;                ///< there is more in the direction asked for
  friend bool operator==(const history_page&, const history_page&) = default;
};

struct pointer_moved {
  conversation_id conversation{};
  pointer value{};
  friend bool operator==(const pointer_moved&, const pointer_moved&) = default;
};

struct typing_shown {
  conversation_id conversation{};
  public_profile who{};
  bool on = false;
  friend bool operator==(const typing_shown&, const typing_shown&) = default;
};

/// Rows that entered or changed and conversations that left; `reset`: drop what you have first.
struct list_rows {
  list_kind list{};
  bool reset = false;
  std::vector<open_row> rows{};
  std::vector<conversation_id> removed{};
  vector_cursor cursor{};
  friend bool operator==(const list_rows&, const list_rows&) = default;
};

struct queue_position {
  conversation_id conversation{};
  std::uint32_t position = 0;
  friend bool operator==(const queue_position&, const queue_position&) = default;
}; ///< 1 = next; 0 = no longer waiting

struct presence_changed {
  presence_state state{};
  std::uint32_t capacity = 0;
  std::uint32_t load = 0;
  friend bool operator==(const presence_changed&, const presence_changed&) = default;
};

/// Something outside a command went wrong. `fatal`: the socket is closed next.
struct problem {
  error reason{};
  std::uint64_t request = 0;
  bool fatal = false;
  std::uint32_t retry_after_ms = 0;
  friend bool operator==(const problem&, const problem&) = default;
};

/// Subscribe again with your cursor and resend what is not acked: for one conversation, or (zero)
/// everything by hello.
struct resync {
  conversation_id conversation{};
  friend bool operator==(const resync&, const resync&) = default;
};

/// This node is leaving: connect again after this long.
struct go_away {
  std::uint32_t reconnect_after_ms = 0;
  friend bool operator==(const go_away&, const go_away&) = default;
};

struct pong {
  std::uint64_t nonce = 0;
  friend bool operator==(const pong&, const pong&) = default;
};

using server_frame = std::variant<welcome, acknowledge, refuse, gap, event_push, subscribed,
                                  history_page, pointer_moved, typing_shown, list_rows,
                                  queue_position, presence_changed, problem, resync, go_away, pong>;

} // namespace frontdesk::domain
