#include "app/watchdog.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <unistd.h>

namespace frontdesk::app {

namespace {

constexpr std::uint64_t leave_points = 5;

bool reached(std::uint64_t used, std::uint64_t base, std::uint64_t percent) {
  // Divided first: a terabyte times a hundred is fine, a limit of 2^63 ("none" in cgroup v1) is
  // not.
  return used >= base / 100 * percent + base % 100 * percent / 100;
}

std::optional<std::uint64_t> read_number(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::uint64_t number = 0;
  if (in >> number)
    return number;
  return std::nullopt; // also for "max"
}

/// The smallest limit of a group and its parents.
std::uint64_t group_limit(const std::filesystem::path& mount, std::filesystem::path group,
                          const char* file) {
  auto least = std::numeric_limits<std::uint64_t>::max();
  group = group.relative_path();
  for (;;) {
    if (const auto limit = read_number(mount / group / file))
      least = std::min(least, *limit);
    if (group.empty())
      return least;
    group = group.parent_path();
  }
}

} // namespace

memory_level next_memory_level(memory_level now, std::uint64_t used_bytes, std::uint64_t base_bytes,
                               std::uint64_t opening_percent, std::uint64_t visitor_percent) {
  if (base_bytes == 0)
    return 0;
  const auto stays = [&](memory_level level, std::uint64_t percent) {
    if (reached(used_bytes, base_bytes, percent))
      return true;
    return now >= level
           && reached(used_bytes, base_bytes, percent - std::min(leave_points, percent / 2));
  };
  if (stays(2, visitor_percent))
    return 2;
  return stays(1, opening_percent) ? 1 : 0;
}

domain::result<memory_use> read_memory_use(const std::filesystem::path& root) {
  memory_use use;
  {
    std::ifstream statm{root / "proc/self/statm"};
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    if (!(statm >> total >> resident))
      return domain::error{domain::errc::io, "cannot read /proc/self/statm"};
    use.used_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  {
    std::ifstream meminfo{root / "proc/meminfo"};
    std::string name;
    std::string rest;
    std::uint64_t kibibytes = 0;
    while (meminfo >> name >> kibibytes) {
      if (name == "MemTotal:") {
        use.limit_bytes = kibibytes * 1024;
        break;
      }
      std::getline(meminfo, rest);
    }
    if (use.limit_bytes == 0)
      return domain::error{domain::errc::io, "cannot read MemTotal from /proc/meminfo"};
  }
  std::ifstream groups{root / "proc/self/cgroup"};
  std::string line; // id:controllers:path
  while (std::getline(groups, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos)
      continue;
    const auto path = line.substr(second + 1);
    std::istringstream controllers{line.substr(first + 1, second - first - 1)};
    if (second == first + 1)
      use.limit_bytes
        = std::min(use.limit_bytes, group_limit(root / "sys/fs/cgroup", path, "memory.max"));
    for (std::string controller; std::getline(controllers, controller, ',');)
      if (controller == "memory")
        use.limit_bytes = std::min(use.limit_bytes, group_limit(root / "sys/fs/cgroup/memory", path,
                                                                "memory.limit_in_bytes"));
  }
  return use;
}

} // namespace frontdesk::app
