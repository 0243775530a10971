#include "net/address.hpp"

#include <gtest/gtest.h>

namespace frontdesk::net {
namespace {

ip_address at(const char* text) {
  const auto parsed = ip_address::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(ip_address{});
}

TEST(ip_address, is_the_same_in_its_mapped_form) {
  EXPECT_EQ(at("::ffff:10.1.2.3"), at("10.1.2.3"));
  EXPECT_EQ(at("::ffff:10.1.2.3").to_string(), "10.1.2.3");
  EXPECT_EQ(at("2001:DB8::1").to_string(), "2001:db8::1");
  for (const char* const bad : {"", "1.2.3", "1.2.3.4.5", "x", "1.2.3.4 ", "::g", "localhost"})
    EXPECT_FALSE(ip_address::parse(bad)) << bad;
}

TEST(ip_address, counts_by_address_or_by_ipv6_network) {
  EXPECT_NE(at("10.0.0.1").limit_key(), at("10.0.0.2").limit_key());
  EXPECT_EQ(at("2001:db8:1:2::1").limit_key(), at("2001:db8:1:2:ffff::9").limit_key());
  EXPECT_NE(at("2001:db8:1:2::1").limit_key(), at("2001:db8:1:3::1").limit_key());
  EXPECT_NE(at("0.0.0.0").limit_key(), 0u);
}

TEST(trusted_proxies, know_their_ranges) {
  const auto proxies = trusted_proxies::parse(
    {"10.0.0.0/8", "192.168.1.7", "172.16.0.0/12", "fd00::/9", "0.0.0.0/0"});
  ASSERT_TRUE(proxies);
  const auto some
    = trusted_proxies::parse({"10.0.0.0/8", "192.168.1.7", "172.16.0.0/12", "fd00::/9"});
  ASSERT_TRUE(some);
  for (const char* const yes :
       {"10.255.0.1", "192.168.1.7", "172.31.255.255", "fd7f::1", "::ffff:10.0.0.1"})
    EXPECT_TRUE(some->trusts(at(yes))) << yes;
  for (const char* const no : {"11.0.0.1", "192.168.1.8", "172.32.0.0", "fd80::1", "::1"})
    EXPECT_FALSE(some->trusts(at(no))) << no;
  EXPECT_TRUE(proxies->trusts(at("8.8.8.8")));
  EXPECT_FALSE(proxies->trusts(at("2001:db8::1")));
}

TEST(trusted_proxies, name_the_bad_range) {
  for (const char* const bad :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::/129", "proxy", "10.0.0.0/-1"}) {
    const auto parsed = trusted_proxies::parse({"10.0.0.0/8", bad});
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.failure().code, domain::errc::config);
    EXPECT_NE(parsed.failure().message.find(bad), std::string::npos);
  }
}

TEST(trusted_proxies, find_the_client_from_the_right) {
  const auto proxies = trusted_proxies::parse({"10.0.0.0/8", "fd00::/8"});
  ASSERT_TRUE(proxies);

  struct {
    const char* peer;
    const char* header;
    const char* client;
  } const table[] = {
    {"203.0.113.9", "1.1.1.1", "203.0.113.9"}, // not a proxy: its header is not believed
    {"10.0.0.1", "", "10.0.0.1"},
    {"10.0.0.1", "1.1.1.1", "1.1.1.1"},
    {"10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"}, // what the client wrote itself is further left
    {"10.0.0.1", "6.6.6.6, 1.1.1.1 , 10.0.0.7", "1.1.1.1"},
    {"10.0.0.1", "1.1.1.1:4711", "1.1.1.1"},
    {"10.0.0.1", "[2001:db8::5]:4711", "2001:db8::5"},
    {"10.0.0.1", "2001:db8::5, fd00::1", "2001:db8::5"},
    {"10.0.0.1", "unknown", "10.0.0.1"},
    {"10.0.0.1", "1.1.1.1, _hidden, 10.0.0.9", "10.0.0.9"},
    {"10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"},
    {"10.0.0.1", ",,", "10.0.0.1"},
  };

  for (const auto& row : table)
    EXPECT_EQ(proxies->client_of(at(row.peer), row.header).to_string(), row.client) << row.header;
}

TEST(address_counts, count_both_kinds_apart_and_forget) {
  using kind = address_counts::kind;
  address_counts counts;
  EXPECT_TRUE(counts.enter(1, kind::socket, 2));
  EXPECT_TRUE(counts.enter(1, kind::socket, 2));
  EXPECT_FALSE(counts.enter(1, kind::socket, 2));
  EXPECT_TRUE(counts.enter(1, kind::connection, 2));
  EXPECT_TRUE(counts.enter(2, kind::socket, 2));
  counts.leave(1, kind::socket);
  EXPECT_TRUE(counts.enter(1, kind::socket, 2));
  EXPECT_FALSE(counts.enter(3, kind::socket, 0));
}

} // namespace
} // namespace frontdesk::net
