#include "net/websocket_client.hpp"
#include "tests/net/raw_frame.hpp"
#include "tests/net/test_server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace frontdesk::net {
namespace {

using namespace testing;

TEST(websocket_client, sends_and_receives) {
  test_server server;
  server.echo();
  server.start();
  for (const auto form : {domain::wire_form::json, domain::wire_form::proto}) {
    auto client = websocket_client::connect(server.to(form));
    ASSERT_TRUE(client);
    for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 131072u}) {
      ASSERT_TRUE((*client)->send(std::string(size, 'x')));
      const auto echoed = (*client)->receive(patience);
      ASSERT_TRUE(echoed);
      EXPECT_EQ(*echoed, std::string(size, 'x'));
    }
    const client_close why = (*client)->close(1000, "done");
    EXPECT_EQ(why.code, 1000);
    EXPECT_FALSE((*client)->send("late"));
    EXPECT_EQ((*client)->receive(patience).failure().code, domain::errc::unavailable);
  }
}

TEST(websocket_client, passes_on_its_headers_and_its_source_address) {
  test_server server;
  server.start();
  connect_options options = server.to();
  options.headers = {{"Origin", "https://shop.example"}};
  options.source_address = "127.0.0.9";
  const auto client = websocket_client::connect(options);
  ASSERT_TRUE(client);
  server.events.wait_for("open json 127.0.0.9");
  EXPECT_EQ(server.events.last_peer().origin, "https://shop.example");
}

TEST(websocket_client, says_what_went_wrong) {
  test_server server;
  server.options.origin_allowed = [](std::string_view) { return false; };
  server.start();
  const auto refused = websocket_client::connect(server.to());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().code, domain::errc::forbidden);
  EXPECT_NE(refused.failure().message.find("403"), std::string::npos);

  connect_options nobody = server.to();
  server.stop();
  server.sockets.reset();
  EXPECT_EQ(websocket_client::connect(nobody).failure().code, domain::errc::unavailable);
  nobody.address = "no-such-host.invalid";
  EXPECT_EQ(websocket_client::connect(nobody).failure().code, domain::errc::unavailable);
  nobody.address = "127.0.0.1";
  nobody.source_address = "203.0.113.77";
  EXPECT_EQ(websocket_client::connect(nobody).failure().code, domain::errc::unavailable);
}

TEST(websocket_client, gives_up_on_a_server_that_does_not_answer) {
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(silent, 1), 0);
  socklen_t size = sizeof address;
  ::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size);
  connect_options options;
  options.port = ntohs(address.sin_port);
  options.timeout_ms = 100;
  EXPECT_EQ(websocket_client::connect(options).failure().code, domain::errc::timeout);
  ::close(silent);
}

TEST(websocket_client, waits_no_longer_than_it_is_told) {
  test_server server;
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  EXPECT_EQ((*client)->receive(std::chrono::milliseconds(10)).failure().code,
            domain::errc::timeout);
  EXPECT_EQ((*client)->wait_closed(std::chrono::milliseconds(10)).failure().code,
            domain::errc::timeout);
}

TEST(websocket_client, tells_the_code_and_the_text_of_the_peer) {
  test_server server;
  server.events.opened = [](domain::connection_host& host, domain::connection_number connection) {
    host.send(connection, "before");
    host.close(connection, domain::close_reason::try_later, "slow_consumer");
  };
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  const auto why = (*client)->wait_closed(patience);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, 1013);
  EXPECT_EQ(why->text, "slow_consumer");
  EXPECT_EQ(*(*client)->receive(patience), "before");
  server.events.wait_for("close 1013");
}

TEST(websocket_client, reports_a_reset_as_a_close_without_a_code) {
  test_server server;
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  server.stop();
  const auto why = (*client)->wait_closed(patience);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, 1006);
}

TEST(websocket_client, can_drop_the_connection) {
  test_server server;
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  (*client)->reset();
  server.events.wait_for("close 4901");
  EXPECT_EQ((*client)->close().code, 1006);
}

TEST(websocket_client, holds_what_it_has_not_been_asked_for_within_bounds) {
  test_server server;
  server.events.keep_messages = false;
  server.events.received
    = [](domain::connection_host& host, domain::connection_number connection, std::string_view) {
        for (int i = 0; i < 10'000; ++i)
          host.send(connection, std::to_string(i));
      };
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  ASSERT_TRUE((*client)->send("go"));
  for (int i = 0; i < 10'000; ++i) {
    const auto message = (*client)->receive(patience);
    ASSERT_TRUE(message) << i;
    ASSERT_EQ(*message, std::to_string(i));
  }
}

TEST(websocket_client, keeps_a_quiet_connection_alive) {
  domain::limits limits;
  limits.heartbeat_ms = 1000;
  test_server server(limits);
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  // Opened later and cut for its silence: by then the client would have been, too.
  raw_socket mute(server.port());
  mute.upgrade();
  server.events.wait_for("close 4901");
  EXPECT_EQ(server.host().connection_count(), 1u);
  ASSERT_TRUE((*client)->send("alive"));
  server.events.wait_for("message alive");
}

/// Opens connections on one host; each sends a message and waits for its echo.
class crowd final : public client_events {
public:
  explicit crowd(websocket_client_host& host) : host_(host) {}

  void on_open(client_number connection) override {
    host_.send(connection, std::to_string(connection));
  }

  void on_message(client_number connection, std::string_view message) override {
    if (message == std::to_string(connection))
      ++echoed;
    host_.close(connection);
  }

  void on_close(client_number, const client_close& why) override {
    const std::lock_guard lock(mutex_);
    if (why.code == 1000)
      ++closed_;
    if (++ended_ == expected)
      done_.set_value();
  }

  std::size_t closed() const { return closed_; }

  bool wait() { return done_.get_future().wait_for(patience) == std::future_status::ready; }

  std::atomic<std::size_t> echoed{0};
  std::size_t expected = 0;

private:
  websocket_client_host& host_;
  std::mutex mutex_;
  std::size_t closed_ = 0;
  std::size_t ended_ = 0;
  std::promise<void> done_;
};

TEST(websocket_client_host, holds_many_connections_on_one_thread) {
  domain::limits limits;
  limits.sockets_per_address = 10'000;
  test_server server(limits);
  server.events.keep_messages = false;
  server.echo();
  server.start();
  websocket_client_host host;
  crowd many(host);
  many.expected = 500;
  for (std::size_t i = 0; i < many.expected; ++i)
    host.connect(server.to(), many);
  ASSERT_TRUE(many.wait());
  EXPECT_EQ(many.echoed.load(), many.expected);
  EXPECT_EQ(many.closed(), many.expected);
  EXPECT_EQ(host.connection_count(), 0u);
}

TEST(websocket_client_host, ends_what_is_open_when_it_goes) {
  test_server server;
  server.start();

  struct waiting final : client_events {
    void on_open(client_number) override { opened.set_value(); }

    void on_message(client_number, std::string_view) override {}

    void on_close(client_number, const client_close& why) override { code = why.code; }

    std::promise<void> opened;
    std::uint16_t code = 0;
  } events;

  {
    websocket_client_host host;
    host.connect(server.to(), events);
    ASSERT_EQ(events.opened.get_future().wait_for(patience), std::future_status::ready);
  }
  EXPECT_EQ(events.code, 1006);
  server.events.wait_for("close 4901");
}

TEST(websocket_client_host, runs_work_after_a_delay_in_order) {
  websocket_client_host host;
  std::promise<std::string> done;
  std::string order;
  host.post([&] {
    host.after_ms(20, [&] {
      order += "c";
      done.set_value(order);
    });
    host.after_ms(10, [&] { order += "b"; });
    host.after_ms(0, [&] { order += "a"; });
  });
  EXPECT_EQ(done.get_future().get(), "abc");
}

} // namespace
} // namespace frontdesk::net
