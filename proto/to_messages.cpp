#include "proto/messages.hpp"

namespace frontdesk::proto {

using namespace domain;

namespace {

using proto::put; // not to be hidden by those here

template <class Tag>
void put(const id16<Tag>& id, std::string* out) {
  if (id)
    out->assign(id.view());
}

template <class Message, class Enum>
Message enum_as(Enum value) {
  return static_cast<Message>(static_cast<int>(value));
}

void put(const participant& from, v1::Participant* to) {
  to->set_kind(enum_as<v1::ParticipantKind>(from.kind));
  put(from.id, to->mutable_id());
}

void put(const public_profile& from, v1::Profile* to) {
  to->set_kind(enum_as<v1::ParticipantKind>(from.kind));
  to->set_name(from.name);
}

void put(const text_content& from, v1::Text* to) {
  to->set_text(from.text);
  to->set_quote(from.quote);
}

struct put_public_body {
  v1::PublicPart* to;

  void operator()(const text_content& body) { put(body, to->mutable_text()); }

  void operator()(const assignment_content& body) { put(body.to, to->mutable_assigned()); }

  void operator()(const status_content& body) {
    to->set_status(enum_as<v1::ConversationStatus>(body.status));
  }

  void operator()(const recalled_content&) { to->mutable_recalled(); }
};

struct put_staff_body {
  v1::StaffPart* to;

  void operator()(const text_content& body) { put(body, to->mutable_text()); }

  void operator()(const staff_assignment& body) {
    auto* assigned = to->mutable_assigned();
    put(body.account, assigned->mutable_account());
    put(body.team, assigned->mutable_team());
    assigned->set_fence(body.fence);
  }

  void operator()(const recalled_content&) { to->mutable_recalled(); }
};

void put(const vector_cursor& from, v1::VectorCursor* to) {
  to->set_store_incarnation(from.store_incarnation);
  for (const auto& [shard, position] : from.positions) {
    auto* entry = to->add_positions();
    entry->set_shard(shard);
    entry->set_position(position);
  }
}

void put(const hello& from, v1::Hello* to) {
  to->set_token(from.token);
  to->set_inbox_key(from.inbox_key);
  to->set_name(from.name);
  to->set_store_incarnation(from.store_incarnation);
  for (const auto& cursor : from.cursors) {
    auto* entry = to->add_cursors();
    put(cursor.conversation, entry->mutable_conversation());
    entry->set_after(cursor.after);
  }
}

struct put_command_body {
  v1::Command* to;

  void operator()(const post_message& body) { put(body.content, to->mutable_message()); }

  void operator()(const post_note& body) { put(body.content, to->mutable_note()); }

  void operator()(const edit_message& body) {
    to->mutable_edit()->set_target(body.target);
    to->mutable_edit()->set_text(body.text);
  }

  void operator()(const recall_message& body) { to->mutable_recall()->set_target(body.target); }

  void operator()(const assign& body) {
    put(body.account, to->mutable_assign()->mutable_account());
    put(body.team, to->mutable_assign()->mutable_team());
  }

  void operator()(const resolve&) { to->mutable_resolve(); }

  void operator()(const reopen&) { to->mutable_reopen(); }
};

void put(const command& from, v1::Command* to) {
  put(from.conversation, to->mutable_conversation());
  put(from.opening, to->mutable_opening());
  put(from.key.client, to->mutable_client());
  to->set_client_seq(from.key.seq);
  to->set_previous(from.previous);
  std::visit(put_command_body{to}, from.body);
}

/// Each alternative of client_frame into its field.
struct put_client_frame {
  v1::ClientFrame* to;

  void operator()(const hello& frame) { put(frame, to->mutable_hello()); }

  void operator()(const command& frame) { put(frame, to->mutable_command()); }

  void operator()(const subscribe& frame) {
    put(frame.conversation, to->mutable_subscribe()->mutable_conversation());
    if (frame.after)
      to->mutable_subscribe()->set_after(*frame.after);
  }

  void operator()(const unsubscribe& frame) {
    put(frame.conversation, to->mutable_unsubscribe()->mutable_conversation());
  }

  void operator()(const history_request& frame) {
    auto* out = to->mutable_history();
    out->set_request(frame.request);
    put(frame.conversation, out->mutable_conversation());
    out->set_from(frame.from);
    out->set_newer(frame.newer);
    out->set_limit(frame.limit);
  }

  void operator()(const mark& frame) {
    auto* out = to->mutable_mark();
    put(frame.conversation, out->mutable_conversation());
    out->set_delivered(frame.delivered);
    out->set_read(frame.read);
  }

  void operator()(const typing& frame) {
    put(frame.conversation, to->mutable_typing()->mutable_conversation());
    to->mutable_typing()->set_on(frame.on);
  }

  void operator()(const set_presence& frame) {
    to->mutable_set_presence()->set_state(enum_as<v1::PresenceState>(frame.state));
    to->mutable_set_presence()->set_capacity(frame.capacity);
  }

  void operator()(const subscribe_list& frame) {
    to->mutable_subscribe_list()->set_list(enum_as<v1::ListKind>(frame.list));
    if (frame.after)
      put(*frame.after, to->mutable_subscribe_list()->mutable_after());
  }

  void operator()(const unsubscribe_list& frame) {
    to->mutable_unsubscribe_list()->set_list(enum_as<v1::ListKind>(frame.list));
  }

  void operator()(const ping& frame) { to->mutable_ping()->set_nonce(frame.nonce); }
};

void put(const error& from, v1::Error* to) {
  auto code = to_string(from.code);
  to->set_code(code.data(), code.size());
  to->set_message(from.message);
  to->set_field(from.field);
}

void put(const pointer& from, v1::Pointer* to) {
  put(from.who, to->mutable_who());
  to->set_delivered(from.delivered);
  to->set_read(from.read);
}

void put(const event_push& from, v1::Event* to) {
  put(from.conversation, to->mutable_conversation());
  to->set_seq(from.seq);
  to->set_visible_seq(from.visible_seq);
  to->set_kind(enum_as<v1::EventKind>(from.kind));
  to->set_time(from.time);
  if (from.author)
    put(*from.author, to->mutable_author());
  put(from.client.client, to->mutable_client());
  to->set_client_seq(from.client.seq);
  to->set_target(from.target);
  to->set_revision(from.revision);
  to->set_hidden(from.hidden);
  if (from.public_content)
    put(*from.public_content, to->mutable_public_());
  if (from.staff_content)
    put(*from.staff_content, to->mutable_staff());
}

void put(const open_row& from, v1::OpenRow* to) {
  put(from.conversation, to->mutable_conversation());
  to->set_number(from.number);
  to->set_status(enum_as<v1::ConversationStatus>(from.status));
  put(from.visitor, to->mutable_visitor());
  to->set_visitor_name(from.visitor_name);
  put(from.inbox, to->mutable_inbox());
  put(from.team, to->mutable_team());
  put(from.assignee, to->mutable_assignee());
  to->set_assignee_name(from.assignee_name);
  to->set_created(from.created);
  to->set_waiting_since(from.waiting_since);
  to->set_seq(from.seq);
  to->set_excerpt(from.excerpt);
}

/// Each alternative of server_frame into its field.
struct put_server_frame {
  v1::ServerFrame* to;

  void operator()(const welcome& frame) {
    auto* out = to->mutable_welcome();
    put(frame.self, out->mutable_self());
    out->set_name(frame.name);
    out->set_token(frame.token);
    out->set_store_incarnation(frame.store_incarnation);
    out->set_server_time(frame.server_time);
    out->set_heartbeat_ms(frame.heartbeat_ms);
    out->set_text_bytes_max(frame.text_bytes_max);
    out->set_in_flight_max(frame.in_flight_max);
    for (const auto& id : frame.conversations)
      put(id, out->add_conversations());
  }

  void operator()(const acknowledge& frame) {
    auto* out = to->mutable_acknowledge();
    put(frame.conversation, out->mutable_conversation());
    put(frame.opening, out->mutable_opening());
    put(frame.key.client, out->mutable_client());
    out->set_client_seq(frame.key.seq);
    out->set_seq(frame.seq);
    out->set_visible_seq(frame.visible_seq);
    out->set_time(frame.time);
    out->set_number(frame.number);
  }

  void operator()(const refuse& frame) {
    auto* out = to->mutable_refuse();
    put(frame.conversation, out->mutable_conversation());
    put(frame.opening, out->mutable_opening());
    put(frame.key.client, out->mutable_client());
    out->set_client_seq(frame.key.seq);
    put(frame.reason, out->mutable_reason());
    out->set_retry_after_ms(frame.retry_after_ms);
  }

  void operator()(const gap& frame) {
    auto* out = to->mutable_gap();
    put(frame.conversation, out->mutable_conversation());
    put(frame.opening, out->mutable_opening());
    put(frame.key.client, out->mutable_client());
    out->set_client_seq(frame.key.seq);
    out->set_last(frame.last);
  }

  void operator()(const event_push& frame) { put(frame, to->mutable_event()); }

  void operator()(const subscribed& frame) {
    auto* out = to->mutable_subscribed();
    put(frame.conversation, out->mutable_conversation());
    out->set_reset(frame.reset);
    out->set_seq(frame.seq);
    out->set_visible_seq(frame.visible_seq);
    out->set_status(enum_as<v1::ConversationStatus>(frame.status));
    out->set_number(frame.number);
    out->set_assignee_name(frame.assignee_name);
    out->set_visitor_name(frame.visitor_name);
    for (const auto& value : frame.pointers)
      put(value, out->add_pointers());
    for (const auto& key : frame.own_clients) {
      auto* entry = out->add_own_clients();
      put(key.client, entry->mutable_client());
      entry->set_client_seq(key.seq);
    }
  }

  void operator()(const history_page& frame) {
    auto* out = to->mutable_history();
    out->set_request(frame.request);
    put(frame.conversation, out->mutable_conversation());
    for (const auto& event : frame.events)
      put(event, out->add_events());
    out->set_more(frame.more);
  }

  void operator()(const pointer_moved& frame) {
    put(frame.conversation, to->mutable_pointer_moved()->mutable_conversation());
    put(frame.value, to->mutable_pointer_moved()->mutable_value());
  }

  void operator()(const typing_shown& frame) {
    put(frame.conversation, to->mutable_typing_shown()->mutable_conversation());
    put(frame.who, to->mutable_typing_shown()->mutable_who());
    to->mutable_typing_shown()->set_on(frame.on);
  }

  void operator()(const list_rows& frame) {
    auto* out = to->mutable_list_rows();
    out->set_list(enum_as<v1::ListKind>(frame.list));
    out->set_reset(frame.reset);
    for (const auto& row : frame.rows)
      put(row, out->add_rows());
    for (const auto& id : frame.removed)
      put(id, out->add_removed());
    put(frame.cursor, out->mutable_cursor());
  }

  void operator()(const queue_position& frame) {
    put(frame.conversation, to->mutable_queue_position()->mutable_conversation());
    to->mutable_queue_position()->set_position(frame.position);
  }

  void operator()(const presence_changed& frame) {
    auto* out = to->mutable_presence_changed();
    out->set_state(enum_as<v1::PresenceState>(frame.state));
    out->set_capacity(frame.capacity);
    out->set_load(frame.load);
  }

  void operator()(const problem& frame) {
    auto* out = to->mutable_problem();
    put(frame.reason, out->mutable_reason());
    out->set_request(frame.request);
    out->set_fatal(frame.fatal);
    out->set_retry_after_ms(frame.retry_after_ms);
  }

  void operator()(const resync& frame) {
    put(frame.conversation, to->mutable_resync()->mutable_conversation());
  }

  void operator()(const go_away& frame) {
    to->mutable_go_away()->set_reconnect_after_ms(frame.reconnect_after_ms);
  }

  void operator()(const pong& frame) { to->mutable_pong()->set_nonce(frame.nonce); }
};

} // namespace

void put(const public_part& from, v1::PublicPart* to) {
  put(from.author, to->mutable_author());
  std::visit(put_public_body{to}, from.body);
}

void put(const staff_part& from, v1::StaffPart* to) {
  std::visit(put_staff_body{to}, from.body);
}

void put(const client_frame& from, v1::ClientFrame* to) {
  std::visit(put_client_frame{to}, from);
}

void put(const server_frame& from, v1::ServerFrame* to) {
  std::visit(put_server_frame{to}, from);
}

} // namespace frontdesk::proto
