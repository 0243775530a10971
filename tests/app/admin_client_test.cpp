#include "app/admin_client.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace frontdesk;
using namespace frontdesk::app;
using domain::errc;

namespace {

/// Listens on a free port of 127.0.0.1 and gives one client an answer.
class one_shot_server {
public:
  explicit one_shot_server(std::string answer) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this, answer = std::move(answer)] {
      const int peer = accept(listener_, nullptr, nullptr);
      char block[4096];
      // The whole request: its end is known by the body that the tests send.
      while (request_.find("\r\n\r\n{}") == std::string::npos) {
        const auto got = recv(peer, block, sizeof block, 0);
        if (got <= 0)
          break;
        request_.append(block, static_cast<std::size_t>(got));
      }
      if (!answer.empty())
        send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (answer.empty())
        while (recv(peer, block, sizeof block, 0) > 0) {
        } // until the client gives up
      close(peer);
    }};
  }

  ~one_shot_server() {
    if (thread_.joinable())
      thread_.join();
    close(listener_);
  }

  one_shot_server(const one_shot_server&) = delete;
  one_shot_server& operator=(const one_shot_server&) = delete;

  http_question question() const {
    http_question out;
    out.port = port_;
    out.method = "POST";
    out.target = "/v1/x";
    out.bearer = "secret";
    out.body = "{}";
    return out;
  }

  const std::string& request() {
    thread_.join();
    return request_;
  }

private:
  int listener_;
  std::uint16_t port_ = 0;
  std::string request_;
  std::thread thread_;
};

} // namespace

TEST(admin_client, sends_a_request_and_reads_the_answer) {
  one_shot_server server{"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"};
  const auto question = server.question();
  const auto answer = exchange(question);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 201u);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_EQ(server.request(),
            "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(question.port)
              + "\r\nConnection: close\r\nAuthorization: Bearer secret\r\n"
                "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(admin_client, gives_up_on_a_server_that_says_nothing) {
  one_shot_server server{""};
  auto question = server.question();
  question.timeout = std::chrono::milliseconds{50};
  const auto answer = exchange(question);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().code, errc::timeout);
}

TEST(admin_client, says_that_no_node_answers) {
  std::uint16_t port = 0;
  {
    one_shot_server server{"x"}; // takes a port that is free again afterwards
    port = server.question().port;
    EXPECT_FALSE(exchange(server.question()));
  }
  http_question question;
  question.port = port;
  const auto answer = exchange(question);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().code, errc::unavailable);
  question.address = "localhost";
  EXPECT_EQ(exchange(question).failure().code, errc::config);
}

TEST(http_answer, is_read_in_each_of_its_framings) {
  EXPECT_EQ(parse_http_answer("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef")->body, "abc");
  EXPECT_EQ(parse_http_answer("HTTP/1.1 200 OK\r\n\r\nabcdef")->body, "abcdef");
  EXPECT_EQ(
    parse_http_answer(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
      "0\r\n\r\n")
      ->body,
    "abc0123456789");
  EXPECT_EQ(parse_http_answer("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n")->status, 404u);
}

TEST(http_answer, is_refused_when_it_is_broken) {
  for (const char* bytes :
       {"", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 xyz\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc"})
    EXPECT_FALSE(parse_http_answer(bytes)) << bytes;
}
