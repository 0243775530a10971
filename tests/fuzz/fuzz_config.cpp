#include "app/config.hpp"

#include <cstdint>
#include <cstdlib>

// Any bytes as a configuration file, and as an environment variable and a flag behind a zero byte.
// Nothing crashes; every problem names a place; what is usable is listed as a file that gives the
// same values.
namespace {

using namespace frontdesk::app;

void require(bool holds) {
  if (!holds)
    std::abort();
}

std::string_view take_part(std::string_view& bytes) {
  const auto end = bytes.find('\0');
  const auto part = bytes.substr(0, end);
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  return part;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  config_sources sources;
  sources.file_name = "f";
  sources.file_text = take_part(bytes);
  const auto& keys = config_keys();
  if (!bytes.empty()) {
    const auto& key = keys[static_cast<unsigned char>(bytes.front()) % keys.size()];
    bytes.remove_prefix(1);
    sources.environment[key.environment_name()] = take_part(bytes);
    sources.flags[key.full_name()] = take_part(bytes);
    sources.environment["FRONTDESK_" + std::string(take_part(bytes))] = "1";
  }
  const auto loaded = load_configuration(sources);
  for (const auto& problem : loaded.problems)
    require(!problem.where.empty() && !problem.message.empty());
  if (!loaded.usable())
    return 0;
  config_sources again;
  again.file_name = "again";
  for (const bool origin : {false, true}) {
    again.file_text = show_configuration(loaded, origin);
    // A masked secret is too short to be one; it is not part of what must come back.
    const auto second = load_configuration(again);
    for (const auto& problem : second.problems)
      require(problem.message.starts_with("admin.key"));
    for (const auto& key : keys)
      require(key.secret || key.get(second.values) == key.get(loaded.values));
  }
  return 0;
}
