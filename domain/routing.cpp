#include "domain/routing.hpp"

#include <algorithm>
#include <utility>

namespace frontdesk::domain {

namespace {

/// Up to here a visitor is told every step. Behind it a move of the whole queue would cost one
/// frame for each.
constexpr std::uint32_t exact_positions = 50;
constexpr std::uint32_t coarse_step = 10;

/// Positions that are told apart.
std::uint32_t step_of(std::uint32_t position) {
  if (position <= exact_positions)
    return position;
  return (position + coarse_step - 1) / coarse_step * coarse_step;
}

bool waits(const open_row& row) {
  return row.status == conversation_status::waiting;
}

} // namespace

routing_desk::routing_desk(const limits& bounds) : bounds_(bounds) {}

routing_effects routing_desk::on(const desk_loaded& event) {
  routing_effects effects;
  fence_ = event.fence;
  loaded_ = true;
  std::set<conversation_id> named;
  for (const auto& row : event.rows)
    named.insert(row.conversation);
  std::vector<conversation_id> gone;
  for (const auto& [id, entry] : rows_)
    if (!named.contains(id))
      gone.push_back(id);
  for (const auto& id : gone)
    remove(id, effects);
  for (const auto& row : event.rows)
    put(row, effects);
  finish(effects);
  return effects;
}

routing_effects routing_desk::on(const row_changed& event) {
  routing_effects effects;
  const auto known = rows_.find(event.row.conversation);
  if (known != rows_.end() && event.row.seq < known->second.row.seq)
    return effects;
  if (event.closed)
    remove(event.row.conversation, effects);
  else
    put(event.row, effects);
  finish(effects);
  return effects;
}

routing_effects routing_desk::on(const agent_changed& event) {
  routing_effects effects;
  auto [found, is_new] = agents_.try_emplace(event.account);
  auto& agent = found->second;
  agent.profile = event.profile;
  agent.team = event.team;
  agent.capacity
    = event.capacity != 0 ? event.capacity : static_cast<std::uint32_t>(bounds_.agent_capacity);
  agent.presence = event.presence;
  if (is_new) {
    for (const auto& [id, entry] : rows_)
      if (entry.row.assignee == event.account && !waits(entry.row))
        ++agent.load;
    effects.push_back(agent_load_changed{event.account, agent.load});
  }
  finish(effects);
  return effects;
}

routing_effects routing_desk::on(const assignment_refused& event) {
  // Nothing is assigned in this turn: a desk whose fence is stale would try its whole queue at
  // once.
  if (auto found = rows_.find(event.conversation); found != rows_.end() && found->second.given) {
    release(found->second);
    held_.insert(event.conversation);
  }
  return {};
}

routing_effects routing_desk::on(const desk_tick& event) {
  routing_effects effects;
  now_ = event.now;
  for (const auto& id : std::exchange(held_, {}))
    make_ready(id);
  std::vector<conversation_id> overdue;
  for (const auto& id : given_) {
    auto& entry = rows_.at(id);
    // The first tick after the assignment starts its clock.
    if (entry.given_until == 0)
      entry.given_until = now_ + assignment_timeout_ms;
    else if (now_ >= entry.given_until)
      overdue.push_back(id);
  }
  for (const auto& id : overdue) {
    release(rows_.at(id));
    make_ready(id);
  }
  for (auto& [team, queue] : teams_)
    if (std::exchange(queue.tail_stale, false))
      tell_positions(queue, queue.waiting.size(), effects);
  finish(effects);
  return effects;
}

std::size_t routing_desk::waiting_count() const {
  std::size_t count = 0;
  for (const auto& [team, queue] : teams_)
    count += queue.waiting.size();
  return count;
}

std::size_t routing_desk::online_count() const {
  const auto online
    = [](const auto& entry) { return entry.second.presence == presence_state::online; };
  return static_cast<std::size_t>(std::ranges::count_if(agents_, online));
}

std::uint32_t routing_desk::told_position(const conversation_id& conversation) const {
  const auto found = rows_.find(conversation);
  return found == rows_.end() ? 0 : found->second.told;
}

std::uint32_t routing_desk::load_of(const account_id& account) const {
  const auto found = agents_.find(account);
  return found == agents_.end() ? 0 : found->second.load;
}

void routing_desk::put(const open_row& row, routing_effects& effects) {
  auto [found, is_new] = rows_.try_emplace(row.conversation);
  auto& entry = found->second;
  const bool waited = !is_new && waits(entry.row);
  const bool same_place = waited && waits(row) && entry.row.team == row.team
                          && entry.row.waiting_since == row.waiting_since;
  const auto loaded_before = is_new || waits(entry.row) ? account_id{} : entry.row.assignee;
  const auto loaded_after = waits(row) ? account_id{} : row.assignee;
  if (!same_place) {
    if (waited)
      leave_queue(entry);
    if (entry.given)
      release(entry);
    held_.erase(row.conversation);
  }
  entry.row = row;
  if (!same_place && waits(row)) {
    auto& queue = teams_[row.team];
    queue.waiting.insert(place_of(row));
    queue.ready.insert(place_of(row));
    queue.front_stale = true;
  }
  if (waited && !waits(row) && std::exchange(entry.told, 0) != 0)
    effects.push_back(position_changed{row.conversation, row.visitor, 0});
  if (loaded_before != loaded_after) {
    change_load(loaded_before, -1, effects);
    change_load(loaded_after, +1, effects);
  }
}

void routing_desk::remove(const conversation_id& conversation, routing_effects& effects) {
  const auto found = rows_.find(conversation);
  if (found == rows_.end())
    return;
  auto& entry = found->second;
  if (waits(entry.row)) {
    leave_queue(entry);
    if (entry.told != 0)
      effects.push_back(position_changed{conversation, entry.row.visitor, 0});
  } else {
    change_load(entry.row.assignee, -1, effects);
  }
  if (entry.given)
    release(entry);
  held_.erase(conversation);
  rows_.erase(found);
}

void routing_desk::leave_queue(const desk_row& entry) {
  auto& queue = teams_[entry.row.team];
  queue.waiting.erase(place_of(entry.row));
  queue.ready.erase(place_of(entry.row));
  queue.front_stale = true;
}

/// Ends an in-flight assignment without deciding what comes next for the row.
void routing_desk::release(desk_row& entry) {
  if (auto agent = agents_.find(entry.given); agent != agents_.end())
    --agent->second.coming;
  given_.erase(entry.row.conversation);
  entry.given = {};
  entry.given_until = 0;
}

void routing_desk::make_ready(const conversation_id& conversation) {
  const auto found = rows_.find(conversation);
  if (found == rows_.end() || !waits(found->second.row) || found->second.given)
    return;
  teams_[found->second.row.team].ready.insert(place_of(found->second.row));
}

void routing_desk::change_load(const account_id& account, int by, routing_effects& effects) {
  const auto agent = agents_.find(account);
  if (!account || agent == agents_.end())
    return;
  agent->second.load += static_cast<std::uint32_t>(by);
  effects.push_back(agent_load_changed{account, agent->second.load});
}

bool routing_desk::better(const agents::value_type& left, const agents::value_type& right) {
  const auto& [left_id, a] = left;
  const auto& [right_id, b] = right;
  // load/capacity of both, without a division
  const auto left_load = std::uint64_t{a.load + a.coming} * b.capacity;
  const auto right_load = std::uint64_t{b.load + b.coming} * a.capacity;
  if (left_load != right_load)
    return left_load < right_load;
  if (a.last_turn != b.last_turn)
    return a.last_turn < b.last_turn;
  return left_id < right_id;
}

routing_desk::agents::iterator routing_desk::choose_agent(const team_id& team) {
  auto best = agents_.end();
  for (auto candidate = agents_.begin(); candidate != agents_.end(); ++candidate) {
    const auto& agent = candidate->second;
    if (agent.presence != presence_state::online || agent.load + agent.coming >= agent.capacity)
      continue;
    if (team && agent.team != team)
      continue;
    if (best == agents_.end() || better(*candidate, *best))
      best = candidate;
  }
  return best;
}

void routing_desk::assign_waiting(routing_effects& effects) {
  if (!loaded_)
    return;
  // Teams that cannot be served any more in this turn: an assignment only ever takes room away.
  std::set<team_id> closed;
  for (;;) {
    const std::pair<const team_id, team_queue>* oldest = nullptr;
    auto agent = agents_.end();
    for (const auto& team : teams_) {
      if (team.second.ready.empty() || closed.contains(team.first))
        continue;
      if (oldest != nullptr && *oldest->second.ready.begin() < *team.second.ready.begin())
        continue;
      const auto candidate = choose_agent(team.first);
      if (candidate == agents_.end()) {
        closed.insert(team.first);
        continue;
      }
      oldest = &team;
      agent = candidate;
    }
    if (oldest == nullptr)
      return;
    give(oldest->second.ready.begin()->second, agent, effects);
  }
}

void routing_desk::give(conversation_id conversation, agents::iterator agent,
                        routing_effects& effects) {
  auto& entry = rows_.at(conversation);
  teams_[entry.row.team].ready.erase(place_of(entry.row));
  entry.given = agent->first;
  given_.insert(conversation);
  ++agent->second.coming;
  agent->second.last_turn = ++turns_;
  effects.push_back(
    assign_to{conversation, agent->first, agent->second.profile, agent->second.team, fence_});
}

void routing_desk::tell_positions(const team_queue& queue, std::size_t count,
                                  routing_effects& effects) {
  std::uint32_t position = 0;
  for (const auto& [since, id] : queue.waiting) {
    if (position == count)
      break;
    ++position;
    auto& entry = rows_.at(id);
    if (entry.told != 0 && step_of(entry.told) == step_of(position))
      continue;
    entry.told = position;
    effects.push_back(position_changed{id, entry.row.visitor, position});
  }
}

/// What every event ends with: hand out what can be handed out, then tell those near the front
/// where they stand.
void routing_desk::finish(routing_effects& effects) {
  assign_waiting(effects);
  for (auto& [team, queue] : teams_) {
    if (!std::exchange(queue.front_stale, false))
      continue;
    tell_positions(queue, exact_positions, effects);
    queue.tail_stale = queue.tail_stale || queue.waiting.size() > exact_positions;
  }
}

} // namespace frontdesk::domain
