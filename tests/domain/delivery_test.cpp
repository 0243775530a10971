#include "domain/delivery.hpp"
#include "tests/domain/told.hpp"

#include <gtest/gtest.h>

namespace {

using namespace frontdesk::domain;
using namespace frontdesk::test;

const auto here = id<conversation_id>(9);
const auto mine = id<client_id>(5);

/// One sender and what the server says to it.
class sender {
public:
  explicit sender(std::size_t window = 4, conversation_id conversation = here,
                  opening_key opening = {})
    : machine({window, 20}, conversation, opening, mine) {}

  std::string post(std::string words) {
    delivery_effects effects;
    const auto handle = machine.enqueue(text(std::move(words)), effects);
    if (!handle)
      return std::string{to_string(handle.failure().code)};
    return told(effects);
  }

  std::string up(std::uint32_t window = 0) { return told(machine.on(link_up{window})); }

  std::string ack(std::uint64_t number, message_seq seq, client_id client = mine) {
    return told(machine.on(acknowledge{here, {}, {client, number}, seq, seq, 1000, 65}));
  }

  std::string refusal(std::uint64_t number, errc code, std::uint32_t retry_after_ms = 0) {
    return told(machine.on(refuse{here, {}, {mine, number}, {code, "no"}, retry_after_ms}));
  }

  std::string out_of_order(std::uint64_t number, std::uint64_t last) {
    return told(machine.on(gap{here, {}, {mine, number}, last}));
  }

  delivery machine;
};

TEST(delivery, sends_nothing_before_the_link_is_up_and_everything_then) {
  sender in;
  EXPECT_EQ(in.post("a"), "");
  EXPECT_EQ(in.post("b"), "");
  EXPECT_EQ(in.up(), "send #1 after 0; send #2 after 1");
  EXPECT_EQ(in.post("c"), "send #3 after 2");
}

TEST(delivery, confirms_and_is_idle_when_everything_is_acked) {
  sender in;
  in.up();
  in.post("a");
  EXPECT_FALSE(in.machine.idle());
  EXPECT_EQ(in.ack(1, 7), "confirmed 1 at 7/7");
  EXPECT_TRUE(in.machine.idle());
  EXPECT_EQ(in.ack(1, 7), "") << "a second ack is nothing new";
  EXPECT_EQ(in.post("b"), "send #2 after 1");
}

TEST(delivery, the_window_bounds_what_is_on_the_way) {
  sender in(2);
  in.up();
  in.post("a");
  in.post("b");
  EXPECT_EQ(in.post("c"), "");
  EXPECT_EQ(in.post("d"), "");
  EXPECT_EQ(in.ack(1, 1), "confirmed 1 at 1/1; send #3 after 2");
  EXPECT_EQ(in.ack(2, 2), "confirmed 2 at 2/2; send #4 after 3");
}

TEST(delivery, the_welcome_names_the_window) {
  sender in(1);
  in.post("a");
  in.post("b");
  in.post("c");
  EXPECT_EQ(in.up(2), "send #1 after 0; send #2 after 1");
}

TEST(delivery, a_full_queue_takes_nothing_more) {
  sender in;
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(in.post("x"), "");
  EXPECT_EQ(in.post("one too many"), "too_many_in_flight");
  EXPECT_EQ(in.machine.state().queue.size(), 20u);
}

TEST(delivery, a_new_link_sends_all_unconfirmed_with_unchanged_numbers) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.ack(1, 1);
  in.machine.on(link_down{});
  EXPECT_EQ(in.post("d"), "") << "the link is down";
  EXPECT_EQ(in.up(), "send #2 after 1; send #3 after 2; send #4 after 3");
}

TEST(delivery, a_resync_sends_all_unconfirmed_again) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  EXPECT_EQ(told(in.machine.on(resync{here})), "send #1 after 0; send #2 after 1");
  EXPECT_EQ(told(in.machine.on(resync{})), "send #1 after 0; send #2 after 1");
  EXPECT_EQ(told(in.machine.on(resync{id<conversation_id>(77)})), "") << "another conversation";
  EXPECT_EQ(told(in.machine.on(answer_overdue{})), "send #1 after 0; send #2 after 1");
}

TEST(delivery, a_refusal_gives_the_number_up_and_sends_later_ones_with_a_new_previous) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.post("d");
  EXPECT_EQ(in.refusal(2, errc::bad_text), "rejected 2 bad_text; send #3 after 1; send #4 after 3");
  EXPECT_EQ(in.post("e"), "send #5 after 4");
}

TEST(delivery, gaps_behind_a_refusal_tell_nothing_new) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.refusal(1, errc::bad_text);
  EXPECT_EQ(in.out_of_order(2, 0), "");
  EXPECT_EQ(in.out_of_order(3, 0), "");
  EXPECT_EQ(in.ack(2, 1), "confirmed 2 at 1/1");
}

TEST(delivery, refusals_of_neighbours_chain_to_the_newest_number_that_stands) {
  sender in;
  in.up();
  in.post("a");
  in.ack(1, 1);
  in.post("b");
  in.post("c");
  in.post("d");
  EXPECT_EQ(in.refusal(2, errc::bad_text), "rejected 2 bad_text; send #3 after 1; send #4 after 3");
  EXPECT_EQ(in.refusal(3, errc::bad_text), "rejected 3 bad_text; send #4 after 1");
}

TEST(delivery, a_refusal_for_now_keeps_the_message_and_waits) {
  const struct {
    errc code;
    std::uint32_t retry_after_ms;
    const char* expected;
  } table[] = {
    {errc::rate_limited, 700, "retry after 700"},
    {errc::storage_full, 0, "retry after 1000"},
    {errc::too_many_in_flight, 0, "retry after 1000"},
    {errc::invalid_state, 300, "retry after 300"}, // the server says that it may pass
  };

  for (const auto& row : table) {
    sender in;
    in.up();
    in.post("a");
    in.post("b");
    EXPECT_EQ(in.refusal(1, row.code, row.retry_after_ms), row.expected);
    EXPECT_EQ(in.refusal(2, row.code, row.retry_after_ms), "") << "one wait for all";
    EXPECT_EQ(in.out_of_order(2, 0), "") << "while it waits";
    EXPECT_EQ(in.post("c"), "");
    EXPECT_EQ(told(in.machine.on(retry_due{})),
              "send #1 after 0; send #2 after 1; send #3 after 2");
  }
}

TEST(delivery, what_is_worth_retrying_is_what_may_pass_later) {
  for (auto code :
       {errc::rate_limited, errc::too_many_in_flight, errc::overloaded, errc::storage_full,
        errc::storage_failed, errc::draining, errc::unavailable, errc::timeout})
    EXPECT_TRUE(worth_retrying(code)) << to_string(code);
  for (auto code :
       {errc::bad_request, errc::too_large, errc::bad_text, errc::forbidden, errc::not_found,
        errc::client_unknown, errc::numbers_exhausted, errc::invalid_state, errc::too_old})
    EXPECT_FALSE(worth_retrying(code)) << to_string(code);
}

TEST(delivery, a_gap_sends_again_once_for_all_that_are_behind_it) {
  sender in;
  in.up();
  in.post("a");
  in.ack(1, 1);
  in.post("b");
  in.post("c");
  in.post("d");
  EXPECT_EQ(in.out_of_order(3, 1), "send #2 after 1; send #3 after 2; send #4 after 3");
  EXPECT_EQ(in.out_of_order(4, 1), "") << "the resend is on its way";
  EXPECT_EQ(in.ack(2, 2), "confirmed 2 at 2/2");
  EXPECT_EQ(in.out_of_order(4, 2), "send #3 after 2; send #4 after 3")
    << "progress, then a new gap";
}

TEST(delivery, an_old_gap_that_names_less_than_what_is_confirmed_is_stale) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.ack(1, 1);
  in.ack(2, 2);
  EXPECT_EQ(in.out_of_order(3, 1), "");
}

TEST(delivery, acks_that_come_early_wait_for_the_older_ones) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  EXPECT_EQ(in.ack(2, 2), "confirmed 2 at 2/2");
  EXPECT_EQ(told(in.machine.on(resync{here})), "send #1 after 0; send #3 after 2");
  EXPECT_EQ(in.ack(1, 1), "confirmed 1 at 1/1");
  EXPECT_EQ(in.machine.state().confirmed, 2u);
}

TEST(delivery, an_early_ack_moves_up_when_the_message_before_it_is_refused) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.ack(2, 1);
  EXPECT_EQ(in.refusal(1, errc::bad_text), "rejected 1 bad_text; send #3 after 2");
  EXPECT_EQ(in.machine.state().confirmed, 2u);
}

TEST(delivery, an_old_copy_of_a_refused_message_that_was_stored_counts_again) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.refusal(1, errc::invalid_state);
  EXPECT_EQ(in.ack(1, 0), "") << "known without a position: the number is used up, no more";
  EXPECT_EQ(in.ack(1, 5), "confirmed 1 at 5/5");
  EXPECT_EQ(told(in.machine.on(resync{here})), "send #2 after 1; send #3 after 2");
  EXPECT_EQ(in.refusal(2, errc::invalid_state), "rejected 2 invalid_state; send #3 after 1");
}

// The server's last number may still be lost with the server.
TEST(delivery,
     an_old_copy_of_a_refused_message_that_was_accepted_counts_as_long_as_the_server_says) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.refusal(1, errc::invalid_state);
  EXPECT_EQ(in.out_of_order(2, 1), "send #2 after 1") << "not confirmed: it is not stored yet";
  EXPECT_EQ(in.out_of_order(2, 0), "send #2 after 0") << "and then it was lost";
}

TEST(delivery, an_own_message_in_the_log_counts_as_its_ack) {
  sender in;
  in.up();
  in.post("a");
  event_push push;
  push.conversation = here;
  push.client = {mine, 1};
  push.visible_seq = 4;
  EXPECT_EQ(told(in.machine.on(push)), "confirmed 1 at 0/4");
  push.client = {};
  EXPECT_EQ(told(in.machine.on(push)), "") << "an event that no client sent";
}

TEST(delivery, other_conversations_and_other_clients_are_not_its_business) {
  sender in;
  in.up();
  in.post("a");
  EXPECT_EQ(in.ack(1, 1, id<client_id>(6)), "");
  EXPECT_EQ(told(in.machine.on(acknowledge{id<conversation_id>(8), {}, {mine, 1}, 1, 1, 0, 0})),
            "");
  EXPECT_EQ(
    told(in.machine.on(refuse{id<conversation_id>(8), {}, {mine, 1}, {errc::bad_text, ""}})), "");
  EXPECT_EQ(told(in.machine.on(gap{id<conversation_id>(8), {}, {mine, 1}, 0})), "");
}

TEST(delivery, an_opening_learns_its_conversation_from_the_first_ack) {
  const auto key = id<opening_key>(3);
  sender in(4, {}, key);
  in.up();
  delivery_effects effects;
  ASSERT_TRUE(in.machine.enqueue(text("a"), effects));
  ASSERT_TRUE(in.machine.enqueue(text("b"), effects));
  const auto first = find<send_command>(effects);
  EXPECT_EQ(first->what.conversation, conversation_id{});
  EXPECT_EQ(first->what.opening, key);
  EXPECT_EQ(told(in.machine.on(acknowledge{here, id<opening_key>(4), {mine, 1}, 1, 1, 0, 0})), "")
    << "somebody else's opening";
  EXPECT_EQ(told(in.machine.on(acknowledge{here, key, {mine, 1}, 0, 1, 0, 65})),
            "confirmed 1 at 0/1");
  EXPECT_EQ(in.machine.state().conversation, here);
  const auto again = find<send_command>(in.machine.on(resync{here}));
  EXPECT_EQ(again->what.conversation, here);
  EXPECT_EQ(again->what.opening, opening_key{});
}

TEST(delivery, an_opening_whose_ack_was_lost_hears_a_resync_and_its_own_message) {
  sender in(4, {}, id<opening_key>(3));
  in.up();
  in.post("a");
  EXPECT_EQ(told(in.machine.on(resync{here})), "send #1 after 0");
  event_push push;
  push.conversation = here;
  push.client = {mine, 1};
  push.visible_seq = 1;
  EXPECT_EQ(told(in.machine.on(push)), "confirmed 1 at 0/1");
  EXPECT_EQ(in.machine.state().conversation, here);
}

// The first command was refused, or lost with a server that died, while later ones were on their
// way.
TEST(delivery, an_unknown_client_that_has_nothing_confirmed_begins_again_without_asking) {
  sender in;
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  EXPECT_EQ(in.refusal(2, errc::client_unknown),
            "send #1 after 0; send #2 after 1; send #3 after 2");
  EXPECT_EQ(in.refusal(3, errc::client_unknown), "") << "the resend is on its way";
  EXPECT_EQ(in.refusal(1, errc::bad_text), "rejected 1 bad_text; send #2 after 0; send #3 after 2");
  EXPECT_EQ(in.refusal(2, errc::client_unknown), "") << "of the copy that came after 1";
}

TEST(delivery, an_unknown_client_asks_about_what_was_sent_and_keeps_what_was_not) {
  sender in(2);
  in.up();
  in.post("confirmed");
  in.ack(1, 1);
  in.post("a");
  in.post("b");
  in.post("never sent");
  EXPECT_EQ(in.refusal(2, errc::client_unknown), "ask about 2 3; need client id");
  EXPECT_EQ(in.post("later"), "") << "no number yet";
  EXPECT_EQ(told(in.machine.on(client_id_made{id<client_id>(6)})),
            "send #1 after 0; send #2 after 1");
  EXPECT_EQ(in.machine.state().queue[0].handle, 4u);
  EXPECT_EQ(in.machine.state().queue[1].handle, 5u);
  EXPECT_FALSE(in.machine.idle());
}

TEST(delivery, the_person_decides_what_is_sent_again) {
  sender in;
  in.up();
  in.post("confirmed");
  in.ack(1, 1);
  in.post("a");
  in.post("b");
  in.refusal(2, errc::client_unknown);
  in.machine.on(client_id_made{id<client_id>(6)});
  EXPECT_EQ(told(in.machine.on(person_answered{2, false})), "");
  const auto effects = in.machine.on(person_answered{3, true});
  EXPECT_EQ(told(effects), "send #1 after 0");
  EXPECT_EQ(std::get<post_message>(find<send_command>(effects)->what.body).content.text, "b");
  EXPECT_EQ(in.ack(1, 9, id<client_id>(6)), "confirmed 3 at 9/9") << "the handle is the same";
  EXPECT_TRUE(in.machine.idle());
  EXPECT_EQ(told(in.machine.on(person_answered{3, true})), "") << "answered already";
}

TEST(delivery, a_late_answer_to_the_old_client_id_settles_the_question) {
  sender in;
  in.up();
  in.post("confirmed");
  in.ack(1, 1);
  in.post("a");
  in.refusal(2, errc::client_unknown);
  EXPECT_EQ(in.ack(2, 3), "confirmed 2 at 3/3");
  EXPECT_TRUE(in.machine.idle());
}

TEST(delivery, a_server_that_knows_a_higher_number_means_a_shared_client_id) {
  sender in;
  in.up();
  in.post("a");
  EXPECT_EQ(in.out_of_order(1, 5), "ask about 1; need client id");
}

TEST(delivery, another_store_asks_and_starts_over) {
  sender in;
  in.up();
  in.post("a");
  in.ack(1, 1);
  in.post("b");
  in.machine.on(link_down{});
  EXPECT_EQ(told(in.machine.on(store_replaced{})), "ask about 2; need client id");
  in.machine.on(client_id_made{id<client_id>(6)});
  EXPECT_EQ(in.up(), "");
  EXPECT_EQ(told(in.machine.on(person_answered{2, true})), "send #1 after 0");
}

TEST(delivery, goes_on_from_its_state_after_a_restart) {
  sender in(2);
  in.up();
  in.post("a");
  in.post("b");
  in.post("c");
  in.ack(1, 1);
  delivery woken({2, 20}, in.machine.state());
  EXPECT_EQ(told(woken.on(link_up{})), "send #2 after 1; send #3 after 2");
  EXPECT_EQ(told(woken.on(acknowledge{here, {}, {mine, 3}, 3, 3, 0, 0})), "confirmed 3 at 3/3");
}

} // namespace
