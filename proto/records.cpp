#include "proto/records.hpp"

#include "crypto/crypto.hpp"
#include "proto/field_buffer.hpp"
#include "records.pb.h"

#include <limits>
#include <optional>
#include <utility>

// In this order: reading bytes and fields, the parts and events, then one pair of functions per
// record.
namespace frontdesk::proto {

namespace {

using namespace domain;

constexpr char format_version = 1;
constexpr char envelope_plain = 0;
constexpr std::size_t part_head_size = 1 + 8; // envelope byte and random bytes
constexpr std::size_t secret_size = 32;

error corrupt(const char* what) {
  return {errc::corrupt, what};
}

/// Takes bytes from the front; after the first shortage it takes nothing more and says so.
class byte_reader {
public:
  explicit byte_reader(std::string_view bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }

  bool done() const { return !failed_ && rest_.empty(); }

  std::string_view rest() const { return rest_; }

  std::string_view take(std::uint64_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::uint8_t byte() {
    auto taken = take(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }

  /// Shortest form only, so that a number has one form.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !failed_; shift += 7) {
      auto next = byte();
      if (shift == 63 && next > 1)
        break;
      value |= static_cast<std::uint64_t>(next & 0x7F) << shift;
      if (next >= 0x80)
        continue;
      if (next == 0 && shift > 0)
        break;
      return value;
    }
    failed_ = true;
    return 0;
  }

  std::uint64_t fixed64() {
    std::uint64_t value = 0;
    auto taken = take(8);
    for (std::size_t i = taken.size(); i-- > 0;)
      value = value << 8 | static_cast<std::uint8_t>(taken[i]);
    return value;
  }

  std::uint64_t big_endian64() {
    std::uint64_t value = 0;
    for (char c : take(8))
      value = value << 8 | static_cast<std::uint8_t>(c);
    return value;
  }

private:
  std::string_view rest_;
  bool failed_ = false;
};

/// What follows the version byte.
result<std::string_view> behind_version(std::string_view bytes) {
  if (bytes.empty())
    return corrupt("a stored value is empty");
  if (bytes[0] != format_version)
    return error{errc::format_unknown, "a stored value is of another format"};
  return bytes.substr(1);
}

/// Turns stored fields into values and keeps the first complaint.
class record_reader {
public:
  bool failed() const { return failed_; }

  const error& failure() const { return failure_; }

  void refuse(errc code, const char* what) {
    if (failed_)
      return;
    failed_ = true;
    failure_ = {code, what};
  }

  template <class Id>
  Id id(const std::string& raw) {
    if (raw.empty())
      return {};
    auto id = Id::from_bytes(raw);
    if (!id)
      refuse(errc::corrupt, "a stored id has not 16 bytes");
    return id.value_or(Id{});
  }

  /// A value above the last is of a build after this one; zero is never written.
  template <class Enum>
  Enum ranged(std::uint32_t value, Enum last) {
    if (value == 0)
      refuse(errc::corrupt, "a stored kind is missing");
    if (value > static_cast<std::uint32_t>(last))
      refuse(errc::format_unknown, "a stored kind is not known");
    return static_cast<Enum>(value);
  }

  std::string secret(std::string&& raw) {
    if (raw.size() != secret_size)
      refuse(errc::corrupt, "a stored secret has not 32 bytes");
    return std::move(raw);
  }

private:
  bool failed_ = false;
  error failure_{};
};

participant read(const stored::Participant& from, record_reader& in) {
  return {in.ranged(from.kind(), participant_kind::system), in.id<entity_id>(from.id())};
}

/// No kind and no name is nobody.
public_profile read(stored::Profile& from, record_reader& in) {
  if (from.kind() == 0 && from.name().empty())
    return {};
  return {in.ranged(from.kind(), participant_kind::system), std::move(*from.mutable_name())};
}

event_header read(const stored::EventHeader& from, record_reader& in) {
  event_header header;
  header.kind = in.ranged(from.kind(), event_kind::erase);
  header.visible_seq = from.visible_seq();
  header.hidden = from.hidden();
  header.time = from.time();
  header.author
    = {in.ranged(from.author_kind(), participant_kind::system), in.id<entity_id>(from.author())};
  header.client = {in.id<client_id>(from.client()), from.client_seq()};
  header.target = from.target();
  header.public_hash = from.public_hash();
  header.staff_hash = from.staff_hash();
  return header;
}

client_record read(const stored::ClientRecord& from, record_reader& in) {
  return {read(from.who(), in), in.id<client_id>(from.client()), from.last_client_seq(),
          from.last_seq(),      from.last_visible_seq(),         from.last_use()};
}

conversation_head read(stored::ConversationHead& from, record_reader& in) {
  conversation_head head;
  head.seq = from.seq();
  head.visible_seq = from.visible_seq();
  head.status = in.ranged(from.status(), conversation_status::resolved);
  head.number = from.number();
  head.visitor = in.id<visitor_id>(from.visitor());
  head.inbox = in.id<inbox_id>(from.inbox());
  head.assignee = in.id<account_id>(from.assignee());
  head.team = in.id<team_id>(from.team());
  head.assignee_profile = read(*from.mutable_assignee_profile(), in);
  head.visitor_name = std::move(*from.mutable_visitor_name());
  head.created = from.created();
  head.waiting_since = from.waiting_since();
  head.last_activity = from.last_activity();
  head.fence = from.fence();
  head.clients.reserve(static_cast<std::size_t>(from.clients_size()));
  for (const auto& client : from.clients())
    head.clients.push_back(read(client, in));
  return head;
}

open_row read(stored::OpenRow& from, record_reader& in) {
  open_row row;
  row.conversation = in.id<conversation_id>(from.conversation());
  row.number = from.number();
  row.status = in.ranged(from.status(), conversation_status::resolved);
  row.visitor = in.id<visitor_id>(from.visitor());
  row.visitor_name = std::move(*from.mutable_visitor_name());
  row.inbox = in.id<inbox_id>(from.inbox());
  row.team = in.id<team_id>(from.team());
  row.assignee = in.id<account_id>(from.assignee());
  row.assignee_name = std::move(*from.mutable_assignee_name());
  row.created = from.created();
  row.waiting_since = from.waiting_since();
  row.seq = from.seq();
  row.excerpt = std::move(*from.mutable_excerpt());
  return row;
}

pointer read(const stored::Pointer& from, record_reader& in) {
  return {read(from.who(), in), from.delivered(), from.read()};
}

visitor_record read(stored::VisitorRecord& from, record_reader& in) {
  return {in.id<inbox_id>(from.inbox()), std::move(*from.mutable_name()), from.created()};
}

account_record read(stored::AccountRecord& from, record_reader& in) {
  account_record record;
  record.name = std::move(*from.mutable_name());
  record.rights = in.ranged(from.role(), role::administrator);
  record.disabled = from.disabled();
  record.team = in.id<team_id>(from.team());
  record.capacity = from.capacity();
  record.created = from.created();
  return record;
}

token_record read(stored::TokenRecord& from, record_reader& in) {
  return {in.secret(std::move(*from.mutable_secret_hash())), from.created(), from.expires(),
          std::move(*from.mutable_label())};
}

tenant_record read(stored::TenantRecord& from, record_reader& in) {
  return {std::move(*from.mutable_name()), in.secret(std::move(*from.mutable_visitor_key())),
          from.created()};
}

inbox_record read(stored::InboxRecord& from, record_reader& in) {
  inbox_record record;
  record.name = std::move(*from.mutable_name());
  record.key = std::move(*from.mutable_key());
  for (auto& origin : *from.mutable_origins())
    record.origins.push_back(std::move(origin));
  record.team = in.id<team_id>(from.team());
  record.created = from.created();
  return record;
}

team_record read(stored::TeamRecord& from, record_reader&) {
  return {std::move(*from.mutable_name())};
}

/// A message without its version byte, as a value.
template <class Message>
auto parse_record(std::string_view bytes)
  -> result<decltype(read(std::declval<Message&>(), std::declval<record_reader&>()))> {
  Message message;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())
      || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return corrupt("a stored value cannot be read");
  record_reader in;
  auto value = read(message, in);
  if (in.failed())
    return in.failure();
  return value;
}

template <class Message>
auto decode_record(std::string_view bytes) -> decltype(parse_record<Message>(bytes)) {
  auto content = behind_version(bytes);
  if (!content)
    return content.failure();
  return parse_record<Message>(*content);
}

template <class Message>
std::string encode_record(const Message& message) {
  std::string bytes(1, format_version);
  message.AppendToString(&bytes);
  return bytes;
}

template <class Tag>
void write(const id16<Tag>& id, std::string* out) {
  if (id)
    out->assign(id.view());
}

void write(const participant& from, stored::Participant* to) {
  to->set_kind(static_cast<std::uint32_t>(from.kind));
  write(from.id, to->mutable_id());
}

// -- events
// ----------------------------------------------------------------------------------------------------

using header_buffer = field_buffer<112>;

header_buffer write_header(const event_header& header) {
  using fields = stored::EventHeader;
  header_buffer out;
  out.number(fields::kKindFieldNumber, static_cast<std::uint64_t>(header.kind));
  out.number(fields::kVisibleSeqFieldNumber, header.visible_seq);
  out.flag(fields::kHiddenFieldNumber, header.hidden);
  out.time(fields::kTimeFieldNumber, header.time);
  out.number(fields::kAuthorKindFieldNumber, static_cast<std::uint64_t>(header.author.kind));
  out.id(fields::kAuthorFieldNumber, header.author.id);
  out.id(fields::kClientFieldNumber, header.client.client);
  out.number(fields::kClientSeqFieldNumber, header.client.seq);
  out.number(fields::kTargetFieldNumber, header.target);
  out.fixed64(fields::kPublicHashFieldNumber, header.public_hash);
  out.fixed64(fields::kStaffHashFieldNumber, header.staff_hash);
  return out;
}

/// 0 for a part that is not there.
std::uint64_t part_hash(std::string_view part_bytes) {
  return part_bytes.empty() ? 0 : crypto::hash64(part_bytes);
}

std::string assemble_event(std::string_view header, message_seq revision,
                           std::string_view public_bytes, std::string_view staff_bytes) {
  std::string bytes;
  bytes.reserve(1 + header.size() + 16 + public_bytes.size() + staff_bytes.size()
                + 4 * varint_bytes_max);
  bytes.push_back(format_version);
  append_varint(bytes, header.size());
  bytes += header;
  append_varint(bytes, revision);
  if (revision > 0) {
    char hashes[16];
    put_fixed64(put_fixed64(hashes, part_hash(public_bytes)), part_hash(staff_bytes));
    bytes.append(hashes, sizeof hashes);
  }
  append_varint(bytes, public_bytes.size());
  bytes += public_bytes;
  append_varint(bytes, staff_bytes.size());
  bytes += staff_bytes;
  return bytes;
}

/// An encoded event cut into its pieces; nothing in them is checked.
struct event_pieces {
  std::string_view header;
  message_seq revision = 0;
  std::uint64_t public_hash = 0;
  std::uint64_t staff_hash = 0;
  std::string_view public_bytes;
  std::string_view staff_bytes;
};

result<event_pieces> cut_event(std::string_view bytes) {
  auto content = behind_version(bytes);
  if (!content)
    return content.failure();
  byte_reader in(*content);
  event_pieces pieces;
  pieces.header = in.take(in.varint());
  pieces.revision = in.varint();
  if (pieces.revision > 0) {
    pieces.public_hash = in.fixed64();
    pieces.staff_hash = in.fixed64();
  }
  pieces.public_bytes = in.take(in.varint());
  pieces.staff_bytes = in.take(in.varint());
  if (!in.done())
    return corrupt("a stored event has not the length it says");
  return pieces;
}

} // namespace

std::string seal_part(std::string_view content, std::uint64_t random) {
  char head[part_head_size] = {envelope_plain};
  put_fixed64(head + 1, random);
  std::string bytes;
  bytes.reserve(part_head_size + content.size());
  bytes.append(head, part_head_size);
  bytes += content;
  return bytes;
}

result<std::string_view> open_part(std::string_view part_bytes) {
  if (part_bytes.empty())
    return corrupt("a stored part is empty");
  if (part_bytes[0] != envelope_plain)
    return error{errc::format_unknown, "a stored part is in another envelope"};
  if (part_bytes.size() < part_head_size)
    return corrupt("a stored part is too short");
  return part_bytes.substr(part_head_size);
}

std::string encode_event(const stored_event& event) {
  return assemble_event(write_header(event.header).view(), event.revision, event.public_bytes,
                        event.staff_bytes);
}

result<stored_event> decode_event(message_seq seq, std::string_view bytes) {
  auto pieces = cut_event(bytes);
  if (!pieces)
    return pieces.failure();
  auto header = parse_record<stored::EventHeader>(pieces->header);
  if (!header)
    return header.failure();
  auto changed = pieces->revision > 0;
  if (part_hash(pieces->public_bytes) != (changed ? pieces->public_hash : header->public_hash))
    return corrupt("the public part of a stored event is damaged");
  if (part_hash(pieces->staff_bytes) != (changed ? pieces->staff_hash : header->staff_hash))
    return corrupt("the staff part of a stored event is damaged");
  return stored_event{seq, *header, pieces->revision, std::string(pieces->public_bytes),
                      std::string(pieces->staff_bytes)};
}

result<std::string_view> header_bytes(std::string_view event_bytes) {
  auto pieces = cut_event(event_bytes);
  if (!pieces)
    return pieces.failure();
  return pieces->header;
}

result<std::string> rewrite_event(std::string_view event_bytes, message_seq revision,
                                  std::string_view public_bytes, std::string_view staff_bytes) {
  if (revision == 0)
    return error{errc::internal, "a change of an event needs the number of what changed it"};
  auto pieces = cut_event(event_bytes);
  if (!pieces)
    return pieces.failure();
  return assemble_event(pieces->header, revision, public_bytes, staff_bytes);
}

// -- heads, rows and state entries
// -----------------------------------------------------------------------------

std::string encode(const conversation_head& head) {
  stored::ConversationHead to;
  to.set_seq(head.seq);
  to.set_visible_seq(head.visible_seq);
  to.set_status(static_cast<std::uint32_t>(head.status));
  to.set_number(head.number);
  write(head.visitor, to.mutable_visitor());
  write(head.inbox, to.mutable_inbox());
  write(head.assignee, to.mutable_assignee());
  write(head.team, to.mutable_team());
  if (head.assignee_profile != public_profile{}) {
    to.mutable_assignee_profile()->set_kind(static_cast<std::uint32_t>(head.assignee_profile.kind));
    to.mutable_assignee_profile()->set_name(head.assignee_profile.name);
  }
  to.set_visitor_name(head.visitor_name);
  to.set_created(head.created);
  to.set_waiting_since(head.waiting_since);
  to.set_last_activity(head.last_activity);
  to.set_fence(head.fence);
  for (const auto& client : head.clients) {
    auto* entry = to.add_clients();
    write(client.who, entry->mutable_who());
    write(client.client, entry->mutable_client());
    entry->set_last_client_seq(client.last_client_seq);
    entry->set_last_seq(client.last_seq);
    entry->set_last_visible_seq(client.last_visible_seq);
    entry->set_last_use(client.last_use);
  }
  return encode_record(to);
}

result<conversation_head> decode_head(std::string_view bytes) {
  return decode_record<stored::ConversationHead>(bytes);
}

std::string encode(const open_row& row) {
  stored::OpenRow to;
  write(row.conversation, to.mutable_conversation());
  to.set_number(row.number);
  to.set_status(static_cast<std::uint32_t>(row.status));
  write(row.visitor, to.mutable_visitor());
  to.set_visitor_name(row.visitor_name);
  write(row.inbox, to.mutable_inbox());
  write(row.team, to.mutable_team());
  write(row.assignee, to.mutable_assignee());
  to.set_assignee_name(row.assignee_name);
  to.set_created(row.created);
  to.set_waiting_since(row.waiting_since);
  to.set_seq(row.seq);
  to.set_excerpt(row.excerpt);
  return encode_record(to);
}

result<open_row> decode_open_row(std::string_view bytes) {
  return decode_record<stored::OpenRow>(bytes);
}

std::string encode(const pointer& value) {
  stored::Pointer to;
  write(value.who, to.mutable_who());
  to.set_delivered(value.delivered);
  to.set_read(value.read);
  return encode_record(to);
}

result<pointer> decode_pointer(std::string_view bytes) {
  return decode_record<stored::Pointer>(bytes);
}

std::string encode(const visitor_record& record) {
  stored::VisitorRecord to;
  write(record.inbox, to.mutable_inbox());
  to.set_name(record.name);
  to.set_created(record.created);
  return encode_record(to);
}

result<visitor_record> decode_visitor(std::string_view bytes) {
  return decode_record<stored::VisitorRecord>(bytes);
}

std::string encode(const account_record& record) {
  stored::AccountRecord to;
  to.set_name(record.name);
  to.set_role(static_cast<std::uint32_t>(record.rights));
  to.set_disabled(record.disabled);
  write(record.team, to.mutable_team());
  to.set_capacity(record.capacity);
  to.set_created(record.created);
  return encode_record(to);
}

result<account_record> decode_account(std::string_view bytes) {
  return decode_record<stored::AccountRecord>(bytes);
}

std::string encode(const token_record& record) {
  stored::TokenRecord to;
  to.set_secret_hash(record.secret_hash);
  to.set_created(record.created);
  to.set_expires(record.expires);
  to.set_label(record.label);
  return encode_record(to);
}

result<token_record> decode_token(std::string_view bytes) {
  return decode_record<stored::TokenRecord>(bytes);
}

std::string encode(const tenant_record& record) {
  stored::TenantRecord to;
  to.set_name(record.name);
  to.set_visitor_key(record.visitor_key);
  to.set_created(record.created);
  return encode_record(to);
}

result<tenant_record> decode_tenant(std::string_view bytes) {
  return decode_record<stored::TenantRecord>(bytes);
}

std::string encode(const inbox_record& record) {
  stored::InboxRecord to;
  to.set_name(record.name);
  to.set_key(record.key);
  for (const auto& origin : record.origins)
    to.add_origins(origin);
  write(record.team, to.mutable_team());
  to.set_created(record.created);
  return encode_record(to);
}

result<inbox_record> decode_inbox(std::string_view bytes) {
  return decode_record<stored::InboxRecord>(bytes);
}

std::string encode(const team_record& record) {
  stored::TeamRecord to;
  to.set_name(record.name);
  return encode_record(to);
}

result<team_record> decode_team(std::string_view bytes) {
  return decode_record<stored::TeamRecord>(bytes);
}

// -- dedup values
// ----------------------------------------------------------------------------------------------

std::string encode_opening(const conversation_id& conversation, unix_ms created) {
  std::string bytes(1, format_version);
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(created) >> shift));
  stored::Opening to;
  write(conversation, to.mutable_conversation());
  to.AppendToString(&bytes);
  return bytes;
}

result<std::pair<conversation_id, unix_ms>> decode_opening(std::string_view bytes) {
  auto created = dedup_created(bytes);
  if (!created)
    return created.failure();
  stored::Opening from;
  auto content = bytes.substr(1 + 8);
  if (!from.ParseFromArray(content.data(), static_cast<int>(content.size())))
    return corrupt("a stored opening cannot be read");
  auto conversation = conversation_id::from_bytes(from.conversation());
  if (!conversation || conversation->is_zero())
    return corrupt("a stored opening names no conversation");
  return std::pair{*conversation, *created};
}

result<unix_ms> dedup_created(std::string_view bytes) {
  auto content = behind_version(bytes);
  if (!content)
    return content.failure();
  byte_reader in(*content);
  auto created = in.big_endian64();
  if (in.failed())
    return corrupt("a stored dedup value is too short");
  return static_cast<unix_ms>(created);
}

} // namespace frontdesk::proto
