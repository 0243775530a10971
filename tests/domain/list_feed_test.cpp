#include "domain/list_feed.hpp"
#include "tests/domain/told.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace {

using namespace frontdesk::domain;
using namespace frontdesk::test;

constexpr std::uint64_t store = 77;
const list_filter all_waiting{list_kind::waiting, {}, {}};

list_filter mine_of(std::uint8_t account) {
  return {list_kind::mine, id<account_id>(account), {}};
}

conversation_id in_shard(std::uint8_t n, std::uint16_t shard = 1) {
  auto made = id<conversation_id>(n);
  made.bytes[1] = static_cast<std::uint8_t>(shard);
  return made;
}

open_row waiting(std::uint8_t n, message_seq seq = 1, std::uint16_t shard = 1, team_id team = {}) {
  open_row row;
  row.conversation = in_shard(n, shard);
  row.status = conversation_status::waiting;
  row.team = team;
  row.seq = seq;
  row.created = n;
  return row;
}

open_row active(std::uint8_t n, std::uint8_t account, message_seq seq = 2,
                std::uint16_t shard = 1) {
  auto row = waiting(n, seq, shard);
  row.status = conversation_status::active;
  row.assignee = id<account_id>(account);
  return row;
}

open_snapshot snapshot_at(std::uint64_t position, const std::vector<open_row>& rows) {
  open_snapshot made;
  made.positions.fill(position);
  made.positions[0] = 0;
  for (const auto& row : rows)
    made.rows.push_back({row, position});
  return made;
}

class feed {
public:
  explicit feed(const limits& bounds = {}) : machine(bounds, store) {}

  std::optional<list_change> put(const open_row& row, std::uint64_t position) {
    return machine.apply(row, false, *shard_of(row.conversation), position);
  }

  std::optional<list_change> close(const open_row& row, std::uint64_t position) {
    return machine.apply(row, true, *shard_of(row.conversation), position);
  }

  /// Everything that has come is complete.
  void settle() {
    machine.settle();
    machine.settle();
  }

  std::string resume(const list_filter& filter, const std::optional<vector_cursor>& after) {
    return told(machine.resume(filter, after));
  }

  list_feed machine;
};

TEST(list_feed, filters_choose_rows_by_state_team_and_assignee) {
  const auto sales = id<team_id>(1);
  const auto support = id<team_id>(2);
  auto resolved = waiting(1);
  resolved.status = conversation_status::resolved;
  const list_filter of_sales{list_kind::waiting, {}, sales};

  const struct {
    const char* what;
    list_filter filter;
    open_row row;
    bool expected;
  } table[] = {
    {"waiting, all teams", all_waiting, waiting(1, 1, 1, sales), true},
    {"waiting, own team", of_sales, waiting(1, 1, 1, sales), true},
    {"waiting, no team", of_sales, waiting(1), true},
    {"waiting, other team", of_sales, waiting(1, 1, 1, support), false},
    {"active is not waiting", all_waiting, active(1, 5), false},
    {"resolved is not waiting", all_waiting, resolved, false},
    {"mine", mine_of(5), active(1, 5), true},
    {"somebody else's", mine_of(6), active(1, 5), false},
    {"waiting is nobody's", mine_of(0), waiting(1), false},
    {"nobody has nothing", mine_of(0), active(1, 0), false},
  };

  for (const auto& row : table)
    EXPECT_EQ(matches(row.filter, row.row), row.expected) << row.what;
}

TEST(list_feed, a_first_subscription_gets_everything_and_a_cursor) {
  feed in;
  in.machine.load(snapshot_at(10, {waiting(2), waiting(1), active(3, 5)}));
  EXPECT_EQ(in.resume(all_waiting, std::nullopt), "reset +1 +2") << "oldest first";
  EXPECT_EQ(in.resume(mine_of(5), std::nullopt), "reset +3");
  EXPECT_EQ(in.resume(mine_of(6), std::nullopt), "reset");
  const auto cursor = in.machine.resume(all_waiting, std::nullopt).back().cursor;
  EXPECT_EQ(cursor.store_incarnation, store);
  EXPECT_EQ(cursor.positions.size(), 63u);
  EXPECT_EQ(cursor.positions.front(), (std::pair<std::uint32_t, std::uint64_t>{1, 10}));
}

TEST(list_feed, a_resume_gets_what_changed_since_and_what_left) {
  feed in;
  in.machine.load(snapshot_at(10, {waiting(1), waiting(2), waiting(3), waiting(4)}));
  const auto cursor = in.machine.cursor();
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows") << "nothing has happened";
  in.put(waiting(5), 11);      // came
  in.put(waiting(1, 2), 12);   // changed
  in.put(active(2, 5), 13);    // matches no longer
  in.close(waiting(3, 2), 14); // gone
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +1 +5 -2 -3");
  EXPECT_EQ(in.resume(mine_of(5), cursor), "rows +2 -1 -5 -3")
    << "nobody remembers what matched once";
  in.settle();
  EXPECT_EQ(in.resume(all_waiting, in.machine.cursor()), "rows");
}

TEST(list_feed, a_reopened_conversation_is_a_row_again) {
  feed in;
  in.machine.load(snapshot_at(10, {waiting(1)}));
  const auto cursor = in.machine.cursor();
  in.close(waiting(1, 2), 11);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows -1");
  in.put(waiting(1, 3), 12);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +1");
}

TEST(list_feed, a_reset_is_due_for_a_cursor_of_no_use) {
  feed in;
  in.machine.load(snapshot_at(10, {waiting(1)}));
  in.put(waiting(2), 11);
  in.settle();
  const auto good = in.machine.cursor();
  EXPECT_EQ(in.resume(all_waiting, good), "rows");

  auto other_store = good;
  other_store.store_incarnation = store + 1;
  EXPECT_EQ(in.resume(all_waiting, other_store), "reset +1 +2");
  auto beyond = good;
  beyond.positions[0].second = 12;
  EXPECT_EQ(in.resume(all_waiting, beyond), "reset +1 +2");
  auto before_the_snapshot = good;
  before_the_snapshot.positions[5].second = 9;
  EXPECT_EQ(in.resume(all_waiting, before_the_snapshot), "reset +1 +2");
  auto a_shard_is_missing = good;
  a_shard_is_missing.positions.pop_back();
  EXPECT_EQ(in.resume(all_waiting, a_shard_is_missing), "reset +1 +2");
  auto no_such_shard = good;
  no_such_shard.positions.push_back({64, 0});
  EXPECT_EQ(in.resume(all_waiting, no_such_shard), "reset +1 +2");
  EXPECT_EQ(in.resume(all_waiting, vector_cursor{}), "reset +1 +2");
}

TEST(list_feed, a_shard_without_any_position_needs_none_in_the_cursor) {
  feed in;
  in.machine.load({});
  const auto cursor = in.machine.cursor();
  EXPECT_TRUE(cursor.positions.empty());
  in.put(waiting(1), 1);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +1");
}

TEST(list_feed, tombstones_are_bounded_and_older_cursors_get_a_reset) {
  limits bounds;
  bounds.list_tombstones_max = 3;
  feed in(bounds);
  std::vector<open_row> rows;
  for (std::uint8_t n = 1; n <= 6; ++n)
    rows.push_back(waiting(n));
  in.machine.load(snapshot_at(10, rows));
  const auto first = in.machine.cursor();
  for (std::uint8_t n = 1; n <= 3; ++n)
    in.close(waiting(n, 2), 10u + n);
  EXPECT_EQ(in.resume(all_waiting, first), "rows -1 -2 -3");
  in.settle();
  const auto second = in.machine.cursor();
  in.close(waiting(4, 2), 14);
  EXPECT_EQ(in.resume(all_waiting, first), "reset +5 +6") << "the removal of 1 is no longer known";
  EXPECT_EQ(in.resume(all_waiting, second), "rows -4");
}

TEST(list_feed, a_forgotten_tombstone_of_a_reopened_conversation_costs_no_reset) {
  limits bounds;
  bounds.list_tombstones_max = 1;
  feed in(bounds);
  in.machine.load(snapshot_at(10, {waiting(1), waiting(2)}));
  const auto cursor = in.machine.cursor();
  in.close(waiting(1, 2), 11);
  in.put(waiting(1, 3), 12);
  in.close(waiting(2, 2), 13);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +1 -2");
}

TEST(list_feed, live_frames_tell_what_the_change_is_to_this_list) {
  feed in;
  in.machine.load(snapshot_at(10, {waiting(1)}));
  const auto live = [&](const std::optional<list_change>& change, const list_filter& filter) {
    const auto frame = in.machine.live(filter, *change);
    return frame ? told({*frame}) : std::string{"nothing"};
  };
  auto change = in.put(waiting(2), 11);
  EXPECT_EQ(live(change, all_waiting), "rows +2");
  EXPECT_EQ(live(change, mine_of(5)), "nothing");
  change = in.put(active(2, 5), 12);
  EXPECT_EQ(live(change, all_waiting), "rows -2");
  EXPECT_EQ(live(change, mine_of(5)), "rows +2");
  change = in.put(active(2, 6, 3), 13);
  EXPECT_EQ(live(change, all_waiting), "nothing");
  EXPECT_EQ(live(change, mine_of(5)), "rows -2") << "transferred";
  EXPECT_EQ(live(change, mine_of(6)), "rows +2");
  change = in.close(active(2, 6, 4), 14);
  EXPECT_EQ(live(change, mine_of(6)), "rows -2");
  EXPECT_EQ(live(change, mine_of(5)), "nothing");
}

TEST(list_feed, old_news_changes_nothing) {
  feed in;
  in.machine.load(snapshot_at(10, {waiting(1, 5)}));
  EXPECT_EQ(in.put(waiting(1, 6), 10), std::nullopt) << "the snapshot has this commit";
  EXPECT_EQ(in.put(waiting(1, 5), 11), std::nullopt) << "the same row again";
  EXPECT_EQ(in.put(active(1, 5, 4), 12), std::nullopt) << "overtaken";
  ASSERT_TRUE(in.close(waiting(1, 7), 13));
  EXPECT_EQ(in.put(active(1, 5, 6), 14), std::nullopt) << "closed since";
  EXPECT_EQ(in.machine.size(), 0u);
}

TEST(list_feed, closing_a_conversation_that_is_not_known_leaves_a_tombstone) {
  feed in;
  in.machine.load(snapshot_at(10, {}));
  const auto cursor = in.machine.cursor();
  const auto change = in.close(waiting(1, 2), 11);
  ASSERT_TRUE(change);
  EXPECT_EQ(in.machine.live(all_waiting, *change), std::nullopt);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows -1");
}

TEST(list_feed, a_cursor_between_two_rows_of_one_commit_does_not_claim_the_commit) {
  feed in;
  in.machine.load(snapshot_at(10, {}));
  const auto change = in.put(waiting(1), 11);
  const auto cursor = in.machine.live(all_waiting, *change)->cursor;
  in.put(waiting(2), 11);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +1 +2");
}

TEST(list_feed, a_row_that_comes_late_is_not_missed_by_a_later_cursor) {
  feed in;
  in.machine.load(snapshot_at(10, {}));
  in.put(waiting(2), 12);
  in.settle();
  const auto cursor = in.machine.cursor();
  in.put(waiting(1), 11);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +1");
}

TEST(list_feed, shards_count_on_their_own) {
  feed in;
  in.machine.load(snapshot_at(10, {}));
  in.put(waiting(1, 1, 1), 500);
  in.settle();
  const auto cursor = in.machine.cursor();
  in.put(waiting(2, 1, 2), 11);
  EXPECT_EQ(in.resume(all_waiting, cursor), "rows +2");
}

TEST(list_feed, a_long_list_is_split_and_only_its_last_frame_has_the_new_cursor) {
  limits bounds;
  bounds.list_rows_max = 10;
  feed in(bounds);
  std::vector<open_row> rows;
  for (std::uint8_t n = 1; n <= 25; ++n)
    rows.push_back(waiting(n));
  in.machine.load(snapshot_at(10, rows));
  const auto first = in.machine.cursor();
  auto frames = in.machine.resume(all_waiting, std::nullopt);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_TRUE(frames[0].reset);
  EXPECT_FALSE(frames[1].reset);
  EXPECT_EQ(frames[0].rows.size() + frames[1].rows.size() + frames[2].rows.size(), 25u);
  EXPECT_EQ(frames[0].cursor, vector_cursor{}) << "cut off here there is nothing to resume";
  EXPECT_EQ(frames[1].cursor, vector_cursor{});
  EXPECT_EQ(frames[2].cursor, first);

  for (std::uint8_t n = 1; n <= 12; ++n)
    in.close(waiting(n, 2), 11);
  for (std::uint8_t n = 13; n <= 18; ++n)
    in.put(waiting(n, 2), 12);
  in.settle();
  frames = in.machine.resume(all_waiting, first);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].rows.size(), 6u);
  EXPECT_EQ(frames[0].removed.size(), 4u);
  EXPECT_EQ(frames[0].cursor, first) << "cut off here the old cursor still holds";
  EXPECT_EQ(frames[1].removed.size(), 8u);
  EXPECT_EQ(frames[1].cursor, in.machine.cursor());
}

/// A subscriber as a client keeps it.
struct subscriber {
  list_filter filter{};
  bool connected = false;
  std::optional<vector_cursor> cursor{};
  std::map<conversation_id, open_row> shown{};

  void take(const list_rows& frame) {
    if (frame.reset)
      shown.clear();
    for (const auto& row : frame.rows)
      shown[row.conversation] = row;
    for (const auto& gone : frame.removed)
      shown.erase(gone);
    cursor = frame.cursor;
  }
};

RC_GTEST_PROP(list_feed, every_subscriber_shows_the_truth_whenever_it_was_away, ()) {
  limits bounds;
  bounds.list_rows_max = 3;
  bounds.list_tombstones_max = 4;
  feed in(bounds);
  in.machine.load({});
  std::map<conversation_id, open_row> truth;
  std::array<std::uint64_t, shard_count> position{};
  std::array<bool, shard_count> begins{}; // the next row is of a new commit, whatever the dice say
  begins.fill(true);
  const auto commit = [&](std::uint16_t shard, std::uint8_t dice) {
    // Several rows of one commit share a position.
    if (std::exchange(begins[shard], false) || dice % 2 == 1)
      ++position[shard];
    return position[shard];
  };
  std::vector<subscriber> subscribers{
    {all_waiting}, {mine_of(1)}, {{list_kind::waiting, {}, id<team_id>(2)}}};
  message_seq seq = 0;

  const auto steps = *rc::gen::container<std::vector<std::tuple<int, std::uint8_t, std::uint8_t>>>(
    rc::gen::tuple(rc::gen::inRange(0, 12), rc::gen::inRange<std::uint8_t>(0, 9),
                   rc::gen::inRange<std::uint8_t>(0, 3)));
  for (const auto& [what, n, m] : steps) {
    const auto shard = static_cast<std::uint16_t>(1 + n % 2);
    std::optional<list_change> change;
    if (what < 6) {
      auto row = what < 3 ? waiting(n, ++seq, shard, id<team_id>(m)) : active(n, m, ++seq, shard);
      truth[row.conversation] = row;
      change = in.put(row, commit(shard, m));
    } else if (what < 8) {
      auto row = waiting(n, ++seq, shard);
      truth.erase(row.conversation);
      change = in.close(row, commit(shard, m));
    } else if (what == 8) {
      in.machine.settle();
    } else if (what == 9) {
      subscribers[m].connected = false;
    } else if (what == 10) {
      auto& one = subscribers[m];
      one.connected = true;
      // The link may break after any frame; then the next resume has to heal it.
      const auto frames = in.machine.resume(one.filter, one.cursor);
      const auto arrived = n % 3 == 0 ? frames.size() / 2 : frames.size();
      for (std::size_t i = 0; i < arrived; ++i)
        one.take(frames[i]);
      one.connected = arrived == frames.size();
    } else {
      open_snapshot snapshot;
      snapshot.positions = position;
      for (const auto& [key, row] : truth)
        snapshot.rows.push_back({row, position[value(*shard_of(key))]});
      for (auto& one : subscribers)
        one.connected = false;
      in.machine.load(snapshot);
      begins.fill(true);
    }
    for (auto& one : subscribers) {
      if (!one.connected)
        continue;
      if (change)
        if (const auto frame = in.machine.live(one.filter, *change))
          one.take(*frame);
      std::map<conversation_id, open_row> expected;
      for (const auto& [key, row] : truth)
        if (matches(one.filter, row))
          expected[key] = row;
      RC_ASSERT(one.shown == expected);
    }
  }
}

} // namespace
