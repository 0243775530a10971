#pragma once

#include "actors/protocol/gateway_messages.hpp"
#include "domain/account.hpp"
#include "domain/conversation.hpp"
#include "domain/frames.hpp"
#include "domain/ports/event_store.hpp"

#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// Every message between actors of a node, by receiver. They stay in the process; between nodes the
/// same things travel as protobuf envelopes.
namespace frontdesk::actors {

/// Bridges sockets of one I/O thread.
using gateway_actor
  = caf::typed_actor<caf::reacts_to<deliver>, caf::reacts_to<hang_up>, caf::reacts_to<entity_lost>,
                     caf::reacts_to<hello_answered>, caf::reacts_to<drain_connections>>;

/// Tells a client to resynchronise unless whoever holds this has dealt with it. It travels inside
/// messages that a client waits for and stands beside every subscription, so that a crash of the
/// actor that holds it, or of one in whose mailbox it lies, reaches the client as `resync` and
/// never as silence.
class resync_guard {
public:
  resync_guard() = default;

  resync_guard(gateway_actor gateway, domain::connection_number connection,
               domain::conversation_id conversation)
    : gateway_(std::move(gateway)), connection_(connection), conversation_(conversation) {}

  resync_guard(resync_guard&& other) noexcept
    : gateway_(std::move(other.gateway_)), connection_(other.connection_),
      conversation_(other.conversation_) {
    other.gateway_ = gateway_actor{};
  }

  resync_guard& operator=(resync_guard&& other) noexcept {
    if (this != &other) {
      fire();
      gateway_ = std::move(other.gateway_);
      other.gateway_ = gateway_actor{};
      connection_ = other.connection_;
      conversation_ = other.conversation_;
    }
    return *this;
  }

  /// Messages must be copyable; a copy is disarmed, so that a client hears of a loss once.
  resync_guard(const resync_guard&) noexcept {}

  resync_guard& operator=(const resync_guard& other) noexcept {
    if (this != &other)
      disarm();
    return *this;
  }

  ~resync_guard() { fire(); }

  void disarm() noexcept { gateway_ = gateway_actor{}; }

  bool armed() const noexcept { return static_cast<bool>(gateway_); }

private:
  void fire() noexcept;

  gateway_actor gateway_;
  domain::connection_number connection_ = 0;
  domain::conversation_id conversation_{};
};

// -- sessions: visitor session and agent
// ---------------------------------------------------------------------------

/// A socket said hello with this session's token (checked by the gateway for visitors, by the agent
/// for accounts).
struct connect {
  connection_ref from;
  domain::hello greeting;
  std::string new_token;  ///< set for a new visitor: goes into the welcome
  domain::inbox_id inbox; ///< visitors
  resync_guard guard;
};

/// The frames of one read, in order. No hello and no ping among them.
struct frames {
  connection_ref from;
  std::vector<domain::client_frame> items;
  std::uint64_t arrival_us = 0; ///< steady clock
  resync_guard guard;
};

struct disconnect {
  connection_ref from;
};

/// A conversation changed between open and resolved: its visitor's session wants to know.
struct conversation_noted {
  domain::conversation_id conversation;
  bool open = false;
};

/// A conversation was assigned to this account (or is no longer).
struct assignment_noted {
  domain::conversation_id conversation;
  bool mine = false;
};

/// The routing desk has counted the visitor's place in the queue.
struct queue_position_noted {
  domain::conversation_id conversation;
  std::uint32_t position = 0;
};

/// Answer of the reader to a session's load.
struct visitor_loaded {
  std::optional<domain::visitor_record> record;
  std::vector<std::pair<domain::conversation_id, bool>> conversations; ///< newest first; open?
  std::optional<domain::error> failure;
};

struct opening_looked_up {
  domain::opening_key opening;
  std::optional<domain::conversation_id> conversation;
  std::optional<domain::error> failure;
};

struct token_checked {
  connection_ref from;
  std::optional<domain::token_record> record;
  std::optional<domain::error> failure;
};

/// Time to look whether this entity is still needed.
struct idle_tick {};

/// Last message of an entity that has left the region's table.
struct farewell {};

using visitor_session_actor
  = caf::typed_actor<caf::reacts_to<connect>, caf::reacts_to<frames>, caf::reacts_to<disconnect>,
                     caf::reacts_to<conversation_noted>, caf::reacts_to<queue_position_noted>,
                     caf::reacts_to<visitor_loaded>, caf::reacts_to<opening_looked_up>,
                     caf::reacts_to<idle_tick>, caf::reacts_to<farewell>>;

struct presence_noted {
  std::uint32_t load = 0;
};

/// The tenant's routing desk is a new one: tell it who is here.
struct desk_restarted {};

using agent_actor
  = caf::typed_actor<caf::reacts_to<connect>, caf::reacts_to<frames>, caf::reacts_to<disconnect>,
                     caf::reacts_to<assignment_noted>, caf::reacts_to<token_checked>,
                     caf::reacts_to<presence_noted>, caf::reacts_to<desk_restarted>,
                     caf::reacts_to<idle_tick>, caf::reacts_to<farewell>>;

// -- conversation
// ----------------------------------------------------------------------------------------------------

/// Makes a conversation that does not exist. Always followed by its first command.
struct open_conversation {
  domain::conversation_opened what;
  std::optional<domain::state_put> number_reservation; ///< goes into the first append
  bool fresh = false; ///< the id has just been made: there is nothing to load
};

struct command_request {
  domain::actor_identity from;
  domain::command what;
  connection_ref reply_to;
  std::uint64_t arrival_us = 0;
  domain::public_profile assignee; ///< profile and team of an assign's account
  domain::team_id assignee_team;
  resync_guard guard;
};

struct subscribe_request {
  domain::actor_identity who;
  connection_ref from;
  bool has_cursor = false;
  domain::message_seq after = 0; ///< visible_seq for visitors
  bool reset = false;            ///< the cursor was of another store: say so
  resync_guard guard;
};

struct unsubscribe_request {
  connection_ref from;
};

struct mark_request {
  domain::actor_identity who;
  domain::message_seq delivered = 0; ///< visible_seq for visitors
  domain::message_seq read = 0;
};

struct typing_request {
  domain::actor_identity who;
  connection_ref from;
  bool on = false;
};

/// The routing desk gives the conversation to an agent.
struct route_request {
  domain::routed what;
};

/// Every append of this actor up to `seq` is durable.
struct append_stored {
  domain::message_seq seq = 0;
  std::uint64_t position = 0; ///< of the conversation's shard
  const domain::append* through
    = nullptr; ///< the last append that this tells of; never dereferenced
};

/// The outcome is unknown or the append was dropped: the entity must be loaded anew.
struct append_failed {
  domain::error reason;
};

struct conversation_loaded {
  domain::loaded_conversation what;
  std::vector<std::pair<domain::message_seq, domain::message_seq>>
    visible; ///< of each pointer: delivered, read
  std::optional<domain::error> failure;
};

/// A chunk for one subscriber that catches up, ready to be sent.
struct replay_read {
  connection_ref to;
  std::uint64_t round = 0;
  std::vector<frame_bytes> pushes;
  domain::message_seq last = 0; ///< number of the last one: seq for staff, visible_seq for visitors
  std::optional<domain::error> failure;
};

struct key_looked_up {
  domain::looked_up what;
  std::optional<domain::error> failure;
};

struct event_read {
  domain::message_seq asked = 0;
  std::uint64_t ticket = 0;
  std::optional<domain::stored_event> event;
  std::optional<domain::error> failure;
};

struct flush_pointers {};

using conversation_actor = caf::typed_actor<
  caf::reacts_to<open_conversation>, caf::reacts_to<command_request>,
  caf::reacts_to<subscribe_request>, caf::reacts_to<unsubscribe_request>,
  caf::reacts_to<mark_request>, caf::reacts_to<typing_request>, caf::reacts_to<route_request>,
  caf::reacts_to<append_stored>, caf::reacts_to<append_failed>, caf::reacts_to<conversation_loaded>,
  caf::reacts_to<replay_read>, caf::reacts_to<key_looked_up>, caf::reacts_to<event_read>,
  caf::reacts_to<flush_pointers>, caf::reacts_to<idle_tick>, caf::reacts_to<farewell>>;
/// What persistence needs of an entity.
using append_owner_actor
  = caf::typed_actor<caf::reacts_to<append_stored>, caf::reacts_to<append_failed>>;

// -- routing desk
// ----------------------------------------------------------------------------------------------------

struct row_noted {
  domain::open_row row;
  bool closed = false;
  domain::shard_id shard{};
  std::uint64_t position = 0;
};

struct agent_noted {
  domain::account_id account;
  domain::public_profile profile;
  domain::team_id team;
  domain::presence_state presence{};
  std::uint32_t capacity = 0;
};

struct route_refused {
  domain::conversation_id conversation;
  domain::account_id account;
};

struct list_request {
  connection_ref from;
  domain::list_kind list{};
  domain::account_id account;
  domain::team_id team;
  std::optional<domain::vector_cursor> after;
  resync_guard guard;
};

struct list_dropped {
  connection_ref from;
  std::optional<domain::list_kind> list; ///< nothing = all
};

struct open_rows_loaded {
  domain::open_snapshot what;
  std::optional<domain::error> failure;
};

struct routing_tick {};

/// Spawns the desk of a tenant that has waiting conversations after a start.
struct wake {};

using routing_desk_actor
  = caf::typed_actor<caf::reacts_to<row_noted>, caf::reacts_to<agent_noted>,
                     caf::reacts_to<route_refused>, caf::reacts_to<list_request>,
                     caf::reacts_to<list_dropped>, caf::reacts_to<open_rows_loaded>,
                     caf::reacts_to<routing_tick>, caf::reacts_to<wake>>;

// -- persistence
// -----------------------------------------------------------------------------------------------------

struct append_request {
  std::shared_ptr<const domain::append> what;
  std::optional<domain::entity_key>
    also; ///< another entity that the append writes to: its loads wait as well
  append_owner_actor owner;
};

/// Read an entity once all its accepted appends have their outcome. From then on appends of older
/// incarnations of `entity` are dropped.
struct load_conversation {
  domain::entity_key entity;
  domain::incarnation loaded{};
  conversation_actor reply_to;
};

struct load_visitor {
  domain::entity_key entity;
  visitor_session_actor reply_to;
};

/// As load_visitor, for one opening key.
struct look_up_opening {
  domain::entity_key entity;
  domain::opening_key opening;
  visitor_session_actor reply_to;
};

/// The entity left memory.
struct forget_entity {
  domain::entity_key entity;
  domain::incarnation loaded{};
};

struct commit_tick {};

struct probe_tick {};

/// For callers that need to know when what they queued is durable: the configuration actor,
/// shutdown.
struct append_and_wait {
  std::shared_ptr<const domain::append> what;
};

struct flush_and_wait {};

struct committed {
  std::uint64_t position = 0;
  std::optional<domain::error> failure;
};

using persistence_actor
  = caf::typed_actor<caf::reacts_to<append_request>, caf::reacts_to<load_conversation>,
                     caf::reacts_to<load_visitor>, caf::reacts_to<look_up_opening>,
                     caf::reacts_to<forget_entity>, caf::reacts_to<commit_tick>,
                     caf::reacts_to<probe_tick>, caf::replies_to<append_and_wait>::with<committed>,
                     caf::replies_to<flush_and_wait>::with<committed>>;

// -- reader
// ----------------------------------------------------------------------------------------------------------

/// A page for one client, answered straight to its gateway.
struct read_page {
  connection_ref to;
  domain::entity_key conversation;
  domain::history_request what;
  bool staff = false;
  resync_guard guard;
};

struct read_replay {
  connection_ref to;
  std::uint64_t round = 0;
  domain::entity_key conversation;
  bool staff = false;
  bool newest = false; ///< the newest page instead of what follows `after`
  domain::message_seq after = 0;
  conversation_actor reply_to;
};

struct find_key {
  domain::entity_key conversation;
  domain::look_up what;
  conversation_actor reply_to;
};

struct read_one {
  domain::entity_key conversation;
  domain::message_seq number = 0;
  bool by_visible = false;
  std::uint64_t ticket = 0;
  conversation_actor reply_to;
};

struct check_token {
  domain::state_key key;
  connection_ref from;
  agent_actor reply_to;
};

struct load_open_rows {
  domain::tenant_id tenant{};
  routing_desk_actor reply_to;
};

using reader_actor = caf::typed_actor<
  caf::reacts_to<load_conversation>, caf::reacts_to<load_visitor>, caf::reacts_to<look_up_opening>,
  caf::reacts_to<read_page>, caf::reacts_to<read_replay>, caf::reacts_to<find_key>,
  caf::reacts_to<read_one>, caf::reacts_to<check_token>, caf::reacts_to<load_open_rows>>;

// -- configuration
// ---------------------------------------------------------------------------------------------------

struct create_account {
  domain::tenant_id tenant{};
  std::string name;
  domain::role rights = domain::role::agent;
  std::uint32_t capacity = 0;
};

struct create_inbox {
  domain::tenant_id tenant{};
  std::string name;
  std::vector<std::string> origins;
};

struct create_tenant {
  std::string name;
};

struct disable_account {
  domain::tenant_id tenant{};
  domain::account_id account;
};

/// What was made, or why not. `token` is shown once.
struct configured {
  domain::tenant_id tenant{};
  domain::entity_id id;
  std::string token;
  std::string inbox_key;
  std::optional<domain::error> failure;
};

using configuration_actor = caf::typed_actor<caf::replies_to<create_account>::with<configured>,
                                             caf::replies_to<create_inbox>::with<configured>,
                                             caf::replies_to<create_tenant>::with<configured>,
                                             caf::replies_to<disable_account>::with<configured>>;

// -- region
// ----------------------------------------------------------------------------------------------------------

/// An entity actor has ended; `failure` says why unless it left on its own.
struct entity_ended {
  domain::entity_key key;
  std::uint64_t generation = 0;
  std::optional<std::string> failure;
};

struct restart_tick {
  domain::entity_key key;
};

using region_supervisor_actor
  = caf::typed_actor<caf::reacts_to<entity_ended>, caf::reacts_to<restart_tick>>;

} // namespace frontdesk::actors

#include "actors/protocol/type_ids.hpp"
