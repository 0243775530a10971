#include "app/log.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <sstream>
#include <thread>

using namespace frontdesk;
using namespace frontdesk::app;
using domain::log_level;

namespace {

boost::json::object parsed(const std::string& line) {
  boost::json::error_code failure;
  auto value = boost::json::parse(line, failure);
  EXPECT_FALSE(failure) << line.substr(0, 300);
  return failure ? boost::json::object{} : value.as_object();
}

std::string text_of(const boost::json::object& line, const char* field) {
  return line.contains(field) ? std::string{line.at(field).as_string()} : "(none)";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in{text};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

} // namespace

TEST(json_line, holds_time_level_message_and_fields) {
  EXPECT_EQ(
    json_line(1706704496007, log_level::warning, "slow reader",
              {{"conv", "0012"}, {"bytes", "77"}}),
    R"({"ts":"2024-01-31T12:34:56.007Z","lvl":"warning","msg":"slow reader","conv":"0012","bytes":"77"})");
}

TEST(json_line, keeps_one_event_one_line_whatever_the_values_hold) {
  const auto line
    = json_line(0, log_level::info, "a\r\nb", {{"evil", "\x1b[2J\n{\"lvl\":\"error\"}\x7f\x07"}});
  EXPECT_EQ(line.find_first_of("\r\n\x1b\x7f\x07"), std::string::npos);
  EXPECT_EQ(text_of(parsed(line), "msg"), "a\r\nb");
  EXPECT_EQ(text_of(parsed(line), "evil"), "\x1b[2J\n{\"lvl\":\"error\"}\x7f\x07");
}

TEST(json_line, escapes_control_characters_beyond_ascii) {
  // U+009B is a one-character CSI; U+2028 ends a line for some readers.
  const auto line = json_line(0, log_level::info, "\xC2\x9B[2J \xE2\x80\xA8", {});
  EXPECT_NE(line.find("\\u009b[2J \\u2028"), std::string::npos) << line;
  EXPECT_EQ(text_of(parsed(line), "msg"), "\xC2\x9B[2J \xE2\x80\xA8");
}

TEST(json_line, replaces_bytes_that_are_no_utf8) {
  const std::vector<std::string> broken{"\x80",     "\xC0\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                                        "\xE2\x82", "\xFF"};
  for (const auto& bytes : broken) {
    const auto message
      = text_of(parsed(json_line(0, log_level::info, "a" + bytes + "z", {})), "msg");
    EXPECT_EQ(message.substr(0, 4), "a\xEF\xBF\xBD");
    EXPECT_EQ(message.back(), 'z');
  }
  EXPECT_EQ(text_of(parsed(json_line(0, log_level::info, "退款 é 🙂", {})), "msg"),
            "退款 é 🙂");
}

TEST(json_line, cuts_what_is_too_long_and_says_so) {
  const std::string huge(100000, '\x01'); // six bytes each when escaped
  for (const auto& line :
       {json_line(0, log_level::info, huge, {{"k", "v"}}),
        json_line(0, log_level::info, "m", {{"a", huge}, {"b", huge}, {"c", "x"}}),
        json_line(0, log_level::info, "m", {{"a", std::string(16300, 'x')}, {"b", "y"}})}) {
    EXPECT_LE(line.size(), log_line_bytes_max);
    EXPECT_TRUE(parsed(line).at("cut").as_bool());
  }
}

TEST(json_line, is_valid_for_any_bytes) {
  EXPECT_TRUE(
    rc::check("valid, one line, bounded", [](const std::string& message, const std::string& value) {
      const auto line = json_line(1, log_level::error, message, {{"value", value}});
      boost::json::error_code failure;
      boost::json::parse(line, failure);
      RC_ASSERT(!failure);
      RC_ASSERT(line.size() <= log_line_bytes_max);
      for (const char letter : line)
        RC_ASSERT(static_cast<unsigned char>(letter) >= 0x20);
    }));
}

TEST(text_line, quotes_what_is_not_plain_and_escapes_what_moves_a_cursor) {
  EXPECT_EQ(
    text_line("ready", {{"port", "8080"}, {"data", "/a b"}, {"none", ""}, {"evil", "\x1b[2J\n"}}),
    R"(ready port=8080 data="/a b" none="" evil="\u001b[2J\n")");
  EXPECT_LE(text_line(std::string(100000, 'x'), {}).size(), log_line_bytes_max);
}

TEST(process_log, writes_each_event_as_one_json_line) {
  std::ostringstream out;
  {
    process_log log{log_level::info, log_format::json, out, 100};
    log.log(log_level::info, "one {} %v", {{"a", "b"}});
    log.log(log_level::error, "two");
  }
  const auto lines = lines_of(out.str());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(text_of(parsed(lines[0]), "msg"), "one {} %v");
  EXPECT_EQ(text_of(parsed(lines[0]), "a"), "b");
  EXPECT_EQ(text_of(parsed(lines[1]), "lvl"), "error");
}

TEST(process_log, writes_text_for_people_without_colour_when_not_asked_for) {
  std::ostringstream out;
  {
    process_log log{log_level::info, log_format::text, out, 100};
    log.log(log_level::warning, "slow", {{"a", "b"}});
  }
  EXPECT_NE(out.str().find("warning slow a=b\n"), std::string::npos) << out.str();
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
}

TEST(process_log, leaves_lines_below_its_level_out) {
  std::ostringstream out;
  {
    process_log log{log_level::warning, log_format::json, out, 100};
    log.log(log_level::info, "quiet");
    log.set_level(log_level::debug);
    log.log(log_level::debug, "loud");
  }
  EXPECT_EQ(out.str().find("quiet"), std::string::npos);
  EXPECT_NE(out.str().find("loud"), std::string::npos);
}

TEST(process_log, drops_debug_and_info_first_counts_it_and_says_it) {
  std::ostringstream out;
  {
    process_log log{log_level::debug, log_format::json, out, 8};
    log.hold(true);
    for (int i = 0; i < 10; ++i)
      log.log(log_level::info, "info"); // 6 fit
    for (int i = 0; i < 5; ++i)
      log.log(log_level::error, "error"); // 2 more fit
    EXPECT_EQ(log.dropped(), 7u);
    log.hold(false);
    log.flush();
  }
  const auto lines = lines_of(out.str());
  ASSERT_EQ(lines.size(), 9u);
  EXPECT_EQ(text_of(parsed(lines[5]), "msg"), "info");
  EXPECT_EQ(text_of(parsed(lines[6]), "msg"), "error");
  EXPECT_EQ(text_of(parsed(lines[8]), "msg"), "log lines were dropped");
  EXPECT_EQ(text_of(parsed(lines[8]), "count"), "7");
}

TEST(process_log, takes_lines_from_many_threads_whole) {
  std::ostringstream out;
  {
    process_log log{log_level::info, log_format::json, out, 100000};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&log] {
        for (int i = 0; i < 500; ++i)
          log.log(log_level::info, "line", {{"i", std::to_string(i)}});
      });
    for (auto& thread : threads)
      thread.join();
  }
  const auto lines = lines_of(out.str());
  EXPECT_EQ(lines.size(), 2000u);
  for (const auto& line : lines)
    EXPECT_EQ(text_of(parsed(line), "msg"), "line");
}
