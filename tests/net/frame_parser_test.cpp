#include "net/frame_parser.hpp"
#include "tests/net/raw_frame.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <string>
#include <vector>

namespace frontdesk::net {
namespace {

using testing::bad_text_streams;
using testing::close_frame;
using testing::raw_frame;

constexpr std::uint32_t limit = 200'000;

/// One line per event, e.g. "text hello", "ping x", "close 1000 bye", "failure 1002".
std::vector<std::string> parse(const std::string& stream, const std::vector<std::size_t>& cuts,
                               frame_rules rules) {
  frame_parser parser(rules);
  std::vector<std::string> seen;
  std::size_t from = 0;
  const auto feed = [&](std::size_t to) {
    std::string piece = stream.substr(from, to - from);
    from = to;
    std::span<char> input(piece);
    for (;;) {
      const frame_event event = parser.next(input);
      switch (event.what) {
      case frame_event::type::more:
        EXPECT_TRUE(input.empty());
        return;
      case frame_event::type::message: {
        const std::string text = event.assembled ? parser.take_message() : std::string(event.data);
        seen.push_back((event.text ? "text " : "binary ") + text);
        break;
      }
      case frame_event::type::ping:
        seen.push_back("ping " + std::string(event.data));
        break;
      case frame_event::type::pong:
        seen.push_back("pong " + std::string(event.data));
        break;
      case frame_event::type::close:
        seen.push_back("close " + std::to_string(event.code) + " " + std::string(event.data));
        break;
      case frame_event::type::failure:
        seen.push_back("failure " + std::to_string(event.code));
        break;
      }
    }
  };
  for (const std::size_t cut : cuts)
    feed(cut);
  feed(stream.size());
  return seen;
}

std::vector<std::string> parse(const std::string& stream,
                               frame_rules rules = {.message_bytes_max = limit}) {
  return parse(stream, {}, rules);
}

std::vector<std::size_t> every_byte(const std::string& stream) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < stream.size(); ++i)
    cuts.push_back(i);
  return cuts;
}

std::string frame(std::uint8_t first, std::string payload) {
  return raw_frame{.first = first, .payload = std::move(payload)}.bytes();
}

using lines = std::vector<std::string>;

TEST(frame_parser, hands_out_a_whole_frame_without_copying_it) {
  std::string stream = frame(0x81, "hello") + frame(0x81, "world");
  frame_parser parser({.message_bytes_max = limit});
  std::span<char> input(stream);
  const char* const begin = stream.data();
  const char* const end = begin + stream.size();
  for (const char* const expected : {"hello", "world"}) {
    const frame_event event = parser.next(input);
    EXPECT_EQ(event.data, expected);
    EXPECT_FALSE(event.assembled);
    EXPECT_TRUE(event.data.data() >= begin && event.data.data() < end);
    EXPECT_FALSE(parser.in_message());
  }
  EXPECT_EQ(parser.next(input).what, frame_event::type::more);
  EXPECT_EQ(parser.take_frame_count(), 2u);
}

TEST(frame_parser, takes_every_length_up_to_the_limit) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{125}, std::size_t{126},
                                 std::size_t{65535}, std::size_t{65536}, std::size_t{limit}}) {
    const std::string text(size, 'x');
    EXPECT_EQ(parse(frame(0x81, text)), lines{"text " + text}) << size;
    EXPECT_EQ(parse(frame(0x82, text)), lines{"binary " + text}) << size;
  }
}

TEST(frame_parser, assembles_fragments_with_control_frames_between_them) {
  EXPECT_EQ(parse(frame(0x01, "a") + frame(0x89, "p") + frame(0x00, "b") + frame(0x8a, "q")
                  + frame(0x80, "c") + frame(0x82, "d")),
            (lines{"ping p", "pong q", "text abc", "binary d"}));
  EXPECT_EQ(parse(frame(0x02, "") + frame(0x00, "") + frame(0x80, "")), lines{"binary "});
}

TEST(frame_parser, takes_a_character_that_is_cut_between_fragments) {
  EXPECT_EQ(parse(frame(0x01, "\xf0\x9f") + frame(0x89, "") + frame(0x80, "\x98\x80!")),
            (lines{"ping ", "text \xf0\x9f\x98\x80!"}));
}

TEST(frame_parser, gives_the_code_and_the_reason_of_a_close) {
  EXPECT_EQ(parse(frame(0x88, "")), lines{"close 1005 "});
  for (const std::uint16_t code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
                                   1014, 3000, 3999, 4000, 4999})
    EXPECT_EQ(parse(close_frame(code, "bye")), lines{"close " + std::to_string(code) + " bye"});
}

TEST(frame_parser, ignores_everything_behind_a_close) {
  EXPECT_EQ(parse(close_frame(1000) + frame(0x81, "late") + frame(0xff, "nonsense")),
            lines{"close 1000 "});
}

TEST(frame_parser, answers_every_bad_stream_with_its_code) {
  for (const auto& bad : bad_text_streams(limit)) {
    const frame_rules rules{.kind = message_kind::text, .message_bytes_max = limit};
    const auto bulk = parse(bad.bytes, rules);
    ASSERT_FALSE(bulk.empty()) << bad.name;
    EXPECT_EQ(bulk.back(), "failure " + std::to_string(bad.code)) << bad.name;
    if (bad.bytes.size() > 5000)
      continue;
    EXPECT_EQ(parse(bad.bytes, every_byte(bad.bytes), rules), bulk) << bad.name;
  }
}

TEST(frame_parser, finds_bad_text_before_its_frame_is_whole) {
  const std::string whole = frame(0x81, "ab\xff" + std::string(100, 'x'));
  EXPECT_EQ(parse(whole.substr(0, 6 + 3)), lines{"failure 1007"});
}

TEST(frame_parser, refuses_a_long_message_by_its_header) {
  const std::string whole = frame(0x81, std::string(limit + 1, 'x'));
  EXPECT_EQ(parse(whole.substr(0, 14)), lines{"failure 1009"});
}

TEST(frame_parser, takes_only_the_kind_it_is_told) {
  EXPECT_EQ(parse(frame(0x81, "x"), {.kind = message_kind::binary}), lines{"failure 1003"});
  EXPECT_EQ(parse(frame(0x82, "x"), {.kind = message_kind::binary}), lines{"binary x"});
  EXPECT_EQ(parse(frame(0x02, "x"), {.kind = message_kind::text}), lines{"failure 1003"});
}

TEST(frame_parser, refuses_a_masked_frame_as_client) {
  const frame_rules client{.role = frame_role::client};
  EXPECT_EQ(parse(frame(0x81, "x"), client), lines{"failure 1002"});
  std::string plain;
  append_frame(plain, frame_opcode::text, "x");
  EXPECT_EQ(parse(plain, client), lines{"text x"});
}

TEST(frame_parser, keeps_nothing_between_messages) {
  frame_parser parser({.message_bytes_max = limit});
  std::string stream = frame(0x01, "a") + frame(0x80, "b");
  std::span<char> input(stream);
  EXPECT_EQ(parser.next(input).what, frame_event::type::message);
  EXPECT_EQ(parser.next(input).what, frame_event::type::more);
  EXPECT_FALSE(parser.in_message());
  EXPECT_LE(sizeof(frame_parser), 40u);
}

TEST(frame_writer, makes_the_shortest_header) {
  for (const auto& [size, header] : std::vector<std::pair<std::size_t, std::size_t>>{
         {0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}}) {
    std::string out;
    append_frame(out, frame_opcode::binary, std::string(size, 'x'));
    EXPECT_EQ(out.size(), header + size);
    EXPECT_EQ(frame_header_bytes(frame_role::server, size), header);
    std::string masked;
    append_masked_frame(masked, frame_opcode::binary, std::string(size, 'x'), 0x12345678);
    EXPECT_EQ(masked.size(), header + 4 + size);
    EXPECT_EQ(frame_header_bytes(frame_role::client, size), header + 4);
  }
}

TEST(frame_writer, cuts_a_close_reason_between_characters) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "\xe2\x82\xac";
  const std::string payload = close_payload(1008, text);
  EXPECT_EQ(payload.size(), 2u + 123u);
  EXPECT_EQ(payload.substr(0, 2), "\x03\xf0");
  EXPECT_EQ(close_payload(1008, "x" + text).size(), 2u + 121u);
  EXPECT_EQ(close_payload(1005, "ignored"), "");
}

TEST(frame_writer, finds_boundaries_of_frames) {
  std::string out;
  std::vector<std::size_t> ends{0};
  for (const std::size_t size : {3u, 0u, 126u, 70'000u, 5u}) {
    append_frame(out, frame_opcode::text, std::string(size, 'x'));
    ends.push_back(out.size());
  }
  for (std::size_t at = 0; at <= out.size(); at += at < 200 ? 1 : 997) {
    EXPECT_EQ(frame_boundary_after(out, at), *std::lower_bound(ends.begin(), ends.end(), at));
    EXPECT_EQ(frame_boundary_before(out, at),
              *(std::upper_bound(ends.begin(), ends.end(), at) - 1));
  }
}

/// Whole messages, some in fragments with control frames between them, and now and then a frame of
/// any kind.
rc::Gen<std::string> any_stream() {
  const auto payload = rc::gen::weightedOneOf<std::string>(
    {{10, rc::gen::container<std::string>(rc::gen::inRange<char>('a', 'z'))},
     {5, rc::gen::map(rc::gen::elementOf(std::vector<std::size_t>{0, 1, 125, 126, 127, 1000}),
                      [](std::size_t size) { return std::string(size, 'x'); })},
     {5, rc::gen::just(std::string("\xe2\x82\xac \xf0\x9f\x98\x80"))},
     {1, rc::gen::arbitrary<std::string>()}});
  const auto message = rc::gen::apply(
    [](bool is_text, const std::string& whole, std::vector<std::size_t> cuts, bool with_ping) {
      const std::uint8_t opcode = is_text ? 0x01 : 0x02;
      std::string out;
      std::size_t from = 0;
      for (std::size_t& cut : cuts)
        cut = whole.empty() ? 0 : cut % whole.size();
      std::sort(cuts.begin(), cuts.end());
      for (const std::size_t cut : cuts) {
        out += frame(from == 0 && out.empty() ? opcode : 0x00, whole.substr(from, cut - from));
        if (with_ping)
          out += frame(0x89, "ping");
        from = cut;
      }
      return out + frame(out.empty() ? 0x80 | opcode : 0x80, whole.substr(from));
    },
    rc::gen::arbitrary<bool>(), payload,
    rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 2000)),
    rc::gen::arbitrary<bool>());
  const auto anything = rc::gen::apply(
    [](std::uint8_t head, std::string text, bool masked, bool forced) {
      return raw_frame{
        .first = head, .payload = text, .masked = masked, .length_bytes = forced ? 2 : -1}
        .bytes();
    },
    rc::gen::arbitrary<std::uint8_t>(), payload,
    rc::gen::weightedElement<bool>({{4, true}, {1, false}}),
    rc::gen::weightedElement<bool>({{1, true}, {4, false}}));
  const auto one = rc::gen::weightedOneOf<std::string>(
    {{30, message}, {1, anything}, {1, rc::gen::just(close_frame(1000, "end"))}});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(one),
                      [](const std::vector<std::string>& all) {
                        std::string stream;
                        for (const auto& bytes : all)
                          stream += bytes;
                        return stream;
                      });
}

TEST(frame_parser, does_not_care_how_the_bytes_are_cut) {
  EXPECT_TRUE(rc::check("random cuts and single bytes equal the whole", [] {
    const std::string stream = *any_stream();
    const frame_rules rules{.message_bytes_max = 4000};
    const auto bulk = parse(stream, rules);
    RC_ASSERT(parse(stream, every_byte(stream), rules) == bulk);
    auto cuts = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::inRange<std::size_t>(0, stream.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    RC_ASSERT(parse(stream, cuts, rules) == bulk);
    RC_CLASSIFY(!bulk.empty() && bulk.back().starts_with("failure"), "failed");
    RC_CLASSIFY(bulk.size() > 3, "several events");
  }));
}

TEST(frame_parser, reads_back_what_the_writer_wrote) {
  EXPECT_TRUE(rc::check("masked and unmasked", [] {
    const auto texts = *rc::gen::arbitrary<std::vector<std::string>>();
    const auto key = *rc::gen::arbitrary<std::uint32_t>();
    std::string to_server;
    std::string to_client;
    lines expected;
    for (const auto& text : texts) {
      append_masked_frame(to_server, frame_opcode::binary, text, key);
      append_frame(to_client, frame_opcode::binary, text);
      expected.push_back("binary " + text);
    }
    RC_ASSERT(parse(to_server) == expected);
    RC_ASSERT(parse(to_client, {.role = frame_role::client}) == expected);
  }));
}

TEST(utf8_checker, agrees_with_a_plain_decoder) {
  // Written after the definition, code point by code point, unlike the table in the checker.
  const auto valid = [](const std::string& text) {
    for (std::size_t i = 0; i < text.size();) {
      const auto at = [&](std::size_t n) -> std::uint32_t {
        return i + n < text.size() ? static_cast<std::uint8_t>(text[i + n]) : 0u;
      };
      const std::uint32_t lead = at(0);
      const std::size_t size = lead < 0x80       ? 1
                               : lead >> 5 == 6  ? 2
                               : lead >> 4 == 14 ? 3
                               : lead >> 3 == 30 ? 4
                                                 : 0;
      if (size == 0)
        return false;
      std::uint32_t point = size == 1 ? lead : lead & (0xffu >> (size + 1));
      for (std::size_t n = 1; n < size; ++n) {
        if (at(n) >> 6 != 2)
          return false;
        point = point << 6 | (at(n) & 0x3f);
      }
      static constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
      if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return false;
      i += size;
    }
    return true;
  };
  for (int lead = 0; lead < 256; ++lead) {
    for (int second = 0; second < 256; ++second) {
      for (const char* const rest : {"", "\x80", "\xbf", "\x80\x80", "\xbf\xbf", "a"}) {
        for (const char* const before : {"", "eight or more plain bytes"}) {
          const std::string text
            = before + std::string{static_cast<char>(lead), static_cast<char>(second)} + rest;
          utf8_checker whole;
          ASSERT_EQ(whole.feed(text) && whole.complete(), valid(text)) << lead << " " << second;
          utf8_checker pieces;
          bool fed = true;
          for (const char byte : text)
            fed = fed && pieces.feed({&byte, 1});
          ASSERT_EQ(fed && pieces.complete(), valid(text)) << lead << " " << second;
        }
      }
    }
  }
}

} // namespace
} // namespace frontdesk::net
