#include "app/config.hpp"

#include <boost/json.hpp>

namespace frontdesk::app {

namespace {

/// A TOML basic string.
std::string quoted(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += letter;
    }
  }
  return out + "\"";
}

std::string toml_text(const config_value& value) {
  if (const auto* number = std::get_if<std::uint64_t>(&value))
    return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value))
    return quoted(*text);
  std::string out = "[";
  for (const auto& text : std::get<std::vector<std::string>>(value))
    out += (out.size() > 1 ? ", " : "") + quoted(text);
  return out + "]";
}

boost::json::value json_value(const config_value& value) {
  if (const auto* number = std::get_if<std::uint64_t>(&value))
    return *number;
  if (const auto* text = std::get_if<std::string>(&value))
    return boost::json::string{*text};
  boost::json::array texts;
  for (const auto& text : std::get<std::vector<std::string>>(value))
    texts.emplace_back(text);
  return texts;
}

bool hidden(const key_description& key, const config_value& value) {
  return key.secret && value != key.standard;
}

/// Comment lines of at most `width` columns.
std::string comment(std::string_view text, std::size_t width) {
  std::string out;
  std::string line = "#";
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (line.size() + 1 + end > width && line != "#") {
      out += line + "\n";
      line = "#";
    }
    line += " " + std::string{text.substr(0, end)};
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + line + "\n";
}

std::string values_text(const key_description& key) {
  if (std::holds_alternative<std::uint64_t>(key.standard))
    return std::to_string(key.least) + " to " + std::to_string(key.most);
  std::string text;
  for (const auto& choice : key.choices)
    text += (text.empty() ? "" : ", ") + choice;
  return text;
}

std::string escaped_cell(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '|')
      out += '\\';
    out += letter;
  }
  return out;
}

} // namespace

std::string default_configuration_text() {
  std::string out = "# Configuration of a Frontdesk node: every key with its default.\n"
                    "# Order, weak to strong: this file, environment (FRONTDESK_SECTION__KEY), "
                    "flags (--section.key).\n"
                    "# Keys marked (reload) are applied by SIGHUP; the others by a restart.\n"
                    "# Check it with: frontdesk config check --config FILE\n";
  std::string section;
  for (const auto& key : config_keys()) {
    if (key.section != section) {
      section = key.section;
      out += "\n[" + section + "]\n";
      if (section == "limits")
        out += "# Every bound of the node, and what happens when it is reached.\n";
    }
    out += "\n" + comment(key.help, 100);
    std::string notes;
    if (const auto values = values_text(key); !values.empty())
      notes = "Values: " + values + ".";
    if (key.reloadable)
      notes += notes.empty() ? "(reload)" : " (reload)";
    if (key.secret)
      notes += (notes.empty() ? "" : " ") + std::string{"Secret: better in a file that "}
               + key.environment_name() + "_FILE names.";
    if (!notes.empty())
      out += comment(notes, 100);
    out += "#" + key.name + " = " + toml_text(key.standard) + "\n";
  }
  return out;
}

std::string limits_table_markdown() {
  std::string out = "| limit | default | unit | least | most | when it is reached | reload |\n"
                    "|---|---:|---|---:|---:|---|---|\n";
  for (const auto& key : config_keys()) {
    if (key.section != "limits")
      continue;
    for (const auto& limit : domain::limit_descriptions())
      if (limit.name == key.name)
        out += "| `" + key.name + "` | " + std::to_string(limit.standard) + " | "
               + std::string{limit.unit} + " | " + std::to_string(limit.least) + " | "
               + std::to_string(limit.most) + " | " + escaped_cell(limit.behaviour) + " | "
               + (key.reloadable ? "yes" : "") + " |\n";
  }
  return out;
}

std::string keys_table_markdown() {
  std::string out = "| key | default | meaning | environment | reload |\n|---|---|---|---|---|\n";
  for (const auto& key : config_keys()) {
    if (key.section == "limits")
      continue;
    out += "| `" + key.full_name() + "` | `" + toml_text(key.standard) + "` | "
           + escaped_cell(key.help) + " | `" + key.environment_name() + "`"
           + (key.secret ? " or `..._FILE`" : "") + " | " + (key.reloadable ? "yes" : "") + " |\n";
  }
  return out;
}

std::string shown_value(const key_description& key, const configuration& values) {
  const auto value = key.get(values);
  return hidden(key, value) ? "\"********\"" : toml_text(value);
}

std::string show_configuration(const loaded_configuration& loaded, bool origin) {
  std::string out;
  std::string section;
  for (const auto& key : config_keys()) {
    if (key.section != section) {
      out += (section.empty() ? "[" : "\n[") + key.section + "]\n";
      section = key.section;
    }
    auto line = key.name + " = " + shown_value(key, loaded.values);
    if (origin) {
      if (line.size() < 48)
        line.resize(48, ' ');
      line += " # " + loaded.origins.at(key.full_name());
    }
    out += line + "\n";
  }
  return out;
}

std::string show_configuration_json(const loaded_configuration& loaded) {
  boost::json::array rows;
  for (const auto& key : config_keys()) {
    const auto value = key.get(loaded.values);
    auto shown = hidden(key, value) ? boost::json::value{"********"} : json_value(value);
    rows.push_back(boost::json::object{{"key", key.full_name()},
                                       {"value", std::move(shown)},
                                       {"origin", loaded.origins.at(key.full_name())},
                                       {"reloadable", key.reloadable}});
  }
  return boost::json::serialize(rows);
}

} // namespace frontdesk::app
