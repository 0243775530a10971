#include "domain/delivery.hpp"

#include <algorithm>
#include <utility>

namespace frontdesk::domain {

namespace {

/// What a refusal for now without a time means.
constexpr std::uint32_t retry_after_ms_standard = 1000;

} // namespace

bool worth_retrying(errc code) {
  switch (code) {
  case errc::rate_limited:
  case errc::too_many_in_flight:
  case errc::overloaded:
  case errc::storage_full:
  case errc::storage_failed:
  case errc::draining:
  case errc::unavailable:
  case errc::timeout:
    return true;
  default:
    return false;
  }
}

delivery::delivery(const delivery_bounds& bounds, conversation_id conversation, opening_key opening,
                   client_id client)
  : bounds_(bounds) {
  state_.conversation = conversation;
  state_.opening = opening;
  state_.client = client;
}

delivery::delivery(const delivery_bounds& bounds, delivery_state state)
  : bounds_(bounds), state_(std::move(state)) {
  take_back(0);
}

result<message_handle> delivery::enqueue(command_body body, delivery_effects& effects) {
  if (state_.queue.size() + state_.asked.size() >= bounds_.queue_max)
    return error{errc::too_many_in_flight, "too many messages wait to be sent"};
  outgoing_message message;
  message.handle = ++state_.last_handle;
  message.number = state_.client ? ++state_.last_number : 0;
  message.body = std::move(body);
  state_.queue.push_back(std::move(message));
  pump(effects);
  return state_.last_handle;
}

delivery_effects delivery::on(const link_up& event) {
  delivery_effects effects;
  if (event.window != 0)
    bounds_.window = event.window;
  up_ = true;
  paused_ = false;
  if (!state_.client)
    effects.push_back(need_client_id{});
  take_back(0);
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const link_down& /*event*/) {
  up_ = false;
  return {};
}

delivery_effects delivery::on(const acknowledge& event) {
  delivery_effects effects;
  if (!concerns(event.conversation, event.opening))
    return effects;
  if (!state_.conversation)
    state_.conversation = event.conversation;
  settle(event.key, event.seq, event.visible_seq, event.time, effects);
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const event_push& event) {
  delivery_effects effects;
  if (event.client.seq == 0)
    return effects;
  if (!state_.conversation && event.client.client == state_.client)
    state_.conversation = event.conversation; // the ack that would have told it was lost
  if (event.conversation != state_.conversation)
    return effects;
  settle(event.client, event.seq, event.visible_seq, event.time, effects);
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const refuse& event) {
  delivery_effects effects;
  if (!concerns(event.conversation, event.opening) || event.key.client != state_.client)
    return effects;
  const auto found = std::ranges::find(state_.queue, event.key.seq, &outgoing_message::number);
  if (found == state_.queue.end() || found->confirmed)
    return effects;
  const auto index = static_cast<std::size_t>(found - state_.queue.begin());
  const bool known_before = state_.confirmed != 0 || accepted_there_ != 0;
  if (event.reason.code == errc::client_unknown && known_before) {
    forget_client(effects);
  } else if (event.reason.code == errc::client_unknown) {
    // Not on record because its first command is not stored: that was refused, or lost with the
    // server's memory. The first open one begins anew, which the server never calls unknown.
    if (resent_after_ == 0)
      return effects;
    take_back(0);
    resent_after_ = 0;
  } else if (event.retry_after_ms != 0 || worth_retrying(event.reason.code)) {
    // What was sent behind it is out of order now; all of it goes again together.
    take_back(index);
    if (!paused_) {
      paused_ = true;
      effects.push_back(
        retry_later{event.retry_after_ms != 0 ? event.retry_after_ms : retry_after_ms_standard});
    }
  } else {
    const auto before = previous_of(index);
    rejected_.push_back({found->handle, event.key});
    if (rejected_.size() > bounds_.window)
      rejected_.pop_front();
    effects.push_back(message_rejected{found->handle, event.key, event.reason});
    state_.queue.erase(found);
    take_back(index);
    resent_after_ = before;
    drop_confirmed();
  }
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const gap& event) {
  delivery_effects effects;
  if (!concerns(event.conversation, event.opening) || event.key.client != state_.client)
    return effects;
  const bool open = std::ranges::any_of(state_.queue, [&](const auto& message) {
    return message.number == event.key.seq && !message.confirmed;
  });
  if (!open || event.last < state_.confirmed || resent_after_ == event.last)
    return effects;
  if (event.last > state_.last_number) {
    // Somebody else has numbered under this client id, such as a copy of the same browser profile.
    forget_client(effects);
  } else {
    // A number that was given up here but accepted there, from an older copy, counts as long as the
    // server says so: it is not stored yet, and a crash may still lose it.
    const bool queued = std::ranges::find(state_.queue, event.last, &outgoing_message::number)
                        != state_.queue.end();
    accepted_there_ = queued ? 0 : event.last;
    take_back(0);
    resent_after_ = event.last;
  }
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const resync& event) {
  // Who has not learned its conversation's id yet cannot tell, and sending again does no harm.
  if (event.conversation && state_.conversation && event.conversation != state_.conversation)
    return {};
  return on(answer_overdue{});
}

delivery_effects delivery::on(const retry_due& /*event*/) {
  delivery_effects effects;
  paused_ = false;
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const answer_overdue& /*event*/) {
  delivery_effects effects;
  take_back(0);
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const store_replaced& /*event*/) {
  delivery_effects effects;
  if (state_.client)
    forget_client(effects);
  return effects;
}

delivery_effects delivery::on(const client_id_made& event) {
  delivery_effects effects;
  if (state_.client || !event.client)
    return effects;
  state_.client = event.client;
  state_.last_number = 0;
  state_.confirmed = 0;
  for (auto& message : state_.queue)
    message.number = ++state_.last_number;
  pump(effects);
  return effects;
}

delivery_effects delivery::on(const person_answered& event) {
  delivery_effects effects;
  const auto found = std::ranges::find(state_.asked, event.handle, &asked_message::handle);
  if (found == state_.asked.end())
    return effects;
  if (event.send_again) {
    outgoing_message message;
    message.handle = found->handle;
    message.number = state_.client ? ++state_.last_number : 0;
    message.body = std::move(found->body);
    state_.queue.push_back(std::move(message));
  }
  state_.asked.erase(found);
  pump(effects);
  return effects;
}

bool delivery::concerns(const conversation_id& conversation, const opening_key& opening) const {
  if (state_.conversation && conversation == state_.conversation)
    return true;
  return state_.opening && opening == state_.opening;
}

/// The newest number below this message's that was not refused.
std::uint64_t delivery::previous_of(std::size_t index) const {
  const auto own = index == 0 ? state_.confirmed : state_.queue[index - 1].number;
  return accepted_there_ < state_.queue[index].number ? std::max(own, accepted_there_) : own;
}

void delivery::settle(const client_key& key, message_seq seq, message_seq visible_seq, unix_ms time,
                      delivery_effects& effects) {
  if (key.client != state_.client || !state_.client) {
    // A late answer to a client id that has been given up: the question to the person is settled.
    const auto asked = std::ranges::find(state_.asked, key, &asked_message::key);
    if (asked == state_.asked.end())
      return;
    effects.push_back(message_confirmed{asked->handle, key, seq, visible_seq, time});
    state_.asked.erase(asked);
    return;
  }
  const auto found = std::ranges::find(state_.queue, key.seq, &outgoing_message::number);
  if (found == state_.queue.end()) {
    // Without a position it only says that the number is used up.
    if (seq != 0 || visible_seq != 0)
      confirm_rejected(key, seq, visible_seq, time, effects);
    return;
  }
  if (found->confirmed || !found->ever_sent)
    return;
  found->confirmed = true;
  found->body = {};
  effects.push_back(message_confirmed{found->handle, key, seq, visible_seq, time});
  if (resent_after_ && key.seq > *resent_after_)
    resent_after_.reset();
  drop_confirmed();
}

/// An older copy of a refused command has been stored after all: its number counts again.
void delivery::confirm_rejected(const client_key& key, message_seq seq, message_seq visible_seq,
                                unix_ms time, delivery_effects& effects) {
  const auto rejected = std::ranges::find(rejected_, key, &rejected_message::key);
  if (rejected != rejected_.end()) {
    effects.push_back(message_confirmed{rejected->handle, key, seq, visible_seq, time});
    rejected_.erase(rejected);
  }
  if (key.seq <= state_.confirmed || key.seq > state_.last_number)
    return;
  outgoing_message known;
  known.number = key.seq;
  known.ever_sent = true;
  known.confirmed = true;
  state_.queue.insert(
    std::ranges::upper_bound(state_.queue, key.seq, {}, &outgoing_message::number),
    std::move(known));
  drop_confirmed();
}

void delivery::forget_client(delivery_effects& effects) {
  ask_person question;
  std::deque<outgoing_message> unsent;
  for (auto& message : state_.queue) {
    if (message.confirmed)
      continue;
    if (message.ever_sent) {
      question.handles.push_back(message.handle);
      state_.asked.push_back(
        {message.handle, {state_.client, message.number}, std::move(message.body)});
    } else {
      message.number = 0;
      unsent.push_back(std::move(message));
    }
  }
  state_.queue = std::move(unsent);
  state_.client = {};
  state_.last_number = 0;
  state_.confirmed = 0;
  accepted_there_ = 0;
  rejected_.clear();
  resent_after_.reset();
  if (!question.handles.empty())
    effects.push_back(std::move(question));
  effects.push_back(need_client_id{});
}

void delivery::drop_confirmed() {
  while (!state_.queue.empty() && state_.queue.front().confirmed) {
    state_.confirmed = state_.queue.front().number;
    state_.queue.pop_front();
  }
}

/// Everything from here on goes again, and a gap tells something new again.
void delivery::take_back(std::size_t from) {
  for (auto i = from; i < state_.queue.size(); ++i)
    state_.queue[i].sent = false;
  resent_after_.reset();
}

void delivery::pump(delivery_effects& effects) {
  if (!up_ || paused_ || !state_.client)
    return;
  std::size_t on_the_way = 0;
  for (std::size_t i = 0; i < state_.queue.size() && on_the_way < bounds_.window; ++i) {
    auto& message = state_.queue[i];
    if (message.confirmed)
      continue;
    ++on_the_way;
    if (message.sent)
      continue;
    message.sent = true;
    message.ever_sent = true;
    command what;
    what.conversation = state_.conversation;
    if (!state_.conversation)
      what.opening = state_.opening;
    what.key = {state_.client, message.number};
    what.previous = previous_of(i);
    what.body = message.body;
    effects.push_back(send_command{std::move(what)});
  }
}

} // namespace frontdesk::domain
