#include "crypto/crypto.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"
#include "tests/proto/samples.hpp"
#include "tests/support/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace frontdesk {

namespace {

using namespace domain;
using test::sample_id;

constexpr unix_ms noon = 1'700'000'000'123;
constexpr std::uint64_t large = 0xFEDC'BA98'7654'3210;
constexpr std::uint64_t padding = 0x0807'0605'0403'0201;

const auto talk = sample_id<conversation_id>(0x01);
const auto client = sample_id<client_id>(0x41);
const auto ann = sample_id<entity_id>(0x51);
const auto bob = sample_id<entity_id>(0x61);
const auto sales = sample_id<team_id>(0x71);
const auto shop = sample_id<inbox_id>(0xF0);
const std::string key_bytes = "0123456789abcdef0123456789ABCDEF";

/// The stored bytes of this name; written first where that was asked for.
std::string golden(const std::string& name, const std::string& encoded) {
  if (test::rewriting_goldens()) {
    EXPECT_TRUE(test::write_record_golden(name, encoded));
  }
  auto loaded = test::load_record_golden(name);
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.failure().message);
  return loaded ? *loaded : std::string();
}

template <class Value>
void check(const std::string& name, const Value& expected,
           result<Value> (*decode)(std::string_view)) {
  SCOPED_TRACE(name);
  auto encoded = proto::encode(expected);
  auto bytes = golden(name, encoded);
  auto decoded = decode(bytes);
  ASSERT_TRUE(decoded) << decoded.failure().message;
  EXPECT_TRUE(*decoded == expected);
  EXPECT_EQ(to_hex(encoded), to_hex(bytes));
}

stored_event message_event() {
  stored_event event;
  event.seq = 12;
  event.header.kind = event_kind::message;
  event.header.visible_seq = 9;
  event.header.time = noon;
  event.header.author = {participant_kind::account, bob};
  event.header.client = {client, large};
  event.public_bytes = proto::seal_part(
    proto::encode(public_part{{participant_kind::account, "Bob"}, text_content{"Hello, 你好", 3}}),
    padding);
  event.staff_bytes
    = proto::seal_part(proto::encode(staff_part{text_content{"for staff", 4}}), padding + 1);
  event.header.public_hash = crypto::hash64(event.public_bytes);
  event.header.staff_hash = crypto::hash64(event.staff_bytes);
  return event;
}

stored_event hidden_note() {
  auto event = message_event();
  event.header.kind = event_kind::note;
  event.header.hidden = true;
  event.header.public_hash = 0;
  event.public_bytes.clear();
  return event;
}

stored_event edited_message() {
  auto event = message_event();
  event.revision = 14;
  event.public_bytes = proto::seal_part(
    proto::encode(public_part{{participant_kind::account, "Bob"}, recalled_content{}}),
    padding + 2);
  event.staff_bytes.clear();
  return event;
}

stored_event edit_without_parts() {
  stored_event event;
  event.seq = 14;
  event.header.kind = event_kind::edit;
  event.header.visible_seq = 10;
  event.header.time = noon + 5;
  event.header.author = {participant_kind::visitor, ann};
  event.header.target = 12;
  return event;
}

TEST(golden_records, events_are_read_and_written_as_they_always_were) {
  const std::pair<const char*, stored_event> events[] = {
    {"event_message", message_event()},
    {"event_note", hidden_note()},
    {"event_edited", edited_message()},
    {"event_edit", edit_without_parts()},
  };
  for (const auto& [name, expected] : events) {
    SCOPED_TRACE(name);
    auto encoded = proto::encode_event(expected);
    auto bytes = golden(name, encoded);
    auto decoded = proto::decode_event(expected.seq, bytes);
    ASSERT_TRUE(decoded) << decoded.failure().message;
    EXPECT_TRUE(*decoded == expected);
    EXPECT_EQ(to_hex(encoded), to_hex(bytes));
  }
}

template <class Part>
void check_part(const std::string& name, const Part& expected,
                result<Part> (*decode)(std::string_view)) {
  SCOPED_TRACE(name);
  auto sealed = proto::seal_part(proto::encode(expected), padding);
  auto bytes = golden(name, sealed);
  auto content = proto::open_part(bytes);
  ASSERT_TRUE(content) << content.failure().message;
  auto decoded = decode(*content);
  ASSERT_TRUE(decoded) << decoded.failure().message;
  EXPECT_TRUE(*decoded == expected);
  EXPECT_EQ(to_hex(sealed), to_hex(bytes));
}

TEST(golden_records, parts_are_read_and_written_as_they_always_were) {
  const public_profile author{participant_kind::visitor, "Ann"};
  check_part("part_public_text", public_part{author, text_content{"Hello, 你好", large}},
             proto::decode_public_part);
  check_part("part_public_assignment",
             public_part{author, assignment_content{{participant_kind::account, "Bob"}}},
             proto::decode_public_part);
  check_part("part_public_status",
             public_part{author, status_content{conversation_status::resolved}},
             proto::decode_public_part);
  check_part("part_public_recalled", public_part{author, recalled_content{}},
             proto::decode_public_part);
  check_part("part_staff_text", staff_part{text_content{"between us", 3}},
             proto::decode_staff_part);
  check_part("part_staff_assignment",
             staff_part{staff_assignment{id_cast<account_id>(bob), sales, large}},
             proto::decode_staff_part);
  check_part("part_staff_recalled", staff_part{recalled_content{}}, proto::decode_staff_part);
}

TEST(golden_records, heads_rows_and_state_entries_are_read_and_written_as_they_always_were) {
  conversation_head head;
  head.seq = 140;
  head.visible_seq = 120;
  head.status = conversation_status::active;
  head.number = 323;
  head.visitor = id_cast<visitor_id>(ann);
  head.inbox = shop;
  head.assignee = id_cast<account_id>(bob);
  head.team = sales;
  head.assignee_profile = {participant_kind::account, "Bob"};
  head.visitor_name = "Ann 安";
  head.created = noon;
  head.waiting_since = noon + 1;
  head.last_activity = noon + 2;
  head.fence = large;
  head.clients
    = {{{participant_kind::visitor, ann}, client, 7, 12, 9, noon + 3},
       {{participant_kind::account, bob}, sample_id<client_id>(0x81), large, 140, 120, noon + 4}};
  check("head", head, proto::decode_head);
  check("head_minimal", conversation_head{}, proto::decode_head);

  open_row row;
  row.conversation = talk;
  row.number = 323;
  row.status = conversation_status::waiting;
  row.visitor = id_cast<visitor_id>(ann);
  row.visitor_name = "Ann";
  row.inbox = shop;
  row.team = sales;
  row.assignee = id_cast<account_id>(bob);
  row.assignee_name = "Bob";
  row.created = noon;
  row.waiting_since = noon + 1;
  row.seq = 12;
  row.excerpt = "Where is my parcel?";
  check("open_row", row, proto::decode_open_row);
  check("pointer", pointer{{participant_kind::account, bob}, 12, 11}, proto::decode_pointer);
}

TEST(golden_records, configuration_is_read_and_written_as_it_always_was) {
  check("visitor", visitor_record{shop, "Ann 安", noon}, proto::decode_visitor);
  check("account", account_record{"Bob", role::supervisor, true, sales, 4, noon},
        proto::decode_account);
  check("token", token_record{key_bytes, noon, noon + 1, "laptop"}, proto::decode_token);
  check("tenant", tenant_record{"A shop", key_bytes, noon}, proto::decode_tenant);
  check("inbox",
        inbox_record{"Site", "key", {"https://shop.example", "http://localhost:8080"}, sales, noon},
        proto::decode_inbox);
  check("team", team_record{"Sales"}, proto::decode_team);
}

TEST(golden_records, an_opening_is_read_and_written_as_it_always_was) {
  auto encoded = proto::encode_opening(talk, noon);
  auto bytes = golden("opening", encoded);
  auto decoded = proto::decode_opening(bytes);
  ASSERT_TRUE(decoded) << decoded.failure().message;
  EXPECT_TRUE(decoded->first == talk);
  EXPECT_EQ(decoded->second, noon);
  EXPECT_EQ(to_hex(encoded), to_hex(bytes));
}

TEST(golden_records, every_file_is_of_a_kind_that_is_checked_here) {
  const std::vector<std::string> names{"account",
                                       "event_edit",
                                       "event_edited",
                                       "event_message",
                                       "event_note",
                                       "head",
                                       "head_minimal",
                                       "inbox",
                                       "open_row",
                                       "opening",
                                       "part_public_assignment",
                                       "part_public_recalled",
                                       "part_public_status",
                                       "part_public_text",
                                       "part_staff_assignment",
                                       "part_staff_recalled",
                                       "part_staff_text",
                                       "pointer",
                                       "team",
                                       "tenant",
                                       "token",
                                       "visitor"};
  EXPECT_EQ(test::golden_names("records", ".hex"), names);
}

} // namespace

} // namespace frontdesk
