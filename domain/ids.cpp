#include "domain/ids.hpp"

namespace frontdesk::domain {

namespace {

int digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

} // namespace

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0)
    return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = digit(text[i]);
    int low = digit(text[i + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::optional<shard_id> shard_of(const conversation_id& id) {
  auto shard = static_cast<std::uint16_t>(id.bytes[0] << 8 | id.bytes[1]);
  if (shard == value(configuration_shard) || shard >= shard_count)
    return std::nullopt;
  return shard_id{shard};
}

conversation_id make_conversation_id(shard_id shard, unix_ms milliseconds, std::uint64_t random) {
  conversation_id id;
  id.bytes[0] = static_cast<std::uint8_t>(value(shard) >> 8);
  id.bytes[1] = static_cast<std::uint8_t>(value(shard));
  for (int i = 0; i < 6; ++i)
    id.bytes[2 + i]
      = static_cast<std::uint8_t>(static_cast<std::uint64_t>(milliseconds) >> (8 * (5 - i)));
  for (int i = 0; i < 8; ++i)
    id.bytes[8 + i] = static_cast<std::uint8_t>(random >> (8 * (7 - i)));
  return id;
}

} // namespace frontdesk::domain
