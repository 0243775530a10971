#include "app/admin_api.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/common.hpp"

#include <boost/json.hpp>

#include <iostream>
#include <memory>

namespace frontdesk::app {

namespace {

namespace json = boost::json;

struct account_options {
  config_options config{};
  std::uint32_t tenant = 1;
  std::string name{};
  std::string role = "agent";
  std::uint32_t capacity = 0;
  std::vector<std::string> origins{};
  bool as_json = false;
};

std::string text_of(const json::object& row, const char* field) {
  const auto* value = row.if_contains(field);
  if (!value)
    return {};
  if (value->is_string())
    return std::string{value->get_string()};
  return json::serialize(*value);
}

/// The rows of a list answer; nothing if it is no such answer.
std::optional<json::array> rows_of(const http_answer& answer, const char* field) {
  json::error_code failure;
  const auto value = json::parse(answer.body, failure);
  const auto* rows
    = !failure && value.is_object() ? value.get_object().if_contains(field) : nullptr;
  if (rows && rows->is_array())
    return rows->get_array();
  std::cerr << "the node's answer cannot be read\n";
  return std::nullopt;
}

/// The configuration, if it can be used.
std::optional<configuration> configured(const account_options& options, int& exit_code) {
  const auto loaded = load_configuration(options.config);
  exit_code = report_problems(loaded);
  if (exit_code != 0)
    return std::nullopt;
  return loaded.values;
}

std::string tenant_query(const account_options& options) {
  return "?tenant=" + std::to_string(options.tenant);
}

int create_account(const account_options& options) {
  int exit_code = 0;
  const auto config = configured(options, exit_code);
  if (!config)
    return exit_code;
  const json::object body{{"tenant", options.tenant},
                          {"name", options.name},
                          {"role", options.role},
                          {"capacity", options.capacity}};
  const auto answer = ask_node(*config, "POST", "/v1/admin/accounts", json::serialize(body));
  if (!answer)
    return 1;
  if (options.as_json) {
    std::cout << answer->body << "\n";
    return 0;
  }
  json::error_code failure;
  const auto value = json::parse(answer->body, failure);
  if (failure || !value.is_object() || text_of(value.get_object(), "token").empty()) {
    std::cerr << "the node's answer cannot be read\n";
    return 1;
  }
  // The token alone on standard output, so that a script can take it.
  std::cerr << "account " << text_of(value.get_object(), "id")
            << " made; its token is shown this once:\n";
  std::cout << text_of(value.get_object(), "token") << "\n";
  return 0;
}

int list_rows(const account_options& options, const char* noun,
              const std::vector<const char*>& columns) {
  int exit_code = 0;
  const auto config = configured(options, exit_code);
  if (!config)
    return exit_code;
  const auto answer
    = ask_node(*config, "GET", "/v1/admin/" + std::string{noun} + tenant_query(options));
  if (!answer)
    return 1;
  const auto rows = rows_of(*answer, noun);
  if (!rows)
    return 1;
  if (options.as_json) {
    std::cout << json::serialize(*rows) << "\n";
    return 0;
  }
  std::vector<std::vector<std::string>> table{{columns.begin(), columns.end()}};
  for (const auto& row : *rows) {
    if (!row.is_object())
      continue;
    auto& line = table.emplace_back();
    for (const auto* column : columns)
      line.push_back(text_of(row.get_object(), column));
  }
  std::cout << table_text(table);
  return 0;
}

/// The id of the account of this name or id; says on standard error why not.
std::optional<std::string> find_account(const configuration& config,
                                        const account_options& options) {
  const auto answer = ask_node(config, "GET", "/v1/admin/accounts" + tenant_query(options));
  if (!answer)
    return std::nullopt;
  const auto rows = rows_of(*answer, "accounts");
  if (!rows)
    return std::nullopt;
  std::vector<std::string> found;
  for (const auto& row : *rows) {
    if (!row.is_object())
      continue;
    const auto id = text_of(row.get_object(), "id");
    if (id == options.name)
      return id;
    if (text_of(row.get_object(), "name") == options.name)
      found.push_back(id);
  }
  if (found.size() == 1)
    return found.front();
  std::cerr << (found.empty() ? "no account has this name or id"
                              : "several accounts have this name: give the id")
            << "\n";
  return std::nullopt;
}

int disable_account(const account_options& options) {
  int exit_code = 0;
  const auto config = configured(options, exit_code);
  if (!config)
    return exit_code;
  const auto id = find_account(*config, options);
  if (!id)
    return 1;
  const json::object body{{"tenant", options.tenant}, {"id", *id}};
  if (!ask_node(*config, "POST", "/v1/admin/accounts/disable", json::serialize(body)))
    return 1;
  std::cerr << "account " << *id << " is disabled\n";
  return 0;
}

int create_inbox(const account_options& options) {
  int exit_code = 0;
  const auto config = configured(options, exit_code);
  if (!config)
    return exit_code;
  json::array origins;
  for (const auto& origin : options.origins)
    origins.emplace_back(origin);
  const json::object body{
    {"tenant", options.tenant}, {"name", options.name}, {"origins", std::move(origins)}};
  const auto answer = ask_node(*config, "POST", "/v1/admin/inboxes", json::serialize(body));
  if (!answer)
    return 1;
  json::error_code failure;
  const auto value = json::parse(answer->body, failure);
  if (options.as_json)
    std::cout << answer->body << "\n";
  else if (!failure && value.is_object())
    std::cout << text_of(value.get_object(), "key") << "\n";
  return 0;
}

int create_tenant(const account_options& options) {
  int exit_code = 0;
  const auto config = configured(options, exit_code);
  if (!config)
    return exit_code;
  const auto answer = ask_node(*config, "POST", "/v1/admin/tenants",
                               json::serialize(json::object{{"name", options.name}}));
  if (!answer)
    return 1;
  json::error_code failure;
  const auto value = json::parse(answer->body, failure);
  if (options.as_json)
    std::cout << answer->body << "\n";
  else if (!failure && value.is_object())
    std::cout << text_of(value.get_object(), "tenant") << "\n";
  return 0;
}

/// A verb below `parent` with the options that all of them have.
std::pair<CLI::App*, std::shared_ptr<account_options>> add_verb(CLI::App& parent, const char* name,
                                                                const char* help, bool answers) {
  auto options = std::make_shared<account_options>();
  auto* verb = parent.add_subcommand(name, help);
  add_config_options(*verb, std::shared_ptr<config_options>{options, &options->config});
  verb->add_option("--tenant", options->tenant, "Number of the tenant")->capture_default_str();
  if (answers)
    verb->add_flag("--json", options->as_json, "As JSON");
  return {verb, options};
}

void add_inbox_verbs(CLI::App& root, command_context& context) {
  auto* inbox
    = root.add_subcommand("inbox", "Inboxes of a running node: what a page's snippet names");
  inbox->require_subcommand(1);
  inbox->footer("Examples:\n  frontdesk inbox list --json\n"
                "  frontdesk inbox create Shop --origin https://shop.example");
  auto [create, create_options]
    = add_verb(*inbox, "create", "Make an inbox and print its public key", true);
  create->add_option("name", create_options->name, "Name for people")->required();
  create->add_option(
    "--origin", create_options->origins,
    "Origin of pages that may open sockets, such as https://shop.example; none = any");
  create->callback(
    [options = create_options, &context] { context.exit_code = create_inbox(*options); });
  auto [list, list_options] = add_verb(*inbox, "list", "List inboxes with their public keys", true);
  list->callback([options = list_options, &context] {
    context.exit_code = list_rows(*options, "inboxes", {"id", "name", "key", "origins"});
  });
}

void add_tenant_verbs(CLI::App& root, command_context& context) {
  auto* tenant = root.add_subcommand("tenant", "Tenants of a running node: separate customers");
  tenant->require_subcommand(1);
  tenant->footer(
    "Example:\n  frontdesk account create Ann --tenant $(frontdesk tenant create Shop)");
  auto options = std::make_shared<account_options>();
  auto* create
    = tenant->add_subcommand("create", "Make a tenant with one inbox and print its number");
  add_config_options(*create, std::shared_ptr<config_options>{options, &options->config});
  create->add_flag("--json", options->as_json, "As JSON");
  create->add_option("name", options->name, "Name for people")->required();
  create->callback([options, &context] { context.exit_code = create_tenant(*options); });
}

} // namespace

void add_account_command(CLI::App& root, command_context& context) {
  auto* account = root.add_subcommand(
    "account", "Accounts of a running node: agents, supervisors, administrators");
  account->require_subcommand(1);
  account->footer("They talk to the admin listener with the key in the data folder.\n"
                  "Examples:\n"
                  "  frontdesk account create Ann\n"
                  "  frontdesk account create Bo --role supervisor --json\n"
                  "  frontdesk account list\n"
                  "  frontdesk account disable Ann");

  auto [create, create_options]
    = add_verb(*account, "create", "Make an account and print its token, once", true);
  create->add_option("name", create_options->name, "Name that visitors see")->required();
  create->add_option("--role", create_options->role, "agent, supervisor or administrator")
    ->check(CLI::IsMember({"agent", "supervisor", "administrator"}))
    ->capture_default_str();
  create
    ->add_option("--capacity", create_options->capacity,
                 "Conversations at once; 0 = limits.agent_capacity")
    ->capture_default_str();
  create->footer(
    "The token alone goes to standard output.\nExample:\n  TOKEN=$(frontdesk account create Ann)");
  create->callback(
    [options = create_options, &context] { context.exit_code = create_account(*options); });

  auto [list, list_options] = add_verb(*account, "list", "List accounts", true);
  list->footer("Example:\n  frontdesk account list --json");
  list->callback([options = list_options, &context] {
    context.exit_code
      = list_rows(*options, "accounts", {"id", "name", "role", "disabled", "capacity"});
  });

  auto [disable, disable_options]
    = add_verb(*account, "disable", "Disable an account: its token is refused", false);
  disable->add_option("name", disable_options->name, "Name or id")->required();
  disable->footer("Example:\n  frontdesk account disable Ann");
  disable->callback(
    [options = disable_options, &context] { context.exit_code = disable_account(*options); });

  add_inbox_verbs(root, context);
  add_tenant_verbs(root, context);
}

} // namespace frontdesk::app
