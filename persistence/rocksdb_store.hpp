#pragma once

#include "domain/limits.hpp"
#include "domain/ports/event_store.hpp"
#include "domain/result.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace rocksdb {
class FileSystem;
} // namespace rocksdb

/// The event store of one node over RocksDB: the local engine, where acknowledged means synced to
/// this disk.
namespace frontdesk::persistence {

struct store_options {
  /// Made if it does not exist (its parent must). One process at a time; docs in
  /// persistence/FORMAT.md.
  std::string folder{};
  domain::limits limits{};
  /// Blocks, indexes and filters kept in memory.
  std::size_t cache_bytes = 64u << 20;
  /// An operator's decision after "below the watermark": goes on with what is left, under a new
  /// incarnation.
  bool accept_loss = false;
  /// Unix milliseconds; the system clock if empty. Any thread.
  std::function<domain::unix_ms()> now{};
  /// For tests alone: where RocksDB's files live; the real file system if empty.
  std::shared_ptr<rocksdb::FileSystem> file_system{};
};

/// Opens the store, or makes it in an empty folder. Looks before it writes, so a refusal changes
/// nothing: errc::format_unknown  a newer version has written this store errc::corrupt damaged, or
/// recovery ends below the last acknowledged commit; says what to do errc::storage_full,
/// errc::storage_failed  no room, or the disk cannot be written errc::io              anything else
/// the system refuses, such as a second process on this folder
domain::result<std::unique_ptr<domain::event_store>> open_store(const store_options& options);

} // namespace frontdesk::persistence
