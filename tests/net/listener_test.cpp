#include "net/listener.hpp"
#include "tests/net/raw_frame.hpp"
#include "tests/net/test_server.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace frontdesk::net {
namespace {

using namespace testing;

TEST(listener, names_what_it_cannot_use) {
  test_server server;
  server.start();
  const auto failure = [&](const std::function<void(listener_options&)>& change) {
    listener_options options;
    change(options);
    const auto opened = listener::open(options, {}, {&server.host()});
    return opened ? domain::error{} : opened.failure();
  };
  EXPECT_EQ(failure([](auto& o) { o.address = "localhost"; }).code, domain::errc::config);
  EXPECT_EQ(failure([](auto& o) { o.trusted_proxies = {"10.0.0.0/64"}; }).code,
            domain::errc::config);
  EXPECT_EQ(failure([](auto& o) { o.address = "203.0.113.1"; }).code, domain::errc::io);
  const domain::error taken = failure([&](auto& o) { o.port = server.port(); });
  EXPECT_EQ(taken.code, domain::errc::io);
  EXPECT_NE(taken.message.find(std::to_string(server.port())), std::string::npos);
}

TEST(listener, takes_ipv4_and_ipv6_on_one_socket) {
  test_server server;
  server.echo();
  server.options.address = "::";
  server.start();
  connect_options target = server.to();
  ASSERT_TRUE(websocket_client::connect(target));
  server.events.wait_for("open json 127.0.0.1");
  target.address = "::1";
  ASSERT_TRUE(websocket_client::connect(target));
  server.events.wait_for("open json ::1");
}

TEST(listener, spreads_connections_over_its_threads) {
  test_server server({}, 3);
  server.echo();
  server.start();
  websocket_client_host clients;
  std::vector<std::unique_ptr<websocket_client>> open;
  for (int i = 0; i < 30; ++i) {
    auto made = websocket_client::connect(server.to(), clients);
    ASSERT_TRUE(made);
    ASSERT_TRUE((*made)->send("x"));
    ASSERT_TRUE((*made)->receive(patience));
    open.push_back(*std::move(made));
  }
  for (const auto& thread : server.threads)
    EXPECT_EQ(thread->connection_count(), 10u);
}

TEST(listener, stops_accepting_at_its_limit_until_one_closes) {
  test_server server;
  server.options.connections_max = 2;
  server.start();
  EXPECT_EQ(server.sockets->capacity(), 2u);
  raw_socket first(server.port());
  first.upgrade();
  raw_socket second(server.port());
  second.upgrade();
  raw_socket third(server.port());
  third.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  wait_until([&] { return server.metrics.accept_paused.value.load() == 1; }, "accepting pauses");
  EXPECT_EQ(server.metrics.connections_accepted.value.load(), 2u);
  first.send(close_frame(1000));
  EXPECT_EQ(first.read_close(), 1000);
  EXPECT_TRUE(third.read_response().starts_with("HTTP/1.1 404 "));
  EXPECT_EQ(server.logger.count("accepting is paused"), 1u);
}

TEST(listener, closes_new_ones_at_its_limit_if_told_so) {
  test_server server;
  server.options.connections_max = 1;
  server.options.close_when_full = true;
  server.start();
  raw_socket first(server.port());
  first.upgrade();
  raw_socket second(server.port());
  EXPECT_EQ(second.read_all(), "");
  EXPECT_EQ(server.metrics.connections_refused.value.load(), 1u);
}

TEST(listener, answers_429_to_an_address_with_too_many_sockets) {
  domain::limits limits;
  limits.sockets_per_address = 2;
  test_server server(limits, 2);
  server.start();
  raw_socket first(server.port());
  raw_socket second(server.port());
  raw_socket third(server.port());
  EXPECT_TRUE(first.upgrade().starts_with("HTTP/1.1 101 "));
  EXPECT_TRUE(second.upgrade().starts_with("HTTP/1.1 101 "));
  EXPECT_TRUE(third.upgrade().starts_with("HTTP/1.1 429 "));
  connect_options other = server.to();
  other.source_address = "127.0.0.2";
  EXPECT_TRUE(websocket_client::connect(other)) << "another address has its own";
  first.send(close_frame(1000));
  EXPECT_EQ(first.read_close(), 1000);
  server.events.wait_for("close 4900");
  raw_socket fourth(server.port());
  EXPECT_TRUE(fourth.upgrade().starts_with("HTTP/1.1 101 "));
}

TEST(listener, counts_addresses_behind_a_trusted_proxy_by_its_header) {
  domain::limits limits;
  limits.sockets_per_address = 1;
  test_server server(limits);
  server.options.trusted_proxies = {"127.0.0.1"};
  server.start();
  raw_socket first(server.port());
  raw_socket second(server.port());
  raw_socket third(server.port());
  EXPECT_TRUE(first.upgrade("", "X-Forwarded-For: 203.0.113.1\r\n").starts_with("HTTP/1.1 101 "));
  EXPECT_TRUE(second.upgrade("", "X-Forwarded-For: 203.0.113.2\r\n").starts_with("HTTP/1.1 101 "));
  EXPECT_TRUE(third.upgrade("", "X-Forwarded-For: 203.0.113.1\r\n").starts_with("HTTP/1.1 429 "));
}

TEST(listener, closes_connections_of_an_address_that_never_ask_for_anything) {
  domain::limits limits;
  limits.sockets_per_address = 1;
  test_server server(limits);
  server.start();
  std::vector<std::unique_ptr<raw_socket>> idle;
  for (int i = 0; i < 65; ++i)
    idle.push_back(std::make_unique<raw_socket>(server.port()));
  raw_socket one_more(server.port());
  EXPECT_EQ(one_more.read_all(), "");
  EXPECT_EQ(server.metrics.connections_refused.value.load(), 1u);
}

TEST(listener, refuses_upgrades_while_it_drains) {
  test_server server;
  server.start();
  raw_socket early(server.port());
  early.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  early.read_response();
  server.sockets->stop_accepting();
  EXPECT_TRUE(early.upgrade().starts_with("HTTP/1.1 503 "));
}

TEST(listener, keeps_descriptors_for_others) {
  domain::limits limits;
  limits.descriptors_reserved = 256;
  EXPECT_EQ(socket_capacity(limits, 20'000), 19'744u);
  EXPECT_EQ(socket_capacity(limits, 256), 128u) << "a small limit is shared";
  EXPECT_EQ(socket_capacity(limits, 20), 10u);
}

/// Runs in a child process of its own, whose descriptors run out while the listener believes that
/// it has more.
int exhaust_descriptors() {
  const rlimit few{64, 64};
  if (::setrlimit(RLIMIT_NOFILE, &few) != 0)
    return 10;
  domain::limits limits;
  limits.descriptors_reserved = 64; // half of them are for sockets
  test_server server(limits);
  server.start();

  raw_socket before(server.port());
  if (!before.upgrade().starts_with("HTTP/1.1 101 "))
    return 11;

  // The store and the logs take all that is left, but for what the clients below need.
  std::vector<std::unique_ptr<raw_socket>> waiting;
  std::vector<int> taken;
  for (int opened = 0; (opened = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
    taken.push_back(opened);
  if (errno != EMFILE)
    return 12;
  for (int i = 0; i < 3; ++i) {
    ::close(taken.back());
    taken.pop_back();
    waiting.push_back(std::make_unique<raw_socket>(server.port()));
  }
  // Each back-off closes one waiting connection, from the reserve, and waits longer than the last.
  rusage from{};
  ::getrusage(RUSAGE_SELF, &from);
  for (auto& refused : waiting)
    if (!refused->read_all().empty())
      return 13;
  waiting.clear();
  rusage to{};
  ::getrusage(RUSAGE_SELF, &to);
  if (server.metrics.connections_refused.value.load() < 3)
    return 14;
  const auto cpu_ms = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000
           + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
  };
  // The second and third are refused after waits of 50 and 100 ms; a loop that spins would burn
  // those.
  if (cpu_ms(to) - cpu_ms(from) > 75)
    return 15;

  // There is room again: no restart is needed.
  for (const int one : taken)
    ::close(one);
  raw_socket after(server.port());
  if (!after.upgrade().starts_with("HTTP/1.1 101 "))
    return 16;
  before.send(raw_frame{.first = 0x81, .payload = "still here"}.bytes());
  server.events.wait_for("message still here");
  return ::testing::Test::HasFailure() ? 17 : 0;
}

TEST(listener, recovers_from_having_no_descriptors_without_spinning) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "UBSan's check of vptrs opens a pipe to probe memory: without descriptors it "
                  "reports what is not there";
#endif
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(std::_Exit(exhaust_descriptors()), ::testing::ExitedWithCode(0), "");
}

} // namespace
} // namespace frontdesk::net
