// FRONTDESK_SEED=<n> runs one seed and prints its trace; FRONTDESK_SEEDS=<count> sets how many are
// run.
#include "tests/simulation/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

namespace {

using namespace frontdesk::domain;
using namespace frontdesk::simulation;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

std::unique_ptr<machine> honest(conversation inner) {
  return std::make_unique<machine>(std::move(inner));
}

/// The end of the story of a seed, told again.
std::string story(plan what, const machine_maker& make, std::size_t lines_max) {
  what.trace = true;
  const auto told = simulate(what, make);
  std::string lines;
  const auto first = told.trace.size() > lines_max ? told.trace.size() - lines_max : 0;
  for (auto i = first; i < told.trace.size(); ++i)
    lines += told.trace[i] + "\n";
  return lines;
}

TEST(simulation, every_promise_holds_for_every_seed) {
  const auto only = number_from_environment("FRONTDESK_SEED", 0);
  const auto count = only != 0 ? 1 : number_from_environment("FRONTDESK_SEEDS", 2000);
  counts seen;
  for (std::uint64_t i = 0; i < count; ++i) {
    plan what;
    what.seed = only != 0 ? only : i + 1;
    const auto outcome = simulate(what, honest);
    if (only != 0)
      std::cout << story(what, honest, 100'000);
    ASSERT_EQ(outcome.violation, "") << "FRONTDESK_SEED=" << what.seed << "\n"
                                     << story(what, honest, 120);
    seen += outcome.seen;
  }
  if (count < 500)
    return; // too few to have met everything

  // The promises are worth something only if all of this happened on the way.
  const std::map<std::string, std::uint64_t> met{
    {"events stored", seen.events},
    {"acks", seen.acks},
    {"gaps", seen.gaps},
    {"refusals", seen.refusals},
    {"unknown clients", seen.unknown_clients},
    {"look-ups", seen.look_ups},
    {"reads", seen.reads},
    {"crashes", seen.crashes},
    {"appends lost", seen.lost_appends},
    {"commits of unknown outcome", seen.unknown_commits},
    {"links broken", seen.broken_links},
    {"frames lost", seen.lost_frames},
    {"frames doubled", seen.doubled_frames},
    {"frames of an old link", seen.stale_frames},
    {"wakes", seen.wakes},
    {"messages confirmed", seen.confirmed},
    {"messages rejected", seen.rejected},
    {"questions to the person", seen.asked},
    {"stored after a refusal", seen.stored_after_refusal},
  };
  for (const auto& [what, times] : met) {
    RecordProperty(what, static_cast<int>(times));
    EXPECT_GT(times, 0u) << what << " never happened";
  }
}

TEST(simulation, a_seed_tells_the_same_story_twice) {
  plan what;
  what.seed = 7;
  what.trace = true;
  const auto once = simulate(what, honest);
  const auto twice = simulate(what, honest);
  EXPECT_GT(once.trace.size(), 50u);
  EXPECT_EQ(once.trace, twice.trace);
}

// -- controls: machines that are wrong on purpose must be caught
// ---------------------------------------------------

/// Runs seeds until a promise is broken, and says which one.
std::string caught(const machine_maker& make) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    plan what;
    what.seed = seed;
    what.judge_heads = false; // not by a side effect of being wrong, but by what clients see
    auto outcome = simulate(what, make);
    if (!outcome.violation.empty())
      return outcome.violation.substr(0, outcome.violation.find(':'));
  }
  return "nothing";
}

/// Takes every command for the first one of a new client: nothing is ever known.
class without_dedup : public machine {
public:
  using machine::machine;

  conversation_effects on(const commanded& event) override {
    auto first = event;
    first.what.key = {fresh_id(), 1};
    first.what.previous = 0;
    real_[first.what.key] = event.what.key;
    return translate(inner_.on(first));
  }

  conversation_effects on(const stored& event) override { return translate(inner_.on(event)); }

private:
  static client_id fresh_id() {
    static std::uint64_t last = 0;
    client_id made;
    const auto n = ++last;
    for (int i = 0; i < 8; ++i)
      made.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(n >> (8 * i));
    return made;
  }

  void rename(client_key& key) const {
    if (const auto known = real_.find(key); known != real_.end())
      key = known->second;
  }

  conversation_effects translate(conversation_effects effects) {
    conversation_effects out;
    for (auto& effect : effects) {
      if (auto* asked = std::get_if<look_up>(&effect)) {
        for (auto& more : translate(inner_.on(looked_up{asked->reply, asked->who, asked->key})))
          out.push_back(std::move(more));
        continue;
      }
      if (std::holds_alternative<read_target>(effect))
        continue;
      if (auto* one = std::get_if<append_events>(&effect))
        for (auto& event : one->events)
          rename(event.header.client);
      if (auto* one = std::get_if<acked>(&effect))
        rename(one->key);
      if (auto* one = std::get_if<refused>(&effect))
        rename(one->key);
      if (auto* one = std::get_if<out_of_order>(&effect))
        rename(one->key);
      out.push_back(std::move(effect));
    }
    return out;
  }

  std::map<client_key, client_key> real_{};
};

TEST(simulation, catches_a_machine_without_dedup) {
  EXPECT_EQ(
    caught([](conversation inner) { return std::make_unique<without_dedup>(std::move(inner)); }),
    "stored twice");
}

/// Acknowledges what it has accepted, before it is stored.
class acks_early : public machine {
public:
  using machine::machine;

  conversation_effects on(const commanded& event) override {
    conversation_effects out;
    for (auto& effect : inner_.on(event)) {
      const auto* accepted = std::get_if<append_events>(&effect);
      std::optional<acked> early;
      if (accepted != nullptr) {
        const auto& last = accepted->events.back();
        early = acked{event.reply, event.from.who,          event.what.key,
                      last.seq,    last.header.visible_seq, event.time};
      }
      out.push_back(std::move(effect));
      if (early)
        out.push_back(*early);
    }
    return out;
  }
};

TEST(simulation, catches_an_ack_before_the_store) {
  EXPECT_EQ(
    caught([](conversation inner) { return std::make_unique<acks_early>(std::move(inner)); }),
    "acked before it was stored");
}

/// As acks_early, but without a position, so that only the sender's own book can tell.
class acks_early_without_position : public machine {
public:
  using machine::machine;

  conversation_effects on(const commanded& event) override {
    auto effects = inner_.on(event);
    const bool accepted = std::ranges::any_of(
      effects, [](const auto& one) { return std::holds_alternative<append_events>(one); });
    if (accepted)
      effects.push_back(acked{event.reply, event.from.who, event.what.key, 0, 0, event.time});
    return effects;
  }
};

TEST(simulation, catches_an_early_ack_by_the_senders_book_alone) {
  EXPECT_EQ(caught([](conversation inner) {
              return std::make_unique<acks_early_without_position>(std::move(inner));
            }),
            "acked but not stored");
}

/// Shows what it has accepted, before it is stored.
class shows_early : public machine {
public:
  using machine::machine;

  conversation_effects on(const commanded& event) override {
    auto effects = inner_.on(event);
    const auto accepted = std::ranges::find_if(
      effects, [](const auto& one) { return std::holds_alternative<append_events>(one); });
    if (accepted != effects.end())
      effects.push_back(show{std::get<append_events>(*accepted).events.back().seq, 0});
    return effects;
  }
};

TEST(simulation, catches_an_event_that_is_shown_before_the_store) {
  EXPECT_EQ(
    caught([](conversation inner) { return std::make_unique<shows_early>(std::move(inner)); }),
    "shown before it was stored");
}

/// Stores whatever comes next, though something before it is missing.
class ignores_gaps : public machine {
public:
  using machine::machine;

  conversation_effects on(const commanded& event) override {
    auto next = event;
    for (const auto& known : inner_.head().clients)
      if (known.who == event.from.who && known.client == event.what.key.client)
        next.what.previous = std::min(known.last_client_seq, event.what.key.seq - 1);
    return inner_.on(next);
  }
};

TEST(simulation, catches_a_machine_that_does_not_mind_gaps) {
  EXPECT_EQ(
    caught([](conversation inner) { return std::make_unique<ignores_gaps>(std::move(inner)); }),
    "acked but not stored");
}

/// Never answers a command that it knows.
class mute_on_repeats : public machine {
public:
  using machine::machine;

  conversation_effects on(const commanded& event) override {
    auto effects = inner_.on(event);
    std::erase_if(effects, [](const auto& one) { return std::holds_alternative<acked>(one); });
    return effects;
  }
};

TEST(simulation, catches_a_machine_that_leaves_repeats_without_an_answer) {
  EXPECT_EQ(
    caught([](conversation inner) { return std::make_unique<mute_on_repeats>(std::move(inner)); }),
    "liveness");
}

} // namespace
