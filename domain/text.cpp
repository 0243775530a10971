#include "domain/text.hpp"

#include <cstdint>

namespace frontdesk::domain {

namespace {

/// Bytes of the character that begins `text`; 0 if that is no well-formed one.
std::size_t character_size(std::string_view text) {
  auto at = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  auto follows = [&](std::size_t i, std::uint8_t least, std::uint8_t most) {
    return i < text.size() && at(i) >= least && at(i) <= most;
  };
  const auto first = at(0);
  if (first < 0x80)
    return 1;
  if (first < 0xC2)
    return 0; // a continuation byte, or an overlong form of two
  if (first < 0xE0)
    return follows(1, 0x80, 0xBF) ? 2 : 0;
  if (first < 0xF0) {
    const std::uint8_t least = first == 0xE0 ? 0xA0 : 0x80; // overlong below
    const std::uint8_t most = first == 0xED ? 0x9F : 0xBF;  // surrogates above
    return follows(1, least, most) && follows(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first < 0xF5) {
    const std::uint8_t least = first == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t most = first == 0xF4 ? 0x8F : 0xBF; // U+10FFFF is the last
    return follows(1, least, most) && follows(2, 0x80, 0xBF) && follows(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

} // namespace

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto size = character_size(text);
    if (size == 0)
      return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string cut_utf8(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max)
    return std::string{text};
  auto end = bytes_max;
  while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string{text.substr(0, end)};
}

} // namespace frontdesk::domain
