#include "app/config.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <thread>

namespace frontdesk::app {

namespace {

// Limits that are looked at while the node runs by parts that take a new configuration; the others
// are read once, when what they bound is built.
constexpr std::array<std::string_view, 4> reloadable_limits{
  "memory_bytes_max", "memory_opening_percent", "memory_visitor_percent", "drain_ms"};

std::string upper(std::string_view text) {
  std::string out;
  for (auto letter : text)
    out += letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  return out;
}

bool is_address(const std::string& text) {
  in6_addr room{};
  return inet_pton(AF_INET, text.c_str(), &room) == 1
         || inet_pton(AF_INET6, text.c_str(), &room) == 1;
}

std::string check_address(const config_value& given) {
  const auto& text = std::get<std::string>(given);
  if (is_address(text))
    return {};
  if (text == "localhost")
    return "expected an IP address; localhost is 127.0.0.1 or ::1";
  return "expected an IP address such as 127.0.0.1, 0.0.0.0 or ::";
}

std::string check_networks(const config_value& given) {
  for (const auto& text : std::get<std::vector<std::string>>(given)) {
    const auto slash = text.find('/');
    const auto address = text.substr(0, slash);
    if (!is_address(address))
      return "\"" + text + "\" is no IP address or network such as 10.0.0.0/8";
    if (slash == std::string::npos)
      continue;
    const auto bits = text.substr(slash + 1);
    const auto most = address.find(':') == std::string::npos ? 32 : 128;
    if (bits.empty() || bits.size() > 3
        || !std::ranges::all_of(bits, [](char c) { return c >= '0' && c <= '9'; })
        || std::stoi(bits) > most)
      return "\"" + text + "\" needs a prefix length of 0 to " + std::to_string(most);
  }
  return {};
}

std::string check_secret(const config_value& given) {
  const auto& text = std::get<std::string>(given);
  if (!text.empty() && text.size() < 16)
    return "a secret needs at least 16 characters";
  for (auto letter : text)
    if (letter <= ' ' || letter > '~')
      return "a secret is made of printable ASCII characters without spaces";
  return {};
}

std::string check_not_empty(const config_value& given) {
  return std::get<std::string>(given).empty() ? "must not be empty" : "";
}

template <class Section, class Field>
key_description key_of(std::string section, std::string name, Section configuration::*part,
                       Field Section::*field, std::string help) {
  key_description key;
  key.section = std::move(section);
  key.name = std::move(name);
  key.help = std::move(help);
  key.get = [part, field](const configuration& from) -> config_value {
    if constexpr (std::is_integral_v<Field>)
      return static_cast<std::uint64_t>((from.*part).*field);
    else
      return (from.*part).*field;
  };
  key.set = [part, field](configuration& into, const config_value& given) {
    if constexpr (std::is_integral_v<Field>)
      (into.*part).*field = static_cast<Field>(std::get<std::uint64_t>(given));
    else
      (into.*part).*field = std::get<Field>(given);
  };
  key.standard = key.get(configuration{});
  return key;
}

/// A key of one of a few words, kept as an enumeration.
template <class Section, class Enum>
key_description choice_of(std::string section, std::string name, Section configuration::*part,
                          Enum Section::*field, std::vector<Enum> values, std::string help) {
  key_description key;
  key.section = std::move(section);
  key.name = std::move(name);
  key.help = std::move(help);
  for (auto one : values)
    key.choices.emplace_back(to_string(one));
  key.get = [part, field](const configuration& from) -> config_value {
    return std::string{to_string((from.*part).*field)};
  };
  key.set = [part, field, values](configuration& into, const config_value& given) {
    for (auto one : values)
      if (to_string(one) == std::get<std::string>(given))
        (into.*part).*field = one;
  };
  key.standard = key.get(configuration{});
  return key;
}

std::vector<key_description> make_keys() {
  using c = configuration;
  std::vector<key_description> keys;
  auto add = [&keys](key_description key) -> key_description& {
    return keys.emplace_back(std::move(key));
  };

  add(key_of("server", "address", &c::server, &c::server_section::address,
             "IP address to listen on for visitors and agents; 0.0.0.0 = every IPv4 address, :: = "
             "every address, "
             "127.0.0.1 = behind a proxy on this machine."))
    .check
    = check_address;
  add(key_of("server", "port", &c::server, &c::server_section::port,
             "Port for HTTP and WebSocket; 0 = any free one, named in the log."))
    .most
    = 65535;
  add(key_of("server", "io_threads", &c::server, &c::server_section::io_threads,
             "Threads that serve sockets; 0 = half the processors, at least one."))
    .most
    = 256;
  add(key_of("server", "tls_certificate", &c::server, &c::server_section::tls_certificate,
             "PEM file with the certificate and its chain; empty = no TLS, plain HTTP (behind a "
             "proxy). The file is read again on SIGHUP."));
  add(key_of("server", "tls_key", &c::server, &c::server_section::tls_key,
             "PEM file with the private key of the certificate. Read again on SIGHUP."));
  add(key_of("server", "trusted_proxies", &c::server, &c::server_section::trusted_proxies,
             "Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto headers are "
             "believed, such as "
             "[\"127.0.0.1\", \"10.0.0.0/8\"]; empty = nobody's."))
    .check
    = check_networks;
  add(key_of("server", "static_dir", &c::server, &c::server_section::static_dir,
             "Folder of the pages to serve at /; empty = those that come with the program, if they "
             "are there."));

  add(key_of("admin", "address", &c::admin, &c::admin_section::address,
             "IP address of the admin listener: /livez, /readyz, /metrics and the account verbs. "
             "Keep it private."))
    .check
    = check_address;
  add(key_of("admin", "port", &c::admin, &c::admin_section::port,
             "Port of the admin listener; 0 = any free one, named in the log."))
    .most
    = 65535;
  auto& admin_key = add(
    key_of("admin", "key", &c::admin, &c::admin_section::key,
           "What the account verbs prove themselves with; empty = made at the first start and "
           "kept in admin.key in the data folder, readable by its owner alone."));
  admin_key.secret = true;
  admin_key.check = check_secret;

  add(key_of("store", "data", &c::store, &c::store_section::data,
             "Folder of everything durable. Made if it is not there. One node, one folder, on a "
             "local disk."))
    .check
    = check_not_empty;

  using level = domain::log_level;
  auto& log_level = add(choice_of("log", "level", &c::log, &c::log_section::level,
                                  {level::debug, level::info, level::warning, level::error},
                                  "Lines below this level are not written."));
  log_level.reloadable = true;
  add(choice_of("log", "format", &c::log, &c::log_section::format,
                {log_format::automatic, log_format::json, log_format::text},
                "json = one object a line, text = for people, auto = text on a terminal and json "
                "elsewhere. The log "
                "goes to standard error."));

  add(key_of("actors", "workers", &c::actors, &c::actors_section::workers,
             "Threads that run conversations and sessions; 0 = half the processors, at least one."))
    .most
    = 256;

  for (const auto& limit : domain::limit_descriptions()) {
    auto member = limit.member;
    key_description key;
    key.section = "limits";
    key.name = limit.name;
    key.standard = limit.standard;
    key.least = limit.least;
    key.most = limit.most;
    key.help
      = "In " + std::string{limit.unit} + ". At this bound: " + std::string{limit.behaviour} + ".";
    key.reloadable = std::ranges::find(reloadable_limits, limit.name) != reloadable_limits.end();
    key.get = [member](const configuration& from) -> config_value { return from.limits.*member; };
    key.set = [member](configuration& into, const config_value& given) {
      into.limits.*member = std::get<std::uint64_t>(given);
    };
    keys.push_back(std::move(key));
  }
  return keys;
}

} // namespace

std::span<const key_description> config_keys() {
  static const std::vector<key_description> keys = make_keys();
  return keys;
}

std::string key_description::environment_name() const {
  return "FRONTDESK_" + upper(section) + "__" + upper(name);
}

std::string store_folder(const configuration& config) {
  return config.store.data + "/store";
}

std::size_t thread_count(std::uint64_t configured) {
  if (configured != 0)
    return configured;
  return std::max<std::size_t>(1, std::thread::hardware_concurrency() / 2);
}

std::string_view to_string(domain::log_level level) {
  switch (level) {
  case domain::log_level::debug:
    return "debug";
  case domain::log_level::info:
    return "info";
  case domain::log_level::warning:
    return "warning";
  case domain::log_level::error:
    return "error";
  }
  return "info";
}

std::string_view to_string(log_format format) {
  switch (format) {
  case log_format::automatic:
    return "auto";
  case log_format::json:
    return "json";
  case log_format::text:
    return "text";
  }
  return "auto";
}

} // namespace frontdesk::app
