#include "proto/codec.hpp"
#include "tests/proto/samples.hpp"
#include "tests/support/golden.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace frontdesk {

namespace {

using domain::wire_form;

template <class Frame>
void check(const test::frame_sample<Frame>& sample, const char* direction,
           domain::result<Frame> (*decode)(std::string_view, wire_form)) {
  SCOPED_TRACE(sample.name);
  auto proto_bytes = proto::encode(sample.frame, wire_form::proto);
  auto json_text = proto::encode(sample.frame, wire_form::json);
  if (test::rewriting_goldens()) {
    auto written = test::write_wire_golden({sample.name, direction, json_text, proto_bytes});
    ASSERT_TRUE(written) << written.failure().message;
  }
  auto golden = test::load_wire_golden(sample.name);
  ASSERT_TRUE(golden) << golden.failure().message;
  EXPECT_EQ(golden->direction, direction);

  auto from_proto = decode(golden->proto, wire_form::proto);
  ASSERT_TRUE(from_proto) << from_proto.failure().message << " " << from_proto.failure().field;
  EXPECT_TRUE(*from_proto == sample.frame);
  EXPECT_EQ(domain::to_hex(proto_bytes), domain::to_hex(golden->proto));

  auto from_json = decode(golden->json, wire_form::json);
  ASSERT_TRUE(from_json) << from_json.failure().message << " " << from_json.failure().field;
  EXPECT_TRUE(*from_json == sample.frame);
  EXPECT_TRUE(test::same_json(json_text, golden->json)) << json_text << "\n" << golden->json;
}

TEST(golden_frames, client_frames_of_both_forms_are_read_and_written_as_they_always_were) {
  for (const auto& sample : test::client_samples())
    check(sample, "client", proto::decode_client);
}

TEST(golden_frames, server_frames_of_both_forms_are_read_and_written_as_they_always_were) {
  for (const auto& sample : test::server_samples())
    check(sample, "server", proto::decode_server);
}

TEST(golden_frames, server_frames_turn_from_binary_into_the_golden_json) {
  for (const auto& sample : test::server_samples()) {
    SCOPED_TRACE(sample.name);
    auto golden = test::load_wire_golden(sample.name);
    ASSERT_TRUE(golden) << golden.failure().message;
    auto text = proto::to_json(golden->proto);
    ASSERT_TRUE(text) << text.failure().message;
    EXPECT_TRUE(test::same_json(*text, golden->json)) << *text;
  }
}

TEST(golden_frames, every_kind_of_frame_and_of_command_has_a_file) {
  std::set<std::size_t> client_kinds;
  std::set<std::size_t> command_kinds;
  std::set<std::size_t> server_kinds;
  std::set<domain::event_kind> event_kinds;
  std::vector<std::string> names;
  for (const auto& sample : test::client_samples()) {
    names.push_back(sample.name);
    client_kinds.insert(sample.frame.index());
    if (const auto* command = std::get_if<domain::command>(&sample.frame))
      command_kinds.insert(command->body.index());
  }
  for (const auto& sample : test::server_samples()) {
    names.push_back(sample.name);
    server_kinds.insert(sample.frame.index());
    if (const auto* push = std::get_if<domain::event_push>(&sample.frame))
      event_kinds.insert(push->kind);
  }
  EXPECT_EQ(client_kinds.size(), std::variant_size_v<domain::client_frame>);
  EXPECT_EQ(command_kinds.size(), std::variant_size_v<domain::command_body>);
  EXPECT_EQ(server_kinds.size(), std::variant_size_v<domain::server_frame>);
  EXPECT_EQ(event_kinds.size(), static_cast<std::size_t>(domain::event_kind::erase));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(test::golden_names("wire", ".json"), names);
}

} // namespace

} // namespace frontdesk
