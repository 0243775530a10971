#include "persistence/key_layout.hpp"
#include "tests/persistence/conversation_script.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace frontdesk::persistence {

using namespace domain;
using test::numbered;

namespace {

const entity_key sample{shard_id{0x0102}, tenant_id{0x03040506}, entity_kind::conversation,
                        *entity_id::from_bytes("ABCDEFGHIJKLMNOP")};
const entity_key in_range{shard_id{0x003F}, tenant_id{0x03040506}, entity_kind::conversation,
                          *entity_id::from_bytes("ABCDEFGHIJKLMNOP")};

std::string hex(const auto& key) {
  return to_hex({key.data(), key.size()});
}

// Few values of each part, the extremes among them, so that keys collide in all their prefixes.
rc::Gen<entity_key> entities() {
  return rc::gen::apply(
    [](std::uint16_t shard, std::uint32_t tenant, std::uint8_t kind, std::uint64_t id) {
      return entity_key{shard_id{shard}, tenant_id{tenant}, entity_kind{kind},
                        numbered<entity_id>(id)};
    },
    rc::gen::inRange<std::uint16_t>(0, shard_count),
    rc::gen::element<std::uint32_t>(0, 1, 255, 256, 0xFFFFFFFF),
    rc::gen::inRange<std::uint8_t>(1, 9),
    rc::gen::element<std::uint64_t>(0, 1, 0xFF, 0x100, ~0ull));
}

rc::Gen<message_seq> seqs() {
  return rc::gen::element<message_seq>(0, 1, 127, 128, 255, 256, 65535, 65536, (1u << 20) - 1,
                                       ~0ull);
}

rc::Gen<state_key> state_keys() {
  return rc::gen::apply(
    [](const entity_key& entity, std::uint8_t field, std::uint64_t sub) {
      return state_key{entity, state_field{field}, numbered<entity_id>(sub)};
    },
    entities(), rc::gen::inRange<std::uint8_t>(0, 8),
    rc::gen::element<std::uint64_t>(0, 1, 0xFF, 0x100, ~0ull));
}

} // namespace

// The bytes are frozen: a change here is a new format of the store.
TEST(key_layout, has_the_bytes_of_the_first_format) {
  EXPECT_EQ(hex(encode_entity(sample)), "0102"
                                        "03040506"
                                        "02"
                                        "4142434445464748494a4b4c4d4e4f50");
  EXPECT_EQ(hex(encode_event_key(sample, 0x0102030405060708)), "0102"
                                                               "03040506"
                                                               "02"
                                                               "4142434445464748494a4b4c4d4e4f50"
                                                               "0102030405060708");
  EXPECT_EQ(hex(encode_state_key({sample, state_field::record, {}})),
            "0102"
            "03040506"
            "02"
            "4142434445464748494a4b4c4d4e4f50"
            "00");
  EXPECT_EQ(hex(encode_state_key(
              {sample, state_field::counter, *entity_id::from_bytes("abcdefghijklmnop")})),
            "0102"
            "03040506"
            "02"
            "4142434445464748494a4b4c4d4e4f50"
            "07"
            "6162636465666768696a6b6c6d6e6f70");
  EXPECT_EQ(hex(encode_dedup_key(sample, "order-17")), "0102"
                                                       "03040506"
                                                       "02"
                                                       "4142434445464748494a4b4c4d4e4f50"
                                                       "6f726465722d3137");
  EXPECT_EQ(hex(encode_kind_range(shard_id{63}, tenant_id{7}, entity_kind::open_conversation)),
            "003f"
            "00000007"
            "08");
  EXPECT_EQ(hex(encode_meta_shard(shard_id{63})), "7368617264"
                                                  "003f");
  EXPECT_EQ(meta_format, "format");
  EXPECT_EQ(meta_identity, "identity");
  EXPECT_EQ(meta_commit, "commit");
}

TEST(key_layout, refuses_what_no_encoder_makes) {
  auto event = encode_event_key(in_range, 5);
  std::string bytes(event.data(), event.size());
  ASSERT_TRUE(parse_event_key(bytes));
  EXPECT_FALSE(parse_event_key(bytes + "x"));
  EXPECT_FALSE(parse_event_key(bytes.substr(0, bytes.size() - 1)));
  auto shard = bytes;
  shard[1] = 64;
  EXPECT_FALSE(parse_event_key(shard));
  auto kind = bytes;
  kind[6] = 9;
  EXPECT_FALSE(parse_event_key(kind));
  kind[6] = 0;
  EXPECT_FALSE(parse_event_key(kind));

  auto state = encode_state_key({in_range, state_field::token, numbered<entity_id>(1)});
  ASSERT_TRUE(parse_state_key(state));
  EXPECT_FALSE(parse_state_key(state.substr(0, 30)));
  auto field = state;
  field[entity_prefix_size] = 8;
  EXPECT_FALSE(parse_state_key(field));
  auto zero_sub = encode_state_key({in_range, state_field::token, {}}) + std::string(16, '\0');
  EXPECT_FALSE(parse_state_key(zero_sub));
  EXPECT_FALSE(parse_entity(bytes));
  EXPECT_FALSE(parse_dedup_key("short"));
}

TEST(key_layout, ends_a_range_right_behind_its_last_key) {
  EXPECT_EQ(end_of_range("ab"), "ac");
  EXPECT_EQ(end_of_range(std::string("a\xff", 2)), "b");
  EXPECT_EQ(end_of_range("\xff\xff"), "");
}

RC_GTEST_PROP(key_layout, reads_back_every_event_key, ()) {
  event_key key{*entities(), *seqs()};
  auto bytes = encode_event_key(key.entity, key.seq);
  RC_ASSERT(parse_event_key({bytes.data(), bytes.size()}) == key);
}

RC_GTEST_PROP(key_layout, reads_back_every_state_key, ()) {
  auto key = *state_keys();
  RC_ASSERT(parse_state_key(encode_state_key(key)) == key);
}

RC_GTEST_PROP(key_layout, reads_back_every_dedup_key, ()) {
  dedup_key key{*entities(), *rc::gen::string<std::string>()};
  RC_ASSERT(parse_dedup_key(encode_dedup_key(key.entity, key.key)) == key);
}

RC_GTEST_PROP(key_layout, orders_events_by_shard_tenant_kind_entity_and_seq, ()) {
  event_key left{*entities(), *seqs()};
  event_key right{*entities(), *seqs()};
  auto left_bytes = encode_event_key(left.entity, left.seq);
  auto right_bytes = encode_event_key(right.entity, right.seq);
  RC_ASSERT((left < right)
            == (std::string_view(left_bytes.data(), left_bytes.size())
                < std::string_view(right_bytes.data(), right_bytes.size())));
}

RC_GTEST_PROP(key_layout, orders_state_entries_by_entity_field_and_sub, ()) {
  auto left = *state_keys();
  auto right = *state_keys();
  RC_ASSERT((left < right) == (encode_state_key(left) < encode_state_key(right)));
}

RC_GTEST_PROP(key_layout, keeps_the_keys_of_a_range_inside_of_it, ()) {
  auto key = *state_keys();
  auto bytes = encode_state_key(key);
  auto begin = encode_state_field(key.entity, key.field);
  auto end = end_of_range(begin);
  RC_ASSERT(begin <= bytes && bytes < end);
  auto kind = encode_kind_range(key.entity.shard, key.entity.tenant, key.entity.kind);
  RC_ASSERT(kind <= bytes && bytes < end_of_range(kind));
}

} // namespace frontdesk::persistence
