#pragma once

#include "domain/ids.hpp"
#include "domain/ports/event_store.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Keys of the event store (persistence/FORMAT.md). Every integer is big-endian, so that the order
/// of the bytes is the order of the values, and one shard, one tenant of it, one entity of that, is
/// one contiguous range. Any thread.
namespace frontdesk::persistence {

/// shard u16 | tenant u32 | kind u8 | entity 16 B: how every entity's keys begin, and the whole key
/// of a head.
inline constexpr std::size_t entity_prefix_size = 2 + 4 + 1 + 16;
/// An entity's prefix | seq u64.
inline constexpr std::size_t event_key_size = entity_prefix_size + 8;

using entity_prefix = std::array<char, entity_prefix_size>;
using event_key_bytes = std::array<char, event_key_size>;

entity_prefix encode_entity(const domain::entity_key& entity);
event_key_bytes encode_event_key(const domain::entity_key& entity, domain::message_seq seq);
/// prefix | field u8 | sub 16 B, which a zero sub leaves out.
std::string encode_state_key(const domain::state_key& key);
/// prefix | field u8: where all entries of one field begin.
std::string encode_state_field(const domain::entity_key& entity, domain::state_field field);
/// prefix | the caller's key as it is.
std::string encode_dedup_key(const domain::entity_key& entity, std::string_view key);
/// shard u16 | tenant u32 | kind u8: where a tenant's entities of one kind begin.
std::string encode_kind_range(domain::shard_id shard, domain::tenant_id tenant,
                              domain::entity_kind kind);

/// Keys of the node's own family, readable in a dump.
inline constexpr std::string_view meta_format = "format";
inline constexpr std::string_view meta_identity = "identity";
inline constexpr std::string_view meta_commit = "commit";
/// "shard" | shard u16.
std::string encode_meta_shard(domain::shard_id shard);

/// The least key that is greater than every key with this prefix; empty when there is none (all
/// bytes 0xFF).
std::string end_of_range(std::string_view prefix);

struct event_key {
  domain::entity_key entity{};
  domain::message_seq seq = 0;
  friend auto operator<=>(const event_key&, const event_key&) = default;
};

struct dedup_key {
  domain::entity_key entity{};
  std::string key{};
  friend auto operator<=>(const dedup_key&, const dedup_key&) = default;
};

/// What a key says; nothing for bytes that no encoder above makes (a shard or kind out of range, a
/// wrong length).
std::optional<domain::entity_key> parse_entity(std::string_view bytes);
std::optional<event_key> parse_event_key(std::string_view bytes);
std::optional<domain::state_key> parse_state_key(std::string_view bytes);
std::optional<dedup_key> parse_dedup_key(std::string_view bytes);

void append_u16(std::string& out, std::uint16_t value);
void append_u32(std::string& out, std::uint32_t value);
void append_u64(std::string& out, std::uint64_t value);
/// The integer in the first bytes; the caller has checked that there are enough.
std::uint16_t read_u16(std::string_view bytes);
std::uint32_t read_u32(std::string_view bytes);
std::uint64_t read_u64(std::string_view bytes);

} // namespace frontdesk::persistence
