#include "net/address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>

namespace frontdesk::net {

using domain::errc;
using domain::error;
using domain::result;

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// Proxies write "1.2.3.4", "1.2.3.4:80", "::1" or "[::1]:80".
std::optional<ip_address> parse_forwarded(std::string_view entry) {
  entry = trim(entry);
  if (entry.starts_with('[')) {
    const std::size_t end = entry.find(']');
    return end == std::string_view::npos ? std::nullopt
                                         : ip_address::parse(entry.substr(1, end - 1));
  }
  const std::size_t colon = entry.find(':');
  if (colon != std::string_view::npos && entry.find(':', colon + 1) == std::string_view::npos)
    entry = entry.substr(0, colon);
  return ip_address::parse(entry);
}

} // namespace

std::optional<ip_address> ip_address::parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos)
    return std::nullopt;
  ip_address address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes_.data()) == 1)
    return address;
  std::array<std::uint8_t, 16> wide{};
  if (::inet_pton(AF_INET6, terminated.c_str(), wide.data()) != 1)
    return std::nullopt;
  if (std::equal(mapped_prefix.begin(), mapped_prefix.end(), wide.begin())) {
    std::copy(wide.begin() + 12, wide.end(), address.bytes_.begin());
    return address;
  }
  address.bytes_ = wide;
  address.v4_ = false;
  return address;
}

std::optional<ip_address> ip_address::from(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in narrow{};
    std::memcpy(&narrow, &address, sizeof narrow);
    ::inet_ntop(AF_INET, &narrow.sin_addr, text.data(), text.size());
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 wide{};
    std::memcpy(&wide, &address, sizeof wide);
    ::inet_ntop(AF_INET6, &wide.sin6_addr, text.data(), text.size());
  } else {
    return std::nullopt;
  }
  return parse(text.data());
}

std::string ip_address::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

std::uint64_t ip_address::limit_key() const {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < (v4_ ? 4u : 8u); ++i)
    key = key << 8 | bytes_[i];
  // No /64 in use looks like this: ::/8 is reserved.
  return v4_ ? key | std::uint64_t{1} << 32 : key;
}

result<sockaddr_storage> make_socket_address(std::string_view text, std::uint16_t port) {
  const auto address = ip_address::parse(text);
  if (!address)
    return error{errc::config, "not a numeric address: " + std::string(text)};
  sockaddr_storage out{};
  if (address->is_v4()) {
    sockaddr_in narrow{};
    narrow.sin_family = AF_INET;
    narrow.sin_port = htons(port);
    std::memcpy(&narrow.sin_addr, address->bytes().data(), 4);
    std::memcpy(&out, &narrow, sizeof narrow);
  } else {
    sockaddr_in6 wide{};
    wide.sin6_family = AF_INET6;
    wide.sin6_port = htons(port);
    std::memcpy(&wide.sin6_addr, address->bytes().data(), 16);
    std::memcpy(&out, &wide, sizeof wide);
  }
  return out;
}

socklen_t socket_address_size(const sockaddr_storage& address) {
  return address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

std::uint16_t port_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in narrow{};
    std::memcpy(&narrow, &address, sizeof narrow);
    return ntohs(narrow.sin_port);
  }
  sockaddr_in6 wide{};
  std::memcpy(&wide, &address, sizeof wide);
  return ntohs(wide.sin6_port);
}

result<trusted_proxies> trusted_proxies::parse(const std::vector<std::string>& ranges) {
  trusted_proxies out;
  for (const std::string& text : ranges) {
    const std::size_t slash = text.find('/');
    const auto base = ip_address::parse(std::string_view(text).substr(0, slash));
    if (!base)
      return error{errc::config, "not an address range: " + text, "trusted_proxies"};
    const unsigned most = base->is_v4() ? 32 : 128;
    unsigned bits = most;
    if (slash != std::string::npos) {
      const char* const end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
      if (parsed.ec != std::errc{} || parsed.ptr != end || bits > most)
        return error{errc::config, "not an address range: " + text, "trusted_proxies"};
    }
    out.ranges_.push_back({*base, bits});
  }
  return out;
}

bool trusted_proxies::trusts(const ip_address& address) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const range& candidate) {
    if (candidate.base.is_v4() != address.is_v4())
      return false;
    const auto left = candidate.base.bytes();
    const auto right = address.bytes();
    const std::size_t whole = candidate.bits / 8;
    if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(whole), right.begin()))
      return false;
    const unsigned rest = candidate.bits % 8;
    return rest == 0 || (left[whole] ^ right[whole]) >> (8 - rest) == 0;
  });
}

ip_address trusted_proxies::client_of(const ip_address& peer,
                                      std::string_view forwarded_for) const {
  ip_address nearest = peer;
  while (trusts(nearest) && !forwarded_for.empty()) {
    const std::size_t comma = forwarded_for.rfind(',');
    const auto entry = parse_forwarded(
      comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
    if (!entry)
      break;
    nearest = *entry;
    forwarded_for
      = comma == std::string_view::npos ? std::string_view() : forwarded_for.substr(0, comma);
  }
  return nearest;
}

bool address_counts::enter(std::uint64_t key, kind what, std::uint64_t most) {
  const std::lock_guard lock(mutex_);
  std::uint32_t& count = counts_[key][static_cast<std::size_t>(what)];
  if (count >= most) {
    const counts& both = counts_[key];
    if (both[0] == 0 && both[1] == 0)
      counts_.erase(key);
    return false;
  }
  ++count;
  return true;
}

void address_counts::leave(std::uint64_t key, kind what) {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(key);
  if (found == counts_.end())
    return;
  std::uint32_t& count = found->second[static_cast<std::size_t>(what)];
  if (count > 0)
    --count;
  if (found->second[0] == 0 && found->second[1] == 0)
    counts_.erase(found);
}

} // namespace frontdesk::net
