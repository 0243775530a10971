#pragma once

#include "domain/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// A small blocking HTTP client for the verbs that talk to a running node's admin listener.
namespace frontdesk::app {

struct http_answer {
  unsigned status = 0;
  std::string body{};
};

struct http_question {
  std::string address = "127.0.0.1"; ///< IPv4 or IPv6 literal
  std::uint16_t port = 0;
  std::string method = "GET";
  std::string target = "/";
  std::string bearer{};                    ///< empty = no Authorization header
  std::string body{};                      ///< JSON; empty = none
  std::chrono::milliseconds timeout{5000}; ///< for the whole exchange
};

/// One request on a connection of its own. errc::unavailable when nobody listens there,
/// errc::timeout, errc::io for an answer that is no HTTP/1.1 answer or is over 16 MiB. Blocks; any
/// thread.
domain::result<http_answer> exchange(const http_question& question);

/// Takes a complete response apart: Content-Length, chunked or to the end. Pure.
domain::result<http_answer> parse_http_answer(std::string_view bytes);

} // namespace frontdesk::app
