#pragma once

// Inside of this folder only: RocksDB's names end here.

#include "domain/limits.hpp"
#include "domain/ports/event_store.hpp"
#include "domain/result.hpp"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/wal_filter.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace frontdesk::persistence {

inline constexpr std::uint32_t store_format = 1;

/// Order of creation; the names are part of the format.
enum class family : std::uint8_t { events, heads, state, dedup, jobs, meta };
inline constexpr std::array<std::string_view, 6> family_names{"events", "heads", "state",
                                                              "dedup",  "jobs",  "meta"};

struct database_settings {
  std::string path{};
  domain::limits limits{};
  std::size_t cache_bytes = 8u << 20;
  std::function<domain::unix_ms()> now{};
  std::shared_ptr<rocksdb::FileSystem> file_system{};
  std::shared_ptr<rocksdb::EventListener> listener{};
  rocksdb::WalFilter* wal_filter = nullptr; ///< outlives the opening
};

inline rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

inline std::string_view view(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

template <std::size_t Size>
rocksdb::Slice slice(const std::array<char, Size>& bytes) {
  return {bytes.data(), bytes.size()};
}

/// errc::corrupt for damage, errc::storage_full for no room, errc::storage_failed for a read-only
/// file system, errc::io for the rest.
domain::error to_error(const rocksdb::Status& status, std::string_view doing);
bool is_no_space(const rocksdb::Status& status);
bool is_read_only(const rocksdb::Status& status);

/// Reads with checksums, ascending over everything.
rocksdb::ReadOptions whole_order();

/// One opening of the database with its families.
class database {
public:
  /// For writing; `create` makes what is missing.
  static rocksdb::Status open(const database_settings& settings, bool create,
                              std::unique_ptr<database>& out);
  /// Replays the write-ahead log in memory and changes no file.
  /// `meta_alone`: the node's own family and no other, a cheap first look.
  static rocksdb::Status open_read_only(const database_settings& settings,
                                        std::unique_ptr<database>& out, bool meta_alone = false);
  ~database();
  database(const database&) = delete;
  database& operator=(const database&) = delete;

  rocksdb::DB& db() const { return *db_; }

  rocksdb::ColumnFamilyHandle* of(family which) const {
    return handles_[static_cast<std::size_t>(which)];
  }

  /// Nothing for a key that is not there.
  domain::result<std::optional<std::string>> get(family which, std::string_view key,
                                                 const rocksdb::Snapshot* snapshot = nullptr) const;

private:
  explicit database(const std::shared_ptr<rocksdb::FileSystem>& file_system);
  void adopt(rocksdb::DB* opened, const std::vector<rocksdb::ColumnFamilyHandle*>& handles);

  std::unique_ptr<rocksdb::Env> environment_; ///< outlives the database; empty = the standard one
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, family_names.size()> handles_{};
  rocksdb::ColumnFamilyHandle* standard_ = nullptr;
};

struct shard_record {
  std::uint64_t position = 0; ///< applied position
  std::uint64_t sum = 0;      ///< of hash64(key, immutable header) over the shard's events
};

std::string encode_format();
std::string encode_commit(std::uint64_t commit);
std::string encode_identity(const domain::store_identity& identity);
std::string encode_shard_record(const shard_record& record);

/// What the node's own family says.
struct node_record {
  domain::store_identity identity{};
  std::uint64_t commit = 0;
  std::array<shard_record, domain::shard_count> shards{};
};

/// Nothing for a store whose making was interrupted; errc::format_unknown for a newer one,
/// errc::corrupt for one that contradicts itself.
domain::result<std::optional<node_record>>
read_node_record(const database& from, const rocksdb::Snapshot* snapshot = nullptr);

/// Keeps a second process, or a second opening in this one, off the folder until destroyed.
class folder_lock {
public:
  /// `exclusive` makes the lock file. A shared lock of a folder without one holds nothing.
  static domain::result<std::unique_ptr<folder_lock>> take(const std::string& folder,
                                                           bool exclusive);
  ~folder_lock();
  folder_lock(const folder_lock&) = delete;
  folder_lock& operator=(const folder_lock&) = delete;

private:
  explicit folder_lock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

inline std::string database_path(const std::string& folder) {
  return folder + "/rocksdb";
}

inline std::string watermark_path(const std::string& folder) {
  return folder + "/watermark";
}

} // namespace frontdesk::persistence
