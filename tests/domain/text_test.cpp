#include "domain/text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace frontdesk::domain;

std::string encode(std::uint32_t point) {
  std::string text;
  if (point < 0x80) {
    text += static_cast<char>(point);
  } else if (point < 0x800) {
    text += static_cast<char>(0xC0 | point >> 6);
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    text += static_cast<char>(0xE0 | point >> 12);
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | point >> 18);
    text += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (point & 0x3F));
  }
  return text;
}

rc::Gen<std::vector<std::uint32_t>> any_points() {
  const auto range
    = [](std::uint32_t from, std::uint32_t to) { return rc::gen::inRange(from, to); };
  return rc::gen::container<std::vector<std::uint32_t>>(
    rc::gen::oneOf(range(0, 0x80), range(0x80, 0x800), range(0x800, 0xD800), range(0xE000, 0x10000),
                   range(0x10000, 0x110000)));
}

std::string encode(const std::vector<std::uint32_t>& points) {
  std::string text;
  for (auto point : points)
    text += encode(point);
  return text;
}

TEST(text, accepts_every_code_point_but_surrogates_in_its_shortest_form) {
  for (std::uint32_t point = 0; point < 0x110000; ++point) {
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    ASSERT_EQ(valid_utf8(encode(point)), !surrogate) << std::hex << point;
  }
  EXPECT_FALSE(valid_utf8(encode(0x110000)));
}

TEST(text, refuses_what_rfc_3629_forbids) {
  const struct {
    const char* what;
    std::string bytes;
  } table[] = {
    {"lone continuation", "\x80"},
    {"overlong slash of two", "\xC0\xAF"},
    {"overlong of two", "\xC1\xBF"},
    {"overlong of three", "\xE0\x9F\xBF"},
    {"overlong of four", "\xF0\x8F\xBF\xBF"},
    {"first surrogate", "\xED\xA0\x80"},
    {"last surrogate", "\xED\xBF\xBF"},
    {"beyond the last code point", "\xF4\x90\x80\x80"},
    {"lead of five bytes", "\xF8\x88\x80\x80\x80"},
    {"0xFE", "\xFE"},
    {"0xFF", "\xFF"},
    {"cut after one of two", "a\xC3"},
    {"cut after two of three", "a\xE4\xBD"},
    {"cut after three of four", "a\xF0\x9F\x98"},
    {"lead followed by a letter", "\xE4\x41\x41"},
    {"bad byte after good text", "good \xE4\xBD\xA0 bad \xFF"},
  };

  for (const auto& row : table)
    EXPECT_FALSE(valid_utf8(row.bytes)) << row.what;
}

TEST(text, accepts_empty_text_and_nul) {
  EXPECT_TRUE(valid_utf8(""));
  EXPECT_TRUE(valid_utf8(std::string_view{"\0", 1}));
}

TEST(text, cuts_between_characters_only) {
  const struct {
    std::string text;
    std::size_t bytes_max;
    std::string cut;
  } table[] = {
    {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"退款", 6, "退款"}, {"退款", 5, "退"},
    {"退款", 3, "退"}, {"退款", 2, ""},  {"a😀", 4, "a"}, {"a😀", 5, "a😀"},
  };

  for (const auto& row : table)
    EXPECT_EQ(cut_utf8(row.text, row.bytes_max), row.cut) << row.text;
}

RC_GTEST_PROP(text, encoded_code_points_are_valid, ()) {
  RC_ASSERT(valid_utf8(encode(*any_points())));
}

RC_GTEST_PROP(text, a_cut_is_the_longest_valid_beginning, ()) {
  const auto points = *any_points();
  const auto whole = encode(points);
  const auto bytes_max = *rc::gen::inRange<std::size_t>(0, whole.size() + 2);
  std::string longest;
  for (auto point : points) {
    const auto next = encode(point);
    if (longest.size() + next.size() > bytes_max)
      break;
    longest += next;
  }
  RC_ASSERT(cut_utf8(whole, bytes_max) == longest);
}

RC_GTEST_PROP(text, cutting_inside_a_character_makes_it_invalid, ()) {
  const auto point = *rc::gen::suchThat(rc::gen::inRange<std::uint32_t>(0x80, 0x110000),
                                        [](std::uint32_t p) { return p < 0xD800 || p >= 0xE000; });
  const auto whole = encode(point);
  const auto kept = *rc::gen::inRange<std::size_t>(1, whole.size());
  RC_ASSERT(!valid_utf8(std::string{"a"}.append(whole, 0, kept)));
  RC_ASSERT(!valid_utf8(whole.substr(kept) + "a"));
}

} // namespace
