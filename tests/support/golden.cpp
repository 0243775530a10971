#include "tests/support/golden.hpp"

#include "crypto/crypto.hpp"
#include "domain/ids.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace frontdesk::test {

namespace {

using domain::errc;
using domain::error;
using domain::result;
namespace json = boost::json;
namespace fs = std::filesystem;

fs::path golden_path(std::string_view folder, std::string_view file) {
  return fs::path(FRONTDESK_SOURCE_DIR) / "tests" / "golden" / folder / file;
}

result<std::string> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return error{errc::not_found, path.string() + " is missing: FRONTDESK_REWRITE=1 writes it"};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

result<void> write_file(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out)
    return error{errc::io, path.string() + " cannot be written"};
  return {};
}

std::string to_base64(std::string_view bytes) {
  auto text = crypto::to_base64url(bytes);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::optional<std::string> from_base64(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (!text.empty() && text.back() == '=')
    text.pop_back();
  return crypto::from_base64url(text);
}

void print(std::string& out, const json::value& value, std::size_t depth) {
  const auto line = [&](std::size_t level) { out.append(1, '\n').append(2 * level, ' '); };
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    const char* before = "";
    for (const auto& [name, member] : *object) {
      out += before;
      line(depth + 1);
      out += json::serialize(json::string(name)) + ": ";
      print(out, member, depth + 1);
      before = ",";
    }
    line(depth);
    out += '}';
  } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    const char* before = "";
    for (const auto& member : *array) {
      out += before;
      line(depth + 1);
      print(out, member, depth + 1);
      before = ",";
    }
    line(depth);
    out += ']';
  } else {
    out += json::serialize(value);
  }
}

} // namespace

bool rewriting_goldens() {
  const char* set = std::getenv("FRONTDESK_REWRITE");
  return set != nullptr && std::string_view(set) == "1";
}

std::vector<std::string> golden_names(std::string_view folder, std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(golden_path(folder, ""), none))
    if (entry.path().extension() == suffix)
      names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

result<wire_golden> load_wire_golden(const std::string& name) {
  auto text = read_file(golden_path("wire", name + ".json"));
  if (!text)
    return text.failure();
  json::error_code bad;
  auto root = json::parse(*text, bad);
  if (bad || !root.is_object())
    return error{errc::corrupt, name + ".json is no JSON object"};
  const auto* direction = root.get_object().if_contains("direction");
  const auto* frame = root.get_object().if_contains("json");
  const auto* proto = root.get_object().if_contains("proto_base64");
  if (direction == nullptr || !direction->is_string() || frame == nullptr || !frame->is_object()
      || proto == nullptr || !proto->is_string())
    return error{errc::corrupt, name + ".json lacks direction, json or proto_base64"};
  auto bytes = from_base64(std::string(proto->get_string()));
  if (!bytes)
    return error{errc::corrupt, name + ".json holds no base64"};
  return wire_golden{name, std::string(direction->get_string()), json::serialize(*frame), *bytes};
}

result<void> write_wire_golden(const wire_golden& golden) {
  json::error_code bad;
  auto frame = json::parse(golden.json, bad);
  if (bad)
    return error{errc::bad_frame, golden.name + ": no JSON"};
  std::string text;
  print(text,
        json::object{{"direction", golden.direction},
                     {"json", frame},
                     {"proto_base64", to_base64(golden.proto)}},
        0);
  return write_file(golden_path("wire", golden.name + ".json"), text + "\n");
}

result<std::string> load_record_golden(const std::string& name) {
  auto text = read_file(golden_path("records", name + ".hex"));
  if (!text)
    return text.failure();
  std::erase_if(*text, [](char c) { return c == '\n'; });
  auto bytes = domain::from_hex(*text);
  if (!bytes)
    return error{errc::corrupt, name + ".hex is not hexadecimal"};
  return *bytes;
}

result<void> write_record_golden(const std::string& name, std::string_view bytes) {
  constexpr std::size_t digits_per_line = 96;
  auto digits = domain::to_hex(bytes);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); i += digits_per_line)
    text += digits.substr(i, digits_per_line) + "\n";
  return write_file(golden_path("records", name + ".hex"), text);
}

bool same_json(std::string_view left, std::string_view right) {
  json::error_code bad_left;
  json::error_code bad_right;
  auto first = json::parse({left.data(), left.size()}, bad_left);
  auto second = json::parse({right.data(), right.size()}, bad_right);
  return !bad_left && !bad_right && first == second;
}

} // namespace frontdesk::test
