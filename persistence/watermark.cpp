#include "persistence/watermark.hpp"

#include "crypto/crypto.hpp"
#include "persistence/key_layout.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace frontdesk::persistence {

namespace {

constexpr std::string_view magic = "FDWM";
constexpr std::uint8_t version = 1;
constexpr std::size_t checked_size = 32; // magic, version, padding, store, commit
constexpr std::size_t slot_size = checked_size + 8;
// Slots in different pages, so that no single torn or lost page takes both.
constexpr off_t slot_distance = 4096;
constexpr off_t file_size = 2 * slot_distance;

domain::error io_error(const std::string& what, const std::string& path) {
  auto problem = errno;
  auto code = problem == ENOSPC || problem == EDQUOT ? domain::errc::storage_full
              : problem == EROFS                     ? domain::errc::storage_failed
                                                     : domain::errc::io;
  return {code, what + " " + path + ": " + std::strerror(problem), {}};
}

std::string encode_slot(const watermark& value) {
  std::string slot(magic);
  slot.push_back(static_cast<char>(version));
  slot.append(3, '\0');
  slot.append(value.store.view());
  append_u64(slot, value.commit);
  append_u64(slot, crypto::hash64(slot));
  return slot;
}

struct parsed_slot {
  std::optional<watermark> value{};
  bool newer_format = false;
};

parsed_slot parse_slot(std::string_view bytes) {
  if (bytes.size() != slot_size || !bytes.starts_with(magic))
    return {};
  if (read_u64(bytes.substr(checked_size)) != crypto::hash64(bytes.substr(0, checked_size)))
    return {};
  if (static_cast<std::uint8_t>(bytes[4]) != version)
    return {std::nullopt, true};
  return {watermark{*domain::store_id::from_bytes(bytes.substr(8, 16)), read_u64(bytes.substr(24))},
          false};
}

class descriptor {
public:
  explicit descriptor(int number) : number_(number) {}

  ~descriptor() {
    if (number_ >= 0)
      ::close(number_);
  }

  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  int get() const { return number_; }

  int release() { return std::exchange(number_, -1); }

private:
  int number_;
};

bool write_at(int file, std::string_view bytes, off_t offset) {
  while (!bytes.empty()) {
    auto written = ::pwrite(file, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
  return true;
}

} // namespace

domain::result<std::optional<watermark>> read_watermark(const std::string& path) {
  descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT)
      return std::optional<watermark>{};
    return io_error("cannot open", path);
  }
  std::optional<watermark> newest;
  bool newer_format = false;
  for (off_t slot = 0; slot < 2; ++slot) {
    char bytes[slot_size];
    auto size = ::pread(file.get(), bytes, sizeof bytes, slot * slot_distance);
    if (size < 0)
      return io_error("cannot read", path);
    auto parsed = parse_slot({bytes, static_cast<std::size_t>(size)});
    newer_format |= parsed.newer_format;
    if (parsed.value && (!newest || parsed.value->commit > newest->commit))
      newest = parsed.value;
  }
  if (newer_format)
    return domain::error{
      domain::errc::format_unknown, path + " was written by a newer version of Frontdesk", {}};
  if (!newest)
    return domain::error{domain::errc::corrupt, path + " is damaged: no slot of it is valid", {}};
  return newest;
}

domain::result<void> reset_watermark(const std::string& path, const watermark& value) {
  auto fresh = path + ".new";
  {
    descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.get() < 0)
      return io_error("cannot create", fresh);
    auto slot = encode_slot(value);
    if (::ftruncate(file.get(), file_size) != 0 || !write_at(file.get(), slot, 0)
        || !write_at(file.get(), slot, slot_distance) || ::fsync(file.get()) != 0)
      return io_error("cannot write", fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return io_error("cannot replace", path);
  auto folder = path.substr(0, path.find_last_of('/') + 1);
  descriptor parent(
    ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() < 0 || ::fsync(parent.get()) != 0)
    return io_error("cannot sync the folder of", path);
  return {};
}

watermark_file::~watermark_file() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

watermark_file::watermark_file(watermark_file&& other) noexcept
  : descriptor_(std::exchange(other.descriptor_, -1)), store_(other.store_), dirty_(other.dirty_) {}

watermark_file& watermark_file::operator=(watermark_file&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  store_ = other.store_;
  dirty_ = other.dirty_;
  return *this;
}

domain::result<watermark_file> watermark_file::open(const std::string& path,
                                                    domain::store_id store) {
  watermark_file file;
  file.descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file.descriptor_ < 0)
    return io_error("cannot open", path);
  file.store_ = store;
  return file;
}

domain::result<void> watermark_file::write(std::uint64_t commit) {
  auto slot = encode_slot({store_, commit});
  if (!write_at(descriptor_, slot, static_cast<off_t>(commit % 2) * slot_distance))
    return io_error("cannot write", "the watermark");
  dirty_ = true;
  return {};
}

domain::result<void> watermark_file::sync() {
  if (!dirty_)
    return {};
  if (::fdatasync(descriptor_) != 0)
    return io_error("cannot sync", "the watermark");
  dirty_ = false;
  return {};
}

} // namespace frontdesk::persistence
