#include "actors/region.hpp"

#include "actors/context.hpp"
#include "actors/entity.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <chrono>

namespace frontdesk::actors {

namespace {

// A crash loop must not eat the machine: the n-th restart in a row of what runs by itself waits
// longer.
constexpr std::chrono::milliseconds restart_delay_first{50};
constexpr std::chrono::milliseconds restart_delay_max{5000};

} // namespace

struct region_supervisor_state {
  shard_region* region = nullptr;
  node_context* node = nullptr;
  std::unordered_map<domain::entity_key, std::chrono::milliseconds> delays;
};

namespace {

region_supervisor_actor::behavior_type
region_supervisor(region_supervisor_actor::stateful_pointer<region_supervisor_state> self,
                  shard_region* region, node_context* node) {
  self->state.region = region;
  self->state.node = node;
  return {
    [self](const entity_ended& event) {
      auto& context = *self->state.node;
      if (!event.failure) {
        self->state.delays.erase(event.key);
        return;
      }
      context.numbers->entity_restarts.add();
      context.log->log(domain::log_level::warning, "entity actor ended abnormally",
                       {{"kind", std::to_string(static_cast<int>(event.key.kind))},
                        {"entity", to_string(event.key.id)},
                        {"reason", *event.failure}});
      bool session = event.key.kind == domain::entity_kind::visitor
                     || event.key.kind == domain::entity_kind::account;
      if (session)
        for (const auto& gateway : context.gateways)
          self->send(gateway, entity_lost{event.key});
      // The rest wakes with its next message; the routing desk has work of its own, and agents
      // count on it.
      if (event.key.kind == domain::entity_kind::configuration) {
        auto& delay = self->state.delays[event.key];
        delay = delay.count() == 0 ? restart_delay_first : std::min(delay * 2, restart_delay_max);
        self->delayed_send(self, delay, restart_tick{event.key});
      }
    },
    [self](const restart_tick& tick) { self->state.region->tell(tick.key, wake{}); },
  };
}

} // namespace

shard_region::shard_region(node_context& node) : node_(node) {}

shard_region::~shard_region() = default;

void shard_region::set_factory(domain::entity_kind kind, factory make) {
  factories_.at(static_cast<std::size_t>(kind)) = std::move(make);
}

void shard_region::start() {
  supervisor_ = node_.system->spawn(region_supervisor, this, &node_);
}

caf::actor* shard_region::find_or_spawn(stripe& part, const domain::entity_key& key) {
  auto found = part.entities.find(key);
  if (found != part.entities.end())
    return &found->second.actor;
  if (stopped_.load())
    return nullptr;
  auto generation = last_generation_.fetch_add(1) + 1;
  entry made{factories_.at(static_cast<std::size_t>(key.kind))(key, generation), generation};
  node_.numbers->entities.add(1);
  return &part.entities.emplace(key, std::move(made)).first->second.actor;
}

bool shard_region::retire(const domain::entity_key& key, std::uint64_t generation) {
  auto& part = stripe_of(key);
  std::lock_guard lock(part.mutex);
  auto found = part.entities.find(key);
  if (found == part.entities.end() || found->second.generation != generation)
    return false;
  part.entities.erase(found);
  node_.numbers->entities.add(-1);
  return true;
}

void shard_region::ended(const domain::entity_key& key, std::uint64_t generation,
                         std::optional<std::string> failure) {
  // First out of the table, so that the next message meets a new actor, then the word to the
  // supervisor.
  caf::actor last; // dropped after the lock: it may be the last reference
  {
    auto& part = stripe_of(key);
    std::lock_guard lock(part.mutex);
    auto found = part.entities.find(key);
    if (found != part.entities.end() && found->second.generation == generation) {
      last = std::move(found->second.actor);
      part.entities.erase(found);
      node_.numbers->entities.add(-1);
    }
  }
  if (!stopped_.load())
    caf::anon_send(supervisor_, entity_ended{key, generation, std::move(failure)});
}

void shard_region::park(const domain::entity_key& key, std::vector<parked_subscriber> subscribers) {
  if (subscribers.empty())
    return;
  subscribers.shrink_to_fit();
  auto& part = stripe_of(key);
  std::lock_guard lock(part.mutex);
  auto& parked = part.parked[key];
  parked.insert(parked.end(), std::make_move_iterator(subscribers.begin()),
                std::make_move_iterator(subscribers.end()));
}

std::vector<parked_subscriber> shard_region::unpark(const domain::entity_key& key) {
  auto& part = stripe_of(key);
  std::lock_guard lock(part.mutex);
  auto found = part.parked.find(key);
  if (found == part.parked.end())
    return {};
  auto subscribers = std::move(found->second);
  part.parked.erase(found);
  return subscribers;
}

void shard_region::drop_parked(const domain::entity_key& key, const connection_ref& from) {
  auto& part = stripe_of(key);
  std::lock_guard lock(part.mutex);
  auto found = part.parked.find(key);
  if (found == part.parked.end())
    return;
  std::erase_if(found->second, [&](const parked_subscriber& each) { return each.from == from; });
  if (found->second.empty())
    part.parked.erase(found);
}

std::size_t shard_region::size() const {
  std::size_t total = 0;
  for (const auto& part : stripes_) {
    std::lock_guard lock(part.mutex);
    total += part.entities.size();
  }
  return total;
}

void shard_region::stop() {
  stopped_.store(true);
  for (auto& part : stripes_) {
    std::unordered_map<domain::entity_key, entry> entities;
    {
      std::lock_guard lock(part.mutex);
      entities.swap(part.entities);
      part.parked.clear();
    }
    for (auto& [key, each] : entities)
      caf::anon_send_exit(each.actor, caf::exit_reason::user_shutdown);
  }
  caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
}

} // namespace frontdesk::actors
