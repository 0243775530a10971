#include "persistence/rocksdb_store.hpp"

#include "crypto/crypto.hpp"
#include "domain/failpoint.hpp"
#include "persistence/database.hpp"
#include "persistence/event_reader.hpp"
#include "persistence/key_layout.hpp"
#include "persistence/watermark.hpp"
#include "proto/records.hpp"

#include <rocksdb/convenience.h>
#include <rocksdb/file_system.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace frontdesk::persistence {

namespace {

using namespace domain;

constexpr std::size_t dedup_key_bytes_max = 64;
// How old a look at the free room may be, in time and in bytes written since.
constexpr auto room_age_max = std::chrono::milliseconds(100);
constexpr std::uint64_t room_bytes_max = 8u << 20;

constexpr auto what_to_do
  = "Run `frontdesk verify`, then restore a backup, or accept the loss to go on with what is left";

error internal(std::string message) {
  return {errc::internal, std::move(message), {}};
}

/// RocksDB's counters of this thread, which nobody reads, are a tenth of all its instructions.
void count_nothing() {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

/// Lets a reopening see exactly the acknowledged commits: what a failed write may have left in the
/// log is not replayed, so that readers before and after agree.
class acknowledged_alone final : public rocksdb::WalFilter {
public:
  explicit acknowledged_alone(std::uint64_t last_sequence) : last_sequence_(last_sequence) {}

  const char* Name() const override { return "frontdesk.acknowledged_alone"; }

  WalProcessingOption LogRecord(const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                bool*) const override {
    return first_sequence(batch) > last_sequence_ ? WalProcessingOption::kStopReplay
                                                  : WalProcessingOption::kContinueProcessing;
  }

private:
  // A batch begins with its sequence number, little-endian.
  static std::uint64_t first_sequence(const rocksdb::WriteBatch& batch) {
    std::uint64_t sequence = 0;
    for (int i = 7; i >= 0; --i)
      sequence
        = sequence << 8 | static_cast<unsigned char>(batch.Data()[static_cast<std::size_t>(i)]);
    return sequence;
  }

  std::uint64_t last_sequence_;
};

/// What the store is able to do, as the writer, readers and RocksDB's threads see it. `failed` is
/// for good.
class condition final : public rocksdb::EventListener {
public:
  const char* Name() const override { return "frontdesk.condition"; }

  store_state state() const { return state_.load(); }

  /// The database object has met an error and is not written again: only reopening it leads back.
  bool reopen_needed() const { return reopen_needed_.load(); }

  void become(store_state next) {
    auto now = state_.load();
    while (now != store_state::failed && !state_.compare_exchange_weak(now, next)) {
    }
  }

  void reopened() { reopen_needed_ = false; }

  void fail(store_state next, std::string reason) {
    reopen_needed_ = true;
    become(next);
    std::lock_guard lock(guard_);
    reason_ = std::move(reason);
  }

  void fail(const rocksdb::Status& status) {
    fail(is_no_space(status)    ? store_state::full
         : is_read_only(status) ? store_state::read_only
                                : store_state::failed,
         status.ToString());
  }

  void fail(const error& reason) {
    fail(reason.code == errc::storage_full     ? store_state::full
         : reason.code == errc::storage_failed ? store_state::read_only
                                               : store_state::failed,
         reason.message);
  }

  error refusal() const {
    std::lock_guard lock(guard_);
    auto because = reason_.empty() ? std::string() : ": " + reason_;
    switch (state_.load()) {
    case store_state::full:
      return {
        errc::storage_full, "the disk is full; writing goes on when there is room" + because, {}};
    case store_state::read_only:
      return {errc::storage_failed,
              "the disk is read-only; writing goes on when it is not" + because,
              {}};
    default:
      return {errc::storage_failed,
              "the disk has failed; nothing is written until the server is restarted and "
              "`frontdesk verify` has "
              "looked at the store"
                + because,
              {}};
    }
  }

  // Flushes and compactions run on threads of RocksDB; a failed one stops the writer before its
  // next commit.
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (status && !status->ok() && !status->IsShutdownInProgress())
      fail(*status);
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

private:
  std::atomic<store_state> state_{store_state::writable};
  std::atomic<bool> reopen_needed_{false};
  mutable std::mutex guard_;
  std::string reason_;
};

/// Writes and syncs a small file, which is the only way to know that the disk takes writes. Nothing
/// for a disk that does; a state to stay in or to turn to else.
std::optional<store_state> trial_write(const std::string& folder, store_state now) {
  auto path = folder + "/probe";
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int problem = file < 0 ? errno : 0;
  if (file >= 0) {
    static constexpr std::array<char, 65536> bytes{};
    auto written = ::write(file, bytes.data(), bytes.size());
    if (written != static_cast<ssize_t>(bytes.size()))
      problem = written < 0 ? errno : ENOSPC;
    if (problem == 0 && ::fsync(file) != 0)
      problem = errno;
    ::close(file);
    ::unlink(path.c_str());
  }
  switch (problem) {
  case 0:
    return std::nullopt;
  case ENOSPC:
  case EDQUOT:
    return store_state::full;
  case EROFS:
    return store_state::read_only;
  case ENOENT:
  case ENOTDIR:
  case EACCES:
  case EPERM:
    return now; // not there or not ours, while a volume is changed
  default:
    return store_state::failed;
  }
}

result<void> sync_folder(const std::string& path) {
  int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool synced = folder >= 0 && ::fsync(folder) == 0;
  auto problem = errno;
  if (folder >= 0)
    ::close(folder);
  if (!synced)
    return error{errc::io, "cannot sync " + path + ": " + std::strerror(problem), {}};
  return {};
}

class rocksdb_store final : public event_store {
public:
  explicit rocksdb_store(store_options options) : options_(std::move(options)) {
    if (!options_.now)
      options_.now = [] {
        auto since = std::chrono::system_clock::now().time_since_epoch();
        return static_cast<unix_ms>(
          std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
      };
    file_system_ = options_.file_system ? options_.file_system : rocksdb::FileSystem::Default();
  }

  rocksdb_store(const rocksdb_store&) = delete;
  rocksdb_store& operator=(const rocksdb_store&) = delete;

  ~rocksdb_store() override {
    if (state() != store_state::failed && watermark_) {
      // Nobody is left to be told; the slots are in the system's hands and at worst a little old.
      static_cast<void>(watermark_->sync());
    }
  }

  /// Once, before anything else.
  result<void> open();

  result<commit_receipt> commit(std::span<const append* const> appends) override;

  result<loaded_conversation> load_conversation(const entity_key& conversation) const override;

  result<std::vector<stored_event>> read_events(const entity_key& conversation, message_seq from,
                                                std::size_t limit,
                                                std::size_t bytes_max) const override {
    return read(conversation,
                [&](event_reader& reader) { return reader.ascending(from, limit, bytes_max); });
  }

  result<std::vector<stored_event>> read_events_before(const entity_key& conversation,
                                                       message_seq before, std::size_t limit,
                                                       std::size_t bytes_max) const override {
    return read(conversation,
                [&](event_reader& reader) { return reader.descending(before, limit, bytes_max); });
  }

  result<std::vector<stored_event>> read_visible(const entity_key& conversation, message_seq from,
                                                 std::size_t limit,
                                                 std::size_t bytes_max) const override {
    return read(conversation, [&](event_reader& reader) {
      return reader.visible_ascending(from, limit, bytes_max);
    });
  }

  result<std::vector<stored_event>> read_visible_before(const entity_key& conversation,
                                                        message_seq before, std::size_t limit,
                                                        std::size_t bytes_max) const override {
    return read(conversation, [&](event_reader& reader) {
      return reader.visible_descending(before, limit, bytes_max);
    });
  }

  result<stored_event> read_event(const entity_key& conversation, message_seq seq) const override {
    return read(conversation, [&](event_reader& reader) { return reader.at(seq); });
  }

  result<message_seq> find_visible(const entity_key& conversation,
                                   message_seq visible_seq) const override {
    return read(conversation,
                [&](event_reader& reader) { return reader.find_visible(visible_seq); });
  }

  result<std::optional<std::string>> get_state(const state_key& key) const override;
  result<std::vector<std::pair<entity_id, std::string>>>
  scan_state(const entity_key& entity, state_field field) const override;
  result<std::optional<std::string>> get_dedup(const entity_key& entity,
                                               std::string_view key) const override;
  result<open_snapshot> scan_open(tenant_id tenant) const override;
  result<std::vector<tenant_id>> tenants_with_open() const override;
  result<std::vector<std::pair<state_key, std::string>>> scan_configuration() const override;

  store_identity identity() const override { return identity_; }

  std::uint64_t applied_position(shard_id shard) const override {
    return positions_.at(value(shard)).load();
  }

  store_state state() const override { return condition_->state(); }

  store_state probe() override;

private:
  /// Holds the database open while it is read; `probe` may have to open it anew.
  class reading {
  public:
    explicit reading(const rocksdb_store& store)
      : lock_(store.database_guard_), database_(store.database_.get()) {
      count_nothing();
    }

    explicit operator bool() const { return database_ != nullptr; }

    const database& operator*() const { return *database_; }

    const database* operator->() const { return database_; }

  private:
    std::shared_lock<std::shared_mutex> lock_;
    const database* database_;
  };

  /// What a commit adds up before it is written.
  struct work {
    std::uint64_t shards = 0; ///< a bit for each with work
    std::array<std::uint64_t, shard_count> sums{};
    std::map<std::string, std::string, std::less<>>
      rewritten{}; ///< event key -> its bytes with new parts
  };

  static error closed() { return {errc::io, "the event store could not be opened again", {}}; }

  template <class Read>
  std::invoke_result_t<Read, event_reader&> read(const entity_key& conversation,
                                                 Read&& what) const {
    reading from(*this);
    if (!from)
      return closed();
    event_reader reader(from->db(), from->of(family::events), conversation);
    return what(reader);
  }

  static result<std::vector<std::pair<entity_id, std::string>>>
  scan_field(const database& from, const entity_key& entity, state_field field,
             const rocksdb::Snapshot* snapshot);

  database_settings settings(rocksdb::WalFilter* filter = nullptr) const;
  result<void> look_before_opening();
  result<void> finish_making();
  error below_watermark(std::uint64_t recovered) const;
  void adopt(const node_record& record);

  result<void> stage(std::span<const append* const> appends, std::size_t index, work& sums);
  result<void> stage_rewrite(std::span<const append* const> appends, std::size_t index,
                             const event_rewrite& rewrite, work& sums);
  result<std::string> event_bytes_before(std::span<const append* const> appends, std::size_t index,
                                         message_seq seq, const std::string& key,
                                         const work& sums) const;

  void put(family which, const rocksdb::Slice& key, const rocksdb::Slice& bytes) {
    batch_.Put(database_->of(which), key, bytes);
  }

  bool room();
  bool reopen();

  store_options options_;
  std::shared_ptr<rocksdb::FileSystem> file_system_;
  std::unique_ptr<folder_lock> lock_;
  std::shared_ptr<condition> condition_ = std::make_shared<condition>();
  mutable std::shared_mutex
    database_guard_; ///< held exclusively only while the database is opened anew
  std::unique_ptr<database> database_;
  std::optional<watermark> found_watermark_;
  std::optional<error> loss_; ///< why the store must not simply go on; set once, before opening
  std::optional<watermark_file> watermark_;
  store_identity identity_{};
  std::array<std::atomic<std::uint64_t>, shard_count> positions_{};

  // The writer's own.
  std::array<std::uint64_t, shard_count> sums_{};
  std::uint64_t commit_ = 0;   ///< counter of the last commit that was written and synced
  std::uint64_t sequence_ = 0; ///< RocksDB's number of its last entry
  rocksdb::WriteBatch batch_;
  std::chrono::steady_clock::time_point room_looked_{};
  std::uint64_t room_written_ = 0;
  std::optional<acknowledged_alone> filter_; ///< of the last reopening
};

// -- opening
// -----------------------------------------------------------------------------------------------------

database_settings rocksdb_store::settings(rocksdb::WalFilter* filter) const {
  return {database_path(options_.folder),
          options_.limits,
          options_.cache_bytes,
          options_.now,
          options_.file_system,
          condition_,
          filter};
}

error rocksdb_store::below_watermark(std::uint64_t recovered) const {
  auto acknowledged = found_watermark_->commit;
  return {errc::corrupt,
          "commit " + std::to_string(acknowledged) + " was acknowledged, but recovery of "
            + options_.folder + " ends at commit " + std::to_string(recovered)
            + ": its write-ahead log is damaged or files are missing. Nothing was changed. "
            + what_to_do,
          {}};
}

// Point-in-time recovery drops what follows a damaged record and then cleans up, so the decision
// falls before it.
result<void> rocksdb_store::look_before_opening() {
  auto path = database_path(options_.folder);
  auto mark = read_watermark(watermark_path(options_.folder));
  if (mark)
    found_watermark_ = *mark;
  else if (mark.failure().code == errc::corrupt)
    loss_ = mark.failure();
  else
    return mark.failure();

  std::vector<std::string> families;
  std::error_code unreadable;
  if (std::filesystem::exists(path + "/CURRENT", unreadable)) {
    auto listed = rocksdb::DB::ListColumnFamilies({}, path, &families);
    if (!listed.ok())
      return to_error(listed, "opening " + path);
  }
  std::optional<node_record> record;
  if (std::ranges::find(families, "meta") != families.end()) {
    std::unique_ptr<database> look;
    auto opened = database::open_read_only(settings(), look, true);
    if (!opened.ok())
      return to_error(opened, "looking at " + path);
    auto read = read_node_record(*look);
    if (!read)
      return read.failure();
    record = *read;
  }
  // Without a record it was never made, or its making was interrupted; a watermark says that it was
  // finished.
  auto recovered = record ? record->commit : 0;
  if (found_watermark_ && (!record || recovered < found_watermark_->commit))
    loss_ = below_watermark(recovered);
  else if (found_watermark_ && found_watermark_->store != record->identity.id)
    loss_ = error{errc::corrupt, watermark_path(options_.folder) + " belongs to another store", {}};
  else if (!found_watermark_ && !loss_ && recovered > 0)
    loss_ = error{errc::corrupt,
                  watermark_path(options_.folder)
                    + " is missing, so nobody can tell whether the store is whole. " + what_to_do,
                  {}};
  if (loss_ && !options_.accept_loss)
    return *loss_;
  return {};
}

// A crash in between is finished by the next opening: the identity comes first, the watermark last.
result<void> rocksdb_store::finish_making() {
  auto record = read_node_record(*database_);
  if (!record)
    return record.failure();
  bool fresh = !*record;
  bool renewed = !fresh && loss_;
  if (fresh) {
    *record = node_record{};
    crypto::random_bytes((*record)->identity.id.bytes.data(), 16);
    (*record)->identity.format = store_format;
  }
  if (fresh || renewed) {
    (*record)->identity.incarnation = crypto::random_u64();
    rocksdb::WriteBatch batch;
    batch.Put(database_->of(family::meta), slice(meta_format), encode_format());
    batch.Put(database_->of(family::meta), slice(meta_identity),
              encode_identity((*record)->identity));
    batch.Put(database_->of(family::meta), slice(meta_commit), encode_commit((*record)->commit));
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto written = database_->db().Write(synced, &batch);
    if (!written.ok())
      return to_error(written, "making the store");
  }
  identity_ = (*record)->identity;
  adopt(**record);
  if (fresh || renewed || !found_watermark_) {
    // The folders' own entries, or a power loss could take the whole new store with it.
    if (auto synced = sync_folder(options_.folder); !synced)
      return synced;
    auto parent = std::filesystem::absolute(options_.folder + "/.").parent_path().parent_path();
    if (auto synced = sync_folder(parent.string()); !synced)
      return synced;
    if (auto reset = reset_watermark(watermark_path(options_.folder), {identity_.id, commit_});
        !reset)
      return reset;
  }
  return {};
}

void rocksdb_store::adopt(const node_record& record) {
  commit_ = record.commit;
  for (std::size_t i = 0; i < record.shards.size(); ++i) {
    positions_[i] = record.shards[i].position;
    sums_[i] = record.shards[i].sum;
  }
  sequence_ = database_->db().GetLatestSequenceNumber();
}

result<void> rocksdb_store::open() {
  std::error_code unreadable;
  if (!std::filesystem::is_directory(options_.folder, unreadable)
      && ::mkdir(options_.folder.c_str(), 0700) != 0)
    return error{errno == EROFS    ? errc::storage_failed
                 : errno == ENOSPC ? errc::storage_full
                                   : errc::io,
                 "cannot make " + options_.folder + ": " + std::strerror(errno),
                 {}};
  auto lock = folder_lock::take(options_.folder, true);
  if (!lock)
    return lock.failure();
  lock_ = *std::move(lock);
  if (auto looked = look_before_opening(); !looked)
    return looked;
  auto opened = database::open(settings(), true, database_);
  if (!opened.ok())
    return to_error(opened, "opening " + database_path(options_.folder));
  if (auto made = finish_making(); !made)
    return made;
  auto mark = watermark_file::open(watermark_path(options_.folder), identity_.id);
  if (!mark)
    return mark.failure();
  watermark_ = *std::move(mark);
  return {};
}

// -- writing
// -----------------------------------------------------------------------------------------------------

bool rocksdb_store::room() {
  auto now = std::chrono::steady_clock::now();
  if (room_written_ < room_bytes_max && now - room_looked_ < room_age_max)
    return true;
  std::uint64_t free = 0;
  // A file system that cannot say is met by its errors instead.
  if (!file_system_->GetFreeSpace(options_.folder, {}, &free, nullptr).ok())
    return true;
  if (free < options_.limits.disk_free_bytes_min)
    return false;
  room_looked_ = now;
  room_written_ = 0;
  return true;
}

result<std::string> rocksdb_store::event_bytes_before(std::span<const append* const> appends,
                                                      std::size_t index, message_seq seq,
                                                      const std::string& key,
                                                      const work& sums) const {
  if (auto found = sums.rewritten.find(key); found != sums.rewritten.end())
    return found->second;
  for (std::size_t i = index + 1; i-- > 0;) {
    const auto& earlier = *appends[i];
    if (earlier.entity != appends[index]->entity || earlier.events.empty())
      continue;
    if (seq < earlier.events.front().seq || seq > earlier.events.back().seq)
      continue;
    return proto::encode_event(earlier.events[seq - earlier.events.front().seq]);
  }
  auto stored = database_->get(family::events, key);
  if (!stored)
    return stored.failure();
  if (!*stored)
    return internal("an edit names event " + std::to_string(seq) + ", which is not there");
  return **std::move(stored);
}

result<void> rocksdb_store::stage_rewrite(std::span<const append* const> appends, std::size_t index,
                                          const event_rewrite& rewrite, work& sums) {
  auto bytes_of_key = encode_event_key(appends[index]->entity, rewrite.target);
  std::string key(bytes_of_key.data(), bytes_of_key.size());
  auto before = event_bytes_before(appends, index, rewrite.target, key, sums);
  if (!before)
    return before.failure();
  auto after
    = proto::rewrite_event(*before, rewrite.revision, rewrite.public_bytes, rewrite.staff_bytes);
  if (!after)
    return after.failure();
  if (after->size() > options_.limits.event_bytes_max)
    return error{
      errc::too_large, "an edited event has " + std::to_string(after->size()) + " bytes", {}};
  put(family::events, key, *after);
  sums.rewritten.insert_or_assign(std::move(key), *std::move(after));
  return {};
}

// Puts one append into the batch. Whatever it refuses is a bug of the caller's, so nothing of the
// commit is written.
result<void> rocksdb_store::stage(std::span<const append* const> appends, std::size_t index,
                                  work& sums) {
  const auto& each = *appends[index];
  auto shard = value(each.entity.shard);
  if (shard >= shard_count)
    return internal("an append names shard " + std::to_string(shard));
  if (each.events.empty() && each.rewrites.empty() && !each.head && each.states.empty()
      && each.dedups.empty())
    return {};
  sums.shards |= std::uint64_t{1} << shard;

  auto expected = each.previous_seq;
  for (const auto& event : each.events) {
    if (event.seq != ++expected)
      return internal("an append goes from event " + std::to_string(expected - 1) + " to "
                      + std::to_string(event.seq));
    auto key = encode_event_key(each.entity, event.seq);
    auto bytes = proto::encode_event(event);
    if (bytes.size() > options_.limits.event_bytes_max)
      return error{errc::too_large, "an event has " + std::to_string(bytes.size()) + " bytes", {}};
    auto header = proto::header_bytes(bytes);
    if (!header)
      return header.failure();
    sums.sums[shard] += crypto::hash64({key.data(), key.size()}, *header);
    put(family::events, slice(key), bytes);
  }
  for (const auto& rewrite : each.rewrites)
    if (auto staged = stage_rewrite(appends, index, rewrite, sums); !staged)
      return staged;
  if (each.head)
    put(family::heads, slice(encode_entity(each.entity)), *each.head);
  for (const auto& [key, bytes] : each.states) {
    if (key.entity.shard != each.entity.shard)
      return internal("a state entry is on another shard than its append");
    if (bytes)
      put(family::state, encode_state_key(key), *bytes);
    else
      batch_.Delete(database_->of(family::state), encode_state_key(key));
  }
  for (const auto& dedup : each.dedups) {
    if (dedup.entity.shard != each.entity.shard)
      return internal("a dedup entry is on another shard than its append");
    if (dedup.key.empty() || dedup.key.size() > dedup_key_bytes_max)
      return error{
        errc::too_large, "a dedup key has " + std::to_string(dedup.key.size()) + " bytes", {}};
    put(family::dedup, encode_dedup_key(dedup.entity, dedup.key), dedup.value);
  }
  return {};
}

result<commit_receipt> rocksdb_store::commit(std::span<const append* const> appends) {
  count_nothing();

  if (state() != store_state::writable)
    return condition_->refusal();
  if (!room()) {
    condition_->become(store_state::full);
    return condition_->refusal();
  }

  batch_.Clear();
  work sums;
  for (std::size_t i = 0; i < appends.size(); ++i)
    if (auto staged = stage(appends, i, sums); !staged)
      return staged.failure();
  commit_receipt receipt;
  receipt.commit = commit_;
  if (sums.shards == 0)
    return receipt;

  ++receipt.commit;
  for (std::uint16_t i = 0; i < shard_count; ++i) {
    if (!(sums.shards >> i & 1))
      continue;
    auto position = positions_[i].load(std::memory_order_relaxed) + 1;
    sums.sums[i] += sums_[i];
    receipt.positions.emplace_back(shard_id{i}, position);
    put(family::meta, encode_meta_shard(shard_id{i}),
        encode_shard_record({position, sums.sums[i]}));
  }
  put(family::meta, slice(meta_commit), encode_commit(receipt.commit));

  if (FRONTDESK_FAILPOINT("commit_before_write"))
    return internal("failpoint commit_before_write");
  rocksdb::WriteOptions synced;
  synced.sync = true;
  auto written = database_->db().Write(synced, &batch_);
  if (!written.ok()) {
    condition_->fail(written);
    // Neither a flush nor a compaction touches the disk after this.
    if (state() == store_state::failed)
      rocksdb::CancelAllBackgroundWork(&database_->db(), false);
    return condition_->refusal();
  }
  room_written_ += batch_.GetDataSize();
  commit_ = receipt.commit;
  sequence_ = database_->db().GetLatestSequenceNumber();
  for (const auto& [shard, position] : receipt.positions) {
    sums_[value(shard)] = sums.sums[value(shard)];
    positions_[value(shard)].store(position);
  }

  if (FRONTDESK_FAILPOINT("commit_after_write"))
    return internal("failpoint commit_after_write");
  // Nothing is acknowledged that is not marked. It is also a second opinion on the sync: ext4 has
  // been seen to let one succeed while its journal was aborted, and to refuse the next write.
  if (auto marked = watermark_->write(commit_); !marked) {
    condition_->fail(marked.failure());
    return condition_->refusal();
  }
  if (FRONTDESK_FAILPOINT("commit_after_watermark"))
    return internal("failpoint commit_after_watermark");
  return receipt;
}

// A database object that has met an error is not trusted with a repair: RocksDB would go on behind
// a half-written record. Opened anew it stands exactly at the last acknowledged commit, with
// everything recovered written to new, synced files.
bool rocksdb_store::reopen() {
  std::unique_lock exclusive(database_guard_);
  filter_.emplace(sequence_);
  database_.reset();
  auto opened = database::open(settings(&*filter_), false, database_);
  if (!opened.ok()) {
    condition_->fail(opened);
    // So that reads go on.
    auto fallback = database::open_read_only(settings(&*filter_), database_);
    if (!fallback.ok())
      condition_->fail(store_state::failed, "reading is impossible too: " + fallback.ToString());
    return false;
  }
  auto record = read_node_record(*database_);
  auto same
    = record && *record && (*record)->identity.id == identity_.id && (*record)->commit == commit_;
  if (!same) {
    condition_->fail(store_state::failed,
                     !record
                       ? record.failure().message
                       : "opened anew, the store does not end at the last acknowledged commit");
    rocksdb::CancelAllBackgroundWork(&database_->db(), false);
    return false;
  }
  adopt(**record);
  // After a remount the old descriptor leads nowhere.
  auto mark = watermark_file::open(watermark_path(options_.folder), identity_.id);
  if (!mark) {
    condition_->fail(mark.failure());
    return false;
  }
  watermark_ = *std::move(mark);
  condition_->reopened();
  return true;
}

store_state rocksdb_store::probe() {
  auto before = state();
  if (before == store_state::failed)
    return before;
  room_written_ = room_bytes_max; // a fresh look
  if (!room()) {
    condition_->become(store_state::full);
    return state();
  }
  if (before == store_state::writable && !condition_->reopen_needed()) {
    if (auto synced = watermark_->sync(); !synced)
      condition_->fail(synced.failure());
    return state();
  }
  if (auto refused = trial_write(options_.folder, before)) {
    if (*refused == store_state::failed)
      condition_->fail(store_state::failed, "a trial write failed");
    else
      condition_->become(*refused);
    return state();
  }
  if (!condition_->reopen_needed() || reopen())
    condition_->become(store_state::writable);
  return state();
}

// -- reading
// -----------------------------------------------------------------------------------------------------

result<std::vector<std::pair<entity_id, std::string>>>
rocksdb_store::scan_field(const database& from, const entity_key& entity, state_field field,
                          const rocksdb::Snapshot* snapshot) {
  auto prefix = encode_state_field(entity, field);
  auto end = end_of_range(prefix);
  auto bound = slice(end);
  auto options = whole_order();
  options.snapshot = snapshot;
  options.iterate_upper_bound = &bound;
  std::unique_ptr<rocksdb::Iterator> rows(from.db().NewIterator(options, from.of(family::state)));
  std::vector<std::pair<entity_id, std::string>> found;
  for (rows->Seek(prefix); rows->Valid(); rows->Next()) {
    auto key = parse_state_key(view(rows->key()));
    if (!key)
      return error{errc::corrupt, "a state key is damaged: " + to_hex(view(rows->key())), {}};
    found.emplace_back(key->sub, rows->value().ToString());
  }
  if (!rows->status().ok())
    return to_error(rows->status(), "reading state entries");
  return found;
}

result<loaded_conversation> rocksdb_store::load_conversation(const entity_key& conversation) const {
  reading from(*this);
  if (!from)
    return closed();
  rocksdb::ManagedSnapshot snapshot(&from->db());
  auto prefix = encode_entity(conversation);
  auto head = from->get(family::heads, {prefix.data(), prefix.size()}, snapshot.snapshot());
  if (!head)
    return head.failure();

  loaded_conversation loaded;
  if (*head) {
    auto decoded = proto::decode_head(**head);
    if (!decoded)
      return decoded.failure();
    loaded.head = *std::move(decoded);
  }
  event_reader reader(from->db(), from->of(family::events), conversation, snapshot.snapshot());
  constexpr auto all = std::numeric_limits<std::size_t>::max();
  auto after = reader.ascending(loaded.head.seq + 1, all, all);
  if (!after)
    return after.failure();
  loaded.after_head = *std::move(after);
  if (!*head) {
    if (loaded.after_head.empty())
      return error{errc::not_found, "there is no conversation " + to_string(conversation.id), {}};
    return error{
      errc::corrupt, "conversation " + to_string(conversation.id) + " has events and no head", {}};
  }
  if (!loaded.after_head.empty() && loaded.after_head.front().seq != loaded.head.seq + 1)
    return error{errc::corrupt,
                 "conversation " + to_string(conversation.id) + " has no event "
                   + std::to_string(loaded.head.seq + 1),
                 {}};

  auto pointers = scan_field(*from, conversation, state_field::pointer, snapshot.snapshot());
  if (!pointers)
    return pointers.failure();
  for (const auto& [participant, bytes] : *pointers) {
    auto decoded = proto::decode_pointer(bytes);
    if (!decoded)
      return decoded.failure();
    loaded.pointers.push_back(*std::move(decoded));
  }
  return loaded;
}

result<std::optional<std::string>> rocksdb_store::get_state(const state_key& key) const {
  reading from(*this);
  if (!from)
    return closed();
  return from->get(family::state, encode_state_key(key));
}

result<std::vector<std::pair<entity_id, std::string>>>
rocksdb_store::scan_state(const entity_key& entity, state_field field) const {
  reading from(*this);
  if (!from)
    return closed();
  return scan_field(*from, entity, field, nullptr);
}

result<std::optional<std::string>> rocksdb_store::get_dedup(const entity_key& entity,
                                                            std::string_view key) const {
  reading from(*this);
  if (!from)
    return closed();
  auto found = from->get(family::dedup, encode_dedup_key(entity, key));
  if (!found || !*found)
    return found;
  auto created = proto::dedup_created(**found);
  if (!created)
    return created.failure();
  if (*created < options_.now() - static_cast<unix_ms>(options_.limits.dedup_keep_ms))
    return std::optional<std::string>{};
  return found;
}

result<open_snapshot> rocksdb_store::scan_open(tenant_id tenant) const {
  reading from(*this);
  if (!from)
    return closed();
  rocksdb::ManagedSnapshot snapshot(&from->db());
  auto record = read_node_record(*from, snapshot.snapshot());
  if (!record)
    return record.failure();
  open_snapshot found;
  auto options = whole_order();
  options.snapshot = snapshot.snapshot();
  std::unique_ptr<rocksdb::Iterator> rows(from->db().NewIterator(options, from->of(family::state)));
  for (std::uint16_t i = 0; i < shard_count; ++i) {
    auto position = *record ? (*record)->shards[i].position : 0;
    found.positions[i] = position;
    auto range = encode_kind_range(shard_id{i}, tenant, entity_kind::open_conversation);
    for (rows->Seek(range); rows->Valid() && rows->key().starts_with(range); rows->Next()) {
      auto row = proto::decode_open_row(view(rows->value()));
      if (!row)
        return row.failure();
      found.rows.emplace_back(*std::move(row), position);
    }
    if (!rows->status().ok())
      return to_error(rows->status(), "reading open conversations");
  }
  return found;
}

// Jumps from tenant to tenant, so that the cost is one seek per tenant and shard, not one step per
// entry.
result<std::vector<tenant_id>> rocksdb_store::tenants_with_open() const {
  reading from(*this);
  if (!from)
    return closed();
  std::set<tenant_id> found;
  std::unique_ptr<rocksdb::Iterator> rows(
    from->db().NewIterator(whole_order(), from->of(family::state)));
  for (std::uint16_t i = 0; i < shard_count; ++i) {
    std::string target
      = encode_kind_range(shard_id{i}, tenant_id{0}, entity_kind::open_conversation);
    for (rows->Seek(target); rows->Valid(); rows->Seek(target)) {
      auto key = parse_state_key(view(rows->key()));
      if (!key)
        return error{errc::corrupt, "a state key is damaged: " + to_hex(view(rows->key())), {}};
      if (key->entity.shard != shard_id{i})
        break;
      auto tenant = key->entity.tenant;
      if (key->entity.kind < entity_kind::open_conversation) {
        target = encode_kind_range(shard_id{i}, tenant, entity_kind::open_conversation);
        continue;
      }
      found.insert(tenant);
      target = end_of_range(encode_kind_range(shard_id{i}, tenant, entity_kind::open_conversation));
    }
    if (!rows->status().ok())
      return to_error(rows->status(), "reading open conversations");
  }
  return std::vector<tenant_id>(found.begin(), found.end());
}

result<std::vector<std::pair<state_key, std::string>>> rocksdb_store::scan_configuration() const {
  reading from(*this);
  if (!from)
    return closed();
  std::string end;
  append_u16(end, value(configuration_shard) + 1);
  auto bound = slice(end);
  auto options = whole_order();
  options.iterate_upper_bound = &bound;
  std::unique_ptr<rocksdb::Iterator> rows(from->db().NewIterator(options, from->of(family::state)));
  std::vector<std::pair<state_key, std::string>> found;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    auto key = parse_state_key(view(rows->key()));
    if (!key)
      return error{errc::corrupt, "a state key is damaged: " + to_hex(view(rows->key())), {}};
    if (key->entity.kind == entity_kind::configuration)
      found.emplace_back(*key, rows->value().ToString());
  }
  if (!rows->status().ok())
    return to_error(rows->status(), "reading the configuration");
  return found;
}

} // namespace

result<std::unique_ptr<event_store>> open_store(const store_options& options) {
  auto store = std::make_unique<rocksdb_store>(options);
  if (auto opened = store->open(); !opened)
    return opened.failure();
  return std::unique_ptr<event_store>(std::move(store));
}

} // namespace frontdesk::persistence
