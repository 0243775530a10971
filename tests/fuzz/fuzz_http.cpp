#include "net/http.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

// Any bytes as HTTP: the same requests however the stream is cut, and answers that hold one head
// each. The first byte chooses the size of the pieces.
namespace {

using namespace frontdesk::net;

constexpr std::size_t head_bytes_max = 1024;
constexpr std::size_t body_bytes_max = 2048;

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Nothing of a request may make a second head of its answer.
void require_one_head(const std::string& head) {
  require(head.starts_with("HTTP/1.1 "));
  require(head.find("\r\n\r\n") == head.size() - 4);
}

void answer(const http_request& request, const http_routes& routes) {
  require(request.version == 10 || request.version == 11);
  require(request.path.starts_with('/'));
  require(request.body.size() <= body_bytes_max);
  const auto examined = examine_upgrade(request);
  if (const auto* offer = std::get_if<websocket_offer>(&examined)) {
    require_one_head(upgrade_response(*offer));
    require(request.body.empty());
  } else {
    require_one_head(serialize_head(std::get<http_response>(examined), routes, true));
  }
  const auto answered = routes.answer(request);
  if (const auto* response = std::get_if<http_response>(&answered))
    require_one_head(serialize_head(*response, routes, request.keep_alive));
}

std::vector<std::string> read(std::string_view stream, std::size_t piece_bytes,
                              const http_routes& routes) {
  http_reader reader(head_bytes_max, body_bytes_max);
  std::vector<std::string> seen;
  for (std::size_t at = 0; at < stream.size(); at += piece_bytes) {
    std::string_view piece = stream.substr(at, piece_bytes);
    while (!piece.empty()) {
      const auto step = reader.feed(piece);
      if (step == http_reader::step::bad) {
        require(reader.status() >= 400);
        seen.push_back(std::to_string(reader.status()));
        return seen;
      }
      if (step != http_reader::step::request)
        continue;
      const http_request request = reader.take();
      answer(request, routes);
      std::string line = request.method + " " + request.path + "?" + request.query + "\n";
      for (const auto& [name, value] : request.headers)
        line += name + ":" + value + "\n";
      seen.push_back(line + request.body);
    }
  }
  return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  static const http_routes routes = [] {
    http_routes made;
    // What a careless handler would do.
    made.get("/", [](const http_request& request) {
      return http_response{.body = request.body,
                           .headers = {{"X-Echo", std::string(request.header("X-Echo"))}}};
    });
    made.post("/",
              [](const http_request& request) { return http_response{.body = request.query}; });
    return made;
  }();
  const auto whole = read(stream, std::max<std::size_t>(stream.size(), 1), routes);
  require(read(stream, 1, routes) == whole);
  require(read(stream, 1u + data[0], routes) == whole);
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  if (const auto parsed = parse_upgrade_answer(stream, key, json_subprotocol))
    require(!parsed->accepted || parsed->status == 101);
  return 0;
}
