#include "actors/audience.hpp"

#include "proto/codec.hpp"

#include <algorithm>

namespace frontdesk::actors {

using domain::message_seq;

void outbox::add(const connection_ref& to, const domain::server_frame& frame) {
  add(to, std::make_shared<const std::string>(proto::encode(frame, domain::wire_form::proto)));
}

audience::member* audience::find(const connection_ref& from) {
  auto found = std::find_if(members_.begin(), members_.end(),
                            [&](const member& one) { return one.from == from; });
  return found == members_.end() ? nullptr : &*found;
}

void audience::add(const domain::actor_identity& who, const connection_ref& from,
                   std::optional<message_seq> after, message_seq current, resync_guard guard) {
  remove(from);
  member made;
  made.who = who;
  made.from = from;
  made.guard = std::move(guard);
  made.sent = after.value_or(0);
  made.live = after ? *after == current : current == 0;
  made.round = ++last_round_;
  members_.push_back(std::move(made));
  if (!members_.back().live)
    read_(from, who.staff, last_round_, !after, after.value_or(0));
}

void audience::restore(parked_subscriber back, message_seq current, resync_guard guard) {
  members_.push_back(
    {std::move(back.who), back.from, true, ++last_round_, current, {}, std::move(guard)});
}

bool audience::remove(const connection_ref& from) {
  auto* one = find(from);
  if (!one)
    return false;
  one->guard.disarm();
  if (one != &members_.back())
    *one = std::move(members_.back());
  members_.pop_back();
  return true;
}

void audience::replayed(const replay_read& chunk, message_seq current_seq,
                        message_seq current_visible, outbox& out) {
  auto* one = find(chunk.to);
  if (!one || one->round != chunk.round || one->live)
    return; // gone or started over meanwhile
  if (chunk.failure) {
    out.add(chunk.to, domain::problem{*chunk.failure, 0, false, 0});
    remove(chunk.to);
    return;
  }
  for (const auto& push : chunk.pushes)
    out.add(one->from, push);
  if (!chunk.pushes.empty())
    one->sent = chunk.last;
  auto current = one->who.staff ? current_seq : current_visible;
  // What was shown while the read ran is held here; the store may have had it already.
  bool complete = chunk.pushes.empty() || one->sent >= current
                  || (!one->held.empty() && one->held.front().first <= one->sent + 1);
  if (!complete)
    return read_(one->from, one->who.staff, one->round, false, one->sent);
  for (auto& [number, push] : one->held)
    if (number > one->sent) {
      one->sent = number;
      out.add(one->from, std::move(push));
    }
  one->held = {};
  one->live = true;
}

void audience::show(const shown_event& event, const std::optional<connection_ref>& except,
                    outbox& out) {
  frame_bytes staff;
  frame_bytes visitors;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    auto& one = members_[i];
    if (!one.who.staff && event.hidden)
      continue;
    auto number = one.who.staff ? event.seq : event.visible_seq;
    if (number <= one.sent)
      continue; // a replay was faster
    bool has_ack = except && one.from == *except;
    if (has_ack && one.live) {
      one.sent = number;
      continue;
    }
    auto& frame = one.who.staff ? staff : visitors;
    if (!frame)
      frame = one.who.staff ? event.for_staff() : event.for_visitors();
    if (one.live) {
      one.sent = number;
      out.add(one.from, frame);
    } else if (one.held.size() < held_max) {
      one.held.emplace_back(number, frame);
    } else {
      // Its guard, still armed, says resync.
      if (i + 1 != members_.size())
        std::swap(one, members_.back());
      members_.pop_back();
      --i;
    }
  }
}

bool audience::settled() const {
  return std::all_of(members_.begin(), members_.end(), [](const member& one) { return one.live; });
}

std::vector<parked_subscriber> audience::release() {
  std::vector<parked_subscriber> all;
  all.reserve(members_.size());
  for (auto& one : members_) {
    one.guard.disarm();
    all.push_back({std::move(one.who), one.from});
  }
  members_.clear();
  return all;
}

} // namespace frontdesk::actors
