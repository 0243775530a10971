#pragma once

#include "domain/result.hpp"

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unordered_map>
#include <vector>

namespace frontdesk::net {

/// An IPv4 or IPv6 address without a port; an IPv4-mapped IPv6 address is the IPv4 address.
class ip_address {
public:
  static std::optional<ip_address> parse(std::string_view text);
  static std::optional<ip_address> from(const sockaddr_storage& address);

  std::string to_string() const;

  bool is_v4() const { return v4_; }

  /// 4 or 16 bytes, network order.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), v4_ ? 4u : 16u}; }

  /// What per-address limits count by: the address, or the /64 of an IPv6 address, since one
  /// customer holds that.
  std::uint64_t limit_key() const;

  friend bool operator==(const ip_address&, const ip_address&) = default;

private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v4_ = true;
};

/// Fills a socket address for bind, connect or listen. errc::config if the text is no numeric
/// address.
domain::result<sockaddr_storage> make_socket_address(std::string_view text, std::uint16_t port);
socklen_t socket_address_size(const sockaddr_storage& address);
std::uint16_t port_of(const sockaddr_storage& address);

/// Peers whose X-Forwarded-For and X-Forwarded-Proto are believed.
class trusted_proxies {
public:
  trusted_proxies() = default;
  /// Of "10.0.0.0/8", "::1" and the like. errc::config names the bad one.
  static domain::result<trusted_proxies> parse(const std::vector<std::string>& ranges);

  bool trusts(const ip_address& address) const;
  /// The nearest address on the way that is not a trusted proxy: `peer` itself unless it is
  /// trusted, otherwise the header's entries from the right. An entry that is no address ends the
  /// search.
  ip_address client_of(const ip_address& peer, std::string_view forwarded_for) const;

private:
  struct range {
    ip_address base;
    unsigned bits = 0;
  };

  std::vector<range> ranges_;
};

/// How many connections and sockets each address has, over all I/O threads. Any thread.
class address_counts {
public:
  enum class kind : std::uint8_t { connection, socket };

  /// Counts one up unless that would be more than `most`.
  bool enter(std::uint64_t key, kind what, std::uint64_t most);
  void leave(std::uint64_t key, kind what);

private:
  using counts = std::array<std::uint32_t, 2>;

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, counts> counts_; // guarded by mutex_; no entry = nothing open
};

} // namespace frontdesk::net
