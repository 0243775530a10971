#pragma once

#include "domain/conversation.hpp"
#include "domain/event.hpp"
#include "domain/frames.hpp"
#include "domain/limits.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <variant>
#include <vector>

/// The routing desk of one tenant: who gets the next waiting conversation. A plain value without
/// durable state: the truth is in the conversations, which it follows by their open rows
/// (`row_changed`). Teams are queues.
namespace frontdesk::domain {

// -- events in; row_changed (conversation.hpp) is one as it is
// -----------------------------------------------------

/// All open conversations, from one view of the store. Before it nothing is assigned; a second one
/// starts over.
struct desk_loaded {
  std::vector<open_row> rows{};
  std::uint64_t fence = 0; ///< stamps every assignment of this desk
};

/// An account as it stands now. `offline` takes nothing away from it; it only gets nothing new.
struct agent_changed {
  account_id account{};
  public_profile profile{};
  team_id team{};
  std::uint32_t capacity = 0; ///< 0 = limits.agent_capacity
  presence_state presence{};
};

/// The conversation refused an assignment or could not be reached; it is tried again after the next
/// tick.
struct assignment_refused {
  conversation_id conversation{};
};

/// About once a second; the time of assignments that get no answer is measured in it.
struct desk_tick {
  unix_ms now = 0;
};

// -- effects out
// ---------------------------------------------------------------------------------------------------

/// Send `routed` to the conversation. Done when its row changes; else assignment_refused or the
/// timeout.
struct assign_to {
  conversation_id conversation{};
  account_id account{};
  public_profile profile{};
  team_id team{}; ///< the agent's
  std::uint64_t fence = 0;
  friend bool operator==(const assign_to&, const assign_to&) = default;
};

/// Place in the team's queue, 1 = next, 0 = no longer waiting. Places to 50 are exact and told at
/// once; beyond, the first place is told and then every step of ten, at the next tick.
struct position_changed {
  conversation_id conversation{};
  visitor_id visitor{};
  std::uint32_t position = 0;
  friend bool operator==(const position_changed&, const position_changed&) = default;
};

/// Conversations assigned to the account.
struct agent_load_changed {
  account_id account{};
  std::uint32_t load = 0;
  friend bool operator==(const agent_load_changed&, const agent_load_changed&) = default;
};

using routing_effect = std::variant<assign_to, position_changed, agent_load_changed>;
using routing_effects = std::vector<routing_effect>;

/// Chooses among the online agents of the row's team (a row without team: all) with room the one
/// with the lowest load for its capacity, then the one who has waited longest since its last
/// assignment, then the lowest id. The conversation that has waited longest goes first.
class routing_desk {
public:
  static constexpr unix_ms assignment_timeout_ms = 10'000;

  explicit routing_desk(const limits& bounds);

  routing_effects on(const desk_loaded& event);
  routing_effects on(const row_changed& event);
  routing_effects on(const agent_changed& event);
  routing_effects on(const assignment_refused& event);
  routing_effects on(const desk_tick& event);

  bool loaded() const { return loaded_; }

  std::size_t waiting_count() const;
  /// Agents who are online.
  std::size_t online_count() const;
  /// The position last told; 0 = does not wait, or not told yet.
  std::uint32_t told_position(const conversation_id& conversation) const;
  std::uint32_t load_of(const account_id& account) const;

private:
  using place = std::pair<unix_ms, conversation_id>; ///< waiting since

  struct desk_row {
    open_row row{};
    std::uint32_t told = 0;  ///< position last told; 0 = none
    account_id given{};      ///< in-flight assignment; zero = none
    unix_ms given_until = 0; ///< 0 until the first tick after it
  };

  struct desk_agent {
    public_profile profile{};
    team_id team{};
    std::uint32_t capacity = 0;
    presence_state presence{};
    std::uint32_t load = 0;      ///< rows assigned
    std::uint32_t coming = 0;    ///< in-flight assignments
    std::uint64_t last_turn = 0; ///< counter of assignments at its last one
  };

  struct team_queue {
    std::set<place> waiting{};
    std::set<place> ready{};  ///< waiting, neither given nor held back
    bool front_stale = false; ///< exact positions are to be counted again
    bool tail_stale = false;  ///< positions beyond them too, at the next tick
  };

  using agents = std::map<account_id, desk_agent>;

  static place place_of(const open_row& row) { return {row.waiting_since, row.conversation}; }

  static bool better(const agents::value_type& left, const agents::value_type& right);

  void put(const open_row& row, routing_effects& effects);
  void remove(const conversation_id& conversation, routing_effects& effects);
  void leave_queue(const desk_row& entry);
  void release(desk_row& entry);
  void make_ready(const conversation_id& conversation);
  void change_load(const account_id& account, int by, routing_effects& effects);
  agents::iterator choose_agent(const team_id& team);
  void assign_waiting(routing_effects& effects);
  void give(conversation_id conversation, agents::iterator agent, routing_effects& effects);
  void tell_positions(const team_queue& queue, std::size_t count, routing_effects& effects);
  void finish(routing_effects& effects);

  limits bounds_;
  bool loaded_ = false;
  std::uint64_t fence_ = 0;
  unix_ms now_ = 0;
  std::uint64_t turns_ = 0;
  std::map<conversation_id, desk_row> rows_;
  std::set<conversation_id> given_; ///< with an in-flight assignment
  std::set<conversation_id> held_;  ///< refused lately: ready again at the next tick
  agents agents_;
  std::map<team_id, team_queue> teams_;
};

} // namespace frontdesk::domain
