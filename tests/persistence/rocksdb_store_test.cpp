#include "persistence/database.hpp"
#include "persistence/key_layout.hpp"
#include "persistence/rocksdb_store.hpp"
#include "persistence/verify.hpp"
#include "persistence/watermark.hpp"
#include "proto/records.hpp"
#include "tests/persistence/conversation_script.hpp"
#include "tests/persistence/faulty_file_system.hpp"
#include "tests/persistence/store_contract.hpp"
#include "tests/persistence/store_files.hpp"
#include "tests/persistence/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <limits>
#include <sys/mount.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace frontdesk::persistence {

using namespace domain;
using namespace frontdesk::test;

namespace {

constexpr auto all = std::numeric_limits<std::size_t>::max();
constexpr tenant_id shop{1};
constexpr shard_id shard{5};

class rocksdb_engine final : public store_engine {
public:
  rocksdb_engine() { reopen(); }

  event_store& store() override { return *store_; }

  void reopen() override {
    store_.reset();
    store_options options;
    options.folder = folder_ / "store";
    options.now = [this] { return now_.load(); };
    auto opened = open_store(options);
    if (!opened)
      throw std::runtime_error(opened.failure().message);
    store_ = *std::move(opened);
  }

  void set_now(unix_ms now) override { now_ = now; }

private:
  temporary_folder folder_;
  std::atomic<unix_ms> now_{0};
  std::unique_ptr<event_store> store_;
};

class rocksdb_store_test : public ::testing::Test {
protected:
  void SetUp() override {
    options_.folder = folder_ / "store";
    options_.now = [] { return unix_ms{1700000000000}; };
  }

  result<std::unique_ptr<event_store>> try_open() { return open_store(options_); }

  void open() {
    store_.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.failure().message;
    store_ = *std::move(opened);
  }

  void close() { store_.reset(); }

  void use_faults() { options_.file_system = faults_; }

  result<commit_receipt> try_commit(const append& what) {
    const append* pointer = &what;
    return store_->commit({&pointer, 1});
  }

  void commit(const append& what) {
    auto receipt = try_commit(what);
    ASSERT_TRUE(receipt) << receipt.failure().message;
  }

  std::size_t stored_count(const entity_key& entity) const {
    auto page = store_->read_events(entity, 1, all, all);
    if (!page) {
      ADD_FAILURE() << page.failure().message;
      return 0;
    }
    return page->size();
  }

  /// Closes, and expects that nothing is wrong.
  void expect_clean() {
    close();
    auto report = verify_store({options_.folder, {}, 100, {}});
    ASSERT_TRUE(report) << report.failure().message;
    for (const auto& each : report->problems)
      ADD_FAILURE() << each.key << ": " << each.what;
  }

  /// Opening is refused as damage, with these words, and changes no file but the lock.
  void expect_refused(const std::string& words) {
    auto before = contents_of(options_.folder);
    auto opened = try_open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.failure().code, errc::corrupt) << opened.failure().message;
    EXPECT_NE(opened.failure().message.find(words), std::string::npos) << opened.failure().message;
    auto after = contents_of(options_.folder);
    before.erase(options_.folder + "/lock");
    after.erase(options_.folder + "/lock");
    EXPECT_TRUE(before == after);
  }

  /// Writes to the node's own family of a closed store.
  void put_meta(std::string_view key, const std::string& bytes) {
    std::unique_ptr<database> raw;
    auto opened = database::open(
      {database_path(options_.folder), {}, 8u << 20, options_.now, {}, {}, nullptr}, false, raw);
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    ASSERT_TRUE(raw->db().Put({}, raw->of(family::meta), slice(key), bytes).ok());
  }

  std::string newest_log() const { return files_of(database_path(options_.folder), ".log").back(); }

  temporary_folder folder_;
  store_options options_;
  std::shared_ptr<faulty_file_system> faults_ = std::make_shared<faulty_file_system>();
  std::unique_ptr<event_store> store_;
  conversation_script script_{shop, shard, 1};
};

} // namespace

// -- opening
// -----------------------------------------------------------------------------------------------------

TEST_F(rocksdb_store_test, makes_a_store_with_an_identity_of_its_own) {
  open();
  auto first = store_->identity();
  EXPECT_TRUE(first.id);
  EXPECT_NE(first.incarnation, 0u);
  EXPECT_EQ(first.format, store_format);
  close();
  options_.folder = folder_ / "other";
  open();
  EXPECT_NE(store_->identity().id, first.id);
}

TEST_F(rocksdb_store_test, refuses_a_second_opening_of_its_folder) {
  open();
  auto second = try_open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.failure().code, errc::io);
  EXPECT_NE(second.failure().message.find("in use by another process"), std::string::npos);
  EXPECT_NE(second.failure().message.find(std::to_string(::getpid())), std::string::npos);
  commit(script_.open());
  close();
  EXPECT_TRUE(try_open());
}

TEST_F(rocksdb_store_test, says_that_a_folder_cannot_be_made) {
  options_.folder = folder_ / "missing/store";
  auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.failure().code, errc::io);
}

TEST_F(rocksdb_store_test, refuses_a_store_of_a_newer_format) {
  open();
  commit(script_.open());
  close();
  std::string newer;
  append_u32(newer, store_format + 1);
  put_meta(meta_format, newer);
  auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.failure().code, errc::format_unknown);
  EXPECT_NE(opened.failure().message.find("newer"), std::string::npos);
}

TEST_F(rocksdb_store_test, finishes_a_making_that_was_interrupted) {
  open();
  close();
  std::filesystem::remove(watermark_path(options_.folder));
  open();
  commit(script_.open());
  EXPECT_EQ((*read_watermark(watermark_path(options_.folder)))->commit, 1u);
}

TEST_F(rocksdb_store_test, marks_every_acknowledged_commit) {
  open();
  commit(script_.open());
  for (std::uint64_t i = 2; i < 6; ++i) {
    commit(script_.say("x"));
    EXPECT_EQ((*read_watermark(watermark_path(options_.folder)))->commit, i);
  }
}

TEST_F(rocksdb_store_test, does_not_start_below_the_watermark) {
  open();
  commit(script_.open());
  auto id = store_->identity().id;
  close();
  ASSERT_TRUE(reset_watermark(watermark_path(options_.folder), {id, 7}));
  expect_refused("commit 7 was acknowledged");
}

TEST_F(rocksdb_store_test, does_not_start_without_its_watermark) {
  open();
  commit(script_.open());
  close();
  std::filesystem::remove(watermark_path(options_.folder));
  expect_refused("is missing");
}

TEST_F(rocksdb_store_test, does_not_start_with_the_watermark_of_another_store) {
  open();
  commit(script_.open());
  close();
  ASSERT_TRUE(reset_watermark(watermark_path(options_.folder), {numbered<store_id>(9), 1}));
  expect_refused("belongs to another store");
}

TEST_F(rocksdb_store_test, does_not_start_where_the_database_has_gone) {
  open();
  commit(script_.open());
  close();
  std::filesystem::remove_all(database_path(options_.folder));
  expect_refused("ends at commit 0");
}

TEST_F(rocksdb_store_test, goes_on_under_a_new_incarnation_when_a_loss_is_accepted) {
  open();
  commit(script_.open());
  auto before = store_->identity();
  close();
  ASSERT_TRUE(reset_watermark(watermark_path(options_.folder), {before.id, 7}));
  options_.accept_loss = true;
  open();
  auto after = store_->identity();
  EXPECT_EQ(after.id, before.id);
  EXPECT_NE(after.incarnation, before.incarnation);
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  commit(script_.say("x"));
  // With nothing to accept, nothing is accepted.
  open();
  EXPECT_EQ(store_->identity().incarnation, after.incarnation);
  EXPECT_EQ(stored_count(script_.entity()), 2u);
  expect_clean();
}

// -- damage
// ------------------------------------------------------------------------------------------------------

TEST_F(rocksdb_store_test, refuses_a_flipped_bit_anywhere_in_the_log_of_acknowledged_commits) {
  open();
  commit(script_.open());
  for (int i = 0; i < 40; ++i)
    commit(script_.say("message " + std::to_string(i)));
  close();
  auto log = newest_log();
  auto intact = read_file(log);
  // The first acknowledged commit, one in the middle, and the very last byte.
  for (auto offset : {intact.size() / 40, intact.size() / 2, intact.size() - 1}) {
    flip_bit(log, offset);
    expect_refused("was acknowledged");
    auto report = verify_store({options_.folder, {}, 100, {}});
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->clean());
    EXPECT_LT(report->commit, report->acknowledged);
    write_file(log, intact);
  }
  open();
  EXPECT_EQ(stored_count(script_.entity()), 41u);
  expect_clean();
}

TEST_F(rocksdb_store_test, heals_the_torn_tail_of_a_commit_that_was_never_acknowledged) {
  open();
  commit(script_.open());
  commit(script_.say("acknowledged"));
  auto id = store_->identity().id;
  commit(script_.say("in flight"));
  close();
  ASSERT_TRUE(reset_watermark(watermark_path(options_.folder), {id, 2}));
  auto bytes = read_file(newest_log());
  write_file(newest_log(), std::string_view(bytes).substr(0, bytes.size() - 5));
  open();
  EXPECT_EQ(stored_count(script_.entity()), 2u);
  EXPECT_EQ(store_->applied_position(shard), 2u);
  conversation_script again(script_.entity(), *store_->load_conversation(script_.entity()));
  commit(again.say("in flight"));
  expect_clean();
}

TEST_F(rocksdb_store_test, never_serves_what_a_flipped_bit_in_a_table_has_made_of_it) {
  open();
  commit(script_.open());
  for (int i = 0; i < 200; ++i)
    commit(script_.say("message " + std::to_string(i) + std::string(300, 'x')));
  open(); // recovery writes tables
  auto truth = store_->read_events(script_.entity(), 1, all, all);
  ASSERT_TRUE(truth);
  close();

  auto whole = options_.folder;
  auto copy = folder_ / "copy";
  auto tables = files_of(whole, ".sst");
  ASSERT_FALSE(tables.empty());
  std::size_t found_by_reading = 0;
  std::size_t found_by_verify = 0;
  for (const auto& table : tables) {
    auto size = std::filesystem::file_size(table);
    for (std::size_t step = 1; step < 8; ++step) {
      copy_folder(whole, copy);
      flip_bit(copy + table.substr(whole.size()), size * step / 8);
      options_.folder = copy;
      auto report = verify_store({copy, {}, 100, {}});
      ASSERT_TRUE(report);
      if (!report->clean())
        ++found_by_verify;
      auto opened = try_open();
      if (!opened) {
        EXPECT_EQ(opened.failure().code, errc::corrupt) << opened.failure().message;
        ++found_by_reading;
        continue;
      }
      auto page = (*opened)->read_events(script_.entity(), 1, all, all);
      if (page)
        EXPECT_TRUE(*page == *truth);
      else
        EXPECT_EQ(page.failure().code, errc::corrupt) << page.failure().message;
      if (!page)
        ++found_by_reading;
    }
  }
  EXPECT_GE(found_by_reading, 6u); // nearly all of the events' table is its events
  EXPECT_GE(found_by_verify, found_by_reading);
}

TEST_F(rocksdb_store_test, does_not_serve_an_event_whose_part_is_not_the_one_it_was_stored_with) {
  open();
  commit(script_.open("the truth"));
  auto stored = *store_->read_event(script_.entity(), 1);
  close();
  // A bit that turned in memory before the block was written: every checksum of RocksDB's is right.
  stored.public_bytes.back() = static_cast<char>(stored.public_bytes.back() ^ 1);
  {
    std::unique_ptr<database> raw;
    database_settings settings{
      database_path(options_.folder), {}, 8u << 20, options_.now, {}, {}, nullptr};
    ASSERT_TRUE(database::open(settings, false, raw).ok());
    ASSERT_TRUE(raw->db()
                  .Put({}, raw->of(family::events), slice(encode_event_key(script_.entity(), 1)),
                       proto::encode_event(stored))
                  .ok());
  }
  open();
  EXPECT_EQ(store_->read_event(script_.entity(), 1).failure().code, errc::corrupt);
  EXPECT_EQ(store_->read_events(script_.entity(), 1, 10, all).failure().code, errc::corrupt);
  EXPECT_EQ(store_->read_visible_before(script_.entity(), 0, 10, all).failure().code,
            errc::corrupt);
  EXPECT_EQ(store_->state(), store_state::writable);
}

TEST_F(rocksdb_store_test, does_not_serve_a_page_with_a_hole) {
  open();
  commit(script_.open());
  commit(script_.say("x", 4));
  close();
  {
    std::unique_ptr<database> raw;
    database_settings settings{
      database_path(options_.folder), {}, 8u << 20, options_.now, {}, {}, nullptr};
    ASSERT_TRUE(database::open(settings, false, raw).ok());
    ASSERT_TRUE(raw->db()
                  .Delete({}, raw->of(family::events), slice(encode_event_key(script_.entity(), 3)))
                  .ok());
  }
  open();
  EXPECT_EQ(store_->read_events(script_.entity(), 1, 10, all).failure().code, errc::corrupt);
  EXPECT_EQ(store_->read_events_before(script_.entity(), 0, 10, all).failure().code, errc::corrupt);
  EXPECT_EQ(store_->read_visible(script_.entity(), 1, 10, all).failure().code, errc::corrupt);
  EXPECT_EQ(store_->load_conversation(script_.entity()).has_value(), false);
}

// -- a disk that fails
// -------------------------------------------------------------------------------------------

TEST_F(rocksdb_store_test, acknowledges_nothing_and_writes_nothing_more_after_a_failed_sync) {
  use_faults();
  open();
  commit(script_.open());
  commit(script_.say("safe"));
  auto safe = script_;
  faults_->set({.suffix = ".log", .sync_error = EIO});

  auto failed = try_commit(script_.say("lost?"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.failure().code, errc::storage_failed);
  EXPECT_EQ(store_->state(), store_state::failed);
  faults_->heal();
  auto appended = faults_->bytes_appended();
  EXPECT_EQ(store_->probe(), store_state::failed);
  EXPECT_EQ(try_commit(safe.say("again")).failure().code, errc::storage_failed);
  EXPECT_EQ(faults_->bytes_appended(), appended);

  // Reads go on, and see what was acknowledged.
  EXPECT_EQ(stored_count(script_.entity()), 2u);
  EXPECT_TRUE(store_->load_conversation(script_.entity()));
  EXPECT_EQ(store_->applied_position(shard), 2u);
  EXPECT_EQ((*read_watermark(watermark_path(options_.folder)))->commit, 2u);

  open();
  EXPECT_EQ(store_->state(), store_state::writable);
  EXPECT_GE(stored_count(script_.entity()), 2u);
  expect_clean();
}

TEST_F(rocksdb_store_test, fails_for_good_when_an_append_to_the_log_fails) {
  use_faults();
  open();
  commit(script_.open());
  faults_->set({.suffix = ".log", .append_error = EIO});
  EXPECT_EQ(try_commit(script_.say("x")).failure().code, errc::storage_failed);
  EXPECT_EQ(store_->state(), store_state::failed);
  faults_->heal();
  EXPECT_EQ(store_->probe(), store_state::failed);
  EXPECT_EQ(stored_count(script_.entity()), 1u);
}

TEST_F(rocksdb_store_test, acknowledges_nothing_that_it_cannot_mark) {
  open();
  // The log's first record fits below this size, the watermark's second slot does not.
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  rlimit tight{4096, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  auto tried = try_commit(script_.open());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  ::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.failure().code, errc::storage_failed);
  EXPECT_NE(tried.failure().message.find("watermark"), std::string::npos)
    << tried.failure().message;
  EXPECT_EQ(store_->state(), store_state::failed);
  EXPECT_EQ((*read_watermark(watermark_path(options_.folder)))->commit, 0u);
  // Its outcome was unknown; a restart tells.
  open();
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  commit(script_.say("x"));
  expect_clean();
}

TEST_F(rocksdb_store_test, refuses_before_writing_when_the_disk_has_little_room) {
  use_faults();
  options_.limits.disk_free_bytes_min = 1000;
  faults_->set_free_bytes(1000);
  open();
  commit(script_.open());
  faults_->set_free_bytes(999);
  EXPECT_EQ(store_->probe(), store_state::full);
  auto appended = faults_->bytes_appended();
  auto before = script_;
  auto refused = try_commit(script_.say("x"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().code, errc::storage_full);
  EXPECT_EQ(faults_->bytes_appended(), appended);
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  EXPECT_EQ(store_->probe(), store_state::full);

  faults_->set_free_bytes(1000);
  EXPECT_EQ(store_->probe(), store_state::writable);
  script_ = before;
  commit(script_.say("x"));
  EXPECT_EQ(stored_count(script_.entity()), 2u);
  expect_clean();
}

TEST_F(rocksdb_store_test, notices_a_filling_disk_by_itself_while_it_writes) {
  use_faults();
  options_.limits.disk_free_bytes_min = 1000;
  faults_->set_free_bytes(1000);
  open();
  commit(script_.open());
  faults_->set_free_bytes(999);
  // A look at the room is good for some megabytes at most.
  bool refused = false;
  for (int i = 0; i < 400 && !refused; ++i) {
    auto tried = try_commit(script_.say(std::string(60000, 'x')));
    if (tried)
      continue;
    EXPECT_EQ(tried.failure().code, errc::storage_full);
    refused = true;
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(store_->state(), store_state::full);
}

// What a failed append has left in the log must not come back when the store recovers: readers have
// seen the conversation without it since.
TEST_F(rocksdb_store_test, goes_on_at_the_last_acknowledged_commit_when_there_is_room_again) {
  for (std::size_t half_written : {std::size_t{0}, std::size_t{100}, std::size_t{1} << 20}) {
    SCOPED_TRACE(half_written);
    options_.folder = folder_ / std::to_string(half_written);
    use_faults();
    open();
    conversation_script script(shop, shard, 1);
    commit(script.open());
    commit(script.say("safe"));
    auto before = script;
    faults_->set({.suffix = ".log", .append_error = ENOSPC, .append_bytes = half_written});

    auto failed = try_commit(script.say("lost"));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.failure().code, errc::storage_full);
    EXPECT_EQ(store_->state(), store_state::full);
    EXPECT_EQ(try_commit(script.say("refused")).failure().code, errc::storage_full);
    EXPECT_EQ(stored_count(script.entity()), 2u);

    // Still no room: it cannot be opened anew, and reads go on.
    faults_->set({.suffix = "", .append_error = ENOSPC, .create_error = ENOSPC});
    EXPECT_EQ(store_->probe(), store_state::full);
    EXPECT_EQ(stored_count(script.entity()), 2u);

    faults_->heal();
    EXPECT_EQ(store_->probe(), store_state::writable);
    EXPECT_EQ(stored_count(script.entity()), 2u);
    EXPECT_EQ(store_->applied_position(shard), 2u);
    commit(before.say("after"));
    auto event = store_->read_event(script.entity(), 3);
    ASSERT_TRUE(event);
    EXPECT_EQ(conversation_script::text_of(*event), "after");
    open();
    EXPECT_EQ(stored_count(script.entity()), 3u);
    expect_clean();
  }
}

TEST_F(rocksdb_store_test, drops_a_whole_record_whose_sync_met_a_full_disk) {
  use_faults();
  open();
  commit(script_.open());
  auto before = script_;
  faults_->set({.suffix = ".log", .sync_error = ENOSPC});
  EXPECT_EQ(try_commit(script_.say("lost")).failure().code, errc::storage_full);
  faults_->heal();
  EXPECT_EQ(store_->probe(), store_state::writable);
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  commit(before.say("after"));
  open();
  EXPECT_EQ(conversation_script::text_of(*store_->read_event(script_.entity(), 2)), "after");
  expect_clean();
}

TEST_F(rocksdb_store_test, goes_on_after_a_disk_was_read_only) {
  use_faults();
  open();
  commit(script_.open());
  auto before = script_;
  faults_->set({.suffix = ".log", .append_error = EROFS, .create_error = EROFS});
  auto failed = try_commit(script_.say("x"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.failure().code, errc::storage_failed);
  EXPECT_EQ(store_->state(), store_state::read_only);
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  EXPECT_EQ(store_->probe(), store_state::read_only);
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  faults_->heal();
  EXPECT_EQ(store_->probe(), store_state::writable);
  commit(before.say("after"));
  EXPECT_EQ(stored_count(script_.entity()), 2u);
  expect_clean();
}

TEST_F(rocksdb_store_test, stops_when_a_flush_behind_its_back_fails) {
  use_faults();
  open();
  commit(script_.open());
  faults_->set({.suffix = ".sst", .append_error = EIO, .create_error = EIO});
  // More than a memtable holds; the flush runs on a thread of RocksDB's.
  std::size_t acknowledged = 1;
  bool refused = false;
  for (int i = 0; i < 100000 && !refused; ++i) {
    if (faults_->faults_raised() > 0)
      std::this_thread::yield();
    auto tried = try_commit(script_.say(std::string(60000, 'x')));
    if (tried)
      ++acknowledged;
    else {
      EXPECT_EQ(tried.failure().code, errc::storage_failed);
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(store_->state(), store_state::failed);
  EXPECT_EQ(stored_count(script_.entity()), acknowledged);
  close();
  faults_->heal();
  open();
  EXPECT_EQ(stored_count(script_.entity()), acknowledged);
  expect_clean();
}

TEST_F(rocksdb_store_test, recovers_from_a_real_full_disk) {
  auto mount_point = folder_ / "small";
  std::filesystem::create_directory(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=24m") != 0)
    GTEST_SKIP() << "mounting needs privileges: " << std::strerror(errno);

  struct unmounter {
    std::string path;

    ~unmounter() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{mount_point};

  // The watermark is off, so that the disk itself refuses.
  options_.folder = mount_point + "/store";
  options_.limits.disk_free_bytes_min = 0;
  open();
  write_file(mount_point + "/ballast", std::string(8u << 20, 'b'));
  commit(script_.open());
  std::size_t acknowledged = 1;
  auto safe = script_;
  for (int i = 0; i < 1000; ++i) {
    safe = script_;
    auto tried = try_commit(script_.say(std::string(60000, static_cast<char>('a' + i % 26))));
    if (!tried) {
      EXPECT_EQ(tried.failure().code, errc::storage_full) << tried.failure().message;
      break;
    }
    ++acknowledged;
  }
  ASSERT_EQ(store_->state(), store_state::full);
  EXPECT_EQ(stored_count(script_.entity()), acknowledged);
  // Not even a small file fits while another one takes the rest.
  {
    int filler = ::open((mount_point + "/filler").c_str(), O_WRONLY | O_CREAT, 0600);
    std::string block(4096, 'f');
    while (::write(filler, block.data(), block.size()) > 0) {
    }
    ::close(filler);
  }
  EXPECT_EQ(store_->probe(), store_state::full);
  EXPECT_EQ(stored_count(script_.entity()), acknowledged);

  std::filesystem::remove(mount_point + "/filler");
  std::filesystem::remove(mount_point + "/ballast");
  EXPECT_EQ(store_->probe(), store_state::writable);
  EXPECT_EQ(stored_count(script_.entity()), acknowledged);
  auto next = try_commit(safe.say("room again"));
  ASSERT_TRUE(next) << next.failure().message;
  open();
  EXPECT_EQ(stored_count(script_.entity()), acknowledged + 1);
  expect_clean();
}

TEST_F(rocksdb_store_test, says_that_a_read_only_disk_cannot_be_opened) {
  auto mount_point = folder_ / "fixed";
  std::filesystem::create_directory(mount_point);
  if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=16m") != 0)
    GTEST_SKIP() << "mounting needs privileges: " << std::strerror(errno);

  struct unmounter {
    std::string path;

    ~unmounter() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{mount_point};

  options_.folder = mount_point + "/store";
  options_.limits.disk_free_bytes_min = 0;
  open();
  commit(script_.open());
  close();
  ASSERT_EQ(::mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=16m"), 0);
  auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.failure().code, errc::storage_failed) << opened.failure().message;
  // To look at it is allowed.
  auto report = verify_store({options_.folder, {}, 100, {}});
  ASSERT_TRUE(report) << report.failure().message;
  EXPECT_TRUE(report->clean());
  ASSERT_EQ(::mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0);
  open();
  EXPECT_EQ(stored_count(script_.entity()), 1u);
  close();
}

// -- the rest
// ----------------------------------------------------------------------------------------------------

TEST_F(rocksdb_store_test, drops_forgotten_dedup_keys_when_it_compacts) {
  open();
  auto opening = script_.open();
  constexpr unix_ms created = 1700000000000;
  opening.dedups
    = {{script_.visitor_entity(), "old", proto::encode_opening(script_.id(), created)},
       {script_.visitor_entity(), "new", proto::encode_opening(script_.id(), created + 10)},
       {script_.visitor_entity(), "odd", "?"}};
  commit(opening);
  close();
  std::unique_ptr<database> raw;
  auto later = [] { return unix_ms{1700000000000 + 7 * 24 * 3600 * 1000 + 5}; };
  ASSERT_TRUE(database::open({database_path(options_.folder), {}, 8u << 20, later, {}, {}, nullptr},
                             false, raw)
                .ok());
  rocksdb::CompactRangeOptions everything;
  everything.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  ASSERT_TRUE(raw->db().CompactRange(everything, raw->of(family::dedup), nullptr, nullptr).ok());
  auto there = [&](std::string_view key) {
    return raw->get(family::dedup, encode_dedup_key(script_.visitor_entity(), key))->has_value();
  };
  EXPECT_FALSE(there("old"));
  EXPECT_TRUE(there("new"));
  EXPECT_TRUE(there("odd")); // what cannot be understood is left for somebody to find
}

TEST_F(rocksdb_store_test, reports_a_dedup_entry_that_it_does_not_understand) {
  open();
  auto opening = script_.open();
  opening.dedups = {{script_.visitor_entity(), "odd", ""}};
  commit(opening);
  EXPECT_FALSE(store_->get_dedup(script_.visitor_entity(), "odd"));
}

TEST_F(rocksdb_store_test, is_read_while_it_is_written) {
  open();
  commit(script_.open());
  auto entity = script_.entity();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> pages{0};
  std::thread reader([&] {
    message_seq newest = 0;
    while (!done || pages == 0) {
      auto page = store_->read_events_before(entity, 0, 10, all);
      if (!page || page->empty() || page->back().seq < newest) {
        ADD_FAILURE() << "a reader went back in time";
        break;
      }
      newest = page->back().seq;
      if (!store_->load_conversation(entity) || !store_->scan_open(shop))
        ADD_FAILURE() << "a reader failed";
      ++pages;
    }
  });
  for (int i = 0; i < 300; ++i)
    commit(script_.say("x"));
  done = true;
  reader.join();
  EXPECT_EQ(stored_count(entity), 301u);
}

} // namespace frontdesk::persistence

namespace frontdesk::test {

INSTANTIATE_TEST_SUITE_P(rocksdb, event_store_contract,
                         ::testing::Values(engine_choice{
                           "rocksdb",
                           [] { return std::make_unique<persistence::rocksdb_engine>(); }}));

} // namespace frontdesk::test
