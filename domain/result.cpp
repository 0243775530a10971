#include "domain/result.hpp"

#include <array>
#include <utility>

namespace frontdesk::domain {

namespace {

constexpr std::array<std::pair<errc, std::string_view>, 30> names{{
  {errc::bad_frame, "bad_frame"},
  {errc::bad_request, "bad_request"},
  {errc::too_large, "too_large"},
  {errc::bad_text, "bad_text"},
  {errc::unsupported, "unsupported"},
  {errc::unauthenticated, "unauthenticated"},
  {errc::forbidden, "forbidden"},
  {errc::origin_refused, "origin_refused"},
  {errc::not_found, "not_found"},
  {errc::already_exists, "already_exists"},
  {errc::client_unknown, "client_unknown"},
  {errc::numbers_exhausted, "numbers_exhausted"},
  {errc::invalid_state, "invalid_state"},
  {errc::stale_fence, "stale_fence"},
  {errc::too_old, "too_old"},
  {errc::rate_limited, "rate_limited"},
  {errc::too_many_in_flight, "too_many_in_flight"},
  {errc::too_many_connections, "too_many_connections"},
  {errc::overloaded, "overloaded"},
  {errc::storage_full, "storage_full"},
  {errc::storage_failed, "storage_failed"},
  {errc::draining, "draining"},
  {errc::unavailable, "unavailable"},
  {errc::timeout, "timeout"},
  {errc::slow_consumer, "slow_consumer"},
  {errc::corrupt, "corrupt"},
  {errc::format_unknown, "format_unknown"},
  {errc::io, "io"},
  {errc::config, "config"},
  {errc::internal, "internal"},
}};

} // namespace

std::string_view to_string(errc code) {
  for (const auto& [known, text] : names)
    if (known == code)
      return text;
  return "internal";
}

errc errc_from_string(std::string_view text) {
  for (const auto& [code, known] : names)
    if (known == text)
      return code;
  return errc::internal;
}

} // namespace frontdesk::domain
