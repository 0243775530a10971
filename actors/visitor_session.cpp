#include "actors/visitor_session.hpp"

#include "actors/entity.hpp"
#include "crypto/crypto.hpp"
#include "domain/failpoint.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace frontdesk::actors {

using domain::errc;

namespace {

constexpr std::size_t openings_kept
  = 64; ///< opening keys remembered in memory; older ones are in the store
constexpr std::uint32_t retry_after_ms = 1000;

struct tab {
  connection_ref from;
  std::set<domain::conversation_id> subscriptions;
};

struct waiting_command {
  connection_ref from;
  domain::command what;
  std::uint64_t arrival_us = 0;
  resync_guard guard;
};

struct visitor_session_state;
using self_pointer = visitor_session_actor::stateful_pointer<visitor_session_state>;

struct visitor_session_state : entity_base {
  static inline const char* name = "visitor_session";

  explicit visitor_session_state(visitor_session_actor::pointer) {}

  self_pointer self = nullptr;
  domain::visitor_id id;
  domain::inbox_id inbox;
  std::string display_name;
  bool loading = false;
  bool ready = false;
  std::vector<tab> tabs;
  std::vector<connect> greetings;                        ///< until the visitor is loaded
  std::vector<frames> early;                             ///< likewise
  std::map<domain::conversation_id, bool> conversations; ///< ours; open?
  std::vector<std::pair<domain::opening_key, open_conversation>>
    openings; ///< made or found by this session, oldest first
  std::map<domain::opening_key, std::deque<waiting_command>> looking_up;
  double opening_tokens = 0;
  std::uint64_t opening_tokens_us = 0;

  domain::actor_identity identity() const {
    return {{domain::participant_kind::visitor, domain::id_cast<domain::entity_id>(id)},
            display_name,
            false,
            {}};
  }

  tab* find_tab(const connection_ref& from) {
    auto found
      = std::find_if(tabs.begin(), tabs.end(), [&](const tab& each) { return each.from == from; });
    return found == tabs.end() ? nullptr : &*found;
  }

  // -- sockets
  // ---------------------------------------------------------------------------------------------------

  void handle(connect& request) {
    bool fresh = !request.new_token.empty() && tabs.empty() && !loading && !ready;
    if (fresh)
      ready = true; // nobody has written anything under an id that has just been made
    if (ready)
      return admit(request);
    greetings.push_back(std::move(request));
    if (loading)
      return;
    loading = true;
    self->send(node->persistence, load_visitor{key, self});
  }

  void on_loaded(visitor_loaded& event) {
    loading = false;
    // A read that crashed may pass the next time: a new session tries, and the clients ask again.
    if (event.failure && event.failure->code == errc::internal)
      return self->quit(caf::sec::runtime_error);
    if (event.failure) {
      for (auto& each : std::exchange(greetings, {})) {
        each.guard.disarm();
        node->send(each.from, domain::problem{*event.failure, 0, true, retry_after_ms});
        self->send(node->gateway_of(each.from), hello_answered{each.from.number, false});
      }
      early.clear();
      self->delayed_send(self, std::chrono::milliseconds(node->bounds.session_idle_ms),
                         idle_tick{});
      return;
    }
    ready = true;
    if (event.record) {
      inbox = event.record->inbox;
      if (display_name.empty())
        display_name = event.record->name;
    }
    for (const auto& [conversation, open] : event.conversations)
      conversations[conversation] = open;
    for (auto& each : std::exchange(greetings, {}))
      admit(each);
    for (auto& each : std::exchange(early, {}))
      handle(each);
  }

  void admit(connect& request) {
    request.guard.disarm();
    if (!find_tab(request.from) && tabs.size() >= node->bounds.sockets_per_visitor) {
      node->send(request.from,
                 domain::problem{{errc::too_many_connections, "too many tabs"}, 0, true, 0});
      self->send(node->gateway_of(request.from), hello_answered{request.from.number, false});
      return;
    }
    if (!request.greeting.name.empty())
      display_name = request.greeting.name;
    if (!inbox)
      inbox = request.inbox;
    if (!find_tab(request.from))
      tabs.push_back({request.from, {}});
    self->send(node->gateway_of(request.from), hello_answered{request.from.number, true});
    domain::welcome answer;
    answer.self = identity().who;
    answer.name = display_name;
    answer.token = std::move(request.new_token);
    answer.store_incarnation = node->store->identity().incarnation;
    answer.server_time = node->now();
    answer.heartbeat_ms = static_cast<std::uint32_t>(node->bounds.heartbeat_ms);
    answer.text_bytes_max = static_cast<std::uint32_t>(node->bounds.text_bytes_max);
    answer.in_flight_max = static_cast<std::uint32_t>(node->bounds.in_flight_per_client);
    for (auto it = conversations.rbegin();
         it != conversations.rend() && answer.conversations.size() < 20; ++it)
      answer.conversations.push_back(it->first);
    node->send(request.from, answer);
    bool foreign = request.greeting.store_incarnation != answer.store_incarnation;
    for (const auto& cursor : request.greeting.cursors)
      subscribe(request.from, {cursor.conversation, cursor.after}, foreign);
  }

  void handle(const disconnect& event) {
    std::erase_if(greetings, [&](connect& each) {
      if (each.from != event.from)
        return false;
      each.guard.disarm();
      return true;
    });
    std::erase_if(early, [&](const frames& each) { return each.from == event.from; });
    if (auto* gone = find_tab(event.from)) {
      for (const auto& conversation : gone->subscriptions) {
        auto where = domain::key_of(key.tenant, conversation);
        if (!node->region->tell_if_present(where, unsubscribe_request{event.from}))
          node->region->drop_parked(where, event.from);
      }
      tabs.erase(tabs.begin() + (gone - tabs.data()));
    }
    if (tabs.empty())
      self->delayed_send(self, std::chrono::milliseconds(node->bounds.session_idle_ms),
                         idle_tick{});
  }

  // -- frames
  // ----------------------------------------------------------------------------------------------------

  void handle(frames& batch) {
    FRONTDESK_FAILPOINT("visitor_frames");
    if (!ready) {
      // Nothing says hello before its frames, so a load is under way: they wait with their guard.
      early.push_back(std::move(batch));
      return;
    }
    if (!find_tab(batch.from))
      return; // refused or gone; the guard asks for a new hello if the socket lives
    batch.guard.disarm();
    for (auto& item : batch.items)
      std::visit([&](auto& frame) { on_frame(batch.from, batch.arrival_us, frame); }, item);
  }

  template <class Frame>
  void on_frame(const connection_ref& from, std::uint64_t, Frame&) {
    node->send(from, domain::problem{{errc::forbidden, "this is for staff"}, 0, false, 0});
  }

  bool ours(const domain::conversation_id& conversation) const {
    return conversations.contains(conversation);
  }

  void on_frame(const connection_ref& from, std::uint64_t arrival_us, domain::command& frame) {
    node->numbers->commands.add();
    if (auto reason = node->admit.refuse_command(node->bounds, false))
      return refuse(from, frame, *reason, true);
    resync_guard guard = node->guard(from, frame.conversation);
    if (frame.conversation) {
      if (!ours(frame.conversation))
        return refuse(from, frame,
                      {errc::not_found, "there is no such conversation", "conversation"}, false,
                      &guard);
      return pass_on(from, std::move(frame), arrival_us, std::move(guard));
    }
    open(from, std::move(frame), arrival_us, std::move(guard));
  }

  void refuse(const connection_ref& from, const domain::command& frame, const domain::error& reason,
              bool later, resync_guard* guard = nullptr) {
    if (guard)
      guard->disarm();
    node->numbers->commands_refused.add();
    node->send(from, domain::refuse{frame.conversation, frame.opening, frame.key, reason,
                                    later ? retry_after_ms : 0});
  }

  void pass_on(const connection_ref& from, domain::command&& what, std::uint64_t arrival_us,
               resync_guard&& guard) {
    auto where = domain::key_of(key.tenant, what.conversation);
    node->region->tell(
      where,
      command_request{identity(), std::move(what), from, arrival_us, {}, {}, std::move(guard)});
  }

  /// A command without a conversation: one that its key has opened before, the open one there is,
  /// or a new one.
  void open(const connection_ref& from, domain::command&& what, std::uint64_t arrival_us,
            resync_guard&& guard) {
    auto known = std::find_if(openings.begin(), openings.end(),
                              [&](const auto& each) { return each.first == what.opening; });
    if (known != openings.end())
      return open_as(known->second, from, std::move(what), arrival_us, std::move(guard));
    auto& waiting = looking_up[what.opening];
    bool asked = !waiting.empty();
    auto opening = what.opening;
    waiting.push_back({from, std::move(what), arrival_us, std::move(guard)});
    if (!asked)
      self->send(node->persistence, look_up_opening{key, opening, self});
  }

  void on_looked_up(const opening_looked_up& event) {
    auto found = looking_up.find(event.opening);
    if (found == looking_up.end())
      return;
    auto waiting = std::move(found->second);
    looking_up.erase(found);
    if (event.failure) {
      for (auto& each : waiting)
        refuse(each.from, each.what, *event.failure, true, &each.guard);
      return;
    }
    auto target = event.conversation;
    if (!target)
      target = joinable();
    std::optional<open_conversation> order;
    auto made_here = std::find_if(openings.begin(), openings.end(), [&](const auto& each) {
      return target && each.second.what.id == *target;
    });
    if (made_here != openings.end()) {
      order
        = made_here->second; // whose first command may have been refused: then this one makes it
    } else if (target) {
      conversations.emplace(*target, true);
      order.emplace();
      order->what.id = *target; // in the store: there is nothing to open
    } else {
      if (auto reason = refuse_new()) {
        for (auto& each : waiting)
          refuse(each.from, each.what, *reason, true, &each.guard);
        return;
      }
      auto made = make(event.opening);
      if (!made) {
        for (auto& each : waiting)
          refuse(each.from, each.what, made.failure(), true, &each.guard);
        return;
      }
      order = *std::move(made);
    }
    if (openings.size() == openings_kept)
      openings.erase(openings.begin());
    openings.emplace_back(event.opening, *order);
    for (auto& each : waiting)
      open_as(openings.back().second, each.from, std::move(each.what), each.arrival_us,
              std::move(each.guard));
  }

  /// The newest open conversation, which a second tab's opening joins.
  std::optional<domain::conversation_id> joinable() const {
    for (auto it = conversations.rbegin(); it != conversations.rend(); ++it)
      if (it->second)
        return it->first; // ids ascend by time within a shard
    return std::nullopt;
  }

  std::optional<domain::error> refuse_new() {
    if (auto reason = node->admit.refuse_opening(node->bounds))
      return reason;
    auto per_minute = static_cast<double>(node->bounds.conversations_opened_per_minute);
    auto now = node->steady_us();
    if (opening_tokens_us == 0)
      opening_tokens = per_minute;
    else
      opening_tokens = std::min(
        per_minute,
        opening_tokens + static_cast<double>(now - opening_tokens_us) * per_minute / 60e6);
    opening_tokens_us = now;
    if (opening_tokens < 1)
      return domain::error{errc::rate_limited, "too many new conversations"};
    opening_tokens -= 1;
    return std::nullopt;
  }

  domain::result<open_conversation> make(const domain::opening_key& opening) {
    auto number = node->allocator->take(key.shard);
    if (!number)
      return number.failure();
    auto configuration = node->configuration.get();
    domain::team_id team{};
    if (auto tenant = configuration->tenants.find(key.tenant);
        tenant != configuration->tenants.end())
      if (auto found = tenant->second.inboxes.find(inbox); found != tenant->second.inboxes.end())
        team = found->second.team;
    auto now = node->now();
    auto conversation = domain::make_conversation_id(key.shard, now, crypto::random_u64());
    conversations.emplace(conversation, true);
    open_conversation order;
    order.what
      = {key.tenant, conversation, id, display_name, inbox, team, number->number, opening, now};
    order.number_reservation = number->reservation;
    order.fresh = true;
    return order;
  }

  void open_as(open_conversation& order, const connection_ref& from, domain::command&& what,
               std::uint64_t arrival_us, resync_guard&& guard) {
    auto conversation = order.what.id;
    auto where = domain::key_of(key.tenant, conversation);
    if (order.what.visitor)
      node->region->tell(where, order);
    order.fresh = false; // from now on it may exist
    // Every tab follows what one of them opens.
    for (auto& each : tabs)
      if (!each.subscriptions.contains(conversation))
        subscribe(each.from, {conversation, 0}, false);
    what.conversation = conversation;
    guard.disarm();
    // An opener does not know the id yet, so a loss makes it say hello again.
    pass_on(from, std::move(what), arrival_us, node->guard(from));
  }

  void on_frame(const connection_ref& from, std::uint64_t, domain::subscribe& frame) {
    subscribe(from, frame, false);
  }

  void subscribe(const connection_ref& from, const domain::subscribe& what, bool reset) {
    auto* each = find_tab(from);
    if (!each)
      return;
    if (!ours(what.conversation))
      return node->send(
        from, domain::problem{
                {errc::not_found, "there is no such conversation", "conversation"}, 0, false, 0});
    if (!each->subscriptions.contains(what.conversation)
        && each->subscriptions.size() >= node->bounds.subscriptions_per_socket)
      return node->send(
        from,
        domain::problem{{errc::too_large, "too many subscriptions", "conversation"}, 0, false, 0});
    each->subscriptions.insert(what.conversation);
    node->region->tell(domain::key_of(key.tenant, what.conversation),
                       subscribe_request{identity(), from, what.after.has_value(),
                                         what.after.value_or(0), reset,
                                         node->guard(from, what.conversation)});
  }

  void on_frame(const connection_ref& from, std::uint64_t, domain::unsubscribe& frame) {
    auto* each = find_tab(from);
    if (!each || each->subscriptions.erase(frame.conversation) == 0)
      return;
    auto where = domain::key_of(key.tenant, frame.conversation);
    if (!node->region->tell_if_present(where, unsubscribe_request{from}))
      node->region->drop_parked(where, from);
  }

  void on_frame(const connection_ref& from, std::uint64_t, domain::history_request& frame) {
    if (!ours(frame.conversation))
      return node->send(
        from, domain::problem{{errc::not_found, "there is no such conversation", "conversation"},
                              frame.request,
                              false,
                              0});
    self->send(node->reader, read_page{from, domain::key_of(key.tenant, frame.conversation), frame,
                                       false, node->guard(from)});
  }

  void on_frame(const connection_ref&, std::uint64_t, domain::mark& frame) {
    if (ours(frame.conversation))
      node->region->tell(domain::key_of(key.tenant, frame.conversation),
                         mark_request{identity(), frame.delivered, frame.read});
  }

  void on_frame(const connection_ref& from, std::uint64_t, domain::typing& frame) {
    if (ours(frame.conversation))
      node->region->tell(domain::key_of(key.tenant, frame.conversation),
                         typing_request{identity(), from, frame.on});
  }

  void on_idle() {
    if (retiring || !tabs.empty() || loading || !looking_up.empty())
      return;
    retire(self);
  }
};

visitor_session_actor::behavior_type visitor_session(self_pointer self, node_context* node,
                                                     domain::entity_key key,
                                                     std::uint64_t generation) {
  begin_entity(self, node, key, generation);
  auto& state = self->state;
  state.self = self;
  state.id = domain::id_cast<domain::visitor_id>(key.id);
  return {
    [self, &state](connect& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](frames& batch) {
      if (!forwarded(self, batch))
        state.handle(batch);
    },
    [&state](const disconnect& event) { state.handle(event); },
    [&state](const conversation_noted& event) {
      state.conversations[event.conversation] = event.open;
    },
    [&state](const queue_position_noted& event) {
      for (const auto& each : state.tabs)
        state.node->send(each.from, domain::queue_position{event.conversation, event.position});
    },
    [&state](visitor_loaded& event) { state.on_loaded(event); },
    [&state](const opening_looked_up& event) { state.on_looked_up(event); },
    [&state](idle_tick) { state.on_idle(); },
    [self](farewell) { self->quit(); },
  };
}

} // namespace

caf::actor spawn_visitor_session(node_context& node, const domain::entity_key& key,
                                 std::uint64_t generation) {
  return caf::actor_cast<caf::actor>(
    node.system->spawn<caf::lazy_init>(visitor_session, &node, key, generation));
}

} // namespace frontdesk::actors
