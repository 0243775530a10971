#include "proto/codec.hpp"

#include "frames.pb.h"
#include "proto/field_buffer.hpp"

#include <google/protobuf/arena.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>

#include <limits>
#include <type_traits>

// In this order: values to messages, messages to values, bytes to messages, and the frames that are
// written without any message.
namespace frontdesk::proto {

namespace {

using namespace domain;
namespace pb = google::protobuf;

// Protobuf reports bad peers to stderr, once per message; here they are errors with a code.
[[maybe_unused]] auto* const library_log = pb::SetLogHandler(nullptr);

/// Messages for the length of one call, out of memory that the thread keeps. Not to be nested.
class scratch {
public:
  scratch() = default;
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  ~scratch() { memory().arena.Reset(); }

  template <class Message>
  Message& make() {
    return *pb::Arena::CreateMessage<Message>(&memory().arena);
  }

private:
  struct arena_memory {
    static constexpr std::size_t kept
      = 4096; // a frame with its fields; what is larger comes from the heap
    alignas(16) char block[kept];
    pb::Arena arena{block, kept};
  };

  static arena_memory& memory() {
    thread_local arena_memory kept;
    return kept;
  }
};

// -- values to messages
// ----------------------------------------------------------------------------------------

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

void put(const public_part& from, v1::PublicPart* to) {
  put(from.author, to->mutable_author());
  std::visit(put_public_body{to}, from.body);
}

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

void put(const staff_part& from, v1::StaffPart* to) {
  std::visit(put_staff_body{to}, from.body);
}

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

// -- messages to values
// ----------------------------------------------------------------------------------------

/// Turns fields into values and keeps the first complaint, so that a message is read straight down.
class field_reader {
public:
  bool failed() const { return failed_; }

  const error& failure() const { return failure_; }

  void refuse(errc code, const char* message, const char* field) {
    if (failed_)
      return;
    failed_ = true;
    failure_ = {code, message, field};
  }

  /// An id that may be left out, which is the zero id.
  template <class Id>
  Id id_or_zero(const std::string& raw, const char* field) {
    if (raw.empty())
      return {};
    auto id = Id::from_bytes(raw);
    if (!id)
      refuse(errc::bad_request, "an id has 16 bytes", field);
    return id.value_or(Id{});
  }

  template <class Id>
  Id id(const std::string& raw, const char* field) {
    auto value = id_or_zero<Id>(raw, field);
    if (!value)
      refuse(errc::bad_request, "the id is missing", field);
    return value;
  }

  std::uint64_t number(std::uint64_t value, const char* field) {
    if (value == 0)
      refuse(errc::bad_request, "the number is missing", field);
    return value;
  }

  /// Enums of the schema are open; those of the domain are closed.
  template <class Enum>
  Enum ranged(int value, Enum least, Enum most, const char* field) {
    if (value < static_cast<int>(least) || value > static_cast<int>(most)) {
      refuse(errc::bad_request, value == 0 ? "the value is missing" : "the value is not known",
             field);
      return least;
    }
    return static_cast<Enum>(value);
  }

  /// For a oneof without a value: what was there may be of a later kind.
  template <class Message>
  void refuse_unset(const Message& message, errc code, const char* what, const char* field) {
    if (message.GetReflection()->GetUnknownFields(message).empty())
      refuse(code, what, field);
    else
      refuse(errc::unsupported, "this kind is not known here", field);
  }

private:
  bool failed_ = false;
  error failure_{};
};

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

// -- bytes to messages
// -----------------------------------------------------------------------------------------

/// The first text field, at any depth, that holds no text; nothing if the bytes are bad in another
/// way.
const pb::FieldDescriptor* bad_text_in(const pb::UnknownFieldSet& fields,
                                       const pb::Descriptor& type) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const auto& field = fields.field(i);
    const auto* known = type.FindFieldByNumber(field.number());
    if (known == nullptr || field.type() != pb::UnknownField::TYPE_LENGTH_DELIMITED)
      continue;
    const auto& bytes = field.length_delimited();
    if (known->type() == pb::FieldDescriptor::TYPE_STRING
        && !pb::internal::IsStructurallyValidUTF8(bytes))
      return known;
    if (known->type() != pb::FieldDescriptor::TYPE_MESSAGE)
      continue;
    // The schema is not recursive, so neither is this for long.
    pb::UnknownFieldSet inner;
    if (!inner.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      continue;
    if (const auto* found = bad_text_in(inner, *known->message_type()))
      return found;
  }
  return nullptr;
}

error why_unparsed(std::string_view bytes, const pb::Descriptor& type) {
  pb::UnknownFieldSet fields;
  if (fields.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    if (const auto* found = bad_text_in(fields, type))
      return {errc::bad_text, "the text is not UTF-8", found->name()};
  return {errc::bad_frame, "the bytes are no frame"};
}

bool fits(std::string_view bytes) {
  return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

template <class Message>
result<void> parse_proto(std::string_view bytes, Message& message) {
  if (!fits(bytes))
    return error{errc::too_large, "the frame is too large"};
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return {};
  return why_unparsed(bytes, *Message::descriptor());
}

pb::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// The library bounds the depth of objects, but not of arrays. It takes strings in either quotes.
bool too_deep(std::string_view text) {
  constexpr int depth_max = 64; // the schema needs eight; the rest is for fields of later builds
  int depth = 0;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_max)
        return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

template <class Message>
result<void> parse_json(std::string_view text, Message& message) {
  if (!fits(text))
    return error{errc::too_large, "the frame is too large"};
  if (!pb::internal::IsStructurallyValidUTF8(piece(text)))
    return error{errc::bad_text, "the text is not UTF-8"};
  if (too_deep(text))
    return error{errc::bad_frame, "the text nests too deeply"};
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  if (!pb::util::JsonStringToMessage(piece(text), &message, options).ok())
    return error{errc::bad_frame, "the text is no frame"};
  return {};
}

/// The JSON parser drops what it does not know; a second, strict reading tells whether there was
/// any.
template <class Message>
bool holds_unknown_names(std::string_view text) {
  Message message;
  return !pb::util::JsonStringToMessage(piece(text), &message, pb::util::JsonParseOptions()).ok();
}

bool is_about_nothing_set(const error& failure) {
  return failure.code == errc::bad_frame
         || (failure.code == errc::bad_request
             && (failure.field == "body" || failure.field == "public" || failure.field == "staff"));
}

template <class Message>
auto decode_as(std::string_view bytes, wire_form form)
  -> result<decltype(take(std::declval<Message&>(), std::declval<field_reader&>()))> {
  scratch memory;
  auto& message = memory.make<Message>();
  auto parsed = form == wire_form::proto ? parse_proto(bytes, message) : parse_json(bytes, message);
  if (!parsed)
    return parsed.failure();
  field_reader in;
  auto value = take(message, in);
  if (!in.failed())
    return value;
  if (form == wire_form::json && is_about_nothing_set(in.failure())
      && holds_unknown_names<Message>(bytes))
    return error{errc::unsupported, "this kind is not known here", in.failure().field};
  return in.failure();
}

template <class Message>
std::string json_of(const Message& message) {
  std::string text;
  // Fails for messages with google.protobuf.Any only, and there are none.
  if (!pb::util::MessageToJsonString(message, &text).ok())
    text.clear();
  return text;
}

template <class Message, class Writer, class Value>
std::string encode_as(const Value& value, wire_form form) {
  scratch memory;
  auto& message = memory.make<Message>();
  std::visit(Writer{&message}, value);
  return form == wire_form::proto ? message.SerializeAsString() : json_of(message);
}

template <class Message, class Value>
std::string encode_part(const Value& value) {
  scratch memory;
  auto& message = memory.make<Message>();
  put(value, &message);
  return message.SerializeAsString();
}

} // namespace

result<client_frame> decode_client(std::string_view bytes, wire_form form) {
  return decode_as<v1::ClientFrame>(bytes, form);
}

result<server_frame> decode_server(std::string_view bytes, wire_form form) {
  return decode_as<v1::ServerFrame>(bytes, form);
}

std::string encode(const client_frame& frame, wire_form form) {
  return encode_as<v1::ClientFrame, put_client_frame>(frame, form);
}

std::string encode(const server_frame& frame, wire_form form) {
  return encode_as<v1::ServerFrame, put_server_frame>(frame, form);
}

std::string encode(const public_part& part) {
  return encode_part<v1::PublicPart>(part);
}

std::string encode(const staff_part& part) {
  return encode_part<v1::StaffPart>(part);
}

result<public_part> decode_public_part(std::string_view content) {
  return decode_as<v1::PublicPart>(content, wire_form::proto);
}

result<staff_part> decode_staff_part(std::string_view content) {
  return decode_as<v1::StaffPart>(content, wire_form::proto);
}

result<std::string> to_json(std::string_view binary_server_frame) {
  scratch memory;
  auto& message = memory.make<v1::ServerFrame>();
  if (auto parsed = parse_proto(binary_server_frame, message); !parsed)
    return parsed.failure();
  field_reader in;
  if (message.frame_case() == v1::ServerFrame::FRAME_NOT_SET)
    in.refuse_unset(message, errc::bad_frame, "the frame is empty", "");
  if (in.failed())
    return in.failure();
  return json_of(message);
}

// -- frames without a message
// ----------------------------------------------------------------------------------

std::string encode_push(const push_envelope& envelope, const event_header& header,
                        std::string_view public_content, std::string_view staff_content,
                        audience who) {
  const bool staff = who == audience::staff;
  field_buffer<160> fields;
  fields.id(v1::Event::kConversationFieldNumber, envelope.conversation);
  if (staff)
    fields.number(v1::Event::kSeqFieldNumber, envelope.seq);
  fields.number(v1::Event::kVisibleSeqFieldNumber, header.visible_seq);
  fields.number(v1::Event::kKindFieldNumber, static_cast<std::uint64_t>(header.kind));
  fields.time(v1::Event::kTimeFieldNumber, header.time);
  if (staff) {
    field_buffer<32> author;
    author.number(v1::Participant::kKindFieldNumber,
                  static_cast<std::uint64_t>(header.author.kind));
    author.id(v1::Participant::kIdFieldNumber, header.author.id);
    fields.length(v1::Event::kAuthorFieldNumber, author.size());
    fields.raw(author.view());
  }
  // An agent's numbers count notes too, which a visitor must not learn of.
  if (staff || header.author.kind == participant_kind::visitor) {
    fields.id(v1::Event::kClientFieldNumber, header.client.client);
    fields.number(v1::Event::kClientSeqFieldNumber, header.client.seq);
  }
  fields.number(v1::Event::kTargetFieldNumber, envelope.target);
  fields.number(v1::Event::kRevisionFieldNumber, envelope.revision);
  if (staff)
    fields.flag(v1::Event::kHiddenFieldNumber, header.hidden);
  else
    staff_content = {};

  auto size = fields.size();
  if (!public_content.empty())
    size += bytes_field_size(public_content.size());
  if (!staff_content.empty())
    size += bytes_field_size(staff_content.size());
  std::string frame;
  frame.reserve(bytes_field_size(size));
  append_length(frame, v1::ServerFrame::kEventFieldNumber, size);
  frame += fields.view();
  if (!public_content.empty())
    append_bytes(frame, v1::Event::kPublicFieldNumber, public_content);
  if (!staff_content.empty())
    append_bytes(frame, v1::Event::kStaffFieldNumber, staff_content);
  return frame;
}

std::string encode_history_page(std::uint64_t request, const conversation_id& conversation,
                                bool more, const std::vector<std::string>& pushes) {
  field_buffer<32> fields;
  fields.number(v1::HistoryPage::kRequestFieldNumber, request);
  fields.id(v1::HistoryPage::kConversationFieldNumber, conversation);
  field_buffer<2> last;
  last.flag(v1::HistoryPage::kMoreFieldNumber, more);

  auto size = fields.size() + last.size();
  for (const auto& push : pushes)
    size += push.size();
  std::string frame;
  frame.reserve(bytes_field_size(size));
  append_length(frame, v1::ServerFrame::kHistoryFieldNumber, size);
  frame += fields.view();
  for (const auto& push : pushes) {
    // A push is one length-delimited field already; in a page it has another number, and that is
    // its first byte.
    frame.push_back(tag_of(v1::HistoryPage::kEventsFieldNumber, wire_type::bytes));
    frame.append(push, 1);
  }
  frame += last.view();
  return frame;
}

std::string encode_acknowledge(const acknowledge& ack) {
  field_buffer<112> fields;
  fields.id(v1::Acknowledge::kConversationFieldNumber, ack.conversation);
  fields.id(v1::Acknowledge::kOpeningFieldNumber, ack.opening);
  fields.id(v1::Acknowledge::kClientFieldNumber, ack.key.client);
  fields.number(v1::Acknowledge::kClientSeqFieldNumber, ack.key.seq);
  fields.number(v1::Acknowledge::kSeqFieldNumber, ack.seq);
  fields.number(v1::Acknowledge::kVisibleSeqFieldNumber, ack.visible_seq);
  fields.time(v1::Acknowledge::kTimeFieldNumber, ack.time);
  fields.number(v1::Acknowledge::kNumberFieldNumber, ack.number);
  std::string frame;
  frame.reserve(bytes_field_size(fields.size()));
  append_bytes(frame, v1::ServerFrame::kAcknowledgeFieldNumber, fields.view());
  return frame;
}

} // namespace frontdesk::proto
