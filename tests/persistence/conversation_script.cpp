#include "tests/persistence/conversation_script.hpp"

#include "crypto/crypto.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"

#include <optional>
#include <utility>

namespace frontdesk::test {

using namespace domain;

namespace {

constexpr unix_ms first_time = 1700000000000;
const public_profile visitor_profile{participant_kind::visitor, "Vera"};
const public_profile agent_profile{participant_kind::account, "Anna"};

template <class Part>
std::string sealed(const Part& part, std::uint64_t random) {
  return proto::seal_part(proto::encode(part), random);
}

std::uint64_t hash_of(std::string_view bytes) {
  return bytes.empty() ? 0 : crypto::hash64(bytes);
}

template <class Part>
std::optional<Part> opened(std::string_view bytes, result<Part> (*decode)(std::string_view)) {
  if (bytes.empty())
    return std::nullopt;
  auto content = proto::open_part(bytes);
  if (!content)
    return std::nullopt;
  auto part = decode(*content);
  if (!part)
    return std::nullopt;
  return *std::move(part);
}

void fold_event(conversation_head& head, const stored_event& event) {
  fold(limits{}, head, event.seq, event.header,
       opened(event.public_bytes, proto::decode_public_part),
       opened(event.staff_bytes, proto::decode_staff_part));
}

} // namespace

conversation_script::conversation_script(tenant_id tenant, shard_id shard, std::uint64_t number) {
  auto conversation = make_conversation_id(shard, first_time, number);
  entity_ = key_of(tenant, conversation);
  head_.number = public_number(number, shard);
  head_.visitor = numbered<visitor_id>(number);
  head_.visitor_name = visitor_profile.name;
  head_.created = first_time;
  head_.waiting_since = first_time;
  head_.last_activity = first_time;
}

conversation_script::conversation_script(const entity_key& entity,
                                         const loaded_conversation& loaded)
  : entity_(entity), head_(loaded.head) {
  for (const auto& event : loaded.after_head)
    fold_event(head_, event);
}

entity_key conversation_script::open_entity() const {
  auto key = entity_;
  key.kind = entity_kind::open_conversation;
  return key;
}

entity_key conversation_script::visitor_entity() const {
  return {entity_.shard, entity_.tenant, entity_kind::visitor, id_cast<entity_id>(head_.visitor)};
}

append conversation_script::start() const {
  append made;
  made.entity = entity_;
  made.previous_seq = head_.seq;
  return made;
}

void conversation_script::add(append& to, event_header header, std::string public_part,
                              std::string staff_part) {
  header.hidden = header.kind == event_kind::note;
  header.visible_seq = head_.visible_seq + (header.hidden ? 0 : 1);
  header.time = first_time + static_cast<unix_ms>(head_.seq) * 1000;
  header.public_hash = hash_of(public_part);
  header.staff_hash = hash_of(staff_part);
  stored_event event{head_.seq + 1, header, 0, std::move(public_part), std::move(staff_part)};
  fold_event(head_, event);
  to.events.push_back(std::move(event));
}

void conversation_script::finish(append& to) const {
  to.head = proto::encode(head_);
  state_put entry{{open_entity(), state_field::record, {}}, std::nullopt};
  if (head_.status != conversation_status::resolved) {
    open_row row;
    row.conversation = id();
    row.number = head_.number;
    row.status = head_.status;
    row.visitor = head_.visitor;
    row.visitor_name = head_.visitor_name;
    row.assignee = head_.assignee;
    row.assignee_name = head_.assignee_profile.name;
    row.created = head_.created;
    row.waiting_since = head_.waiting_since;
    row.seq = head_.seq;
    entry.value = proto::encode(row);
  }
  to.states.push_back(std::move(entry));
}

std::string conversation_script::public_bytes(std::string_view text, std::uint64_t random) {
  return sealed(public_part{visitor_profile, text_content{std::string(text), 0}}, random);
}

std::string conversation_script::text_of(const stored_event& event) {
  auto part = opened(event.public_bytes, proto::decode_public_part);
  const auto* content = part ? std::get_if<text_content>(&part->body) : nullptr;
  return content ? content->text : std::string();
}

append conversation_script::open(std::string_view text) {
  auto made = say(text);
  finish(made);
  made.states.push_back({{visitor_entity(), state_field::conversation, entity_.id}, std::string()});
  made.states.push_back({{visitor_entity(), state_field::record, {}},
                         proto::encode(visitor_record{{}, visitor_profile.name, first_time})});
  made.dedups.push_back(
    {visitor_entity(), std::string(entity_.id.view()), proto::encode_opening(id(), first_time)});
  return made;
}

append conversation_script::say(std::string_view text, std::size_t count) {
  auto made = start();
  bool reopens = head_.status == conversation_status::resolved;
  if (reopens) {
    event_header status;
    status.kind = event_kind::status;
    status.author = {participant_kind::visitor, id_cast<entity_id>(head_.visitor)};
    add(
      made, status,
      sealed(public_part{visitor_profile, status_content{conversation_status::waiting}}, head_.seq),
      {});
  }
  for (std::size_t i = 0; i < count; ++i) {
    event_header header;
    header.kind = event_kind::message;
    header.author = {participant_kind::visitor, id_cast<entity_id>(head_.visitor)};
    header.client = {id_cast<client_id>(head_.visitor), head_.seq + 1};
    add(made, header, public_bytes(text, head_.seq), {});
  }
  if (reopens)
    finish(made);
  return made;
}

append conversation_script::note(std::string_view text, std::size_t count) {
  auto made = start();
  for (std::size_t i = 0; i < count; ++i) {
    event_header header;
    header.kind = event_kind::note;
    header.author = {participant_kind::account, numbered<entity_id>(7)};
    add(made, header, {}, sealed(staff_part{text_content{std::string(text), 0}}, head_.seq));
  }
  return made;
}

append conversation_script::assign(const account_id& account) {
  auto made = start();
  event_header header;
  header.kind = event_kind::assignment;
  header.author = {participant_kind::system, {}};
  add(made, header,
      sealed(public_part{agent_profile, assignment_content{agent_profile}}, head_.seq),
      sealed(staff_part{staff_assignment{account, {}, 1}}, head_.seq));
  finish(made);
  return made;
}

append conversation_script::resolve() {
  auto made = start();
  event_header header;
  header.kind = event_kind::status;
  header.author = {participant_kind::account, numbered<entity_id>(7)};
  add(made, header,
      sealed(public_part{agent_profile, status_content{conversation_status::resolved}}, head_.seq),
      {});
  finish(made);
  return made;
}

append conversation_script::edit(message_seq target, std::string_view text) {
  auto made = start();
  event_header header;
  header.kind = event_kind::edit;
  header.author = {participant_kind::visitor, id_cast<entity_id>(head_.visitor)};
  header.target = target;
  add(made, header, {}, {});
  made.rewrites.push_back({target, head_.seq, public_bytes(text, head_.seq), {}});
  return made;
}

append conversation_script::save() const {
  auto made = start();
  made.head = proto::encode(head_);
  return made;
}

} // namespace frontdesk::test
