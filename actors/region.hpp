#pragma once

#include "actors/protocol/messages.hpp"

#include <caf/send.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace frontdesk::actors {

struct node_context;

/// Subscribers of a conversation that left memory: they are taken back when it wakes.
struct parked_subscriber {
  domain::actor_identity who;
  connection_ref from;
};

/// The way to every entity of the cluster by key; on this node alone so far. An entity is spawned
/// by the first message to it. Sending costs a look-up under one of 64 locks, not a hop through
/// another actor; the supervisor (one actor) hears of every crash, tells the gateways, and restarts
/// what must run without being asked. Any thread.
class shard_region {
public:
  /// Makes the actor of a key; called under the key's lock.
  using factory
    = std::function<caf::actor(const domain::entity_key& key, std::uint64_t generation)>;

  explicit shard_region(node_context& node);
  ~shard_region();
  shard_region(const shard_region&) = delete;
  shard_region& operator=(const shard_region&) = delete;

  void set_factory(domain::entity_kind kind, factory make);
  void start();

  /// Sends to the entity, spawning it if need be. Messages of one sender stay in order while the
  /// entity lives.
  template <class Message>
  void tell(const domain::entity_key& key, Message message) {
    auto& part = stripe_of(key);
    std::lock_guard lock(part.mutex);
    if (auto* entity = find_or_spawn(part, key))
      caf::anon_send(*entity, std::move(message));
  }

  /// Sends only if the entity is in memory; false otherwise.
  template <class Message>
  bool tell_if_present(const domain::entity_key& key, Message message) {
    auto& part = stripe_of(key);
    std::lock_guard lock(part.mutex);
    auto found = part.entities.find(key);
    if (found == part.entities.end())
      return false;
    caf::anon_send(found->second.actor, std::move(message));
    return true;
  }

  /// The entity leaves the table; what was sent to it before is in its mailbox already. False if it
  /// is not there.
  bool retire(const domain::entity_key& key, std::uint64_t generation);
  /// Called when an entity actor has ended for whatever reason.
  void ended(const domain::entity_key& key, std::uint64_t generation,
             std::optional<std::string> failure);

  void park(const domain::entity_key& key, std::vector<parked_subscriber> subscribers);
  std::vector<parked_subscriber> unpark(const domain::entity_key& key);
  /// For a subscriber that goes while the conversation is out of memory.
  void drop_parked(const domain::entity_key& key, const connection_ref& from);

  std::size_t size() const;
  /// Ends every entity; nothing is spawned afterwards.
  void stop();

private:
  struct entry {
    caf::actor actor;
    std::uint64_t generation = 0;
  };

  struct stripe {
    mutable std::mutex mutex;
    std::unordered_map<domain::entity_key, entry> entities;
    std::unordered_map<domain::entity_key, std::vector<parked_subscriber>> parked;
  };
  friend struct region_supervisor_state;

  stripe& stripe_of(const domain::entity_key& key) {
    return stripes_[std::hash<domain::entity_key>{}(key) >> 58];
  }

  const stripe& stripe_of(const domain::entity_key& key) const {
    return stripes_[std::hash<domain::entity_key>{}(key) >> 58];
  }

  caf::actor* find_or_spawn(stripe& part, const domain::entity_key& key);

  node_context& node_;
  std::array<stripe, 64> stripes_;
  std::array<factory, 16> factories_;
  std::atomic<std::uint64_t> last_generation_{0};
  std::atomic<bool> stopped_{false};
  region_supervisor_actor supervisor_;
};

/// Makes the region hear of the end of `self`, an entity actor. Call once, in its behaviour
/// function.
template <class Actor>
void report_end(Actor* self, shard_region& region, const domain::entity_key& key,
                std::uint64_t generation) {
  self->attach_functor([&region, key, generation](const caf::error& reason) {
    std::optional<std::string> failure;
    if (reason && reason != caf::exit_reason::user_shutdown && reason != caf::exit_reason::normal
        && reason != caf::exit_reason::unreachable)
      failure = reason.category() == caf::atom("frontdesk") ? std::string("abandoned")
                                                            : std::string("crashed");
    region.ended(key, generation, std::move(failure));
  });
}

} // namespace frontdesk::actors
