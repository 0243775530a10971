#include "crypto/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

namespace frontdesk::crypto {

namespace {

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

constexpr char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  if (c == '-')
    return 62;
  if (c == '_')
    return 63;
  return -1;
}

} // namespace

std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
  std::array<std::uint8_t, 32> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    std::abort();
  return digest;
}

std::array<std::uint8_t, 32> hmac_sha256(std::string_view key, std::string_view bytes) {
  std::array<std::uint8_t, 32> digest{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data(), &size)
      == nullptr)
    std::abort();
  return digest;
}

std::uint64_t hash64(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t hash64(std::string_view first, std::string_view second) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, first.data(), first.size());
  XXH3_64bits_update(&state, second.data(), second.size());
  return XXH3_64bits_digest(&state);
}

void random_bytes(void* out, std::size_t size) {
  struct buffer {
    std::array<std::uint8_t, 512> bytes;
    std::size_t used = 512;
  };

  thread_local buffer pool;
  if (size > pool.bytes.size()) {
    if (RAND_bytes(static_cast<unsigned char*>(out), static_cast<int>(size)) != 1)
      std::abort();
    return;
  }
  if (pool.used + size > pool.bytes.size()) {
    if (RAND_bytes(pool.bytes.data(), static_cast<int>(pool.bytes.size())) != 1)
      std::abort();
    pool.used = 0;
  }
  std::memcpy(out, pool.bytes.data() + pool.used, size);
  OPENSSL_cleanse(pool.bytes.data() + pool.used, size); // bytes handed out are not kept
  pool.used += size;
}

std::uint64_t random_u64() {
  std::uint64_t value = 0;
  random_bytes(&value, sizeof value);
  return value;
}

domain::entity_id random_id(domain::unix_ms now) {
  domain::entity_id id;
  random_bytes(id.bytes.data(), id.bytes.size());
  for (int i = 0; i < 6; ++i)
    id.bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(now) >> (8 * (5 - i)));
  id.bytes[6] = static_cast<std::uint8_t>(0x70 | (id.bytes[6] & 0x0F));
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3F));
  return id;
}

bool equal_constant_time(std::string_view left, std::string_view right) {
  return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string to_base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (unsigned char byte : bytes) {
    bits = bits << 8 | byte;
    held += 8;
    while (held >= 6) {
      held -= 6;
      text.push_back(base64_digits[bits >> held & 63]);
    }
  }
  if (held > 0)
    text.push_back(base64_digits[bits << (6 - held) & 63]);
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (char c : text) {
    int digit = base64_value(c);
    if (digit < 0)
      return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<char>(bits >> held));
    }
  }
  if ((bits & ((1u << held) - 1)) != 0)
    return std::nullopt; // one text per value
  return bytes;
}

domain::shard_id shard_of_entity(domain::tenant_id tenant, const domain::entity_id& id) {
  std::string input;
  append_u32(input, value(tenant));
  input += id.view();
  auto digest = sha256(input);
  std::uint64_t head = 0;
  for (int i = 0; i < 8; ++i)
    head = head << 8 | digest[i];
  return domain::shard_id{static_cast<std::uint16_t>(1 + head % (domain::shard_count - 1))};
}

std::string to_text(const session_token& token) {
  std::string bytes(1, static_cast<char>(token.kind));
  append_u32(bytes, value(token.tenant));
  bytes += token.id.view();
  bytes += token.secret;
  return to_base64url(bytes);
}

std::optional<session_token> parse_token(std::string_view text) {
  auto bytes = from_base64url(text);
  if (!bytes || bytes->size() != 1 + 4 + 16 + 32)
    return std::nullopt;
  session_token token;
  auto kind = static_cast<std::uint8_t>((*bytes)[0]);
  if (kind != static_cast<std::uint8_t>(domain::participant_kind::visitor)
      && kind != static_cast<std::uint8_t>(domain::participant_kind::account))
    return std::nullopt;
  token.kind = static_cast<domain::participant_kind>(kind);
  std::uint32_t tenant = 0;
  for (int i = 1; i <= 4; ++i)
    tenant = tenant << 8 | static_cast<std::uint8_t>((*bytes)[i]);
  token.tenant = domain::tenant_id{tenant};
  token.id = *domain::entity_id::from_bytes(std::string_view(*bytes).substr(5, 16));
  token.secret = bytes->substr(21);
  return token;
}

session_token make_visitor_token(domain::tenant_id tenant, const domain::visitor_id& id,
                                 std::string_view visitor_key) {
  std::string input = "visitor";
  append_u32(input, value(tenant));
  input += id.view();
  auto secret = hmac_sha256(visitor_key, input);
  return {domain::participant_kind::visitor, tenant, domain::id_cast<domain::entity_id>(id),
          std::string(reinterpret_cast<const char*>(secret.data()), secret.size())};
}

} // namespace frontdesk::crypto
