#include "crypto/crypto.hpp"
#include "proto/codec.hpp"
#include "tests/proto/generators.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace frontdesk {

namespace {

using domain::wire_form;

RC_GTEST_PROP(codec, returns_every_client_frame_from_both_forms, ()) {
  const auto frame = *test::any_client_frame();
  for (auto form : {wire_form::proto, wire_form::json}) {
    const auto decoded = proto::decode_client(proto::encode(frame, form), form);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT((*decoded == frame));
  }
}

RC_GTEST_PROP(codec, returns_every_server_frame_from_both_forms, ()) {
  const auto frame = *test::any_server_frame();
  for (auto form : {wire_form::proto, wire_form::json}) {
    const auto decoded = proto::decode_server(proto::encode(frame, form), form);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT((*decoded == frame));
  }
}

RC_GTEST_PROP(codec, returns_every_part, ()) {
  const auto open = *test::any_public_part();
  const auto staff = *test::any_staff_part();
  const auto decoded_open = proto::decode_public_part(proto::encode(open));
  const auto decoded_staff = proto::decode_staff_part(proto::encode(staff));
  RC_ASSERT(decoded_open.has_value());
  RC_ASSERT(decoded_staff.has_value());
  RC_ASSERT((*decoded_open == open));
  RC_ASSERT((*decoded_staff == staff));
}

/// What a push of this event shows to this audience.
domain::event_push expected_push(const proto::push_envelope& envelope,
                                 const domain::event_header& header,
                                 const std::optional<domain::public_part>& open,
                                 const std::optional<domain::staff_part>& staff,
                                 proto::audience who) {
  domain::event_push push;
  push.conversation = envelope.conversation;
  push.visible_seq = header.visible_seq;
  push.kind = header.kind;
  push.time = header.time;
  push.target = envelope.target;
  push.revision = envelope.revision;
  push.public_content = open;
  if (who == proto::audience::staff || header.author.kind == domain::participant_kind::visitor)
    push.client = header.client;
  if (who == proto::audience::visitor)
    return push;
  push.seq = envelope.seq;
  push.author = header.author;
  push.hidden = header.hidden;
  push.staff_content = staff;
  return push;
}

RC_GTEST_PROP(codec, builds_the_same_push_from_stored_bytes_as_from_values, ()) {
  const proto::push_envelope envelope{*test::any_id<domain::conversation_id>(), *test::any_number(),
                                      *test::any_number(), *test::any_number()};
  const auto header = *test::any_header();
  const auto open = *test::maybe(test::any_public_part());
  const auto staff = *test::maybe(test::any_staff_part());
  const auto open_bytes = open ? proto::encode(*open) : std::string();
  const auto staff_bytes = staff ? proto::encode(*staff) : std::string();
  for (auto who : {proto::audience::visitor, proto::audience::staff}) {
    const auto bytes = proto::encode_push(envelope, header, open_bytes, staff_bytes, who);
    const domain::server_frame expected = expected_push(envelope, header, open, staff, who);
    const auto decoded = proto::decode_server(bytes, wire_form::proto);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT((*decoded == expected));
    RC_ASSERT(bytes == proto::encode(expected, wire_form::proto));
  }
}

RC_GTEST_PROP(codec, builds_the_same_page_from_pushes_as_from_values, ()) {
  domain::history_page page;
  page.request = *test::any_number();
  page.conversation = *test::any_id<domain::conversation_id>();
  page.more = *test::any_flag();
  page.events = *test::some_of(test::any_push());
  std::vector<std::string> pushes;
  for (const auto& event : page.events)
    pushes.push_back(proto::encode(domain::server_frame(event), wire_form::proto));
  const auto bytes = proto::encode_history_page(page.request, page.conversation, page.more, pushes);
  const auto decoded = proto::decode_server(bytes, wire_form::proto);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT((*decoded == domain::server_frame(page)));
  RC_ASSERT(bytes == proto::encode(domain::server_frame(page), wire_form::proto));
}

RC_GTEST_PROP(codec, writes_an_acknowledge_by_hand_as_the_library_does, ()) {
  const auto ack = *test::any_acknowledge();
  RC_ASSERT(proto::encode_acknowledge(ack)
            == proto::encode(domain::server_frame(ack), wire_form::proto));
}

RC_GTEST_PROP(codec, refuses_every_binary_frame_that_ends_early, ()) {
  const auto client = proto::encode(*test::any_client_frame(), wire_form::proto);
  const auto server = proto::encode(*test::any_server_frame(), wire_form::proto);
  RC_ASSERT(!proto::decode_client(
    client.substr(0, *rc::gen::inRange<std::size_t>(0, client.size())), wire_form::proto));
  RC_ASSERT(!proto::decode_server(
    server.substr(0, *rc::gen::inRange<std::size_t>(0, server.size())), wire_form::proto));
}

RC_GTEST_PROP(codec, refuses_every_json_frame_that_ends_early, ()) {
  const auto client = proto::encode(*test::any_client_frame(), wire_form::json);
  const auto server = proto::encode(*test::any_server_frame(), wire_form::json);
  RC_ASSERT(!proto::decode_client(
    client.substr(0, *rc::gen::inRange<std::size_t>(0, client.size())), wire_form::json));
  RC_ASSERT(!proto::decode_server(
    server.substr(0, *rc::gen::inRange<std::size_t>(0, server.size())), wire_form::json));
}

/// Any bytes are a frame or an error with one of the codes that the contract names.
template <class Frame>
bool is_frame_or_known_error(const domain::result<Frame>& decoded) {
  using domain::errc;
  if (decoded)
    return true;
  auto code = decoded.failure().code;
  return code == errc::bad_frame || code == errc::unsupported || code == errc::bad_request
         || code == errc::bad_text;
}

RC_GTEST_PROP(codec, answers_any_bytes_with_a_frame_or_a_named_error, ()) {
  const auto bytes = *test::any_bytes();
  for (auto form : {wire_form::proto, wire_form::json}) {
    RC_ASSERT(is_frame_or_known_error(proto::decode_client(bytes, form)));
    RC_ASSERT(is_frame_or_known_error(proto::decode_server(bytes, form)));
  }
  RC_ASSERT(is_frame_or_known_error(proto::decode_public_part(bytes)));
  RC_ASSERT(is_frame_or_known_error(proto::decode_staff_part(bytes)));
}

RC_GTEST_PROP(codec, answers_a_damaged_frame_with_a_frame_or_a_named_error, ()) {
  for (auto form : {wire_form::proto, wire_form::json}) {
    auto bytes = proto::encode(*test::any_server_frame(), form);
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    bytes[at] = *rc::gen::arbitrary<char>();
    RC_ASSERT(is_frame_or_known_error(proto::decode_server(bytes, form)));
    RC_ASSERT(is_frame_or_known_error(proto::decode_client(bytes, form)));
  }
}

} // namespace

} // namespace frontdesk
