#include "app/admin_api.hpp"

#include "crypto/crypto.hpp"

#include <boost/json.hpp>

#include <array>
#include <charconv>
#include <limits>

namespace frontdesk::app {

namespace {

namespace json = boost::json;

constexpr std::size_t name_bytes_max = 200;

domain::error bad(std::string message, std::string field = {}) {
  return {domain::errc::bad_request, std::move(message), std::move(field)};
}

json::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

admin_answer answer(unsigned status, const json::object& body) {
  return {status, "application/json", json::serialize(body)};
}

/// The value of `name` in a query string; the values used here need no percent-decoding.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) == name)
      return equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

domain::result<domain::tenant_id> query_tenant(std::string_view query) {
  const auto text = query_value(query, "tenant");
  if (!text)
    return domain::tenant_id{1};
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (failure != std::errc{} || end != text->data() + text->size() || number == 0)
    return bad("expected a tenant's number", "tenant");
  return domain::tenant_id{number};
}

domain::result<json::object> parse_body(std::string_view body) {
  json::error_code failure;
  json::parse_options options;
  options.max_depth = 8;
  auto value = json::parse(view(body), failure, {}, options);
  if (failure || !value.is_object())
    return bad("expected a JSON object");
  return std::move(value.as_object());
}

domain::result<std::uint32_t> number_field(const json::object& body, const char* field,
                                           std::uint32_t standard) {
  const auto* value = body.if_contains(field);
  if (!value)
    return standard;
  json::error_code failure;
  const auto number = value->to_number<std::uint32_t>(failure);
  if (failure || value->is_double())
    return bad("expected a whole number", field);
  return number;
}

domain::result<std::string> name_field(const json::object& body) {
  const auto* value = body.if_contains("name");
  if (!value || !value->is_string())
    return bad("expected text", "name");
  const auto& text = value->get_string();
  if (text.empty() || text.size() > name_bytes_max)
    return bad("must have 1 to 200 bytes", "name");
  for (const char letter : text)
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f)
      return bad("must not hold control characters", "name");
  return std::string{text};
}

domain::result<domain::tenant_id> tenant_field(const json::object& body) {
  auto number = number_field(body, "tenant", 1);
  if (!number)
    return number.failure();
  if (*number == 0)
    return bad("expected a tenant's number", "tenant");
  return domain::tenant_id{*number};
}

/// A field that is not known is more often a misspelling than meant to be ignored.
std::optional<domain::error> unknown_field(const json::object& body,
                                           std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : body) {
    bool found = false;
    for (const auto& each : known)
      found = found || each == std::string_view{name.data(), name.size()};
    if (!found)
      return bad("unknown field", std::string{name});
  }
  return std::nullopt;
}

domain::result<admin_call> parse_create_account(std::string_view text) {
  auto body = parse_body(text);
  if (!body)
    return body.failure();
  if (auto unknown = unknown_field(*body, {"tenant", "name", "role", "capacity"}))
    return *unknown;
  auto tenant = tenant_field(*body);
  if (!tenant)
    return tenant.failure();
  auto name = name_field(*body);
  if (!name)
    return name.failure();
  auto capacity = number_field(*body, "capacity", 0);
  if (!capacity)
    return capacity.failure();
  auto rights = std::optional{domain::role::agent};
  if (const auto* value = body->if_contains("role"))
    rights = value->is_string() ? role_from_string(std::string{value->get_string()}) : std::nullopt;
  if (!rights)
    return bad("expected agent, supervisor or administrator", "role");
  return admin_call{create_account_call{*tenant, *std::move(name), *rights, *capacity}};
}

domain::result<admin_call> parse_create_inbox(std::string_view text) {
  auto body = parse_body(text);
  if (!body)
    return body.failure();
  if (auto unknown = unknown_field(*body, {"tenant", "name", "origins"}))
    return *unknown;
  auto tenant = tenant_field(*body);
  if (!tenant)
    return tenant.failure();
  auto name = name_field(*body);
  if (!name)
    return name.failure();
  std::vector<std::string> origins;
  if (const auto* value = body->if_contains("origins")) {
    if (!value->is_array())
      return bad("expected a list of origins such as https://shop.example", "origins");
    for (const auto& each : value->get_array()) {
      if (!each.is_string())
        return bad("expected a list of origins such as https://shop.example", "origins");
      const std::string origin{each.get_string()};
      const auto host = origin.starts_with("https://") ? 8u : 7u;
      if (!(origin.starts_with("https://") || origin.starts_with("http://"))
          || origin.size() <= host || origin.find('/', host) != std::string::npos)
        return bad("an origin is scheme and host, without a path: https://shop.example", "origins");
      origins.push_back(origin);
    }
  }
  return admin_call{create_inbox_call{*tenant, *std::move(name), std::move(origins)}};
}

domain::result<admin_call> parse_create_tenant(std::string_view text) {
  auto body = parse_body(text);
  if (!body)
    return body.failure();
  if (auto unknown = unknown_field(*body, {"name"}))
    return *unknown;
  auto name = name_field(*body);
  if (!name)
    return name.failure();
  return admin_call{create_tenant_call{*std::move(name)}};
}

domain::result<admin_call> parse_disable_account(std::string_view text) {
  auto body = parse_body(text);
  if (!body)
    return body.failure();
  if (auto unknown = unknown_field(*body, {"tenant", "id"}))
    return *unknown;
  auto tenant = tenant_field(*body);
  if (!tenant)
    return tenant.failure();
  const auto* value = body->if_contains("id");
  const auto raw = value && value->is_string() ? domain::from_hex(std::string{value->get_string()})
                                               : std::nullopt;
  const auto id = raw ? domain::account_id::from_bytes(*raw) : std::nullopt;
  if (!id)
    return bad("expected an account's id: 32 hexadecimal digits", "id");
  return admin_call{disable_account_call{*tenant, *id}};
}

bool authorised(std::string_view header, std::string_view key) {
  constexpr std::string_view scheme = "Bearer ";
  return !key.empty() && header.starts_with(scheme)
         && crypto::equal_constant_time(header.substr(scheme.size()), key);
}

unsigned status_of(domain::errc code) {
  switch (code) {
  case domain::errc::bad_request:
  case domain::errc::bad_frame:
  case domain::errc::bad_text:
    return 400;
  case domain::errc::unauthenticated:
    return 401;
  case domain::errc::forbidden:
    return 403;
  case domain::errc::not_found:
    return 404;
  case domain::errc::unsupported:
    return 405;
  case domain::errc::already_exists:
  case domain::errc::invalid_state:
    return 409;
  case domain::errc::too_large:
    return 413;
  case domain::errc::rate_limited:
    return 429;
  case domain::errc::overloaded:
  case domain::errc::storage_full:
  case domain::errc::storage_failed:
  case domain::errc::draining:
  case domain::errc::unavailable:
    return 503;
  case domain::errc::timeout:
    return 504;
  default:
    return 500;
  }
}

admin_answer no_such_tenant() {
  return failed_answer({domain::errc::not_found, "no such tenant", "tenant"});
}

} // namespace

domain::result<admin_call> parse_admin_request(const admin_request& request,
                                               std::string_view admin_key) {
  const auto mark = request.target.find('?');
  const auto path = request.target.substr(0, mark);
  const auto query
    = mark == std::string_view::npos ? std::string_view{} : request.target.substr(mark + 1);
  const bool get = request.method == "GET" || request.method == "HEAD";
  const bool post = request.method == "POST";
  const domain::error wrong_method{domain::errc::unsupported, "the method does not fit the path"};

  if (path == "/livez" || path == "/readyz" || path == "/metrics") {
    if (!get)
      return wrong_method;
    if (path == "/livez")
      return admin_call{livez_call{}};
    if (path == "/readyz")
      return admin_call{readyz_call{}};
    return admin_call{metrics_call{}};
  }
  if (!path.starts_with("/v1/admin/"))
    return domain::error{domain::errc::not_found, "no such path"};
  // Before anything is told of what exists below.
  if (!authorised(request.authorization, admin_key))
    return domain::error{domain::errc::unauthenticated, "the admin key is missing or wrong"};

  constexpr std::string_view accounts = "/v1/admin/accounts";
  if (path == accounts && post)
    return parse_create_account(request.body);
  if (path == "/v1/admin/inboxes" && post)
    return parse_create_inbox(request.body);
  if (path == "/v1/admin/tenants") {
    if (!post)
      return wrong_method;
    return parse_create_tenant(request.body);
  }
  if (path == "/v1/admin/accounts/disable") {
    if (!post)
      return wrong_method;
    return parse_disable_account(request.body);
  }
  auto tenant = query_tenant(query);
  if (!tenant)
    return tenant.failure();
  if (path == accounts) {
    if (!get)
      return wrong_method;
    return admin_call{list_accounts_call{*tenant}};
  }
  if (path == "/v1/admin/inboxes") {
    if (!get)
      return wrong_method;
    return admin_call{list_inboxes_call{*tenant}};
  }
  return domain::error{domain::errc::not_found, "no such path"};
}

admin_answer account_created(domain::tenant_id tenant, const domain::account_id& id,
                             std::string_view name, domain::role rights, std::string_view token) {
  return answer(201, {{"tenant", value(tenant)},
                      {"id", to_string(id)},
                      {"name", view(name)},
                      {"role", view(to_string(rights))},
                      {"token", view(token)}});
}

admin_answer inbox_created(domain::tenant_id tenant, const domain::inbox_id& id,
                           std::string_view name, std::string_view key) {
  return answer(
    201,
    {{"tenant", value(tenant)}, {"id", to_string(id)}, {"name", view(name)}, {"key", view(key)}});
}

admin_answer tenant_created(domain::tenant_id tenant, std::string_view name,
                            const domain::inbox_id& inbox, std::string_view key) {
  return answer(201, {{"tenant", value(tenant)},
                      {"name", view(name)},
                      {"inbox", to_string(inbox)},
                      {"key", view(key)}});
}

admin_answer account_disabled(const domain::account_id& id) {
  return answer(200, {{"id", to_string(id)}, {"disabled", true}});
}

admin_answer accounts_listed(const domain::configuration_snapshot& snapshot,
                             domain::tenant_id tenant) {
  const auto found = snapshot.tenants.find(tenant);
  if (found == snapshot.tenants.end())
    return no_such_tenant();
  json::array rows;
  for (const auto& [id, account] : found->second.accounts)
    rows.push_back(json::object{{"id", to_string(id)},
                                {"name", account.name},
                                {"role", view(to_string(account.rights))},
                                {"disabled", account.disabled},
                                {"capacity", account.capacity},
                                {"created_ms", account.created}});
  return answer(200, {{"accounts", std::move(rows)}});
}

admin_answer inboxes_listed(const domain::configuration_snapshot& snapshot,
                            domain::tenant_id tenant) {
  const auto found = snapshot.tenants.find(tenant);
  if (found == snapshot.tenants.end())
    return no_such_tenant();
  json::array rows;
  for (const auto& [id, inbox] : found->second.inboxes) {
    json::array origins;
    for (const auto& origin : inbox.origins)
      origins.emplace_back(origin);
    rows.push_back(json::object{{"id", to_string(id)},
                                {"name", inbox.name},
                                {"key", inbox.key},
                                {"origins", std::move(origins)},
                                {"created_ms", inbox.created}});
  }
  return answer(200, {{"inboxes", std::move(rows)}});
}

admin_answer failed_answer(const domain::error& reason) {
  json::object error{{"code", view(domain::to_string(reason.code))}, {"message", reason.message}};
  if (!reason.field.empty())
    error.emplace("field", reason.field);
  return answer(status_of(reason.code), {{"error", std::move(error)}});
}

std::string_view to_string(domain::role rights) {
  switch (rights) {
  case domain::role::agent:
    return "agent";
  case domain::role::supervisor:
    return "supervisor";
  case domain::role::administrator:
    return "administrator";
  }
  return "agent";
}

std::optional<domain::role> role_from_string(std::string_view text) {
  for (const auto each :
       {domain::role::agent, domain::role::supervisor, domain::role::administrator})
    if (to_string(each) == text)
      return each;
  return std::nullopt;
}

} // namespace frontdesk::app
