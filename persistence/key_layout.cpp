#include "persistence/key_layout.hpp"

#include <algorithm>

namespace frontdesk::persistence {

namespace {

template <class Integer>
void put(char* out, Integer number) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    out[i] = static_cast<char>(number >> (8 * (sizeof(Integer) - 1 - i)));
}

template <class Integer>
Integer take(std::string_view bytes) {
  Integer number = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    number = static_cast<Integer>(number << 8 | static_cast<unsigned char>(bytes[i]));
  return number;
}

void put_entity(char* out, const domain::entity_key& entity) {
  put(out, value(entity.shard));
  put(out + 2, value(entity.tenant));
  out[6] = static_cast<char>(entity.kind);
  std::copy_n(entity.id.view().data(), 16, out + 7);
}

std::string view_string(const entity_prefix& prefix) {
  return {prefix.data(), prefix.size()};
}

bool known(domain::entity_kind kind) {
  return kind >= domain::entity_kind::visitor && kind <= domain::entity_kind::open_conversation;
}

bool known(domain::state_field field) {
  return field <= domain::state_field::counter;
}

} // namespace

entity_prefix encode_entity(const domain::entity_key& entity) {
  entity_prefix bytes;
  put_entity(bytes.data(), entity);
  return bytes;
}

event_key_bytes encode_event_key(const domain::entity_key& entity, domain::message_seq seq) {
  event_key_bytes bytes;
  put_entity(bytes.data(), entity);
  put(bytes.data() + entity_prefix_size, static_cast<std::uint64_t>(seq));
  return bytes;
}

std::string encode_state_key(const domain::state_key& key) {
  auto bytes = encode_state_field(key.entity, key.field);
  if (!key.sub.is_zero())
    bytes.append(key.sub.view());
  return bytes;
}

std::string encode_state_field(const domain::entity_key& entity, domain::state_field field) {
  auto bytes = view_string(encode_entity(entity));
  bytes.push_back(static_cast<char>(field));
  return bytes;
}

std::string encode_dedup_key(const domain::entity_key& entity, std::string_view key) {
  auto bytes = view_string(encode_entity(entity));
  bytes.append(key);
  return bytes;
}

std::string encode_kind_range(domain::shard_id shard, domain::tenant_id tenant,
                              domain::entity_kind kind) {
  auto bytes = view_string(encode_entity({shard, tenant, kind, {}}));
  bytes.resize(2 + 4 + 1);
  return bytes;
}

std::string encode_meta_shard(domain::shard_id shard) {
  std::string bytes = "shard";
  append_u16(bytes, value(shard));
  return bytes;
}

std::string end_of_range(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff')
    end.pop_back();
  if (!end.empty())
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::optional<domain::entity_key> parse_entity(std::string_view bytes) {
  if (bytes.size() != entity_prefix_size)
    return std::nullopt;
  auto shard = take<std::uint16_t>(bytes);
  auto kind = domain::entity_kind{static_cast<std::uint8_t>(bytes[6])};
  if (shard >= domain::shard_count || !known(kind))
    return std::nullopt;
  return domain::entity_key{domain::shard_id{shard},
                            domain::tenant_id{take<std::uint32_t>(bytes.substr(2))}, kind,
                            *domain::entity_id::from_bytes(bytes.substr(7))};
}

std::optional<event_key> parse_event_key(std::string_view bytes) {
  if (bytes.size() != event_key_size)
    return std::nullopt;
  auto entity = parse_entity(bytes.substr(0, entity_prefix_size));
  if (!entity)
    return std::nullopt;
  return event_key{*entity, take<std::uint64_t>(bytes.substr(entity_prefix_size))};
}

std::optional<domain::state_key> parse_state_key(std::string_view bytes) {
  if (bytes.size() != entity_prefix_size + 1 && bytes.size() != entity_prefix_size + 17)
    return std::nullopt;
  auto entity = parse_entity(bytes.substr(0, entity_prefix_size));
  auto field = domain::state_field{static_cast<std::uint8_t>(bytes[entity_prefix_size])};
  if (!entity || !known(field))
    return std::nullopt;
  domain::state_key key{*entity, field, {}};
  if (bytes.size() > entity_prefix_size + 1) {
    key.sub = *domain::entity_id::from_bytes(bytes.substr(entity_prefix_size + 1));
    if (key.sub.is_zero())
      return std::nullopt;
  }
  return key;
}

std::optional<dedup_key> parse_dedup_key(std::string_view bytes) {
  if (bytes.size() < entity_prefix_size)
    return std::nullopt;
  auto entity = parse_entity(bytes.substr(0, entity_prefix_size));
  if (!entity)
    return std::nullopt;
  return dedup_key{*entity, std::string(bytes.substr(entity_prefix_size))};
}

void append_u16(std::string& out, std::uint16_t value) {
  out.resize(out.size() + sizeof value);
  put(out.data() + out.size() - sizeof value, value);
}

void append_u32(std::string& out, std::uint32_t value) {
  out.resize(out.size() + sizeof value);
  put(out.data() + out.size() - sizeof value, value);
}

void append_u64(std::string& out, std::uint64_t value) {
  out.resize(out.size() + sizeof value);
  put(out.data() + out.size() - sizeof value, value);
}

std::uint16_t read_u16(std::string_view bytes) {
  return take<std::uint16_t>(bytes);
}

std::uint32_t read_u32(std::string_view bytes) {
  return take<std::uint32_t>(bytes);
}

std::uint64_t read_u64(std::string_view bytes) {
  return take<std::uint64_t>(bytes);
}

} // namespace frontdesk::persistence
