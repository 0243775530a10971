#include "app/health.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

using namespace frontdesk;
using namespace frontdesk::app;
using domain::store_state;

namespace {

health_facts healthy() {
  health_facts facts;
  facts.disk_free_bytes = 10u << 20;
  facts.disk_free_bytes_min = 1u << 20;
  facts.listening = true;
  return facts;
}

std::string status_of(const health_facts& facts, const char* check) {
  const auto body = boost::json::parse(readyz(facts).body);
  return std::string{body.at("checks").at(check).at("status").as_string()};
}

std::string status_of(const health_facts& facts) {
  return std::string{boost::json::parse(readyz(facts).body).at("status").as_string()};
}

} // namespace

TEST(health, is_ready_when_every_part_passes) {
  EXPECT_EQ(readyz(healthy()).http_status, 200u);
  EXPECT_EQ(status_of(healthy()), "pass");
  for (const char* check : {"store", "disk", "memory", "listener", "drain"})
    EXPECT_EQ(status_of(healthy(), check), "pass");
}

TEST(health, is_not_ready_while_the_store_cannot_be_written) {
  for (const auto state : {store_state::full, store_state::read_only, store_state::failed}) {
    auto facts = healthy();
    facts.store = state;
    EXPECT_EQ(readyz(facts).http_status, 503u);
    EXPECT_EQ(status_of(facts, "store"), "fail");
    EXPECT_EQ(status_of(facts, "disk"), "pass");
  }
}

TEST(health, warns_before_the_disk_is_full_and_fails_below_its_watermark) {
  auto facts = healthy();
  facts.disk_free_bytes = facts.disk_free_bytes_min * 2 - 1;
  EXPECT_EQ(status_of(facts, "disk"), "warn");
  EXPECT_EQ(readyz(facts).http_status, 200u);
  facts.disk_free_bytes = facts.disk_free_bytes_min - 1;
  EXPECT_EQ(status_of(facts, "disk"), "fail");
  EXPECT_EQ(readyz(facts).http_status, 503u);
}

TEST(health, warns_when_new_conversations_are_refused_and_fails_when_visitors_are) {
  auto facts = healthy();
  facts.memory_level = 1;
  EXPECT_EQ(status_of(facts), "warn");
  EXPECT_EQ(readyz(facts).http_status, 200u);
  facts.memory_level = 2;
  EXPECT_EQ(readyz(facts).http_status, 503u);
}

TEST(health, is_not_ready_before_the_port_is_open_and_warns_while_accepting_waits) {
  auto facts = healthy();
  facts.accept_paused = true;
  EXPECT_EQ(status_of(facts, "listener"), "warn");
  facts.listening = false;
  EXPECT_EQ(status_of(facts, "listener"), "fail");
  EXPECT_EQ(readyz(facts).http_status, 503u);
}

TEST(health, is_not_ready_but_alive_while_draining) {
  auto facts = healthy();
  facts.draining = true;
  EXPECT_EQ(readyz(facts).http_status, 503u);
  EXPECT_EQ(status_of(facts, "drain"), "fail");
  EXPECT_EQ(livez().http_status, 200u);
}
