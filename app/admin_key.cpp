#include "app/admin_key.hpp"

#include "crypto/crypto.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace frontdesk::app {

namespace {

constexpr std::size_t small_file_bytes_max = 1 << 20;

domain::error failed(const std::filesystem::path& path, const char* what) {
  const int reason = errno;
  return {reason == ENOENT ? domain::errc::not_found : domain::errc::io,
          std::string{"cannot "} + what + " " + path.string() + ": " + std::strerror(reason)};
}

domain::result<void> sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return failed(folder, "open");
  const bool synced = fsync(descriptor) == 0;
  auto reason = failed(folder, "sync");
  close(descriptor);
  if (!synced)
    return reason;
  return {};
}

domain::result<std::string> checked_key(std::string text, const std::filesystem::path& path) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  if (text.size() < 16)
    return domain::error{domain::errc::config,
                         path.string()
                           + " holds no key: delete it, and the next start makes a new one"};
  return text;
}

} // namespace

domain::result<std::string> read_small_file(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return failed(path, "read");
  std::string text;
  std::array<char, 4096> block{};
  for (;;) {
    const auto size = read(descriptor, block.data(), block.size());
    if (size < 0) {
      auto reason = failed(path, "read");
      close(descriptor);
      return reason;
    }
    if (size == 0)
      break;
    text.append(block.data(), static_cast<std::size_t>(size));
    if (text.size() > small_file_bytes_max) {
      close(descriptor);
      return domain::error{domain::errc::io, path.string() + " is larger than 1 MiB"};
    }
  }
  close(descriptor);
  return text;
}

std::filesystem::path admin_key_path(const configuration& config) {
  return std::filesystem::path{config.store.data} / "admin.key";
}

domain::result<std::string> read_admin_key(const configuration& config) {
  if (!config.admin.key.empty())
    return config.admin.key;
  const auto path = admin_key_path(config);
  auto text = read_small_file(path);
  if (!text)
    return text.failure();
  return checked_key(*std::move(text), path);
}

domain::result<std::string> load_or_create_admin_key(const configuration& config) {
  if (!config.admin.key.empty())
    return config.admin.key;
  const auto path = admin_key_path(config);

  struct stat facts {};

  if (stat(path.c_str(), &facts) == 0) {
    if ((facts.st_mode & 077) != 0)
      return domain::error{domain::errc::config, "others may read " + path.string()
                                                   + ": chmod 600 it, or delete it "
                                                     "and the next start makes a new one"};
    return read_admin_key(config);
  }
  std::array<char, 32> random{};
  crypto::random_bytes(random.data(), random.size());
  const auto key = crypto::to_base64url({random.data(), random.size()});
  // Written aside and renamed: a crash leaves no half key.
  const auto fresh = std::filesystem::path{path.string() + ".new"};
  const int descriptor = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return failed(fresh, "make");
  const auto line = key + "\n";
  const bool written
    = write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size())
      && fsync(descriptor) == 0;
  auto reason = failed(fresh, "write");
  close(descriptor);
  if (!written)
    return reason;
  if (rename(fresh.c_str(), path.c_str()) != 0)
    return failed(path, "make");
  if (auto synced = sync_folder(path.parent_path()); !synced)
    return synced.failure();
  return key;
}

} // namespace frontdesk::app
