#include "crypto/crypto.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace frontdesk {

namespace {

using namespace domain;

std::string hex_of(const std::array<std::uint8_t, 32>& digest) {
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

template <class Id>
Id counting_id(std::uint8_t first) {
  Id id;
  for (auto& byte : id.bytes)
    byte = first++;
  return id;
}

std::string counting_bytes(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i)
    bytes.push_back(static_cast<char>(i));
  return bytes;
}

// FIPS 180-4 examples.
TEST(crypto, computes_sha_256) {
  EXPECT_EQ(hex_of(crypto::sha256("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_of(crypto::sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_of(crypto::sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// RFC 4231, cases 1, 2 and 6.
TEST(crypto, computes_hmac_sha_256) {
  EXPECT_EQ(hex_of(crypto::hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex_of(crypto::hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex_of(crypto::hmac_sha256(std::string(131, '\xaa'),
                                       "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/// The input of xxHash's own published test values.
std::string xxhash_input(std::size_t size) {
  std::string bytes;
  std::uint64_t state = 2654435761u;
  for (std::size_t i = 0; i < size; ++i) {
    bytes.push_back(static_cast<char>(state >> 56));
    state *= 11400714785074694797ull;
  }
  return bytes;
}

// Stored beside every part, so it may never change. The sizes take every path of the algorithm.
TEST(crypto, keeps_its_64_bit_hash) {
  const std::pair<std::size_t, std::uint64_t> vectors[] = {
    {0, 0x2D06800538D394C2},   {1, 0xC44BDFF4074EECDB},    {6, 0x27B56A84CD2D7325},
    {12, 0xA713DAF0DFBB77E7},  {24, 0xA3FE70BF9D3510EB},   {48, 0x397DA259ECBA1F11},
    {80, 0xBCDEFBBB2C47C90A},  {195, 0xCD94217EE362EC3A},  {403, 0xCDEB804D65C6DEA4},
    {512, 0x617E49599013CB6B}, {2048, 0xDD59E2C3A5F038E0},
  };
  for (const auto& [size, expected] : vectors)
    EXPECT_EQ(crypto::hash64(xxhash_input(size)), expected) << size;
}

RC_GTEST_PROP(crypto, hashes_two_pieces_as_their_concatenation,
              (const std::string& first, const std::string& second)) {
  RC_ASSERT(crypto::hash64(first, second) == crypto::hash64(first + second));
}

TEST(crypto, hashes_long_pieces_as_their_concatenation) {
  auto bytes = xxhash_input(5000);
  for (std::size_t cut : {0u, 1u, 240u, 241u, 1024u, 4999u, 5000u}) {
    std::string_view all = bytes;
    EXPECT_EQ(crypto::hash64(all.substr(0, cut), all.substr(cut)), crypto::hash64(all)) << cut;
  }
}

// Computed apart from this code: 1 + (first 8 bytes, big-endian, of SHA-256(tenant u32 | id))
// mod 63.
TEST(crypto, keeps_the_shard_of_every_entity) {
  const auto of = [](std::uint32_t tenant, const entity_id& id) {
    return value(crypto::shard_of_entity(tenant_id{tenant}, id));
  };
  entity_id ones;
  ones.bytes.fill(0xFF);
  EXPECT_EQ(of(0, {}), 45);
  EXPECT_EQ(of(1, {}), 60);
  EXPECT_EQ(of(1, counting_id<entity_id>(0)), 9);
  EXPECT_EQ(of(7, ones), 26);
  EXPECT_EQ(of(0xFFFFFFFF, counting_id<entity_id>(16)), 38);
  EXPECT_EQ(of(1, *entity_id::from_bytes(*from_hex("0123456789abcdef0123456789abcdef"))), 60);
}

TEST(crypto, spreads_entities_over_every_shard_but_that_of_the_configuration) {
  std::set<std::uint16_t> met;
  for (std::uint32_t tenant = 0; tenant < 2000; ++tenant)
    met.insert(value(crypto::shard_of_entity(tenant_id{tenant}, {})));
  EXPECT_EQ(met.size(), shard_count - 1u);
  EXPECT_EQ(*met.begin(), 1);
  EXPECT_EQ(*met.rbegin(), shard_count - 1);
}

TEST(crypto, names_the_key_of_an_entity_by_its_shard) {
  auto key = crypto::key_of_entity(tenant_id{1}, entity_kind::account, counting_id<entity_id>(0));
  EXPECT_EQ(
    key, (entity_key{shard_id{9}, tenant_id{1}, entity_kind::account, counting_id<entity_id>(0)}));
}

// RFC 4648 section 10, without padding, and the two digits that differ from plain base64.
TEST(crypto, writes_url_safe_base64_without_padding) {
  const std::pair<const char*, const char*> rows[]
    = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
       {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xFB\xFF", "-_8"}};
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(crypto::to_base64url(bytes), text);
    EXPECT_EQ(crypto::from_base64url(text), std::string(bytes));
  }
}

TEST(crypto, reads_one_text_only_for_given_bytes) {
  for (const char* text : {"A", "Zg==", "Zh", "Zm9", "Zm9v\n", "+/8", "Zm 8", "Zm8\x80"})
    EXPECT_EQ(crypto::from_base64url(text), std::nullopt) << text;
}

RC_GTEST_PROP(crypto, returns_any_bytes_from_base64, (const std::string& bytes)) {
  RC_ASSERT(crypto::from_base64url(crypto::to_base64url(bytes)) == bytes);
}

TEST(crypto, puts_time_version_and_variant_into_an_id) {
  const unix_ms now = 0x0123'4567'89AB;
  auto id = crypto::random_id(now);
  EXPECT_EQ(to_string(id).substr(0, 12), "0123456789ab");
  EXPECT_EQ(id.bytes[6] >> 4, 7);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
  EXPECT_LT(crypto::random_id(now), crypto::random_id(now + 1));
}

TEST(crypto, gives_no_random_number_twice_on_any_thread) {
  constexpr std::size_t each = 2000; // more than the buffer of a thread holds
  std::vector<std::vector<std::uint64_t>> drawn(4);
  std::vector<std::thread> threads;
  for (auto& mine : drawn)
    threads.emplace_back([&mine] {
      for (std::size_t i = 0; i < each; ++i)
        mine.push_back(crypto::random_u64());
    });
  for (auto& thread : threads)
    thread.join();
  std::set<std::uint64_t> all;
  for (const auto& mine : drawn)
    all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), each * drawn.size());
}

TEST(crypto, fills_every_byte_of_a_large_request) {
  std::string bytes(4096, '\0');
  crypto::random_bytes(bytes.data(), bytes.size());
  std::size_t zeros = 0;
  for (char c : bytes)
    zeros += c == '\0' ? 1 : 0;
  EXPECT_LT(zeros, 100u); // 16 are expected; a hundred come once in many lives of the universe
}

TEST(crypto, compares_by_content_and_length) {
  EXPECT_TRUE(crypto::equal_constant_time("", ""));
  EXPECT_TRUE(crypto::equal_constant_time("secret", "secret"));
  EXPECT_FALSE(crypto::equal_constant_time("secret", "secreT"));
  EXPECT_FALSE(crypto::equal_constant_time("secret", "secre"));
}

// Computed apart from this code: visitors keep their sessions over every later build.
TEST(crypto, keeps_the_token_of_a_visitor) {
  auto token
    = crypto::make_visitor_token(tenant_id{7}, counting_id<visitor_id>(0x51), counting_bytes(32));
  EXPECT_EQ(token.kind, participant_kind::visitor);
  EXPECT_EQ(to_hex(token.secret),
            "e18213c01d8bc5e68c1cf39978955af79dab444ad213ff12da2136275655c40f");
  EXPECT_EQ(crypto::to_text(token),
            "AQAAAAdRUlNUVVZXWFlaW1xdXl9g4YITwB2LxeaMHPOZeJVa952rRErSE_8S2iE2J1ZVxA8");
}

TEST(crypto, derives_another_token_for_another_visitor_tenant_or_key) {
  auto key = counting_bytes(32);
  auto id = counting_id<visitor_id>(0x51);
  std::set<std::string> secrets{
    crypto::make_visitor_token(tenant_id{7}, id, key).secret,
    crypto::make_visitor_token(tenant_id{8}, id, key).secret,
    crypto::make_visitor_token(tenant_id{7}, counting_id<visitor_id>(0x52), key).secret,
    crypto::make_visitor_token(tenant_id{7}, id, std::string(32, 'k')).secret,
  };
  EXPECT_EQ(secrets.size(), 4u);
}

RC_GTEST_PROP(crypto, reads_back_any_token, ()) {
  crypto::session_token token;
  token.kind = *rc::gen::element(participant_kind::visitor, participant_kind::account);
  token.tenant = tenant_id{*rc::gen::arbitrary<std::uint32_t>()};
  token.id
    = *entity_id::from_bytes(*rc::gen::container<std::string>(16, rc::gen::arbitrary<char>()));
  token.secret = *rc::gen::container<std::string>(32, rc::gen::arbitrary<char>());
  RC_ASSERT((crypto::parse_token(crypto::to_text(token)) == token));
}

TEST(crypto, reads_no_token_of_another_length_or_kind) {
  auto text = crypto::to_text(
    crypto::make_visitor_token(tenant_id{7}, counting_id<visitor_id>(1), counting_bytes(32)));
  ASSERT_TRUE(crypto::parse_token(text));
  EXPECT_FALSE(crypto::parse_token(""));
  EXPECT_FALSE(crypto::parse_token(text.substr(0, text.size() - 4)));
  EXPECT_FALSE(crypto::parse_token(text + "AAAA"));
  EXPECT_FALSE(crypto::parse_token(text + "="));
  for (char kind : {'\0', '\3', '\4', '\xFF'}) {
    auto bytes = *crypto::from_base64url(text);
    bytes[0] = kind;
    EXPECT_FALSE(crypto::parse_token(crypto::to_base64url(bytes)));
  }
}

} // namespace

} // namespace frontdesk
