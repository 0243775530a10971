#include "app/config.hpp"
#include "domain/ports/telemetry.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

using namespace frontdesk::app;

/// Documents that are made from the code are current. FRONTDESK_REWRITE=1 brings them up to date.
namespace {

std::string read(const std::string& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

bool rewriting() {
  const char* value = std::getenv("FRONTDESK_REWRITE");
  return value && *value;
}

/// The part of a document between `<!-- begin NAME -->` and `<!-- end NAME -->` is `wanted`.
void expect_part(const std::string& file, const std::string& name, const std::string& wanted) {
  const auto path = std::string{FRONTDESK_SOURCE_DIR} + "/" + file;
  auto text = read(path);
  const auto begin_mark = "<!-- begin " + name + " -->\n";
  const auto begin = text.find(begin_mark);
  const auto end = text.find("<!-- end " + name + " -->");
  ASSERT_NE(begin, std::string::npos) << file << " lacks the mark of " << name;
  ASSERT_NE(end, std::string::npos) << file << " lacks the mark of " << name;
  const auto from = begin + begin_mark.size();
  if (rewriting()) {
    text.replace(from, end - from, wanted);
    std::ofstream{path} << text;
    return;
  }
  EXPECT_EQ(text.substr(from, end - from), wanted) << "run with FRONTDESK_REWRITE=1";
}

std::string metrics_table() {
  std::string out = "| metric | kind | meaning |\n|---|---|---|\n";
  const auto add = [&out](std::string name, const std::string& kind, const std::string& help) {
    if (kind == "counter")
      name += "_total";
    out += "| `" + name + "` | " + kind + " | " + help + " |\n";
  };
#define FRONTDESK_METRIC_DOC(member, kind, name, help) add(name, #kind, help);
  FRONTDESK_METRICS(FRONTDESK_METRIC_DOC)
#undef FRONTDESK_METRIC_DOC
  return out;
}

} // namespace

TEST(documents, operations_guide_lists_every_limit) {
  expect_part("docs/OPERATIONS.md", "limits", limits_table_markdown());
}

TEST(documents, operations_guide_lists_every_key) {
  expect_part("docs/OPERATIONS.md", "keys", keys_table_markdown());
}

TEST(documents, operations_guide_lists_every_metric) {
  expect_part("docs/OPERATIONS.md", "metrics", metrics_table());
}

TEST(documents, example_configuration_is_what_config_default_prints) {
  const auto path = std::string{FRONTDESK_SOURCE_DIR} + "/deploy/frontdesk.example.toml";
  if (rewriting())
    std::ofstream{path} << default_configuration_text();
  EXPECT_EQ(read(path), default_configuration_text()) << "run with FRONTDESK_REWRITE=1";
}
