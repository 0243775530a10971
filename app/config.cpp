#include "app/config.hpp"

#include "domain/text.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

namespace frontdesk::app {

namespace {

// The parser recurses once per level of a dotted key, and a level takes two bytes: bounded here,
// not by the stack.
constexpr std::size_t file_bytes_max = 1 << 20;
constexpr std::size_t line_bytes_max = 8192;

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::vector<std::size_t>> cost(left.size() + 1,
                                             std::vector<std::size_t>(right.size() + 1));
  for (std::size_t i = 0; i <= left.size(); ++i)
    cost[i][0] = i;
  std::iota(cost[0].begin(), cost[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= left.size(); ++i)
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const auto same = left[i - 1] == right[j - 1];
      cost[i][j]
        = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[left.size()][right.size()];
}

const key_description* find_key(std::string_view full_name) {
  for (const auto& key : config_keys())
    if (key.full_name() == full_name)
      return &key;
  return nullptr;
}

/// The full name of the key that an unknown one was probably meant to be.
std::string suggested_key(std::string_view full_name) {
  std::vector<std::string> names;
  for (const auto& key : config_keys()) {
    names.push_back(key.full_name());
    // The right name in no section or in a wrong one.
    const auto dot = full_name.rfind('.');
    if (key.name == full_name.substr(dot == std::string_view::npos ? 0 : dot + 1))
      return key.full_name();
  }
  return nearest(full_name, names);
}

bool starts_with_section(std::string_view name) {
  return std::ranges::any_of(config_keys(), [&](const auto& key) { return key.section == name; });
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const auto& key : config_keys())
    if (names.empty() || names.back() != key.section)
      names.push_back(key.section);
  return names;
}

std::string range_text(const key_description& key) {
  return "a whole number from " + std::to_string(key.least) + " to " + std::to_string(key.most);
}

std::string choices_text(const key_description& key) {
  std::string text = "one of";
  for (const auto& choice : key.choices)
    text += (choice == key.choices.front() ? " " : ", ") + choice;
  return text;
}

std::string expected_text(const key_description& key) {
  if (std::holds_alternative<std::uint64_t>(key.standard))
    return range_text(key);
  if (!key.choices.empty())
    return choices_text(key);
  return std::holds_alternative<std::string>(key.standard) ? "text in quotes"
                                                           : "a list of texts in quotes";
}

class loader {
public:
  explicit loader(const config_sources& sources) : sources_(sources) {
    for (const auto& key : config_keys())
      loaded_.origins.emplace(key.full_name(), "default");
  }

  loaded_configuration run() {
    if (!sources_.file_name.empty())
      load_file();
    load_environment();
    for (const auto& [name, text] : sources_.flags)
      load_text(name, text, "--" + name, "flag --" + name);
    check_contradictions();
    return std::move(loaded_);
  }

private:
  void complain(std::string where, std::string message, std::string suggestion = {}) {
    loaded_.problems.push_back({std::move(where), std::move(message), std::move(suggestion)});
  }

  /// What cannot be shown cannot be a value: it would come back from `config show` as something
  /// else.
  static bool printable(const config_value& given) {
    const auto good = [](const std::string& text) {
      return domain::valid_utf8(text) && text.find('\0') == std::string::npos;
    };
    if (const auto* text = std::get_if<std::string>(&given))
      return good(*text);
    if (const auto* texts = std::get_if<std::vector<std::string>>(&given))
      return std::ranges::all_of(*texts, good);
    return true;
  }

  /// Takes a value of the right type, if it is in range.
  void take(const key_description& key, const config_value& given, const std::string& where,
            const std::string& origin) {
    if (const auto* number = std::get_if<std::uint64_t>(&given);
        number && (*number < key.least || *number > key.most))
      return complain(where, key.full_name() + " is out of range: expected " + range_text(key));
    if (!printable(given))
      return complain(where, key.full_name() + ": is no UTF-8 text, or holds a zero byte");
    if (!key.choices.empty()
        && std::ranges::find(key.choices, std::get<std::string>(given)) == key.choices.end())
      return complain(where, key.full_name() + ": expected " + choices_text(key),
                      nearest(std::get<std::string>(given), key.choices));
    if (key.check)
      if (auto wrong = key.check(given); !wrong.empty())
        return complain(where, key.full_name() + ": " + wrong);
    key.set(loaded_.values, given);
    loaded_.origins[key.full_name()] = origin;
  }

  // -- the file
  // ---------------------------------------------------------------------------------------------------

  std::string place(const toml::source_position& at) const {
    return sources_.file_name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  }

  void load_file() {
    const std::string_view text = sources_.file_text;
    if (text.size() > file_bytes_max)
      return complain(sources_.file_name, "the file is larger than 1 MiB");
    std::size_t line = 1;
    for (std::size_t begin = 0; begin < text.size(); ++line) {
      const auto end = std::min(text.find('\n', begin), text.size());
      if (end - begin > line_bytes_max)
        return complain(sources_.file_name + ":" + std::to_string(line) + ":1",
                        "the line is longer than 8 KiB");
      begin = end + 1;
    }
    toml::table table;
    try {
      table = toml::parse(text);
    } catch (const toml::parse_error& reason) {
      return complain(place(reason.source().begin), std::string{reason.description()});
    }
    for (const auto& [name, node] : table) {
      const auto* section = node.as_table();
      if (section && starts_with_section(name.str())) {
        for (const auto& [key, value] : *section)
          load_node(std::string{name.str()}, key, value);
      } else if (section) {
        complain(place(name.source().begin), "unknown section [" + std::string{name.str()} + "]",
                 nearest(name.str(), section_names()));
      } else if (starts_with_section(name.str())) {
        complain(place(name.source().begin),
                 "expected a section: [" + std::string{name.str()} + "]");
      } else {
        complain(place(name.source().begin), "unknown key \"" + std::string{name.str()} + "\"",
                 suggested_key(name.str()));
      }
    }
    // Tables come sorted by name; people read from the top.
    std::ranges::stable_sort(loaded_.problems, {}, [](const config_problem& problem) {
      const auto& where = problem.where;
      const auto second = where.rfind(':');
      const auto first = where.rfind(':', second - 1);
      return std::pair{std::stoul(where.substr(first + 1)), std::stoul(where.substr(second + 1))};
    });
  }

  void load_node(const std::string& section, const toml::key& name, const toml::node& node) {
    const auto full_name = section + "." + std::string{name.str()};
    const auto* key = find_key(full_name);
    if (!key)
      return complain(place(name.source().begin), "unknown key \"" + full_name + "\"",
                      suggested_key(full_name));
    const auto where = place(node.source().begin);
    const auto wrong_type
      = [&] { complain(where, full_name + ": expected " + expected_text(*key)); };
    if (std::holds_alternative<std::uint64_t>(key->standard)) {
      const auto* number = node.as_integer();
      if (!number)
        return wrong_type();
      if (number->get() < 0)
        return complain(where, full_name + " is out of range: expected " + range_text(*key));
      return take(*key, static_cast<std::uint64_t>(number->get()), where, where);
    }
    if (std::holds_alternative<std::string>(key->standard)) {
      const auto* text = node.as_string();
      if (!text)
        return wrong_type();
      return take(*key, text->get(), where, where);
    }
    const auto* list = node.as_array();
    if (!list)
      return wrong_type();
    std::vector<std::string> texts;
    for (const auto& element : *list) {
      const auto* text = element.as_string();
      if (!text)
        return complain(place(element.source().begin),
                        full_name + ": expected " + expected_text(*key));
      texts.push_back(text->get());
    }
    take(*key, texts, where, where);
  }

  // -- environment and flags
  // --------------------------------------------------------------------------------------

  void load_environment() {
    std::map<std::string, std::string> known;  // variable -> full name of the key
    std::map<std::string, std::string> files;  // variable that names a file -> full name of the key
    std::map<std::string, std::string> nearly; // with one underscore for two -> variable
    std::vector<std::string> names;
    for (const auto& key : config_keys()) {
      const auto variable = key.environment_name();
      known.emplace(variable, key.full_name());
      names.push_back(variable);
      if (key.secret)
        files.emplace(variable + "_FILE", key.full_name());
      auto single = variable;
      single.erase(single.find("__"), 1);
      nearly.emplace(std::move(single), variable);
    }
    for (const auto& [variable, text] : sources_.environment) {
      if (!variable.starts_with("FRONTDESK_"))
        continue;
      if (const auto key = known.find(variable); key != known.end()) {
        load_text(key->second, text, variable, "environment " + variable);
      } else if (const auto file = files.find(variable); file != files.end()) {
        load_secret_file(file->second, variable, text);
      } else if (const auto meant = nearly.find(variable); meant != nearly.end()) {
        complain(variable, "section and key are joined by two underscores", meant->second);
      } else if (variable.find("__") != std::string::npos) {
        complain(variable, "unknown key", nearest(variable, names));
      }
      // Others, such as FRONTDESK_CONFIG or what an orchestrator sets for a service of this name,
      // are not keys.
    }
  }

  void load_secret_file(const std::string& full_name, const std::string& variable,
                        const std::string& path) {
    const auto direct = variable.substr(0, variable.size() - std::string_view{"_FILE"}.size());
    if (sources_.environment.contains(direct))
      return complain(variable, "set together with " + direct + ": which one holds?");
    if (!sources_.read_file)
      return complain(variable, "files cannot be read here");
    auto text = sources_.read_file(path);
    if (!text)
      return complain(variable, text.failure().message);
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r'))
      text->pop_back();
    load_text(full_name, *text, variable, "file " + path + " named by " + variable);
  }

  void load_text(const std::string& full_name, const std::string& text, const std::string& where,
                 const std::string& origin) {
    const auto* key = find_key(full_name);
    if (!key) {
      const auto meant = suggested_key(full_name);
      return complain(where, "unknown key", meant.empty() ? "" : "--" + meant);
    }
    if (std::holds_alternative<std::uint64_t>(key->standard)) {
      std::uint64_t number = 0;
      const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (text.empty() || failure != std::errc{} || end != text.data() + text.size())
        return complain(where, full_name + ": expected " + range_text(*key));
      return take(*key, number, where, origin);
    }
    if (std::holds_alternative<std::string>(key->standard))
      return take(*key, text, where, origin);
    std::vector<std::string> texts; // commas in between; spaces around are cut
    for (std::size_t begin = 0; begin <= text.size();) {
      const auto end = std::min(text.find(',', begin), text.size());
      auto first = text.find_first_not_of(' ', begin);
      if (first < end) {
        auto last = text.find_last_not_of(' ', end - 1);
        texts.push_back(text.substr(first, last - first + 1));
      }
      begin = end + 1;
    }
    take(*key, texts, where, origin);
  }

  // -- what contradicts itself
  // ------------------------------------------------------------------------------------

  /// Where a value came from, as problems name places.
  std::string where(const std::string& full_name) const {
    const auto& origin = loaded_.origins.at(full_name);
    for (std::string_view prefix : {"environment ", "flag "})
      if (origin.starts_with(prefix))
        return origin.substr(prefix.size());
    return origin == "default" ? full_name : origin;
  }

  /// The place to complain at when two keys do not go together: the one that was set, the stronger
  /// if both were.
  std::string blame(const std::string& first, const std::string& second) const {
    return loaded_.origins.at(second) == "default" ? where(first) : where(second);
  }

  void check_contradictions() {
    const auto& values = loaded_.values;
    if (values.server.tls_certificate.empty() != values.server.tls_key.empty()) {
      const auto given
        = values.server.tls_key.empty() ? "server.tls_certificate" : "server.tls_key";
      complain(where(given),
               "server.tls_certificate and server.tls_key go together: set both or none");
    }
    const bool overlap = values.server.address == values.admin.address
                         || values.server.address == "0.0.0.0" || values.server.address == "::"
                         || values.admin.address == "0.0.0.0" || values.admin.address == "::";
    if (overlap && values.server.port != 0 && values.server.port == values.admin.port)
      complain(blame("server.port", "admin.port"), "server.port and admin.port must differ");
    const auto& limits = values.limits;
    at_most("memory_opening_percent", limits.memory_opening_percent, "memory_visitor_percent",
            limits.memory_visitor_percent);
    at_most("text_bytes_max", limits.text_bytes_max, "frame_bytes_max", limits.frame_bytes_max);
    at_most("frame_bytes_max", limits.frame_bytes_max, "bytes_burst", limits.bytes_burst);
    at_most("frame_bytes_max", limits.frame_bytes_max, "outbox_bytes_max", limits.outbox_bytes_max);
    at_most("text_bytes_max", limits.text_bytes_max, "event_bytes_max", limits.event_bytes_max);
    at_most("event_bytes_max", limits.event_bytes_max, "commit_bytes_max", limits.commit_bytes_max);
  }

  void at_most(const std::string& small, std::uint64_t small_value, const std::string& large,
               std::uint64_t large_value) {
    if (small_value <= large_value)
      return;
    complain(blame("limits." + small, "limits." + large),
             "limits." + small + " (" + std::to_string(small_value)
               + ") must not be more than limits." + large + " (" + std::to_string(large_value)
               + ")");
  }

  const config_sources& sources_;
  loaded_configuration loaded_;
};

} // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  std::string best;
  // Names are short; a long word is no misspelling and would only cost time.
  if (word.size() > 100)
    return best;
  auto least = std::max<std::size_t>(1, word.size() / 3) + 1;
  // "warn" for "warning": an abbreviation is no slip, and often further away than one.
  if (word.size() >= 3)
    for (const auto& candidate : candidates)
      if (candidate.starts_with(word))
        return candidate;
  for (const auto& candidate : candidates)
    if (auto distance = edit_distance(word, candidate); distance < least) {
      least = distance;
      best = candidate;
    }
  return best;
}

std::string to_text(const config_problem& problem) {
  auto text = problem.where + ": " + problem.message;
  if (!problem.suggestion.empty())
    text += "; did you mean \"" + problem.suggestion + "\"?";
  return text;
}

loaded_configuration load_configuration(const config_sources& sources) {
  return loader{sources}.run();
}

configuration reloaded(const configuration& running, const configuration& fresh,
                       std::vector<std::string>& restart_needed) {
  auto next = running;
  for (const auto& key : config_keys()) {
    const auto value = key.get(fresh);
    if (value == key.get(running))
      continue;
    if (key.reloadable)
      key.set(next, value);
    else
      restart_needed.push_back(key.full_name());
  }
  return next;
}

} // namespace frontdesk::app
