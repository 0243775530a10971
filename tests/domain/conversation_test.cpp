// Order, deduplication, storing and waking: docs/adr/0001-data-model.md, sections 2 to 4.
#include "domain/conversation.hpp"
#include "tests/domain/told.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <tuple>

namespace {

using namespace frontdesk::domain;
using namespace frontdesk::test;

conversation_effects read_answer(scene& in, const commanded& waiting, message_seq seq,
                                 const event_header& header) {
  target_read read;
  read.waiting = waiting;
  read.seq = seq;
  read.header = header;
  return in.machine.on(read);
}

TEST(conversation, the_first_message_creates_and_is_acked_only_when_stored) {
  scene in;
  EXPECT_FALSE(in.machine.exists());
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("hello"))),
            "append after 0: 1 message visible 1 +creates +head +row");
  EXPECT_TRUE(in.machine.exists());
  EXPECT_EQ(in.machine.stored_seq(), 0u);
  EXPECT_FALSE(in.machine.idle());
  EXPECT_EQ(told(in.store()), "ack #1 at 1/1 to 1; show 1; row waiting");
  EXPECT_EQ(in.machine.stored_seq(), 1u);
  EXPECT_TRUE(in.machine.idle());
}

TEST(conversation, a_refused_first_command_leaves_nothing_behind) {
  scene in;
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text(""))), "refuse #1 bad_text text");
  EXPECT_FALSE(in.machine.exists());
  EXPECT_TRUE(in.machine.idle());
  EXPECT_EQ(in.machine.head_to_write(), std::nullopt);
}

TEST(conversation, acks_come_in_order_of_seq_and_only_up_to_what_is_stored) {
  scene in;
  in.send(visitor(), 1, 0, text("a"), 11);
  in.send(agent(), 1, 0, note("b"), 12);
  in.send(visitor(), 2, 1, text("c"), 13);
  EXPECT_EQ(told(in.machine.on(stored{2})),
            "ack #1 at 1/1 to 11; show 1; row waiting; ack #1 at 2/1 to 12; show 2");
  EXPECT_EQ(told(in.machine.on(stored{2})), "");
  EXPECT_EQ(told(in.machine.on(stored{3})), "ack #2 at 3/2 to 13; show 3");
}

TEST(conversation, show_names_the_sender_and_nobody_for_what_no_client_sent) {
  scene in;
  in.send(visitor(), 1, 0, text("a"), 41);
  in.send(agent(), 1, 0, text("b"), 42); // assigns first
  std::vector<std::pair<message_seq, reply_token>> shown;
  for (const auto& effect : in.store())
    if (const auto* one = std::get_if<show>(&effect))
      shown.push_back({one->seq, one->sender});
  EXPECT_EQ(shown, (std::vector<std::pair<message_seq, reply_token>>{{1, 41}, {2, 0}, {3, 42}}));
}

TEST(conversation, every_copy_of_a_pending_command_is_answered_when_it_is_stored) {
  scene in;
  in.send(visitor(), 1, 0, text("a"), 11);
  in.send(visitor(), 2, 1, text("b"), 12);
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), 21)), "");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("b"), 22)), "");
  const auto effects = in.store();
  EXPECT_EQ(told(effects), "ack #1 at 1/1 to 11; ack #1 at 1/1 to 21; show 1; row waiting; "
                           "ack #2 at 2/2 to 12; ack #2 at 2/2 to 22; show 2");
  EXPECT_EQ(find<show>(effects)->sender, 21u) << "the newest copy";
}

TEST(conversation, copies_of_a_pending_command_are_bounded_and_the_oldest_is_told_to_try_again) {
  scene in;
  in.send(visitor(), 1, 0, text("a"), 100);
  for (reply_token reply = 101; reply < 116; ++reply)
    EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), reply)), "");
  const auto effects = in.send(visitor(), 1, 0, text("a"), 116);
  EXPECT_EQ(told(effects), "refuse #1 too_many_in_flight");
  EXPECT_EQ(find<refused>(effects)->reply, 100u);
}

/// Every token gets one answer, whatever becomes of its command.
RC_GTEST_PROP(conversation, every_reply_token_is_answered_once, ()) {
  limits bounds;
  bounds.in_flight_per_client = 3;
  bounds.clients_per_conversation = 2;
  bounds.events_per_head = 8;
  scene in(bounds);
  std::map<reply_token, int> answers;
  std::vector<conversation_effect> reads; // not answered yet
  reply_token last = 0;
  const auto take = [&](const conversation_effects& effects) {
    for (const auto& effect : effects) {
      if (const auto* one = std::get_if<acked>(&effect))
        ++answers[one->reply];
      if (const auto* one = std::get_if<refused>(&effect))
        ++answers[one->reply];
      if (const auto* one = std::get_if<out_of_order>(&effect))
        ++answers[one->reply];
      if (std::holds_alternative<look_up>(effect) || std::holds_alternative<read_target>(effect))
        reads.push_back(effect);
    }
  };
  const auto answer_read = [&](std::size_t which) {
    const auto asked = reads[which];
    reads.erase(reads.begin() + static_cast<std::ptrdiff_t>(which));
    if (const auto* one = std::get_if<look_up>(&asked)) {
      take(in.machine.on(looked_up{one->reply, one->who, one->key, std::nullopt, 0, 0}));
    } else {
      const auto& read = std::get<read_target>(asked);
      take(read_answer(in, read.waiting, 0, {}));
    }
  };
  take(in.send(visitor(), 1, 0, text("opens"), ++last, 60));
  const auto steps = *rc::gen::container<std::vector<std::tuple<int, std::uint8_t, std::uint8_t>>>(
    rc::gen::tuple(rc::gen::inRange(0, 6), rc::gen::inRange<std::uint8_t>(1, 6),
                   rc::gen::inRange<std::uint8_t>(60, 64)));
  for (const auto& [what, number, client] : steps) {
    if (what < 3)
      take(in.send(visitor(), number, number - 1u, text("x"), ++last, client));
    else if (what == 3)
      take(in.send(visitor(), number, number - 1u, recall_message{1}, ++last, client));
    else if (what == 4)
      take(in.store());
    else if (!reads.empty())
      answer_read(number % reads.size());
  }
  while (!reads.empty())
    answer_read(0);
  take(in.store());
  RC_ASSERT(in.machine.idle());
  for (reply_token reply = 1; reply <= last; ++reply)
    RC_ASSERT(answers[reply] == 1);
}

TEST(conversation, a_repeat_of_the_newest_stored_command_gets_the_same_position_again) {
  scene in;
  in.done(visitor(), text("a"));
  in.now = 9999;
  const auto effects = in.send(visitor(), 1, 0, text("a"), 77);
  EXPECT_EQ(told(effects), "ack #1 at 1/1 to 77");
  EXPECT_EQ(find<acked>(effects)->time, 1000) << "the time of the event, not of the repeat";
}

TEST(conversation, a_repeat_of_an_older_command_is_answered_from_memory) {
  scene in;
  in.done(visitor(), text("a"));
  in.done(agent(), note("n"));
  in.done(visitor(), text("b"));
  in.done(visitor(), text("c"));
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("b"), 5)), "ack #2 at 3/2 to 5");
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), 6)), "ack #1 at 1/1 to 6");
}

TEST(conversation, a_repeat_older_than_memory_is_looked_up_before_what_is_stored) {
  limits bounds;
  bounds.events_per_head = 8;
  scene in(bounds);
  for (int i = 0; i < 12; ++i)
    in.done(visitor(), text("x"));
  EXPECT_EQ(told(in.send(visitor(), 5, 4, text("x"), 1)), "ack #5 at 5/5 to 1")
    << "eight are remembered";
  const auto effects = in.send(visitor(), 4, 3, text("x"), 33);
  EXPECT_EQ(told(effects), "look up #4 before 13");
  EXPECT_FALSE(in.machine.idle()) << "somebody waits for the answer";

  looked_up found{
    33, visitor().who, find<look_up>(effects)->key, std::pair<message_seq, message_seq>{4, 4}, 1000,
    0};
  EXPECT_EQ(told(in.machine.on(found)), "ack #4 at 4/4 to 33");
  EXPECT_TRUE(in.machine.idle());
  found.position = std::nullopt;
  EXPECT_EQ(told(in.machine.on(found)), "ack #4 at 0/0 to 33");
}

TEST(conversation, a_number_that_was_refused_and_then_passed_over_is_known_without_a_position) {
  scene in;
  in.send(visitor(), 1, 0, text("a"));
  in.send(visitor(), 2, 1, text("")); // refused
  in.send(visitor(), 3, 1, text("c"));
  in.store();
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("b"), 9)), "ack #2 at 0/0 to 9");
}

TEST(conversation, order_is_by_the_number_before) {
  struct {
    const char* what;
    std::uint64_t number;
    std::uint64_t previous;
    const char* expected;
  } table[] = {
    {"follows", 3, 2, "append after 2: 3 message visible 3"},
    {"follows over refused ones", 9, 2, "append after 2: 3 message visible 3"},
    {"one is missing", 4, 3, "gap #4 last 2"},
    {"builds upon an older one", 3, 1, "gap #3 last 2"},
    {"builds upon nothing", 3, 0, "gap #3 last 2"},
    {"does not come after the one before", 3, 3, "refuse #3 bad_request previous"},
    {"number zero", 0, 0, "refuse #0 bad_request client_seq"},
  };

  for (const auto& row : table) {
    scene in;
    in.done(visitor(), text("a"));
    in.done(visitor(), text("b"));
    EXPECT_EQ(told(in.send(visitor(), row.number, row.previous, text("c"))), row.expected)
      << row.what;
  }
}

TEST(conversation, a_command_without_a_client_is_refused) {
  scene in;
  auto event = in.make(visitor(), 1, 0, text("a"));
  event.what.key.client = {};
  EXPECT_EQ(told(in.machine.on(event)), "refuse #1 bad_request client");
}

TEST(conversation, a_gap_names_pending_commands_too) {
  scene in;
  in.send(visitor(), 1, 0, text("a"));
  in.send(visitor(), 2, 1, text("b"));
  EXPECT_EQ(told(in.send(visitor(), 4, 3, text("d"))), "gap #4 last 2");
}

TEST(conversation, an_unknown_client_begins_or_is_unknown) {
  scene in;
  in.done(visitor(), text("a"));
  EXPECT_EQ(told(in.send(visitor(), 5, 4, text("e"), 0, 50)), "refuse #5 client_unknown");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("b"), 0, 50)), "refuse #2 client_unknown");
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), 0, 50)),
            "append after 1: 2 message visible 2");
}

// With "number 1 only" a sender whose first message is refused would be told that its client is
// unknown, and its person would be asked about messages of which none was stored.
TEST(conversation, a_client_whose_first_numbers_were_refused_is_not_unknown) {
  scene in;
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text(""))), "refuse #1 bad_text text");
  EXPECT_EQ(told(in.send(visitor(), 2, 0, text("b"))),
            "append after 0: 1 message visible 1 +creates +head +row");
}

TEST(conversation, the_same_client_id_of_two_participants_is_two_clients) {
  scene in;
  in.send(visitor(), 1, 0, text("a"), 0, 50);
  EXPECT_EQ(told(in.send(agent(), 1, 0, note("b"), 0, 50)), "append after 1: 2 note hidden 1");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("c"), 0, 50)),
            "append after 2: 3 message visible 2");
}

TEST(conversation, a_full_window_refuses_and_opens_again_when_stored) {
  limits bounds;
  bounds.in_flight_per_client = 2;
  scene in(bounds);
  in.send(visitor(), 1, 0, text("a"));
  in.send(visitor(), 2, 1, text("b"));
  EXPECT_EQ(told(in.send(visitor(), 3, 2, text("c"))), "refuse #3 too_many_in_flight");
  EXPECT_EQ(told(in.send(agent(), 1, 0, note("n"))), "append after 2: 3 note hidden 2")
    << "windows are per client";
  in.machine.on(stored{1});
  EXPECT_EQ(told(in.send(visitor(), 3, 2, text("c"))), "append after 3: 4 message visible 3");
}

TEST(conversation, visible_numbers_skip_what_visitors_do_not_see) {
  scene in;
  in.next(visitor(), text("a"));
  const auto hidden = find<append_events>(in.next(agent(), note("n")));
  const auto visible = find<append_events>(in.next(visitor(), text("b")));
  EXPECT_TRUE(hidden->events[0].header.hidden);
  EXPECT_EQ(hidden->events[0].header.visible_seq, 1u) << "the last visible number";
  EXPECT_FALSE(visible->events[0].header.hidden);
  EXPECT_EQ(visible->events[0].header.visible_seq, 2u);
  EXPECT_EQ(in.machine.stored_visible_seq(), 0u);
  in.store();
  EXPECT_EQ(in.machine.stored_visible_seq(), 2u);
}

TEST(conversation, the_log_ends_at_its_last_number_which_is_kept_for_resolve) {
  conversation_head head;
  head.seq = conversation_events_max - 2;
  scene in({}, head);
  EXPECT_EQ(told(in.send(agent(), 1, 0, text("assigns and writes: two"))),
            "refuse #1 numbers_exhausted");
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("the last message"))),
            "append after 1048573: 1048574 message visible 1 +head");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("none"))), "refuse #2 numbers_exhausted");
  EXPECT_EQ(told(in.machine.on(routed{id<account_id>(2), {}, {}, 0, 0})),
            "refuse #0 numbers_exhausted");
  EXPECT_EQ(told(in.send(agent(), 2, 0, resolve{})),
            "append after 1048574: 1048575 status visible 2 +head -row");
  EXPECT_EQ(told(in.send(agent(), 3, 2, reopen{})), "refuse #3 numbers_exhausted");
}

TEST(conversation, the_client_that_has_been_silent_longest_is_forgotten) {
  limits bounds;
  bounds.clients_per_conversation = 2;
  scene in(bounds);
  in.send(visitor(), 1, 0, text("a"), 0, 51);
  in.send(visitor(), 1, 0, text("b"), 0, 52);
  in.send(visitor(), 2, 1, text("c"), 0, 51); // so 52 has been silent longest
  in.store();
  in.send(agent(), 1, 0, note("d"));
  in.store();
  EXPECT_EQ(in.machine.head().clients.size(), 2u);
  EXPECT_EQ(told(in.send(visitor(), 3, 2, text("e"), 0, 51)),
            "append after 4: 5 message visible 4");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("f"), 0, 52)), "refuse #2 client_unknown");
}

// A forgotten client whose first ack was lost repeats number 1 after 0, just as a new one would
// begin.
TEST(conversation, a_forgotten_client_does_not_store_its_first_command_twice) {
  limits bounds;
  bounds.clients_per_conversation = 2;
  bounds.events_per_head = 8;
  scene in(bounds);
  in.send(visitor(), 1, 0, text("first"), 0, 50);
  in.store();
  for (std::uint8_t client = 60; client < 63; ++client)
    in.send(visitor(), 1, 0, text("x"), 0, client);
  in.store();
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("first"), 5, 50)), "ack #1 at 1/1 to 5")
    << "remembered";

  for (std::uint64_t n = 1; n < 10; ++n) {
    in.send(agent(), n, n - 1, note("n"));
    in.store();
  }
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("first"), 6, 50)), "look up #1 before 14");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("second"), 7, 50)), "") << "waits behind it";
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("first"), 8, 50)), "")
    << "a repeat of what is being looked up";
  EXPECT_FALSE(in.machine.idle());
  const client_key key{id<client_id>(50), 1};
  EXPECT_EQ(told(in.machine.on(looked_up{6, visitor().who, key,
                                         std::pair<message_seq, message_seq>{1, 1}, 1000, 0})),
            "ack #1 at 1/1 to 8; ack #1 at 1/1 to 6; refuse #2 client_unknown");
  EXPECT_TRUE(in.machine.idle());
}

// Found by the simulation: an answer about one copy was taken for the answer about another.
TEST(conversation, look_ups_of_one_key_are_told_apart_by_their_tokens) {
  limits bounds;
  bounds.clients_per_conversation = 2;
  conversation_head head;
  head.seq = 100;
  head.visible_seq = 100;
  head.clients = {{visitor().who, id<client_id>(50), 3, 98, 98, 0},
                  {visitor().who, id<client_id>(60), 1, 99, 99, 0}};
  scene in(bounds, head, 100);
  const client_key key{id<client_id>(50), 2};
  EXPECT_EQ(told(in.send(visitor(), 2, 0, text("b"), 7, 50)), "look up #2 before 101");
  for (std::uint8_t client = 61; client < 63; ++client) { // so that 50 is forgotten
    const auto asked = find<look_up>(in.send(visitor(), 1, 0, text("x"), client, client));
    in.machine.on(looked_up{client, visitor().who, asked->key, std::nullopt, 0, 0});
  }
  in.store();
  // Nothing of it is remembered here, so the second copy asks for the newest of its client.
  const auto second = in.send(visitor(), 2, 0, text("b"), 8, 50);
  EXPECT_TRUE(find<look_up>(second)->newest);
  looked_up exact{7, visitor().who, key, std::pair<message_seq, message_seq>{97, 97}, 1000, 2};
  looked_up newest{8, visitor().who, key, std::pair<message_seq, message_seq>{98, 98}, 1000, 3};
  EXPECT_EQ(told(in.machine.on(exact)), "ack #2 at 97/97 to 7");
  EXPECT_EQ(told(in.machine.on(newest)), "ack #2 at 0/0 to 8");
  EXPECT_TRUE(in.machine.idle());
}

// Found by the simulation: the late copy of a refused command was stored behind a later one.
TEST(conversation, a_late_copy_of_a_refused_command_is_not_stored_behind_later_ones) {
  limits bounds;
  bounds.clients_per_conversation = 2;
  bounds.events_per_head = 8;
  scene in(bounds);
  in.send(visitor(), 1, 0, text("opens"), 0, 60);
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("", 9), 0, 50)), "refuse #1 bad_text text");
  in.send(visitor(), 2, 0, text("stands"), 0, 50);
  in.send(visitor(), 1, 0, text("x"), 0, 61);
  in.send(visitor(), 1, 0, text("x"), 0, 62); // 50 is forgotten
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("late"), 5, 50)), "ack #1 at 0/0 to 5") << "pending";
  in.store();
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("late"), 6, 50)), "ack #1 at 0/0 to 6")
    << "remembered";
  EXPECT_EQ(told(in.send(visitor(), 3, 0, text("late"), 6, 50)), "gap #3 last 2");
  for (std::uint64_t n = 2; n < 12; ++n) {
    in.send(visitor(), n, n - 1, text("x"), 0, 62);
    in.store();
  }
  const client_key key{id<client_id>(50), 1};
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("late"), 7, 50)), "look up #1 before 15");
  looked_up found{7, visitor().who, key, std::pair<message_seq, message_seq>{2, 2}, 1000, 2};
  EXPECT_EQ(told(in.machine.on(found)), "ack #1 at 0/0 to 7");
}

TEST(conversation, a_new_client_among_forgotten_ones_is_looked_up_once_and_begins) {
  limits bounds;
  bounds.clients_per_conversation = 2;
  conversation_head head;
  head.seq = 100;
  head.visible_seq = 100;
  head.clients = {{visitor().who, id<client_id>(60), 1, 99, 99, 0},
                  {visitor().who, id<client_id>(61), 1, 100, 100, 0}};
  scene in(bounds, head, 100);
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), 1, 50)), "look up #1 before 101");
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("b"), 2, 50)), "");
  const client_key key{id<client_id>(50), 1};
  EXPECT_EQ(told(in.machine.on(looked_up{1, visitor().who, key, std::nullopt, 0, 0})),
            "append after 100: 101 message visible 101; append after 101: 102 message visible 102");
}

TEST(conversation, a_new_client_whose_first_command_needs_a_read_is_looked_up_once) {
  limits bounds;
  bounds.clients_per_conversation = 2;
  conversation_head head;
  head.seq = 100;
  head.visible_seq = 100;
  head.clients = {{visitor().who, id<client_id>(60), 1, 99, 99, 0},
                  {visitor().who, id<client_id>(61), 1, 100, 100, 0}};
  scene in(bounds, head, 100);
  const auto event = in.make(visitor(), 1, 0, recall_message{7}, 1, 50);
  EXPECT_EQ(told(in.machine.on(event)), "look up #1 before 101");
  EXPECT_EQ(told(in.machine.on(looked_up{1, visitor().who, event.what.key, std::nullopt, 0, 0})),
            "read visible 7");
  event_header header;
  header.kind = event_kind::message;
  header.visible_seq = 7;
  header.author = visitor().who;
  header.time = in.now;
  EXPECT_EQ(told(read_answer(in, event, 7, header)),
            "append after 100: 101 recall visible 101 rewriting 7 as 101");
}

// -- commands behind a read
// ---------------------------------------------------------------------------------------

TEST(conversation, later_commands_of_a_client_wait_behind_a_read_and_others_do_not) {
  scene in;
  in.done(visitor(), text("a"));
  const auto event = in.make(visitor(), 2, 1, recall_message{1}, 2);
  EXPECT_EQ(told(in.machine.on(event)), "read visible 1");
  EXPECT_EQ(told(in.send(visitor(), 3, 2, text("b"), 3)), "");
  EXPECT_EQ(told(in.send(visitor(), 4, 3, text("c"), 4)), "");
  EXPECT_EQ(told(in.send(agent(), 1, 0, note("n"), 5)), "append after 1: 2 note hidden 1");
  event_header header;
  header.kind = event_kind::message;
  header.visible_seq = 1;
  header.author = visitor().who;
  header.time = in.now;
  EXPECT_EQ(told(read_answer(in, event, 1, header)),
            "append after 2: 3 recall visible 2 rewriting 1 as 3 +row; append after 3: 4 message "
            "visible 3; "
            "append after 4: 5 message visible 4");
  EXPECT_EQ(told(in.store()),
            "ack #1 at 2/1 to 5; show 2; ack #2 at 3/2 to 2; show 3; row waiting; "
            "ack #3 at 4/3 to 3; show 4; ack #4 at 5/4 to 4; show 5");
}

TEST(conversation, a_refusal_after_a_read_puts_what_waits_behind_it_out_of_order) {
  scene in;
  in.done(visitor(), text("a"));
  const auto event = in.make(visitor(), 2, 1, recall_message{1});
  in.machine.on(event);
  in.send(visitor(), 3, 2, text("b"));
  EXPECT_EQ(told(read_answer(in, event, 0, {})), "refuse #2 not_found target; gap #3 last 1");
  EXPECT_TRUE(in.machine.idle());
}

TEST(conversation, a_repeat_behind_a_read_takes_the_place_of_the_older_copy) {
  scene in;
  in.done(visitor(), text("a"));
  const auto event = in.make(visitor(), 2, 1, recall_message{1}, 2);
  in.machine.on(event);
  in.send(visitor(), 3, 2, text("b"), 3);
  EXPECT_EQ(told(in.send(visitor(), 2, 1, recall_message{1}, 22)), "");
  EXPECT_EQ(told(in.send(visitor(), 3, 1, text("b"), 33)), "")
    << "the sender knows of a refusal by now";
  EXPECT_EQ(
    told(read_answer(in, event, 0, {})),
    "refuse #2 not_found target; refuse #2 not_found target; append after 1: 2 message visible 2");
  EXPECT_EQ(told(in.store()), "ack #3 at 2/2 to 3; ack #3 at 2/2 to 33; show 2");
}

TEST(conversation, a_second_read_behind_the_first_is_asked_for_in_its_turn) {
  scene in;
  in.done(visitor(), text("a"));
  const auto first = in.make(visitor(), 2, 1, edit_message{1, "A"});
  const auto second = in.make(visitor(), 3, 2, recall_message{1});
  in.machine.on(first);
  EXPECT_EQ(told(in.machine.on(second)), "");
  event_header header;
  header.kind = event_kind::message;
  header.visible_seq = 1;
  header.author = visitor().who;
  header.time = in.now;
  EXPECT_EQ(told(read_answer(in, first, 1, header)),
            "append after 1: 2 edit visible 2 rewriting 1 as 2 +row; read visible 1");
  EXPECT_EQ(told(read_answer(in, second, 1, header)),
            "append after 2: 3 recall visible 3 rewriting 1 as 3 +row");
}

TEST(conversation, what_waits_behind_a_read_counts_in_the_window) {
  limits bounds;
  bounds.in_flight_per_client = 2;
  scene in(bounds);
  in.done(visitor(), text("a"));
  in.send(visitor(), 2, 1, recall_message{1});
  in.send(visitor(), 3, 2, text("b"));
  EXPECT_EQ(told(in.send(visitor(), 4, 3, text("c"))), "refuse #4 too_many_in_flight");
}

TEST(conversation, an_answer_to_a_read_that_nobody_waits_for_is_ignored) {
  scene in;
  in.done(visitor(), text("a"));
  EXPECT_EQ(told(read_answer(in, in.make(visitor(), 2, 1, recall_message{1}), 1, {})), "");
}

TEST(conversation, repeats_of_stored_commands_do_not_wait_behind_a_read) {
  scene in;
  in.done(visitor(), text("a"));
  in.send(visitor(), 2, 1, recall_message{1});
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), 8)), "ack #1 at 1/1 to 8");
}

// -- heads, waking
// -------------------------------------------------------------------------------------------------

TEST(conversation, a_head_is_due_on_every_change_of_state_and_every_so_many_events) {
  limits bounds;
  bounds.events_per_head = 8;
  scene in(bounds);
  std::vector<message_seq> heads;
  const auto note_head = [&](const conversation_effects& effects) {
    const auto out = find<append_events>(effects);
    if (out && out->head) {
      EXPECT_EQ(out->head->seq, out->events.back().seq);
      heads.push_back(out->head->seq);
    }
    in.store();
  };
  for (int i = 0; i < 10; ++i)
    note_head(in.next(visitor(), text("x")));                 // 1 created, 9 by count
  note_head(in.next(agent(), assign{id<account_id>(2), {}})); // 11
  note_head(in.next(visitor(), text("x")));
  note_head(in.next(agent(), resolve{})); // 13
  note_head(in.next(agent(), reopen{}));  // 14
  EXPECT_EQ(heads, (std::vector<message_seq>{1, 9, 11, 13, 14}));
}

TEST(conversation, a_head_is_written_before_leaving_memory_unless_it_is_current) {
  scene in;
  in.next(visitor(), text("a"));
  EXPECT_EQ(in.machine.head_to_write(), std::nullopt) << "not idle";
  in.store();
  EXPECT_EQ(in.machine.head_to_write(), std::nullopt) << "current";
  in.next(visitor(), text("b"));
  EXPECT_EQ(in.machine.head_to_write(), std::nullopt) << "not idle";
  in.store();
  ASSERT_TRUE(in.machine.head_to_write());
  EXPECT_EQ(in.machine.head_to_write()->seq, 2u);

  scene woken({}, in.machine.head(), 1);
  EXPECT_TRUE(woken.machine.head_to_write()) << "one event stood behind the stored head";
  scene current({}, in.machine.head(), 2);
  EXPECT_EQ(current.machine.head_to_write(), std::nullopt);
}

TEST(conversation, knows_the_last_stored_number_of_each_client_of_a_participant) {
  scene in;
  in.send(visitor(), 1, 0, text("a"), 0, 50);
  in.send(visitor(), 1, 0, text("b"), 0, 51);
  in.send(agent(), 1, 0, note("n"));
  in.store();
  in.send(visitor(), 2, 1, text("c"), 0, 50);
  in.send(visitor(), 3, 2, text("d"), 0, 50);
  in.send(visitor(), 1, 0, text("e"), 0, 52);
  EXPECT_EQ(in.machine.clients_of(visitor().who),
            (std::vector<client_key>{{id<client_id>(50), 1}, {id<client_id>(51), 1}}));
  in.store();
  EXPECT_EQ(in.machine.clients_of(visitor().who),
            (std::vector<client_key>{
              {id<client_id>(50), 3}, {id<client_id>(51), 1}, {id<client_id>(52), 1}}));
}

TEST(conversation, wakes_knowing_the_newest_command_of_each_client) {
  scene before;
  before.done(visitor(), text("a"));
  before.done(visitor(), text("b"));
  scene in({}, before.machine.head(), 2);
  EXPECT_EQ(told(in.send(visitor(), 2, 1, text("b"), 4)), "ack #2 at 2/2 to 4");
  EXPECT_EQ(told(in.send(visitor(), 1, 0, text("a"), 5)), "look up #1 before 3");
  EXPECT_EQ(told(in.send(visitor(), 3, 2, text("c"))), "append after 2: 3 message visible 3");
}

TEST(conversation, wakes_with_the_excerpt_of_its_row) {
  scene before;
  before.done(visitor(), text("where is my parcel"));
  scene in({}, before.machine.head(), 1, "where is my parcel");
  const auto out = find<append_events>(in.send(agent(), 1, 0, assign{id<account_id>(2), {}}));
  ASSERT_TRUE(out && out->open_entry);
  EXPECT_EQ(out->open_entry->excerpt, "where is my parcel");
}

/// Replays what was appended, as a replica or a woken conversation does.
RC_GTEST_PROP(conversation, folding_the_log_gives_the_head_that_was_living, ()) {
  limits bounds;
  bounds.clients_per_conversation = 3;
  bounds.events_per_head = 8;
  scene in(bounds);
  conversation_head replayed = in.machine.head();
  std::map<std::pair<entity_id, std::uint8_t>, std::uint64_t> numbers;
  message_seq visible = 0;

  const auto steps = *rc::gen::container<std::vector<std::tuple<int, std::uint8_t>>>(
    rc::gen::tuple(rc::gen::inRange(0, 9), rc::gen::inRange<std::uint8_t>(50, 55)));
  in.next(visitor(), text("opens"));
  in.store();
  replayed = in.machine.head();
  visible = replayed.visible_seq;
  for (const auto& [what, client] : steps) {
    const auto who = what < 3 ? visitor() : agent(static_cast<std::uint8_t>(2 + client % 2), "Ann");
    command_body body;
    switch (what) {
    case 3:
      body = note("n");
      break;
    case 4:
      body = assign{};
      break;
    case 5:
      body = assign{id_cast<account_id>(who.who.id), {}};
      break;
    case 6:
      body = resolve{};
      break;
    case 7:
      body = reopen{};
      break;
    default:
      body = text("t");
      break;
    }
    in.now += 10;
    auto& number = numbers[{who.who.id, client}];
    auto effects = in.send(who, number + 1, number, body, 0, client);
    if (auto asked = find<look_up>(effects))
      effects = in.machine.on(looked_up{0, who.who, asked->key, std::nullopt, 0, 0});
    if (auto refusal = find<refused>(effects);
        refusal && refusal->reason.code == errc::client_unknown)
      number = 0;
    for (const auto& effect : effects) {
      const auto* out = std::get_if<append_events>(&effect);
      if (out == nullptr)
        continue;
      RC_ASSERT(out->previous_seq == replayed.seq);
      for (const auto& event : out->events) {
        RC_ASSERT(event.seq == replayed.seq + 1);
        visible += event.header.hidden ? 0 : 1;
        RC_ASSERT(event.header.visible_seq == visible);
        fold(bounds, replayed, event.seq, event.header, event.open, event.staff);
      }
      number += 1;
      if (out->head)
        RC_ASSERT(*out->head == replayed);
    }
    RC_ASSERT(in.machine.head() == replayed);
    RC_ASSERT(replayed.clients.size() <= bounds.clients_per_conversation);
    if (what % 2 == 0)
      in.store();
  }
}

} // namespace
