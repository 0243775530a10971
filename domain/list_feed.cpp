#include "domain/list_feed.hpp"

#include <algorithm>
#include <utility>

namespace frontdesk::domain {

namespace {

std::uint64_t position_in(const vector_cursor& cursor, std::uint32_t shard) {
  for (const auto& [named, position] : cursor.positions)
    if (named == shard)
      return position;
  return 0;
}

} // namespace

bool matches(const list_filter& filter, const open_row& row) {
  switch (filter.list) {
  case list_kind::waiting:
    return row.status == conversation_status::waiting
           && (!filter.team || !row.team || row.team == filter.team);
  case list_kind::mine:
    return row.status == conversation_status::active && filter.account
           && row.assignee == filter.account;
  }
  return false;
}

list_feed::list_feed(const limits& bounds, std::uint64_t store_incarnation)
  : bounds_(bounds), store_incarnation_(store_incarnation) {}

void list_feed::load(const open_snapshot& snapshot) {
  rows_.clear();
  tombstones_.clear();
  burials_.clear();
  for (std::uint16_t shard = 0; shard < shard_count; ++shard) {
    const auto position = snapshot.positions[shard];
    known_from_[shard] = snapshot_[shard] = position;
    applied_[shard] = settling_[shard] = settled_[shard] = position;
  }
  for (const auto& [row, position] : snapshot.rows) {
    const auto shard = shard_of(row.conversation);
    if (shard)
      rows_.insert_or_assign(row.conversation, placed_row{row, *shard, snapshot_[value(*shard)]});
  }
}

std::optional<list_change> list_feed::apply(const open_row& row, bool closed, shard_id shard,
                                            std::uint64_t position) {
  const auto index = value(shard);
  if (index >= shard_count || position <= snapshot_[index])
    return std::nullopt;
  const auto known = rows_.find(row.conversation);
  const auto buried = tombstones_.find(row.conversation);
  if (known != rows_.end() && row.seq <= known->second.row.seq)
    return std::nullopt;
  if (buried != tombstones_.end() && row.seq <= buried->second.seq)
    return std::nullopt;

  // Whoever came later than its turn is placed behind what cursors have claimed already.
  const auto changed = std::max(position, settled_[index] + 1);
  applied_[index] = std::max(applied_[index], changed);
  list_change change;
  change.conversation = row.conversation;
  if (known != rows_.end())
    change.before = known->second.row;
  if (closed) {
    if (known != rows_.end())
      rows_.erase(known);
    bury({row.conversation, row.seq, shard, changed});
    return change;
  }
  if (buried != tombstones_.end())
    tombstones_.erase(buried);
  rows_.insert_or_assign(row.conversation, placed_row{row, shard, changed});
  change.after = row;
  return change;
}

void list_feed::settle() {
  settled_ = std::exchange(settling_, applied_);
}

std::optional<list_rows> list_feed::live(const list_filter& filter,
                                         const list_change& change) const {
  const bool before = change.before && matches(filter, *change.before);
  const bool after = change.after && matches(filter, *change.after);
  if (!before && !after)
    return std::nullopt;
  list_rows frame;
  frame.list = filter.list;
  frame.cursor = cursor();
  if (after)
    frame.rows.push_back(*change.after);
  else
    frame.removed.push_back(change.conversation);
  return frame;
}

std::vector<list_rows> list_feed::resume(const list_filter& filter,
                                         const std::optional<vector_cursor>& after) const {
  const bool reset = !after || !usable(*after);
  const auto is_new = [&](shard_id shard, std::uint64_t changed) {
    return changed > position_in(*after, value(shard));
  };
  std::vector<const open_row*> rows;
  std::vector<conversation_id> removed;
  for (const auto& [id, placed] : rows_) {
    if (matches(filter, placed.row)) {
      if (reset || is_new(placed.shard, placed.changed))
        rows.push_back(&placed.row);
    } else if (!reset && is_new(placed.shard, placed.changed)) {
      removed.push_back(id); // perhaps it matched once; nobody remembers
    }
  }
  if (!reset)
    for (const auto& [id, gone] : tombstones_)
      if (is_new(gone.shard, gone.changed))
        removed.push_back(id);
  std::ranges::sort(rows, [](const open_row* left, const open_row* right) {
    return std::pair{left->created, left->conversation}
           < std::pair{right->created, right->conversation};
  });

  std::vector<list_rows> frames;
  const auto room = static_cast<std::size_t>(bounds_.list_rows_max);
  std::size_t row = 0;
  std::size_t removal = 0;
  do {
    auto& frame = frames.emplace_back();
    frame.list = filter.list;
    frame.reset = reset && frames.size() == 1;
    // Who is cut off in the middle has what the old cursor says, and after a reset nothing that can
    // be resumed.
    if (!reset)
      frame.cursor = *after;
    for (; row < rows.size() && frame.rows.size() < room; ++row)
      frame.rows.push_back(*rows[row]);
    for (; removal < removed.size() && frame.rows.size() + frame.removed.size() < room; ++removal)
      frame.removed.push_back(removed[removal]);
  } while (row < rows.size() || removal < removed.size());
  frames.back().cursor = cursor();
  return frames;
}

vector_cursor list_feed::cursor() const {
  vector_cursor made;
  made.store_incarnation = store_incarnation_;
  for (std::uint16_t shard = 0; shard < shard_count; ++shard)
    if (settled_[shard] != 0)
      made.positions.emplace_back(shard, settled_[shard]);
  return made;
}

bool list_feed::usable(const vector_cursor& cursor) const {
  if (cursor.store_incarnation != store_incarnation_)
    return false;
  for (const auto& [shard, position] : cursor.positions)
    if (shard >= shard_count || position > applied_[shard])
      return false;
  for (std::uint16_t shard = 0; shard < shard_count; ++shard)
    if (position_in(cursor, shard) < known_from_[shard])
      return false;
  return true;
}

void list_feed::bury(const tombstone& gone) {
  tombstones_.insert_or_assign(gone.conversation, gone);
  burials_.push_back(gone);
  while (burials_.size() > bounds_.list_tombstones_max) {
    const auto oldest = burials_.front();
    burials_.pop_front();
    const auto found = tombstones_.find(oldest.conversation);
    if (found == tombstones_.end() || found->second.seq != oldest.seq)
      continue; // reopened since, or closed again
    tombstones_.erase(found);
    auto& floor = known_from_[value(oldest.shard)];
    floor = std::max(floor, oldest.changed);
  }
}

} // namespace frontdesk::domain
