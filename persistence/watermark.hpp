#pragma once

#include "domain/ids.hpp"
#include "domain/result.hpp"

#include <cstdint>
#include <optional>
#include <string>

/// The last acknowledged commit, kept beside the database: what a recovery may not fall below. Two
/// checksummed slots are written in turn, so that a torn write costs one commit's news and never
/// the file (persistence/FORMAT.md).
namespace frontdesk::persistence {

struct watermark {
  domain::store_id store{};
  std::uint64_t commit = 0; ///< counter of commits
  friend bool operator==(const watermark&, const watermark&) = default;
};

/// The newest valid slot. Nothing if there is no file; errc::corrupt if no slot of it is valid,
/// errc::format_unknown for slots of a newer format, errc::io if it cannot be read. Any thread.
domain::result<std::optional<watermark>> read_watermark(const std::string& path);

/// Replaces the whole file by one that says this, durably. For new stores and for a restore. This
/// and the writer below fail with errc::storage_full, errc::storage_failed (read-only) or errc::io.
domain::result<void> reset_watermark(const std::string& path, const watermark& value);

/// Writer of an existing file. One thread.
class watermark_file {
public:
  watermark_file() = default;
  ~watermark_file();
  watermark_file(watermark_file&& other) noexcept;
  watermark_file& operator=(watermark_file&& other) noexcept;
  watermark_file(const watermark_file&) = delete;
  watermark_file& operator=(const watermark_file&) = delete;

  /// `path` was read or reset before.
  static domain::result<watermark_file> open(const std::string& path, domain::store_id store);

  /// Overwrites the older slot. Reaches the disk with the next `sync` or when the system writes
  /// back: it outlives the process at once and a power loss soon after, at no cost for the commit.
  domain::result<void> write(std::uint64_t commit);
  /// Makes what was written durable; does nothing when nothing was.
  domain::result<void> sync();

private:
  int descriptor_ = -1;
  domain::store_id store_{};
  bool dirty_ = false;
};

} // namespace frontdesk::persistence
