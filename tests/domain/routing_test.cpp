#include "domain/routing.hpp"
#include "tests/domain/told.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace {

using namespace frontdesk::domain;
using namespace frontdesk::test;

const auto sales = id<team_id>(1);
const auto support = id<team_id>(2);

open_row waiting(std::uint8_t n, unix_ms since, team_id team = {}, message_seq seq = 1) {
  open_row row;
  row.conversation = id<conversation_id>(n);
  row.visitor = id<visitor_id>(n);
  row.status = conversation_status::waiting;
  row.waiting_since = since;
  row.team = team;
  row.seq = seq;
  return row;
}

open_row active(std::uint8_t n, std::uint8_t account, message_seq seq = 2) {
  open_row row;
  row.conversation = id<conversation_id>(n);
  row.visitor = id<visitor_id>(n);
  row.status = conversation_status::active;
  row.assignee = id<account_id>(account);
  row.seq = seq;
  return row;
}

agent_changed online(std::uint8_t n, std::uint32_t capacity, team_id team = {},
                     presence_state presence = presence_state::online) {
  return {id<account_id>(n),
          {participant_kind::account, "agent " + std::to_string(n)},
          team,
          capacity,
          presence};
}

class desk {
public:
  explicit desk(std::vector<open_row> rows = {}, std::uint64_t fence = 3) : machine(limits{}) {
    machine.on(desk_loaded{std::move(rows), fence});
  }

  template <class Event>
  std::string on(const Event& event) {
    return told(machine.on(event));
  }

  std::string row(const open_row& row) { return on(row_changed{row, false}); }

  std::string close(const open_row& row) { return on(row_changed{row, true}); }

  routing_desk machine;
};

/// Only the assignments of a trace.
std::string assignments(const routing_effects& effects) {
  routing_effects some;
  for (const auto& effect : effects)
    if (std::holds_alternative<assign_to>(effect))
      some.push_back(effect);
  return told(some);
}

TEST(routing, assigns_nothing_before_it_is_loaded) {
  routing_desk machine{limits{}};
  machine.on(online(1, 5));
  EXPECT_EQ(assignments(machine.on(row_changed{waiting(1, 100), false})), "");
  EXPECT_FALSE(machine.loaded());
  EXPECT_EQ(assignments(machine.on(desk_loaded{{waiting(1, 100)}, 3})), "assign 1 to 1 fence 3");
}

TEST(routing, an_assignment_carries_profile_team_and_fence) {
  desk in({waiting(1, 100)}, 42);
  const auto effects = in.machine.on(online(4, 5, sales));
  EXPECT_EQ(*find<assign_to>(effects), (assign_to{id<conversation_id>(1),
                                                  id<account_id>(4),
                                                  {participant_kind::account, "agent 4"},
                                                  sales,
                                                  42}));
}

TEST(routing, who_has_waited_longest_goes_first) {
  desk in({waiting(1, 300), waiting(2, 100), waiting(3, 200)});
  EXPECT_EQ(assignments(in.machine.on(online(1, 2))),
            "assign 2 to 1 fence 3; assign 3 to 1 fence 3");
}

TEST(routing, the_oldest_goes_first_across_teams) {
  desk in(
    {waiting(1, 300, sales), waiting(2, 100), waiting(3, 200, sales), waiting(4, 50, support)});
  EXPECT_EQ(assignments(in.machine.on(online(1, 2, sales))),
            "assign 2 to 1 fence 3; assign 3 to 1 fence 3");
}

TEST(routing, a_team_is_served_by_its_own_agents_and_no_team_by_all) {
  const struct {
    const char* what;
    team_id row;
    team_id agent;
    const char* expected;
  } table[] = {
    {"same team", sales, sales, "assign 1 to 1 fence 3"},
    {"other team", sales, support, ""},
    {"agent without team", sales, {}, ""},
    {"row without team", {}, sales, "assign 1 to 1 fence 3"},
    {"neither has one", {}, {}, "assign 1 to 1 fence 3"},
  };

  for (const auto& row : table) {
    desk in({waiting(1, 100, row.row)});
    EXPECT_EQ(assignments(in.machine.on(online(1, 5, row.agent))), row.expected) << row.what;
  }
}

TEST(routing, only_who_is_online_and_has_room_gets_something) {
  const struct {
    const char* what;
    presence_state presence;
    std::uint32_t capacity;
    const char* expected;
  } table[] = {
    {"online with room", presence_state::online, 2, "assign 9 to 1 fence 3"},
    {"full", presence_state::online, 1, ""},
    {"away", presence_state::away, 2, ""},
    {"offline", presence_state::offline, 2, ""},
  };

  for (const auto& row : table) {
    desk in({active(8, 1), waiting(9, 100)});
    EXPECT_EQ(assignments(in.machine.on(online(1, row.capacity, {}, row.presence))), row.expected)
      << row.what;
  }
}

TEST(routing, capacity_zero_is_the_configured_one) {
  limits bounds;
  bounds.agent_capacity = 1;
  routing_desk machine(bounds);
  machine.on(desk_loaded{{waiting(1, 1), waiting(2, 2)}, 3});
  EXPECT_EQ(assignments(machine.on(online(1, 0))), "assign 1 to 1 fence 3");
}

TEST(routing, the_lowest_load_for_its_capacity_is_chosen) {
  // 1 of 2 is more than 3 of 10
  desk in({active(1, 1), active(2, 2), active(3, 2), active(4, 2)});
  in.on(online(1, 2));
  in.on(online(2, 10));
  EXPECT_EQ(in.row(waiting(9, 100)), "assign 9 to 2 fence 3; position of 9 is 1");
}

TEST(routing, of_equal_load_who_had_none_for_longest_then_the_lowest_id) {
  desk in;
  in.on(online(2, 10));
  in.on(online(1, 10));
  EXPECT_EQ(in.row(waiting(5, 1)), "assign 5 to 1 fence 3; position of 5 is 1")
    << "neither had one yet";
  in.close(waiting(5, 1, {}, 2));
  EXPECT_EQ(in.row(waiting(6, 2)), "assign 6 to 2 fence 3; position of 6 is 1")
    << "1 had the last one";
  in.close(waiting(6, 2, {}, 2));
  EXPECT_EQ(in.row(waiting(7, 3)), "assign 7 to 1 fence 3; position of 7 is 1");
}

TEST(routing, assignments_on_the_way_count_as_load) {
  desk in({waiting(1, 1), waiting(2, 2), waiting(3, 3)});
  in.on(online(1, 2, {}, presence_state::away));
  in.on(online(2, 1, {}, presence_state::away));
  EXPECT_EQ(assignments(in.machine.on(online(1, 2))),
            "assign 1 to 1 fence 3; assign 2 to 1 fence 3");
  EXPECT_EQ(assignments(in.machine.on(online(2, 1))), "assign 3 to 2 fence 3");
}

TEST(routing, one_waiting_row_is_not_given_twice) {
  desk in({waiting(1, 100)});
  in.on(online(1, 5));
  EXPECT_EQ(in.on(online(2, 5)), "load of 2 is 0");
  EXPECT_EQ(in.row(waiting(1, 100, {}, 2)), "") << "its row changed, but it waits where it was";
  EXPECT_EQ(in.on(desk_tick{1000}), "");
}

TEST(routing, an_assignment_is_done_when_the_row_says_so) {
  desk in({waiting(1, 100)});
  in.on(online(1, 5));
  EXPECT_EQ(in.row(active(1, 1)), "position of 1 is 0; load of 1 is 1");
  EXPECT_EQ(in.machine.load_of(id<account_id>(1)), 1u);
  EXPECT_EQ(in.machine.waiting_count(), 0u);
  EXPECT_EQ(in.close(active(1, 1, 3)), "load of 1 is 0");
}

TEST(routing, who_takes_a_row_on_the_way_to_another_frees_the_other) {
  desk in({waiting(1, 100)});
  in.on(online(1, 1));
  in.on(online(2, 1));
  EXPECT_EQ(in.row(active(1, 2)), "position of 1 is 0; load of 2 is 1");
  EXPECT_EQ(in.row(waiting(3, 300)), "assign 3 to 1 fence 3; position of 3 is 1")
    << "1 has room again";
}

TEST(routing, a_refused_row_is_tried_again_after_the_next_tick) {
  desk in({waiting(1, 100)});
  in.on(online(1, 1));
  EXPECT_EQ(in.on(assignment_refused{id<conversation_id>(1)}), "");
  EXPECT_EQ(in.on(online(1, 2)), "") << "held back until then";
  EXPECT_EQ(in.on(desk_tick{1000}), "assign 1 to 1 fence 3");
  EXPECT_EQ(in.on(assignment_refused{id<conversation_id>(77)}), "") << "nobody knows that one";
}

TEST(routing, a_refused_row_that_was_closed_is_not_tried_again) {
  desk in({waiting(1, 100)});
  in.on(online(1, 1));
  in.on(assignment_refused{id<conversation_id>(1)});
  in.close(waiting(1, 100, {}, 2));
  EXPECT_EQ(in.on(desk_tick{1000}), "");
}

TEST(routing, an_assignment_without_an_answer_is_put_back_after_its_time) {
  desk in({waiting(1, 100)});
  in.on(desk_tick{50'000});
  in.on(online(1, 1));
  EXPECT_EQ(in.on(desk_tick{51'000}), "") << "its time starts at the first tick";
  EXPECT_EQ(in.on(desk_tick{51'000 + routing_desk::assignment_timeout_ms - 1}), "");
  EXPECT_EQ(in.on(desk_tick{51'000 + routing_desk::assignment_timeout_ms}),
            "assign 1 to 1 fence 3");
}

TEST(routing, going_offline_takes_nothing_away_and_gives_nothing_new) {
  desk in({active(1, 1), waiting(2, 100)});
  in.on(online(1, 5));
  EXPECT_EQ(in.on(online(1, 5, {}, presence_state::offline)), "");
  EXPECT_EQ(in.machine.load_of(id<account_id>(1)), 1u);
  EXPECT_EQ(in.row(waiting(3, 200)), "position of 3 is 2");
  EXPECT_EQ(in.row(active(2, 1)), "position of 2 is 0; load of 1 is 2; position of 3 is 1")
    << "what was on its way arrives";
  EXPECT_EQ(in.machine.online_count(), 0u);
}

TEST(routing, a_row_that_comes_back_waits_by_its_new_time) {
  desk in({waiting(1, 500), active(2, 1)});
  EXPECT_EQ(in.row(waiting(2, 600, {}, 3)), "position of 2 is 2");
  EXPECT_EQ(in.row(waiting(2, 400, {}, 4)), "position of 2 is 1; position of 1 is 2")
    << "moved before";
}

TEST(routing, moving_to_another_team_moves_queues) {
  desk in({waiting(1, 100, sales), waiting(2, 200, sales), waiting(3, 150, support)});
  EXPECT_EQ(in.row(waiting(1, 100, support, 2)), "position of 2 is 1; position of 3 is 2");
  EXPECT_EQ(assignments(in.machine.on(online(1, 5, support))),
            "assign 1 to 1 fence 3; assign 3 to 1 fence 3");
}

TEST(routing, a_row_older_than_the_known_one_is_ignored) {
  desk in({active(1, 1, 5)});
  EXPECT_EQ(in.row(waiting(1, 100, {}, 4)), "");
  EXPECT_EQ(in.close(waiting(1, 100, {}, 4)), "");
  EXPECT_EQ(in.machine.waiting_count(), 0u);
  EXPECT_EQ(in.on(online(1, 5)), "load of 1 is 1");
}

TEST(routing, loading_again_drops_what_is_no_longer_open) {
  desk in({waiting(1, 100), waiting(2, 200), active(3, 1)});
  in.on(online(1, 1));
  EXPECT_EQ(in.on(desk_loaded{{waiting(2, 200)}, 4}),
            "position of 1 is 0; load of 1 is 0; assign 2 to 1 fence 4; position of 2 is 1");
}

// -- positions
// -----------------------------------------------------------------------------------------------------

open_row nth(std::uint32_t n) {
  auto row = waiting(0, n);
  row.conversation.bytes[14] = static_cast<std::uint8_t>(n >> 8);
  row.conversation.bytes[15] = static_cast<std::uint8_t>(n);
  return row;
}

std::map<std::uint32_t, std::uint32_t> positions(const routing_effects& effects) {
  std::map<std::uint32_t, std::uint32_t> told;
  for (const auto& effect : effects)
    if (const auto* one = std::get_if<position_changed>(&effect))
      told[static_cast<std::uint32_t>(one->conversation.bytes[14]) << 8
           | one->conversation.bytes[15]]
        = one->position;
  return told;
}

TEST(routing, only_changed_positions_are_told) {
  desk in({waiting(1, 100), waiting(2, 200), waiting(3, 300)});
  EXPECT_EQ(in.row(waiting(4, 400)), "position of 4 is 4");
  EXPECT_EQ(in.close(waiting(2, 200, {}, 2)),
            "position of 2 is 0; position of 3 is 2; position of 4 is 3");
}

TEST(routing, positions_beyond_fifty_are_told_in_steps_of_ten_at_the_tick) {
  desk in;
  for (std::uint32_t n = 1; n <= 75; ++n) {
    const auto told_now = positions(in.machine.on(row_changed{nth(n), false}));
    EXPECT_EQ(told_now.size(), n <= 50 ? 1u : 0u) << n;
  }
  auto told_now = positions(in.machine.on(desk_tick{1}));
  EXPECT_EQ(told_now.size(), 25u);
  EXPECT_EQ(told_now[75], 75u) << "everybody learns the first place";
  EXPECT_TRUE(positions(in.machine.on(desk_tick{2})).empty());

  told_now = positions(in.machine.on(row_changed{nth(1), true}));
  EXPECT_EQ(told_now.size(), 51u);
  EXPECT_EQ(told_now[1], 0u);
  EXPECT_EQ(told_now[51], 50u) << "who comes within the exact places is told at once";
  told_now = positions(in.machine.on(desk_tick{3}));
  EXPECT_EQ(told_now, (std::map<std::uint32_t, std::uint32_t>{{61, 60}, {71, 70}}));
}

struct agent_model {
  std::uint32_t capacity = 0;
  team_id team{};
  bool is_online = false;
};

/// What is true of a desk, kept beside it in the plainest way.
struct desk_model {
  std::map<conversation_id, open_row> rows{};
  std::map<account_id, agent_model> agents{};
  std::map<conversation_id, account_id> on_the_way{};

  std::uint32_t load(const account_id& account) const {
    std::uint32_t count = 0;
    for (const auto& [key, row] : rows)
      if (row.status == conversation_status::active && row.assignee == account)
        ++count;
    for (const auto& [key, to] : on_the_way)
      if (to == account)
        ++count;
    return count;
  }

  bool may_serve(const account_id& account, const open_row& row) const {
    const auto& agent = agents.at(account);
    return agent.is_online && (!row.team || row.team == agent.team)
           && load(account) < agent.capacity;
  }

  /// Every assignment is one that may be made at its moment.
  void take(const routing_effects& effects) {
    for (const auto& effect : effects) {
      const auto* given = std::get_if<assign_to>(&effect);
      if (given == nullptr)
        continue;
      const auto row = rows.find(given->conversation);
      RC_ASSERT(row != rows.end());
      RC_ASSERT(row->second.status == conversation_status::waiting);
      RC_ASSERT(!on_the_way.contains(given->conversation));
      RC_ASSERT(may_serve(given->account, row->second));
      on_the_way[given->conversation] = given->account;
    }
  }
};

RC_GTEST_PROP(routing, keeps_its_promises_whatever_happens, ()) {
  routing_desk machine{limits{}};
  machine.on(desk_loaded{{}, 1});
  desk_model model;
  unix_ms now = 0; // moves by milliseconds: nothing is overdue here
  message_seq seq = 1;

  const auto steps = *rc::gen::container<std::vector<std::tuple<int, std::uint8_t, std::uint8_t>>>(
    rc::gen::tuple(rc::gen::inRange(0, 10), rc::gen::inRange<std::uint8_t>(1, 12),
                   rc::gen::inRange<std::uint8_t>(0, 4)));
  for (const auto& [what, n, m] : steps) {
    ++now;
    ++seq;
    const auto conversation = id<conversation_id>(n);
    if (what < 3) {
      model.rows[conversation] = waiting(n, now, m == 0 ? team_id{} : id<team_id>(m), seq);
      model.on_the_way.erase(conversation);
      model.take(machine.on(row_changed{model.rows[conversation], false}));
    } else if (what < 5 && model.on_the_way.contains(conversation)) {
      model.rows[conversation] = active(n, model.on_the_way[conversation].bytes[15], seq);
      model.on_the_way.erase(conversation);
      model.take(machine.on(row_changed{model.rows[conversation], false}));
    } else if (what == 5 && model.rows.contains(conversation)) {
      auto row = model.rows[conversation];
      row.seq = seq;
      model.rows.erase(conversation);
      model.on_the_way.erase(conversation);
      model.take(machine.on(row_changed{row, true}));
    } else if (what == 6) {
      model.on_the_way.erase(conversation);
      model.take(machine.on(assignment_refused{conversation}));
    } else if (what < 9) {
      const auto account = static_cast<std::uint8_t>(n % 4 + 1);
      const auto team = id<team_id>(static_cast<std::uint8_t>(n % 3));
      model.agents[id<account_id>(account)] = {m + 1u, team, n % 5 != 0};
      model.take(machine.on(online(account, m + 1u, team,
                                   n % 5 != 0 ? presence_state::online : presence_state::offline)));
    } else {
      model.take(machine.on(desk_tick{now}));
    }
    // What is told is a dense order of each team's queue.
    std::map<team_id, std::set<std::pair<unix_ms, conversation_id>>> queues;
    for (const auto& [key, row] : model.rows)
      if (row.status == conversation_status::waiting)
        queues[row.team].insert({row.waiting_since, key});
    for (const auto& [team, queue] : queues) {
      std::uint32_t position = 0;
      for (const auto& [since, key] : queue)
        RC_ASSERT(machine.told_position(key) == ++position);
    }
  }
  // After a tick nobody waits whom somebody could serve.
  model.take(machine.on(desk_tick{now}));
  for (const auto& [key, row] : model.rows) {
    if (row.status != conversation_status::waiting || model.on_the_way.contains(key))
      continue;
    for (const auto& [account, agent] : model.agents)
      RC_ASSERT(!model.may_serve(account, row));
  }
}

} // namespace
