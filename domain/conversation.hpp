#pragma once

#include "domain/event.hpp"
#include "domain/frames.hpp"
#include "domain/limits.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The conversation machine: what one conversation does with what reaches it. Plain values, no
/// clock, no I/O: the time and everything random comes inside the event.
///
///            opened by a message
///                    |
///                    v        assigned to an account
///               [ waiting ] ------------------------> [ active ]
///                    ^  ^                               |    |
///       back to queue|  +-------------------------------+    | resolved
///       or reopened  |                                       v
///                    +------------ reopened ----------- [ resolved ]
///                      (a visitor's message reopens too)
///
/// Commands are deduplicated and ordered per (participant, client id) as
/// docs/adr/0001-data-model.md section 4 says. An accepted command is *pending* until `stored`;
/// nobody sees anything of it before. There is no event for a failed commit: the actor dies with
/// its machine, and its successor starts from the store.
namespace frontdesk::domain {

/// Who asks, as the session has authenticated them.
struct actor_identity {
  participant who{};
  std::string name{}; ///< public name
  bool staff = false;
  team_id team{};
  friend bool operator==(const actor_identity&, const actor_identity&) = default;
};

/// Opaque to the machine: where answers to a command go. Every token that came in with a command is
/// answered exactly once, by acked, refused or out_of_order, unless the machine dies first. Repeats
/// of a pending command are all answered with it: which of its links still stands is not known
/// here, and frames of an old link can come after those of the new one.
using reply_token = std::uint64_t;

// -- events in
// ---------------------------------------------------------------------------------------------------

/// First load of a conversation that does not exist yet; followed by its first command in the same
/// turn.
struct conversation_opened {
  tenant_id tenant{};
  conversation_id id{};
  visitor_id visitor{};
  std::string visitor_name{};
  inbox_id inbox{};
  team_id team{};
  std::uint64_t number = 0;
  opening_key opening{};
  unix_ms time = 0;
};

struct commanded {
  actor_identity from{};
  command what{};
  reply_token reply = 0;
  unix_ms time = 0;
  /// Profile of the account that an `assign` names; empty name = unknown account, refused as
  /// not_found.
  public_profile assignee{};
  team_id assignee_team{};
};

/// By the routing desk. Answered by its append or by `refused` without key and reply:
/// errc::stale_fence for a fence below the highest one seen, errc::invalid_state for a conversation
/// that does not wait.
struct routed {
  account_id account{};
  public_profile profile{};
  team_id team{};
  std::uint64_t fence = 0;
  unix_ms time = 0;
};

/// All appends up to and including this seq are durable.
struct stored {
  message_seq seq = 0;
};

/// Answer to `look_up`: what was found, or no position.
struct looked_up {
  reply_token reply = 0;
  participant who{};
  client_key key{};                                              ///< as asked
  std::optional<std::pair<message_seq, message_seq>> position{}; ///< seq, visible_seq
  unix_ms time = 0;                                              ///< of the stored event
  std::uint64_t number = 0; ///< client number of the event found; 0 = the one asked for
};

// -- effects out
// -------------------------------------------------------------------------------------------------

/// A new event; the actor seals the parts, fills the hashes in and queues the append.
struct new_event {
  message_seq seq = 0;
  event_header header{};             ///< hashes not filled in
  std::optional<public_part> open{}; ///< public part
  std::optional<staff_part> staff{};
  friend bool operator==(const new_event&, const new_event&) = default;
};

/// New parts for `target`.
struct new_parts {
  message_seq target = 0;
  message_seq revision = 0;
  std::optional<public_part> open{};
  std::optional<staff_part> staff{};
  friend bool operator==(const new_parts&, const new_parts&) = default;
};

/// Make durable, together: then tell the machine `stored{events.back().seq}`.
struct append_events {
  message_seq previous_seq = 0;
  std::vector<new_event> events{};
  std::vector<new_parts> rewrites{};
  std::optional<conversation_head> head{}; ///< set when a head is due
  std::optional<open_row> open_entry{};    ///< set: write it. `seq` and excerpt are filled in
  bool close_entry = false;                ///< delete the open entry
  bool creates = false; ///< first append: visitor index, opening key, number go with it
  friend bool operator==(const append_events&, const append_events&) = default;
};

/// Emitted only for stored commands, in order of seq.
struct acked {
  reply_token reply = 0;
  participant who{};
  client_key key{};
  message_seq seq = 0; ///< 0 with visible_seq 0: known, position omitted
  message_seq visible_seq = 0;
  unix_ms time = 0;
  friend bool operator==(const acked&, const acked&) = default;
};

struct refused {
  reply_token reply = 0;
  client_key key{};
  error reason{};
  friend bool operator==(const refused&, const refused&) = default;
};

struct out_of_order {
  reply_token reply = 0;
  client_key key{};
  std::uint64_t last = 0;
  friend bool operator==(const out_of_order&, const out_of_order&) = default;
};

/// Find the event of this key among the newest limits.dedup_read_back_events before `before`; then
/// `looked_up`. `newest`: find the newest event of this client there, whatever its number. That is
/// for the first command of a client which may have been forgotten: a late copy of it must be known
/// though later ones were stored.
struct look_up {
  reply_token reply = 0;
  participant who{};
  client_key key{};
  message_seq before = 0;
  bool newest = false;
  friend bool operator==(const look_up&, const look_up&) = default;
};

/// Read the stored event, to check an edit or recall against its author, age and kind, or to learn
/// the visible_seq of an event that staff quotes; then call on(target_read). Later commands of the
/// same client wait behind it.
struct read_target {
  message_seq seq = 0;
  bool by_visible = false;
  commanded waiting{};
};

/// Stored now, and to be shown: the actor has the bytes it queued. `reply` names the sender's
/// token, 0 = none.
struct show {
  message_seq seq = 0;
  reply_token sender = 0;
  friend bool operator==(const show&, const show&) = default;
};

/// The open row changed and is durable: routing desk and lists want it.
struct row_changed {
  open_row row{};
  bool closed = false;
  friend bool operator==(const row_changed&, const row_changed&) = default;
};

using conversation_effect = std::variant<append_events, acked, refused, out_of_order, look_up,
                                         read_target, show, row_changed>;
using conversation_effects = std::vector<conversation_effect>;

/// Answer to `read_target`.
struct target_read {
  commanded waiting{};
  message_seq seq = 0; ///< 0 = there is no such event
  event_header header{};
  bool recalled = false;    ///< already without text
  message_seq quote = 0;    ///< of its text, kept by an edit
  public_profile profile{}; ///< author in its public part, kept; empty name = take the caller's
};

class conversation {
public:
  /// Wakes from the store: the head with the events after it folded in (fold()). `head_seq` is the
  /// seq of the head as stored; `excerpt` the newest visitor text among those events, else the one
  /// of the stored open row.
  conversation(const limits& bounds, tenant_id tenant, conversation_id id, conversation_head head,
               message_seq head_seq = 0, std::string_view excerpt = {});
  /// A conversation that does not exist yet. If its first command is refused, it never does.
  conversation(const limits& bounds, const conversation_opened& opened);

  conversation_effects on(const commanded& event);
  conversation_effects on(const routed& event);
  conversation_effects on(const stored& event);
  conversation_effects on(const looked_up& event);
  conversation_effects on(const target_read& event);

  tenant_id tenant() const { return tenant_; }

  conversation_id id() const { return id_; }

  opening_key opening() const { return opening_; } ///< zero after waking

  /// The state with everything accepted, stored or not.
  const conversation_head& head() const { return head_; }

  message_seq stored_seq() const { return stored_seq_; }

  message_seq stored_visible_seq() const { return stored_visible_seq_; }

  /// Something has been accepted, though perhaps not stored.
  bool exists() const { return exists_; }

  /// Nothing is pending or being read.
  bool idle() const { return pending_.empty() && lanes_.empty() && look_ups_ == 0; }

  /// A head as of now, to be written before leaving memory; nothing when the stored one is current
  /// or while not idle.
  std::optional<conversation_head> head_to_write() const;
  /// The open row as of now; excerpt and seq included.
  open_row row() const;
  /// Last stored number of each client of this participant.
  std::vector<client_key> clients_of(const participant& who) const;

private:
  struct pending_event {
    message_seq seq = 0;
    message_seq visible_seq = 0;
    bool hidden = false;
    reply_token reply = 0;
    std::vector<reply_token> older_replies{}; ///< of earlier copies
    participant who{};
    client_key key{};           ///< zero: nobody waits for an answer
    std::uint64_t previous = 0; ///< last number of this client before it
    unix_ms time = 0;
    std::optional<row_changed> row{};
  };

  /// A stored event that is still remembered.
  struct recent_event {
    message_seq visible_seq = 0;
    bool hidden = false;
    participant who{};
    client_key key{};
    unix_ms time = 0;
  };

  struct waiting_command {
    commanded event{};
    std::vector<reply_token> older_replies{}; ///< of earlier copies
  };

  /// What one client has under way. Exists only while there is something.
  struct lane {
    participant who{};
    client_id client{};
    std::uint64_t in_flight = 0; ///< its pending commands
    std::vector<waiting_command>
      waiting{};            ///< the first one waits for a read, the others for the first
    reply_token asked = 0;  ///< of the copy of the first one that asked for the read
    bool looked_up = false; ///< the first one is known not to be stored
  };

  struct recalled_target {
    message_seq target = 0;
    message_seq by = 0; ///< seq of the recall
  };

  /// What a command comes to, before it gets its numbers: nothing, one append, or a wait for a
  /// read.
  struct plan;

  void admit(const commanded& event, conversation_effects& effects);
  /// Takes the first waiting command of a lane up again, then those behind it.
  void go_on(const participant& who, const client_id& client, const target_read* target,
             conversation_effects& effects);
  /// False: a read has been asked for, and the command has to wait for it.
  bool run(const commanded& event, const target_read* target, conversation_effects& effects);
  void answer_known(const commanded& event, const client_record& known,
                    conversation_effects& effects);
  /// Answers a command that is pending or was stored lately; false if it is not remembered.
  bool answer_remembered(const commanded& event, conversation_effects& effects);
  /// Gives the earlier copies of a command the answer that its newest copy has had since `first`.
  void answer_older(const waiting_command& command, std::size_t first,
                    conversation_effects& effects);
  /// Answers a command of a forgotten client by the newest number that is stored of it.
  static void answer_forgotten(const commanded& event, const looked_up& newest,
                               conversation_effects& effects);
  /// Newest number of this client that is pending or was stored lately; 0 = none.
  std::uint64_t newest_remembered(const participant& who, const client_id& client) const;

  result<plan> decide(const commanded& event, const target_read* target) const;
  result<plan> decide_body(const commanded& event, const post_message& body,
                           const target_read* target) const;
  result<plan> decide_body(const commanded& event, const post_note& body,
                           const target_read* target) const;
  result<plan> decide_body(const commanded& event, const edit_message& body,
                           const target_read* target) const;
  result<plan> decide_body(const commanded& event, const recall_message& body,
                           const target_read* target) const;
  result<plan> decide_body(const commanded& event, const assign& body,
                           const target_read* target) const;
  result<plan> decide_body(const commanded& event, const resolve& body,
                           const target_read* target) const;
  result<plan> decide_body(const commanded& event, const reopen& body,
                           const target_read* target) const;
  std::optional<error> check_text(const std::string& text) const;
  std::optional<error> check_change(const commanded& event, message_seq named,
                                    const target_read& target) const;

  void append(plan accepted, const commanded* command, conversation_effects& effects);

  lane* find_lane(const participant& who, const client_id& client);
  lane& lane_of(const participant& who, const client_id& client);
  void drop_lane_if_empty(const participant& who, const client_id& client);
  const client_record* find_client(const participant& who, const client_id& client) const;
  const recent_event* find_recent(message_seq seq) const;
  void forget_recalls();

  // conversation.cpp has these in the order in which a command passes them
  limits bounds_;
  tenant_id tenant_{};
  conversation_id id_{};
  opening_key opening_{};
  conversation_head head_;
  message_seq stored_seq_ = 0;
  message_seq stored_visible_seq_ = 0;
  message_seq head_written_seq_ = 0;
  bool exists_ = true;
  std::string excerpt_;
  message_seq excerpt_seq_ = 0; ///< where the excerpt is from; 0 = not known
  std::vector<lane> lanes_;
  std::size_t look_ups_ = 0; ///< of repeats, not answered yet
  std::deque<pending_event> pending_;
  std::deque<recent_event> recent_; ///< dense, ends at stored_seq_
  std::vector<recalled_target>
    recalled_lately_; ///< until no read that began before can be answered any more
};

/// Applies a stored event to a head that ends right before it. Pure; the same on every replica.
/// `open` and `staff` are the event's own parts where the kind needs them (assignment, status).
void fold(const limits& bounds, conversation_head& head, message_seq seq,
          const event_header& header, const std::optional<public_part>& open,
          const std::optional<staff_part>& staff);

} // namespace frontdesk::domain
