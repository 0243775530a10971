#include "load/histogram.hpp"
#include "load/wire.hpp"
#include "proto/codec.hpp"

#include <gtest/gtest.h>

#include <memory>

using namespace frontdesk;
using namespace frontdesk::load;

namespace {

template <class Id>
Id id_of(char filler) {
  return *Id::from_bytes(std::string(16, filler));
}

domain::command command_of(const message_command& what, const std::string& text) {
  domain::command frame;
  frame.conversation = what.conversation;
  if (!frame.conversation)
    frame.opening = what.opening;
  frame.key = what.key;
  frame.previous = what.previous;
  frame.body = domain::post_message{{text, 0}};
  return frame;
}

} // namespace

TEST(load_wire, writes_commands_as_the_codec_does) {
  std::string bytes;
  for (const std::uint64_t number : {1ull, 127ull, 128ull, 1ull << 40})
    for (const std::size_t size : {32u, 100u, 127u, 128u, 20000u}) {
      message_command what;
      what.conversation = id_of<domain::conversation_id>('c');
      what.key = {id_of<domain::client_id>('k'), number};
      what.previous = number - 1;
      const std::string text(size, 'x');
      write_command(bytes, what, text);
      EXPECT_EQ(bytes, proto::encode(domain::client_frame{command_of(what, text)},
                                     domain::wire_form::proto));
      what.conversation = {};
      what.opening = id_of<domain::opening_key>('o');
      write_command(bytes, what, text);
      EXPECT_EQ(bytes, proto::encode(domain::client_frame{command_of(what, text)},
                                     domain::wire_form::proto));
    }
}

TEST(load_wire, reads_acknowledgements_of_the_codec) {
  const domain::acknowledge frame{id_of<domain::conversation_id>('c'),
                                  id_of<domain::opening_key>('o'),
                                  {id_of<domain::client_id>('k'), 300},
                                  17,
                                  12,
                                  1700000000000,
                                  98};
  const auto bytes = proto::encode(domain::server_frame{frame}, domain::wire_form::proto);
  const auto read = read_hot_frame(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, hot_kind::acknowledge);
  EXPECT_EQ(read->conversation, frame.conversation.view());
  EXPECT_EQ(read->client, frame.key.client.view());
  EXPECT_EQ(read->client_seq, 300u);
  EXPECT_EQ(read->seq, 17u);
  EXPECT_EQ(read->visible_seq, 12u);
}

TEST(load_wire, reads_events_of_the_codec) {
  domain::event_push frame;
  frame.conversation = id_of<domain::conversation_id>('c');
  frame.seq = 17;
  frame.visible_seq = 12;
  frame.kind = domain::event_kind::message;
  frame.time = 1700000000000;
  frame.author
    = domain::participant{domain::participant_kind::visitor, id_of<domain::entity_id>('v')};
  frame.client = {id_of<domain::client_id>('k'), 300};
  frame.public_content = domain::public_part{{domain::participant_kind::visitor, "Ann"},
                                             domain::text_content{"hi", 3}};
  const auto bytes = proto::encode(domain::server_frame{frame}, domain::wire_form::proto);
  const auto read = read_hot_frame(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->kind, hot_kind::event);
  EXPECT_EQ(read->conversation, frame.conversation.view());
  EXPECT_EQ(read->client, frame.client.client.view());
  EXPECT_EQ(read->client_seq, 300u);
  EXPECT_EQ(read->seq, 17u);
  EXPECT_EQ(read->visible_seq, 12u);
  EXPECT_EQ(read->text, "hi");
}

TEST(load_wire, leaves_other_frames_and_cut_ones_alone) {
  const auto pong = proto::encode(domain::server_frame{domain::pong{5}}, domain::wire_form::proto);
  EXPECT_FALSE(read_hot_frame(pong));
  EXPECT_FALSE(read_hot_frame(""));
  EXPECT_FALSE(read_hot_frame("\x2a\x7f"));
  EXPECT_FALSE(read_hot_frame("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
}

TEST(load_wire, stamps_come_back_out_of_a_text) {
  std::string text;
  const stamp mark{true, 0xfffffffe, 0x0123456789abcdef};
  write_stamped_text(text, mark, 100);
  EXPECT_EQ(text.size(), 100u);
  EXPECT_EQ(read_stamp(text), mark);
  write_stamped_text(text, {false, 1, 2}, 0);
  EXPECT_EQ(text.size(), stamp_size);
  EXPECT_EQ(read_stamp(text), (stamp{false, 1, 2}));
  EXPECT_FALSE(read_stamp("Where is my order, please? It is late."));
  EXPECT_FALSE(read_stamp(text.substr(0, stamp_size - 1)));
}

TEST(load_histogram, quantiles_are_at_most_two_percent_too_high) {
  auto all = std::make_unique<histogram>();
  for (std::uint64_t value = 1; value <= 1'000'000; ++value)
    all->add(value);
  EXPECT_EQ(all->count(), 1'000'000u);
  EXPECT_EQ(all->most(), 1'000'000u);
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    const auto exact = share * 1'000'000;
    EXPECT_GE(static_cast<double>(all->quantile(share)), exact);
    EXPECT_LE(static_cast<double>(all->quantile(share)), exact * 1.02);
  }
}

TEST(load_histogram, small_values_are_exact_and_huge_ones_count) {
  auto all = std::make_unique<histogram>();
  EXPECT_EQ(all->quantile(0.5), 0u);
  all->add(3);
  EXPECT_EQ(all->quantile(0.5), 3u);
  all->add(UINT64_MAX);
  EXPECT_EQ(all->count(), 2u);
  EXPECT_EQ(all->most(), UINT64_MAX);
}

TEST(load_histogram, sums_of_two_are_as_if_counted_in_one) {
  auto one = std::make_unique<histogram>();
  auto two = std::make_unique<histogram>();
  auto both = std::make_unique<histogram>();
  for (std::uint64_t value = 1; value < 100'000; value += 7) {
    (value % 2 == 0 ? one : two)->add(value * 1000);
    both->add(value * 1000);
  }
  one->add(*two);
  EXPECT_EQ(one->count(), both->count());
  EXPECT_EQ(one->most(), both->most());
  for (const double share : {0.01, 0.5, 0.9, 0.99})
    EXPECT_EQ(one->quantile(share), both->quantile(share));
  EXPECT_DOUBLE_EQ(one->mean(), both->mean());
}
