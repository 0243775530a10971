#pragma once

#include "domain/result.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Files under tests/golden that hold bytes which every later build has to read. They are compared,
/// and written only when FRONTDESK_REWRITE=1 is in the environment; the change is then reviewed as
/// a diff.
namespace frontdesk::test {

/// A frame in both forms. The TypeScript codec reads the same files.
struct wire_golden {
  std::string name{};      ///< of the file, without .json
  std::string direction{}; ///< "client" or "server"
  std::string json{};      ///< canonical proto3 JSON, one line
  std::string proto{};     ///< binary form
};

bool rewriting_goldens();

/// Names of the files with this suffix in a folder of tests/golden, sorted.
std::vector<std::string> golden_names(std::string_view folder, std::string_view suffix);

domain::result<wire_golden> load_wire_golden(const std::string& name);
domain::result<void> write_wire_golden(const wire_golden& golden);

/// A stored value, kept as hexadecimal digits.
domain::result<std::string> load_record_golden(const std::string& name);
domain::result<void> write_record_golden(const std::string& name, std::string_view bytes);

/// Equal as JSON values: neither white space nor the order of names counts.
bool same_json(std::string_view left, std::string_view right);

} // namespace frontdesk::test
