#include "actors/routing_desk.hpp"

#include "actors/conversation.hpp"
#include "actors/entity.hpp"
#include "actors/outbox.hpp"
#include "crypto/crypto.hpp"
#include "domain/failpoint.hpp"
#include "domain/list_feed.hpp"
#include "domain/routing.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace frontdesk::actors {

namespace {

using namespace std::chrono_literals;

constexpr auto tick_interval = 1s;

struct list_subscriber {
  connection_ref from;
  domain::list_filter filter;
  resync_guard guard;
};

using early_message = std::variant<row_noted, agent_noted, list_request>;

struct routing_desk_state;
using self_pointer = routing_desk_actor::stateful_pointer<routing_desk_state>;

struct routing_desk_state : entity_base {
  static inline const char* name = "routing_desk";

  explicit routing_desk_state(routing_desk_actor::pointer) {}

  self_pointer self = nullptr;
  std::optional<domain::routing_desk> machine;
  std::optional<domain::list_feed> feed;
  std::uint64_t fence = 0;
  std::vector<early_message> early; ///< until the open rows are loaded
  std::vector<list_subscriber> subscribers;
  std::int64_t waiting_shown = 0; ///< this tenant's share of the node's gauges
  std::int64_t online_shown = 0;

  void begin(self_pointer owner) {
    self = owner;
    // Grows with every commit, so it never goes down: not for a successor, and not over a restart,
    // while the conversations keep the highest fence that they have seen.
    for (std::uint16_t shard = 0; shard < domain::shard_count; ++shard)
      fence += node->store->applied_position(domain::shard_id{shard});
    machine.emplace(node->bounds);
    feed.emplace(node->bounds, node->store->identity().incarnation);
    self->send(node->reader, load_open_rows{key.tenant, self});
    self->delayed_send(self, tick_interval, routing_tick{});
    // Agents who are here already say so again: this desk may be the successor of one that crashed.
    for (const auto& [account, record] : accounts())
      node->region->tell_if_present(
        crypto::key_of_entity(key.tenant, domain::entity_kind::account,
                              domain::id_cast<domain::entity_id>(account)),
        desk_restarted{});
  }

  ~routing_desk_state() {
    if (!node)
      return;
    node->numbers->conversations_waiting.add(-waiting_shown);
    node->numbers->agents_online.add(-online_shown);
  }

  std::map<domain::account_id, domain::account_record> accounts() const {
    auto configuration = node->configuration.get();
    auto found = configuration->tenants.find(key.tenant);
    return found == configuration->tenants.end() ? decltype(found->second.accounts){}
                                                 : found->second.accounts;
  }

  void on_loaded(open_rows_loaded& event) {
    if (event.failure) {
      node->log->log(domain::log_level::error, "open conversations cannot be read",
                     {{"reason", event.failure->message}});
      return self->quit(caf::sec::runtime_error); // the supervisor starts the next one
    }
    outbox out(*node);
    feed->load(event.what);
    domain::desk_loaded loaded;
    loaded.fence = fence;
    for (auto& [row, position] : event.what.rows)
      loaded.rows.push_back(std::move(row));
    perform(machine->on(loaded), out);
    for (auto& item : std::exchange(early, {}))
      std::visit([&](auto& message) { handle(message, out); }, item);
    show_gauges();
  }

  template <class Message>
  void take(Message& message) {
    FRONTDESK_FAILPOINT("routing_desk");
    if (!machine->loaded()) {
      early.emplace_back(std::move(message));
      return;
    }
    outbox out(*node);
    handle(message, out);
    show_gauges();
  }

  void handle(row_noted& event, outbox& out) {
    auto change = feed->apply(event.row, event.closed, event.shard, event.position);
    if (!change)
      return; // known from the snapshot, or overtaken
    for (const auto& each : subscribers)
      if (auto rows = feed->live(each.filter, *change))
        out.add(each.from, *rows);
    perform(machine->on(domain::row_changed{std::move(event.row), event.closed}), out);
  }

  void handle(agent_noted& event, outbox& out) {
    perform(machine->on(domain::agent_changed{event.account, event.profile, event.team,
                                              event.capacity, event.presence}),
            out);
    tell_load(event.account, machine->load_of(event.account));
  }

  void handle(list_request& request, outbox& out) {
    drop(request.from, request.list);
    domain::list_filter filter{request.list, request.account, request.team};
    for (const auto& rows : feed->resume(filter, request.after))
      out.add(request.from, rows);
    subscribers.push_back({request.from, filter, std::move(request.guard)});
  }

  void drop(const connection_ref& from, std::optional<domain::list_kind> list) {
    std::erase_if(subscribers, [&](list_subscriber& each) {
      if (each.from != from || (list && each.filter.list != *list))
        return false;
      each.guard.disarm();
      return true;
    });
    std::erase_if(early, [&](early_message& item) {
      auto* waiting = std::get_if<list_request>(&item);
      if (!waiting || waiting->from != from || (list && waiting->list != *list))
        return false;
      waiting->guard.disarm();
      return true;
    });
  }

  void tell_load(const domain::account_id& account, std::uint32_t load) {
    auto agent = crypto::key_of_entity(key.tenant, domain::entity_kind::account,
                                       domain::id_cast<domain::entity_id>(account));
    node->region->tell_if_present(agent, presence_noted{load});
  }

  void perform(domain::routing_effects effects, outbox& out) {
    for (auto& effect : effects)
      std::visit([&](auto& one) { perform_one(one, out); }, effect);
  }

  void perform_one(domain::assign_to& effect, outbox&) {
    node->region->tell(
      domain::key_of(key.tenant, effect.conversation),
      route_request{{effect.account, effect.profile, effect.team, effect.fence, 0}});
  }

  void perform_one(domain::position_changed& effect, outbox&) {
    domain::entity_key visitor{shard_of(effect.conversation).value_or(key.shard), key.tenant,
                               domain::entity_kind::visitor,
                               domain::id_cast<domain::entity_id>(effect.visitor)};
    node->region->tell_if_present(visitor,
                                  queue_position_noted{effect.conversation, effect.position});
  }

  void perform_one(domain::agent_load_changed& effect, outbox&) {
    tell_load(effect.account, effect.load);
  }

  void show_gauges() {
    auto show = [](domain::gauge& total, std::int64_t& shown, std::size_t now) {
      total.add(static_cast<std::int64_t>(now) - shown);
      shown = static_cast<std::int64_t>(now);
    };
    show(node->numbers->conversations_waiting, waiting_shown, machine->waiting_count());
    show(node->numbers->agents_online, online_shown, machine->online_count());
  }
};

routing_desk_actor::behavior_type routing_desk(self_pointer self, node_context* node,
                                               domain::entity_key key, std::uint64_t generation) {
  begin_entity(self, node, key, generation);
  self->state.begin(self);
  auto& state = self->state;
  return {
    [&state](row_noted& event) { state.take(event); },
    [&state](agent_noted& event) { state.take(event); },
    [&state, node](const route_refused& event) {
      outbox out(*node);
      if (state.machine->loaded())
        state.perform(state.machine->on(domain::assignment_refused{event.conversation}), out);
    },
    [&state](list_request& request) { state.take(request); },
    [&state](const list_dropped& event) { state.drop(event.from, event.list); },
    [&state](open_rows_loaded& event) { state.on_loaded(event); },
    [self, &state, node](routing_tick) {
      self->delayed_send(self, tick_interval, routing_tick{});
      outbox out(*node);
      state.feed->settle();
      state.perform(state.machine->on(domain::desk_tick{node->now()}), out);
      state.show_gauges();
    },
    [](wake) {},
  };
}

} // namespace

caf::actor spawn_routing_desk(node_context& node, const domain::entity_key& key,
                              std::uint64_t generation) {
  return caf::actor_cast<caf::actor>(
    node.system->spawn<caf::lazy_init>(routing_desk, &node, key, generation));
}

} // namespace frontdesk::actors
