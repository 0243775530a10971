#include "app/config.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>
#include <sstream>

using namespace frontdesk;
using namespace frontdesk::app;

namespace {

config_sources from_file(std::string text) {
  config_sources sources;
  sources.file_name = "frontdesk.toml";
  sources.file_text = std::move(text);
  return sources;
}

std::vector<std::string> problems_of(const config_sources& sources) {
  std::vector<std::string> texts;
  for (const auto& problem : load_configuration(sources).problems)
    texts.push_back(to_text(problem));
  return texts;
}

using texts = std::vector<std::string>;

/// The default file with every key's line made effective.
std::string uncommented_default() {
  std::istringstream lines{default_configuration_text()};
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const bool key = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    out += (key ? line.substr(1) : line) + "\n";
  }
  return out;
}

std::vector<config_value> values_of(const configuration& config) {
  std::vector<config_value> values;
  for (const auto& key : config_keys())
    values.push_back(key.get(config));
  return values;
}

} // namespace

TEST(configuration, is_usable_with_nothing_given) {
  const auto loaded = load_configuration({});
  EXPECT_TRUE(loaded.usable());
  EXPECT_EQ(loaded.values.server.port, 8080);
  EXPECT_EQ(loaded.values.admin.address, "127.0.0.1");
  EXPECT_EQ(loaded.values.limits.frame_bytes_max, domain::limits{}.frame_bytes_max);
  for (const auto& key : config_keys())
    EXPECT_EQ(loaded.origins.at(key.full_name()), "default");
}

TEST(configuration, lets_flags_win_over_environment_and_environment_over_file) {
  auto sources
    = from_file("[server]\nport = 1111\naddress = \"127.0.0.1\"\n[log]\nlevel = \"debug\"\n");
  sources.environment = {{"FRONTDESK_SERVER__PORT", "2222"}, {"FRONTDESK_SERVER__ADDRESS", "::1"}};
  sources.flags = {{"server.port", "3333"}};
  const auto loaded = load_configuration(sources);
  ASSERT_TRUE(loaded.usable());
  EXPECT_EQ(loaded.values.server.port, 3333);
  EXPECT_EQ(loaded.values.server.address, "::1");
  EXPECT_EQ(loaded.values.log.level, domain::log_level::debug);
  EXPECT_EQ(loaded.origins.at("server.port"), "flag --server.port");
  EXPECT_EQ(loaded.origins.at("server.address"), "environment FRONTDESK_SERVER__ADDRESS");
  EXPECT_EQ(loaded.origins.at("log.level"), "frontdesk.toml:5:9");
  EXPECT_EQ(loaded.origins.at("admin.port"), "default");
}

TEST(configuration, reports_every_problem_of_a_file_with_line_column_and_suggestion) {
  EXPECT_EQ(problems_of(from_file("[server]\n"
                                  "prot = 1\n"
                                  "port = \"80\"\n"
                                  "address = 5\n"
                                  "trusted_proxies = [\"10.0.0.0/8\", 7]\n"
                                  "[limts]\n"
                                  "drain_ms = 1\n"
                                  "[limits]\n"
                                  "frame_bytes_max = 1\n"
                                  "text_bytes_max = -1\n"
                                  "drain_ms = 1.5\n"
                                  "[log]\n"
                                  "level = \"warn\"\n")),
            (texts{
              "frontdesk.toml:2:1: unknown key \"server.prot\"; did you mean \"server.port\"?",
              "frontdesk.toml:3:8: server.port: expected a whole number from 0 to 65535",
              "frontdesk.toml:4:11: server.address: expected text in quotes",
              "frontdesk.toml:5:34: server.trusted_proxies: expected a list of texts in quotes",
              "frontdesk.toml:6:2: unknown section [limts]; did you mean \"limits\"?",
              "frontdesk.toml:9:19: limits.frame_bytes_max is out of range: expected a whole "
              "number from 1024 to "
              "16777216",
              "frontdesk.toml:10:18: limits.text_bytes_max is out of range: expected a whole "
              "number from 256 to 61440",
              "frontdesk.toml:11:12: limits.drain_ms: expected a whole number from 0 to 600000",
              "frontdesk.toml:13:9: log.level: expected one of debug, info, warning, error; did "
              "you mean \"warning\"?",
            }));
}

TEST(configuration, reports_problems_of_file_environment_and_flags_together) {
  auto sources = from_file("[server]\nprot = 1\n");
  sources.environment = {{"FRONTDESK_SERVER__PROT", "1"}, {"FRONTDESK_LOG__LEVEL", "loud"}};
  sources.flags = {{"server.port", "70000"}};
  EXPECT_EQ(
    problems_of(sources),
    (texts{"frontdesk.toml:2:1: unknown key \"server.prot\"; did you mean \"server.port\"?",
           "FRONTDESK_LOG__LEVEL: log.level: expected one of debug, info, warning, error",
           "FRONTDESK_SERVER__PROT: unknown key; did you mean \"FRONTDESK_SERVER__PORT\"?",
           "--server.port: server.port is out of range: expected a whole number from 0 to 65535"}));
}

TEST(configuration, tells_the_section_of_a_key_that_stands_outside) {
  EXPECT_EQ(
    problems_of(from_file("drain_ms = 5\n[server]\ndata = \"/x\"\n")),
    (texts{"frontdesk.toml:1:1: unknown key \"drain_ms\"; did you mean \"limits.drain_ms\"?",
           "frontdesk.toml:3:1: unknown key \"server.data\"; did you mean \"store.data\"?"}));
}

TEST(configuration, reports_a_syntax_error_with_its_place) {
  const auto problems = load_configuration(from_file("[server]\nport = = 5\n")).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].where, "frontdesk.toml:2:8");
}

TEST(configuration, refuses_a_section_given_as_a_value) {
  EXPECT_EQ(problems_of(from_file("server = 5\n")),
            (texts{"frontdesk.toml:1:1: expected a section: [server]"}));
}

TEST(configuration, refuses_a_line_that_could_exhaust_the_parser) {
  std::string deep = "a";
  for (int i = 0; i < 5000; ++i)
    deep += ".a";
  EXPECT_EQ(problems_of(from_file("\n" + deep + " = 1\n")),
            (texts{"frontdesk.toml:2:1: the line is longer than 8 KiB"}));
  EXPECT_EQ(problems_of(from_file(std::string((1 << 20) + 1, '\n'))),
            (texts{"frontdesk.toml: the file is larger than 1 MiB"}));
}

TEST(configuration, tells_of_one_underscore_where_two_are_needed) {
  config_sources sources;
  sources.environment = {{"FRONTDESK_SERVER_PORT", "1"}};
  EXPECT_EQ(problems_of(sources),
            (texts{"FRONTDESK_SERVER_PORT: section and key are joined by two underscores; did "
                   "you mean \"FRONTDESK_SERVER__PORT\"?"}));
}

TEST(configuration, leaves_variables_alone_that_are_no_keys) {
  config_sources sources;
  // What an orchestrator sets for a service of this name, and our own variable for the file.
  sources.environment = {{"FRONTDESK_SERVICE_HOST", "10.0.0.1"},
                         {"FRONTDESK_PORT_8080_TCP_PORT", "8080"},
                         {"FRONTDESK_CONFIG", "/etc/x"},
                         {"OTHER__KEY", "1"}};
  EXPECT_EQ(problems_of(sources), texts{});
}

TEST(configuration, takes_lists_from_environment_and_flags_with_commas) {
  config_sources sources;
  sources.environment = {{"FRONTDESK_SERVER__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8 ,::1"}};
  EXPECT_EQ(load_configuration(sources).values.server.trusted_proxies,
            (texts{"127.0.0.1", "10.0.0.0/8", "::1"}));
  sources.flags = {{"server.trusted_proxies", ""}};
  EXPECT_EQ(load_configuration(sources).values.server.trusted_proxies, texts{});
}

TEST(configuration, refuses_numbers_that_are_no_numbers) {
  for (const char* text : {"", " 1", "1 ", "-1", "0x10", "1e3", "99999999999999999999", "8080k"}) {
    config_sources sources;
    sources.flags = {{"server.port", text}};
    EXPECT_EQ(load_configuration(sources).problems.size(), 1u) << text;
  }
}

TEST(configuration, reads_a_secret_from_a_file_and_cuts_its_newline) {
  config_sources sources;
  sources.environment = {{"FRONTDESK_ADMIN__KEY_FILE", "/run/key"}};
  sources.read_file = [](const std::string& path) -> domain::result<std::string> {
    if (path == "/run/key")
      return std::string{"0123456789abcdef\n"};
    return domain::error{domain::errc::not_found, "cannot read " + path};
  };
  const auto loaded = load_configuration(sources);
  EXPECT_TRUE(loaded.usable());
  EXPECT_EQ(loaded.values.admin.key, "0123456789abcdef");
  EXPECT_EQ(loaded.origins.at("admin.key"), "file /run/key named by FRONTDESK_ADMIN__KEY_FILE");

  sources.environment["FRONTDESK_ADMIN__KEY"] = "fedcba9876543210";
  EXPECT_EQ(
    problems_of(sources),
    (texts{"FRONTDESK_ADMIN__KEY_FILE: set together with FRONTDESK_ADMIN__KEY: which one holds?"}));
  sources.environment = {{"FRONTDESK_ADMIN__KEY_FILE", "/none"}};
  EXPECT_EQ(problems_of(sources), (texts{"FRONTDESK_ADMIN__KEY_FILE: cannot read /none"}));
  sources.environment = {{"FRONTDESK_SERVER__PORT_FILE", "/run/key"}};
  EXPECT_EQ(load_configuration(sources).problems.size(), 1u) << "only secrets come from files";
}

TEST(configuration, never_repeats_a_secret_in_a_problem_or_listing) {
  config_sources sources;
  sources.environment = {{"FRONTDESK_ADMIN__KEY", "hush-hush"}};
  for (const auto& text : problems_of(sources))
    EXPECT_EQ(text.find("hush"), std::string::npos) << text;
  EXPECT_EQ(problems_of(sources).size(), 1u) << "too short";

  sources.environment = {{"FRONTDESK_ADMIN__KEY", "hush-hush-hush-hush"}};
  const auto loaded = load_configuration(sources);
  ASSERT_TRUE(loaded.usable());
  for (const auto& text : {show_configuration(loaded, true), show_configuration_json(loaded)}) {
    EXPECT_EQ(text.find("hush"), std::string::npos);
    EXPECT_NE(text.find("********"), std::string::npos);
  }
}

TEST(configuration, finds_contradictions_and_blames_what_was_set) {
  EXPECT_EQ(problems_of(from_file("[server]\ntls_certificate = \"a.pem\"\n")),
            (texts{"frontdesk.toml:2:19: server.tls_certificate and server.tls_key go together: "
                   "set both or none"}));
  EXPECT_EQ(problems_of(from_file("[server]\nport = 9090\n")),
            (texts{"frontdesk.toml:2:8: server.port and admin.port must differ"}));
  EXPECT_EQ(problems_of(from_file("[server]\nport = 0\n[admin]\nport = 0\n")), texts{});
  EXPECT_EQ(problems_of(from_file("[limits]\nmemory_opening_percent = 90\n")),
            (texts{"frontdesk.toml:2:26: limits.memory_opening_percent (90) must not be more than "
                   "limits.memory_visitor_percent (85)"}));
  config_sources sources;
  sources.flags = {{"limits.frame_bytes_max", "1024"}};
  EXPECT_EQ(problems_of(sources),
            (texts{"--limits.frame_bytes_max: limits.text_bytes_max (32768) must not be more "
                   "than limits.frame_bytes_max (1024)"}));
}

TEST(configuration, refuses_text_that_could_not_be_shown) {
  for (const char* bad : {"/data/\xff", "\xc0\xaf"}) {
    config_sources sources;
    sources.flags = {{"store.data", bad}};
    EXPECT_EQ(problems_of(sources),
              (texts{"--store.data: store.data: is no UTF-8 text, or holds a zero byte"}));
  }
  EXPECT_EQ(problems_of(from_file("[store]\ndata = \"a\\u0000b\"\n")),
            (texts{"frontdesk.toml:2:8: store.data: is no UTF-8 text, or holds a zero byte"}));
}

TEST(configuration, checks_addresses_and_networks) {
  for (const char* good : {"127.0.0.1", "0.0.0.0", "::", "::1", "192.168.1.20"}) {
    config_sources sources;
    sources.flags = {{"server.address", good}};
    EXPECT_EQ(problems_of(sources), texts{}) << good;
  }
  for (const char* bad : {"", "localhost", "example.com", "1.2.3", "1.2.3.4:80", "[::1]"}) {
    config_sources sources;
    sources.flags = {{"server.address", bad}};
    EXPECT_EQ(load_configuration(sources).problems.size(), 1u) << bad;
  }
  for (const char* bad :
       {"x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8"}) {
    config_sources sources;
    sources.flags = {{"server.trusted_proxies", bad}};
    EXPECT_EQ(load_configuration(sources).problems.size(), 1u) << bad;
  }
}

TEST(configuration, default_file_changes_nothing_as_it_is_and_with_every_key_made_effective) {
  for (const auto& text : {default_configuration_text(), uncommented_default()}) {
    const auto loaded = load_configuration(from_file(text));
    EXPECT_EQ(problems_of(from_file(text)), texts{});
    EXPECT_EQ(values_of(loaded.values), values_of(configuration{}));
  }
  const auto loaded = load_configuration(from_file(uncommented_default()));
  for (const auto& key : config_keys())
    EXPECT_TRUE(loaded.origins.at(key.full_name()).starts_with("frontdesk.toml:"))
      << key.full_name();
}

TEST(configuration, listing_is_a_file_that_gives_the_same_values) {
  auto sources = from_file(
    "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\nstatic_dir = \"a \\\" \\\\ \\t\\u007f é\"\n"
    "[log]\nformat = \"json\"\n");
  const auto loaded = load_configuration(sources);
  ASSERT_TRUE(loaded.usable());
  for (const bool origin : {false, true}) {
    const auto again = load_configuration(from_file(show_configuration(loaded, origin)));
    ASSERT_TRUE(again.usable());
    EXPECT_EQ(values_of(again.values), values_of(loaded.values));
  }
}

TEST(configuration, lists_every_limit_with_its_bounds) {
  std::set<std::string> names;
  for (const auto& key : config_keys())
    EXPECT_TRUE(names.insert(key.full_name()).second) << key.full_name();
  for (const auto& limit : domain::limit_descriptions()) {
    const auto name = "limits." + std::string{limit.name};
    EXPECT_TRUE(names.contains(name)) << name;
    for (const auto& [number, good] :
         {std::pair{limit.least, true}, {limit.most, true}, {limit.most + 1, false}}) {
      config_sources sources;
      sources.flags = {{name, std::to_string(number)}};
      const auto loaded = load_configuration(sources);
      const bool taken = loaded.origins.at(name) != "default";
      EXPECT_EQ(taken, good) << name << " = " << number;
      if (good) {
        EXPECT_EQ(loaded.values.limits.*limit.member, number);
      }
    }
  }
}

TEST(configuration, every_default_is_in_its_own_range) {
  for (const auto& key : config_keys())
    if (const auto* number = std::get_if<std::uint64_t>(&key.standard)) {
      EXPECT_GE(*number, key.least) << key.full_name();
      EXPECT_LE(*number, key.most) << key.full_name();
    }
}

TEST(configuration, reload_takes_reloadable_keys_and_names_the_others) {
  configuration fresh;
  fresh.log.level = domain::log_level::debug;
  fresh.limits.drain_ms = 7;
  fresh.server.port = 1;
  fresh.limits.page_events = 9;
  texts restart_needed;
  const auto next = reloaded(configuration{}, fresh, restart_needed);
  EXPECT_EQ(next.log.level, domain::log_level::debug);
  EXPECT_EQ(next.limits.drain_ms, 7u);
  EXPECT_EQ(next.server.port, 8080);
  EXPECT_EQ(next.limits.page_events, domain::limits{}.page_events);
  EXPECT_EQ(restart_needed, (texts{"server.port", "limits.page_events"}));
}

TEST(configuration, takes_half_the_processors_unless_told) {
  EXPECT_EQ(thread_count(3), 3u);
  EXPECT_GE(thread_count(0), 1u);
}

TEST(configuration, survives_any_file) {
  // Made of the pieces that files are made of, so that more than the first line is reached.
  const std::vector<std::string> pieces{
    "[server]", "[limits]",       "port", "=", "\n", "\"", "1",  "-",    ".", "[",  "]",
    "a",        "drain_ms = 5\n", "#",    ",", "{",  "}",  "\\", "\x80", "é", "'''"};
  EXPECT_TRUE(rc::check("no file makes it fail without a problem", [&] {
    std::string text;
    for (const auto index : *rc::gen::container<std::vector<std::size_t>>(
           rc::gen::inRange<std::size_t>(0, pieces.size())))
      text += pieces[index];
    const auto loaded = load_configuration(from_file(text));
    for (const auto& problem : loaded.problems)
      RC_ASSERT(problem.where.starts_with("frontdesk.toml"));
    if (loaded.usable())
      RC_ASSERT(values_of(load_configuration(from_file(show_configuration(loaded, true))).values)
                == values_of(loaded.values));
  }));
}

TEST(nearest, finds_slips_and_leaves_strangers_alone) {
  const texts words{"server.port", "server.address", "admin.port", "limits.drain_ms"};
  EXPECT_EQ(nearest("server.prot", words), "server.port");
  EXPECT_EQ(nearest("sever.port", words), "server.port");
  EXPECT_EQ(nearest("server.adress", words), "server.address");
  EXPECT_EQ(nearest("limits.d", words), "limits.drain_ms");
  EXPECT_EQ(nearest("drain", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest(std::string(1000, 'x'), words), "");
}
