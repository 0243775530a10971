#pragma once

#include "domain/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// The events of a conversation log (docs/adr/0001-data-model.md, section 3).
namespace frontdesk::domain {

/// Stored and sent as a number: values are added, never changed.
enum class event_kind : std::uint8_t {
  message = 1,    ///< public text
  note = 2,       ///< staff text; never reaches a visitor
  assignment = 3, ///< to an account, to a team, or back to the queue
  status = 4,     ///< resolved, reopened
  edit = 5,       ///< new parts for `target`
  recall = 6,     ///< `target` loses its text
  erase = 7,      ///< `target` loses its text everywhere; by an administrator
};

enum class conversation_status : std::uint8_t {
  waiting = 1,  ///< open, nobody has it
  active = 2,   ///< open, assigned
  resolved = 3, ///< done; a new message opens it again
};

/// What a visitor may know of an author.
struct public_profile {
  participant_kind kind{};
  std::string name{};
  friend bool operator==(const public_profile&, const public_profile&) = default;
};

struct text_content {
  std::string text{};
  message_seq quote
    = 0; ///< the event answered to: visible_seq in a public part, seq in a staff part; 0 = none
  friend bool operator==(const text_content&, const text_content&) = default;
};

struct assignment_content {
  public_profile to{}; ///< empty name = back to the queue
  friend bool operator==(const assignment_content&, const assignment_content&) = default;
};

struct status_content {
  conversation_status status{};
  friend bool operator==(const status_content&, const status_content&) = default;
};

struct recalled_content {
  friend bool operator==(const recalled_content&, const recalled_content&) = default;
};

/// The part that everybody in the conversation sees. Names other events by visible_seq, people by
/// profile.
struct public_part {
  public_profile author{};
  std::variant<text_content, assignment_content, status_content, recalled_content> body{};
  friend bool operator==(const public_part&, const public_part&) = default;
};

struct staff_assignment {
  account_id account{};    ///< zero = nobody
  team_id team{};          ///< zero = the inbox's default team
  std::uint64_t fence = 0; ///< of the routing desk that decided; 0 = a person decided
  friend bool operator==(const staff_assignment&, const staff_assignment&) = default;
};

/// The part that only staff sees.
struct staff_part {
  std::variant<text_content, staff_assignment, recalled_content> body{};
  friend bool operator==(const staff_part&, const staff_part&) = default;
};

/// Immutable once stored, and covered by the shard's sum. Never pushed to a client.
struct event_header {
  event_kind kind{};
  message_seq visible_seq = 0; ///< own number if visible, else the last visible one before it
  bool hidden = false;
  unix_ms time = 0;
  participant author{};
  client_key client{};           ///< zero for events that no client sent
  message_seq target = 0;        ///< seq of the event an edit, recall or erase is about
  std::uint64_t public_hash = 0; ///< of the original public part's stored bytes; 0 = no such part
  std::uint64_t staff_hash = 0;
  friend bool operator==(const event_header&, const event_header&) = default;
};

/// An event as it stands in the store. The parts are *stored part bytes*: envelope byte, 8 random
/// bytes, content; empty = no such part. proto/records.hpp opens and seals them.
struct stored_event {
  message_seq seq = 0;
  event_header header{};
  message_seq revision = 0; ///< seq of the last change; 0 = original
  std::string public_bytes{};
  std::string staff_bytes{};
  friend bool operator==(const stored_event&, const stored_event&) = default;
};

/// What is known of one sending client of a conversation.
struct client_record {
  participant who{};
  client_id client{};
  std::uint64_t last_client_seq = 0;
  message_seq last_seq = 0;
  message_seq last_visible_seq = 0;
  unix_ms last_use = 0;
  friend bool operator==(const client_record&, const client_record&) = default;
};

/// Snapshot of a conversation at a position: loading = head + the events after it.
struct conversation_head {
  message_seq seq = 0;
  message_seq visible_seq = 0;
  conversation_status status = conversation_status::waiting;
  std::uint64_t number = 0; ///< for people
  visitor_id visitor{};
  inbox_id inbox{};
  account_id assignee{};
  team_id team{};
  public_profile assignee_profile{};
  std::string visitor_name{};
  unix_ms created = 0;
  unix_ms waiting_since = 0; ///< 0 unless waiting
  unix_ms last_activity = 0;
  std::uint64_t fence = 0; ///< highest routing fence accepted
  std::vector<client_record>
    clients{}; ///< at most limits.clients_per_conversation, least recently used leaves
  friend bool operator==(const conversation_head&, const conversation_head&) = default;
};

/// What lists show of a conversation that is not resolved; also its entry of kind
/// open_conversation.
struct open_row {
  conversation_id conversation{};
  std::uint64_t number = 0;
  conversation_status status{};
  visitor_id visitor{};
  std::string visitor_name{};
  inbox_id inbox{};
  team_id team{};
  account_id assignee{};
  std::string assignee_name{};
  unix_ms created = 0;
  unix_ms waiting_since = 0;
  message_seq seq = 0;   ///< newest event when the row was written
  std::string excerpt{}; ///< beginning of the newest visitor message then, at most 120 bytes of
                         ///< whole characters
  friend bool operator==(const open_row&, const open_row&) = default;
};

/// How far a participant has got. `delivered >= read` always.
struct pointer {
  participant who{};
  message_seq delivered = 0;
  message_seq read = 0;
  friend bool operator==(const pointer&, const pointer&) = default;
};

} // namespace frontdesk::domain
