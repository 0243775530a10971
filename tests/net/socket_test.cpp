#include "crypto/crypto.hpp"
#include "net/connection.hpp"
#include "tests/net/raw_frame.hpp"
#include "tests/net/test_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

namespace frontdesk::net {
namespace {

using namespace testing;

std::string text(std::string payload) {
  return raw_frame{.first = 0x81, .payload = std::move(payload)}.bytes();
}

TEST(socket, is_small_while_it_is_idle) {
  // Beside it there are a slot, an entry in the count of addresses, and nothing else.
  EXPECT_LE(sizeof(connection), 320u);
}

TEST(socket, opens_with_the_chosen_form_and_tells_about_the_peer) {
  test_server server;
  server.start();
  raw_socket socket(server.port());
  const std::string head
    = socket.upgrade("frontdesk.v1.proto, frontdesk.v1.json", "Origin: https://shop.example\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 "));
  EXPECT_NE(head.find("Sec-WebSocket-Protocol: frontdesk.v1.proto\r\n"), std::string::npos);
  server.events.wait_for("open proto 127.0.0.1");
  EXPECT_EQ(server.events.last_peer().origin, "https://shop.example");
  EXPECT_FALSE(server.events.last_peer().secure);
  EXPECT_EQ(server.host().connection_count(), 1u);
  EXPECT_EQ(server.metrics.connections.value.load(), 1);
}

TEST(socket, sends_messages_both_ways) {
  test_server server;
  server.echo();
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  std::string sent;
  std::vector<std::string> texts;
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 131072u}) {
    texts.push_back(std::string(size, 'x'));
    sent += text(texts.back());
  }
  std::thread writer([&] { socket.send(sent); });
  for (const auto& expected : texts) {
    std::uint8_t first = 0;
    EXPECT_EQ(socket.read_frame(&first), expected);
    EXPECT_EQ(first, 0x81);
  }
  writer.join();
}

TEST(socket, takes_frames_that_come_right_behind_the_request) {
  test_server server;
  server.echo();
  server.start();
  raw_socket socket(server.port());
  socket.upgrade("frontdesk.v1.json", {});
  raw_socket eager(server.port());
  eager.send("GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
             + text("first") + text("second"));
  EXPECT_TRUE(eager.read_until("\r\n\r\n").starts_with("HTTP/1.1 101"));
  EXPECT_EQ(eager.read_frame(), "first");
  EXPECT_EQ(eager.read_frame(), "second");
}

TEST(socket, takes_a_request_and_frames_byte_by_byte) {
  test_server server;
  server.echo();
  server.start();
  raw_socket socket(server.port());
  const std::string stream
    = "GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
      + text("one") + raw_frame{.first = 0x01, .payload = "t"}.bytes()
      + raw_frame{.first = 0x89}.bytes() + raw_frame{.first = 0x80, .payload = "wo"}.bytes();
  for (const char byte : stream)
    socket.send({&byte, 1});
  socket.read_until("\r\n\r\n");
  std::vector<std::string> frames;
  for (int i = 0; i < 3; ++i)
    frames.push_back(socket.read_frame());
  std::sort(frames.begin(), frames.end());
  EXPECT_EQ(frames, (std::vector<std::string>{"", "one", "two"}));
}

TEST(socket, closes_with_the_right_code_for_every_bad_stream) {
  domain::limits limits;
  limits.frame_bytes_max = 200'000;
  limits.bytes_burst = limits.bytes_per_second = 1 << 30;
  test_server server(limits);
  server.start();
  for (const auto& bad : bad_text_streams(200'000)) {
    raw_socket socket(server.port());
    socket.upgrade();
    std::thread writer([&] {
      socket.send(bad.bytes);
      // A proper peer answers the close and closes.
      socket.end_writing();
    });
    EXPECT_EQ(socket.read_close(), bad.code) << bad.name;
    writer.join();
  }
  wait_until([&] { return server.host().connection_count() == 0; }, "all of them closed");
}

TEST(socket, answers_pings_with_the_newest_payload) {
  test_server server;
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  std::string pings;
  for (int i = 0; i < 100; ++i)
    pings += raw_frame{.first = 0x89, .payload = std::to_string(i)}.bytes();
  socket.send(pings);
  std::string last;
  int pongs = 0;
  while (last != "99") {
    std::uint8_t first = 0;
    last = socket.read_frame(&first);
    ASSERT_EQ(first, 0x8a);
    ++pongs;
  }
  EXPECT_LE(pongs, 100);
}

TEST(socket, echoes_a_close_and_reports_it_once) {
  test_server server;
  server.start();
  for (const std::uint16_t code : {1000, 1001, 3000, 4999}) {
    raw_socket socket(server.port());
    socket.upgrade();
    socket.send(close_frame(code, "bye"));
    EXPECT_EQ(socket.read_close(), code);
  }
  raw_socket socket(server.port());
  socket.upgrade();
  socket.send(raw_frame{.first = 0x88}.bytes());
  EXPECT_EQ(socket.read_close(), 1005);
  server.events.wait_for_count("close 4900", 5);
  server.stop();
  EXPECT_EQ(server.events.count("close"), 5u);
}

TEST(socket, delivers_what_came_before_the_close) {
  test_server server;
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  socket.send(text("a") + text("b") + close_frame(1000) + text("late"));
  EXPECT_EQ(socket.read_close(), 1000);
  server.events.wait_for("close 4900");
  EXPECT_EQ(server.events.lines(), (std::vector<std::string>{"open json 127.0.0.1", "message a",
                                                             "message b", "close 4900"}));
}

TEST(socket, reports_a_peer_that_vanishes) {
  test_server server;
  server.start();
  raw_socket gone(server.port());
  gone.upgrade();
  gone.abort();
  server.events.wait_for("close 4901");
  {
    raw_socket ended(server.port());
    ended.upgrade();
  }
  server.events.wait_for("close 4900");
}

TEST(socket, closes_for_the_gateway_after_what_is_queued) {
  test_server server;
  server.events.received
    = [](domain::connection_host& host, domain::connection_number connection, std::string_view) {
        host.send(connection, "last words");
        host.close(connection, domain::close_reason::going_away, "moving");
        host.send(connection, "never sent");
      };
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  socket.send(text("x"));
  EXPECT_EQ(socket.read_frame(), "last words");
  std::uint8_t first = 0;
  EXPECT_EQ(socket.read_frame(&first), "\x03\xe9moving");
  EXPECT_EQ(first, 0x88);
  socket.send(text("ignored") + close_frame(1001));
  EXPECT_EQ(socket.read_all(), "");
  server.events.wait_for("close 1001");
  EXPECT_EQ(server.events.count("message"), 1u);
}

TEST(socket, resets_a_peer_that_does_not_answer_a_close) {
  domain::limits limits;
  limits.close_timeout_ms = 100;
  test_server server(limits);
  server.events.opened = [](domain::connection_host& host, domain::connection_number connection) {
    host.close(connection, domain::close_reason::policy, "no");
  };
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  EXPECT_EQ(socket.read_close(), 1008);
  server.events.wait_for("close 1008");
}

TEST(socket, pings_a_silent_peer_and_then_cuts_it) {
  domain::limits limits;
  limits.heartbeat_ms = 1000;
  test_server server(limits);
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  std::uint8_t first = 0;
  socket.read_frame(&first);
  EXPECT_EQ(first, 0x89) << "a ping while it answers";
  socket.send(raw_frame{.first = 0x8a}.bytes());
  first = 0;
  EXPECT_EQ(server.events.count("close"), 0u);
  socket.read_frame(&first);
  EXPECT_EQ(first, 0x89);
  EXPECT_EQ(socket.read_all(), "") << "cut without a further ping";
  server.events.wait_for("close 4901");
}

TEST(socket, stops_reading_while_paused) {
  test_server server;
  domain::connection_number number = 0;
  server.events.opened = [&](domain::connection_host& host, domain::connection_number connection) {
    if (number)
      return;
    number = connection;
    host.pause(connection, true);
  };
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  server.events.wait_for("open json 127.0.0.1");
  socket.send(text("waits"));
  // Another socket's message has gone all the way meanwhile.
  server.on_host([](io_thread&) {});
  raw_socket other(server.port());
  other.upgrade();
  other.send(raw_frame{.first = 0x89, .payload = "p"}.bytes());
  EXPECT_EQ(server.events.count("message"), 0u);
  server.on_host([&](io_thread& host) { host.pause(number, false); });
  server.events.wait_for("message waits");
}

TEST(socket, cuts_a_reader_that_is_too_slow_and_serves_the_others) {
  domain::limits limits;
  limits.outbox_bytes_max = 65536;
  limits.close_timeout_ms = 100;
  test_server server(limits);
  std::vector<domain::connection_number> open;
  server.events.opened = [&](domain::connection_host&, domain::connection_number connection) {
    open.push_back(connection);
  };
  server.start();
  raw_socket slow(server.port(), 4096);
  slow.upgrade();
  server.events.wait_for("open json 127.0.0.1");
  auto reader = websocket_client::connect(server.to());
  ASSERT_TRUE(reader);

  const std::string message(8192, 'm');
  int sent = 0;
  while (server.events.count("close") == 0) {
    ASSERT_LT(++sent, 10'000) << "the slow reader is never cut";
    server.on_host([&](io_thread& host) {
      for (const auto connection : open)
        host.send(connection, message);
    });
    ASSERT_TRUE((*reader)->receive(patience)) << "the other one must go on";
  }
  EXPECT_EQ(server.metrics.slow_consumers.value.load(), 1u);
  server.events.wait_for("close 1013");
  EXPECT_EQ(server.host().connection_count(), 1u);
}

TEST(socket, tells_a_slow_reader_why_if_it_reads_again_in_time) {
  domain::limits limits;
  limits.outbox_bytes_max = 65536;
  limits.close_timeout_ms = 60'000;
  test_server server(limits);
  domain::connection_number number = 0;
  server.events.opened
    = [&](domain::connection_host&, domain::connection_number connection) { number = connection; };
  server.start();
  raw_socket slow(server.port(), 4096);
  slow.upgrade();
  server.events.wait_for("open json 127.0.0.1");
  const std::string message(8192, 'm');
  while (server.metrics.slow_consumers.value.load() == 0)
    server.on_host([&](io_thread& host) { host.send(number, message); });
  for (;;) {
    std::uint8_t first = 0;
    const std::string payload = slow.read_frame(&first);
    if (first == 0x88) {
      EXPECT_EQ(payload, "\x03\xf5slow_consumer");
      break;
    }
    ASSERT_EQ(payload, message) << "frames before the close are whole";
  }
  slow.send(close_frame(1013));
  EXPECT_EQ(slow.read_all(), "");
  server.events.wait_for("close 1013");
}

TEST(socket, takes_more_than_the_outbox_in_one_turn_if_the_peer_reads) {
  domain::limits limits;
  limits.outbox_bytes_max = 65536;
  test_server server(limits);
  server.events.received
    = [](domain::connection_host& host, domain::connection_number connection, std::string_view) {
        for (int i = 0; i < 20; ++i)
          host.send(connection, std::string(10'000, static_cast<char>('a' + i)));
      };
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  ASSERT_TRUE((*client)->send("go"));
  for (int i = 0; i < 20; ++i) {
    const auto message = (*client)->receive(patience);
    ASSERT_TRUE(message);
    EXPECT_EQ(*message, std::string(10'000, static_cast<char>('a' + i)));
  }
}

TEST(socket, slows_a_flood_warns_it_and_cuts_it) {
  domain::limits limits;
  limits.frames_per_second = 100;
  limits.frames_burst = 200;
  limits.shaper_warnings_max = 2;
  limits.close_timeout_ms = 500;
  test_server server(limits);
  server.events.keep_messages = false;
  server.echo();
  server.start();
  auto other = websocket_client::connect(server.to());
  ASSERT_TRUE(other);

  raw_socket flood(server.port());
  flood.upgrade();
  std::thread writer([&] {
    std::string frames;
    for (int i = 0; i < 1000; ++i)
      frames += text("flood");
    while (flood.send(frames)) {
    }
  });
  int echoed = 0;
  std::uint16_t code = 0;
  for (std::uint8_t first = 0;; first = 0) {
    const std::string payload = flood.read_frame(&first);
    if (first == 0)
      break;
    if (first == 0x81)
      ++echoed;
    if (first == 0x88) {
      code = static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8
                                        | static_cast<std::uint8_t>(payload[1]));
      break;
    }
    if (echoed % 100 == 0) {
      ASSERT_TRUE((*other)->send("ping"));
      ASSERT_TRUE((*other)->receive(patience)) << "the other one must not feel it";
    }
  }
  EXPECT_EQ(code, 1008);
  server.events.wait_for("close 1008");
  writer.join();
  EXPECT_EQ(server.events.count("shaped"), 2u);
  EXPECT_EQ(server.metrics.shaper_warnings.value.load(), 2u);
  EXPECT_EQ(server.metrics.shaper_cuts.value.load(), 1u);
  // A burst, and one read's worth beyond it: not what three seconds of flood would have been.
  EXPECT_LT(echoed, 20'000);
}

TEST(socket, lets_a_shaped_socket_go_on_when_it_is_within_its_rate_again) {
  domain::limits limits;
  limits.frames_per_second = 1000;
  limits.frames_burst = 100;
  test_server server(limits);
  server.echo();
  server.start();
  auto client = websocket_client::connect(server.to());
  ASSERT_TRUE(client);
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE((*client)->send(std::to_string(i)));
  for (int i = 0; i < 300; ++i) {
    const auto message = (*client)->receive(patience);
    ASSERT_TRUE(message);
    EXPECT_EQ(*message, std::to_string(i));
  }
}

TEST(socket, closes_all_within_a_spread_and_ends_idle_requests) {
  test_server server;
  server.start();
  websocket_client_host clients;
  std::vector<std::unique_ptr<websocket_client>> open;
  for (int i = 0; i < 20; ++i) {
    auto made = websocket_client::connect(server.to(), clients);
    ASSERT_TRUE(made);
    open.push_back(*std::move(made));
  }
  raw_socket idle(server.port());
  idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.read_response();
  server.sockets->stop_accepting();
  EXPECT_THROW(raw_socket(server.port()), std::system_error);
  server.host().close_all(domain::close_reason::restart, "moving", 200);
  for (auto& client : open) {
    const auto why = client->wait_closed(patience);
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, 1012);
    EXPECT_EQ(why->text, "moving");
  }
  EXPECT_EQ(idle.read_all(), "");
  server.events.wait_for_count("close 1012", 20);
}

TEST(socket, reports_what_is_still_open_when_the_thread_stops) {
  test_server server;
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  server.events.wait_for("open json 127.0.0.1");
  server.stop();
  EXPECT_EQ(server.events.lines().back(), "close 4901");
  EXPECT_EQ(server.metrics.connections.value.load(), 0);
}

TEST(socket, never_uses_a_number_again) {
  test_server server;
  std::vector<domain::connection_number> numbers;
  server.events.opened = [&](domain::connection_host&, domain::connection_number connection) {
    numbers.push_back(connection);
  };
  server.start();
  for (int i = 0; i < 5; ++i) {
    raw_socket socket(server.port());
    socket.upgrade();
    socket.send(close_frame(1000));
    EXPECT_EQ(socket.read_close(), 1000);
  }
  server.stop();
  ASSERT_EQ(numbers.size(), 5u);
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
}

TEST(socket, ignores_calls_for_connections_that_are_gone) {
  test_server server;
  server.events.closed = [](domain::connection_host& host, domain::connection_number connection) {
    host.send(connection, "x");
    host.pause(connection, true);
    host.close(connection, domain::close_reason::normal, "");
    host.flush();
  };
  server.start();
  raw_socket socket(server.port());
  socket.upgrade();
  socket.send(close_frame(1000));
  EXPECT_EQ(socket.read_close(), 1000);
  server.events.wait_for("close 4900");
  server.on_host([](io_thread& host) {
    host.send(0, "x");
    host.close(~0ull, domain::close_reason::normal, "");
  });
}

TEST(socket, counts_what_it_moves) {
  test_server server;
  server.echo();
  server.start();
  raw_socket socket(server.port());
  const std::string head = socket.upgrade();
  socket.send(text("four"));
  EXPECT_EQ(socket.read_frame(), "four");
  server.stop();
  EXPECT_EQ(server.metrics.frames_in.value.load(), 1u);
  EXPECT_EQ(server.metrics.frames_out.value.load(), 1u);
  EXPECT_EQ(server.metrics.connections_accepted.value.load(), 1u);
  EXPECT_EQ(server.metrics.bytes_out.value.load(), head.size() + 6);
  EXPECT_GT(server.metrics.bytes_in.value.load(), 10u);
}

} // namespace
} // namespace frontdesk::net
