#pragma once

#include "domain/ports/connection.hpp"
#include "domain/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// HTTP/1.1 without a socket: requests read strictly, routes, answers as bytes, the WebSocket
/// upgrade.
namespace frontdesk::net {

struct http_request {
  std::string method{};
  std::string path{};  ///< as sent: percent escapes are not decoded
  std::string query{}; ///< behind the '?', as sent
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  bool keep_alive = true;
  unsigned version = 11;    ///< 10 or 11
  domain::peer_info peer{}; ///< filled in by the connection

  /// The first header of that name, in any case; empty if there is none.
  std::string_view header(std::string_view name) const;
  /// Whether a header that is a comma-separated list holds the token, in any case.
  bool has_token(std::string_view name, std::string_view token) const;
};

struct http_response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8"; ///< empty = no body
  std::string body{};
  /// Instead of `body`: bytes that many answers share and nobody copies.
  std::shared_ptr<const std::string> shared_body{};
  /// Further headers. A name of the standard security headers replaces that one.
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// Runs on the I/O thread and must not block. An exception becomes a 500.
using http_handler = std::function<http_response(const http_request&)>;
/// Answers one request, from any thread; further calls do nothing. A request whose responder is
/// destroyed without a call gets a 500.
using http_responder = std::function<void(http_response)>;
/// As http_handler, but the answer may come later. Further requests of that connection wait for it.
using async_http_handler = std::function<void(http_request, http_responder)>;

struct static_file {
  std::shared_ptr<const std::string> content;
  std::string content_type;
  std::string cache_control
    = "no-cache"; ///< no-cache: asked for again each time, answered 304 if it is the same
  std::string content_security_policy{}; ///< empty: that of the routes
};

/// What a listener answers. Filled before it is opened, not changed afterwards.
class http_routes {
public:
  void get(std::string path, http_handler handler); ///< also answers HEAD
  void post(std::string path, http_handler handler);
  void get_async(std::string path, async_http_handler handler);
  void post_async(std::string path, async_http_handler handler);
  void file(std::string path, static_file file);
  /// Of every answer that does not bring its own; "default-src 'none'; frame-ancestors 'none'" if
  /// never set.
  void content_security_policy(std::string policy);

  /// Answers at once, or hands the request to a handler that will.
  struct deferred {
    const async_http_handler* handler;
  };

  std::variant<http_response, deferred> answer(const http_request& request) const;

  const std::string& content_security_policy() const { return policy_; }

private:
  struct file_entry {
    static_file file;
    std::string tag;
  };

  struct route {
    std::variant<std::monostate, http_handler, async_http_handler, file_entry> get;
    std::variant<std::monostate, http_handler, async_http_handler, file_entry> post;
  };

  std::map<std::string, route, std::less<>> routes_;
  std::string policy_ = "default-src 'none'; frame-ancestors 'none'";
};

/// Short answer for an error: the status and its name as text.
http_response plain_response(int status);

/// The head of an answer, and its body unless it is shared. `head_only` for HEAD.
std::string serialize_head(const http_response& response, const http_routes& routes,
                           bool keep_alive);

/// Reads requests from bytes however they are cut, by one framing rule (RFC 9112 with nothing
/// optional): lines end with CR LF, no folded lines, no NUL, one Content-Length or one "chunked",
/// one Host. Beast's parser then reads the head.
class http_reader {
public:
  enum class step : std::uint8_t {
    more,    ///< the input is used up
    request, ///< take() it
    expects, ///< the head is whole and the client waits for "100 Continue" before it sends the body
    bad,     ///< answer `status()` and close
  };

  http_reader(std::size_t head_bytes_max, std::size_t body_bytes_max);
  ~http_reader();
  http_reader(const http_reader&) = delete;
  http_reader& operator=(const http_reader&) = delete;

  /// Reads from the front of `bytes` up to the end of the request.
  step feed(std::string_view& bytes);
  http_request take();
  int status() const;
  /// Whether a request has begun but not ended.
  bool begun() const;

private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

/// An upgrade that can go on.
struct websocket_offer {
  domain::wire_form form = domain::wire_form::json;
  std::string accept{};   ///< Sec-WebSocket-Accept
  std::string protocol{}; ///< Sec-WebSocket-Protocol; empty if the client offered none
};

constexpr std::string_view proto_subprotocol = "frontdesk.v1.proto";
constexpr std::string_view json_subprotocol = "frontdesk.v1.json";

/// Checks a request for the socket's path (RFC 6455 4.2.1); the answer to give if it is no proper
/// upgrade.
std::variant<websocket_offer, http_response> examine_upgrade(const http_request& request);
/// The 101 answer.
std::string upgrade_response(const websocket_offer& offer);

/// What a client sends, and the Sec-WebSocket-Accept it must get for `key`.
std::string upgrade_request(std::string_view host, std::string_view path, std::string_view key,
                            std::string_view protocol,
                            const std::vector<std::pair<std::string, std::string>>& headers);
std::string accept_of_key(std::string_view key);
std::string random_websocket_key();

/// The head of an answer to an upgrade, up to and with its empty line.
struct upgrade_answer {
  int status = 0;
  bool accepted = false; ///< 101 with all that RFC 6455 4.1 asks for
};

domain::result<upgrade_answer> parse_upgrade_answer(std::string_view head, std::string_view key,
                                                    std::string_view protocol);

bool equal_ignoring_case(std::string_view left, std::string_view right);

} // namespace frontdesk::net
