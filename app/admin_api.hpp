#pragma once

#include "domain/account.hpp"
#include "domain/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The admin listener's HTTP interface, as values: what a request asks for, and what an answer
/// looks like. Pure.
///
///   GET  /livez /readyz /metrics      for everybody who can reach the listener;
///   these with "Authorization: Bearer <admin key>":
///   GET  /v1/admin/accounts?tenant=1
///   POST /v1/admin/accounts           {"tenant":1,"name":"Ann","role":"agent","capacity":0}
///   POST /v1/admin/accounts/disable   {"tenant":1,"id":"<32 hexadecimal digits>"}
///   GET  /v1/admin/inboxes?tenant=1
///   POST /v1/admin/inboxes            {"tenant":1,"name":"Shop","origins":["https://a.example"]}
///   POST /v1/admin/tenants            {"name":"Shop"}, which has one inbox then
///
/// `tenant` is 1 where it is left out. Errors:
/// {"error":{"code":"not_found","message":"...","field":"..."}}.
namespace frontdesk::app {

struct admin_request {
  std::string_view method;
  std::string_view target;        ///< path and query as sent
  std::string_view authorization; ///< the header; empty = none
  std::string_view body;
};

struct admin_answer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body{};
};

struct livez_call {
  friend bool operator==(const livez_call&, const livez_call&) = default;
};

struct readyz_call {
  friend bool operator==(const readyz_call&, const readyz_call&) = default;
};

struct metrics_call {
  friend bool operator==(const metrics_call&, const metrics_call&) = default;
};

struct list_accounts_call {
  domain::tenant_id tenant{};
  friend bool operator==(const list_accounts_call&, const list_accounts_call&) = default;
};

struct create_account_call {
  domain::tenant_id tenant{};
  std::string name;
  domain::role rights{};
  std::uint32_t capacity = 0; ///< 0 = limits.agent_capacity
  friend bool operator==(const create_account_call&, const create_account_call&) = default;
};

struct disable_account_call {
  domain::tenant_id tenant{};
  domain::account_id account{};
  friend bool operator==(const disable_account_call&, const disable_account_call&) = default;
};

struct list_inboxes_call {
  domain::tenant_id tenant{};
  friend bool operator==(const list_inboxes_call&, const list_inboxes_call&) = default;
};

struct create_inbox_call {
  domain::tenant_id tenant{};
  std::string name;
  std::vector<std::string> origins;
  friend bool operator==(const create_inbox_call&, const create_inbox_call&) = default;
};

struct create_tenant_call {
  std::string name;
  friend bool operator==(const create_tenant_call&, const create_tenant_call&) = default;
};

using admin_call
  = std::variant<livez_call, readyz_call, metrics_call, list_accounts_call, create_account_call,
                 disable_account_call, list_inboxes_call, create_inbox_call, create_tenant_call>;

/// errc::unauthenticated without the right key, errc::not_found for an unknown path,
/// errc::unsupported for a method the path does not know, errc::bad_request with the field for a
/// body that cannot be used.
domain::result<admin_call> parse_admin_request(const admin_request& request,
                                               std::string_view admin_key);

/// 201 with the token, which is shown this once.
admin_answer account_created(domain::tenant_id tenant, const domain::account_id& id,
                             std::string_view name, domain::role rights, std::string_view token);
admin_answer inbox_created(domain::tenant_id tenant, const domain::inbox_id& id,
                           std::string_view name, std::string_view key);
/// `inbox` is the first one of the new tenant.
admin_answer tenant_created(domain::tenant_id tenant, std::string_view name,
                            const domain::inbox_id& inbox, std::string_view key);
admin_answer account_disabled(const domain::account_id& id);
/// errc::not_found as an answer when the tenant does not exist.
admin_answer accounts_listed(const domain::configuration_snapshot& snapshot,
                             domain::tenant_id tenant);
admin_answer inboxes_listed(const domain::configuration_snapshot& snapshot,
                            domain::tenant_id tenant);
admin_answer failed_answer(const domain::error& reason);

std::string_view to_string(domain::role rights);
std::optional<domain::role> role_from_string(std::string_view text);

} // namespace frontdesk::app
