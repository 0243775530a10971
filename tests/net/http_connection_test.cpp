#include "tests/net/test_server.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <thread>

namespace frontdesk::net {
namespace {

using namespace testing;

const std::string get_root = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

void answer_root(test_server& server) {
  server.routes.get("/", [](const http_request& request) {
    return http_response{.body = "hello " + request.peer.address
                                 + (request.peer.secure ? " secure" : "")};
  });
}

std::string body_of(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

TEST(http_connection, answers_several_requests_on_one_connection) {
  test_server server;
  answer_root(server);
  server.routes.post(
    "/echo", [](const http_request& request) { return http_response{.body = request.body}; });
  server.start();
  raw_socket socket(server.port());
  for (int i = 0; i < 3; ++i) {
    socket.send(get_root);
    const std::string response = socket.read_response();
    EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(body_of(response), "hello 127.0.0.1");
    EXPECT_NE(response.find("\r\nX-Content-Type-Options: nosniff\r\n"), std::string::npos);
  }
  socket.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(body_of(socket.read_response()), "abc");
  socket.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string head = socket.read_all();
  EXPECT_NE(head.find("Content-Length: 15\r\n"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(http_connection, answers_pipelined_requests_in_order) {
  test_server server;
  server.routes.get(
    "/n", [](const http_request& request) { return http_response{.body = request.query + ";"}; });
  server.start();
  raw_socket socket(server.port());
  std::string requests;
  for (int i = 0; i < 2000; ++i)
    requests += "GET /n?" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  std::thread writer([&] { socket.send(requests); });
  for (int i = 0; i < 2000; ++i)
    ASSERT_EQ(body_of(socket.read_response()), std::to_string(i) + ";");
  writer.join();
}

TEST(http_connection, takes_an_answer_from_another_thread) {
  test_server server;
  std::mutex mutex;
  std::vector<std::thread> workers;
  server.routes.post_async("/slow", [&](http_request request, http_responder respond) {
    const std::lock_guard lock(mutex);
    workers.emplace_back([request = std::move(request), respond = std::move(respond)] {
      respond({.status = 201, .body = "done " + request.body});
      respond({.status = 500, .body = "a second answer"});
    });
  });
  answer_root(server);
  server.start();
  raw_socket socket(server.port());
  socket.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na" + get_root
              + "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb");
  std::string response = socket.read_response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 201 Created\r\n"));
  EXPECT_EQ(body_of(response), "done a");
  EXPECT_EQ(body_of(socket.read_response()), "hello 127.0.0.1");
  EXPECT_EQ(body_of(socket.read_response()), "done b");
  for (auto& worker : workers)
    worker.join();
}

TEST(http_connection, answers_500_for_handlers_that_fail) {
  test_server server;
  server.routes.get(
    "/throws", [](const http_request&) -> http_response { throw std::runtime_error("broken"); });
  server.routes.get_async("/throws_async",
                          [](http_request, http_responder) { throw std::runtime_error("broken"); });
  server.routes.get_async("/forgets", [](http_request, http_responder) {});
  answer_root(server);
  server.start();
  raw_socket socket(server.port());
  for (const char* const path : {"/throws", "/throws_async", "/forgets"}) {
    socket.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string response = socket.read_response();
    EXPECT_TRUE(response.starts_with("HTTP/1.1 500 ")) << path;
    EXPECT_EQ(response.find("broken"), std::string::npos);
  }
  socket.send(get_root);
  EXPECT_EQ(body_of(socket.read_response()), "hello 127.0.0.1");
  EXPECT_EQ(server.logger.count("an HTTP handler failed"), 2u);
}

TEST(http_connection, drops_an_answer_to_a_client_that_left) {
  test_server server;
  std::mutex mutex;
  std::optional<http_responder> kept;
  std::condition_variable asked;
  server.routes.get_async("/slow", [&](http_request, http_responder respond) {
    const std::lock_guard lock(mutex);
    kept = std::move(respond);
    asked.notify_all();
  });
  answer_root(server);
  server.start();
  {
    raw_socket socket(server.port());
    socket.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    std::unique_lock lock(mutex);
    ASSERT_TRUE(asked.wait_for(lock, patience, [&] { return kept.has_value(); }));
    socket.abort();
  }
  (*kept)({.body = "too late"});
  raw_socket other(server.port());
  other.send(get_root);
  EXPECT_EQ(body_of(other.read_response()), "hello 127.0.0.1");
  server.stop();
  (*kept)({.body = "much too late"});
}

TEST(http_connection, answers_a_client_that_has_shut_its_side) {
  test_server server;
  answer_root(server);
  server.start();
  raw_socket socket(server.port());
  socket.send(get_root);
  socket.end_writing();
  EXPECT_EQ(body_of(socket.read_all()), "hello 127.0.0.1");
}

TEST(http_connection, sends_a_large_file_without_a_copy_and_304_for_a_known_one) {
  test_server server;
  const auto content = std::make_shared<const std::string>(3'000'000, 'f');
  server.routes.file("/app.js", {.content = content,
                                 .content_type = "text/javascript",
                                 .cache_control = "public, max-age=31536000, immutable",
                                 .content_security_policy = "default-src 'self'"});
  server.start();
  raw_socket socket(server.port());
  socket.send("GET /app.js HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string response = socket.read_response();
  EXPECT_EQ(body_of(response), *content);
  EXPECT_NE(response.find("Content-Security-Policy: default-src 'self'\r\n"), std::string::npos);
  EXPECT_NE(response.find("Cache-Control: public, max-age=31536000, immutable\r\n"),
            std::string::npos);
  const std::size_t tag = response.find("ETag: ") + 6;
  socket.send("GET /app.js HTTP/1.1\r\nHost: x\r\nIf-None-Match: "
              + response.substr(tag, response.find("\r\n", tag) - tag)
              + "\r\nConnection: close\r\n\r\n");
  const std::string known = socket.read_all();
  EXPECT_TRUE(known.starts_with("HTTP/1.1 304 Not Modified\r\n"));
  EXPECT_TRUE(known.ends_with("\r\n\r\n"));
}

TEST(http_connection, tells_a_client_that_waits_to_go_on) {
  test_server server;
  server.routes.post(
    "/echo", [](const http_request& request) { return http_response{.body = request.body}; });
  server.start();
  raw_socket socket(server.port());
  socket.send(
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(socket.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("abc");
  EXPECT_EQ(body_of(socket.read_response()), "abc");
}

TEST(http_connection, answers_400_to_ambiguous_requests_and_closes) {
  test_server server;
  answer_root(server);
  server.start();
  using namespace std::string_literals;
  for (
    const std::string& bad :
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"s,
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"s,
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"s,
     "GET / HTTP/1.1\nHost: x\n\n"s, "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"s,
     "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"s}) {
    raw_socket socket(server.port());
    socket.send(bad + get_root);
    socket.end_writing();
    const std::string response = socket.read_all();
    EXPECT_TRUE(response.starts_with("HTTP/1.1 400 ")) << bad;
    EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos) << bad;
    EXPECT_EQ(response.find("hello"), std::string::npos) << bad;
  }
}

TEST(http_connection, answers_what_is_over_a_limit) {
  test_server server;
  server.start();
  raw_socket head(server.port());
  head.send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(10'000, 'x'));
  head.end_writing();
  EXPECT_TRUE(head.read_all().starts_with("HTTP/1.1 431 "));
  raw_socket body(server.port());
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
            + std::string(100'000, 'x'));
  body.end_writing();
  EXPECT_TRUE(body.read_all().starts_with("HTTP/1.1 413 "));
}

TEST(http_connection, answers_408_to_slow_heads_and_bodies) {
  domain::limits limits;
  limits.request_header_timeout_ms = 100;
  test_server server(limits);
  server.start();
  for (const char* const slow :
       {"GET / HTTP/1.1\r\nHost:", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"}) {
    raw_socket socket(server.port());
    socket.send(slow);
    EXPECT_TRUE(socket.read_all().starts_with("HTTP/1.1 408 ")) << slow;
  }
  raw_socket silent(server.port());
  EXPECT_EQ(silent.read_all(), "") << "nobody asked for anything";
}

TEST(http_connection, does_not_let_a_trickle_move_the_deadline) {
  domain::limits limits;
  limits.request_header_timeout_ms = 100;
  limits.request_header_bytes_max = 65536;
  test_server server(limits);
  answer_root(server);
  server.start();
  raw_socket slow(server.port());
  slow.send("GET / HTTP/1.1\r\nHost: x\r\nX: ");
  // A byte for each answer that another one gets: always something, never the end, and far from the
  // limit.
  raw_socket other(server.port());
  while (!slow.readable()) {
    slow.send("y");
    other.send(get_root);
    ASSERT_EQ(body_of(other.read_response()), "hello 127.0.0.1");
  }
  EXPECT_TRUE(slow.read_all().starts_with("HTTP/1.1 408 "));
}

TEST(http_connection, closes_an_idle_one) {
  domain::limits limits;
  limits.keep_alive_timeout_ms = 100;
  test_server server(limits);
  answer_root(server);
  server.start();
  raw_socket socket(server.port());
  socket.send(get_root);
  socket.read_response();
  EXPECT_EQ(socket.read_all(), "");
}

TEST(http_connection, cuts_a_client_that_does_not_read_its_answer) {
  domain::limits limits;
  limits.request_header_timeout_ms = 100;
  test_server server(limits);
  server.routes.file(
    "/big", {.content = std::make_shared<const std::string>(20'000, 'b'), .content_type = "x/y"});
  server.start();
  raw_socket socket(server.port(), 2048);
  std::string requests;
  for (int i = 0; i < 300; ++i)
    requests += "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
  socket.send(requests);
  wait_until([&] { return server.metrics.connections_accepted.value.load() == 1; },
             "it is accepted");
  // Ends by the server's deadline alone: nothing is read here until then.
  wait_until([&] { return server.sockets->connection_count() == 0; }, "it is cut");
}

TEST(http_connection, believes_forwarded_headers_of_trusted_proxies_only) {
  const std::string forwarded
    = "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.5\r\n"
      "X-Forwarded-Proto: https\r\n\r\n";
  {
    test_server server;
    answer_root(server);
    server.start();
    raw_socket socket(server.port());
    socket.send(forwarded);
    EXPECT_EQ(body_of(socket.read_response()), "hello 127.0.0.1");
    raw_socket upgraded(server.port());
    upgraded.upgrade("frontdesk.v1.json",
                     "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n");
    server.events.wait_for("open json 127.0.0.1");
    EXPECT_FALSE(server.events.last_peer().secure);
  }
  test_server server;
  answer_root(server);
  server.options.trusted_proxies = {"127.0.0.0/8"};
  server.start();
  raw_socket socket(server.port());
  socket.send(forwarded);
  EXPECT_EQ(body_of(socket.read_response()), "hello 203.0.113.5 secure");
  raw_socket upgraded(server.port());
  upgraded.upgrade("frontdesk.v1.json",
                   "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n");
  server.events.wait_for("open json 203.0.113.5");
  EXPECT_TRUE(server.events.last_peer().secure);
}

TEST(http_connection, refuses_upgrades_with_the_right_status) {
  test_server server;
  server.options.origin_allowed
    = [](std::string_view origin) { return origin == "https://shop.example"; };
  server.start();
  const auto status = [&](std::string_view protocol, std::string_view headers) {
    raw_socket socket(server.port());
    return socket.upgrade(protocol, headers).substr(0, 12);
  };
  EXPECT_EQ(status("frontdesk.v1.json", "Origin: https://shop.example\r\n"), "HTTP/1.1 101");
  EXPECT_EQ(status("", "Origin: https://shop.example\r\n"), "HTTP/1.1 101");
  EXPECT_EQ(status("mqtt", "Origin: https://shop.example\r\n"), "HTTP/1.1 400");
  for (const char* const origin :
       {"https://evil.example", "null", "https://shop.example.evil.com", ""})
    EXPECT_EQ(status("", "Origin: " + std::string(origin) + "\r\n"), "HTTP/1.1 403") << origin;
  EXPECT_EQ(status("", ""), "HTTP/1.1 403");
  raw_socket plain(server.port());
  plain.send("GET /v1/socket HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(plain.read_response().starts_with("HTTP/1.1 426 "));
}

TEST(http_connection, goes_on_after_a_refused_upgrade) {
  test_server server;
  answer_root(server);
  server.start();
  raw_socket socket(server.port());
  socket.upgrade("mqtt");
  socket.read_until("\n");
  socket.send(get_root);
  EXPECT_EQ(body_of(socket.read_response()), "hello 127.0.0.1");
}

TEST(http_connection, has_no_sockets_where_there_are_no_events) {
  test_server server;
  server.options.websocket = false;
  server.start();
  raw_socket socket(server.port());
  EXPECT_TRUE(socket.upgrade().starts_with("HTTP/1.1 404 "));
}

} // namespace
} // namespace frontdesk::net
