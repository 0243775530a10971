#pragma once

#include "domain/ids.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

/// Tenants, inboxes, teams and accounts, as everyone on a node sees them: an immutable snapshot.
namespace frontdesk::domain {

enum class role : std::uint8_t { agent = 1, supervisor = 2, administrator = 3 };

struct account_record {
  std::string name{};
  role rights = role::agent;
  bool disabled = false;
  team_id team{};
  std::uint32_t capacity = 0; ///< conversations at once; 0 = limits.agent_capacity
  unix_ms created = 0;
  friend bool operator==(const account_record&, const account_record&) = default;
};

/// A signed-in account; the secret itself is not kept.
struct token_record {
  std::string secret_hash{}; ///< SHA-256, 32 bytes
  unix_ms created = 0;
  unix_ms expires = 0; ///< 0 = never
  std::string label{};
  friend bool operator==(const token_record&, const token_record&) = default;
};

struct visitor_record {
  inbox_id inbox{};
  std::string name{};
  unix_ms created = 0;
  friend bool operator==(const visitor_record&, const visitor_record&) = default;
};

struct inbox_record {
  std::string name{};
  std::string key{};                  ///< public; what a page's snippet carries
  std::vector<std::string> origins{}; ///< exact origins that may open sockets; empty = any
  team_id team{};
  unix_ms created = 0;
  friend bool operator==(const inbox_record&, const inbox_record&) = default;
};

struct team_record {
  std::string name{};
  friend bool operator==(const team_record&, const team_record&) = default;
};

struct tenant_record {
  std::string name{};
  std::string
    visitor_key{}; ///< 32 bytes; signs visitors' sessions and derives verified ids; never rotated
  unix_ms created = 0;
  friend bool operator==(const tenant_record&, const tenant_record&) = default;
};

struct tenant_configuration {
  tenant_record tenant{};
  std::map<inbox_id, inbox_record> inboxes{};
  std::map<team_id, team_record> teams{};
  std::map<account_id, account_record> accounts{};
};

/// One version of everything in the configuration shard.
struct configuration_snapshot {
  std::uint64_t version = 0; ///< applied position of the configuration shard
  std::map<tenant_id, tenant_configuration> tenants{};
  std::map<std::string, std::pair<tenant_id, inbox_id>, std::less<>> inboxes_by_key{};
};

using configuration_ptr = std::shared_ptr<const configuration_snapshot>;

} // namespace frontdesk::domain
