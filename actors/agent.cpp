#include "actors/agent.hpp"

#include "actors/conversation.hpp"
#include "actors/entity.hpp"
#include "crypto/crypto.hpp"
#include "domain/failpoint.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace frontdesk::actors {

using domain::errc;

namespace {

constexpr std::uint32_t retry_after_ms = 1000;

struct device {
  connection_ref from;
  std::set<domain::conversation_id> subscriptions;
  std::set<domain::conversation_id> automatic; ///< those that only follow from an assignment
};

struct greeting_in_work {
  connect request;
  std::vector<frames> early; ///< came before the token was checked
};

struct agent_state;
using self_pointer = agent_actor::stateful_pointer<agent_state>;

struct agent_state : entity_base {
  static inline const char* name = "agent";

  explicit agent_state(agent_actor::pointer) {}

  self_pointer self = nullptr;
  domain::account_id id;
  std::vector<device> devices;
  std::map<connection_ref, greeting_in_work> greetings;
  domain::presence_state presence = domain::presence_state::offline;
  std::uint32_t capacity = 0;
  std::uint32_t load = 0;
  std::uint64_t alone_since_us = 0;

  /// The account as the current configuration has it; nothing when it is gone or disabled.
  std::optional<domain::account_record> account() const {
    auto configuration = node->configuration.get();
    auto tenant = configuration->tenants.find(key.tenant);
    if (tenant == configuration->tenants.end())
      return std::nullopt;
    auto found = tenant->second.accounts.find(id);
    if (found == tenant->second.accounts.end() || found->second.disabled)
      return std::nullopt;
    return found->second;
  }

  domain::actor_identity identity(const domain::account_record& record) const {
    return {{domain::participant_kind::account, key.id}, record.name, true, record.team};
  }

  device* find_device(const connection_ref& from) {
    auto found = std::find_if(devices.begin(), devices.end(),
                              [&](const device& each) { return each.from == from; });
    return found == devices.end() ? nullptr : &*found;
  }

  // -- sockets
  // ---------------------------------------------------------------------------------------------------

  void handle(connect& request) {
    auto token = crypto::parse_token(request.greeting.token);
    if (!token)
      return turn_away(request.from, request.guard,
                       {errc::unauthenticated, "the token is not valid", "token"});
    auto from = request.from;
    auto hash = crypto::sha256(token->secret);
    auto sub = domain::entity_id::from_bytes({reinterpret_cast<const char*>(hash.data()), 16});
    greetings[from] = {std::move(request), {}};
    self->send(node->reader, check_token{{key, domain::state_field::token, *sub}, from, self});
  }

  void turn_away(const connection_ref& from, resync_guard& guard, domain::error reason) {
    guard.disarm();
    node->send(from, domain::problem{std::move(reason), 0, true, 0});
    self->send(node->gateway_of(from), hello_answered{from.number, false});
    rest_if_alone();
  }

  void on_checked(const token_checked& event) {
    // A read that crashed may pass the next time: a new actor tries, and the clients ask again.
    if (event.failure && event.failure->code == errc::internal)
      return self->quit(caf::sec::runtime_error);
    auto found = greetings.find(event.from);
    if (found == greetings.end())
      return;
    auto greeting = std::move(found->second);
    greetings.erase(found);
    auto& request = greeting.request;
    auto record = account();
    auto token = crypto::parse_token(request.greeting.token);
    auto hash = crypto::sha256(token->secret);
    std::string_view digest(reinterpret_cast<const char*>(hash.data()), hash.size());
    bool valid = record && event.record
                 && crypto::equal_constant_time(event.record->secret_hash, digest)
                 && (event.record->expires == 0 || node->now() < event.record->expires);
    auto drop_early = [&] {
      for (auto& each : greeting.early)
        each.guard.disarm();
    };
    if (event.failure) {
      drop_early();
      return turn_away(event.from, request.guard, *event.failure);
    }
    if (!valid) {
      drop_early();
      return turn_away(event.from, request.guard,
                       {errc::unauthenticated, "the token is not valid", "token"});
    }
    if (!find_device(event.from) && devices.size() >= node->bounds.sockets_per_account) {
      drop_early();
      return turn_away(event.from, request.guard, {errc::too_many_connections, "too many devices"});
    }
    admit(request, *record);
    for (auto& each : greeting.early)
      handle(each);
  }

  void admit(connect& request, const domain::account_record& record) {
    request.guard.disarm();
    if (!find_device(request.from))
      devices.push_back({request.from, {}, {}});
    if (capacity == 0)
      capacity = record.capacity;
    self->send(node->gateway_of(request.from), hello_answered{request.from.number, true});
    domain::welcome answer;
    answer.self = identity(record).who;
    answer.name = record.name;
    answer.store_incarnation = node->store->identity().incarnation;
    answer.server_time = node->now();
    answer.heartbeat_ms = static_cast<std::uint32_t>(node->bounds.heartbeat_ms);
    answer.text_bytes_max = static_cast<std::uint32_t>(node->bounds.text_bytes_max);
    answer.in_flight_max = static_cast<std::uint32_t>(node->bounds.in_flight_per_client);
    node->send(request.from, answer);
    node->send(request.from, presence_frame());
    bool foreign = request.greeting.store_incarnation != answer.store_incarnation;
    for (const auto& cursor : request.greeting.cursors)
      subscribe(request.from, {cursor.conversation, cursor.after}, foreign, record);
    tell_desk(record);
  }

  void handle(const disconnect& event) {
    if (auto waiting = greetings.find(event.from); waiting != greetings.end()) {
      waiting->second.request.guard.disarm();
      for (auto& each : waiting->second.early)
        each.guard.disarm();
      greetings.erase(waiting);
    }
    auto* gone = find_device(event.from);
    if (gone) {
      for (const auto& conversation : gone->subscriptions)
        leave(event.from, conversation);
      node->region->tell_if_present(routing_desk_key(key.tenant),
                                    list_dropped{event.from, std::nullopt});
      devices.erase(devices.begin() + (gone - devices.data()));
    }
    rest_if_alone();
  }

  /// Without a socket an agent is offline, but not at once: a reload of the page must not reshuffle
  /// the queue.
  void rest_if_alone() {
    if (!devices.empty() || !greetings.empty())
      return;
    alone_since_us = node->steady_us();
    self->delayed_send(self, std::chrono::milliseconds(node->bounds.agent_grace_ms), idle_tick{});
  }

  void on_idle() {
    if (retiring || !devices.empty() || !greetings.empty())
      return;
    if (node->steady_us() - alone_since_us < node->bounds.agent_grace_ms * 1000)
      return; // a later tick is under way
    presence = domain::presence_state::offline;
    if (auto record = account())
      tell_desk(*record);
    retire(self);
  }

  domain::presence_changed presence_frame() const { return {presence, capacity, load}; }

  void tell_desk(const domain::account_record& record) {
    node->region->tell(
      routing_desk_key(key.tenant),
      agent_noted{
        id, {domain::participant_kind::account, record.name}, record.team, presence, capacity});
  }

  // -- frames
  // ----------------------------------------------------------------------------------------------------

  void handle(frames& batch) {
    FRONTDESK_FAILPOINT("agent_frames");
    if (auto waiting = greetings.find(batch.from); waiting != greetings.end()) {
      waiting->second.early.push_back(std::move(batch));
      return;
    }
    if (!find_device(batch.from))
      return; // the guard asks for a new hello if the socket lives
    batch.guard.disarm();
    auto record = account();
    if (!record) {
      // Disabled since: nothing it sends counts any more, and the socket goes.
      node->send(batch.from,
                 domain::problem{{errc::unauthenticated, "the account is disabled"}, 0, true, 0});
      self->send(node->gateway_of(batch.from),
                 hang_up{batch.from.number, domain::close_reason::policy, "account disabled"});
      return;
    }
    for (auto& item : batch.items)
      std::visit([&](auto& frame) { on_frame(batch.from, batch.arrival_us, *record, frame); },
                 item);
  }

  // Handled by the gateway; listed so that a new kind of frame does not compile without a handler.
  void on_frame(const connection_ref&, std::uint64_t, const domain::account_record&,
                domain::hello&) {}

  void on_frame(const connection_ref&, std::uint64_t, const domain::account_record&,
                domain::ping&) {}

  void on_frame(const connection_ref& from, std::uint64_t arrival_us,
                const domain::account_record& record, domain::command& frame) {
    node->numbers->commands.add();
    auto refuse = [&](domain::error reason, std::uint32_t later) {
      node->numbers->commands_refused.add();
      node->send(from, domain::refuse{frame.conversation, frame.opening, frame.key,
                                      std::move(reason), later});
    };
    if (auto reason = node->admit.refuse_command(node->bounds, true))
      return refuse(*reason, retry_after_ms);
    if (!shard_of(frame.conversation))
      return refuse(
        {errc::bad_request, "staff writes into conversations that exist", "conversation"}, 0);
    command_request request;
    request.from = identity(record);
    request.reply_to = from;
    request.arrival_us = arrival_us;
    if (auto* order = std::get_if<domain::assign>(&frame.body)) {
      auto configuration = node->configuration.get();
      const auto& tenant = configuration->tenants.at(key.tenant);
      if (order->account) {
        auto found = tenant.accounts.find(order->account);
        if (found == tenant.accounts.end() || found->second.disabled)
          return refuse({errc::not_found, "there is no such account", "account"}, 0);
        request.assignee = {domain::participant_kind::account, found->second.name};
        request.assignee_team = found->second.team;
      } else if (order->team && !tenant.teams.contains(order->team)) {
        return refuse({errc::not_found, "there is no such team", "team"}, 0);
      }
    }
    auto where = domain::key_of(key.tenant, frame.conversation);
    request.guard = node->guard(from, frame.conversation);
    request.what = std::move(frame);
    node->region->tell(where, std::move(request));
  }

  void on_frame(const connection_ref& from, std::uint64_t, const domain::account_record& record,
                domain::subscribe& frame) {
    if (auto* each = find_device(from))
      each->automatic.erase(frame.conversation);
    subscribe(from, frame, false, record);
  }

  void subscribe(const connection_ref& from, const domain::subscribe& what, bool reset,
                 const domain::account_record& record) {
    auto* each = find_device(from);
    if (!each)
      return;
    if (!shard_of(what.conversation))
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
                       subscribe_request{identity(record), from, what.after.has_value(),
                                         what.after.value_or(0), reset,
                                         node->guard(from, what.conversation)});
  }

  void leave(const connection_ref& from, const domain::conversation_id& conversation) {
    auto where = domain::key_of(key.tenant, conversation);
    if (!node->region->tell_if_present(where, unsubscribe_request{from}))
      node->region->drop_parked(where, from);
  }

  void on_frame(const connection_ref& from, std::uint64_t, const domain::account_record&,
                domain::unsubscribe& frame) {
    auto* each = find_device(from);
    if (each && each->subscriptions.erase(frame.conversation) != 0)
      leave(from, frame.conversation);
  }

  void on_frame(const connection_ref& from, std::uint64_t, const domain::account_record&,
                domain::history_request& frame) {
    if (!shard_of(frame.conversation))
      return node->send(
        from, domain::problem{{errc::not_found, "there is no such conversation", "conversation"},
                              frame.request,
                              false,
                              0});
    self->send(node->reader, read_page{from, domain::key_of(key.tenant, frame.conversation), frame,
                                       true, node->guard(from)});
  }

  void on_frame(const connection_ref&, std::uint64_t, const domain::account_record& record,
                domain::mark& frame) {
    if (shard_of(frame.conversation))
      node->region->tell(domain::key_of(key.tenant, frame.conversation),
                         mark_request{identity(record), frame.delivered, frame.read});
  }

  void on_frame(const connection_ref& from, std::uint64_t, const domain::account_record& record,
                domain::typing& frame) {
    if (shard_of(frame.conversation))
      node->region->tell(domain::key_of(key.tenant, frame.conversation),
                         typing_request{identity(record), from, frame.on});
  }

  void on_frame(const connection_ref&, std::uint64_t, const domain::account_record& record,
                domain::set_presence& frame) {
    presence = frame.state;
    if (frame.capacity != 0)
      capacity = frame.capacity;
    tell_desk(record);
    tell_devices();
  }

  void tell_devices() {
    for (const auto& each : devices)
      node->send(each.from, presence_frame());
  }

  void on_frame(const connection_ref& from, std::uint64_t, const domain::account_record& record,
                domain::subscribe_list& frame) {
    node->region->tell(routing_desk_key(key.tenant), list_request{from, frame.list, id, record.team,
                                                                  frame.after, node->guard(from)});
  }

  void on_frame(const connection_ref& from, std::uint64_t, const domain::account_record&,
                domain::unsubscribe_list& frame) {
    node->region->tell(routing_desk_key(key.tenant), list_dropped{from, frame.list});
  }

  // -- from other actors
  // -----------------------------------------------------------------------------------------

  void on_assigned(const assignment_noted& event) {
    auto record = account();
    if (!record)
      return;
    for (auto& each : devices) {
      if (event.mine && !each.subscriptions.contains(event.conversation)) {
        each.automatic.insert(event.conversation);
        subscribe(each.from, {event.conversation, std::nullopt}, false, *record);
      } else if (!event.mine && each.automatic.erase(event.conversation) != 0) {
        each.subscriptions.erase(event.conversation);
        leave(each.from, event.conversation);
      }
    }
  }

  void on_load(const presence_noted& event) {
    if (load == event.load)
      return;
    load = event.load;
    tell_devices();
  }
};

agent_actor::behavior_type agent(self_pointer self, node_context* node, domain::entity_key key,
                                 std::uint64_t generation) {
  begin_entity(self, node, key, generation);
  auto& state = self->state;
  state.self = self;
  state.id = domain::id_cast<domain::account_id>(key.id);
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
    [&state](const assignment_noted& event) { state.on_assigned(event); },
    [&state](const token_checked& event) { state.on_checked(event); },
    [&state](const presence_noted& event) { state.on_load(event); },
    [&state](desk_restarted) {
      auto record = state.account();
      if (record && !state.devices.empty())
        state.tell_desk(*record);
    },
    [&state](idle_tick) { state.on_idle(); },
    [self](farewell) { self->quit(); },
  };
}

} // namespace

caf::actor spawn_agent(node_context& node, const domain::entity_key& key,
                       std::uint64_t generation) {
  return caf::actor_cast<caf::actor>(
    node.system->spawn<caf::lazy_init>(agent, &node, key, generation));
}

} // namespace frontdesk::actors
