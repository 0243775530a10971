#include "app/doctor.hpp"

#include "app/watchdog.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

namespace frontdesk::app {

namespace {

namespace fs = std::filesystem;

std::string reason() {
  return std::strerror(errno);
}

/// The data folder, or the nearest folder above it that exists.
fs::path existing(const std::string& data) {
  std::error_code ignored;
  fs::path path = fs::absolute(data, ignored);
  while (!fs::is_directory(path, ignored) && path.has_parent_path() && path != path.parent_path())
    path = path.parent_path();
  return path;
}

struct disk_kind {
  std::string name;
  bool durable = true;
  std::string why{};
};

disk_kind kind_of(unsigned long type) {
  // Numbers of statfs(2).
  switch (type) {
  case 0x01021994:
    return {"tmpfs", false, "it lies in memory and is gone after a restart"};
  case 0x858458f6:
    return {"ramfs", false, "it lies in memory and is gone after a restart"};
  case 0x794c7630:
    return {"overlayfs", false, "it goes with the container: mount a volume there"};
  case 0x6969:
    return {"NFS", false, "syncs over a network are slow and not always kept: use a local disk"};
  case 0xFF534D42:
  case 0xFE534D42:
    return {"SMB", false, "syncs over a network are slow and not always kept: use a local disk"};
  case 0x65735546:
    return {"FUSE", false, "what a sync means there is up to its server: use a local disk"};
  case 0xEF53:
    return {"ext4"};
  case 0x58465342:
    return {"XFS"};
  case 0x9123683E:
    return {"btrfs"};
  case 0x2FC12FC1:
    return {"ZFS"};
  case 0xF2F52010:
    return {"F2FS"};
  default:
    break;
  }
  std::ostringstream text;
  text << "file system 0x" << std::hex << type;
  return {text.str()};
}

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

std::string milliseconds(std::chrono::microseconds time) {
  std::ostringstream text;
  text.precision(3);
  text << static_cast<double>(time.count()) / 1000 << " ms";
  return text.str();
}

/// The inode of the socket that listens on a port of any address, from /proc/net/tcp or tcp6.
std::string listener_inode(std::uint16_t port) {
  std::ostringstream wanted;
  wanted << std::hex << std::uppercase;
  wanted.width(4);
  wanted.fill('0');
  wanted << port;
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in{file};
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      std::istringstream fields{line};
      std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
      fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout
        >> inode;
      if (state == "0A" && local.ends_with(":" + wanted.str()))
        return inode;
    }
  }
  return {};
}

/// "name (process 123)" of whoever has the socket open, as far as we may look.
std::string owner_of(const std::string& inode) {
  if (inode.empty())
    return {};
  const auto wanted = "socket:[" + inode + "]";
  std::error_code ignored;
  for (fs::directory_iterator process{"/proc", ignored}, end; !ignored && process != end;
       process.increment(ignored)) {
    const auto id = process->path().filename().string();
    if (!std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    std::error_code hidden;
    for (fs::directory_iterator fd{process->path() / "fd", hidden};
         !hidden && fd != fs::directory_iterator{}; fd.increment(hidden)) {
      if (fs::read_symlink(fd->path(), hidden) != wanted) {
        hidden.clear(); // it was closed meanwhile
        continue;
      }
      std::ifstream in{process->path() / "comm"};
      std::string name;
      std::getline(in, name);
      return name + " (process " + id + ")";
    }
  }
  return {};
}

std::optional<std::pair<sockaddr_storage, socklen_t>> socket_address(const std::string& address,
                                                                     std::uint16_t port) {
  sockaddr_storage storage{};
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return std::pair{storage, static_cast<socklen_t>(sizeof(sockaddr_in))};
  }
  if (inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    return std::pair{storage, static_cast<socklen_t>(sizeof(sockaddr_in6))};
  }
  return std::nullopt;
}

} // namespace

finding check_data_folder(const std::string& data) {
  const auto path = existing(data);
  const bool there = fs::absolute(data).lexically_normal() == path.lexically_normal();
  if (access(path.c_str(), W_OK | X_OK) != 0)
    return {"data folder", health_status::fail, path.string() + " cannot be written: " + reason(),
            "give the user of the node write permission, or choose another folder with --data"};

  struct statfs facts {};

  if (statfs(path.c_str(), &facts) != 0)
    return {"data folder", health_status::fail, path.string() + ": " + reason(),
            "choose another folder with --data"};
  if (facts.f_flags & ST_RDONLY)
    return {"data folder", health_status::fail, path.string() + " is mounted read-only",
            "mount it for writing, or choose another folder with --data"};
  if (facts.f_type == 0x9fa0 || facts.f_type == 0x62656572) // procfs, sysfs
    return {"data folder", health_status::fail, path.string() + " is no disk",
            "choose another folder with --data"};
  const auto kind = kind_of(static_cast<unsigned long>(facts.f_type));
  const auto detail = fs::absolute(data).lexically_normal().string() + " on " + kind.name
                      + (there ? "" : ", will be made at the first start");
  if (!kind.durable)
    return {"data folder", health_status::warn, detail, kind.name + ": " + kind.why};
  return {"data folder", health_status::pass, detail};
}

finding judge_free_space(std::uint64_t free_bytes, std::uint64_t free_bytes_min) {
  finding out{"free space", health_status::pass, mebibytes(free_bytes) + " free"};
  if (free_bytes < free_bytes_min) {
    out.status = health_status::fail;
    out.advice = "make room: the node writes nothing below " + mebibytes(free_bytes_min)
                 + " (limits.disk_free_bytes_min)";
  } else if (free_bytes / 4 < free_bytes_min) {
    out.status = health_status::warn;
    out.advice = "make room soon: writing stops below " + mebibytes(free_bytes_min);
  }
  return out;
}

finding check_free_space(const std::string& data, std::uint64_t free_bytes_min) {
  struct statvfs facts {};

  const auto path = existing(data);
  if (statvfs(path.c_str(), &facts) != 0)
    return {"free space", health_status::fail, path.string() + ": " + reason(),
            "choose another folder with --data"};
  return judge_free_space(static_cast<std::uint64_t>(facts.f_bavail) * facts.f_frsize,
                          free_bytes_min);
}

finding judge_sync_latency(std::vector<std::chrono::microseconds> samples) {
  if (samples.empty())
    return {"sync", health_status::fail, "nothing was measured", "see the data folder"};
  std::ranges::sort(samples);
  const auto middle = samples[samples.size() / 2];
  finding out{"sync", health_status::pass,
              "4 KiB written and synced in " + milliseconds(middle) + " (median of "
                + std::to_string(samples.size()) + "), slowest " + milliseconds(samples.back())};
  // Every message waits for one sync.
  if (middle > std::chrono::milliseconds{20}) {
    out.status = health_status::warn;
    out.advice
      = "every message waits for a sync: use a faster disk, best an SSD with power-loss protection";
  }
  return out;
}

finding check_sync_latency(const std::string& data) {
  const auto path = (existing(data) / (".frontdesk-doctor-" + std::to_string(getpid()))).string();
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return {"sync", health_status::fail, "cannot write " + path + ": " + reason(),
            "give the user of the node write permission"};
  unlink(path.c_str()); // nothing stays behind, however this ends
  const std::string block(4096, 'd');
  std::vector<std::chrono::microseconds> samples;
  for (int i = 0; i < 50; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (pwrite(descriptor, block.data(), block.size(), static_cast<off_t>(i) * 4096) != 4096
        || fdatasync(descriptor) != 0) {
      finding out{"sync", health_status::fail, "a sync failed: " + reason(),
                  "do not use this disk: check it first"};
      close(descriptor);
      return out;
    }
    samples.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin));
  }
  close(descriptor);
  return judge_sync_latency(std::move(samples));
}

finding judge_descriptors(std::uint64_t hard_limit, std::uint64_t reserved) {
  const auto sockets = hard_limit > reserved ? hard_limit - reserved : 0;
  finding out{"file descriptors", health_status::pass,
              std::to_string(hard_limit) + " allowed: " + std::to_string(sockets) + " connections, "
                + std::to_string(reserved) + " kept for the store"};
  if (sockets < 1000) {
    out.status = sockets < 16 ? health_status::fail : health_status::warn;
    out.advice = "raise the limit: LimitNOFILE= in the systemd unit, or ulimit -Hn";
  }
  return out;
}

finding check_descriptors(std::uint64_t reserved) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return {"file descriptors", health_status::warn, "the limit cannot be read: " + reason(),
            "see ulimit -Hn"};
  return judge_descriptors(limit.rlim_max, reserved);
}

finding check_port(const std::string& name, const std::string& address, std::uint16_t port) {
  const auto place = address + " port " + std::to_string(port);
  if (port == 0)
    return {name, health_status::pass, "any free port"};
  const auto where = socket_address(address, port);
  if (!where)
    return {name, health_status::fail, address + " is no IP address", "set an IP address"};
  const int descriptor = socket(where->first.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0)
    return {name, health_status::fail, "no socket: " + reason(), "see the limits of this user"};
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int bound
    = bind(descriptor, reinterpret_cast<const sockaddr*>(&where->first), where->second);
  const int failure = bound == 0 ? 0 : errno;
  close(descriptor);
  if (failure == 0)
    return {name, health_status::pass, place + " is free"};
  errno = failure;
  if (failure == EACCES)
    return {name, health_status::fail, place + ": " + reason(),
            "ports below 1024 need CAP_NET_BIND_SERVICE: choose another one, or a proxy in front"};
  if (failure == EADDRNOTAVAIL)
    return {name, health_status::fail, place + ": " + reason(), "this machine has no such address"};
  if (failure != EADDRINUSE)
    return {name, health_status::fail, place + ": " + reason(), "choose another address"};
  const auto owner = owner_of(listener_inode(port));
  if (owner.starts_with("frontdesk "))
    return {name, health_status::pass, place + " is held by " + owner + ": a node is running"};
  return {name, health_status::fail,
          place + " is taken by " + (owner.empty() ? "another process" : owner),
          "stop it, or choose another port"};
}

finding judge_clock(std::int64_t now_seconds, std::int64_t newest_file_seconds, bool synchronised) {
  constexpr std::int64_t first_day = 1735689600; // 2025-01-01, before the first release
  finding out{"clock", health_status::pass, "plausible and kept by a time service"};
  if (now_seconds < first_day)
    return {"clock", health_status::fail, "the clock stands before 2025",
            "set the clock: messages carry its time"};
  // A minute is more than a time service ever corrects at once.
  if (newest_file_seconds > now_seconds + 60)
    return {"clock", health_status::fail, "files of the data folder are newer than the clock",
            "set the clock: it has been put back by "
              + std::to_string(newest_file_seconds - now_seconds) + " s"};
  if (!synchronised) {
    out.status = health_status::warn;
    out.detail = "plausible, but no time service keeps it";
    out.advice = "run chrony or systemd-timesyncd; in a container the host's service counts";
  }
  return out;
}

finding check_clock(const std::string& data) {
  std::int64_t newest = 0;
  std::error_code ignored;
  for (fs::directory_iterator at{data, ignored}, end; !ignored && at != end;
       at.increment(ignored)) {
    struct stat facts {};

    if (stat(at->path().c_str(), &facts) == 0)
      newest = std::max<std::int64_t>(newest, facts.st_mtime);
  }
  timex clock{};
  const bool synchronised = adjtimex(&clock) >= 0 && (clock.status & STA_UNSYNC) == 0;
  return judge_clock(static_cast<std::int64_t>(std::time(nullptr)), newest, synchronised);
}

finding check_memory(const domain::limits& limits) {
  const auto use = read_memory_use();
  if (!use)
    return {"memory", health_status::warn, use.failure().message, "set limits.memory_bytes_max"};
  const auto base = limits.memory_bytes_max == 0 ? use->limit_bytes : limits.memory_bytes_max;
  finding out{"memory", health_status::pass,
              mebibytes(base)
                + (limits.memory_bytes_max == 0 ? " of this machine or group" : " configured")
                + ": new conversations are refused from "
                + mebibytes(base / 100 * limits.memory_opening_percent)};
  if (base > use->limit_bytes) {
    out.status = health_status::fail;
    out.advice
      = "limits.memory_bytes_max is more than there is (" + mebibytes(use->limit_bytes) + ")";
  } else if (base < (256u << 20)) {
    out.status = health_status::warn;
    out.advice = "give it 256 MiB or more: the store alone keeps 64 MiB in memory";
  }
  return out;
}

health_status worst(const std::vector<finding>& findings) {
  auto status = health_status::pass;
  for (const auto& each : findings)
    status = std::max(status, each.status);
  return status;
}

std::string doctor_text(const std::vector<finding>& findings, bool colour) {
  std::string out;
  for (const auto& each : findings) {
    const char* paint = each.status == health_status::pass   ? "\x1b[32m"
                        : each.status == health_status::warn ? "\x1b[33m"
                                                             : "\x1b[31m";
    if (colour)
      out += paint;
    out += to_string(each.status);
    if (colour)
      out += "\x1b[0m";
    out += "  " + each.name + ": " + each.detail + "\n";
    if (!each.advice.empty())
      out += "      -> " + each.advice + "\n";
  }
  return out;
}

std::string doctor_json(const std::vector<finding>& findings) {
  const auto text = [](std::string_view from) {
    return boost::json::string_view{from.data(), from.size()};
  };
  boost::json::array checks;
  for (const auto& each : findings)
    checks.push_back(boost::json::object{{"name", each.name},
                                         {"status", text(to_string(each.status))},
                                         {"detail", each.detail},
                                         {"advice", each.advice}});
  return boost::json::serialize(boost::json::object{{"status", text(to_string(worst(findings)))},
                                                    {"checks", std::move(checks)}});
}

} // namespace frontdesk::app
