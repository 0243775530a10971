#pragma once

#include "domain/conversation.hpp"
#include "domain/delivery.hpp"
#include "domain/list_feed.hpp"
#include "domain/routing.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Effects as short sentences, so that a test reads like the trace it expects.
namespace frontdesk::test {

/// An id whose last byte is `n`.
template <class Id>
Id id(std::uint8_t n) {
  Id made;
  made.bytes[15] = n;
  return made;
}

std::string told(const domain::conversation_effects& effects);
std::string told(const domain::delivery_effects& effects);
std::string told(const domain::routing_effects& effects);
std::string told(const std::vector<domain::list_rows>& frames);

/// The first effect of this kind, or nothing.
template <class Effect, class Effects>
std::optional<Effect> find(const Effects& effects) {
  for (const auto& effect : effects)
    if (const auto* found = std::get_if<Effect>(&effect))
      return *found;
  return std::nullopt;
}

inline domain::actor_identity visitor() {
  return {{domain::participant_kind::visitor, id<domain::entity_id>(1)}, "Vera", false, {}};
}

inline domain::actor_identity agent(std::uint8_t n = 2, std::string name = "Ann") {
  return {{domain::participant_kind::account, id<domain::entity_id>(n)},
          std::move(name),
          true,
          id<domain::team_id>(7)};
}

/// A conversation machine and the store that says `stored`; `now` stands still unless a test moves
/// it.
class scene {
public:
  explicit scene(const domain::limits& bounds = {}) : bounds_(bounds), machine(bounds, opening()) {}

  scene(const domain::limits& bounds, domain::conversation_head head,
        domain::message_seq head_seq = 0, std::string_view excerpt = {})
    : bounds_(bounds), machine(bounds, domain::tenant_id{1}, id<domain::conversation_id>(9),
                               std::move(head), head_seq, excerpt) {}

  static domain::conversation_opened opening() {
    domain::conversation_opened opened;
    opened.tenant = domain::tenant_id{1};
    opened.id = id<domain::conversation_id>(9);
    opened.visitor = id<domain::visitor_id>(1);
    opened.visitor_name = "Vera";
    opened.inbox = id<domain::inbox_id>(3);
    opened.number = 65;
    opened.opening = id<domain::opening_key>(8);
    opened.time = 1000;
    return opened;
  }

  domain::commanded make(const domain::actor_identity& who, std::uint64_t number,
                         std::uint64_t previous, domain::command_body body,
                         domain::reply_token reply = 0, std::uint8_t client = 0) const {
    domain::commanded event;
    event.from = who;
    event.what.conversation = id<domain::conversation_id>(9);
    // Every participant has a client of its own unless the test names one.
    event.what.key = {id<domain::client_id>(client != 0 ? client : who.who.id.bytes[15]), number};
    event.what.previous = previous;
    event.what.body = std::move(body);
    event.reply = reply != 0 ? reply : number;
    event.time = now;
    return event;
  }

  domain::conversation_effects send(const domain::actor_identity& who, std::uint64_t number,
                                    std::uint64_t previous, domain::command_body body,
                                    domain::reply_token reply = 0, std::uint8_t client = 0) {
    return machine.on(make(who, number, previous, std::move(body), reply, client));
  }

  /// Sends with the number after the last one this participant has had accepted here.
  domain::conversation_effects next(const domain::actor_identity& who, domain::command_body body) {
    auto& last = last_[who.who.id.bytes[15]];
    auto effects = send(who, last + 1, last, std::move(body));
    if (find<domain::append_events>(effects) || find<domain::read_target>(effects))
      ++last;
    return effects;
  }

  domain::conversation_effects store() { return machine.on(domain::stored{machine.head().seq}); }

  /// next() and store(), for what only leads up to what a test is about.
  domain::message_seq done(const domain::actor_identity& who, domain::command_body body) {
    next(who, std::move(body));
    store();
    return machine.stored_seq();
  }

  domain::limits bounds_;
  domain::conversation machine;
  domain::unix_ms now = 1000;

private:
  std::uint64_t last_[256] = {};
};

inline domain::post_message text(std::string words, domain::message_seq quote = 0) {
  return {{std::move(words), quote}};
}

inline domain::post_note note(std::string words, domain::message_seq quote = 0) {
  return {{std::move(words), quote}};
}

} // namespace frontdesk::test
