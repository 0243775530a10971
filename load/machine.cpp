#include "load/machine.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <thread>
#include <unistd.h>

namespace frontdesk::load {

namespace {

std::string read_all(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::uint64_t number_at(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  std::uint64_t value = 0;
  if (begin != std::string_view::npos)
    std::from_chars(text.data() + begin, text.data() + text.size(), value);
  return value;
}

/// Value of a line such as "Slab:   123 kB" in bytes.
std::uint64_t kilobytes_of(const std::string& text, std::string_view key) {
  const auto found = text.find(key);
  if (found == std::string::npos)
    return 0;
  return number_at(std::string_view{text}.substr(found + key.size())) * 1024;
}

/// utime + stime of a stat file, in nanoseconds. The name in parentheses may hold anything.
std::uint64_t ticks_of(const std::string& stat) {
  const auto end = stat.rfind(')');
  if (end == std::string::npos)
    return 0;
  std::istringstream rest{stat.substr(end + 1)};
  std::string skipped;
  for (int i = 0; i < 11; ++i)
    rest >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  rest >> user >> system;
  return (user + system) * (1'000'000'000ull / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

} // namespace

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000ull
         + static_cast<std::uint64_t>(now.tv_nsec);
}

process_sample sample_process(pid_t process) {
  process_sample sample;
  const auto root = "/proc/" + std::to_string(process);
  sample.cpu_ns = ticks_of(read_all(root + "/stat"));
  std::uint64_t in_threads = 0;
  std::error_code failure;
  for (const auto& task : std::filesystem::directory_iterator(root + "/task", failure)) {
    auto name = read_all(task.path() / "comm");
    while (!name.empty() && name.back() == '\n')
      name.pop_back();
    if (task.path().filename() == std::to_string(process))
      name = "main"; // otherwise named after the file
    // Nanoseconds on a processor; ticks of 10 ms where the kernel does not count them.
    auto spent = number_at(read_all(task.path() / "schedstat"));
    if (spent == 0)
      spent = ticks_of(read_all(task.path() / "stat"));
    sample.thread_cpu_ns[name] += spent;
    in_threads += spent;
  }
  sample.cpu_ns = std::max(sample.cpu_ns, in_threads);
  const auto pages = read_all(root + "/statm");
  if (const auto space = pages.find(' '); space != std::string::npos)
    sample.resident_bytes = number_at(std::string_view{pages}.substr(space))
                            * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  sample.anonymous_bytes = kilobytes_of(read_all(root + "/smaps_rollup"), "\nAnonymous:");
  for ([[maybe_unused]] const auto& each :
       std::filesystem::directory_iterator(root + "/fd", failure))
    ++sample.descriptors;
  return sample;
}

machine_sample sample_machine() {
  machine_sample sample;
  std::istringstream line{read_all("/proc/stat")};
  std::string name;
  line >> name;
  std::uint64_t ticks = 0;
  for (int column = 0; column < 8 && line >> ticks; ++column) {
    sample.all_ticks += ticks;
    const bool idle = column == 3 || column == 4; // idle, iowait
    if (!idle)
      sample.busy_ticks += ticks;
  }
  const auto memory = read_all("/proc/meminfo");
  sample.slab_bytes = kilobytes_of(memory, "\nSlab:");
  sample.available_bytes = kilobytes_of(memory, "\nMemAvailable:");
  return sample;
}

double busy_share(const machine_sample& before, const machine_sample& after) {
  const auto all = after.all_ticks - before.all_ticks;
  return all == 0
           ? 0
           : static_cast<double>(after.busy_ticks - before.busy_ticks) / static_cast<double>(all);
}

hardware describe_hardware() {
  hardware found;
  const auto processors = read_all("/proc/cpuinfo");
  if (const auto at = processors.find("model name"); at != std::string::npos)
    if (const auto colon = processors.find(": ", at); colon != std::string::npos)
      found.processor = processors.substr(colon + 2, processors.find('\n', colon) - colon - 2);
  found.cores = std::thread::hardware_concurrency();
  found.memory_bytes = kilobytes_of(read_all("/proc/meminfo"), "MemTotal:");
  utsname system{};
  if (uname(&system) == 0)
    found.kernel = std::string{system.sysname} + " " + system.release;
  return found;
}

std::string file_system_of(const std::string& path) {
  struct statfs found {};

  if (statfs(path.c_str(), &found) != 0)
    return {};
  // linux/magic.h
  switch (static_cast<std::uint32_t>(found.f_type)) {
  case 0xEF53:
    return "ext4";
  case 0x01021994:
    return "tmpfs";
  case 0x58465342:
    return "xfs";
  case 0x9123683E:
    return "btrfs";
  case 0x794C7630:
    return "overlayfs";
  default:
    return "0x" + [&] {
      std::ostringstream text;
      text << std::hex << static_cast<std::uint32_t>(found.f_type);
      return std::move(text).str();
    }();
  }
}

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
      getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur;
}

} // namespace frontdesk::load
