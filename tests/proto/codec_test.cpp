#include "proto/codec.hpp"
#include "tests/proto/samples.hpp"

#include <gtest/gtest.h>

namespace frontdesk {

namespace {

using namespace domain;
using test::sample_id;

const auto talk = sample_id<conversation_id>(1);
const auto client = sample_id<client_id>(0x41);

command message_command(std::string text = "hi") {
  command frame;
  frame.conversation = talk;
  frame.key = {client, 1};
  frame.body = post_message{{std::move(text), 0}};
  return frame;
}

std::string binary(const client_frame& frame) {
  return proto::encode(frame, wire_form::proto);
}

/// Field of one byte's tag with these bytes, as protobuf writes it; `bytes` below 128 long.
std::string field(int number, std::string_view bytes) {
  std::string out{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())};
  out += bytes;
  return out;
}

error failure_of(std::string_view bytes, wire_form form) {
  auto decoded = proto::decode_client(bytes, form);
  return decoded ? error{errc::internal, "was accepted"} : decoded.failure();
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(codec, names_the_field_whose_id_is_missing_or_of_a_wrong_length) {
  struct row {
    const char* json;
    const char* field;
  };

  // AQ== is one byte; AAA…A== are sixteen zeros.
  const row rows[] = {
    {R"({"subscribe":{}})", "conversation"},
    {R"({"subscribe":{"conversation":"AQ=="}})", "conversation"},
    {R"({"subscribe":{"conversation":"AAAAAAAAAAAAAAAAAAAAAA=="}})", "conversation"},
    {R"({"unsubscribe":{}})", "conversation"},
    {R"({"history":{"limit":5}})", "conversation"},
    {R"({"mark":{}})", "conversation"},
    {R"({"typing":{"on":true}})", "conversation"},
    {R"({"hello":{"cursors":[{"after":"3"}]}})", "conversation"},
    {R"({"command":{"client":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1","resolve":{}}})",
     "conversation"},
    {R"({"command":{"opening":"AQ==","client":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1","resolve":{}}})",
     "opening"},
    {R"({"command":{"opening":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1","resolve":{}}})",
     "client"},
    {R"({"command":{"opening":"AQEBAQEBAQEBAQEBAQEBAQ==","client":"AQEBAQEBAQEBAQEBAQEBAQ==","resolve":{}}})",
     "client_seq"},
    {R"({"command":{"opening":"AQEBAQEBAQEBAQEBAQEBAQ==","client":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1"}})",
     "body"},
    {R"({"command":{"opening":"AQEBAQEBAQEBAQEBAQEBAQ==","client":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1",)"
     R"("edit":{"text":"x"}}})",
     "target"},
    {R"({"command":{"opening":"AQEBAQEBAQEBAQEBAQEBAQ==","client":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1",)"
     R"("recall":{}}})",
     "target"},
    {R"({"command":{"opening":"AQEBAQEBAQEBAQEBAQEBAQ==","client":"AQEBAQEBAQEBAQEBAQEBAQ==","clientSeq":"1",)"
     R"("assign":{"team":"AQ=="}}})",
     "team"},
  };
  for (const auto& row : rows) {
    auto failure = failure_of(row.json, wire_form::json);
    EXPECT_EQ(failure.code, errc::bad_request) << row.json;
    EXPECT_EQ(failure.field, row.field) << row.json;
  }
}

TEST(codec, refuses_enums_out_of_range) {
  struct row {
    const char* json;
    const char* field;
  };

  const row rows[] = {
    {R"({"subscribeList":{}})", "list"},
    {R"({"subscribeList":{"list":3}})", "list"},
    {R"({"unsubscribeList":{"list":-1}})", "list"},
    {R"({"setPresence":{"state":3}})", "state"},
    {R"({"setPresence":{"state":-2147483648}})", "state"},
  };
  for (const auto& row : rows) {
    auto failure = failure_of(row.json, wire_form::json);
    EXPECT_EQ(failure.code, errc::bad_request) << row.json;
    EXPECT_EQ(failure.field, row.field) << row.json;
  }
  auto profile
    = field(9, field(1, talk.view()) + field(2, std::string_view("\x08\x05\x12\x01x", 5)));
  auto shown = proto::decode_server(profile, wire_form::proto);
  ASSERT_FALSE(shown);
  EXPECT_EQ(shown.failure().code, errc::bad_request);
  EXPECT_EQ(shown.failure().field, "kind");
}

TEST(codec, refuses_list_cursors_whose_shards_do_not_ascend) {
  for (const char* positions : {R"([{"shard":2},{"shard":1}])", R"([{"shard":2},{"shard":2}])"}) {
    auto failure = failure_of(R"({"subscribeList":{"list":"LIST_MINE","after":{"positions":)"
                                + std::string(positions) + "}}}",
                              wire_form::json);
    EXPECT_EQ(failure.code, errc::bad_request);
    EXPECT_EQ(failure.field, "positions");
  }
}

TEST(codec, tells_an_unknown_kind_from_no_frame_at_all) {
  const auto unknown_kind = std::string("\xFA\x01\x02\x08\x01", 5); // field 31
  EXPECT_EQ(failure_of(unknown_kind, wire_form::proto).code, errc::unsupported);
  EXPECT_EQ(failure_of("", wire_form::proto).code, errc::bad_frame);
  EXPECT_EQ(failure_of("\xFF", wire_form::proto).code, errc::bad_frame);
  EXPECT_EQ(failure_of("hello", wire_form::proto).code, errc::bad_frame);

  EXPECT_EQ(failure_of(R"({"whisper":{"to":"you"}})", wire_form::json).code, errc::unsupported);
  for (const char* text :
       {"", " ", "{}", "[]", "null", "17", "\"ping\"", "{\"ping\":", "{\"ping\":{}} {}",
        "{\"ping\":null}", "{\"ping\":7}", "{\"ping\":{},\"typing\":{}}"})
    EXPECT_EQ(failure_of(text, wire_form::json).code, errc::bad_frame) << text;

  auto from_server = proto::decode_server(unknown_kind, wire_form::proto);
  ASSERT_FALSE(from_server);
  EXPECT_EQ(from_server.failure().code, errc::unsupported);
  EXPECT_EQ(proto::to_json(unknown_kind).failure().code, errc::unsupported);
  EXPECT_EQ(proto::to_json("").failure().code, errc::bad_frame);
}

TEST(codec, calls_a_command_with_an_unknown_body_unsupported) {
  auto frame = message_command();
  frame.body = resolve{};
  auto bytes = binary(frame);
  auto known_body = bytes.rfind(std::string_view("\x5A\x00", 2)); // resolve is field 11, and empty
  ASSERT_NE(known_body, std::string::npos);
  bytes[known_body] = 15 << 3 | 2;
  EXPECT_EQ(failure_of(bytes, wire_form::proto).code, errc::unsupported);

  auto text = proto::encode(client_frame{frame}, wire_form::json);
  EXPECT_EQ(failure_of(replaced(text, "resolve", "applaud"), wire_form::json).code,
            errc::unsupported);
}

TEST(codec, ignores_fields_that_it_does_not_know) {
  const client_frame expected = message_command();
  auto bytes = binary(expected);
  bytes += std::string("\xFA\x01\x02\x08\x01", 5);
  auto decoded = proto::decode_client(bytes, wire_form::proto);
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(*decoded == expected);

  auto text = proto::encode(expected, wire_form::json);
  text
    = replaced(text, "\"message\":{", "\"colour\":[{\"red\":1}],\"message\":{\"font\":\"serif\",");
  decoded = proto::decode_client(text, wire_form::json);
  ASSERT_TRUE(decoded) << decoded.failure().message;
  EXPECT_TRUE(*decoded == expected);
}

TEST(codec, calls_text_that_is_not_utf_8_bad_text_and_names_the_field) {
  for (std::string_view bad :
       {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xBD"}) {
    auto bytes = binary(message_command(std::string(bad.size(), 'x')));
    bytes = replaced(bytes, std::string(bad.size(), 'x'), bad);
    auto failure = failure_of(bytes, wire_form::proto);
    EXPECT_EQ(failure.code, errc::bad_text);
    EXPECT_EQ(failure.field, "text");

    auto text = replaced(proto::encode(client_frame{message_command("here")}, wire_form::json),
                         "here", bad);
    EXPECT_EQ(failure_of(text, wire_form::json).code, errc::bad_text);
  }
  auto name = binary(hello{"", "", "name"});
  EXPECT_EQ(failure_of(replaced(name, "name", "\xFF\xFF\xFF\xFF"), wire_form::proto).field, "name");
}

TEST(codec, refuses_json_escapes_that_are_no_characters) {
  for (const char* escape : {R"(\ud800)", R"(\udc00)", R"(\ud800\u0041)", R"(\u12)", R"(\x41)"}) {
    auto text = replaced(proto::encode(client_frame{message_command("here")}, wire_form::json),
                         "here", escape);
    auto decoded = proto::decode_client(text, wire_form::json);
    if (decoded) { // replaced by the library: then it is text
      auto again = proto::decode_client(binary(*decoded), wire_form::proto);
      EXPECT_TRUE(again) << escape;
    } else {
      EXPECT_EQ(decoded.failure().code, errc::bad_frame) << escape;
    }
  }
}

TEST(codec, refuses_deep_and_wide_json_without_falling_over) {
  const auto repeat = [](std::string_view what, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i)
      text += what;
    return text;
  };
  constexpr std::size_t deep = 10'000;
  const std::string texts[] = {
    repeat("{\"hello\":", deep),
    repeat("{\"hello\":", deep) + "1" + repeat("}", deep),
    repeat("{\"no\":", deep) + "1" + repeat("}", deep),
    repeat("[", 10 * deep),
    R"({"no":)" + repeat("[", deep) + repeat("]", deep) + "}",
    R"({"hello":{"cursors":)" + repeat("[", deep) + repeat("]", deep) + "}}",
    R"({'"':)" + repeat("[", deep) + repeat("]", deep) + "}",
    R"({"\"":)" + repeat("[", deep) + repeat("]", deep) + "}",
  };
  for (const auto& text : texts)
    EXPECT_EQ(failure_of(text, wire_form::json).code, errc::bad_frame);

  auto brackets_in_text = message_command(repeat("[{", deep));
  auto decoded = proto::decode_client(
    proto::encode(client_frame{brackets_in_text}, wire_form::json), wire_form::json);
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(*decoded == client_frame{brackets_in_text});

  std::string wide = "{";
  for (int i = 0; i < 100'000; ++i)
    wide += "\"key" + std::to_string(i) + "\":0,";
  EXPECT_EQ(failure_of(wide + "\"last\":0}", wire_form::json).code, errc::unsupported);
  auto known = proto::decode_client(wide + R"("ping":{"nonce":"3"}})", wire_form::json);
  ASSERT_TRUE(known);
  EXPECT_TRUE(*known == client_frame{ping{3}});
}

TEST(codec, refuses_deep_binary_nesting_without_falling_over) {
  std::string groups; // of field 31, one in another
  for (int i = 0; i < 10'000; ++i)
    groups += "\xFB\x01";
  EXPECT_EQ(failure_of(groups, wire_form::proto).code, errc::bad_frame);
  for (int i = 0; i < 10'000; ++i)
    groups += "\xFC\x01";
  EXPECT_EQ(failure_of(groups, wire_form::proto).code, errc::bad_frame);
}

TEST(codec, gives_a_history_request_without_a_limit_the_usual_one) {
  auto bytes = field(5, field(2, talk.view()));
  auto decoded = proto::decode_client(bytes, wire_form::proto);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<history_request>(*decoded).limit, history_request{}.limit);
}

TEST(codec, shows_a_visitor_nothing_but_the_public_part) {
  event_header header;
  header.kind = event_kind::message;
  header.visible_seq = 4;
  header.time = 99;
  header.author = {participant_kind::account, sample_id<entity_id>(0x90)};
  header.client = {client, 9};
  header.public_hash = 1;
  header.staff_hash = 2;
  const proto::push_envelope envelope{talk, 7, 0, 0};
  const public_part open{{participant_kind::account, "Bob"}, text_content{"hello", 0}};
  auto bytes = proto::encode_push(envelope, header, proto::encode(open),
                                  proto::encode(staff_part{text_content{"secret", 0}}),
                                  proto::audience::visitor);
  EXPECT_EQ(bytes.find("secret"), std::string::npos);
  EXPECT_EQ(bytes.find(header.author.id.view()), std::string::npos);
  EXPECT_EQ(bytes.find(client.view()), std::string::npos);
  event_push expected;
  expected.conversation = talk;
  expected.visible_seq = 4;
  expected.kind = event_kind::message;
  expected.time = 99;
  expected.public_content = open;
  auto decoded = proto::decode_server(bytes, wire_form::proto);
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(*decoded == server_frame{expected});
}

TEST(codec, reads_the_code_of_a_later_build_as_internal) {
  auto bytes = field(13, field(1, field(1, "quota_of_tomorrow")));
  auto decoded = proto::decode_server(bytes, wire_form::proto);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<problem>(*decoded).reason.code, errc::internal);
}

TEST(codec, refuses_a_part_of_an_unknown_body) {
  auto unknown = proto::decode_staff_part(field(9, ""));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.failure().code, errc::unsupported);
  auto empty = proto::decode_public_part("");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.failure().code, errc::bad_request);
}

} // namespace

} // namespace frontdesk
