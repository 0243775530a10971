#pragma once

#include "domain/event.hpp"
#include "domain/frames.hpp"
#include "domain/limits.hpp"
#include "domain/ports/event_store.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

/// A tenant's lists of open conversations (waiting, mine) with resume by vector cursor:
/// docs/adr/0001-data-model.md, section 6. A plain value, rebuilt from a snapshot of the store;
/// nothing of it is durable.
namespace frontdesk::domain {

/// Which rows a subscriber sees.
struct list_filter {
  list_kind list{};
  account_id account{}; ///< mine: assigned to this account
  team_id team{};       ///< waiting: of this team and of no team; zero = all
  friend bool operator==(const list_filter&, const list_filter&) = default;
};

bool matches(const list_filter& filter, const open_row& row);

/// What one applied row did; keeps both states, so that every subscriber's view of it can be told.
struct list_change {
  conversation_id conversation{};
  std::optional<open_row> before{};
  std::optional<open_row> after{}; ///< nothing = closed
  friend bool operator==(const list_change&, const list_change&) = default;
};

class list_feed {
public:
  list_feed(const limits& bounds, std::uint64_t store_incarnation);

  /// Starts over from one view of the store. Cursors older than it get a reset.
  void load(const open_snapshot& snapshot);

  /// A row as a commit left it at (shard, position). Nothing for what is already known: from before
  /// the snapshot, or overtaken by a newer row of the same conversation. Rows of different
  /// conversations may come in any order.
  std::optional<list_change> apply(const open_row& row, bool closed, shard_id shard,
                                   std::uint64_t position);

  /// Call it about once a second. Rows of one commit come one by one and from different
  /// conversations, so a cursor must not claim a position before all of its rows have had time to
  /// come: cursors hold what had been applied at the call before. What is repeated on resume for
  /// that reason does no harm.
  void settle();

  /// The change as this subscriber gets it; nothing if it neither enters, changes nor leaves the
  /// list.
  std::optional<list_rows> live(const list_filter& filter, const list_change& change) const;

  /// The frames that bring a subscriber up to now; at least one, at most limits.list_rows_max rows
  /// and removals each. Only the last one carries the new cursor. A reset if there is no cursor, or
  /// it is of another store incarnation, beyond the end, or older than the tombstones kept.
  std::vector<list_rows> resume(const list_filter& filter,
                                const std::optional<vector_cursor>& after) const;

  vector_cursor cursor() const;

  std::size_t size() const { return rows_.size(); }

private:
  struct placed_row {
    open_row row{};
    shard_id shard{};
    std::uint64_t changed = 0;
  };

  struct tombstone {
    conversation_id conversation{};
    message_seq seq = 0;
    shard_id shard{};
    std::uint64_t changed = 0;
  };

  bool usable(const vector_cursor& cursor) const;
  void bury(const tombstone& gone);

  limits bounds_;
  std::uint64_t store_incarnation_ = 0;
  std::array<std::uint64_t, shard_count>
    known_from_{}; ///< removals up to here are not known one by one
  std::array<std::uint64_t, shard_count> snapshot_{}; ///< changes up to here are in the snapshot
  std::array<std::uint64_t, shard_count> applied_{};
  std::array<std::uint64_t, shard_count> settling_{}; ///< applied at the last settle()
  std::array<std::uint64_t, shard_count> settled_{};  ///< applied at the one before: in cursors
  std::map<conversation_id, placed_row> rows_;
  std::map<conversation_id, tombstone> tombstones_;
  std::deque<tombstone>
    burials_; ///< in order of arrival; those that were dug up again are not in tombstones_
};

} // namespace frontdesk::domain
