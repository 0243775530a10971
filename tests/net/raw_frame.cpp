#include "tests/net/raw_frame.hpp"

#include <array>

namespace frontdesk::net::testing {

std::string raw_frame::bytes() const {
  std::string out(1, static_cast<char>(first));
  const std::uint64_t length
    = claimed_length < 0 ? payload.size() : static_cast<std::uint64_t>(claimed_length);
  const int form = length_bytes >= 0 ? length_bytes : length < 126 ? 0 : length < 65536 ? 2 : 8;
  const std::uint8_t short_length = form == 0   ? static_cast<std::uint8_t>(length)
                                    : form == 2 ? std::uint8_t{126}
                                                : std::uint8_t{127};
  out.push_back(static_cast<char>((masked ? 0x80 : 0) | short_length));
  for (int shift = 8 * (form - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(length >> shift));
  static constexpr std::array<char, 4> key{0x37, static_cast<char>(0xfa), 0x21, 0x3d};
  if (masked)
    out.append(key.data(), key.size());
  for (std::size_t i = 0; i < payload.size(); ++i)
    out.push_back(masked ? static_cast<char>(payload[i] ^ key[i & 3]) : payload[i]);
  return out;
}

std::string close_frame(std::uint16_t code, std::string_view text) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  return raw_frame{.first = 0x88, .payload = payload.append(text)}.bytes();
}

std::vector<bad_stream> bad_text_streams(std::uint32_t limit) {
  std::vector<bad_stream> table;
  const auto add = [&](std::string name, std::string bytes, std::uint16_t code) {
    table.push_back({std::move(name), std::move(bytes), code});
  };
  const auto frame = [](std::uint8_t first, std::string payload) {
    return raw_frame{.first = first, .payload = std::move(payload)}.bytes();
  };

  add("reserved bit 1", frame(0xc1, "hi"), 1002);
  add("reserved bit 2", frame(0xa1, "hi"), 1002);
  add("reserved bit 3", frame(0x91, "hi"), 1002);
  add("reserved bit on a ping", frame(0xc9, ""), 1002);
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
    add("opcode " + std::to_string(opcode), frame(static_cast<std::uint8_t>(0x80 | opcode), ""),
        1002);
  add("fragmented ping", frame(0x09, "x"), 1002);
  add("fragmented close", frame(0x08, ""), 1002);
  add("ping of 126 bytes", frame(0x89, std::string(126, 'p')), 1002);
  add("close of 126 bytes", frame(0x88, std::string(126, 'p')), 1002);
  add("continuation of nothing", frame(0x80, "x"), 1002);
  add("continuation after a whole message", frame(0x81, "a") + frame(0x80, "b"), 1002);
  add("new text inside a message", frame(0x01, "a") + frame(0x81, "b"), 1002);
  add("new binary inside a message", frame(0x01, "a") + frame(0x82, "b"), 1002);
  add("unmasked text", raw_frame{.first = 0x81, .payload = "hi", .masked = false}.bytes(), 1002);
  add("unmasked ping", raw_frame{.first = 0x89, .masked = false}.bytes(), 1002);

  add("length 125 in two bytes",
      raw_frame{.first = 0x81, .payload = std::string(125, 'x'), .length_bytes = 2}.bytes(), 1002);
  add("length 65535 in eight bytes",
      raw_frame{.first = 0x81, .payload = std::string(65535, 'x'), .length_bytes = 8}.bytes(),
      1002);
  std::string high{static_cast<char>(0x81), static_cast<char>(0xff), static_cast<char>(0x80)};
  add("64-bit length with the high bit", high.append(11, '\0'), 1002);
  add("limit + 1", frame(0x81, std::string(limit + 1, 'x')), 1009);
  add("limit + 1 claimed",
      raw_frame{.first = 0x81, .length_bytes = 8, .claimed_length = std::int64_t{1} << 40}.bytes(),
      1009);
  add("limit + 1 over two fragments", frame(0x01, std::string(limit, 'x')) + frame(0x80, "y"),
      1009);
  add("binary on a text socket", frame(0x82, "x"), 1003);

  const std::array<std::pair<const char*, std::string>, 9> texts{{
    {"lone continuation byte", "\x80"},
    {"overlong slash", "\xc0\xaf"},
    {"overlong three bytes", "\xe0\x80\xaf"},
    {"surrogate", "\xed\xa0\x80"},
    {"beyond the last character", "\xf4\x90\x80\x80"},
    {"five-byte form", "\xf8\x88\x80\x80\x80"},
    {"byte 0xff", "abc\xff"},
    {"cut in the middle", "\xe2\x82"},
    {"bad byte behind good ones", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
                                  "edited"},
  }};
  for (const auto& [name, text] : texts) {
    add(std::string("text: ") + name, frame(0x81, text), 1007);
    std::string split = frame(0x01, "");
    for (const char byte : text)
      split += frame(0x00, std::string(1, byte));
    add(std::string("text over fragments: ") + name, split + frame(0x80, ""), 1007);
  }
  add("text that ends inside a character", frame(0x01, "\xe2\x82") + frame(0x80, ""), 1007);

  add("close of one byte", frame(0x88, "\x03"), 1002);
  add("close reason not UTF-8", close_frame(1000, "\xff"), 1007);
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
    add("close code " + std::to_string(code), close_frame(static_cast<std::uint16_t>(code)), 1002);
  return table;
}

} // namespace frontdesk::net::testing
