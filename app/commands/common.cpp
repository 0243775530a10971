#include "app/commands/common.hpp"

#include "app/admin_key.hpp"
#include "app/commands/commands.hpp"
#include "net/tls.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <unistd.h>

namespace frontdesk::app {

namespace {

const std::map<std::string, std::string>& short_names() {
  static const std::map<std::string, std::string> names{
    {"server.address", "--address"},       {"server.port", "--port"},
    {"server.static_dir", "--static-dir"}, {"server.tls_certificate", "--tls-certificate"},
    {"server.tls_key", "--tls-key"},       {"admin.address", "--admin-address"},
    {"admin.port", "--admin-port"},        {"store.data", "--data"},
    {"log.level", "--log-level"},          {"log.format", "--log-format"}};
  return names;
}

std::map<std::string, std::string> whole_environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text{*entry};
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

/// The address to reach a listener at that listens on all of them.
std::string reachable(const std::string& address) {
  if (address == "0.0.0.0")
    return "127.0.0.1";
  return address == "::" ? "::1" : address;
}

/// Where the admin key is, for people.
std::string key_place(const configuration& config) {
  return config.admin.key.empty() ? admin_key_path(config).string()
                                  : "admin.key of the configuration";
}

} // namespace

void add_config_options(CLI::App& verb, const std::shared_ptr<config_options>& options) {
  verb
    .add_option("-c,--config", options->file,
                "TOML file; else FRONTDESK_CONFIG, else ./frontdesk.toml if it exists")
    ->type_name("FILE");
  for (const auto& key : config_keys()) {
    auto names = key.flag_name();
    if (const auto brief = short_names().find(key.full_name()); brief != short_names().end())
      names = brief->second + "," + names;
    auto* option = verb.add_option_function<std::string>(
      names,
      [options, name = key.full_name()](const std::string& text) { options->flags[name] = text; },
      key.help);
    option->type_name(std::holds_alternative<std::uint64_t>(key.standard) ? "NUMBER" : "TEXT");
    option->group(key.section == "limits" ? "" : "Configuration");
  }
}

loaded_configuration load_configuration(const config_options& options) {
  config_sources sources;
  sources.environment = whole_environment();
  sources.flags = options.flags;
  sources.read_file = [](const std::string& path) { return read_small_file(path); };
  auto file = options.file;
  if (file.empty())
    if (const auto named = sources.environment.find("FRONTDESK_CONFIG");
        named != sources.environment.end())
      file = named->second;
  if (std::error_code ignored; file.empty() && std::filesystem::exists("frontdesk.toml", ignored))
    file = "frontdesk.toml";
  if (file.empty())
    return load_configuration(sources);
  const auto text = read_small_file(file);
  if (!text) {
    auto loaded = load_configuration(sources);
    loaded.problems.insert(loaded.problems.begin(), {file, text.failure().message});
    return loaded;
  }
  sources.file_name = file;
  sources.file_text = *text;
  return load_configuration(sources);
}

std::vector<config_problem> file_problems(const loaded_configuration& loaded) {
  std::vector<config_problem> problems;
  const auto& server = loaded.values.server;
  if (!server.tls_certificate.empty())
    if (auto tls = net::tls_context::make_server(server.tls_certificate, server.tls_key); !tls)
      problems.push_back({loaded.origins.at("server.tls_certificate"), tls.failure().message});
  std::error_code ignored;
  if (!server.static_dir.empty() && !std::filesystem::is_directory(server.static_dir, ignored))
    problems.push_back({loaded.origins.at("server.static_dir"),
                        "server.static_dir: " + server.static_dir + " is no folder"});
  return problems;
}

int report_problems(const loaded_configuration& loaded) {
  for (const auto& problem : loaded.problems)
    std::cerr << to_text(problem) << "\n";
  return loaded.usable() ? 0 : 2;
}

bool colours(int descriptor) {
  const char* refused = std::getenv("NO_COLOR");
  return isatty(descriptor) == 1 && (!refused || !*refused);
}

std::optional<http_answer> ask_node(const configuration& config, const std::string& method,
                                    const std::string& target, const std::string& body) {
  const auto key = read_admin_key(config);
  if (!key) {
    std::cerr << key.failure().message
              << "\nThe key is made when the node first starts: run `frontdesk serve` with the "
                 "same --data.\n";
    return std::nullopt;
  }
  http_question question;
  question.address = reachable(config.admin.address);
  question.port = config.admin.port;
  question.method = method;
  question.target = target;
  question.bearer = *key;
  question.body = body;
  auto answer = exchange(question);
  if (!answer) {
    std::cerr
      << answer.failure().message
      << "\nIs the node running? Its admin listener is set by --admin-address and --admin-port.\n";
    return std::nullopt;
  }
  if (answer->status < 300)
    return *std::move(answer);
  boost::json::error_code failure;
  const auto value = boost::json::parse(answer->body, failure);
  std::string message = "the node answered " + std::to_string(answer->status);
  if (!failure && value.is_object())
    if (const auto* error = value.get_object().if_contains("error"); error && error->is_object())
      if (const auto* text = error->get_object().if_contains("message");
          text && text->is_string()) {
        message = std::string{text->get_string()};
        if (const auto* field = error->get_object().if_contains("field");
            field && field->is_string())
          message = std::string{field->get_string()} + ": " + message;
      }
  if (answer->status == 401)
    message += " (looked for in " + key_place(config) + ")";
  std::cerr << message << "\n";
  return std::nullopt;
}

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  const auto columns = [](const std::string& text) { // code points: near enough for names
    return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
  };
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i)
        widths.push_back(0);
      widths[i] = std::max(widths[i], columns(row[i]));
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      for (const char letter : row[i])
        line += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? '?' : letter;
      if (i + 1 < row.size())
        line.append(widths[i] - columns(row[i]) + 2, ' ');
    }
    out += line + "\n";
  }
  return out;
}

} // namespace frontdesk::app
