#include "proto/messages.hpp"

#include <utility>

namespace frontdesk::proto {

using namespace domain;

namespace {

using proto::take; // not to be hidden by those here

participant_kind take_kind(int value, field_reader& in) {
  return in.ranged(value, participant_kind::visitor, participant_kind::system, "kind");
}

conversation_status take_status(int value, field_reader& in) {
  return in.ranged(value, conversation_status::waiting, conversation_status::resolved, "status");
}

list_kind take_list(int value, field_reader& in) {
  return in.ranged(value, list_kind::waiting, list_kind::mine, "list");
}

presence_state take_presence(int value, field_reader& in) {
  return in.ranged(value, presence_state::offline, presence_state::away, "state");
}

/// Visitors are told the kind of a participant only, so the id may be missing.
participant take(v1::Participant& from, field_reader& in) {
  return {take_kind(from.kind(), in), in.id_or_zero<entity_id>(from.id(), "id")};
}

/// No name and no kind is nobody: the queue, in an assignment.
public_profile take(v1::Profile& from, field_reader& in) {
  if (from.kind() == 0 && from.name().empty())
    return {};
  return {take_kind(from.kind(), in), std::move(*from.mutable_name())};
}

text_content take(v1::Text& from) {
  return {std::move(*from.mutable_text()), from.quote()};
}

vector_cursor take(const v1::VectorCursor& from, field_reader& in) {
  vector_cursor cursor;
  cursor.store_incarnation = from.store_incarnation();
  cursor.positions.reserve(static_cast<std::size_t>(from.positions_size()));
  for (const auto& entry : from.positions()) {
    if (!cursor.positions.empty() && entry.shard() <= cursor.positions.back().first)
      in.refuse(errc::bad_request, "shards ascend, each once", "positions");
    cursor.positions.emplace_back(entry.shard(), entry.position());
  }
  return cursor;
}

hello take(v1::Hello& from, field_reader& in) {
  hello frame;
  frame.token = std::move(*from.mutable_token());
  frame.inbox_key = std::move(*from.mutable_inbox_key());
  frame.name = std::move(*from.mutable_name());
  frame.store_incarnation = from.store_incarnation();
  frame.cursors.reserve(static_cast<std::size_t>(from.cursors_size()));
  for (const auto& cursor : from.cursors())
    frame.cursors.push_back(
      {in.id<conversation_id>(cursor.conversation(), "conversation"), cursor.after()});
  return frame;
}

command_body take_body(v1::Command& from, field_reader& in) {
  switch (from.body_case()) {
  case v1::Command::kMessage:
    return post_message{take(*from.mutable_message())};
  case v1::Command::kNote:
    return post_note{take(*from.mutable_note())};
  case v1::Command::kEdit:
    return edit_message{in.number(from.edit().target(), "target"),
                        std::move(*from.mutable_edit()->mutable_text())};
  case v1::Command::kRecall:
    return recall_message{in.number(from.recall().target(), "target")};
  case v1::Command::kAssign:
    return assign{in.id_or_zero<account_id>(from.assign().account(), "account"),
                  in.id_or_zero<team_id>(from.assign().team(), "team")};
  case v1::Command::kResolve:
    return resolve{};
  case v1::Command::kReopen:
    return reopen{};
  case v1::Command::BODY_NOT_SET:
    break;
  }
  in.refuse_unset(from, errc::bad_request, "the command has no body", "body");
  return resolve{};
}

command take(v1::Command& from, field_reader& in) {
  command frame;
  frame.opening = in.id_or_zero<opening_key>(from.opening(), "opening");
  frame.conversation = frame.opening
                         ? in.id_or_zero<conversation_id>(from.conversation(), "conversation")
                         : in.id<conversation_id>(from.conversation(), "conversation");
  frame.key
    = {in.id<client_id>(from.client(), "client"), in.number(from.client_seq(), "client_seq")};
  frame.previous = from.previous();
  frame.body = take_body(from, in);
  return frame;
}

subscribe take(const v1::Subscribe& from, field_reader& in) {
  subscribe frame{in.id<conversation_id>(from.conversation(), "conversation"), std::nullopt};
  if (from.has_after())
    frame.after = from.after();
  return frame;
}

history_request take(const v1::HistoryRequest& from, field_reader& in) {
  history_request frame;
  frame.request = from.request();
  frame.conversation = in.id<conversation_id>(from.conversation(), "conversation");
  frame.from = from.from();
  frame.newer = from.newer();
  if (from.limit() != 0)
    frame.limit = from.limit(); // left out: the domain's default
  return frame;
}

subscribe_list take(const v1::SubscribeList& from, field_reader& in) {
  subscribe_list frame{take_list(from.list(), in), std::nullopt};
  if (from.has_after())
    frame.after = take(from.after(), in);
  return frame;
}

error take(v1::Error& from) {
  return {errc_from_string(from.code()), std::move(*from.mutable_message()),
          std::move(*from.mutable_field())};
}

pointer take(v1::Pointer& from, field_reader& in) {
  return {take(*from.mutable_who(), in), from.delivered(), from.read()};
}

welcome take(v1::Welcome& from, field_reader& in) {
  welcome frame;
  frame.self = take(*from.mutable_self(), in);
  frame.name = std::move(*from.mutable_name());
  frame.token = std::move(*from.mutable_token());
  frame.store_incarnation = from.store_incarnation();
  frame.server_time = from.server_time();
  frame.heartbeat_ms = from.heartbeat_ms();
  frame.text_bytes_max = from.text_bytes_max();
  frame.in_flight_max = from.in_flight_max();
  for (const auto& id : from.conversations())
    frame.conversations.push_back(in.id<conversation_id>(id, "conversations"));
  return frame;
}

acknowledge take(const v1::Acknowledge& from, field_reader& in) {
  return {in.id<conversation_id>(from.conversation(), "conversation"),
          in.id_or_zero<opening_key>(from.opening(), "opening"),
          {in.id_or_zero<client_id>(from.client(), "client"), from.client_seq()},
          from.seq(),
          from.visible_seq(),
          from.time(),
          from.number()};
}

refuse take(v1::Refuse& from, field_reader& in) {
  return {in.id_or_zero<conversation_id>(from.conversation(), "conversation"),
          in.id_or_zero<opening_key>(from.opening(), "opening"),
          {in.id_or_zero<client_id>(from.client(), "client"), from.client_seq()},
          take(*from.mutable_reason()),
          from.retry_after_ms()};
}

gap take(const v1::Gap& from, field_reader& in) {
  return {in.id_or_zero<conversation_id>(from.conversation(), "conversation"),
          in.id_or_zero<opening_key>(from.opening(), "opening"),
          {in.id_or_zero<client_id>(from.client(), "client"), from.client_seq()},
          from.last()};
}

event_push take(v1::Event& from, field_reader& in) {
  event_push frame;
  frame.conversation = in.id<conversation_id>(from.conversation(), "conversation");
  frame.seq = from.seq();
  frame.visible_seq = from.visible_seq();
  frame.kind = in.ranged(from.kind(), event_kind::message, event_kind::erase, "kind");
  frame.time = from.time();
  if (from.has_author())
    frame.author = take(*from.mutable_author(), in);
  frame.client = {in.id_or_zero<client_id>(from.client(), "client"), from.client_seq()};
  frame.target = from.target();
  frame.revision = from.revision();
  frame.hidden = from.hidden();
  if (from.has_public_())
    frame.public_content = take(*from.mutable_public_(), in);
  if (from.has_staff())
    frame.staff_content = take(*from.mutable_staff(), in);
  return frame;
}

subscribed take(v1::Subscribed& from, field_reader& in) {
  subscribed frame;
  frame.conversation = in.id<conversation_id>(from.conversation(), "conversation");
  frame.reset = from.reset();
  frame.seq = from.seq();
  frame.visible_seq = from.visible_seq();
  frame.status = take_status(from.status(), in);
  frame.number = from.number();
  frame.assignee_name = std::move(*from.mutable_assignee_name());
  frame.visitor_name = std::move(*from.mutable_visitor_name());
  for (auto& value : *from.mutable_pointers())
    frame.pointers.push_back(take(value, in));
  for (const auto& key : from.own_clients())
    frame.own_clients.push_back({in.id<client_id>(key.client(), "client"), key.client_seq()});
  return frame;
}

history_page take(v1::HistoryPage& from, field_reader& in) {
  history_page frame;
  frame.request = from.request();
  frame.conversation = in.id<conversation_id>(from.conversation(), "conversation");
  frame.events.reserve(static_cast<std::size_t>(from.events_size()));
  for (auto& event : *from.mutable_events())
    frame.events.push_back(take(event, in));
  frame.more = from.more();
  return frame;
}

open_row take(v1::OpenRow& from, field_reader& in) {
  open_row row;
  row.conversation = in.id<conversation_id>(from.conversation(), "conversation");
  row.number = from.number();
  row.status = take_status(from.status(), in);
  row.visitor = in.id_or_zero<visitor_id>(from.visitor(), "visitor");
  row.visitor_name = std::move(*from.mutable_visitor_name());
  row.inbox = in.id_or_zero<inbox_id>(from.inbox(), "inbox");
  row.team = in.id_or_zero<team_id>(from.team(), "team");
  row.assignee = in.id_or_zero<account_id>(from.assignee(), "assignee");
  row.assignee_name = std::move(*from.mutable_assignee_name());
  row.created = from.created();
  row.waiting_since = from.waiting_since();
  row.seq = from.seq();
  row.excerpt = std::move(*from.mutable_excerpt());
  return row;
}

list_rows take(v1::ListRows& from, field_reader& in) {
  list_rows frame;
  frame.list = take_list(from.list(), in);
  frame.reset = from.reset();
  frame.rows.reserve(static_cast<std::size_t>(from.rows_size()));
  for (auto& row : *from.mutable_rows())
    frame.rows.push_back(take(row, in));
  for (const auto& id : from.removed())
    frame.removed.push_back(in.id<conversation_id>(id, "removed"));
  frame.cursor = take(from.cursor(), in);
  return frame;
}

} // namespace

public_part take(v1::PublicPart& from, field_reader& in) {
  public_part part;
  part.author = take(*from.mutable_author(), in);
  switch (from.body_case()) {
  case v1::PublicPart::kText:
    part.body = take(*from.mutable_text());
    break;
  case v1::PublicPart::kAssigned:
    part.body = assignment_content{take(*from.mutable_assigned(), in)};
    break;
  case v1::PublicPart::kStatus:
    part.body = status_content{take_status(from.status(), in)};
    break;
  case v1::PublicPart::kRecalled:
    part.body = recalled_content{};
    break;
  case v1::PublicPart::BODY_NOT_SET:
    in.refuse_unset(from, errc::bad_request, "the part has no body", "public");
  }
  return part;
}

staff_part take(v1::StaffPart& from, field_reader& in) {
  staff_part part;
  switch (from.body_case()) {
  case v1::StaffPart::kText:
    part.body = take(*from.mutable_text());
    break;
  case v1::StaffPart::kAssigned:
    part.body = staff_assignment{in.id_or_zero<account_id>(from.assigned().account(), "account"),
                                 in.id_or_zero<team_id>(from.assigned().team(), "team"),
                                 from.assigned().fence()};
    break;
  case v1::StaffPart::kRecalled:
    part.body = recalled_content{};
    break;
  case v1::StaffPart::BODY_NOT_SET:
    in.refuse_unset(from, errc::bad_request, "the part has no body", "staff");
  }
  return part;
}

client_frame take(v1::ClientFrame& from, field_reader& in) {
  switch (from.frame_case()) {
  case v1::ClientFrame::kHello:
    return take(*from.mutable_hello(), in);
  case v1::ClientFrame::kCommand:
    return take(*from.mutable_command(), in);
  case v1::ClientFrame::kSubscribe:
    return take(from.subscribe(), in);
  case v1::ClientFrame::kUnsubscribe:
    return unsubscribe{in.id<conversation_id>(from.unsubscribe().conversation(), "conversation")};
  case v1::ClientFrame::kHistory:
    return take(from.history(), in);
  case v1::ClientFrame::kMark:
    return mark{in.id<conversation_id>(from.mark().conversation(), "conversation"),
                from.mark().delivered(), from.mark().read()};
  case v1::ClientFrame::kTyping:
    return typing{in.id<conversation_id>(from.typing().conversation(), "conversation"),
                  from.typing().on()};
  case v1::ClientFrame::kSetPresence:
    return set_presence{take_presence(from.set_presence().state(), in),
                        from.set_presence().capacity()};
  case v1::ClientFrame::kSubscribeList:
    return take(from.subscribe_list(), in);
  case v1::ClientFrame::kUnsubscribeList:
    return unsubscribe_list{take_list(from.unsubscribe_list().list(), in)};
  case v1::ClientFrame::kPing:
    return ping{from.ping().nonce()};
  case v1::ClientFrame::FRAME_NOT_SET:
    break;
  }
  in.refuse_unset(from, errc::bad_frame, "the frame is empty", "");
  return ping{};
}

server_frame take(v1::ServerFrame& from, field_reader& in) {
  switch (from.frame_case()) {
  case v1::ServerFrame::kWelcome:
    return take(*from.mutable_welcome(), in);
  case v1::ServerFrame::kAcknowledge:
    return take(from.acknowledge(), in);
  case v1::ServerFrame::kRefuse:
    return take(*from.mutable_refuse(), in);
  case v1::ServerFrame::kGap:
    return take(from.gap(), in);
  case v1::ServerFrame::kEvent:
    return take(*from.mutable_event(), in);
  case v1::ServerFrame::kSubscribed:
    return take(*from.mutable_subscribed(), in);
  case v1::ServerFrame::kHistory:
    return take(*from.mutable_history(), in);
  case v1::ServerFrame::kPointerMoved:
    return pointer_moved{
      in.id<conversation_id>(from.pointer_moved().conversation(), "conversation"),
      take(*from.mutable_pointer_moved()->mutable_value(), in)};
  case v1::ServerFrame::kTypingShown:
    return typing_shown{in.id<conversation_id>(from.typing_shown().conversation(), "conversation"),
                        take(*from.mutable_typing_shown()->mutable_who(), in),
                        from.typing_shown().on()};
  case v1::ServerFrame::kListRows:
    return take(*from.mutable_list_rows(), in);
  case v1::ServerFrame::kQueuePosition:
    return queue_position{
      in.id<conversation_id>(from.queue_position().conversation(), "conversation"),
      from.queue_position().position()};
  case v1::ServerFrame::kPresenceChanged:
    return presence_changed{take_presence(from.presence_changed().state(), in),
                            from.presence_changed().capacity(), from.presence_changed().load()};
  case v1::ServerFrame::kProblem:
    return problem{take(*from.mutable_problem()->mutable_reason()), from.problem().request(),
                   from.problem().fatal(), from.problem().retry_after_ms()};
  case v1::ServerFrame::kResync:
    return resync{in.id_or_zero<conversation_id>(from.resync().conversation(), "conversation")};
  case v1::ServerFrame::kGoAway:
    return go_away{from.go_away().reconnect_after_ms()};
  case v1::ServerFrame::kPong:
    return pong{from.pong().nonce()};
  case v1::ServerFrame::FRAME_NOT_SET:
    break;
  }
  in.refuse_unset(from, errc::bad_frame, "the frame is empty", "");
  return pong{};
}

} // namespace frontdesk::proto
