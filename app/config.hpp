#pragma once

#include "domain/limits.hpp"
#include "domain/ports/telemetry.hpp"
#include "domain/result.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The configuration of a node. One table of keys drives the file, the environment, the flags,
/// `config default`, `config show` and docs/OPERATIONS.md. Order, weak to strong: defaults, TOML
/// file, environment, flags.
namespace frontdesk::app {

enum class log_format : std::uint8_t { automatic, json, text };

struct configuration {
  struct server_section {
    std::string address = "0.0.0.0";
    std::uint16_t port = 8080; ///< 0 = any free one
    std::uint64_t io_threads = 0;
    std::string tls_certificate{};
    std::string tls_key{};
    std::vector<std::string> trusted_proxies{};
    std::string static_dir{};
    friend bool operator==(const server_section&, const server_section&) = default;
  };

  struct admin_section {
    std::string address = "127.0.0.1";
    std::uint16_t port = 9090; ///< 0 = any free one
    std::string key{};         ///< empty: kept in the data folder (app/admin_key.hpp)
    friend bool operator==(const admin_section&, const admin_section&) = default;
  };

  struct store_section {
    std::string data = "./frontdesk-data";
    friend bool operator==(const store_section&, const store_section&) = default;
  };

  struct log_section {
    domain::log_level level = domain::log_level::info;
    log_format format = log_format::automatic;
    friend bool operator==(const log_section&, const log_section&) = default;
  };

  struct actors_section {
    std::uint64_t workers = 0;
    friend bool operator==(const actors_section&, const actors_section&) = default;
  };

  server_section server{};
  admin_section admin{};
  store_section store{};
  log_section log{};
  actors_section actors{};
  domain::limits limits{};
};

/// What a configured number of threads means on this machine: 0 = half the processors, at least
/// one.
std::size_t thread_count(std::uint64_t configured);

/// Where the event store lives: a folder of its own in the data folder, beside admin.key.
std::string store_folder(const configuration& config);

using config_value = std::variant<std::uint64_t, std::string, std::vector<std::string>>;

/// One row of the table of keys.
struct key_description {
  std::string section;
  std::string name;
  config_value standard;
  std::string help;
  std::uint64_t least = 0; ///< of numbers
  std::uint64_t most = 0;
  std::vector<std::string> choices{}; ///< of texts; empty = any
  bool reloadable = false;            ///< SIGHUP applies a new value
  bool secret = false;                ///< never shown; `..._FILE` names a file that holds it
  std::function<config_value(const configuration&)> get;
  std::function<void(configuration&, const config_value&)> set;
  /// What is wrong with the value, or nothing said.
  std::function<std::string(const config_value&)> check{};

  std::string full_name() const { return section + "." + name; }

  std::string environment_name() const; ///< FRONTDESK_SECTION__KEY

  std::string flag_name() const { return "--" + full_name(); }
};

/// All keys, in the order of `config default`. Any thread.
std::span<const key_description> config_keys();

/// One thing that is wrong, and where: `frontdesk.toml:3:8`, `FRONTDESK_SERVER__PORT` or
/// `--server.port`.
struct config_problem {
  std::string where;
  std::string message;
  std::string suggestion{}; ///< the key that was probably meant; may be empty
  friend bool operator==(const config_problem&, const config_problem&) = default;
};

/// `where: message; did you mean "..."?`
std::string to_text(const config_problem& problem);

/// Everything that a configuration is made from. Nothing else is read.
struct config_sources {
  std::string file_name{}; ///< as shown in problems; empty = no file
  std::string file_text{};
  std::map<std::string, std::string>
    environment{}; ///< the whole environment; only FRONTDESK_... is looked at
  std::map<std::string, std::string> flags{}; ///< "server.port" -> text
  /// Reads the file that a `..._FILE` variable names; a trailing newline is cut by the loader.
  std::function<domain::result<std::string>(const std::string&)> read_file{};
};

struct loaded_configuration {
  configuration values{};
  /// "server.port" -> "default", "frontdesk.toml:3:8", "environment FRONTDESK_SERVER__PORT", "flag
  /// --server.port"
  std::map<std::string, std::string> origins{};
  /// All that is wrong, in the order file, environment, flags, contradictions. Usable only if there
  /// is none.
  std::vector<config_problem> problems{};

  bool usable() const { return problems.empty(); }
};

/// Puts a configuration together. Pure but for `read_file`. Any thread.
loaded_configuration load_configuration(const config_sources& sources);

/// The file that `config default` prints: every key, commented out, with its meaning.
std::string default_configuration_text();
/// The table of limits of docs/OPERATIONS.md, as Markdown.
std::string limits_table_markdown();
/// The table of all other keys of docs/OPERATIONS.md, as Markdown.
std::string keys_table_markdown();

/// A value as TOML; `secret` values that are set read "********".
std::string shown_value(const key_description& key, const configuration& values);
/// What `config show` prints: TOML, with `origin` each line says where its value came from.
std::string show_configuration(const loaded_configuration& loaded, bool origin);
/// The same as a JSON array of {key, value, origin, reloadable}.
std::string show_configuration_json(const loaded_configuration& loaded);

/// What SIGHUP does: `running` with the reloadable values of `fresh`. `restart_needed` gets the
/// names of the other keys that differ.
configuration reloaded(const configuration& running, const configuration& fresh,
                       std::vector<std::string>& restart_needed);

/// The nearest candidate by edit distance (a swap of neighbours counts one), or nothing if none is
/// near.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

std::string_view to_string(domain::log_level level);
std::string_view to_string(log_format format);

} // namespace frontdesk::app
