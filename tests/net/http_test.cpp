#include "net/http.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace frontdesk::net {
namespace {

constexpr std::size_t head_max = 1024;
constexpr std::size_t body_max = 4096;

/// One line per request ("GET /path?query body") and at the end "bad 400" or nothing.
std::vector<std::string> read_all(const std::string& stream, std::size_t piece) {
  http_reader reader(head_max, body_max);
  std::vector<std::string> seen;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    std::string_view bytes = std::string_view(stream).substr(at, piece);
    while (!bytes.empty()) {
      const auto step = reader.feed(bytes);
      if (step == http_reader::step::request) {
        const http_request request = reader.take();
        seen.push_back(request.method + " " + request.path + (request.query.empty() ? "" : "?")
                       + request.query + (request.body.empty() ? "" : " ") + request.body);
      } else if (step == http_reader::step::bad) {
        seen.push_back("bad " + std::to_string(reader.status()));
        return seen;
      }
    }
  }
  return seen;
}

using lines = std::vector<std::string>;

struct smuggling_case {
  const char* name;
  std::string request;
  int status;
};

std::vector<smuggling_case> smuggling_table() {
  using namespace std::string_literals;
  return {
    {"Content-Length and Transfer-Encoding",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     400},
    {"Transfer-Encoding and Content-Length",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
     "4\r\n\r\n0\r\n\r\n",
     400},
    {"two Content-Length",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
    {"two equal Content-Length",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400},
    {"list of Content-Length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na", 400},
    {"signed Content-Length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400},
    {"hexadecimal Content-Length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na",
     400},
    {"empty Content-Length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n", 400},
    {"huge Content-Length",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
    {"chunked, identity",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
    {"identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", 400},
    {"xchunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400},
    {"chunked twice",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     400},
    {"vertical tab in the encoding",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \vchunked\r\n\r\n", 400},
    {"space before the colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\na", 400},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"bare line feeds", "GET / HTTP/1.1\nHost: x\n\n", 400},
    {"one bare line feed", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400},
    {"bare line feed in a value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\nY: b\r\n\r\n", 400},
    {"bare carriage return", "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400},
    {"folded line", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400},
    {"folded first line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
    {"NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"s, 400},
    {"NUL in a name", "GET / HTTP/1.1\r\nHost: x\r\nX\0: a\r\n\r\n"s, 400},
    {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"s, 400},
    {"control character in a value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\x01\r\n\r\n", 400},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
    {"Host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
    {"empty name", "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400},
    {"no colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400},
    {"empty line first", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"target without a slash", "GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
    {"no version", "GET /\r\nHost: x\r\n\r\n", 400},
    {"TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, 400},
    {"head too long", "GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(head_max, 'x') + "\r\n\r\n",
     431},
    {"body too long", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n", 413},
    {"chunks too long",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n"
       + std::string(0x1001, 'x') + "\r\n0\r\n\r\n",
     413},
    {"other expectation",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\na", 417},
    {"chunk size 0x",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400},
    {"negative chunk size",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", 400},
    {"chunk ends with a bare line feed",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400},
    {"chunk longer than it says",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400},
    {"chunk extension",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"\n\"\r\na\r\n0\r\n\r\n",
     400},
    {"endless chunk size",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(6000, '0'),
     400},
  };
}

TEST(http_reader, refuses_every_ambiguous_framing) {
  for (const auto& row : smuggling_table()) {
    const lines expected{"bad " + std::to_string(row.status)};
    EXPECT_EQ(read_all(row.request, row.request.size()), expected) << row.name;
    EXPECT_EQ(read_all(row.request, 1), expected) << row.name << ", byte by byte";
  }
}

TEST(http_reader, reads_requests_however_they_are_cut) {
  const std::string stream
    = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /b HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello"
      "POST /c HTTP/1.1\r\nHost:x\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
      "POST /e HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
      "HEAD / HTTP/1.0\r\n\r\n"
      "POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  const lines expected{"GET /a?b=c", "POST /b hello", "POST /c abc0123456789",
                       "POST /e",    "HEAD /",        "POST /d"};
  for (std::size_t piece = 1; piece <= stream.size(); ++piece)
    ASSERT_EQ(read_all(stream, piece), expected) << "pieces of " << piece;
}

TEST(http_reader, keeps_trailers_out_of_the_headers) {
  http_reader reader(head_max, body_max);
  std::string_view bytes = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
  ASSERT_EQ(reader.feed(bytes), http_reader::step::request);
  EXPECT_EQ(reader.take().header("X-Forwarded-For"), "");
}

TEST(http_reader, says_when_a_client_waits_to_be_told_to_go_on) {
  http_reader reader(head_max, body_max);
  const std::string head
    = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  std::string_view bytes = head;
  EXPECT_EQ(reader.feed(bytes), http_reader::step::expects);
  bytes = "ok";
  EXPECT_EQ(reader.feed(bytes), http_reader::step::request);
  EXPECT_EQ(reader.take().body, "ok");
  const std::string whole = head + "ok";
  bytes = whole;
  EXPECT_EQ(reader.feed(bytes), http_reader::step::request) << "it did not wait";
}

TEST(http_reader, survives_any_bytes) {
  EXPECT_TRUE(rc::check("the same answer however it is cut", [] {
    const auto pieces
      = *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::vector<std::string>{
        "GET ", "POST ", "/", " HTTP/1.1", "\r\n", "\n", "Host: x", "Content-Length: 3",
        "Transfer-Encoding: chunked", "abc", "0", "3", ":", " ", "\r\n\r\n", std::string(1, '\0'),
        "Expect: 100-continue"}));
    std::string stream;
    for (const auto& piece : pieces)
      stream += piece;
    if (stream.empty())
      return;
    RC_ASSERT(read_all(stream, 1) == read_all(stream, stream.size()));
  }));
}

http_request upgrade() {
  http_request request;
  request.method = "GET";
  request.path = "/v1/socket";
  request.headers = {{"Host", "x"},
                     {"upgrade", "h2c, WebSocket"},
                     {"Connection", "keep-alive, Upgrade"},
                     {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  return request;
}

void replace(http_request& request, std::string_view name, std::string value) {
  for (auto& [known, old] : request.headers)
    if (known == name)
      old = std::move(value);
}

int refusal(const http_request& request) {
  const auto examined = examine_upgrade(request);
  const auto* const refused = std::get_if<http_response>(&examined);
  return refused ? refused->status : 101;
}

TEST(examine_upgrade, answers_the_sample_of_the_standard) {
  const auto examined = examine_upgrade(upgrade());
  const auto* const offer = std::get_if<websocket_offer>(&examined);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // RFC 6455 1.3
  EXPECT_EQ(offer->form, domain::wire_form::json);
  EXPECT_EQ(offer->protocol, "");
}

TEST(examine_upgrade, chooses_the_first_subprotocol_it_knows) {
  for (const auto& [offered, chosen] : std::vector<std::pair<std::string, std::string>>{
         {"frontdesk.v1.proto", "frontdesk.v1.proto"},
         {"frontdesk.v1.json", "frontdesk.v1.json"},
         {"mqtt, frontdesk.v1.proto,frontdesk.v1.json", "frontdesk.v1.proto"}}) {
    http_request request = upgrade();
    request.headers.push_back({"Sec-WebSocket-Protocol", offered});
    const auto examined = examine_upgrade(request);
    ASSERT_TRUE(std::holds_alternative<websocket_offer>(examined)) << offered;
    EXPECT_EQ(std::get<websocket_offer>(examined).protocol, chosen);
  }
  http_request unknown = upgrade();
  unknown.headers.push_back({"Sec-WebSocket-Protocol", "mqtt"});
  EXPECT_EQ(refusal(unknown), 400);
}

TEST(examine_upgrade, refuses_what_is_no_proper_upgrade) {
  const auto changed = [](const auto& change) {
    http_request request = upgrade();
    change(request);
    return refusal(request);
  };
  EXPECT_EQ(changed([](http_request&) {}), 101);
  EXPECT_EQ(changed([](http_request& r) { r.method = "POST"; }), 405);
  EXPECT_EQ(changed([](http_request& r) { r.version = 10; }), 426);
  EXPECT_EQ(changed([](http_request& r) { replace(r, "upgrade", "h2c"); }), 426);
  EXPECT_EQ(changed([](http_request& r) { replace(r, "Connection", "keep-alive"); }), 426);
  EXPECT_EQ(changed([](http_request& r) { replace(r, "Sec-WebSocket-Version", "8"); }), 426);
  EXPECT_EQ(changed([](http_request& r) { replace(r, "Sec-WebSocket-Key", "short"); }), 400);
  EXPECT_EQ(
    changed([](http_request& r) { replace(r, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=!"); }),
    400);
  EXPECT_EQ(changed([](http_request& r) { r.body = "x"; }), 400);
}

http_response answered(const http_routes& routes, http_request request) {
  auto found = routes.answer(request);
  EXPECT_TRUE(std::holds_alternative<http_response>(found));
  return std::get<http_response>(found);
}

TEST(http_routes, answer_by_path_and_method) {
  http_routes routes;
  routes.get("/a", [](const http_request&) { return http_response{.body = "got"}; });
  routes.post("/a", [](const http_request& request) {
    return http_response{.body = "posted " + request.body};
  });
  routes.get("/b", [](const http_request&) { return http_response{}; });
  EXPECT_EQ(answered(routes, {.method = "GET", .path = "/a"}).body, "got");
  EXPECT_EQ(answered(routes, {.method = "HEAD", .path = "/a"}).body, "got");
  EXPECT_EQ(answered(routes, {.method = "POST", .path = "/a", .body = "x"}).body, "posted x");
  EXPECT_EQ(answered(routes, {.method = "GET", .path = "/"}).status, 404);
  EXPECT_EQ(answered(routes, {.method = "GET", .path = "/a/"}).status, 404);
  const http_response refused = answered(routes, {.method = "POST", .path = "/b"});
  EXPECT_EQ(refused.status, 405);
  ASSERT_EQ(refused.headers.size(), 1u);
  EXPECT_EQ(refused.headers[0], (std::pair<std::string, std::string>("Allow", "GET, HEAD")));
  EXPECT_EQ(answered(routes, {.method = "DELETE", .path = "/a"}).status, 405);
}

TEST(http_routes, answer_304_to_a_file_that_is_known) {
  http_routes routes;
  routes.file("/app.js", {.content = std::make_shared<std::string>("code"),
                          .content_type = "text/javascript"});
  const http_response fresh = answered(routes, {.method = "GET", .path = "/app.js"});
  ASSERT_TRUE(fresh.shared_body);
  EXPECT_EQ(*fresh.shared_body, "code");
  const auto tag = std::find_if(fresh.headers.begin(), fresh.headers.end(),
                                [](const auto& header) { return header.first == "ETag"; });
  ASSERT_NE(tag, fresh.headers.end());
  http_request again{.method = "GET", .path = "/app.js"};
  again.headers.push_back({"If-None-Match", "\"other\", W/" + tag->second});
  EXPECT_EQ(answered(routes, again).status, 304);
}

TEST(serialize_head, brings_the_security_headers_and_lets_them_be_replaced) {
  const http_routes routes;
  const std::string head = serialize_head({.body = "hi"}, routes, true);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(head.find("Content-Length: 2\r\n"), std::string::npos);
  EXPECT_NE(head.find("X-Content-Type-Options: nosniff\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"),
            std::string::npos);
  EXPECT_EQ(head.find("Connection"), std::string::npos);
  const std::string own = serialize_head(
    {.headers = {{"content-security-policy", "default-src 'self'"}}}, routes, false);
  EXPECT_EQ(own.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(own.find("Connection: close\r\n"), std::string::npos);
}

TEST(serialize_head, lets_no_value_begin_a_new_line) {
  const http_routes routes;
  const std::string head
    = serialize_head({.headers = {{"Location", "/a\r\nSet-Cookie: x=y"}}}, routes, true);
  EXPECT_EQ(head.find("\r\nSet-Cookie"), std::string::npos);
}

TEST(upgrade_answer, is_accepted_only_with_the_right_key_and_protocol) {
  const std::string key = random_websocket_key();
  websocket_offer offer{.accept = accept_of_key(key), .protocol = std::string(json_subprotocol)};
  const auto parsed = parse_upgrade_answer(upgrade_response(offer), key, json_subprotocol);
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->accepted);
  EXPECT_FALSE(parse_upgrade_answer(upgrade_response(offer), key, proto_subprotocol)->accepted);
  EXPECT_FALSE(
    parse_upgrade_answer(upgrade_response(offer), random_websocket_key(), json_subprotocol)
      ->accepted);
  const auto refused
    = parse_upgrade_answer("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", key, "");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_FALSE(refused->accepted);
  EXPECT_FALSE(parse_upgrade_answer("SSH-2.0-OpenSSH\r\n\r\n", key, ""));
}

} // namespace
} // namespace frontdesk::net
