#pragma once

#include "domain/result.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// Strong identities (docs/adr/0001-data-model.md, section 1). No bare string or integer crosses a
/// function boundary as an identity.
namespace frontdesk::domain {

/// 16 opaque bytes; the text form is 32 lower-case hexadecimal digits.
template <class Tag>
struct id16 {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const id16&, const id16&) = default;

  bool is_zero() const { return *this == id16{}; }

  explicit operator bool() const { return !is_zero(); }

  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// The id in these bytes, or nothing unless there are exactly 16.
  static std::optional<id16> from_bytes(std::string_view raw) {
    if (raw.size() != 16)
      return std::nullopt;
    id16 id;
    std::copy_n(raw.begin(), 16, id.bytes.begin());
    return id;
  }
};

std::string to_hex(std::string_view bytes);
/// The bytes of an even number of hexadecimal digits in either case; nothing for other text.
std::optional<std::string> from_hex(std::string_view text);

template <class Tag>
std::string to_string(const id16<Tag>& id) {
  return to_hex(id.view());
}

using entity_id = id16<struct entity_tag>; ///< any entity, where the kind stands beside it
using visitor_id = id16<struct visitor_tag>;
using account_id = id16<struct account_tag>;
using conversation_id = id16<struct conversation_tag>; ///< shard u16 | Unix ms u48 | 64 random bits
using inbox_id = id16<struct inbox_tag>;
using team_id = id16<struct team_tag>;
using client_id = id16<struct client_tag>; ///< a signed-in participant in one browser profile
using opening_key
  = id16<struct opening_tag>;            ///< names an opening, so that a repeat opens nothing new
using store_id = id16<struct store_tag>; ///< made with the store, never copied

template <class To, class Tag>
To id_cast(const id16<Tag>& id) {
  return To{id.bytes};
}

enum class tenant_id : std::uint32_t {};
enum class shard_id : std::uint16_t {};
/// Position of an event in its conversation, dense from 1; 0 means before the first.
using message_seq = std::uint64_t;
/// New for every load of an entity; orders the owners of an entity within one process.
using incarnation = std::uint64_t;
/// Milliseconds since the Unix epoch.
using unix_ms = std::int64_t;

inline constexpr std::uint16_t shard_count = 64;  ///< fixed when a store is made
inline constexpr shard_id configuration_shard{0}; ///< tenant configuration only, on every node
inline constexpr message_seq conversation_events_max
  = (1u << 20) - 1; ///< a conversation's last number

constexpr std::uint16_t value(shard_id shard) {
  return static_cast<std::uint16_t>(shard);
}

constexpr std::uint32_t value(tenant_id tenant) {
  return static_cast<std::uint32_t>(tenant);
}

/// The shard that is part of a conversation's id; nothing when it names no shard that holds
/// conversations.
std::optional<shard_id> shard_of(const conversation_id& id);
/// Puts an id together; `milliseconds` is cut to 48 bits.
conversation_id make_conversation_id(shard_id shard, unix_ms milliseconds, std::uint64_t random);

/// Durable kinds; the value is a byte of every key, so it never changes.
enum class entity_kind : std::uint8_t {
  visitor = 1,
  conversation = 2,
  account = 3,
  configuration = 4,
  job = 5,
  audit = 6,
  ledger = 7,
  open_conversation = 8,
};

/// Where an entity lives and which one it is. Orders as its key does in the event store.
struct entity_key {
  shard_id shard{};
  tenant_id tenant{};
  entity_kind kind{};
  entity_id id{};
  friend auto operator<=>(const entity_key&, const entity_key&) = default;
};

inline entity_key key_of(tenant_id tenant, const conversation_id& id) {
  return {shard_of(id).value_or(configuration_shard), tenant, entity_kind::conversation,
          id_cast<entity_id>(id)};
}

enum class participant_kind : std::uint8_t { visitor = 1, account = 2, assistant = 3, system = 4 };

/// Somebody who can write into a conversation.
struct participant {
  participant_kind kind{};
  entity_id id{};
  friend auto operator<=>(const participant&, const participant&) = default;
};

/// What makes a command of a client unique: a number is never used for other content.
struct client_key {
  client_id client{};
  std::uint64_t seq = 0;
  friend auto operator<=>(const client_key&, const client_key&) = default;
};

/// Number for people and outside clients: `counter * 64 + shard`, safe in JavaScript.
constexpr std::uint64_t public_number(std::uint64_t counter, shard_id shard) {
  return counter * shard_count + value(shard);
}

/// A message's number is derived, never stored.
constexpr std::uint64_t message_number(std::uint64_t conversation_number, message_seq seq) {
  return (conversation_number << 20) + seq;
}

} // namespace frontdesk::domain

template <class Tag>
struct std::hash<frontdesk::domain::id16<Tag>> {
  std::size_t operator()(const frontdesk::domain::id16<Tag>& id) const noexcept {
    // Ids end in random bits; the first half of a conversation id is a shard and a clock.
    std::uint64_t tail = 0;
    std::memcpy(&tail, id.bytes.data() + 8, 8);
    std::uint64_t head = 0;
    std::memcpy(&head, id.bytes.data(), 8);
    return static_cast<std::size_t>((tail ^ (head >> 7)) * 0x9E3779B97F4A7C15ull);
  }
};

template <>
struct std::hash<frontdesk::domain::entity_key> {
  std::size_t operator()(const frontdesk::domain::entity_key& key) const noexcept {
    auto mixed = std::hash<frontdesk::domain::entity_id>{}(key.id);
    mixed ^= (static_cast<std::size_t>(value(key.tenant)) << 8 | static_cast<std::size_t>(key.kind))
             * 0xD6E8FEB86659FD93ull;
    return mixed;
  }
};
