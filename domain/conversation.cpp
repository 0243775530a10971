#include "domain/conversation.hpp"

#include "domain/text.hpp"

#include <algorithm>
#include <utility>

namespace frontdesk::domain {

namespace {

constexpr std::size_t excerpt_bytes_max = 120;

/// Copies of one pending command that are remembered for their answers.
constexpr std::size_t copies_max = 16;

/// A newer copy of a pending command has come. The oldest one beyond the bound is told to try
/// again.
void add_copy(reply_token& newest, std::vector<reply_token>& older, reply_token now,
              const client_key& key, conversation_effects& effects) {
  older.push_back(std::exchange(newest, now));
  if (older.size() < copies_max)
    return;
  effects.push_back(
    refused{older.front(), key, {errc::too_many_in_flight, "this command is sent too often"}});
  older.erase(older.begin());
}

public_profile profile_of(const actor_identity& who) {
  return {who.who.kind, who.name};
}

event_header header_of(event_kind kind, const participant& author, unix_ms time) {
  event_header header;
  header.kind = kind;
  header.time = time;
  header.author = author;
  return header;
}

new_event text_event(event_kind kind, const commanded& event, text_content content) {
  new_event made;
  made.header = header_of(kind, event.from.who, event.time);
  if (kind == event_kind::note) {
    made.header.hidden = true;
    made.staff = staff_part{std::move(content)};
  } else {
    made.open = public_part{profile_of(event.from), std::move(content)};
  }
  return made;
}

new_event assignment_event(const participant& author, const public_profile& by, unix_ms time,
                           const public_profile& to, const staff_assignment& details) {
  new_event made;
  made.header = header_of(event_kind::assignment, author, time);
  made.open = public_part{by, assignment_content{to}};
  made.staff = staff_part{details};
  return made;
}

new_event status_event(const commanded& event, conversation_status status) {
  new_event made;
  made.header = header_of(event_kind::status, event.from.who, event.time);
  made.open = public_part{profile_of(event.from), status_content{status}};
  return made;
}

bool changes_state(event_kind kind) {
  return kind == event_kind::assignment || kind == event_kind::status;
}

/// One rule for living machines and for replay: a client's newest number, and at most `clients_max`
/// clients of which the one that has been silent for the most events leaves. Clocks can stand still
/// or go back; positions cannot.
void note_client(conversation_head& head, std::size_t clients_max, message_seq seq,
                 const event_header& header) {
  const auto same = [&](const client_record& known) {
    return known.client == header.client.client && known.who == header.author;
  };
  auto record = std::ranges::find_if(head.clients, same);
  if (record == head.clients.end()) {
    while (!head.clients.empty() && head.clients.size() >= clients_max)
      head.clients.erase(std::ranges::min_element(head.clients, {}, &client_record::last_seq));
    record
      = head.clients.insert(head.clients.end(), client_record{header.author, header.client.client});
  }
  record->last_client_seq = header.client.seq;
  record->last_seq = seq;
  record->last_visible_seq = header.visible_seq;
  record->last_use = header.time;
}

void fold_assignment(conversation_head& head, unix_ms time, const public_profile& to,
                     const staff_assignment& details) {
  head.fence = std::max(head.fence, details.fence);
  if (details.team)
    head.team = details.team;
  head.assignee = details.account;
  if (details.account) {
    head.assignee_profile = to;
    head.status = conversation_status::active;
    head.waiting_since = 0;
  } else {
    head.assignee_profile = {};
    // Who only moves to another queue has waited all along.
    if (head.status != conversation_status::waiting)
      head.waiting_since = time;
    head.status = conversation_status::waiting;
  }
}

void fold_status(conversation_head& head, unix_ms time, conversation_status status) {
  head.status = status;
  head.waiting_since = status == conversation_status::waiting ? time : 0;
  if (status == conversation_status::waiting) {
    head.assignee = {};
    head.assignee_profile = {};
  }
}

} // namespace

void fold(const limits& bounds, conversation_head& head, message_seq seq,
          const event_header& header, const std::optional<public_part>& open,
          const std::optional<staff_part>& staff) {
  head.seq = seq;
  head.visible_seq = header.visible_seq;
  head.last_activity = header.time;
  if (header.client.client && header.client.seq != 0)
    note_client(head, bounds.clients_per_conversation, seq, header);
  if (header.kind == event_kind::assignment) {
    const auto* to = open ? std::get_if<assignment_content>(&open->body) : nullptr;
    const auto* details = staff ? std::get_if<staff_assignment>(&staff->body) : nullptr;
    if (to != nullptr && details != nullptr)
      fold_assignment(head, header.time, to->to, *details);
  } else if (header.kind == event_kind::status) {
    const auto* to = open ? std::get_if<status_content>(&open->body) : nullptr;
    if (to != nullptr)
      fold_status(head, header.time, to->status);
  }
}

struct conversation::plan {
  std::vector<new_event> events{}; ///< without numbers; the last one is the command's own
  std::optional<new_parts> parts{};
  std::optional<read_target> read{}; ///< set: nothing can be decided before this is read
  bool recalls = false;
};

conversation::conversation(const limits& bounds, tenant_id tenant, conversation_id id,
                           conversation_head head, message_seq head_seq, std::string_view excerpt)
  : bounds_(bounds), tenant_(tenant), id_(id), head_(std::move(head)), stored_seq_(head_.seq),
    stored_visible_seq_(head_.visible_seq), head_written_seq_(head_seq),
    excerpt_(cut_utf8(excerpt, excerpt_bytes_max)) {}

conversation::conversation(const limits& bounds, const conversation_opened& opened)
  : bounds_(bounds), tenant_(opened.tenant), id_(opened.id), opening_(opened.opening),
    exists_(false) {
  head_.number = opened.number;
  head_.visitor = opened.visitor;
  head_.visitor_name = opened.visitor_name;
  head_.inbox = opened.inbox;
  head_.team = opened.team;
  head_.created = opened.time;
  head_.waiting_since = opened.time;
  head_.last_activity = opened.time;
}

// -- a command on its way in
// -------------------------------------------------------------------------------------

conversation_effects conversation::on(const commanded& event) {
  conversation_effects effects;
  admit(event, effects);
  return effects;
}

void conversation::admit(const commanded& event, conversation_effects& effects) {
  const auto& key = event.what.key;
  const auto refuse_as = [&](errc code, const char* message, const char* field) {
    effects.push_back(refused{event.reply, key, {code, message, field}});
  };
  if (!key.client)
    return refuse_as(errc::bad_request, "the command names no client", "client");
  if (key.seq == 0)
    return refuse_as(errc::bad_request, "numbers begin with 1", "client_seq");
  if (event.what.previous >= key.seq)
    return refuse_as(errc::bad_request, "the number before must be lower", "previous");

  const auto* known = find_client(event.from.who, key.client);
  if (known != nullptr && key.seq <= known->last_client_seq)
    return answer_known(event, *known, effects);

  auto* own = find_lane(event.from.who, key.client);
  if (own == nullptr || own->waiting.empty()) {
    // Not before run() has looked at the order: a full window is full of other commands than a late
    // one.
    if (run(event, nullptr, effects))
      return;
    auto& made = lane_of(event.from.who, key.client);
    made.waiting.push_back({event});
    made.asked = event.reply;
    return;
  }
  const auto same
    = [&](const waiting_command& other) { return other.event.what.key.seq == key.seq; };
  if (auto queued = std::ranges::find_if(own->waiting, same); queued != own->waiting.end()) {
    // The newest copy counts: it knows where its answer goes and what has been refused since.
    auto reply = queued->event.reply;
    add_copy(reply, queued->older_replies, event.reply, key, effects);
    queued->event = event;
    return;
  }
  if (own->in_flight + own->waiting.size() >= bounds_.in_flight_per_client)
    return refuse_as(errc::too_many_in_flight,
                     "more unacknowledged commands than the window allows", "");
  own->waiting.push_back({event});
}

void conversation::answer_known(const commanded& event, const client_record& known,
                                conversation_effects& effects) {
  const auto& key = event.what.key;
  if (key.seq == known.last_client_seq && known.last_seq <= stored_seq_) {
    effects.push_back(acked{event.reply, event.from.who, key, known.last_seq,
                            known.last_visible_seq, known.last_use});
    return;
  }
  if (answer_remembered(event, effects))
    return;
  if (recent_.size() == stored_seq_) { // everything is remembered: this number was refused once
    effects.push_back(acked{event.reply, event.from.who, key, 0, 0, 0});
    return;
  }
  ++look_ups_;
  effects.push_back(look_up{event.reply, event.from.who, key, stored_seq_ + 1});
}

bool conversation::answer_remembered(const commanded& event, conversation_effects& effects) {
  const auto& key = event.what.key;
  const auto same
    = [&](const auto& other) { return other.key == key && other.who == event.from.who; };
  if (auto entry = std::ranges::find_if(pending_, same); entry != pending_.end()) {
    add_copy(entry->reply, entry->older_replies, event.reply, key, effects); // its ack is coming
    return true;
  }
  const auto entry = std::ranges::find_if(recent_, same);
  if (entry == recent_.end())
    return false;
  const auto seq = stored_seq_ - static_cast<message_seq>(recent_.end() - entry) + 1;
  effects.push_back(acked{event.reply, event.from.who, key, seq, entry->visible_seq, entry->time});
  return true;
}

std::uint64_t conversation::newest_remembered(const participant& who,
                                              const client_id& client) const {
  const auto own = [&](const auto& other) {
    return other.key.client == client && other.key.seq != 0 && other.who == who;
  };
  if (auto entry = std::find_if(pending_.rbegin(), pending_.rend(), own); entry != pending_.rend())
    return entry->key.seq;
  const auto entry = std::find_if(recent_.rbegin(), recent_.rend(), own);
  return entry == recent_.rend() ? 0 : entry->key.seq;
}

void conversation::answer_forgotten(const commanded& event, const looked_up& newest,
                                    conversation_effects& effects) {
  const auto& key = event.what.key;
  const auto number = newest.number != 0 ? newest.number : key.seq;
  const auto [seq, visible_seq] = newest.position.value_or(std::pair<message_seq, message_seq>{});
  if (number == key.seq)
    effects.push_back(acked{event.reply, event.from.who, key, seq, visible_seq, newest.time});
  else if (number > key.seq)
    effects.push_back(acked{event.reply, event.from.who, key, 0, 0, 0});
  else
    effects.push_back(out_of_order{event.reply, key, number});
}

bool conversation::run(const commanded& event, const target_read* target,
                       conversation_effects& effects) {
  const auto& key = event.what.key;
  const auto refuse_with = [&](error reason) {
    effects.push_back(refused{event.reply, key, std::move(reason)});
    return true;
  };
  const auto* known = find_client(event.from.who, key.client);
  const auto* own = find_lane(event.from.who, key.client);
  if (known != nullptr) {
    if (key.seq <= known->last_client_seq) {
      answer_known(event, *known, effects);
      return true;
    }
    if (event.what.previous != known->last_client_seq) {
      effects.push_back(out_of_order{event.reply, key, known->last_client_seq});
      return true;
    }
  } else {
    // Once clients have been forgotten, this may be one of them, and this a copy that comes late.
    const bool may_be_forgotten = head_.clients.size() >= bounds_.clients_per_conversation;
    if (may_be_forgotten && answer_remembered(event, effects))
      return true;
    // `previous` 0 with a higher number: all numbers below were refused, so nothing of this client
    // is stored.
    if (event.what.previous != 0)
      return refuse_with(
        {errc::client_unknown, "this client is not on record: take a new client id"});
    if (may_be_forgotten && (own == nullptr || !own->looked_up)) {
      if (const auto newest = newest_remembered(event.from.who, key.client); newest != 0) {
        looked_up found{event.reply, event.from.who, key};
        found.number = newest;
        answer_forgotten(event, found, effects);
        return true;
      }
      if (recent_.size() != stored_seq_) {
        effects.push_back(look_up{event.reply, event.from.who, key, stored_seq_ + 1, true});
        return false;
      }
    }
  }
  if (own != nullptr && own->in_flight >= bounds_.in_flight_per_client)
    return refuse_with(
      {errc::too_many_in_flight, "more unacknowledged commands than the window allows"});

  auto decision = decide(event, target);
  if (!decision)
    return refuse_with(decision.failure());
  if (decision->read) {
    effects.push_back(*std::move(decision->read));
    return false;
  }
  // The last number is kept for `resolve`, so that no conversation stays open for ever.
  const auto last = std::holds_alternative<resolve>(event.what.body) ? conversation_events_max
                                                                     : conversation_events_max - 1;
  if (head_.seq + decision->events.size() > last)
    return refuse_with({errc::numbers_exhausted, "this conversation is full: open a new one"});
  append(*std::move(decision), &event, effects);
  return true;
}

conversation_effects conversation::on(const target_read& event) {
  conversation_effects effects;
  const auto& key = event.waiting.what.key;
  const auto* own = find_lane(event.waiting.from.who, key.client);
  if (own != nullptr && !own->waiting.empty() && own->waiting.front().event.what.key == key)
    go_on(event.waiting.from.who, key.client, &event, effects);
  return effects;
}

conversation_effects conversation::on(const looked_up& event) {
  conversation_effects effects;
  auto* own = find_lane(event.who, event.key.client);
  const bool of_lane = own != nullptr && !own->waiting.empty() && own->asked == event.reply
                       && own->waiting.front().event.what.key == event.key;
  if (!of_lane) {
    look_ups_ -= std::min<std::size_t>(look_ups_, 1);
    const auto [seq, visible_seq] = event.position.value_or(std::pair<message_seq, message_seq>{});
    effects.push_back(acked{event.reply, event.who, event.key, seq, visible_seq, event.time});
    return effects;
  }
  if (event.position) {
    const auto& command = own->waiting.front();
    answer_forgotten(command.event, event, effects);
    answer_older(command, 0, effects);
    own->waiting.erase(own->waiting.begin());
  } else {
    own->looked_up = true;
  }
  go_on(event.who, event.key.client, nullptr, effects);
  return effects;
}

void conversation::go_on(const participant& who, const client_id& client, const target_read* target,
                         conversation_effects& effects) {
  for (auto* own = find_lane(who, client); own != nullptr && !own->waiting.empty();
       own = find_lane(who, client)) {
    const auto command = own->waiting.front(); // a copy: run() may make lanes
    const auto first = effects.size();
    if (!run(command.event, std::exchange(target, nullptr), effects)) {
      find_lane(who, client)->asked = command.event.reply;
      return;
    }
    answer_older(command, first, effects);
    own = find_lane(who, client);
    own->waiting.erase(own->waiting.begin());
    own->looked_up = false;
  }
  drop_lane_if_empty(who, client);
  forget_recalls();
}

void conversation::answer_older(const waiting_command& command, std::size_t first,
                                conversation_effects& effects) {
  if (command.older_replies.empty())
    return;
  const auto& key = command.event.what.key;
  const auto accepted = std::ranges::find_if(pending_, [&](const pending_event& entry) {
    return entry.key == key && entry.who == command.event.from.who;
  });
  if (accepted != pending_.end()) {
    accepted->older_replies.insert(accepted->older_replies.end(), command.older_replies.begin(),
                                   command.older_replies.end());
    return;
  }
  for (auto i = first, end = effects.size(); i < end; ++i) {
    for (const auto reply : command.older_replies) {
      auto copy = effects[i];
      const bool answers = std::visit(
        [&](auto& one) {
          if constexpr (requires { one.reply; }) {
            return std::exchange(one.reply, reply) == command.event.reply;
          } else {
            return false;
          }
        },
        copy);
      if (!answers)
        continue;
      if (std::holds_alternative<look_up>(copy))
        ++look_ups_;
      effects.push_back(std::move(copy));
    }
  }
}

// -- what a command comes to
// -------------------------------------------------------------------------------------

result<conversation::plan> conversation::decide(const commanded& event,
                                                const target_read* target) const {
  return std::visit([&](const auto& body) { return decide_body(event, body, target); },
                    event.what.body);
}

std::optional<error> conversation::check_text(const std::string& text) const {
  if (text.empty())
    return error{errc::bad_text, "the text is empty", "text"};
  if (text.size() > bounds_.text_bytes_max)
    return error{errc::too_large, "the text is too long", "text"};
  if (text.find('\0') != std::string::npos || !valid_utf8(text))
    return error{errc::bad_text, "the text is not UTF-8 without NUL", "text"};
  return std::nullopt;
}

result<conversation::plan> conversation::decide_body(const commanded& event,
                                                     const post_message& body,
                                                     const target_read* target) const {
  if (auto reason = check_text(body.content.text))
    return *reason;
  const error no_such_quote{errc::bad_request, "there is no such event to quote", "quote"};
  auto content = body.content;
  if (!event.from.staff) {
    if (content.quote > stored_visible_seq_)
      return no_such_quote;
  } else if (content.quote != 0) {
    // The public part names what the visitor can see; staff names positions.
    if (content.quote > stored_seq_)
      return no_such_quote;
    const auto* remembered = find_recent(content.quote);
    if (remembered == nullptr && target == nullptr) {
      plan reading;
      reading.read = read_target{content.quote, false, event};
      return reading;
    }
    if (remembered == nullptr && target->seq != content.quote)
      return no_such_quote;
    if (remembered != nullptr ? remembered->hidden : target->header.hidden)
      return error{errc::bad_request, "a visitor cannot see the event that is quoted", "quote"};
    content.quote = remembered != nullptr ? remembered->visible_seq : target->header.visible_seq;
  }
  plan accepted;
  if (!event.from.staff && head_.status == conversation_status::resolved)
    accepted.events.push_back(status_event(event, conversation_status::waiting));
  if (event.from.who.kind == participant_kind::account
      && head_.status == conversation_status::waiting) {
    const auto by = profile_of(event.from);
    const auto team = event.from.team ? event.from.team : head_.team;
    accepted.events.push_back(assignment_event(event.from.who, by, event.time, by,
                                               {id_cast<account_id>(event.from.who.id), team, 0}));
  }
  accepted.events.push_back(text_event(event_kind::message, event, std::move(content)));
  return accepted;
}

result<conversation::plan> conversation::decide_body(const commanded& event, const post_note& body,
                                                     const target_read* /*target*/) const {
  if (!event.from.staff)
    return error{errc::forbidden, "only staff writes notes"};
  if (auto reason = check_text(body.content.text))
    return *reason;
  if (body.content.quote > stored_seq_)
    return error{errc::bad_request, "there is no such event to quote", "quote"};
  plan accepted;
  accepted.events.push_back(text_event(event_kind::note, event, body.content));
  return accepted;
}

std::optional<error> conversation::check_change(const commanded& event, message_seq named,
                                                const target_read& target) const {
  const error no_such_event{errc::not_found, "there is no such event", "target"};
  const auto& header = target.header;
  const auto number = event.from.staff ? target.seq : header.visible_seq;
  if (target.seq == 0 || number != named)
    return no_such_event;
  if (!event.from.staff && header.hidden)
    return no_such_event;
  if (header.kind != event_kind::message && header.kind != event_kind::note)
    return error{errc::bad_request, "only messages and notes can be changed", "target"};
  const bool recalls = std::holds_alternative<recall_message>(event.what.body);
  const bool colleague
    = recalls && event.from.staff && header.author.kind != participant_kind::visitor;
  if (header.author != event.from.who && !colleague)
    return error{errc::forbidden, "this was written by somebody else", "target"};
  const bool recalled = std::ranges::find(recalled_lately_, target.seq, &recalled_target::target)
                        != recalled_lately_.end();
  if (target.recalled || recalled)
    return error{errc::invalid_state, "this has been recalled", "target"};
  if (event.time - header.time > static_cast<unix_ms>(bounds_.edit_window_ms))
    return error{errc::too_old, "the time to change this has passed", "target"};
  return std::nullopt;
}

result<conversation::plan> conversation::decide_body(const commanded& event,
                                                     const edit_message& body,
                                                     const target_read* target) const {
  if (auto reason = check_text(body.text))
    return *reason;
  const auto newest = event.from.staff ? stored_seq_ : stored_visible_seq_;
  if (body.target == 0 || body.target > newest)
    return error{errc::not_found, "there is no such event", "target"};
  plan accepted;
  if (target == nullptr) {
    accepted.read = read_target{body.target, !event.from.staff, event};
    return accepted;
  }
  if (auto reason = check_change(event, body.target, *target))
    return *reason;
  new_event edit;
  edit.header = header_of(event_kind::edit, event.from.who, event.time);
  edit.header.target = target->seq;
  edit.header.hidden = target->header.hidden;
  accepted.events.push_back(std::move(edit));
  auto& parts = accepted.parts.emplace();
  parts.target = target->seq;
  const text_content content{body.text, target->quote};
  if (target->header.kind == event_kind::note)
    parts.staff = staff_part{content};
  else
    parts.open = public_part{
      target->profile.name.empty() ? profile_of(event.from) : target->profile, content};
  return accepted;
}

result<conversation::plan> conversation::decide_body(const commanded& event,
                                                     const recall_message& body,
                                                     const target_read* target) const {
  const auto newest = event.from.staff ? stored_seq_ : stored_visible_seq_;
  if (body.target == 0 || body.target > newest)
    return error{errc::not_found, "there is no such event", "target"};
  plan accepted;
  if (target == nullptr) {
    accepted.read = read_target{body.target, !event.from.staff, event};
    return accepted;
  }
  if (auto reason = check_change(event, body.target, *target))
    return *reason;
  new_event recall;
  recall.header = header_of(event_kind::recall, event.from.who, event.time);
  recall.header.target = target->seq;
  recall.header.hidden = target->header.hidden;
  accepted.events.push_back(std::move(recall));
  accepted.recalls = true;
  auto& parts = accepted.parts.emplace();
  parts.target = target->seq;
  if (target->header.kind == event_kind::note)
    parts.staff = staff_part{recalled_content{}};
  else
    parts.open = public_part{
      target->profile.name.empty() ? profile_of(event.from) : target->profile, recalled_content{}};
  return accepted;
}

result<conversation::plan> conversation::decide_body(const commanded& event, const assign& body,
                                                     const target_read* /*target*/) const {
  if (!event.from.staff)
    return error{errc::forbidden, "only staff assigns"};
  if (head_.status == conversation_status::resolved)
    return error{errc::invalid_state, "the conversation is resolved: reopen it first"};
  const bool own = body.account && id_cast<entity_id>(body.account) == event.from.who.id
                   && event.from.who.kind == participant_kind::account;
  auto to = event.assignee;
  auto team = event.assignee_team;
  if (own) { // whoever takes is authenticated: nothing has to be looked up
    to = profile_of(event.from);
    team = event.from.team;
  }
  if (body.account && to.name.empty())
    return error{errc::not_found, "there is no such account", "account"};
  if (!body.account) {
    to = {};
    team = {};
  }
  if (body.team)
    team = body.team;
  if (!team)
    team = head_.team;
  plan accepted;
  accepted.events.push_back(assignment_event(event.from.who, profile_of(event.from), event.time, to,
                                             {body.account, team, 0}));
  return accepted;
}

result<conversation::plan> conversation::decide_body(const commanded& event,
                                                     const resolve& /*body*/,
                                                     const target_read* /*target*/) const {
  if (!event.from.staff)
    return error{errc::forbidden, "only staff resolves"};
  if (head_.status == conversation_status::resolved)
    return error{errc::invalid_state, "the conversation is resolved already"};
  plan accepted;
  accepted.events.push_back(status_event(event, conversation_status::resolved));
  return accepted;
}

result<conversation::plan> conversation::decide_body(const commanded& event, const reopen& /*body*/,
                                                     const target_read* /*target*/) const {
  if (!event.from.staff)
    return error{errc::forbidden, "only staff reopens"};
  if (head_.status != conversation_status::resolved)
    return error{errc::invalid_state, "the conversation is not resolved"};
  plan accepted;
  accepted.events.push_back(status_event(event, conversation_status::waiting));
  return accepted;
}

conversation_effects conversation::on(const routed& event) {
  conversation_effects effects;
  if (event.fence < head_.fence)
    effects.push_back(refused{0, {}, {errc::stale_fence, "another routing desk has taken over"}});
  else if (!exists_ || head_.status != conversation_status::waiting)
    effects.push_back(refused{0, {}, {errc::invalid_state, "the conversation does not wait"}});
  else if (head_.seq + 1 >= conversation_events_max)
    effects.push_back(refused{0, {}, {errc::numbers_exhausted, "this conversation is full"}});
  else {
    const participant desk{participant_kind::system, {}};
    plan accepted;
    accepted.events.push_back(
      assignment_event(desk, {participant_kind::system, {}}, event.time, event.profile,
                       {event.account, event.team ? event.team : head_.team, event.fence}));
    append(std::move(accepted), nullptr, effects);
  }
  return effects;
}

// -- to the store and back
// ---------------------------------------------------------------------------------------

void conversation::append(plan accepted, const commanded* command, conversation_effects& effects) {
  append_events out;
  out.previous_seq = head_.seq;
  out.creates = !exists_;
  exists_ = true;
  bool state_changes = out.creates;
  bool row_changes = out.creates;
  if (command != nullptr)
    accepted.events.back().header.client = command->what.key;

  for (auto& event : accepted.events) {
    event.seq = head_.seq + 1;
    event.header.visible_seq = head_.visible_seq + (event.header.hidden ? 0 : 1);
    fold(bounds_, head_, event.seq, event.header, event.open, event.staff);
    state_changes = state_changes || changes_state(event.header.kind);
    if (event.header.kind == event_kind::message
        && event.header.author.kind == participant_kind::visitor) {
      excerpt_ = cut_utf8(std::get<text_content>(event.open->body).text, excerpt_bytes_max);
      excerpt_seq_ = event.seq;
    }
    pending_event entry;
    entry.seq = event.seq;
    entry.visible_seq = event.header.visible_seq;
    entry.hidden = event.header.hidden;
    entry.who = event.header.author;
    entry.time = event.header.time;
    pending_.push_back(std::move(entry));
  }
  auto& own = pending_.back();
  if (command != nullptr) {
    own.reply = command->reply;
    own.key = command->what.key;
    own.previous = command->what.previous;
    ++lane_of(command->from.who, command->what.key.client).in_flight;
  }
  if (accepted.parts) {
    auto& parts = *accepted.parts;
    parts.revision = own.seq;
    if (accepted.recalls)
      recalled_lately_.push_back({parts.target, own.seq});
    // The open row must not keep what has been taken back. Its message is not known after waking:
    // then it may be this one.
    if (!excerpt_.empty() && (excerpt_seq_ == parts.target || excerpt_seq_ == 0) && parts.open
        && parts.open->author.kind == participant_kind::visitor) {
      const auto* text = std::get_if<text_content>(&parts.open->body);
      excerpt_ = text != nullptr && excerpt_seq_ != 0 ? cut_utf8(text->text, excerpt_bytes_max)
                                                      : std::string{};
      row_changes = true;
    }
    out.rewrites.push_back(std::move(parts));
  }
  const bool resolved = head_.status == conversation_status::resolved;
  row_changes = (row_changes && !resolved) || state_changes;
  if (row_changes) {
    own.row = row_changed{row(), resolved};
    if (resolved)
      out.close_entry = true;
    else
      out.open_entry = own.row->row;
  }
  if (state_changes || head_.seq - head_written_seq_ >= bounds_.events_per_head) {
    out.head = head_;
    head_written_seq_ = head_.seq;
  }
  out.events = std::move(accepted.events);
  effects.push_back(std::move(out));
}

conversation_effects conversation::on(const stored& event) {
  conversation_effects effects;
  while (!pending_.empty() && pending_.front().seq <= event.seq) {
    auto entry = std::move(pending_.front());
    pending_.pop_front();
    stored_seq_ = entry.seq;
    stored_visible_seq_ = entry.visible_seq;
    recent_.push_back({entry.visible_seq, entry.hidden, entry.who, entry.key, entry.time});
    if (recent_.size() > bounds_.events_per_head)
      recent_.pop_front();
    if (entry.key.seq != 0) {
      for (const auto reply : entry.older_replies)
        effects.push_back(
          acked{reply, entry.who, entry.key, entry.seq, entry.visible_seq, entry.time});
      effects.push_back(
        acked{entry.reply, entry.who, entry.key, entry.seq, entry.visible_seq, entry.time});
      if (auto* own = find_lane(entry.who, entry.key.client))
        --own->in_flight;
      drop_lane_if_empty(entry.who, entry.key.client);
    }
    effects.push_back(show{entry.seq, entry.reply});
    if (entry.row)
      effects.push_back(*std::move(entry.row));
  }
  forget_recalls();
  return effects;
}

std::optional<conversation_head> conversation::head_to_write() const {
  if (!exists_ || !idle() || head_written_seq_ == head_.seq)
    return std::nullopt;
  return head_;
}

open_row conversation::row() const {
  open_row row;
  row.conversation = id_;
  row.number = head_.number;
  row.status = head_.status;
  row.visitor = head_.visitor;
  row.visitor_name = head_.visitor_name;
  row.inbox = head_.inbox;
  row.team = head_.team;
  row.assignee = head_.assignee;
  row.assignee_name = head_.assignee_profile.name;
  row.created = head_.created;
  row.waiting_since = head_.waiting_since;
  row.seq = head_.seq;
  row.excerpt = excerpt_;
  return row;
}

std::vector<client_key> conversation::clients_of(const participant& who) const {
  std::vector<client_key> clients;
  for (const auto& known : head_.clients) {
    if (known.who != who)
      continue;
    const auto own = [&](const pending_event& entry) {
      return entry.key.client == known.client && entry.who == who;
    };
    const auto first = std::ranges::find_if(pending_, own);
    const auto last = first == pending_.end() ? known.last_client_seq : first->previous;
    if (last != 0)
      clients.push_back({known.client, last});
  }
  return clients;
}

// -- small finds
// -------------------------------------------------------------------------------------------------

conversation::lane* conversation::find_lane(const participant& who, const client_id& client) {
  const auto found = std::ranges::find_if(
    lanes_, [&](const lane& one) { return one.client == client && one.who == who; });
  return found == lanes_.end() ? nullptr : &*found;
}

conversation::lane& conversation::lane_of(const participant& who, const client_id& client) {
  if (auto* own = find_lane(who, client))
    return *own;
  return lanes_.emplace_back(lane{who, client});
}

void conversation::drop_lane_if_empty(const participant& who, const client_id& client) {
  std::erase_if(lanes_, [&](const lane& one) {
    return one.client == client && one.who == who && one.in_flight == 0 && one.waiting.empty();
  });
}

const client_record* conversation::find_client(const participant& who,
                                               const client_id& client) const {
  const auto found = std::ranges::find_if(head_.clients, [&](const client_record& known) {
    return known.client == client && known.who == who;
  });
  return found == head_.clients.end() ? nullptr : &*found;
}

const conversation::recent_event* conversation::find_recent(message_seq seq) const {
  if (seq == 0 || seq > stored_seq_ || stored_seq_ - seq >= recent_.size())
    return nullptr;
  return &recent_[recent_.size() - 1 - (stored_seq_ - seq)];
}

void conversation::forget_recalls() {
  const bool reading
    = std::ranges::any_of(lanes_, [](const lane& one) { return !one.waiting.empty(); });
  if (reading)
    return;
  std::erase_if(recalled_lately_,
                [&](const recalled_target& one) { return one.by <= stored_seq_; });
}

} // namespace frontdesk::domain
