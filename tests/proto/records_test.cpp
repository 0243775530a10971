#include "crypto/crypto.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"
#include "tests/proto/samples.hpp"

#include <gtest/gtest.h>

namespace frontdesk {

namespace {

using namespace domain;

stored_event sample_event() {
  stored_event event;
  event.seq = 3;
  event.header.kind = event_kind::message;
  event.header.visible_seq = 2;
  event.header.time = 1'700'000'000'000;
  event.header.author = {participant_kind::visitor, test::sample_id<entity_id>(1)};
  event.public_bytes = proto::seal_part("public content", 5);
  event.staff_bytes = proto::seal_part("staff content", 6);
  event.header.public_hash = crypto::hash64(event.public_bytes);
  event.header.staff_hash = crypto::hash64(event.staff_bytes);
  return event;
}

TEST(records, hold_a_part_behind_an_envelope_byte_and_eight_random_bytes) {
  auto sealed = proto::seal_part("content", 0x0807060504030201);
  EXPECT_EQ(sealed, std::string("\0\1\2\3\4\5\6\7\10content", 16));
  auto content = proto::open_part(sealed);
  ASSERT_TRUE(content);
  EXPECT_EQ(*content, "content");
}

TEST(records, open_no_part_of_another_envelope_or_one_that_is_cut) {
  EXPECT_EQ(proto::open_part("").failure().code, errc::corrupt);
  EXPECT_EQ(proto::open_part(std::string_view("\0\1\2\3\4\5\6\7", 8)).failure().code,
            errc::corrupt);
  EXPECT_EQ(proto::open_part("\1encrypted").failure().code, errc::format_unknown);
}

TEST(records, call_a_later_version_unknown_and_no_bytes_corrupt) {
  auto later = [](std::string bytes) {
    bytes[0] = 2;
    return bytes;
  };
  EXPECT_EQ(proto::decode_event(3, later(proto::encode_event(sample_event()))).failure().code,
            errc::format_unknown);
  EXPECT_EQ(proto::header_bytes(later(proto::encode_event(sample_event()))).failure().code,
            errc::format_unknown);
  EXPECT_EQ(proto::decode_head(later(proto::encode(conversation_head{}))).failure().code,
            errc::format_unknown);
  EXPECT_EQ(proto::decode_team(later(proto::encode(team_record{"x"}))).failure().code,
            errc::format_unknown);
  EXPECT_EQ(proto::dedup_created(later(proto::encode_opening({}, 1))).failure().code,
            errc::format_unknown);
  EXPECT_EQ(proto::decode_event(3, "").failure().code, errc::corrupt);
  EXPECT_EQ(proto::decode_team("").failure().code, errc::corrupt);
  EXPECT_EQ(proto::dedup_created("").failure().code, errc::corrupt);
}

TEST(records, notice_a_changed_byte_in_a_part) {
  auto bytes = proto::encode_event(sample_event());
  for (std::string_view content : {"public content", "staff content"}) {
    auto damaged = bytes;
    damaged[damaged.find(content)] ^= 0x20;
    auto decoded = proto::decode_event(3, damaged);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.failure().code, errc::corrupt);
  }
}

TEST(records, refuse_an_event_whose_header_says_there_is_a_part_and_there_is_none) {
  auto event = sample_event();
  event.staff_bytes.clear();
  auto decoded = proto::decode_event(3, proto::encode_event(event));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.failure().code, errc::corrupt);
}

TEST(records, refuse_an_event_with_bytes_behind_its_end) {
  auto decoded = proto::decode_event(3, proto::encode_event(sample_event()) + '\0');
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.failure().code, errc::corrupt);
}

TEST(records, keep_the_header_of_an_event_whose_parts_are_rewritten) {
  auto event = sample_event();
  auto bytes = proto::encode_event(event);
  auto first = proto::rewrite_event(bytes, 9, proto::seal_part("better", 7), {});
  ASSERT_TRUE(first);
  auto second = proto::rewrite_event(*first, 11, {}, {});
  ASSERT_TRUE(second);
  EXPECT_EQ(*proto::header_bytes(bytes), *proto::header_bytes(*first));
  EXPECT_EQ(*proto::header_bytes(bytes), *proto::header_bytes(*second));

  event.revision = 9;
  event.public_bytes = proto::seal_part("better", 7);
  event.staff_bytes.clear();
  auto decoded = proto::decode_event(3, *first);
  ASSERT_TRUE(decoded) << decoded.failure().message;
  EXPECT_TRUE(*decoded == event);
  EXPECT_EQ(*first, proto::encode_event(event));

  auto erased = proto::decode_event(3, *second);
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->revision, 11u);
  EXPECT_TRUE(erased->public_bytes.empty());
  EXPECT_EQ(second->find("content"), std::string::npos);
}

TEST(records, rewrite_no_event_without_naming_what_changed_it) {
  auto rewritten = proto::rewrite_event(proto::encode_event(sample_event()), 0, {}, {});
  ASSERT_FALSE(rewritten);
  EXPECT_EQ(rewritten.failure().code, errc::internal);
}

TEST(records, notice_damage_to_the_parts_of_a_rewritten_event) {
  auto bytes = proto::rewrite_event(proto::encode_event(sample_event()), 9,
                                    proto::seal_part("better", 7), {});
  ASSERT_TRUE(bytes);
  (*bytes)[bytes->find("better")] ^= 1;
  auto decoded = proto::decode_event(3, *bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.failure().code, errc::corrupt);
}

TEST(records, refuse_values_that_the_domain_does_not_know) {
  auto account = proto::encode(account_record{"Bob", static_cast<role>(9), false, {}, 0, 0});
  EXPECT_EQ(proto::decode_account(account).failure().code, errc::format_unknown);
  account = proto::encode(account_record{"Bob", static_cast<role>(0), false, {}, 0, 0});
  EXPECT_EQ(proto::decode_account(account).failure().code, errc::corrupt);
  auto event = sample_event();
  event.header.kind = static_cast<event_kind>(8);
  EXPECT_EQ(proto::decode_event(3, proto::encode_event(event)).failure().code,
            errc::format_unknown);
}

TEST(records, refuse_ids_and_secrets_of_a_wrong_length) {
  // version, then field 1 of three bytes
  EXPECT_EQ(proto::decode_visitor(std::string_view("\1\12\3abc", 6)).failure().code, errc::corrupt);
  EXPECT_EQ(proto::decode_token(proto::encode(token_record{"short", 1, 0, ""})).failure().code,
            errc::corrupt);
  EXPECT_EQ(proto::decode_tenant(proto::encode(tenant_record{"shop", "", 1})).failure().code,
            errc::corrupt);
}

TEST(records, tell_the_age_of_a_dedup_value_without_knowing_what_it_is) {
  const unix_ms created = 0x0000018B'CFE56800;
  auto opening = proto::encode_opening(test::sample_id<conversation_id>(1), created);
  EXPECT_EQ(opening.substr(0, 9), std::string("\1\0\0\1\x8B\xCF\xE5\x68\0", 9));
  EXPECT_EQ(*proto::dedup_created(opening), created);
  EXPECT_EQ(*proto::dedup_created(opening.substr(0, 9) + "anything"), created);
  EXPECT_EQ(proto::dedup_created(opening.substr(0, 8)).failure().code, errc::corrupt);
  EXPECT_EQ(proto::decode_opening(opening.substr(0, 9)).failure().code, errc::corrupt);
}

TEST(records, refuse_an_opening_of_the_zero_conversation) {
  auto spelled_out = proto::encode_opening({}, 1) + "\x0A\x10" + std::string(16, '\0');
  EXPECT_EQ(proto::decode_opening(spelled_out).failure().code, errc::corrupt);
}

} // namespace

} // namespace frontdesk
