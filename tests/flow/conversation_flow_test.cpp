#include "domain/failpoint.hpp"
#include "tests/flow/node_fixture.hpp"

#include <algorithm>

namespace frontdesk::tests {

using namespace domain;
using conversation_flow = node_fixture;

std::string text_of(const event_push& push) {
  if (push.public_content)
    if (auto* text = std::get_if<text_content>(&push.public_content->body))
      return text->text;
  if (push.staff_content)
    if (auto* text = std::get_if<text_content>(&push.staff_content->body))
      return text->text;
  return "";
}

account_id random_account() {
  account_id id;
  id.bytes.fill(0x5A);
  return id;
}

TEST_F(conversation_flow, first_message_opens_a_conversation_and_reaches_the_agent) {
  auto agent_client = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto ack = vera.expect<acknowledge>();
  EXPECT_EQ(ack.visible_seq, 1u);
  EXPECT_EQ(ack.seq, 0u) << "a visitor knows visible numbers only";
  EXPECT_TRUE(ack.conversation);
  EXPECT_NE(ack.number, 0u);
  auto pushes = agent_client.all<event_push>();
  ASSERT_EQ(pushes.size(), 2u);
  EXPECT_EQ(text_of(pushes[0]), "hello");
  EXPECT_EQ(pushes[1].kind, event_kind::assignment);
  auto seen = vera.all<event_push>();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].kind, event_kind::assignment);
  EXPECT_EQ(seen[0].visible_seq, 2u);
  EXPECT_FALSE(seen[0].staff_content) << "staff parts never reach a visitor";
  EXPECT_FALSE(seen[0].author);
}

TEST_F(conversation_flow, agent_answers_and_both_sides_have_one_order) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  li.say(message(conversation, 1, 0, "hi, how can I help?", 9));
  auto ack = li.expect<acknowledge>();
  EXPECT_EQ(ack.seq, 3u);
  auto push = vera.all<event_push>().back();
  EXPECT_EQ(text_of(push), "hi, how can I help?");
  EXPECT_EQ(push.visible_seq, 3u);
  EXPECT_EQ(push.public_content->author.name, "Li Wen");
}

TEST_F(conversation_flow, repeat_gets_the_first_ack_again_and_stores_nothing) {
  auto vera = visitor();
  vera.say(message({}, 1, 0, "once"));
  auto first = vera.expect<acknowledge>();
  vera.say(message({}, 1, 0, "once"));
  auto second = vera.expect<acknowledge>();
  EXPECT_EQ(first.conversation, second.conversation);
  EXPECT_EQ(first.visible_seq, second.visible_seq);
  vera.say(history_request{7, first.conversation, 0, false, 50});
  EXPECT_EQ(vera.expect<history_page>().events.size(), 1u);
}

TEST_F(conversation_flow, repeat_after_a_restart_of_the_node_gets_the_first_ack_again) {
  auto vera = visitor();
  vera.say(message({}, 1, 0, "once"));
  auto first = vera.expect<acknowledge>();
  stop();
  start();
  auto again = visitor_again(vera);
  again.say(message({}, 1, 0, "once"));
  auto second = again.expect<acknowledge>();
  EXPECT_EQ(first.conversation, second.conversation);
  EXPECT_EQ(first.visible_seq, second.visible_seq);
  again.say(message(first.conversation, 2, 1, "twice"));
  EXPECT_EQ(again.expect<acknowledge>().visible_seq, 2u);
}

TEST_F(conversation_flow, second_tab_follows_what_the_first_one_opens) {
  auto first = visitor();
  auto second = visitor_again(first);
  first.say(message({}, 1, 0, "from the first tab", 1));
  auto conversation = first.expect<acknowledge>().conversation;
  auto push = second.expect<event_push>();
  EXPECT_EQ(text_of(push), "from the first tab");
  second.say(message({}, 1, 0, "from the second tab", 2));
  auto ack = second.expect<acknowledge>();
  EXPECT_EQ(ack.conversation, conversation) << "an opening joins the open conversation";
  EXPECT_EQ(text_of(first.expect<event_push>()), "from the second tab");
}

TEST_F(conversation_flow, note_never_reaches_a_visitor) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  vera.all<event_push>();
  li.say(command(conversation, 1, 0, post_note{{"a difficult one", 0}}, 9));
  li.say(message(conversation, 2, 1, "one moment", 9));
  auto seen = vera.all<event_push>();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(text_of(seen[0]), "one moment");
  EXPECT_EQ(seen[0].visible_seq, 3u) << "visible numbers are dense";
  vera.say(history_request{1, conversation, 0, false, 50});
  for (const auto& event : vera.expect<history_page>().events)
    EXPECT_NE(event.kind, event_kind::note);
  auto again = visitor_again(vera, {{conversation, 0}});
  for (const auto& event : again.all<event_push>())
    EXPECT_NE(event.kind, event_kind::note);
}

TEST_F(conversation_flow, cursor_replays_exactly_what_was_missed) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "one"));
  auto conversation = vera.expect<acknowledge>().conversation;
  vera.disconnect();
  for (std::uint64_t i = 1; i <= 120; ++i)
    li.say(message(conversation, i, i - 1, "reply " + std::to_string(i), 9));
  auto again = visitor_again(vera, {{conversation, 1}});
  auto replayed = again.all<event_push>();
  ASSERT_EQ(replayed.size(), 121u) << "the assignment and 120 replies, over several pages";
  for (std::size_t i = 0; i < replayed.size(); ++i)
    EXPECT_EQ(replayed[i].visible_seq, i + 2);
  li.say(message(conversation, 121, 120, "live again", 9));
  EXPECT_EQ(text_of(again.expect<event_push>()), "live again");
}

TEST_F(conversation_flow, cursor_of_another_store_or_beyond_the_end_is_reset) {
  auto vera = visitor();
  vera.say(message({}, 1, 0, "one"));
  auto conversation = vera.expect<acknowledge>().conversation;
  auto again = connect();
  again.say(hello{vera.token, "", "", store->identity().incarnation + 1, {{conversation, 1}}});
  EXPECT_TRUE(again.expect<subscribed>().reset);
  EXPECT_EQ(again.all<event_push>().size(), 1u);
  vera.say(subscribe{conversation, 17});
  EXPECT_TRUE(vera.expect<subscribed>().reset);
}

TEST_F(conversation_flow, tenants_do_not_see_each_other) {
  auto other = make_tenant("Other shop");
  auto spy = agent(make_account("Spy", other));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "private"));
  auto conversation = vera.expect<acknowledge>().conversation;
  EXPECT_TRUE(spy.all<event_push>().empty());
  spy.say(subscribe{conversation, 0});
  EXPECT_EQ(spy.expect<problem>().reason.code, errc::not_found);
  spy.say(message(conversation, 1, 0, "intrusion", 9));
  EXPECT_EQ(spy.expect<refuse>().reason.code, errc::not_found);
  spy.say(history_request{3, conversation, 0, false, 50});
  spy.collect();
  for (auto& page : spy.all<history_page>())
    EXPECT_TRUE(page.events.empty());
  auto mallory = visitor("Mallory");
  mallory.say(subscribe{conversation, 0});
  EXPECT_EQ(mallory.expect<problem>().reason.code, errc::not_found);
  mallory.say(message(conversation, 1, 0, "intrusion", 3));
  EXPECT_EQ(mallory.expect<refuse>().reason.code, errc::not_found);
}

TEST_F(conversation_flow, edit_and_recall_reach_everyone_and_history) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "helo"));
  auto conversation = vera.expect<acknowledge>().conversation;
  vera.all<event_push>();
  li.all<event_push>();
  vera.say(command(conversation, 2, 1, edit_message{1, "hello"}));
  vera.expect<acknowledge>();
  auto edited = li.expect<event_push>();
  EXPECT_EQ(edited.kind, event_kind::edit);
  EXPECT_EQ(edited.target, 1u);
  EXPECT_EQ(text_of(edited), "hello");
  li.say(command(conversation, 1, 0, edit_message{1, "forged"}, 9));
  EXPECT_EQ(li.expect<refuse>().reason.code, errc::forbidden);
  vera.say(command(conversation, 3, 2, recall_message{1}));
  vera.expect<acknowledge>();
  EXPECT_EQ(li.expect<event_push>().kind, event_kind::recall);
  li.say(history_request{4, conversation, 0, false, 50});
  auto page = li.expect<history_page>();
  EXPECT_TRUE(std::holds_alternative<recalled_content>(page.events[0].public_content->body));
  for (const auto& event : page.events)
    EXPECT_EQ(text_of(event).find("hel"), std::string::npos);
}

TEST_F(conversation_flow,
       idle_conversation_leaves_memory_and_its_followers_hear_of_the_next_message) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  auto key = key_of(tenant_id{1}, conversation);
  for (int i = 0; i < 4; ++i)
    advance(std::chrono::milliseconds(bounds.conversation_idle_ms));
  EXPECT_FALSE(node->region->tell_if_present(key, actors::idle_tick{})) << "it should have left";
  li.all<event_push>();
  vera.say(message(conversation, 2, 1, "still there?"));
  EXPECT_EQ(vera.expect<acknowledge>().visible_seq, 3u);
  EXPECT_EQ(text_of(li.expect<event_push>()), "still there?");
  li.say(message(conversation, 1, 0, "yes", 9));
  EXPECT_EQ(text_of(vera.expect<event_push>()), "yes");
}

TEST_F(conversation_flow,
       waiting_visitor_learns_the_place_and_the_next_free_agent_gets_the_oldest) {
  auto first = visitor("First");
  first.say(message({}, 1, 0, "me first"));
  advance(std::chrono::seconds(2));
  auto second = visitor("Second");
  second.say(message({}, 1, 0, "me second"));
  advance(std::chrono::seconds(2));
  EXPECT_EQ(first.all<queue_position>().back().position, 1u);
  EXPECT_EQ(second.all<queue_position>().back().position, 2u);
  auto li = agent(make_account("Li Wen"), 1);
  advance(std::chrono::seconds(2));
  auto pushes = li.all<event_push>();
  ASSERT_FALSE(pushes.empty());
  EXPECT_EQ(text_of(pushes[0]), "me first");
  EXPECT_EQ(second.all<queue_position>().back().position, 1u);
}

TEST_F(conversation_flow, lists_are_live_and_resume_by_cursor) {
  auto li = agent(make_account("Li Wen"), 0);
  li.say(subscribe_list{list_kind::waiting, std::nullopt});
  auto page = li.expect<list_rows>();
  EXPECT_TRUE(page.reset);
  EXPECT_TRUE(page.rows.empty());
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  auto live = li.expect<list_rows>();
  ASSERT_EQ(live.rows.size(), 1u);
  EXPECT_EQ(live.rows[0].conversation, conversation);
  EXPECT_EQ(live.rows[0].excerpt, "hello");
  li.say(command(conversation, 1, 0, assign{id_cast<account_id>(li.self.id), {}}, 9));
  auto left = li.expect<list_rows>();
  ASSERT_EQ(left.removed.size(), 1u);
  li.say(subscribe_list{list_kind::mine, std::nullopt});
  EXPECT_EQ(li.expect<list_rows>().rows.size(), 1u);
  li.say(command(conversation, 2, 1, resolve{}, 9));
  EXPECT_EQ(li.expect<list_rows>().removed.size(), 1u);
}

TEST_F(conversation_flow, pointers_are_kept_and_visitors_see_them_in_their_own_numbers) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  li.say(command(conversation, 1, 0, post_note{{"hm", 0}}, 9));
  vera.say(message(conversation, 2, 1, "anyone?"));
  vera.all<pointer_moved>();
  li.say(mark{conversation, 4, 4});
  auto moved = vera.expect<pointer_moved>();
  EXPECT_EQ(moved.value.read, 3u) << "seq 4 is visible_seq 3";
  EXPECT_TRUE(moved.value.who.id.is_zero());
  stop();
  start();
  auto again = visitor_again(vera, {{conversation, 3}});
  auto answer = again.expect<subscribed>();
  ASSERT_EQ(answer.pointers.size(), 1u);
  EXPECT_EQ(answer.pointers[0].read, 3u);
}

TEST_F(conversation_flow, json_and_binary_sockets_see_the_same) {
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  auto json = connect(wire_form::json);
  json.say(hello{vera.token, "", "", store->identity().incarnation, {{conversation, 0}}});
  EXPECT_EQ(text_of(json.expect<event_push>()), "hello");
}

TEST_F(conversation_flow, disabled_account_and_forged_tokens_are_refused) {
  auto token = make_account("Li Wen");
  auto forged = token;
  forged[forged.size() / 2] = forged[forged.size() / 2] == 'A' ? 'B' : 'A';
  auto forger = connect();
  forger.say(hello{forged, "", "", 0, {}});
  EXPECT_EQ(forger.expect<problem>().reason.code, errc::unauthenticated);
  auto stranger = connect();
  stranger.say(subscribe{make_conversation_id(shard_id{1}, 1, 1), 0});
  EXPECT_EQ(stranger.expect<problem>().reason.code, errc::unauthenticated);
}

TEST_F(conversation_flow, memory_watermarks_refuse_openings_first_then_visitors_never_staff) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  node->admit.memory_level.store(1);
  auto late = visitor("Late");
  late.say(message({}, 1, 0, "hello"));
  EXPECT_EQ(late.expect<refuse>().reason.code, errc::overloaded);
  vera.say(message(conversation, 2, 1, "still fine"));
  EXPECT_EQ(vera.expect<acknowledge>().visible_seq, 3u);
  node->admit.memory_level.store(2);
  vera.say(message(conversation, 3, 2, "too much"));
  EXPECT_EQ(vera.expect<refuse>().reason.code, errc::overloaded);
  li.say(message(conversation, 1, 0, "we are here", 9));
  EXPECT_EQ(li.expect<acknowledge>().seq, 4u);
  node->admit.memory_level.store(0);
  vera.say(message(conversation, 3, 2, "again"));
  EXPECT_EQ(vera.expect<acknowledge>().visible_seq, 5u) << "a refusal for now keeps the number";
}

TEST_F(conversation_flow, transfer_moves_the_conversation_and_the_new_agent_follows_it) {
  auto li = agent(make_account("Li Wen"));
  auto wang = agent(make_account("Wang Min"), 0);
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  li.say(command(conversation, 1, 0, assign{id_cast<account_id>(wang.self.id), {}}, 9));
  EXPECT_EQ(li.expect<acknowledge>().seq, 3u);
  auto replayed = wang.all<event_push>();
  ASSERT_FALSE(replayed.empty());
  EXPECT_EQ(text_of(replayed.front()), "hello") << "with what was said before";
  wang.say(message(conversation, 1, 0, "I take over", 8));
  auto seen = vera.all<event_push>();
  EXPECT_EQ(text_of(seen.back()), "I take over");
  EXPECT_EQ(seen.back().public_content->author.name, "Wang Min");
  li.say(command(conversation, 2, 1, assign{random_account(), {}}, 9));
  EXPECT_EQ(li.expect<refuse>().reason.code, errc::not_found);
}

TEST_F(conversation_flow, resolved_conversation_is_opened_again_by_a_message) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  li.say(command(conversation, 1, 0, resolve{}, 9));
  li.expect<acknowledge>();
  EXPECT_EQ(vera.all<event_push>().back().kind, event_kind::status);
  vera.say(message(conversation, 2, 1, "one more thing"));
  vera.expect<acknowledge>();
  advance(std::chrono::seconds(2));
  vera.say(history_request{1, conversation, 0, false, 50});
  auto events = vera.expect<history_page>().events;
  ASSERT_GE(events.size(), 5u);
  EXPECT_EQ(events[3].kind, event_kind::status);
  EXPECT_EQ(text_of(events[4]), "one more thing");
}

TEST_F(conversation_flow, full_disk_refuses_with_its_code_and_goes_on_with_the_same_number) {
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  node->admit.store.store(store_state::full);
  vera.say(message(conversation, 2, 1, "too late"));
  auto refusal = vera.expect<refuse>();
  EXPECT_EQ(refusal.reason.code, errc::storage_full);
  EXPECT_GT(refusal.retry_after_ms, 0u);
  vera.say(history_request{1, conversation, 0, false, 50});
  EXPECT_EQ(vera.expect<history_page>().events.size(), 1u) << "reading goes on";
  node->admit.store.store(store_state::writable);
  vera.say(message(conversation, 2, 1, "too late"));
  EXPECT_EQ(vera.expect<acknowledge>().visible_seq, 2u);
}

TEST_F(conversation_flow, history_pages_lead_in_both_directions_to_every_event_once) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  for (std::uint64_t i = 1; i <= 130; ++i)
    li.say(i % 3 == 0 ? command(conversation, i, i - 1, post_note{{"note", 0}}, 9)
                      : message(conversation, i, i - 1, "text", 9));
  vera.all<event_push>();
  std::vector<message_seq> older;
  message_seq from = 0;
  for (bool more = true; more;) {
    vera.say(history_request{1, conversation, from, false, 50});
    auto page = vera.expect<history_page>();
    ASSERT_FALSE(page.events.empty());
    for (auto it = page.events.rbegin(); it != page.events.rend(); ++it)
      older.push_back(it->visible_seq);
    from = page.events.front().visible_seq;
    more = page.more;
  }
  std::vector<message_seq> newer;
  from = 0;
  for (bool more = true; more;) {
    vera.say(history_request{2, conversation, from, true, 50});
    auto page = vera.expect<history_page>();
    for (const auto& event : page.events)
      newer.push_back(event.visible_seq);
    from = page.events.back().visible_seq;
    more = page.more;
  }
  ASSERT_EQ(newer.size(), 1u + 1u + 87u) << "the message, the assignment and the visible replies";
  for (std::size_t i = 0; i < newer.size(); ++i)
    EXPECT_EQ(newer[i], i + 1);
  std::reverse(older.begin(), older.end());
  EXPECT_EQ(older, newer);
}

TEST_F(conversation_flow, typing_is_shown_to_the_others_and_kept_nowhere) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  li.say(typing{conversation, true});
  auto shown = vera.expect<typing_shown>();
  EXPECT_TRUE(shown.on);
  EXPECT_EQ(shown.who.name, "Li Wen");
  EXPECT_TRUE(li.all<typing_shown>().empty());
}

TEST_F(conversation_flow, tabs_beyond_the_limit_are_refused) {
  auto vera = visitor();
  for (std::uint64_t i = 1; i < bounds.sockets_per_visitor; ++i)
    visitor_again(vera);
  auto extra = connect();
  extra.say(hello{vera.token, "", "", 0, {}});
  EXPECT_EQ(extra.expect<problem>().reason.code, errc::too_many_connections);
  EXPECT_EQ(host.closed.at(extra.number), close_reason::policy);
}

TEST_F(conversation_flow, routing_goes_on_after_a_restart_of_the_node) {
  auto token = make_account("Li Wen");
  auto li = agent(token);
  auto vera = visitor();
  vera.say(message({}, 1, 0, "hello"));
  auto conversation = vera.expect<acknowledge>().conversation;
  EXPECT_EQ(vera.expect<event_push>().kind, event_kind::assignment);
  li.say(set_presence{presence_state::away, 6});
  li.say(command(conversation, 1, 0, assign{{}, {}}, 9)); // back to the queue
  li.expect<acknowledge>();
  stop();
  start();
  auto again = agent(token);
  advance(std::chrono::seconds(2));
  auto seen = again.all<event_push>();
  ASSERT_FALSE(seen.empty()) << "the new desk's fence must not be stale";
  EXPECT_EQ(seen.back().kind, event_kind::assignment);
}

/// A client that does what docs/PROTOCOL.md asks after `resync`: hello again, then everything
/// unacked.
void survive(node_fixture::client& client, const conversation_id& conversation,
             const command& unacked) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    client.collect();
    bool acked = false;
    for (auto& frame : client.unread)
      if (auto* ack = std::get_if<acknowledge>(&frame))
        acked = acked || ack->key == unacked.key;
    client.unread.clear();
    if (acked)
      return;
    client.say(
      hello{client.token, "", "", client.node->store->identity().incarnation, {{conversation, 0}}});
    client.say(unacked);
    client.node->advance(std::chrono::seconds(1));
  }
  ADD_FAILURE() << "never acknowledged";
}

class crash_flow : public node_fixture, public ::testing::WithParamInterface<const char*> {};

TEST_P(crash_flow, clients_see_a_pause_and_nothing_else) {
  auto li = agent(make_account("Li Wen"));
  auto vera = visitor();
  vera.say(message({}, 1, 0, "before"));
  auto conversation = vera.expect<acknowledge>().conversation;
  set_failpoints(GetParam());
  std::uint64_t last = 1;
  for (int i = 0; i < 5; ++i) {
    auto next = message(conversation, last + 1, last, "during " + std::to_string(i));
    vera.say(next);
    survive(vera, conversation, next);
    ++last;
  }
  set_failpoints("");
  auto reader = visitor_again(vera, {{conversation, 0}});
  auto events = reader.all<event_push>();
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].visible_seq, i + 1);
    if (events[i].kind == event_kind::message)
      texts.push_back(text_of(events[i]));
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"before", "during 0", "during 1", "during 2",
                                             "during 3", "during 4"}));
}

#ifdef FRONTDESK_FAILPOINTS
INSTANTIATE_TEST_SUITE_P(every_actor, crash_flow,
                         ::testing::Values("conversation_command=throw@2",
                                           "conversation_stored=throw@2", "visitor_frames=throw@2",
                                           "routing_desk=throw@1", "commit_before_write=fail@2",
                                           "persistence=fail@2", "reader=fail@1", "reader=throw@2",
                                           "agent_frames=throw@1",
                                           "conversation_command=throw%3000"));
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(crash_flow);
#endif

} // namespace frontdesk::tests
