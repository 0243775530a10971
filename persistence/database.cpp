#include "persistence/database.hpp"

#include "persistence/key_layout.hpp"
#include "proto/records.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <sys/file.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace frontdesk::persistence {

namespace {

constexpr std::size_t mebibyte = 1u << 20;
constexpr std::size_t info_log_bytes_max = 4 * mebibyte; // twice that, with the file before it

/// Drops dedup entries whose time has passed; reads ignore them from that moment on.
class forget_old_keys final : public rocksdb::CompactionFilter {
public:
  explicit forget_old_keys(domain::unix_ms oldest) : oldest_(oldest) {}

  const char* Name() const override { return "frontdesk.forget_old_keys"; }

  bool Filter(int, const rocksdb::Slice&, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    auto created = proto::dedup_created(view(value));
    // What cannot be understood is kept, so that a read finds and reports it.
    return created && *created < oldest_;
  }

private:
  domain::unix_ms oldest_;
};

class forget_old_keys_factory final : public rocksdb::CompactionFilterFactory {
public:
  forget_old_keys_factory(std::function<domain::unix_ms()> now, std::uint64_t keep_ms)
    : now_(std::move(now)), keep_ms_(static_cast<domain::unix_ms>(keep_ms)) {}

  const char* Name() const override { return "frontdesk.forget_old_keys_factory"; }

  std::unique_ptr<rocksdb::CompactionFilter>
  CreateCompactionFilter(const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<forget_old_keys>(now_() - keep_ms_);
  }

private:
  std::function<domain::unix_ms()> now_;
  domain::unix_ms keep_ms_;
};

/// The folder of a database opened read-only stays as it is: no log file of RocksDB's either.
class no_log final : public rocksdb::Logger {
public:
  using rocksdb::Logger::Logv;

  void Logv(const char*, va_list) override {}
};

/// RocksDB's own log, LOG and LOG.old beside its files. Not RocksDB's logger: where assertions are
/// compiled into the library, as Debian does, that one ends the process when the disk refuses a
/// line and then another. Here a line that cannot be written is lost.
class info_log final : public rocksdb::Logger {
public:
  explicit info_log(std::string path) : path_(std::move(path)) { open(); }

  ~info_log() override { close(); }

  info_log(const info_log&) = delete;
  info_log& operator=(const info_log&) = delete;

  using rocksdb::Logger::Logv;

  void Logv(const char* format, va_list words) override {
    std::array<char, 4096> line;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    auto size = std::strftime(line.data(), line.size(), "%Y-%m-%dT%H:%M:%SZ ", &parts);
    auto wanted = std::vsnprintf(line.data() + size, line.size() - size, format, words);
    if (wanted < 0)
      return;
    size = std::min(size + static_cast<std::size_t>(wanted), line.size() - 1);
    line[size++] = '\n';

    std::lock_guard lock(guard_);
    if (written_ > info_log_bytes_max)
      turn_over();
    if (file_ >= 0 && ::write(file_, line.data(), size) > 0)
      written_ += size;
  }

private:
  void open() {
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    auto end = file_ >= 0 ? ::lseek(file_, 0, SEEK_END) : 0;
    written_ = end > 0 ? static_cast<std::size_t>(end) : 0;
  }

  void close() {
    if (file_ >= 0)
      ::close(file_);
    file_ = -1;
  }

  void turn_over() {
    close();
    // Where renaming fails, the old file goes on: it is only too long.
    std::rename(path_.c_str(), (path_ + ".old").c_str());
    open();
  }

  std::string path_;
  std::mutex guard_;
  int file_ = -1;
  std::size_t written_ = 0;
};

rocksdb::DBOptions database_options(const database_settings& settings, rocksdb::Env* environment,
                                    bool create) {
  rocksdb::DBOptions options;
  if (environment)
    options.env = environment;
  options.create_if_missing = create;
  options.create_missing_column_families = create;

  // Recovery stops at the first damaged record and keeps everything before it; the watermark says
  // whether that was all. Never kSkipAnyCorruptedRecords, and so no log recycling, which 7.8 would
  // silently ignore.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.recycle_log_file_num = 0;
  options.track_and_verify_wals_in_manifest = true;
  options.paranoid_checks = true;
  options.wal_filter = settings.wal_filter;

  // After an error the store decides, not a thread of RocksDB that retries behind its back.
  options.max_bgerror_resume_count = 0;
  if (settings.listener)
    options.listeners.push_back(settings.listener);

  // There is one writer, and the memtable's insert hint only works without concurrent inserts.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;

  // One flush and one compaction at a time are what two cores can spare.
  options.max_background_jobs = 2;
  options.bytes_per_sync = mebibyte;
  options.compaction_readahead_size = mebibyte;
  options.max_total_wal_size = 128 * mebibyte;
  options.max_manifest_file_size = 16 * mebibyte;
  // The reserve of descriptors, less what logs, listeners and the write-ahead log take of it.
  options.max_open_files
    = static_cast<int>(std::max<std::uint64_t>(settings.limits.descriptors_reserved - 48, 32));
  options.skip_stats_update_on_db_open = true;

  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(family which, const database_settings& settings,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kLZ4Compression;
  options.level_compaction_dynamic_level_bytes = true;
  options.write_buffer_size = 4 * mebibyte;

  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_size = 8192;
  table.block_cache = cache;
  // Indexes and filters count as cache too, so that memory stays bounded however many files there
  // are.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));

  switch (which) {
  case family::events:
    options.write_buffer_size = 32 * mebibyte;
    options.max_write_buffer_number = 3;
    // All reads stay inside one entity, and successive events of one conversation insert beside
    // each other.
    options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(entity_prefix_size));
    options.memtable_insert_with_hint_prefix_extractor = options.prefix_extractor;
    table.whole_key_filtering = false;
    break;
  case family::heads:
    options.write_buffer_size = 8 * mebibyte;
    break;
  case family::state:
    options.write_buffer_size = 8 * mebibyte;
    // Open conversations come and go: what they leave is compacted before scans have to wade
    // through it.
    options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(1024, 512));
    break;
  case family::dedup:
    options.compaction_filter_factory
      = std::make_shared<forget_old_keys_factory>(settings.now, settings.limits.dedup_keep_ms);
    options.periodic_compaction_seconds = 86400; // a day
    break;
  case family::meta:
    // A few keys are written over and over: each goes right before its older self.
    options.memtable_insert_with_hint_prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(encode_meta_shard({}).size()));
    break;
  case family::jobs:
    break;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> descriptors(const database_settings& settings) {
  auto cache = rocksdb::NewLRUCache(settings.cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> all{{rocksdb::kDefaultColumnFamilyName, {}}};
  for (std::size_t i = 0; i < family_names.size(); ++i)
    all.emplace_back(std::string(family_names[i]),
                     family_options(static_cast<family>(i), settings, cache));
  return all;
}

domain::error damaged(std::string message) {
  return {domain::errc::corrupt, std::move(message), {}};
}

} // namespace

bool is_no_space(const rocksdb::Status& status) {
  return status.IsNoSpace()
         || (status.IsIOError()
             && status.ToString().find(std::strerror(EDQUOT)) != std::string::npos);
}

bool is_read_only(const rocksdb::Status& status) {
  // RocksDB keeps no number of the system's error, only its text.
  return status.IsIOError() && status.ToString().find(std::strerror(EROFS)) != std::string::npos;
}

domain::error to_error(const rocksdb::Status& status, std::string_view doing) {
  auto code = domain::errc::io;
  if (status.IsCorruption())
    code = domain::errc::corrupt;
  else if (is_no_space(status))
    code = domain::errc::storage_full;
  else if (is_read_only(status))
    code = domain::errc::storage_failed;
  return {code, std::string(doing) + ": " + status.ToString(), {}};
}

rocksdb::ReadOptions whole_order() {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.total_order_seek = true;
  return options;
}

database::database(const std::shared_ptr<rocksdb::FileSystem>& file_system) {
  if (file_system)
    environment_ = rocksdb::NewCompositeEnv(file_system);
}

void database::adopt(rocksdb::DB* opened,
                     const std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  db_.reset(opened);
  for (auto* handle : handles) {
    auto found = std::ranges::find(family_names, handle->GetName());
    if (found == family_names.end())
      standard_ = handle;
    else
      handles_[static_cast<std::size_t>(found - family_names.begin())] = handle;
  }
}

database::~database() {
  if (!db_)
    return;
  for (auto* handle : handles_)
    if (handle)
      db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  if (standard_)
    db_->DestroyColumnFamilyHandle(standard_).PermitUncheckedError();
  db_->Close().PermitUncheckedError();
}

rocksdb::Status database::open(const database_settings& settings, bool create,
                               std::unique_ptr<database>& out) {
  std::unique_ptr<database> made(new database(settings.file_system));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  std::error_code refused; // opening says it better
  if (create)
    std::filesystem::create_directory(settings.path, refused);
  auto options = database_options(settings, made->environment_.get(), create);
  options.info_log = std::make_shared<info_log>(settings.path + "/LOG");
  auto status = rocksdb::DB::Open(options, settings.path, descriptors(settings), &handles, &opened);
  if (!status.ok())
    return status;
  made->adopt(opened, handles);
  out = std::move(made);
  return status;
}

rocksdb::Status database::open_read_only(const database_settings& settings,
                                         std::unique_ptr<database>& out, bool meta_alone) {
  std::unique_ptr<database> made(new database(settings.file_system));
  auto families = descriptors(settings);
  if (meta_alone)
    std::erase_if(families, [](const auto& each) {
      return each.name != rocksdb::kDefaultColumnFamilyName
             && each.name != family_names[static_cast<std::size_t>(family::meta)];
    });
  auto options = database_options(settings, made->environment_.get(), false);
  options.info_log = std::make_shared<no_log>();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  auto status = rocksdb::DB::OpenForReadOnly(options, settings.path, families, &handles, &opened);
  if (!status.ok())
    return status;
  made->adopt(opened, handles);
  out = std::move(made);
  return status;
}

domain::result<std::optional<std::string>> database::get(family which, std::string_view key,
                                                         const rocksdb::Snapshot* snapshot) const {
  auto options = rocksdb::ReadOptions();
  options.snapshot = snapshot;
  std::string value;
  auto status = db_->Get(options, of(which), slice(key), &value);
  if (status.IsNotFound())
    return std::optional<std::string>{};
  if (!status.ok())
    return to_error(status, "reading the event store");
  return std::optional<std::string>(std::move(value));
}

std::string encode_format() {
  std::string bytes;
  append_u32(bytes, store_format);
  return bytes;
}

std::string encode_identity(const domain::store_identity& identity) {
  std::string bytes(identity.id.view());
  append_u64(bytes, identity.incarnation);
  return bytes;
}

std::string encode_commit(std::uint64_t commit) {
  std::string bytes;
  append_u64(bytes, commit);
  return bytes;
}

std::string encode_shard_record(const shard_record& record) {
  std::string bytes;
  append_u64(bytes, record.position);
  append_u64(bytes, record.sum);
  return bytes;
}

domain::result<std::optional<node_record>> read_node_record(const database& from,
                                                            const rocksdb::Snapshot* snapshot) {
  auto format = from.get(family::meta, meta_format, snapshot);
  if (!format)
    return format.failure();
  if (!*format)
    return std::optional<node_record>{};
  if ((*format)->size() != 4)
    return damaged("the store's format number is damaged");
  node_record record;
  record.identity.format = read_u32(**format);
  if (record.identity.format > store_format)
    return domain::error{domain::errc::format_unknown,
                         "the store has format " + std::to_string(record.identity.format)
                           + ", this version of Frontdesk knows up to "
                           + std::to_string(store_format)
                           + ": run the version that wrote it, or a newer one",
                         {}};
  auto identity = from.get(family::meta, meta_identity, snapshot);
  if (!identity)
    return identity.failure();
  auto commit = from.get(family::meta, meta_commit, snapshot);
  if (!commit)
    return commit.failure();
  if (!*identity || (*identity)->size() != 24 || !*commit || (*commit)->size() != 8)
    return damaged("the store's identity or commit counter is missing or damaged");
  record.identity.id = *domain::store_id::from_bytes(std::string_view(**identity).substr(0, 16));
  record.identity.incarnation = read_u64(std::string_view(**identity).substr(16));
  record.commit = read_u64(**commit);
  for (std::uint16_t i = 0; i < domain::shard_count; ++i) {
    auto bytes = from.get(family::meta, encode_meta_shard(domain::shard_id{i}), snapshot);
    if (!bytes)
      return bytes.failure();
    if (!*bytes)
      continue;
    if ((*bytes)->size() != 16)
      return damaged("the position of shard " + std::to_string(i) + " is damaged");
    record.shards[i] = {read_u64(**bytes), read_u64(std::string_view(**bytes).substr(8))};
  }
  return std::optional<node_record>(record);
}

domain::result<std::unique_ptr<folder_lock>> folder_lock::take(const std::string& folder,
                                                               bool exclusive) {
  auto path = folder + "/lock";
  int flags = exclusive ? O_RDWR | O_CREAT : O_RDONLY;
  int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0 && !exclusive && errno == ENOENT)
    return std::unique_ptr<folder_lock>(new folder_lock(-1));
  if (file < 0)
    return domain::error{errno == EROFS    ? domain::errc::storage_failed
                         : errno == ENOSPC ? domain::errc::storage_full
                                           : domain::errc::io,
                         "cannot open " + path + ": " + std::strerror(errno),
                         {}};
  std::unique_ptr<folder_lock> lock(new folder_lock(file));
  if (::flock(file, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    char holder[24] = {};
    auto size = ::pread(file, holder, sizeof holder - 1, 0);
    return domain::error{domain::errc::io,
                         folder + " is in use by another process"
                           + (size > 0 ? " (pid " + std::string(holder) + ")" : std::string()),
                         {}};
  }
  if (exclusive) {
    // Only for the message above; the lock itself needs no bytes, so a full disk is no obstacle.
    auto pid = std::to_string(::getpid());
    if (::ftruncate(file, 0) != 0 || ::pwrite(file, pid.data(), pid.size(), 0) < 0)
      errno = 0;
  }
  return lock;
}

folder_lock::~folder_lock() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

} // namespace frontdesk::persistence
