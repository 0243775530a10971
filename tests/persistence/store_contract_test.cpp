#include "crypto/crypto.hpp"
#include "proto/records.hpp"
#include "tests/persistence/conversation_script.hpp"
#include "tests/persistence/store_contract.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace frontdesk::test {

using namespace domain;

namespace {

constexpr auto all = std::numeric_limits<std::size_t>::max();
constexpr tenant_id shop{1};
constexpr tenant_id bank{2};
constexpr shard_id shard_a{5};
constexpr shard_id shard_b{63};

} // namespace

using numbers = std::vector<message_seq>;

TEST_P(event_store_contract, gives_back_exactly_what_was_committed) {
  conversation_script script(shop, shard_a, 1);
  auto first = script.open("hello");
  auto second = script.say("is anybody there?", 2);
  auto note = script.note("a regular");
  commit({first});
  commit({second, note});

  auto page = store().read_events(script.entity(), 1, 100, all);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 4u);
  EXPECT_EQ(page->at(0), first.events[0]);
  EXPECT_EQ(page->at(1), second.events[0]);
  EXPECT_EQ(page->at(2), second.events[1]);
  EXPECT_EQ(page->at(3), note.events[0]);
}

TEST_P(event_store_contract, counts_commits_and_positions_without_gaps) {
  conversation_script a(shop, shard_a, 1);
  conversation_script b(shop, shard_b, 2);
  auto first = commit({a.open()});
  auto second = commit({a.say("x"), b.open(), b.say("y")});
  auto third = commit({b.say("z")});

  EXPECT_EQ(first.commit, 1u);
  EXPECT_EQ(first.position_of(shard_a), 1u);
  EXPECT_EQ(first.position_of(shard_b), 0u);
  EXPECT_EQ(second.commit, 2u);
  EXPECT_EQ(second.position_of(shard_a), 2u);
  EXPECT_EQ(second.position_of(shard_b), 1u);
  EXPECT_EQ(third.commit, 3u);
  EXPECT_EQ(third.position_of(shard_a), 0u);
  EXPECT_EQ(third.position_of(shard_b), 2u);
  EXPECT_EQ(store().applied_position(shard_a), 2u);
  EXPECT_EQ(store().applied_position(shard_b), 2u);
  EXPECT_EQ(store().applied_position(shard_id{1}), 0u);
}

TEST_P(event_store_contract, takes_a_commit_without_work_as_no_commit) {
  conversation_script a(shop, shard_a, 1);
  commit({a.open()});
  append nothing;
  nothing.entity = a.entity();
  nothing.previous_seq = a.seq();
  auto receipt = commit({nothing});
  EXPECT_EQ(receipt.commit, 1u);
  EXPECT_TRUE(receipt.positions.empty());
  EXPECT_EQ(commit({a.say("x")}).commit, 2u);
}

TEST_P(event_store_contract, keeps_everything_over_a_restart) {
  conversation_script script(shop, shard_a, 1);
  commit({script.open()});
  commit({script.say("again", 3)});
  auto before = store().identity();
  engine_->reopen();

  EXPECT_EQ(store().identity().id, before.id);
  EXPECT_EQ(store().identity().incarnation, before.incarnation);
  EXPECT_EQ(store().applied_position(shard_a), 2u);
  EXPECT_EQ(seqs(store().read_events(script.entity(), 1, 100, all)), (numbers{1, 2, 3, 4}));
  EXPECT_EQ(commit({script.say("more")}).commit, 3u);
  EXPECT_EQ(store().applied_position(shard_a), 3u);
}

TEST_P(event_store_contract, loads_a_head_with_the_events_after_it) {
  conversation_script script(shop, shard_a, 1);
  auto opening = script.open();
  auto head = script.head();
  auto later = script.say("more", 5);
  commit({opening, later});

  auto loaded = store().load_conversation(script.entity());
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->head, head);
  EXPECT_EQ(loaded->after_head, later.events);
  EXPECT_TRUE(loaded->pointers.empty());

  commit({script.save()});
  loaded = store().load_conversation(script.entity());
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->head, script.head());
  EXPECT_TRUE(loaded->after_head.empty());
}

TEST_P(event_store_contract, loads_pointers_with_the_conversation) {
  conversation_script script(shop, shard_a, 1);
  pointer visitor{{participant_kind::visitor, numbered<entity_id>(1)}, 3, 2};
  pointer agent{{participant_kind::account, numbered<entity_id>(2)}, 4, 4};
  auto opening = script.open();
  for (const auto& each : {visitor, agent})
    opening.states.push_back(
      {{script.entity(), state_field::pointer, each.who.id}, proto::encode(each)});
  commit({opening});
  auto loaded = store().load_conversation(script.entity());
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->pointers, (std::vector<pointer>{visitor, agent}));
}

TEST_P(event_store_contract, does_not_know_a_conversation_that_was_never_written) {
  conversation_script known(shop, shard_a, 1);
  conversation_script unknown(shop, shard_a, 2);
  commit({known.open()});
  EXPECT_EQ(code_of(store().load_conversation(unknown.entity())), errc::not_found);
  EXPECT_EQ(code_of(store().read_event(unknown.entity(), 1)), errc::not_found);
  EXPECT_EQ(code_of(store().find_visible(unknown.entity(), 1)), errc::not_found);
  EXPECT_EQ(seqs(store().read_events(unknown.entity(), 1, 10, all)), numbers{});
  EXPECT_EQ(seqs(store().read_events_before(unknown.entity(), 0, 10, all)), numbers{});
  EXPECT_EQ(seqs(store().read_visible(unknown.entity(), 1, 10, all)), numbers{});
  EXPECT_EQ(seqs(store().read_visible_before(unknown.entity(), 0, 10, all)), numbers{});
}

TEST_P(event_store_contract, keeps_tenants_and_neighbours_apart) {
  conversation_script ours(shop, shard_a, 1);
  conversation_script same_id(bank, shard_a, 1);
  conversation_script neighbour(shop, shard_a, 2);
  commit({ours.open(), same_id.open(), neighbour.open(), neighbour.say("x", 5)});
  EXPECT_EQ(seqs(store().read_events(ours.entity(), 1, 100, all)), (numbers{1}));
  EXPECT_EQ(seqs(store().read_events(same_id.entity(), 1, 100, all)), (numbers{1}));
  EXPECT_EQ(seqs(store().read_events_before(neighbour.entity(), 0, 100, all)),
            (numbers{1, 2, 3, 4, 5, 6}));
}

TEST_P(event_store_contract, pages_forward_and_backward) {
  conversation_script script(shop, shard_a, 1);
  commit({script.open(), script.say("x", 9)});
  EXPECT_EQ(seqs(store().read_events(script.entity(), 0, 2, all)), (numbers{1, 2}));
  EXPECT_EQ(seqs(store().read_events(script.entity(), 4, 3, all)), (numbers{4, 5, 6}));
  EXPECT_EQ(seqs(store().read_events(script.entity(), 9, 5, all)), (numbers{9, 10}));
  EXPECT_EQ(seqs(store().read_events(script.entity(), 11, 5, all)), numbers{});
  EXPECT_EQ(seqs(store().read_events(script.entity(), 1, 0, all)), numbers{});
  EXPECT_EQ(seqs(store().read_events_before(script.entity(), 0, 3, all)), (numbers{8, 9, 10}));
  EXPECT_EQ(seqs(store().read_events_before(script.entity(), 8, 3, all)), (numbers{5, 6, 7}));
  EXPECT_EQ(seqs(store().read_events_before(script.entity(), 3, 5, all)), (numbers{1, 2}));
  EXPECT_EQ(seqs(store().read_events_before(script.entity(), 1, 5, all)), numbers{});
  EXPECT_EQ(seqs(store().read_events_before(script.entity(), 1000, 2, all)), (numbers{9, 10}));
}

TEST_P(event_store_contract, ends_a_page_by_bytes_but_never_before_one_event) {
  conversation_script script(shop, shard_a, 1);
  commit({script.open(std::string(1000, 'a')), script.say(std::string(1000, 'b'), 9)});
  EXPECT_EQ(seqs(store().read_events(script.entity(), 1, 100, 1)), (numbers{1}));
  EXPECT_EQ(seqs(store().read_events_before(script.entity(), 0, 100, 1)), (numbers{10}));
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 3, 100, 1)), (numbers{3}));
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 5, 100, 1)), (numbers{4}));
  auto some = seqs(store().read_events(script.entity(), 1, 100, 3500));
  EXPECT_GE(some.size(), 2u);
  EXPECT_LE(some.size(), 4u);
}

TEST_P(event_store_contract, shows_a_visitor_visible_events_only) {
  conversation_script script(shop, shard_a, 1);
  commit(
    {script.open(), script.note("n", 2), script.say("a", 2), script.note("n"), script.say("b")});
  // seq:     1 2 3 4 5 6 7
  // visible: 1 - - 2 3 - 4
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 1, 100, all)), (numbers{1, 4, 5, 7}));
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 0, 1, all)), (numbers{1}));
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 2, 2, all)), (numbers{4, 5}));
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 4, 2, all)), (numbers{7}));
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 5, 2, all)), numbers{});
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 0, 2, all)), (numbers{5, 7}));
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 3, 100, all)), (numbers{1, 4}));
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 1, 100, all)), numbers{});
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 100, 1, all)), (numbers{7}));
}

TEST_P(event_store_contract, crosses_long_runs_of_hidden_events) {
  conversation_script script(shop, shard_a, 1);
  commit({script.open(), script.note("n", 1000), script.say("a"), script.note("n", 500),
          script.say("b"), script.note("n", 300)});
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 1, 100, all)), (numbers{1, 1002, 1503}));
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 0, 100, all)),
            (numbers{1, 1002, 1503}));
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 3, 1, all)), (numbers{1002}));
  EXPECT_EQ(*store().find_visible(script.entity(), 2), 1002u);
}

TEST_P(event_store_contract, shows_nothing_when_all_is_hidden) {
  conversation_script script(shop, shard_a, 1);
  auto opening = script.note("n", 100);
  opening.head = proto::encode(script.head());
  commit({opening});
  EXPECT_EQ(seqs(store().read_visible(script.entity(), 1, 10, all)), numbers{});
  EXPECT_EQ(seqs(store().read_visible_before(script.entity(), 0, 10, all)), numbers{});
  EXPECT_EQ(code_of(store().find_visible(script.entity(), 1)), errc::not_found);
}

TEST_P(event_store_contract, finds_every_visible_number_in_any_pattern) {
  std::uint64_t conversations = 0;
  EXPECT_TRUE(rc::check("visible pages equal the model's", [&] {
    auto pattern = *rc::gen::container<std::vector<bool>>(
      rc::gen::weightedElement<bool>({{1, true}, {3, false}}));
    conversation_script script(shop, shard_a, ++conversations);
    std::vector<append> appends{script.open()};
    numbers visible{1};
    for (bool shown : pattern) {
      appends.push_back(shown ? script.say("m") : script.note("n", 17));
      if (shown)
        visible.push_back(script.seq());
    }
    RC_ASSERT(try_commit(appends).has_value());
    for (std::size_t i = 0; i < visible.size(); ++i) {
      auto found = store().find_visible(script.entity(), i + 1);
      RC_ASSERT(found.has_value());
      RC_ASSERT(*found == visible[i]);
    }
    RC_ASSERT(!store().find_visible(script.entity(), visible.size() + 1).has_value());
    auto from = *rc::gen::inRange<std::size_t>(1, visible.size() + 2);
    auto limit = *rc::gen::inRange<std::size_t>(1, 20);
    auto begin = visible.begin() + static_cast<std::ptrdiff_t>(std::min(from - 1, visible.size()));
    auto end
      = visible.begin() + static_cast<std::ptrdiff_t>(std::min(from - 1 + limit, visible.size()));
    RC_ASSERT(seqs(store().read_visible(script.entity(), from, limit, all)) == numbers(begin, end));
    auto first = begin - visible.begin() > static_cast<std::ptrdiff_t>(limit)
                   ? begin - static_cast<std::ptrdiff_t>(limit)
                   : visible.begin();
    RC_ASSERT(seqs(store().read_visible_before(script.entity(), from, limit, all))
              == numbers(first, begin));
  }));
}

TEST_P(event_store_contract, gives_an_edited_event_its_new_parts_and_its_old_header) {
  conversation_script script(shop, shard_a, 1);
  auto opening = script.open("teh");
  commit({opening, script.say("other")});
  commit({script.edit(1, "the")});

  auto event = store().read_event(script.entity(), 1);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->header, opening.events[0].header);
  EXPECT_EQ(event->revision, 3u);
  EXPECT_EQ(conversation_script::text_of(*event), "the");
  EXPECT_EQ(conversation_script::text_of(*store().read_event(script.entity(), 2)), "other");
}

TEST_P(event_store_contract, edits_events_of_the_same_commit) {
  conversation_script script(shop, shard_a, 1);
  auto opening = script.open("one");
  commit({opening, script.edit(1, "uno"), script.edit(1, "eins")});
  EXPECT_EQ(conversation_script::text_of(*store().read_event(script.entity(), 1)), "eins");

  conversation_script other(shop, shard_a, 2);
  auto first = other.open("one");
  auto second = other.say("two");
  auto change = other.edit(2, "zwei");
  second.events.insert(second.events.end(), change.events.begin(), change.events.end());
  second.rewrites = change.rewrites;
  commit({first, second});
  EXPECT_EQ(conversation_script::text_of(*store().read_event(other.entity(), 2)), "zwei");
}

TEST_P(event_store_contract, refuses_what_contradicts_itself_and_writes_nothing_of_it) {
  conversation_script script(shop, shard_a, 1);
  conversation_script bystander(shop, shard_b, 2);
  commit({script.open()});

  auto gap = script.say("x", 2);
  gap.events.erase(gap.events.begin());
  EXPECT_EQ(code_of(try_commit({bystander.open(), gap})), errc::internal);

  append lost;
  lost.entity = script.entity();
  lost.previous_seq = 1;
  lost.rewrites.push_back({99, 100, conversation_script::public_bytes("y", 1), {}});
  EXPECT_EQ(code_of(try_commit({lost})), errc::internal);

  append stray;
  stray.entity = script.entity();
  stray.previous_seq = 1;
  stray.states.push_back({{bystander.entity(), state_field::pointer, numbered<entity_id>(1)}, "v"});
  EXPECT_EQ(code_of(try_commit({stray})), errc::internal);

  conversation_script fresh(shop, shard_b, 3);
  EXPECT_EQ(code_of(try_commit({fresh.open(std::string(70000, 'x'))})), errc::too_large);

  EXPECT_EQ(store().state(), store_state::writable);
  EXPECT_EQ(store().applied_position(shard_b), 0u);
  EXPECT_EQ(seqs(store().read_events(script.entity(), 1, 10, all)), (numbers{1}));
  EXPECT_EQ(code_of(store().load_conversation(bystander.entity())), errc::not_found);
  conversation_script next(shop, shard_b, 4);
  EXPECT_EQ(commit({next.open()}).commit, 2u);
}

TEST_P(event_store_contract, keeps_state_entries_by_field_and_sub) {
  conversation_script script(shop, shard_a, 1);
  auto entity = script.visitor_entity();
  auto opening = script.open();
  auto put = [&](state_field field, std::uint64_t sub, std::optional<std::string> bytes) {
    opening.states.push_back(
      {{entity, field, sub ? numbered<entity_id>(sub) : entity_id{}}, std::move(bytes)});
  };
  opening.states.clear();
  put(state_field::token, 3, "c");
  put(state_field::token, 1, "a");
  put(state_field::token, 2, std::string("b\0b", 3));
  put(state_field::record, 0, "r");
  commit({opening});

  using entries = std::vector<std::pair<entity_id, std::string>>;
  auto tokens = store().scan_state(entity, state_field::token);
  ASSERT_TRUE(tokens);
  EXPECT_EQ(*tokens, (entries{{numbered<entity_id>(1), "a"},
                              {numbered<entity_id>(2), std::string("b\0b", 3)},
                              {numbered<entity_id>(3), "c"}}));
  EXPECT_EQ(**store().get_state({entity, state_field::record, {}}), "r");
  EXPECT_EQ(*store().get_state({entity, state_field::inbox, {}}), std::nullopt);

  append change;
  change.entity = script.entity();
  change.previous_seq = 1;
  change.states.push_back({{entity, state_field::token, numbered<entity_id>(2)}, std::nullopt});
  change.states.push_back({{entity, state_field::token, numbered<entity_id>(3)}, "C"});
  commit({change});
  tokens = store().scan_state(entity, state_field::token);
  ASSERT_TRUE(tokens);
  EXPECT_EQ(*tokens, (entries{{numbered<entity_id>(1), "a"}, {numbered<entity_id>(3), "C"}}));
}

TEST_P(event_store_contract, forgets_a_dedup_key_after_its_time) {
  conversation_script script(shop, shard_a, 1);
  constexpr unix_ms created = 1700000000000;
  constexpr unix_ms week = 7 * 24 * 3600 * 1000;
  auto opening = script.open();
  opening.dedups = {{script.visitor_entity(), "key", proto::encode_opening(script.id(), created)}};
  commit({opening});

  auto found = store().get_dedup(script.visitor_entity(), "key");
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(proto::decode_opening(**found)->first, script.id());
  EXPECT_EQ(*store().get_dedup(script.visitor_entity(), "ke"), std::nullopt);
  EXPECT_EQ(*store().get_dedup(script.entity(), "key"), std::nullopt);
  engine_->set_now(created + week);
  EXPECT_NE(*store().get_dedup(script.visitor_entity(), "key"), std::nullopt);
  engine_->set_now(created + week + 1);
  EXPECT_EQ(*store().get_dedup(script.visitor_entity(), "key"), std::nullopt);
}

TEST_P(event_store_contract, lists_open_conversations_of_a_tenant_over_all_shards) {
  conversation_script a(shop, shard_a, 1);
  conversation_script b(shop, shard_b, 2);
  conversation_script done(shop, shard_b, 3);
  conversation_script foreign(bank, shard_a, 4);
  commit({a.open(), b.open(), done.open(), foreign.open()});
  commit({done.resolve(), b.assign(numbered<account_id>(9))});

  auto open = store().scan_open(shop);
  ASSERT_TRUE(open);
  ASSERT_EQ(open->rows.size(), 2u);
  EXPECT_EQ(open->rows[0].first.conversation, a.id());
  EXPECT_EQ(open->rows[0].first.status, conversation_status::waiting);
  EXPECT_EQ(open->rows[0].second, 1u);
  EXPECT_EQ(open->rows[1].first.conversation, b.id());
  EXPECT_EQ(open->rows[1].first.assignee, numbered<account_id>(9));
  EXPECT_EQ(open->rows[1].second, 2u);
  EXPECT_EQ(open->positions[value(shard_a)], 1u);
  EXPECT_EQ(open->positions[value(shard_b)], 2u);
  EXPECT_EQ(open->positions[0], 0u);
  EXPECT_EQ(store().scan_open(tenant_id{3})->rows.size(), 0u);
}

TEST_P(event_store_contract, names_the_tenants_that_have_open_conversations) {
  EXPECT_EQ(*store().tenants_with_open(), std::vector<tenant_id>{});
  conversation_script a(tenant_id{4000000000}, shard_a, 1);
  conversation_script b(tenant_id{0}, shard_b, 2);
  conversation_script c(shop, shard_a, 3);
  conversation_script more_of_c(shop, shard_b, 4);
  conversation_script done(bank, shard_a, 5);
  commit({a.open(), b.open(), c.open(), more_of_c.open(), done.open(), done.resolve()});
  EXPECT_EQ(*store().tenants_with_open(),
            (std::vector<tenant_id>{tenant_id{0}, shop, tenant_id{4000000000}}));
}

TEST_P(event_store_contract, lists_the_configuration_of_all_tenants) {
  auto entity = [](tenant_id tenant) {
    return entity_key{configuration_shard, tenant, entity_kind::configuration, {}};
  };
  auto configure = [&](tenant_id tenant, state_field field, std::uint64_t sub, std::string bytes) {
    append made;
    made.entity = entity(tenant);
    made.states.push_back(
      {{made.entity, field, sub ? numbered<entity_id>(sub) : entity_id{}}, std::move(bytes)});
    return made;
  };
  conversation_script elsewhere(shop, shard_id{1}, 1);
  commit({configure(bank, state_field::record, 0, "bank"),
          configure(shop, state_field::inbox, 2, "inbox 2"),
          configure(shop, state_field::inbox, 1, "inbox 1"),
          configure(shop, state_field::record, 0, "shop"), elsewhere.open()});
  auto found = store().scan_configuration();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 4u);
  EXPECT_EQ(found->at(0).second, "shop");
  EXPECT_EQ(found->at(1).second, "inbox 1");
  EXPECT_EQ(found->at(1).first,
            (state_key{entity(shop), state_field::inbox, numbered<entity_id>(1)}));
  EXPECT_EQ(found->at(2).second, "inbox 2");
  EXPECT_EQ(found->at(3).second, "bank");
}

} // namespace frontdesk::test
