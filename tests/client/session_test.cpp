#include "client/session.hpp"

#include <gtest/gtest.h>

#include <variant>
#include <vector>

using namespace frontdesk;
using namespace frontdesk::client;

namespace {

template <class Id>
Id id_of(char filler) {
  return *Id::from_bytes(std::string(16, filler));
}

const auto talk = id_of<domain::conversation_id>('\x11');

session_options options_of(bool staff) {
  session_options options;
  options.staff = staff;
  options.inbox_key = staff ? "" : "inbox";
  options.name = "Ann";
  auto next = std::make_shared<char>('a');
  options.random_id = [next] { return id_of<domain::entity_id>((*next)++); };
  return options;
}

domain::welcome welcome_of(std::uint64_t incarnation = 7) {
  domain::welcome frame;
  frame.token = "token";
  frame.store_incarnation = incarnation;
  frame.in_flight_max = 128;
  frame.heartbeat_ms = 10000;
  return frame;
}

domain::event_push event_of(domain::message_seq number, bool staff) {
  domain::event_push event;
  event.conversation = talk;
  event.seq = staff ? number : 0;
  event.visible_seq = number;
  event.kind = domain::event_kind::message;
  return event;
}

domain::post_message text_of(std::string text) {
  return {{std::move(text), 0}};
}

template <class Effect>
std::vector<Effect> all_of(const effects& from) {
  std::vector<Effect> found;
  for (const auto& each : from)
    if (const auto* one = std::get_if<Effect>(&each))
      found.push_back(*one);
  return found;
}

template <class Frame>
std::vector<Frame> frames_in(const effects& from) {
  std::vector<Frame> found;
  for (const auto& each : all_of<send_frame>(from))
    if (const auto* one = std::get_if<Frame>(&each.frame))
      found.push_back(*one);
  return found;
}

/// A session whose link is up and whose hello was answered.
session online(bool staff, session_state state = {}) {
  session made{options_of(staff), std::move(state)};
  made.link_opened(0);
  made.received(welcome_of(), 0);
  return made;
}

/// A visitor who has opened `talk` with one message, number 1.
session with_open_talk() {
  auto visitor = online(false);
  effects out;
  EXPECT_TRUE(visitor.enqueue({}, text_of("hello"), out));
  const auto sent = frames_in<domain::command>(out);
  EXPECT_EQ(sent.size(), 1u);
  visitor.received(domain::acknowledge{talk, sent[0].opening, sent[0].key, 0, 1, 0, 65}, 0);
  return visitor;
}

} // namespace

TEST(session, greets_as_a_new_visitor_and_keeps_the_token) {
  session visitor{options_of(false)};
  const auto greetings = frames_in<domain::hello>(visitor.link_opened(0));
  ASSERT_EQ(greetings.size(), 1u);
  EXPECT_EQ(greetings[0].token, "");
  EXPECT_EQ(greetings[0].inbox_key, "inbox");
  EXPECT_EQ(greetings[0].name, "Ann");
  EXPECT_FALSE(visitor.online());
  visitor.received(welcome_of(), 0);
  EXPECT_TRUE(visitor.online());
  EXPECT_EQ(visitor.state().token, "token");
}

TEST(session, keeps_what_is_typed_before_the_welcome_and_sends_it_after) {
  session visitor{options_of(false)};
  effects out;
  ASSERT_TRUE(visitor.enqueue({}, text_of("early"), out));
  EXPECT_TRUE(all_of<send_frame>(out).empty());
  visitor.link_opened(0);
  const auto sent = frames_in<domain::command>(visitor.received(welcome_of(), 0));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].opening);
  EXPECT_FALSE(visitor.idle());
}

TEST(session, asks_for_the_events_of_what_it_opens_once_the_id_is_known) {
  auto visitor = online(false);
  effects out;
  ASSERT_TRUE(visitor.enqueue({}, text_of("hello"), out));
  const auto sent = frames_in<domain::command>(out);
  // The node subscribes the opener before the acknowledgement tells the id.
  domain::subscribed early;
  early.conversation = talk;
  early.status = domain::conversation_status::waiting;
  visitor.received(early, 0);
  const auto after
    = visitor.received(domain::acknowledge{talk, sent[0].opening, sent[0].key, 0, 1, 0, 65}, 0);
  const auto wanted = frames_in<domain::subscribe>(after);
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_EQ(wanted[0].after, 1u);
  EXPECT_EQ(visitor.current(), talk);
  EXPECT_EQ(visitor.state().conversations.size(), 1u);
  EXPECT_TRUE(visitor.idle());
}

TEST(session, shows_each_event_once_and_in_order) {
  auto visitor = with_open_talk();
  EXPECT_EQ(all_of<event_seen>(visitor.received(event_of(2, false), 0)).size(), 1u);
  EXPECT_EQ(all_of<event_seen>(visitor.received(event_of(2, false), 0)).size(), 0u);
  EXPECT_EQ(all_of<event_seen>(visitor.received(event_of(3, false), 0)).size(), 1u);
  EXPECT_EQ(visitor.cursor(talk), 3u);
}

TEST(session, counts_an_acknowledgement_of_its_own_as_seen) {
  auto visitor = with_open_talk();
  effects out;
  ASSERT_TRUE(visitor.enqueue(talk, text_of("second"), out));
  const auto sent = frames_in<domain::command>(out);
  ASSERT_EQ(sent.size(), 1u);
  visitor.received(event_of(2, false), 0);
  visitor.received(domain::acknowledge{talk, {}, sent[0].key, 0, 3, 0, 65}, 0);
  const auto after = visitor.received(event_of(4, false), 0);
  EXPECT_EQ(all_of<event_seen>(after).size(), 1u);
  EXPECT_TRUE(all_of<hole_found>(after).empty());
}

TEST(session, notices_a_hole_and_asks_again_once) {
  auto visitor = with_open_talk();
  const auto first = visitor.received(event_of(4, false), 0);
  ASSERT_EQ(all_of<hole_found>(first).size(), 1u);
  EXPECT_EQ(all_of<hole_found>(first)[0].after, 1u);
  ASSERT_EQ(frames_in<domain::subscribe>(first).size(), 1u);
  EXPECT_EQ(frames_in<domain::subscribe>(first)[0].after, 1u);
  EXPECT_TRUE(all_of<event_seen>(first).empty());
  EXPECT_TRUE(frames_in<domain::subscribe>(visitor.received(event_of(5, false), 0)).empty());
  // The replay fills it.
  EXPECT_EQ(all_of<event_seen>(visitor.received(event_of(2, false), 0)).size(), 1u);
  EXPECT_EQ(all_of<event_seen>(visitor.received(event_of(3, false), 0)).size(), 1u);
}

TEST(session, resumes_with_its_cursor_and_resends_what_is_not_confirmed) {
  auto visitor = with_open_talk();
  visitor.received(event_of(2, false), 0);
  effects out;
  ASSERT_TRUE(visitor.enqueue(talk, text_of("lost"), out));
  const auto key = frames_in<domain::command>(out)[0].key;
  visitor.link_closed();
  const auto greetings = frames_in<domain::hello>(visitor.link_opened(0));
  ASSERT_EQ(greetings.size(), 1u);
  EXPECT_EQ(greetings[0].token, "token");
  EXPECT_EQ(greetings[0].store_incarnation, 7u);
  ASSERT_EQ(greetings[0].cursors.size(), 1u);
  EXPECT_EQ(greetings[0].cursors[0], (domain::conversation_cursor{talk, 2}));
  const auto resent = frames_in<domain::command>(visitor.received(welcome_of(), 0));
  ASSERT_EQ(resent.size(), 1u);
  EXPECT_EQ(resent[0].key, key);
}

TEST(session, goes_on_where_a_saved_state_ended) {
  auto before = with_open_talk();
  effects out;
  ASSERT_TRUE(before.enqueue(talk, text_of("kept"), out));
  session after{options_of(false), before.state()};
  const auto greetings = frames_in<domain::hello>(after.link_opened(0));
  ASSERT_EQ(greetings[0].cursors.size(), 1u);
  const auto resent = frames_in<domain::command>(after.received(welcome_of(), 0));
  ASSERT_EQ(resent.size(), 1u);
  EXPECT_EQ(resent[0].body, domain::command_body{text_of("kept")});
}

TEST(session, asks_the_person_when_the_store_was_replaced_meanwhile) {
  auto visitor = with_open_talk();
  effects out;
  ASSERT_TRUE(visitor.enqueue(talk, text_of("perhaps stored"), out));
  visitor.link_closed();
  visitor.link_opened(0);
  const auto asked = all_of<unconfirmed>(visitor.received(welcome_of(8), 0));
  ASSERT_EQ(asked.size(), 1u);
  ASSERT_EQ(asked[0].handles.size(), 1u);
  EXPECT_FALSE(visitor.idle());
  const auto again = visitor.answer(asked[0].outbox, asked[0].handles[0], true);
  ASSERT_EQ(frames_in<domain::command>(again).size(), 1u);
  EXPECT_EQ(frames_in<domain::command>(again)[0].key.seq, 1u);
}

TEST(session, starts_over_on_a_resync_of_everything) {
  auto visitor = with_open_talk();
  effects out;
  ASSERT_TRUE(visitor.enqueue(talk, text_of("swallowed"), out));
  const auto again = visitor.received(domain::resync{}, 0);
  EXPECT_EQ(frames_in<domain::hello>(again).size(), 1u);
  EXPECT_FALSE(visitor.online());
  EXPECT_EQ(frames_in<domain::command>(visitor.received(welcome_of(), 0)).size(), 1u);
}

TEST(session, subscribes_and_resends_on_a_resync_of_one_conversation) {
  auto visitor = with_open_talk();
  effects out;
  ASSERT_TRUE(visitor.enqueue(talk, text_of("swallowed"), out));
  const auto again = visitor.received(domain::resync{talk}, 0);
  EXPECT_EQ(frames_in<domain::subscribe>(again).size(), 1u);
  EXPECT_EQ(frames_in<domain::command>(again).size(), 1u);
}

TEST(session, takes_a_newest_page_from_wherever_it_begins) {
  auto agent = online(true);
  const auto wanted = frames_in<domain::subscribe>(agent.follow(talk));
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_FALSE(wanted[0].after);
  const auto first = agent.received(event_of(30, true), 0);
  EXPECT_EQ(all_of<event_seen>(first).size(), 1u);
  EXPECT_TRUE(all_of<hole_found>(first).empty());
  EXPECT_EQ(agent.cursor(talk), 30u);
}

TEST(session, asks_for_a_newest_page_again_when_a_crash_came_between) {
  auto agent = online(true);
  agent.follow(talk);
  const auto again = agent.received(domain::resync{}, 0);
  EXPECT_TRUE(frames_in<domain::hello>(again)[0].cursors.empty());
  const auto wanted = frames_in<domain::subscribe>(agent.received(welcome_of(), 0));
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_FALSE(wanted[0].after);
}

TEST(session, follows_what_the_node_subscribes_an_agent_to) {
  auto agent = online(true);
  domain::subscribed frame;
  frame.conversation = talk;
  frame.seq = 40;
  frame.status = domain::conversation_status::active;
  agent.received(frame, 0);
  EXPECT_TRUE(agent.follows(talk));
  EXPECT_EQ(all_of<event_seen>(agent.received(event_of(40, true), 0)).size(), 1u);
}

TEST(session, refuses_an_agents_text_without_a_conversation) {
  auto agent = online(true);
  effects out;
  const auto refused = agent.enqueue({}, text_of("to whom"), out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().code, domain::errc::bad_request);
}

TEST(session, pings_when_silent_and_drops_a_link_that_is_dead) {
  auto visitor = online(false);
  EXPECT_TRUE(visitor.tick(4000).empty());
  EXPECT_EQ(frames_in<domain::ping>(visitor.tick(5000)).size(), 1u);
  EXPECT_TRUE(frames_in<domain::ping>(visitor.tick(5500)).empty());
  EXPECT_EQ(all_of<drop_link>(visitor.tick(20001)).size(), 1u);
}

TEST(session, drops_a_link_without_a_welcome) {
  session visitor{options_of(false)};
  visitor.link_opened(0);
  EXPECT_TRUE(visitor.tick(15000).empty());
  EXPECT_EQ(all_of<drop_link>(visitor.tick(15001)).size(), 1u);
}

TEST(session, sends_again_what_is_not_answered_in_time) {
  auto visitor = with_open_talk();
  effects out;
  ASSERT_TRUE(visitor.enqueue(talk, text_of("unanswered"), out));
  EXPECT_TRUE(frames_in<domain::command>(visitor.tick(1000)).empty());
  EXPECT_TRUE(frames_in<domain::command>(visitor.tick(5999)).empty());
  EXPECT_EQ(frames_in<domain::command>(visitor.tick(6000)).size(), 1u);
}
