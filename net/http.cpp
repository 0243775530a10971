#include "net/http.hpp"

#include "crypto/crypto.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace frontdesk::net {

namespace beast = boost::beast;
namespace http = boost::beast::http;

using domain::errc;
using domain::error;
using domain::result;

namespace {

constexpr std::size_t headers_max = 100;
// More digits would be a chunk over every limit.
constexpr std::size_t chunk_digits_max = 8;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
    return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// Calls the function with each element of a comma-separated list until it returns true.
template <class Function>
bool any_element(std::string_view list, Function&& function) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty() && function(element))
      return true;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

/// How a request's body is told apart from the next request, or why it cannot be.
struct framing {
  int refused = 0; ///< status to answer; 0 = the head is right
  bool chunked = false;
  std::uint64_t length = 0;
};

bool valid_field(std::string_view name, std::string_view value) {
  // No folded lines, no space before the colon: both are read differently by different servers.
  return !name.empty() && std::all_of(name.begin(), name.end(), is_token_char)
         && std::none_of(value.begin(), value.end(), [](char c) {
              return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
            });
}

/// The rule for a whole head that has passed the scan for line ends.
framing check_head(std::string_view head) {
  framing found;
  std::size_t lengths = 0;
  std::size_t hosts = 0;
  std::size_t count = 0;
  const std::size_t start_end = head.find("\r\n");
  const std::string_view start = head.substr(0, start_end);
  if (start.empty() || !is_token_char(start.front()))
    return {400};
  const bool version_10 = start.ends_with(" HTTP/1.0");
  if (!version_10 && !start.ends_with(" HTTP/1.1"))
    return {start.find(" HTTP/") != std::string_view::npos ? 505 : 400};
  head.remove_prefix(start_end + 2);
  while (head.size() > 2) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (++count > headers_max)
      return {431};
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
      return {400};
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (!valid_field(name, value))
      return {400};
    if (equal_ignoring_case(name, "content-length")) {
      const char* const last = value.data() + value.size();
      const auto parsed = std::from_chars(value.data(), last, found.length);
      if (++lengths > 1 || parsed.ec != std::errc{} || parsed.ptr != last)
        return {400};
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      if (found.chunked || !equal_ignoring_case(value, "chunked"))
        return {400};
      found.chunked = true;
    } else if (equal_ignoring_case(name, "host")) {
      if (++hosts > 1 || value.find_first_of(" \t,/@\\") != std::string_view::npos)
        return {400};
    }
  }
  if (found.chunked && (lengths > 0 || version_10))
    return {400};
  if (!version_10 && hosts == 0)
    return {400};
  return found;
}

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

/// Sixteen bytes in base64 (RFC 6455 4.1): 22 characters and two signs of padding.
bool valid_websocket_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==")
         && std::all_of(key.begin(), key.end() - 2, [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                     || c == '+' || c == '/';
            });
}

std::string_view status_name(int status) {
  const beast::string_view name
    = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  return {name.data(), name.size()};
}

/// "Sun, 06 Nov 1994 08:49:37 GMT", made once a second and thread.
std::string_view date_now() {
  thread_local std::time_t made_at = 0;
  thread_local std::array<char, 30> text{};
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    // strftime would follow the locale.
    std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                  days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday % 100,
                  months[static_cast<std::size_t>(parts.tm_mon)], (parts.tm_year + 1900) % 10000,
                  parts.tm_hour % 100, parts.tm_min % 100, parts.tm_sec % 100);
    made_at = now;
  }
  return text.data();
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  // What a handler passes on from a request must not begin a new line.
  for (const char c : value)
    if (c != '\r' && c != '\n' && c != '\0')
      out.push_back(c);
  out.append("\r\n");
}

bool has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

} // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return left.size() == right.size()
         && std::equal(left.begin(), left.end(), right.begin(),
                       [](char a, char b) { return lower(a) == lower(b); });
}

std::string_view http_request::header(std::string_view name) const {
  for (const auto& [known, value] : headers)
    if (equal_ignoring_case(known, name))
      return value;
  return {};
}

bool http_request::has_token(std::string_view name, std::string_view token) const {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& entry) {
    return equal_ignoring_case(entry.first, name)
           && any_element(entry.second, [&](std::string_view element) {
                return equal_ignoring_case(element, token);
              });
  });
}

void http_routes::get(std::string path, http_handler handler) {
  routes_[std::move(path)].get = std::move(handler);
}

void http_routes::post(std::string path, http_handler handler) {
  routes_[std::move(path)].post = std::move(handler);
}

void http_routes::get_async(std::string path, async_http_handler handler) {
  routes_[std::move(path)].get = std::move(handler);
}

void http_routes::post_async(std::string path, async_http_handler handler) {
  routes_[std::move(path)].post = std::move(handler);
}

void http_routes::file(std::string path, static_file file) {
  std::string tag = "\"" + std::to_string(crypto::hash64(*file.content)) + "\"";
  routes_[std::move(path)].get = file_entry{std::move(file), std::move(tag)};
}

void http_routes::content_security_policy(std::string policy) {
  policy_ = std::move(policy);
}

std::variant<http_response, http_routes::deferred>
http_routes::answer(const http_request& request) const {
  const auto found = routes_.find(request.path);
  if (found == routes_.end())
    return plain_response(404);
  const route& chosen = found->second;
  const bool get = request.method == "GET" || request.method == "HEAD";
  const auto& target = get ? chosen.get : chosen.post;
  if ((!get && request.method != "POST") || std::holds_alternative<std::monostate>(target)) {
    http_response refused = plain_response(405);
    const bool gets = !std::holds_alternative<std::monostate>(chosen.get);
    const bool posts = !std::holds_alternative<std::monostate>(chosen.post);
    refused.headers.push_back({"Allow", gets ? (posts ? "GET, HEAD, POST" : "GET, HEAD") : "POST"});
    return refused;
  }
  if (const auto* handler = std::get_if<http_handler>(&target))
    return (*handler)(request);
  if (const auto* handler = std::get_if<async_http_handler>(&target))
    return deferred{handler};
  const static_file& file = std::get<file_entry>(target).file;
  const std::string& tag = std::get<file_entry>(target).tag;
  http_response response;
  response.content_type = file.content_type;
  response.headers = {{"Cache-Control", file.cache_control}, {"ETag", tag}};
  if (!file.content_security_policy.empty())
    response.headers.push_back({"Content-Security-Policy", file.content_security_policy});
  if (any_element(request.header("If-None-Match"), [&](std::string_view known) {
        return known == "*" || known == tag || (known.starts_with("W/") && known.substr(2) == tag);
      })) {
    response.status = 304;
  } else {
    response.shared_body = file.content;
  }
  return response;
}

http_response plain_response(int status) {
  http_response response;
  response.status = status;
  response.body = std::to_string(status) + " " + std::string(status_name(status)) + "\n";
  return response;
}

std::string serialize_head(const http_response& response, const http_routes& routes,
                           bool keep_alive) {
  std::string out;
  out.reserve(512);
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(status_name(response.status)).append("\r\n");
  append_header(out, "Date", date_now());
  if (!keep_alive)
    append_header(out, "Connection", "close");
  if (has_body(response.status)) {
    if (!response.content_type.empty())
      append_header(out, "Content-Type", response.content_type);
    const std::size_t size
      = response.shared_body ? response.shared_body->size() : response.body.size();
    append_header(out, "Content-Length", std::to_string(size));
  }
  const std::array<std::pair<std::string_view, std::string_view>, 4> standard{{
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", routes.content_security_policy()},
    {"Cache-Control", "no-store"},
  }};
  for (const auto& entry : standard) {
    const std::string_view name = entry.first;
    const auto own
      = std::find_if(response.headers.begin(), response.headers.end(),
                     [&](const auto& header) { return equal_ignoring_case(header.first, name); });
    if (own == response.headers.end())
      append_header(out, name, entry.second);
  }
  for (const auto& [name, value] : response.headers)
    append_header(out, name, value);
  out.append("\r\n");
  return out;
}

struct http_reader::implementation {
  enum class part : std::uint8_t {
    head,
    counted,
    chunk_size,
    chunk,
    chunk_end,
    trailer,
    whole,
    broken
  };

  implementation(std::size_t head_max, std::size_t body_max)
    : head_bytes_max(head_max), body_bytes_max(body_max) {}

  step refuse(int code) {
    at = part::broken;
    answer = code;
    return step::bad;
  }

  step finish() {
    at = part::whole;
    return step::request;
  }

  /// False when the line end is wrong; `ended` when the line is whole, its CR LF taken off.
  bool take_line(std::string_view& bytes, bool& ended);
  bool take_body(std::string_view& bytes);
  step feed_head(std::string_view& bytes);
  step finish_head();
  step feed_body(std::string_view& bytes);
  step finish_line();

  std::size_t head_bytes_max;
  std::size_t body_bytes_max;
  part at = part::head;
  int answer = 0;
  std::string head;       // as far as it came
  std::string line;       // of the chunked body, as far as it came
  std::uint64_t left = 0; // of the body or the chunk
  std::size_t trailer_bytes = 0;
  http_request request;
};

// Line ends are judged byte by byte as they come: a head with bare line feeds never ends by the
// rule below, and would otherwise only meet its timeout.
http_reader::step http_reader::implementation::feed_head(std::string_view& bytes) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    bytes.remove_prefix(1);
    const bool after_return = !head.empty() && head.back() == '\r';
    if (c == '\0' || (c == '\n') != after_return)
      return refuse(400);
    if (head.empty() && (c == '\r' || c == ' ' || c == '\t'))
      return refuse(400);
    head.push_back(c);
    if (c == '\n' && head.ends_with("\r\n\r\n"))
      return finish_head();
    if (head.size() >= head_bytes_max)
      return refuse(431);
  }
  return step::more;
}

http_reader::step http_reader::implementation::finish_head() {
  const framing found = check_head(head);
  if (found.refused)
    return refuse(found.refused);
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(head_bytes_max + 1));
  parser.body_limit(boost::none); // judged here
  beast::error_code failed;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), failed);
  if ((failed && failed != http::error::need_more) || !parser.is_header_done())
    return refuse(400);
  const auto& message = parser.get();
  const beast::string_view target = message.target();
  const std::string_view whole(target.data(), target.size());
  const std::size_t question = whole.find('?');
  if (!whole.starts_with('/'))
    return refuse(400);
  request.method = std::string(message.method_string());
  request.path = whole.substr(0, question);
  if (question != std::string_view::npos)
    request.query = whole.substr(question + 1);
  request.version = message.version();
  request.keep_alive = message.keep_alive();
  for (const auto& field : message)
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  head.clear();
  if (!found.chunked && found.length == 0)
    return finish();
  if (found.length > body_bytes_max)
    return refuse(413);
  at = found.chunked ? part::chunk_size : part::counted;
  left = found.length;
  const std::string_view expected = request.header("Expect");
  if (expected.empty() || request.version < 11)
    return step::more;
  if (!equal_ignoring_case(expected, "100-continue"))
    return refuse(417);
  return step::expects;
}

bool http_reader::implementation::take_line(std::string_view& bytes, bool& ended) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    bytes.remove_prefix(1);
    const bool after_return = !line.empty() && line.back() == '\r';
    if (c == '\0' || (c == '\n') != after_return)
      return false;
    if (c == '\n') {
      line.pop_back();
      ended = true;
      return true;
    }
    line.push_back(c);
    const std::size_t most = at == part::trailer ? head_bytes_max : chunk_digits_max + 1;
    if (line.size() > most)
      return false;
  }
  return true;
}

/// True when all of the body or the chunk is there.
bool http_reader::implementation::take_body(std::string_view& bytes) {
  const std::size_t size = std::min<std::uint64_t>(bytes.size(), left);
  request.body.append(bytes.substr(0, size));
  bytes.remove_prefix(size);
  left -= size;
  return left == 0;
}

// Chunks are ours: Beast 1.81's parser ends the process (BOOST_ASSERT) on a last chunk that comes
// in pieces, and takes extensions, about whose end servers disagree.
http_reader::step http_reader::implementation::feed_body(std::string_view& bytes) {
  while (!bytes.empty()) {
    if (at == part::counted)
      return take_body(bytes) ? finish() : step::more;
    if (at == part::chunk) {
      if (take_body(bytes))
        at = part::chunk_end;
      continue;
    }
    bool ended = false;
    if (!take_line(bytes, ended))
      return refuse(400);
    if (!ended)
      return step::more;
    const step reached = finish_line();
    if (reached != step::more)
      return reached;
  }
  return step::more;
}

http_reader::step http_reader::implementation::finish_line() {
  const std::string text = std::exchange(line, {});
  if (at == part::chunk_end) {
    if (!text.empty())
      return refuse(400);
    at = part::chunk_size;
  } else if (at == part::chunk_size) {
    const char* const last = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), last, left, 16);
    if (parsed.ec != std::errc{} || parsed.ptr != last)
      return refuse(400);
    if (left > body_bytes_max - request.body.size())
      return refuse(413);
    at = left == 0 ? part::trailer : part::chunk;
  } else {
    // Trailers are checked and forgotten: they must not pass for headers.
    if (text.empty())
      return finish();
    trailer_bytes += text.size();
    if (trailer_bytes > head_bytes_max)
      return refuse(431);
    const std::size_t colon = text.find(':');
    const std::string_view field(text);
    if (colon == std::string::npos || !valid_field(field.substr(0, colon), field.substr(colon + 1)))
      return refuse(400);
  }
  return step::more;
}

http_reader::http_reader(std::size_t head_bytes_max, std::size_t body_bytes_max)
  : implementation_(std::make_unique<implementation>(head_bytes_max, body_bytes_max)) {}

http_reader::~http_reader() = default;

http_reader::step http_reader::feed(std::string_view& bytes) {
  using part = implementation::part;
  auto& self = *implementation_;
  if (self.at == part::head) {
    const step reached = self.feed_head(bytes);
    // One that sends its body at once does not wait to be told.
    if (reached != step::expects || bytes.empty()) {
      if (reached != step::more || self.at == part::head)
        return reached;
    }
  }
  if (self.at == part::whole)
    return step::request;
  if (self.at == part::broken)
    return step::bad;
  return self.feed_body(bytes);
}

http_request http_reader::take() {
  auto& self = *implementation_;
  http_request taken = std::move(self.request);
  self.request = {};
  self.trailer_bytes = 0;
  self.at = implementation::part::head;
  return taken;
}

int http_reader::status() const {
  return implementation_->answer;
}

bool http_reader::begun() const {
  return implementation_->at != implementation::part::head || !implementation_->head.empty();
}

std::variant<websocket_offer, http_response> examine_upgrade(const http_request& request) {
  const auto refuse = [](int status, std::string why) {
    http_response refused = plain_response(status);
    refused.body = std::move(why) + "\n";
    return refused;
  };
  if (request.method != "GET") {
    http_response refused = refuse(405, "the socket is opened with GET");
    refused.headers.push_back({"Allow", "GET"});
    return refused;
  }
  if (request.version < 11 || !request.has_token("Upgrade", "websocket")
      || !request.has_token("Connection", "upgrade")) {
    http_response refused = refuse(426, "this is a WebSocket");
    refused.headers.push_back({"Upgrade", "websocket"});
    refused.headers.push_back({"Connection", "Upgrade"});
    return refused;
  }
  if (request.header("Sec-WebSocket-Version") != "13") {
    http_response refused = refuse(426, "only WebSocket version 13 is spoken");
    refused.headers.push_back({"Sec-WebSocket-Version", "13"});
    return refused;
  }
  if (!request.body.empty())
    return refuse(400, "an upgrade has no body");
  const std::string_view key = request.header("Sec-WebSocket-Key");
  if (!valid_websocket_key(key))
    return refuse(400, "bad Sec-WebSocket-Key");

  websocket_offer offer;
  offer.accept = accept_of_key(key);
  bool offered = false;
  bool known = false;
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "Sec-WebSocket-Protocol"))
      continue;
    offered = true;
    known = known || any_element(value, [&](std::string_view protocol) {
              if (protocol != proto_subprotocol && protocol != json_subprotocol)
                return false;
              offer.form = protocol == proto_subprotocol ? domain::wire_form::proto
                                                         : domain::wire_form::json;
              offer.protocol = protocol;
              return true;
            });
  }
  if (offered && !known)
    return refuse(400, "none of the offered subprotocols is spoken");
  return offer;
}

std::string upgrade_response(const websocket_offer& offer) {
  std::string out
    = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  append_header(out, "Sec-WebSocket-Accept", offer.accept);
  if (!offer.protocol.empty())
    append_header(out, "Sec-WebSocket-Protocol", offer.protocol);
  out.append("\r\n");
  return out;
}

std::string upgrade_request(std::string_view host, std::string_view path, std::string_view key,
                            std::string_view protocol,
                            const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string out = "GET " + std::string(path) + " HTTP/1.1\r\n";
  append_header(out, "Host", host);
  out.append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
  append_header(out, "Sec-WebSocket-Key", key);
  if (!protocol.empty())
    append_header(out, "Sec-WebSocket-Protocol", protocol);
  for (const auto& [name, value] : headers)
    append_header(out, name, value);
  out.append("\r\n");
  return out;
}

std::string accept_of_key(std::string_view key) {
  std::string text(key);
  text.append("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); // RFC 6455 1.3
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64({reinterpret_cast<const char*>(digest.data()), size});
}

std::string random_websocket_key() {
  std::array<char, 16> bytes{};
  crypto::random_bytes(bytes.data(), bytes.size());
  return base64({bytes.data(), bytes.size()});
}

result<upgrade_answer> parse_upgrade_answer(std::string_view head, std::string_view key,
                                            std::string_view protocol) {
  http::response_parser<http::empty_body> parser;
  parser.eager(false);
  parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
  beast::error_code failed;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), failed);
  if ((failed && failed != http::error::need_more) || !parser.is_header_done())
    return error{errc::bad_frame, "the answer to the upgrade is no HTTP"};
  const auto& message = parser.get();
  http_request headers;
  for (const auto& field : message)
    headers.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  upgrade_answer answer;
  answer.status = static_cast<int>(message.result_int());
  answer.accepted = answer.status == 101 && headers.has_token("Upgrade", "websocket")
                    && headers.has_token("Connection", "upgrade")
                    && headers.header("Sec-WebSocket-Accept") == accept_of_key(key)
                    && headers.header("Sec-WebSocket-Extensions").empty()
                    && (headers.header("Sec-WebSocket-Protocol").empty()
                        || headers.header("Sec-WebSocket-Protocol") == protocol);
  return answer;
}

} // namespace frontdesk::net
