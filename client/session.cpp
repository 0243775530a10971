#include "client/session.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace frontdesk::client {

using domain::conversation_id;
using domain::delivery_effects;
using domain::message_seq;

namespace {

constexpr std::uint64_t greeting_ms_max = 15000;
constexpr std::uint32_t heartbeat_ms_standard = 30000;
/// Links that have been silent for so many heartbeats, pings unanswered, are dead.
constexpr std::uint64_t silent_heartbeats_max = 2;
constexpr std::size_t ahead_max = 4096;

void send(effects& out, domain::client_frame frame) {
  out.emplace_back(send_frame{std::move(frame)});
}

bool to_be_noted(const domain::server_frame& frame) {
  // Events are told of when they are the next one; these two only concern outbox and cursor.
  return !std::holds_alternative<domain::event_push>(frame)
         && !std::holds_alternative<domain::pong>(frame)
         && !std::holds_alternative<domain::gap>(frame);
}

} // namespace

session::session(session_options options, session_state state)
  : options_(std::move(options)), state_(std::move(state)) {
  for (auto& each : std::exchange(state_.conversations, {})) {
    auto& made = add(domain::delivery{{}, std::move(each.outbox)});
    made.cursor = each.cursor;
    made.followed = bool{made.outbox.state().conversation};
  }
}

session::thread* session::find(const conversation_id& conversation) {
  const auto found = std::ranges::find_if(
    threads_, [&](const thread& each) { return each.outbox.state().conversation == conversation; });
  return found == threads_.end() ? nullptr : &*found;
}

const session::thread* session::find(const conversation_id& conversation) const {
  return const_cast<session*>(this)->find(conversation);
}

session::thread& session::add(domain::delivery outbox) {
  threads_.push_back(thread{++last_thread_, std::move(outbox)});
  return threads_.back();
}

session::thread& session::add(const conversation_id& conversation) {
  auto client = domain::id_cast<domain::client_id>(options_.random_id());
  auto& made = add(domain::delivery{{}, conversation, {}, client});
  if (online_)
    // An empty outbox has nothing to say to this but its window.
    static_cast<void>(made.outbox.on(domain::link_up{welcome_.in_flight_max}));
  return made;
}

bool session::idle() const {
  return std::ranges::all_of(threads_, [](const thread& each) { return each.outbox.idle(); });
}

session_state session::state() const {
  auto all = state_;
  for (const auto& each : threads_)
    all.conversations.push_back({each.outbox.state(), each.cursor});
  return all;
}

conversation_id session::current() const {
  // The newest: ids of a visitor's conversations ascend with time.
  conversation_id newest;
  for (const auto& each : threads_)
    newest = std::max(newest, each.outbox.state().conversation);
  return newest;
}

bool session::follows(const conversation_id& conversation) const {
  const auto* found = find(conversation);
  return found && found->followed;
}

message_seq session::cursor(const conversation_id& conversation) const {
  const auto* found = find(conversation);
  return found ? found->cursor : 0;
}

// -- link
// ------------------------------------------------------------------------------------------------

effects session::greet() {
  effects out;
  domain::hello greeting;
  greeting.token = state_.token;
  if (!options_.staff)
    greeting.inbox_key = options_.inbox_key;
  greeting.name = options_.staff ? std::string{} : options_.name;
  for (auto& each : threads_) {
    each.asked_again = false;
    each.in_hello = each.followed && !from_anywhere(each);
    if (each.in_hello)
      greeting.cursors.push_back({each.outbox.state().conversation, each.cursor});
  }
  greeting.store_incarnation = greeting.cursors.empty() ? 0 : state_.store_incarnation;
  send(out, std::move(greeting));
  return out;
}

effects session::link_opened(std::uint64_t now_ms) {
  linked_ = true;
  heard_ms_ = spoke_ms_ = now_ms;
  return greet();
}

effects session::link_closed() {
  linked_ = false;
  online_ = false;
  effects out;
  for (auto& each : threads_) {
    each.overdue_since_ms = 0;
    perform(each, each.outbox.on(domain::link_down{}), out);
  }
  return out;
}

effects session::tick(std::uint64_t now_ms) {
  effects out;
  if (!linked_)
    return out;
  if (!online_) {
    if (now_ms - heard_ms_ > greeting_ms_max)
      out.emplace_back(drop_link{"no welcome"});
    return out;
  }
  const std::uint64_t heartbeat
    = welcome_.heartbeat_ms != 0 ? welcome_.heartbeat_ms : heartbeat_ms_standard;
  if (now_ms - heard_ms_ > silent_heartbeats_max * heartbeat) {
    out.emplace_back(drop_link{"the node is silent"});
    return out;
  }
  if (now_ms - heard_ms_ >= heartbeat / 2 && now_ms - spoke_ms_ >= heartbeat / 2) {
    spoke_ms_ = now_ms;
    send(out, domain::ping{now_ms});
  }
  for (auto& each : threads_) {
    const auto& queue = each.outbox.state().queue;
    const bool waits = std::ranges::any_of(
      queue, [](const auto& message) { return message.sent && !message.confirmed; });
    if (!waits) {
      each.overdue_since_ms = 0;
    } else if (each.overdue_since_ms == 0) {
      each.overdue_since_ms = now_ms;
    } else if (now_ms - each.overdue_since_ms >= options_.silence_ms_max) {
      each.overdue_since_ms = now_ms;
      perform(each, each.outbox.on(domain::answer_overdue{}), out);
    }
  }
  return out;
}

effects session::retry_due(std::uint64_t outbox) {
  effects out;
  for (auto& each : threads_)
    if (each.number == outbox)
      perform(each, each.outbox.on(domain::retry_due{}), out);
  return out;
}

effects session::answer(std::uint64_t outbox, domain::message_handle handle, bool send_again) {
  effects out;
  for (auto& each : threads_)
    if (each.number == outbox)
      perform(each, each.outbox.on(domain::person_answered{handle, send_again}), out);
  return out;
}

// -- what the participant does
// ------------------------------------------------------------------------------------------------

domain::result<void> session::enqueue(const conversation_id& conversation,
                                      domain::command_body body, effects& out) {
  auto* in = find(conversation ? conversation : current());
  if (!in && conversation)
    in = &add(conversation);
  if (!in) {
    if (options_.staff)
      return domain::error{domain::errc::bad_request, "name a conversation", "conversation"};
    in = &add(domain::delivery{{},
                               {},
                               domain::id_cast<domain::opening_key>(options_.random_id()),
                               domain::id_cast<domain::client_id>(options_.random_id())});
    if (online_)
      perform(*in, in->outbox.on(domain::link_up{welcome_.in_flight_max}), out);
  }
  delivery_effects made;
  auto handle = in->outbox.enqueue(std::move(body), made);
  perform(*in, std::move(made), out);
  if (!handle)
    return handle.failure();
  return {};
}

/// Nothing of it has been seen, and it need not be seen from its beginning: a newest page will do.
bool session::from_anywhere(const thread& in) {
  return in.cursor == 0 && !in.outbox.state().opening;
}

effects session::follow(const conversation_id& conversation) {
  effects out;
  auto* in = find(conversation);
  if (!in)
    in = &add(conversation);
  subscribe(*in, out);
  return out;
}

effects session::unfollow(const conversation_id& conversation) {
  effects out;
  if (auto* in = find(conversation))
    in->followed = false;
  if (online_)
    send(out, domain::unsubscribe{conversation});
  return out;
}

void session::subscribe(thread& in, effects& out) {
  in.followed = true;
  in.open_end = from_anywhere(in);
  if (!online_)
    return; // the welcome is waited for
  domain::subscribe frame{in.outbox.state().conversation, std::nullopt};
  if (!in.open_end)
    frame.after = in.cursor;
  send(out, frame);
}

void session::perform(thread& in, delivery_effects what, effects& out) {
  const auto conversation = [&] { return in.outbox.state().conversation; };
  for (auto& each : what)
    std::visit(
      [&](auto& one) {
        using kind = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<kind, domain::send_command>)
          send(out, std::move(one.what));
        else if constexpr (std::is_same_v<kind, domain::message_confirmed>)
          out.emplace_back(confirmed{conversation(), one.key, one.seq, one.visible_seq});
        else if constexpr (std::is_same_v<kind, domain::message_rejected>)
          out.emplace_back(rejected{conversation(), one.key, std::move(one.reason)});
        else if constexpr (std::is_same_v<kind, domain::ask_person>)
          out.emplace_back(unconfirmed{in.number, std::move(one.handles)});
        else if constexpr (std::is_same_v<kind, domain::retry_later>)
          out.emplace_back(retry_at{in.number, one.after_ms});
        else // need_client_id
          perform(in,
                  in.outbox.on(domain::client_id_made{
                    domain::id_cast<domain::client_id>(options_.random_id())}),
                  out);
      },
      each);
}

// -- frames
// ------------------------------------------------------------------------------------------------

effects session::received(domain::server_frame frame, std::uint64_t now_ms) {
  effects out;
  heard_ms_ = now_ms;
  std::visit([&](auto& one) { on(one, out); }, frame);
  if (to_be_noted(frame))
    out.emplace_back(frame_noted{std::move(frame)});
  return out;
}

void session::on(domain::welcome& frame, effects& out) {
  const bool replaced
    = state_.store_incarnation != 0 && state_.store_incarnation != frame.store_incarnation;
  if (!frame.token.empty())
    state_.token = frame.token;
  state_.store_incarnation = frame.store_incarnation;
  welcome_ = frame;
  online_ = true;
  for (auto& each : threads_) {
    if (replaced)
      perform(each, each.outbox.on(domain::store_replaced{}), out);
    each.overdue_since_ms = 0;
    perform(each, each.outbox.on(domain::link_up{frame.in_flight_max}), out);
  }
  // What a cursor cannot name, and what was wanted while the hello was on its way.
  for (auto& each : threads_)
    if (each.followed && !each.in_hello)
      subscribe(each, out);
  // A visitor whose state was lost, or who has opened one elsewhere, goes on in the newest.
  if (!options_.staff && !frame.conversations.empty() && !find(frame.conversations.front()))
    subscribe(add(frame.conversations.front()), out);
}

void session::on(const domain::acknowledge& frame, effects& out) {
  for (auto& each : threads_) {
    const bool opener = !each.outbox.state().conversation && each.outbox.state().opening
                        && each.outbox.state().opening == frame.opening;
    if (!opener && each.outbox.state().conversation != frame.conversation)
      continue;
    heard(each);
    perform(each, each.outbox.on(frame), out);
    // Only an own number is filled by its acknowledgement: another client's comes as an event too.
    if (frame.key.client == each.outbox.state().client)
      see(each, options_.staff ? frame.seq : frame.visible_seq);
    // The node has subscribed us already, but what it sent before the id was known has been let go.
    if (opener)
      subscribe(each, out);
  }
}

void session::on(const domain::refuse& frame, effects& out) {
  for (auto& each : threads_) {
    heard(each);
    perform(each, each.outbox.on(frame), out);
  }
}

void session::on(const domain::gap& frame, effects& out) {
  for (auto& each : threads_) {
    heard(each);
    perform(each, each.outbox.on(frame), out);
  }
}

void session::on(domain::event_push& frame, effects& out) {
  auto* in = find(frame.conversation);
  if (!in)
    return; // of a conversation that has been left, or of an opening: see acknowledge
  heard(*in);
  perform(*in, in->outbox.on(frame), out);
  const auto number = options_.staff ? frame.seq : frame.visible_seq;
  if (std::exchange(in->open_end, false) && in->cursor < number)
    in->cursor = number - 1;
  if (number <= in->cursor || in->ahead.contains(number))
    return; // seen before
  const bool next = number == in->cursor + 1;
  if (!next) {
    // Some of the missing ones may be ours and on their way as acknowledgements, but an
    // acknowledgement comes before the event that follows it.
    out.emplace_back(hole_found{frame.conversation, in->cursor, number});
    if (!std::exchange(in->asked_again, true))
      subscribe(*in, out);
    return;
  }
  in->asked_again = false;
  see(*in, number);
  out.emplace_back(event_seen{std::move(frame)});
}

void session::see(thread& in, message_seq number) {
  if (number <= in.cursor)
    return;
  // Followed without a cursor: what is acknowledged comes after the page that is on its way.
  if (in.ahead.size() < ahead_max)
    in.ahead.insert(number);
  while (!in.ahead.empty() && *in.ahead.begin() <= in.cursor + 1) {
    in.cursor = std::max(in.cursor, *in.ahead.begin());
    in.ahead.erase(in.ahead.begin());
  }
}

void session::on(const domain::subscribed& frame, effects& /*out*/) {
  auto* in = find(frame.conversation);
  if (!in) {
    // Perhaps what is being opened here: the acknowledgement tells, and asks for the events again.
    for (const auto& each : threads_)
      if (!each.outbox.state().conversation)
        return;
    in = &add(frame.conversation);
  }
  const bool by_node = !std::exchange(in->followed, true);
  in->asked_again = false;
  if (frame.reset) {
    in->cursor = 0;
    in->ahead.clear();
  }
  if (frame.reset || (by_node && in->cursor == 0))
    in->open_end = true;
}

void session::on(const domain::resync& frame, effects& out) {
  if (!frame.conversation) {
    online_ = false;
    for (auto& each : threads_)
      perform(each, each.outbox.on(domain::link_down{}), out);
    for (auto& each : greet())
      out.push_back(std::move(each));
    return;
  }
  if (auto* in = find(frame.conversation)) {
    subscribe(*in, out);
    perform(*in, in->outbox.on(frame), out);
  }
}

} // namespace frontdesk::client
