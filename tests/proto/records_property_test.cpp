#include "crypto/crypto.hpp"
#include "proto/records.hpp"
#include "tests/proto/generators.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace frontdesk {

namespace {

using namespace domain;

template <class Value>
void returns(const Value& value, result<Value> (*decode)(std::string_view)) {
  const auto decoded = decode(proto::encode(value));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT((*decoded == value));
}

RC_GTEST_PROP(records, return_every_value, ()) {
  returns(*test::any_head(), proto::decode_head);
  returns(*test::any_row(), proto::decode_open_row);
  returns(*test::any_pointer(), proto::decode_pointer);
  returns(*test::any_visitor(), proto::decode_visitor);
  returns(*test::any_account(), proto::decode_account);
  returns(*test::any_token(), proto::decode_token);
  returns(*test::any_tenant(), proto::decode_tenant);
  returns(*test::any_inbox(), proto::decode_inbox);
  returns(team_record{*test::any_text()}, proto::decode_team);
}

RC_GTEST_PROP(records, return_every_opening, ()) {
  const auto conversation = *test::any_id<conversation_id>();
  const auto created = *test::any_time();
  const auto bytes = proto::encode_opening(conversation, created);
  const auto decoded = proto::decode_opening(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->first == conversation);
  RC_ASSERT(decoded->second == created);
  RC_ASSERT(*proto::dedup_created(bytes) == created);
}

/// Original or changed, with either part, both or none.
stored_event any_event() {
  stored_event event;
  event.seq = *test::any_positive();
  event.header = *test::any_header();
  event.revision = *rc::gen::oneOf(rc::gen::just<message_seq>(0), test::any_number());
  if (*test::any_flag())
    event.public_bytes = proto::seal_part(*test::any_bytes(), *test::any_number());
  if (*test::any_flag())
    event.staff_bytes = proto::seal_part(*test::any_bytes(), *test::any_number());
  if (event.revision == 0) {
    event.header.public_hash = event.public_bytes.empty() ? 0 : crypto::hash64(event.public_bytes);
    event.header.staff_hash = event.staff_bytes.empty() ? 0 : crypto::hash64(event.staff_bytes);
  }
  return event;
}

RC_GTEST_PROP(records, return_every_event, ()) {
  const auto event = any_event();
  const auto decoded = proto::decode_event(event.seq, proto::encode_event(event));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT((*decoded == event));
}

RC_GTEST_PROP(records, return_every_part, ()) {
  const auto content = *test::any_bytes();
  const auto sealed = proto::seal_part(content, *test::any_number());
  const auto opened = proto::open_part(sealed);
  RC_ASSERT(opened.has_value());
  RC_ASSERT(*opened == content);
}

RC_GTEST_PROP(records, refuse_every_event_that_ends_early, ()) {
  const auto event = any_event();
  const auto bytes = proto::encode_event(event);
  const auto cut = bytes.substr(0, *rc::gen::inRange<std::size_t>(0, bytes.size()));
  RC_ASSERT(!proto::decode_event(event.seq, cut));
  RC_ASSERT(!proto::header_bytes(cut));
  RC_ASSERT(!proto::rewrite_event(cut, 1, {}, {}));
}

// Header and revision are outside of the part hashes: the shard's sum and the store's block
// checksums cover them.
RC_GTEST_PROP(records, never_return_other_parts_after_one_flipped_bit, ()) {
  const auto event = any_event();
  const auto bytes = proto::encode_event(event);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto decoded = proto::decode_event(event.seq, damaged);
    if (!decoded)
      continue;
    RC_ASSERT(decoded->public_bytes == event.public_bytes);
    RC_ASSERT(decoded->staff_bytes == event.staff_bytes);
  }
}

/// Any bytes are a value or an error with one of the two codes that the contract names.
template <class Value>
bool is_value_or_known_error(const result<Value>& decoded) {
  return decoded || decoded.failure().code == errc::corrupt
         || decoded.failure().code == errc::format_unknown;
}

void check_any_bytes(std::string_view bytes) {
  RC_ASSERT(is_value_or_known_error(proto::open_part(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_event(1, bytes)));
  RC_ASSERT(is_value_or_known_error(proto::header_bytes(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::rewrite_event(bytes, 1, {}, {})));
  RC_ASSERT(is_value_or_known_error(proto::decode_head(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_open_row(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_pointer(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_visitor(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_account(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_token(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_tenant(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_inbox(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_team(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::decode_opening(bytes)));
  RC_ASSERT(is_value_or_known_error(proto::dedup_created(bytes)));
}

RC_GTEST_PROP(records, answer_any_bytes_with_a_value_or_a_named_error, ()) {
  const auto bytes = *test::any_bytes();
  check_any_bytes(bytes);
  check_any_bytes('\1' + bytes);
}

RC_GTEST_PROP(records, answer_a_damaged_value_with_a_value_or_a_named_error, ()) {
  auto bytes = *rc::gen::oneOf(
    rc::gen::map(test::any_head(), [](const auto& head) { return proto::encode(head); }),
    rc::gen::map(test::any_inbox(), [](const auto& inbox) { return proto::encode(inbox); }));
  bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
  check_any_bytes(bytes);
  check_any_bytes(bytes.substr(0, *rc::gen::inRange<std::size_t>(0, bytes.size())));
}

} // namespace

} // namespace frontdesk
