// Who may do what, and what becomes of it.
#include "domain/conversation.hpp"
#include "domain/text.hpp"
#include "tests/domain/told.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace {

using namespace frontdesk::domain;
using namespace frontdesk::test;

/// A conversation in each of its states, with one message of the visitor in it.
scene in_state(conversation_status status, const limits& bounds = {}) {
  scene in(bounds);
  in.done(visitor(), text("hello"));
  if (status == conversation_status::active)
    in.done(agent(), assign{id<account_id>(2), {}});
  if (status == conversation_status::resolved)
    in.done(agent(), resolve{});
  return in;
}

std::string code_of(const conversation_effects& effects) {
  const auto refusal = find<refused>(effects);
  if (!refusal)
    return "accepted";
  return std::string{to_string(refusal->reason.code)};
}

TEST(conversation_rules, who_may_do_what_in_which_state) {
  using status = conversation_status;
  const auto who_else = assign{id<account_id>(3), {}};

  const struct {
    actor_identity who;
    const char* what;
    command_body body;
    const char* waiting;
    const char* active;
    const char* resolved;
  } table[] = {
    {visitor(), "message", text("x"), "accepted", "accepted", "accepted"},
    {agent(), "message", text("x"), "accepted", "accepted", "accepted"},
    {visitor(), "note", note("x"), "forbidden", "forbidden", "forbidden"},
    {agent(), "note", note("x"), "accepted", "accepted", "accepted"},
    {visitor(), "assign", assign{}, "forbidden", "forbidden", "forbidden"},
    {agent(), "back to the queue", assign{}, "accepted", "accepted", "invalid_state"},
    {agent(), "to a team", assign{{}, id<team_id>(4)}, "accepted", "accepted", "invalid_state"},
    {agent(), "take", assign{id<account_id>(2), {}}, "accepted", "accepted", "invalid_state"},
    {agent(), "to a known account", who_else, "accepted", "accepted", "invalid_state"},
    {visitor(), "resolve", resolve{}, "forbidden", "forbidden", "forbidden"},
    {agent(), "resolve", resolve{}, "accepted", "accepted", "invalid_state"},
    {visitor(), "reopen", reopen{}, "forbidden", "forbidden", "forbidden"},
    {agent(), "reopen", reopen{}, "invalid_state", "invalid_state", "accepted"},
  };

  for (const auto& row : table) {
    const std::pair<status, const char*> columns[] = {{status::waiting, row.waiting},
                                                      {status::active, row.active},
                                                      {status::resolved, row.resolved}};
    for (const auto& [state, expected] : columns) {
      auto in = in_state(state);
      auto event = in.make(row.who, 1, 0, row.body, 0, 99);
      event.assignee = {participant_kind::account, "Bob"};
      EXPECT_EQ(code_of(in.machine.on(event)), expected)
        << row.what << " by " << row.who.name << " in state " << static_cast<int>(state);
    }
  }
}

TEST(conversation_rules, text_is_utf8_without_nul_not_empty_and_within_its_limit) {
  limits bounds;
  bounds.text_bytes_max = 256;

  const struct {
    const char* what;
    std::string words;
    const char* expected;
  } table[] = {
    {"ordinary", "退款?", "accepted"},
    {"at the limit", std::string(256, 'x'), "accepted"},
    {"over it", std::string(257, 'x'), "too_large"},
    {"empty", "", "bad_text"},
    {"not UTF-8", "\xFF", "bad_text"},
    {"cut character", "\xE4\xBD", "bad_text"},
    {"with NUL", std::string("a\0b", 3), "bad_text"},
  };

  for (const auto& row : table) {
    auto in = in_state(conversation_status::waiting, bounds);
    EXPECT_EQ(code_of(in.send(visitor(), 2, 1, text(row.words))), row.expected) << row.what;
    EXPECT_EQ(code_of(in.send(agent(), 1, 0, note(row.words))), row.expected)
      << row.what << ", a note";
    EXPECT_EQ(code_of(in.send(visitor(), 1, 0, edit_message{1, row.words}, 0, 77)), row.expected)
      << row.what << ", an edit";
  }
}

// -- state
// ---------------------------------------------------------------------------------------------------------

TEST(conversation_rules, a_visitors_message_reopens_in_the_same_append) {
  auto in = in_state(conversation_status::resolved);
  in.now = 5000;
  const auto out = find<append_events>(in.next(visitor(), text("one more thing")));
  ASSERT_TRUE(out);
  ASSERT_EQ(out->events.size(), 2u);
  EXPECT_EQ(out->events[0].header.kind, event_kind::status);
  EXPECT_EQ(out->events[0].header.author, visitor().who);
  EXPECT_EQ(out->events[0].header.client, client_key{})
    << "only the message carries the client's number";
  EXPECT_EQ(std::get<status_content>(out->events[0].open->body).status,
            conversation_status::waiting);
  EXPECT_EQ(out->events[1].header.kind, event_kind::message);
  EXPECT_EQ(out->events[1].header.client, (client_key{id<client_id>(1), 2}));
  EXPECT_TRUE(out->head);
  ASSERT_TRUE(out->open_entry);
  EXPECT_EQ(out->open_entry->status, conversation_status::waiting);
  EXPECT_EQ(out->open_entry->excerpt, "one more thing");
  EXPECT_EQ(in.machine.head().waiting_since, 5000);
  EXPECT_EQ(told(in.store()), "show 3; ack #2 at 4/4 to 2; show 4; row waiting");
}

TEST(conversation_rules, staff_writes_into_a_resolved_conversation_without_opening_it) {
  auto in = in_state(conversation_status::resolved);
  EXPECT_EQ(told(in.next(agent(), text("by the way"))), "append after 2: 3 message visible 3");
  EXPECT_EQ(in.machine.head().status, conversation_status::resolved);
}

TEST(conversation_rules, an_agents_message_takes_a_waiting_conversation_in_the_same_append) {
  auto in = in_state(conversation_status::waiting);
  const auto out = find<append_events>(in.next(agent(), text("hi")));
  ASSERT_TRUE(out);
  ASSERT_EQ(out->events.size(), 2u);
  EXPECT_EQ(out->events[0].header.kind, event_kind::assignment);
  EXPECT_EQ(out->events[0].header.client, client_key{});
  EXPECT_EQ(std::get<assignment_content>(out->events[0].open->body).to.name, "Ann");
  EXPECT_EQ(std::get<staff_assignment>(out->events[0].staff->body),
            (staff_assignment{id<account_id>(2), id<team_id>(7), 0}));
  EXPECT_EQ(out->events[1].header.client, (client_key{id<client_id>(2), 1}));
  EXPECT_EQ(in.machine.head().status, conversation_status::active);
  EXPECT_EQ(in.machine.head().assignee, id<account_id>(2));
  EXPECT_EQ(told(in.next(agent(), text("again"))), "append after 3: 4 message visible 4")
    << "has it already";
  EXPECT_EQ(told(in.next(agent(3, "Bob"), text("me too"))), "append after 4: 5 message visible 5")
    << "a colleague does not take it away by writing";
}

TEST(conversation_rules, an_agents_note_does_not_take_a_conversation) {
  auto in = in_state(conversation_status::waiting);
  EXPECT_EQ(told(in.next(agent(), note("hm"))), "append after 1: 2 note hidden 1");
  EXPECT_EQ(in.machine.head().status, conversation_status::waiting);
}

TEST(conversation_rules, an_assistants_message_does_not_take_a_conversation) {
  auto in = in_state(conversation_status::waiting);
  auto assistant = agent(6, "Assistant");
  assistant.who.kind = participant_kind::assistant;
  EXPECT_EQ(told(in.next(assistant, text("I can help"))), "append after 1: 2 message visible 2");
}

TEST(conversation_rules, taking_needs_no_profile_and_names_the_caller) {
  auto in = in_state(conversation_status::waiting);
  const auto out = find<append_events>(in.next(agent(), assign{id<account_id>(2), {}}));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->open_entry->assignee_name, "Ann");
  EXPECT_EQ(out->open_entry->status, conversation_status::active);
  EXPECT_EQ(in.machine.head().waiting_since, 0);
}

TEST(conversation_rules, an_unknown_assignee_is_not_found) {
  auto in = in_state(conversation_status::waiting);
  EXPECT_EQ(told(in.next(agent(), assign{id<account_id>(3), {}})), "refuse #1 not_found account");
}

TEST(conversation_rules, a_transfer_names_the_colleague_and_the_colleagues_team) {
  auto in = in_state(conversation_status::active);
  auto event = in.make(agent(), 2, 1, assign{id<account_id>(3), {}});
  event.assignee = {participant_kind::account, "Bob"};
  event.assignee_team = id<team_id>(8);
  const auto out = find<append_events>(in.machine.on(event));
  ASSERT_TRUE(out);
  EXPECT_EQ(std::get<assignment_content>(out->events[0].open->body).to, event.assignee);
  EXPECT_EQ(in.machine.head().assignee, id<account_id>(3));
  EXPECT_EQ(in.machine.head().team, id<team_id>(8));
}

TEST(conversation_rules, back_to_the_queue_clears_the_assignee_and_starts_the_waiting) {
  auto in = in_state(conversation_status::active);
  in.now = 7000;
  const auto out = find<append_events>(in.next(agent(), assign{}));
  ASSERT_TRUE(out);
  EXPECT_EQ(std::get<assignment_content>(out->events[0].open->body).to.name, "");
  EXPECT_EQ(in.machine.head().status, conversation_status::waiting);
  EXPECT_EQ(in.machine.head().assignee, account_id{});
  EXPECT_EQ(in.machine.head().team, id<team_id>(7)) << "the queue it was in";
  EXPECT_EQ(in.machine.head().waiting_since, 7000);
}

TEST(conversation_rules, who_moves_to_another_queue_has_waited_all_along) {
  auto in = in_state(conversation_status::waiting);
  in.now = 7000;
  in.next(agent(), assign{{}, id<team_id>(4)});
  EXPECT_EQ(in.machine.head().team, id<team_id>(4));
  EXPECT_EQ(in.machine.head().waiting_since, 1000);
}

TEST(conversation_rules, resolving_deletes_the_row_and_reopening_waits_for_anybody) {
  auto in = in_state(conversation_status::active);
  EXPECT_EQ(told(in.next(agent(), resolve{})), "append after 2: 3 status visible 3 +head -row");
  EXPECT_EQ(told(in.store()), "ack #2 at 3/3 to 2; show 3; row closed");
  EXPECT_EQ(told(in.next(agent(), reopen{})), "append after 3: 4 status visible 4 +head +row");
  EXPECT_EQ(in.machine.head().assignee, account_id{});
  EXPECT_EQ(told(in.store()), "ack #3 at 4/4 to 3; show 4; row waiting");
}

TEST(conversation_rules, state_is_judged_by_what_is_accepted_not_only_by_what_is_stored) {
  auto in = in_state(conversation_status::active);
  in.next(agent(), resolve{});
  EXPECT_EQ(code_of(in.send(agent(3, "Bob"), 1, 0, resolve{})), "invalid_state");
}

// -- the routing desk
// ----------------------------------------------------------------------------------------------

routed by_desk(std::uint64_t fence) {
  return {id<account_id>(2), {participant_kind::account, "Ann"}, id<team_id>(7), fence, 2000};
}

TEST(conversation_rules, the_desk_assigns_what_waits) {
  auto in = in_state(conversation_status::waiting);
  const auto effects = in.machine.on(by_desk(5));
  EXPECT_EQ(told(effects), "append after 1: 2 assignment visible 2 +head +row");
  const auto out = find<append_events>(effects);
  EXPECT_EQ(out->events[0].header.author.kind, participant_kind::system);
  EXPECT_EQ(std::get<staff_assignment>(out->events[0].staff->body).fence, 5u);
  EXPECT_EQ(out->head->fence, 5u);
  EXPECT_EQ(told(in.store()), "show 2; row active");
}

TEST(conversation_rules, the_desk_is_refused_what_does_not_wait) {
  for (auto state : {conversation_status::active, conversation_status::resolved}) {
    auto in = in_state(state);
    EXPECT_EQ(told(in.machine.on(by_desk(5))), "refuse #0 invalid_state");
  }
  scene unborn;
  EXPECT_EQ(told(unborn.machine.on(by_desk(5))), "refuse #0 invalid_state");
}

TEST(conversation_rules, a_desk_that_has_been_replaced_is_refused) {
  auto in = in_state(conversation_status::waiting);
  in.machine.on(by_desk(5));
  in.next(agent(), assign{});
  EXPECT_EQ(told(in.machine.on(by_desk(4))), "refuse #0 stale_fence");
  EXPECT_EQ(told(in.machine.on(by_desk(5))), "append after 3: 4 assignment visible 4 +head +row");
}

// -- rows
// ----------------------------------------------------------------------------------------------------------

TEST(conversation_rules, the_excerpt_is_the_newest_visitor_text_in_whole_characters) {
  scene in;
  std::string words;
  for (int i = 0; i < 50; ++i)
    words += "退"; // 150 bytes
  const auto out = find<append_events>(in.next(visitor(), text("a" + words)));
  EXPECT_EQ(out->open_entry->excerpt.size(), 118u);
  EXPECT_TRUE(valid_utf8(out->open_entry->excerpt));
  in.store();
  in.done(visitor(), text("and this"));
  EXPECT_EQ(find<append_events>(in.next(agent(), text("not this")))->open_entry->excerpt,
            "and this");
}

TEST(conversation_rules, a_row_tells_what_lists_show) {
  scene in;
  in.done(visitor(), text("hello"));
  in.now = 3000;
  const auto row = find<append_events>(in.next(agent(), assign{id<account_id>(2), {}}))->open_entry;
  ASSERT_TRUE(row);
  open_row expected;
  expected.conversation = id<conversation_id>(9);
  expected.number = 65;
  expected.status = conversation_status::active;
  expected.visitor = id<visitor_id>(1);
  expected.visitor_name = "Vera";
  expected.inbox = id<inbox_id>(3);
  expected.team = id<team_id>(7);
  expected.assignee = id<account_id>(2);
  expected.assignee_name = "Ann";
  expected.created = 1000;
  expected.waiting_since = 0;
  expected.seq = 2;
  expected.excerpt = "hello";
  EXPECT_EQ(*row, expected);
}

// -- quotes
// --------------------------------------------------------------------------------------------------------

TEST(conversation_rules, a_visitor_quotes_by_visible_number) {
  scene in;
  in.done(visitor(), text("a"));
  in.done(agent(), note("n"));
  in.done(visitor(), text("b"));
  const auto out = find<append_events>(in.next(visitor(), text("c", 2)));
  EXPECT_EQ(std::get<text_content>(out->events[0].open->body).quote, 2u);
  EXPECT_EQ(told(in.send(visitor(), 4, 3, text("d", 4))), "refuse #4 bad_request quote")
    << "not stored yet";
}

TEST(conversation_rules, a_staff_quote_becomes_the_visible_number) {
  scene in;
  in.done(visitor(), text("a"));
  in.done(agent(), note("n"));
  in.done(visitor(), text("b"));
  const auto out = find<append_events>(in.next(agent(), text("c", 3)));
  EXPECT_EQ(std::get<text_content>(out->events.back().open->body).quote, 2u);
  EXPECT_EQ(told(in.send(agent(3, "Bob"), 1, 0, text("d", 2))), "refuse #1 bad_request quote")
    << "a note";
  EXPECT_EQ(told(in.send(agent(3, "Bob"), 1, 0, text("d", 9))), "refuse #1 bad_request quote")
    << "not stored";
}

TEST(conversation_rules, a_note_quotes_by_seq_whatever_it_is) {
  scene in;
  in.done(visitor(), text("a"));
  in.done(agent(), note("n"));
  const auto out = find<append_events>(in.next(agent(), note("m", 2)));
  EXPECT_EQ(std::get<text_content>(out->events[0].staff->body).quote, 2u);
  EXPECT_EQ(out->events[0].open, std::nullopt);
  EXPECT_EQ(told(in.send(agent(3, "Bob"), 1, 0, note("d", 9))), "refuse #1 bad_request quote");
}

TEST(conversation_rules, a_staff_quote_that_is_no_longer_in_memory_is_read) {
  conversation_head head;
  head.seq = 50;
  head.visible_seq = 40;
  head.status = conversation_status::active;
  scene in({}, head, 50);
  const auto event = in.make(agent(), 1, 0, text("see above", 30));
  EXPECT_EQ(told(in.machine.on(event)), "read 30");
  target_read read;
  read.waiting = event;
  read.seq = 30;
  read.header.kind = event_kind::message;
  read.header.visible_seq = 25;
  const auto out = find<append_events>(in.machine.on(read));
  ASSERT_TRUE(out);
  EXPECT_EQ(std::get<text_content>(out->events[0].open->body).quote, 25u);

  const auto second = in.make(agent(), 2, 1, text("see note", 31));
  in.machine.on(second);
  read.waiting = second;
  read.seq = 31;
  read.header.hidden = true;
  EXPECT_EQ(told(in.machine.on(read)), "refuse #2 bad_request quote");
  const auto third = in.make(agent(), 2, 1, text("see nothing", 32));
  in.machine.on(third);
  read.waiting = third;
  read.seq = 0;
  EXPECT_EQ(told(in.machine.on(read)), "refuse #2 bad_request quote");
}

// -- edit and recall
// -----------------------------------------------------------------------------------------------

target_read message_of(const actor_identity& author, message_seq seq, message_seq visible) {
  target_read read;
  read.seq = seq;
  read.header.kind = event_kind::message;
  read.header.visible_seq = visible;
  read.header.author = author.who;
  read.header.time = 1000;
  read.profile = {author.who.kind, author.name};
  return read;
}

/// Sends a change and answers its read.
conversation_effects change(scene& in, const actor_identity& who, command_body body,
                            target_read read) {
  const auto event = in.make(who, 1, 0, std::move(body), 0, 99);
  const auto effects = in.machine.on(event);
  if (!find<read_target>(effects))
    return effects;
  read.waiting = event;
  return in.machine.on(read);
}

scene twelve_events() {
  conversation_head head;
  head.seq = 12;
  head.visible_seq = 10;
  head.status = conversation_status::active;
  return scene({}, head, 12);
}

TEST(conversation_rules, who_may_change_what) {
  const auto by_visitor = message_of(visitor(), 8, 6);
  const auto by_ann = message_of(agent(), 8, 6);
  auto a_note = by_ann;
  a_note.header.kind = event_kind::note;
  a_note.header.hidden = true;
  auto a_status = by_ann;
  a_status.header.kind = event_kind::status;
  auto recalled = by_visitor;
  recalled.recalled = true;
  target_read nothing;
  const auto bob = agent(3, "Bob");

  const struct {
    const char* what;
    actor_identity who;
    message_seq named;
    target_read target;
    const char* edit;
    const char* recall;
  } table[] = {
    {"own message of a visitor", visitor(), 6, by_visitor, "accepted", "accepted"},
    {"an agent's message by the visitor", visitor(), 6, by_ann, "forbidden", "forbidden"},
    {"a visitor's message by an agent", agent(), 8, by_visitor, "forbidden", "forbidden"},
    {"own message of an agent", agent(), 8, by_ann, "accepted", "accepted"},
    {"a colleague's message", bob, 8, by_ann, "forbidden", "accepted"},
    {"own note", agent(), 8, a_note, "accepted", "accepted"},
    {"a colleague's note", bob, 8, a_note, "forbidden", "accepted"},
    {"a note by the visitor", visitor(), 6, a_note, "not_found", "not_found"},
    {"neither message nor note", agent(), 8, a_status, "bad_request", "bad_request"},
    {"recalled already", visitor(), 6, recalled, "invalid_state", "invalid_state"},
    {"not there", visitor(), 6, nothing, "not_found", "not_found"},
    {"another event than the one named", agent(), 7, by_ann, "not_found", "not_found"},
    {"beyond the end", agent(), 13, by_ann, "not_found", "not_found"},
    {"beyond what the visitor sees", visitor(), 11, by_visitor, "not_found", "not_found"},
    {"nothing named", agent(), 0, by_ann, "not_found", "not_found"},
  };

  for (const auto& row : table) {
    auto in = twelve_events();
    EXPECT_EQ(code_of(change(in, row.who, edit_message{row.named, "new"}, row.target)), row.edit)
      << row.what;
    auto again = twelve_events();
    EXPECT_EQ(code_of(change(again, row.who, recall_message{row.named}, row.target)), row.recall)
      << row.what;
  }
}

TEST(conversation_rules, a_change_after_its_time_is_too_old) {
  limits bounds;
  bounds.edit_window_ms = 500;
  conversation_head head;
  head.seq = 12;
  head.visible_seq = 10;
  for (const auto& [now, expected] : {std::pair{1500, "accepted"}, std::pair{1501, "too_old"}}) {
    scene in(bounds, head, 12);
    in.now = now;
    EXPECT_EQ(code_of(change(in, visitor(), edit_message{6, "new"}, message_of(visitor(), 8, 6))),
              expected)
      << now;
  }
}

TEST(conversation_rules, an_edit_keeps_author_and_quote_and_stands_in_the_target_only) {
  auto in = twelve_events();
  auto read = message_of(agent(), 8, 6);
  read.profile.name = "Ann of old";
  read.quote = 3;
  const auto out = find<append_events>(change(in, agent(), edit_message{8, "new"}, read));
  ASSERT_TRUE(out);
  ASSERT_EQ(out->events.size(), 1u);
  EXPECT_EQ(out->events[0].header.kind, event_kind::edit);
  EXPECT_EQ(out->events[0].header.target, 8u);
  EXPECT_FALSE(out->events[0].header.hidden);
  EXPECT_EQ(out->events[0].open, std::nullopt);
  EXPECT_EQ(out->events[0].staff, std::nullopt);
  ASSERT_EQ(out->rewrites.size(), 1u);
  EXPECT_EQ(out->rewrites[0].target, 8u);
  EXPECT_EQ(out->rewrites[0].revision, 13u);
  EXPECT_EQ(out->rewrites[0].open,
            (public_part{{participant_kind::account, "Ann of old"}, text_content{"new", 3}}));
  EXPECT_EQ(out->rewrites[0].staff, std::nullopt);
}

TEST(conversation_rules, a_change_of_a_note_is_hidden_and_stays_in_the_staff_part) {
  auto read = message_of(agent(), 8, 6);
  read.header.kind = event_kind::note;
  read.header.hidden = true;
  read.quote = 4;
  auto in = twelve_events();
  const auto edit = find<append_events>(change(in, agent(), edit_message{8, "new"}, read));
  EXPECT_TRUE(edit->events[0].header.hidden);
  EXPECT_EQ(edit->events[0].header.visible_seq, 10u);
  EXPECT_EQ(edit->rewrites[0].open, std::nullopt);
  EXPECT_EQ(edit->rewrites[0].staff, (staff_part{text_content{"new", 4}}));

  auto again = twelve_events();
  const auto recall = find<append_events>(change(again, agent(), recall_message{8}, read));
  EXPECT_TRUE(recall->events[0].header.hidden);
  EXPECT_EQ(recall->rewrites[0].open, std::nullopt);
  EXPECT_EQ(recall->rewrites[0].staff, (staff_part{recalled_content{}}));
}

TEST(conversation_rules, a_recall_takes_the_text_and_leaves_the_author) {
  auto in = twelve_events();
  const auto out = find<append_events>(
    change(in, agent(3, "Bob"), recall_message{8}, message_of(agent(), 8, 6)));
  EXPECT_EQ(out->rewrites[0].open,
            (public_part{{participant_kind::account, "Ann"}, recalled_content{}}));
  EXPECT_EQ(out->events[0].header.author, agent(3).who);
}

TEST(conversation_rules, what_is_being_recalled_cannot_be_changed_again) {
  auto in = twelve_events();
  const auto read = message_of(visitor(), 8, 6);
  change(in, visitor(), recall_message{6}, read);
  const auto edit = in.make(visitor(), 1, 0, edit_message{6, "back"}, 0, 98);
  in.machine.on(edit); // is read before the recall is stored, answered after
  in.store();
  auto answer = read;
  answer.waiting = edit;
  EXPECT_EQ(code_of(in.machine.on(answer)), "invalid_state");
}

TEST(conversation_rules, the_open_row_does_not_keep_what_was_taken_back) {
  scene in;
  in.done(visitor(), text("first"));
  in.done(visitor(), text("my number is 123"));
  in.done(agent(), assign{id<account_id>(2), {}});
  EXPECT_EQ(in.machine.row().excerpt, "my number is 123");
  auto effects = change(in, visitor(), edit_message{1, "FIRST"}, message_of(visitor(), 1, 1));
  EXPECT_EQ(find<append_events>(effects)->open_entry, std::nullopt)
    << "an older message changes nothing";

  const auto edit = in.make(visitor(), 2, 1, edit_message{2, "my number is gone"}, 0, 99);
  in.machine.on(edit);
  auto read = message_of(visitor(), 2, 2);
  read.waiting = edit;
  EXPECT_EQ(find<append_events>(in.machine.on(read))->open_entry->excerpt, "my number is gone");

  const auto recall = in.make(visitor(), 3, 2, recall_message{2}, 0, 99);
  in.machine.on(recall);
  read.waiting = recall;
  effects = in.machine.on(read);
  EXPECT_EQ(find<append_events>(effects)->open_entry->excerpt, "");
  EXPECT_EQ(find<append_events>(effects)->head, std::nullopt);
  EXPECT_NE(told(in.store()).find("row active"), std::string::npos);
}

TEST(conversation_rules, after_waking_any_change_by_the_visitor_may_be_of_the_excerpt) {
  conversation_head head;
  head.seq = 12;
  head.visible_seq = 10;
  scene in({}, head, 12, "my number is 123");
  const auto out
    = find<append_events>(change(in, visitor(), recall_message{6}, message_of(visitor(), 8, 6)));
  ASSERT_TRUE(out->open_entry);
  EXPECT_EQ(out->open_entry->excerpt, "");
}

TEST(conversation_rules, a_change_does_not_open_a_resolved_conversation) {
  conversation_head head;
  head.seq = 12;
  head.visible_seq = 10;
  head.status = conversation_status::resolved;
  scene in({}, head, 12, "text");
  const auto out
    = find<append_events>(change(in, visitor(), recall_message{6}, message_of(visitor(), 8, 6)));
  EXPECT_EQ(in.machine.head().status, conversation_status::resolved);
  EXPECT_EQ(out->open_entry, std::nullopt);
  EXPECT_FALSE(out->close_entry);
}

} // namespace
