#include "domain/ids.hpp"
#include "domain/limits.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>

namespace {

using namespace frontdesk::domain;

TEST(ids, text_is_32_lower_case_digits) {
  account_id id;
  for (std::uint8_t i = 0; i < 16; ++i)
    id.bytes[i] = static_cast<std::uint8_t>(i * 17);
  EXPECT_EQ(to_string(id), "00112233445566778899aabbccddeeff");
}

TEST(ids, only_16_bytes_are_an_id) {
  EXPECT_FALSE(visitor_id::from_bytes(""));
  EXPECT_FALSE(visitor_id::from_bytes(std::string(15, 'x')));
  EXPECT_FALSE(visitor_id::from_bytes(std::string(17, 'x')));
  ASSERT_TRUE(visitor_id::from_bytes(std::string(16, 'x')));
}

TEST(ids, hexadecimal_is_even_and_has_digits_only) {
  EXPECT_EQ(from_hex("0aFf"), std::string("\x0a\xff"));
  EXPECT_EQ(from_hex(""), "");
  EXPECT_EQ(from_hex("abc"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
  EXPECT_EQ(from_hex("0x"), std::nullopt);
}

TEST(ids, the_configuration_shard_and_shards_beyond_the_last_hold_no_conversation) {
  EXPECT_EQ(shard_of(make_conversation_id(shard_id{0}, 1, 1)), std::nullopt);
  EXPECT_EQ(shard_of(make_conversation_id(shard_id{64}, 1, 1)), std::nullopt);
  EXPECT_EQ(shard_of(make_conversation_id(shard_id{63}, 1, 1)), shard_id{63});
}

TEST(ids, conversations_of_a_shard_order_by_time) {
  const auto early = make_conversation_id(shard_id{5}, 1'700'000'000'000, ~0ull);
  const auto late = make_conversation_id(shard_id{5}, 1'700'000'000'001, 0);
  EXPECT_LT(early, late);
}

TEST(ids, the_largest_message_number_is_safe_in_javascript_for_134_million_conversations_a_shard) {
  const auto counter = (1ull << 53 >> 20) / shard_count - 1; // 2^27 - 1 a shard
  const auto number = message_number(public_number(counter, shard_id{63}), conversation_events_max);
  EXPECT_LE(number, (1ull << 53) - 1);
}

RC_GTEST_PROP(ids, hexadecimal_goes_both_ways, (const std::string& bytes)) {
  RC_ASSERT(from_hex(to_hex(bytes)) == bytes);
}

RC_GTEST_PROP(ids, a_conversation_id_holds_shard_time_and_randomness, ()) {
  const auto shard = *rc::gen::inRange<std::uint16_t>(1, shard_count);
  const auto time = *rc::gen::inRange<unix_ms>(0, (1ll << 48) - 1);
  const auto random = *rc::gen::arbitrary<std::uint64_t>();
  const auto id = make_conversation_id(shard_id{shard}, time, random);
  RC_ASSERT(shard_of(id) == shard_id{shard});
  std::uint64_t read_time = 0;
  for (int i = 2; i < 8; ++i)
    read_time = read_time << 8 | id.bytes[i];
  std::uint64_t read_random = 0;
  for (int i = 8; i < 16; ++i)
    read_random = read_random << 8 | id.bytes[i];
  RC_ASSERT(read_time == static_cast<std::uint64_t>(time));
  RC_ASSERT(read_random == random);
}

RC_GTEST_PROP(ids, numbers_for_people_can_be_taken_apart_again, ()) {
  const auto counter = *rc::gen::inRange<std::uint64_t>(1, 1ull << 27);
  const auto shard = *rc::gen::inRange<std::uint16_t>(1, shard_count);
  const auto seq = *rc::gen::inRange<message_seq>(1, conversation_events_max + 1);
  const auto conversation = public_number(counter, shard_id{shard});
  const auto message = message_number(conversation, seq);
  RC_ASSERT(conversation / shard_count == counter);
  RC_ASSERT(conversation % shard_count == shard);
  RC_ASSERT(message >> 20 == conversation);
  RC_ASSERT((message & conversation_events_max) == seq);
}

RC_GTEST_PROP(ids, order_is_the_order_of_the_bytes,
              (const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b)) {
  RC_ASSERT((account_id{a} < account_id{b})
            == (to_hex(account_id{a}.view()) < to_hex(account_id{b}.view())));
}

TEST(limits, every_standard_value_lies_within_its_bounds_and_is_the_members_own) {
  const limits standard;
  std::set<std::string_view> names;
  for (const auto& row : limit_descriptions()) {
    EXPECT_LE(row.least, row.standard) << row.name;
    EXPECT_LE(row.standard, row.most) << row.name;
    EXPECT_EQ(standard.*row.member, row.standard) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

} // namespace
