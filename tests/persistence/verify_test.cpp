#include "persistence/database.hpp"
#include "persistence/key_layout.hpp"
#include "persistence/rocksdb_store.hpp"
#include "persistence/verify.hpp"
#include "persistence/watermark.hpp"
#include "proto/records.hpp"
#include "tests/persistence/conversation_script.hpp"
#include "tests/persistence/store_files.hpp"
#include "tests/persistence/temporary_folder.hpp"

#include <gtest/gtest.h>

namespace frontdesk::persistence {

using namespace domain;
using namespace frontdesk::test;

namespace {

constexpr tenant_id shop{1};

class verify_test : public ::testing::Test {
protected:
  void SetUp() override {
    write({first_.open(), first_.say("a", 3), first_.note("n"),
           first_.assign(numbered<account_id>(9)), second_.open(), second_.edit(1, "changed"),
           second_.say("b", 2), second_.resolve()});
  }

  void write(const std::vector<append>& appends) {
    auto store = open_store({.folder = folder()});
    ASSERT_TRUE(store) << store.failure().message;
    for (const auto& each : appends) {
      const append* pointer = &each;
      ASSERT_TRUE((*store)->commit({&pointer, 1}));
    }
  }

  /// Behind the store's back.
  void change(family which, std::string_view key, std::optional<std::string> bytes) {
    std::unique_ptr<database> raw;
    database_settings settings{
      database_path(folder()), {}, 8u << 20, [] { return unix_ms{0}; }, {}, {}, nullptr};
    ASSERT_TRUE(database::open(settings, false, raw).ok());
    auto status = bytes ? raw->db().Put({}, raw->of(which), slice(key), *bytes)
                        : raw->db().Delete({}, raw->of(which), slice(key));
    ASSERT_TRUE(status.ok());
  }

  std::string value_of(family which, std::string_view key) const {
    std::unique_ptr<database> raw;
    EXPECT_TRUE(
      database::open_read_only({database_path(folder()), {}, 8u << 20, {}, {}, {}, nullptr}, raw)
        .ok());
    return raw->get(which, key)->value();
  }

  static std::string event_key_of(const conversation_script& script, message_seq seq) {
    auto key = encode_event_key(script.entity(), seq);
    return {key.data(), key.size()};
  }

  static std::string head_key_of(const conversation_script& script) {
    auto key = encode_entity(script.entity());
    return {key.data(), key.size()};
  }

  static std::string open_key_of(const conversation_script& script) {
    return encode_state_key({script.open_entity(), state_field::record, {}});
  }

  verify_report verify() const {
    auto before = contents_of(folder());
    auto report = verify_store({folder(), {}, 100, {}});
    EXPECT_TRUE(contents_of(folder()) == before) << "verify changed a file";
    if (!report) {
      ADD_FAILURE() << report.failure().message;
      return {};
    }
    return *report;
  }

  void expect_problem(const std::string& where, const std::string& words) const {
    auto report = verify();
    bool found = false;
    std::string all;
    for (const auto& each : report.problems) {
      found
        |= each.key.find(where) != std::string::npos && each.what.find(words) != std::string::npos;
      all += each.key + ": " + each.what + "\n";
    }
    EXPECT_TRUE(found) << "wanted " << where << ": " << words << "\nfound " << all;
  }

  std::string folder() const { return folder_ / "store"; }

  temporary_folder folder_;
  conversation_script first_{shop, shard_id{5}, 1};
  conversation_script second_{shop, shard_id{6}, 2};
};

} // namespace

TEST_F(verify_test, finds_nothing_in_a_whole_store_and_counts_it) {
  auto report = verify();
  for (const auto& each : report.problems)
    ADD_FAILURE() << each.key << ": " << each.what;
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.commit, 8u);
  EXPECT_EQ(report.acknowledged, 8u);
  EXPECT_EQ(report.conversations, 2u);
  EXPECT_EQ(report.events, 11u);
  EXPECT_EQ(report.heads, 2u);
  EXPECT_EQ(report.open_conversations, 1u);
  EXPECT_EQ(report.state_entries, 5u);
  EXPECT_EQ(report.dedup_entries, 2u);
  EXPECT_TRUE(report.identity.id);
}

TEST_F(verify_test, says_that_there_is_no_store) {
  auto report = verify_store({folder_ / "nothing", {}, 100, {}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.failure().code, errc::not_found);
}

TEST_F(verify_test, does_not_look_at_a_store_in_use) {
  auto store = open_store({.folder = folder()});
  ASSERT_TRUE(store);
  auto report = verify_store({folder(), {}, 100, {}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.failure().code, errc::io);
}

TEST_F(verify_test, refuses_a_newer_format) {
  std::string newer;
  append_u32(newer, store_format + 1);
  change(family::meta, meta_format, newer);
  auto report = verify_store({folder(), {}, 100, {}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.failure().code, errc::format_unknown);
}

TEST_F(verify_test, finds_a_missing_event) {
  change(family::events, event_key_of(first_, 3), std::nullopt);
  expect_problem(to_string(first_.id()) + ", event 4", "events are missing");
  expect_problem("shard 5", "sum");
}

TEST_F(verify_test, finds_a_missing_last_event) {
  change(family::events, event_key_of(first_, first_.seq()), std::nullopt);
  expect_problem(to_string(first_.id()), "its events end at");
  expect_problem("shard 5", "sum");
}

TEST_F(verify_test, finds_a_changed_part) {
  auto bytes = value_of(family::events, event_key_of(first_, 2));
  auto at = bytes.find("Vera");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'W';
  change(family::events, event_key_of(first_, 2), bytes);
  expect_problem(", event 2", "public part");
}

TEST_F(verify_test, finds_a_changed_header) {
  auto event = *proto::decode_event(2, value_of(family::events, event_key_of(first_, 2)));
  event.header.time += 1;
  change(family::events, event_key_of(first_, 2), proto::encode_event(event));
  expect_problem("shard 5", "sum");
}

TEST_F(verify_test, finds_a_wrong_visible_number) {
  auto event = *proto::decode_event(2, value_of(family::events, event_key_of(first_, 2)));
  event.header.visible_seq += 1;
  change(family::events, event_key_of(first_, 2), proto::encode_event(event));
  expect_problem(", event 2", "visible number 3 instead of 2");
}

TEST_F(verify_test, finds_an_event_too_many) {
  auto event = *proto::decode_event(1, value_of(family::events, event_key_of(first_, 1)));
  event.header.visible_seq = first_.visible_seq() + 1;
  change(family::events, event_key_of(first_, first_.seq() + 1), proto::encode_event(event));
  expect_problem("shard 5", "sum");
}

TEST_F(verify_test, finds_a_head_that_contradicts_its_events) {
  auto head = *proto::decode_head(value_of(family::heads, head_key_of(first_)));
  head.status = conversation_status::resolved;
  head.assignee = numbered<account_id>(77);
  head.clients.at(0).last_client_seq += 1;
  change(family::heads, head_key_of(first_), proto::encode(head));
  expect_problem(to_string(first_.id()), "about its status");
  expect_problem(to_string(first_.id()), "about who has it");
  expect_problem(to_string(first_.id()), "about what a client has sent");
}

TEST_F(verify_test, finds_a_missing_head) {
  change(family::heads, head_key_of(first_), std::nullopt);
  expect_problem(to_string(first_.id()), "no head");
}

TEST_F(verify_test, finds_a_damaged_head) {
  change(family::heads, head_key_of(first_), "\x01\xff");
  expect_problem(to_string(first_.id()), "head is damaged");
}

TEST_F(verify_test, finds_a_head_without_events) {
  conversation_script ghost(shop, shard_id{7}, 3);
  static_cast<void>(ghost.open());
  change(family::heads, head_key_of(ghost), proto::encode(ghost.head()));
  expect_problem(to_string(ghost.id()), "no events");
}

TEST_F(verify_test, finds_an_open_conversation_that_is_not_listed) {
  change(family::state, open_key_of(first_), std::nullopt);
  expect_problem(to_string(first_.id()), "is open and not listed");
}

TEST_F(verify_test, finds_a_resolved_conversation_that_is_listed) {
  change(family::state, open_key_of(second_), value_of(family::state, open_key_of(first_)));
  expect_problem(to_string(second_.id()), "is resolved and listed");
}

TEST_F(verify_test, finds_an_open_entry_that_contradicts_the_events) {
  auto row = *proto::decode_open_row(value_of(family::state, open_key_of(first_)));
  row.assignee = numbered<account_id>(77);
  change(family::state, open_key_of(first_), proto::encode(row));
  expect_problem(to_string(first_.id()), "open entry says otherwise");
}

TEST_F(verify_test, finds_an_open_entry_of_nothing) {
  conversation_script ghost(shop, shard_id{7}, 3);
  change(family::state, open_key_of(ghost), value_of(family::state, open_key_of(first_)));
  expect_problem(to_string(ghost.id()), "no events");
}

TEST_F(verify_test, finds_keys_and_entries_that_mean_nothing) {
  change(family::events, std::string(31, '\xee'), "x");
  change(family::state, "odd", "x");
  change(family::dedup, encode_dedup_key(first_.entity(), "k"), "");
  change(family::state,
         encode_state_key({first_.entity(), state_field::pointer, numbered<entity_id>(3)}),
         "\x01\xff");
  expect_problem("eeee", "no key of an event");
  expect_problem(to_hex("odd"), "no key of a state entry");
  expect_problem(to_hex("k"), "dedup");
  expect_problem(to_string(first_.id()), "pointer is damaged");
}

TEST_F(verify_test, finds_a_recovery_below_the_watermark) {
  auto mark = **read_watermark(watermark_path(folder()));
  ASSERT_TRUE(reset_watermark(watermark_path(folder()), {mark.store, 99}));
  expect_problem("rocksdb", "commit 99 was acknowledged");
  std::filesystem::remove(watermark_path(folder()));
  expect_problem("watermark", "missing");
}

TEST_F(verify_test, reports_a_database_that_cannot_be_opened) {
  auto current = files_of(folder(), "CURRENT").at(0);
  write_file(current, "MANIFEST-999999\n");
  auto report = verify();
  EXPECT_FALSE(report.clean());
}

TEST_F(verify_test, counts_problems_beyond_those_it_lists) {
  for (message_seq seq = 1; seq <= first_.seq(); ++seq)
    change(family::events, event_key_of(first_, seq), "damaged");
  auto report = verify_store({folder(), {}, 3, {}});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->problems.size(), 3u);
  EXPECT_GT(report->problems_found, 6u);
}

} // namespace frontdesk::persistence
