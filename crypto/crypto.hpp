#pragma once

#include "domain/ids.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Hashes, keys and randomness: the few calls that everybody needs, over OpenSSL and xxHash. Any
/// thread.
namespace frontdesk::crypto {

std::array<std::uint8_t, 32> sha256(std::string_view bytes);
std::array<std::uint8_t, 32> hmac_sha256(std::string_view key, std::string_view bytes);
/// XXH3-64, whose output is frozen: used for integrity, never against an adversary.
std::uint64_t hash64(std::string_view bytes);
/// As hash64 of the concatenation of both.
std::uint64_t hash64(std::string_view first, std::string_view second);

/// From the operating system's generator. Buffered per thread, so that 8 bytes cost nanoseconds.
void random_bytes(void* out, std::size_t size);
std::uint64_t random_u64();
/// A UUIDv7: 48 bits of time, then random bits with version and variant.
domain::entity_id random_id(domain::unix_ms now);
bool equal_constant_time(std::string_view left, std::string_view right);

/// URL-safe base64 without padding.
std::string to_base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);

/// H(tenant, id) of the data model: 1 + (first 8 bytes, big-endian, of SHA-256(tenant u32 | id))
/// mod 63.
domain::shard_id shard_of_entity(domain::tenant_id tenant, const domain::entity_id& id);

inline domain::entity_key key_of_entity(domain::tenant_id tenant, domain::entity_kind kind,
                                        const domain::entity_id& id) {
  return {shard_of_entity(tenant, id), tenant, kind, id};
}

/// An opaque session token. Text form: base64url(kind u8 | tenant u32 | id 16 B | secret 32 B), so
/// that a token leads to the shard of the entity that can check it.
struct session_token {
  domain::participant_kind kind{};
  domain::tenant_id tenant{};
  domain::entity_id id{};
  std::string secret{}; ///< 32 bytes
  friend bool operator==(const session_token&, const session_token&) = default;
};

std::string to_text(const session_token& token);
std::optional<session_token> parse_token(std::string_view text);
/// A visitor's secret is derived, so that a visitor who never writes costs no write:
/// HMAC-SHA256(the tenant's visitor key, "visitor" | tenant u32 | id).
session_token make_visitor_token(domain::tenant_id tenant, const domain::visitor_id& id,
                                 std::string_view visitor_key);

} // namespace frontdesk::crypto
