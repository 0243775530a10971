#include "actors/persistence.hpp"

#include "domain/failpoint.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace frontdesk::actors {

namespace {

using namespace std::chrono_literals;

constexpr auto probe_interval = 250ms;

/// Bytes that an append adds to a commit, roughly: values and keys.
std::size_t weight_of(const domain::append& what) {
  constexpr std::size_t per_key = 48;
  std::size_t bytes = 0;
  for (const auto& event : what.events)
    bytes += event.public_bytes.size() + event.staff_bytes.size() + 2 * per_key;
  for (const auto& part : what.rewrites)
    bytes += part.public_bytes.size() + part.staff_bytes.size() + 2 * per_key;
  if (what.head)
    bytes += what.head->size() + per_key;
  for (const auto& state : what.states)
    bytes += (state.value ? state.value->size() : 0) + per_key;
  for (const auto& dedup : what.dedups)
    bytes += dedup.key.size() + dedup.value.size() + per_key;
  return bytes;
}

struct entity_record {
  domain::incarnation current = 0;
  bool poisoned = false; ///< a commit failed: nothing more until the next load
};

struct waiting_append {
  std::shared_ptr<const domain::append> what;
  std::optional<domain::entity_key> also;
  append_owner_actor owner;                       ///< empty for append_and_wait
  caf::typed_response_promise<committed> promise; ///< for append_and_wait
};

struct persistence_state {
  node_context* node = nullptr;
  domain::event_store* store = nullptr;
  std::vector<waiting_append> waiting;
  std::size_t waiting_bytes = 0;
  std::size_t waiting_events = 0;
  bool tick_sent = false;
  bool probing = false;
  std::unordered_map<domain::entity_key, entity_record> entities;
  std::vector<std::function<void()>>
    after_commit; ///< loads that met waiting appends of their entity
};

using self_pointer = persistence_actor::stateful_pointer<persistence_state>;

void probe_later(self_pointer self) {
  if (self->state.probing)
    return;
  self->state.probing = true;
  self->delayed_send(self, probe_interval, probe_tick{});
}

void fail(self_pointer self, std::vector<waiting_append>& batch, const domain::error& reason) {
  auto& state = self->state;
  state.node->numbers->commit_failures.add();
  state.node->log->log(domain::log_level::error, "commit failed",
                       {{"code", std::string(to_string(reason.code))},
                        {"reason", reason.message},
                        {"appends", std::to_string(batch.size())}});
  for (auto& each : batch) {
    // Every entity in it dies, and what it has queued behind this commit is dropped on arrival.
    if (each.owner) {
      state.entities[each.what->entity].poisoned = true;
      self->send(each.owner, append_failed{reason});
    } else {
      each.promise.deliver(committed{0, reason});
    }
  }
}

/// An exception is a commit whose outcome is unknown, like any other failure.
domain::result<domain::commit_receipt>
commit_guarded(node_context& node, domain::event_store& store,
               const std::vector<const domain::append*>& appends) {
  try {
    if (FRONTDESK_FAILPOINT("persistence"))
      return domain::error{domain::errc::internal, "failpoint persistence"};
    return store.commit(appends);
  } catch (const std::exception& problem) {
    node.log->log(domain::log_level::error, "exception in a commit", {{"what", problem.what()}});
    return domain::error{domain::errc::internal, "the commit failed"};
  }
}

void commit(self_pointer self) {
  auto& state = self->state;
  auto& node = *state.node;
  auto batch = std::exchange(state.waiting, {});
  state.waiting_bytes = 0;
  state.waiting_events = 0;
  if (!batch.empty()) {
    std::vector<const domain::append*> appends;
    appends.reserve(batch.size());
    std::size_t events = 0;
    for (const auto& each : batch) {
      appends.push_back(each.what.get());
      events += each.what->events.size();
    }
    auto begin = node.steady_us();
    auto receipt = commit_guarded(node, *state.store, appends);
    node.numbers->commit_duration.observe_us(node.steady_us() - begin);
    node.admit.append_queue.fetch_sub(static_cast<std::int64_t>(batch.size()));
    node.numbers->append_queue.add(-static_cast<std::int64_t>(batch.size()));
    auto now = state.store->state();
    node.admit.store.store(now);
    node.numbers->store_state.set(static_cast<std::int64_t>(now));
    if (!receipt) {
      fail(self, batch, receipt.failure());
    } else {
      node.numbers->commits.add();
      node.numbers->committed_events.add(events);
      // One word per entity and commit: the last append of each tells for all before it.
      std::unordered_map<const void*, std::size_t> last;
      if (batch.size() > 1)
        for (std::size_t i = 0; i < batch.size(); ++i)
          if (batch[i].owner)
            last[caf::actor_cast<caf::abstract_actor*>(batch[i].owner)] = i;
      for (std::size_t i = 0; i < batch.size(); ++i) {
        auto& each = batch[i];
        auto position = receipt->position_of(each.what->entity.shard);
        if (!each.owner) {
          each.promise.deliver(committed{position, std::nullopt});
        } else if (batch.size() == 1
                   || last[caf::actor_cast<caf::abstract_actor*>(each.owner)] == i) {
          self->send(each.owner, append_stored{each.what->previous_seq + each.what->events.size(),
                                               position, each.what.get()});
        }
      }
    }
    if (now != domain::store_state::writable)
      probe_later(self);
  }
  for (auto& work : std::exchange(state.after_commit, {}))
    work();
}

void queue(self_pointer self, waiting_append append) {
  auto& state = self->state;
  state.waiting_bytes += weight_of(*append.what);
  state.waiting_events += append.what->events.size();
  state.node->admit.append_queue.fetch_add(1);
  state.node->numbers->append_queue.add(1);
  state.waiting.push_back(std::move(append));
  const auto& bounds = state.node->bounds;
  if (state.waiting_bytes >= bounds.commit_bytes_max
      || state.waiting_events >= bounds.commit_events_max)
    return commit(self);
  if (state.tick_sent)
    return;
  // The tick queues up behind everything that has arrived by now: that is the batch.
  state.tick_sent = true;
  if (bounds.batch_delay_us == 0)
    self->send(self, commit_tick{});
  else
    self->delayed_send(self, std::chrono::microseconds(bounds.batch_delay_us), commit_tick{});
}

/// Runs the work once every append that touches the entity has its outcome.
template <class Work>
void behind_appends_of(self_pointer self, const domain::entity_key& entity, Work work) {
  auto& state = self->state;
  for (const auto& each : state.waiting)
    if (each.what->entity == entity || (each.also && *each.also == entity)) {
      state.after_commit.emplace_back(std::move(work));
      return;
    }
  work();
}

persistence_actor::behavior_type persistence(self_pointer self, node_context* node,
                                             domain::event_store* store) {
  self->state.node = node;
  self->state.store = store;
  node->admit.store.store(store->state());
  return {
    [self](append_request& request) {
      auto& state = self->state;
      auto& record = state.entities[request.what->entity];
      if (record.poisoned || request.what->loaded < record.current) {
        state.node->numbers->stale_appends.add();
        self->send(request.owner, append_failed{{domain::errc::unavailable,
                                                 "the conversation has been loaded anew"}});
        return;
      }
      record.current = request.what->loaded;
      queue(self, {std::move(request.what), request.also, std::move(request.owner), {}});
    },
    [self](const load_conversation& request) {
      behind_appends_of(self, request.entity, [self, request] {
        auto& record = self->state.entities[request.entity];
        if (request.loaded > record.current)
          record = {request.loaded, false};
        self->send(self->state.node->reader, request);
      });
    },
    [self](const load_visitor& request) {
      behind_appends_of(self, request.entity,
                        [self, request] { self->send(self->state.node->reader, request); });
    },
    [self](const look_up_opening& request) {
      behind_appends_of(self, request.entity,
                        [self, request] { self->send(self->state.node->reader, request); });
    },
    [self](const forget_entity& request) {
      behind_appends_of(self, request.entity, [self, request] {
        auto found = self->state.entities.find(request.entity);
        if (found != self->state.entities.end() && found->second.current == request.loaded)
          self->state.entities.erase(found);
      });
    },
    [self](commit_tick) {
      self->state.tick_sent = false;
      commit(self);
    },
    [self](probe_tick) {
      auto& state = self->state;
      state.probing = false;
      auto now = state.store->probe();
      state.node->admit.store.store(now);
      state.node->numbers->store_state.set(static_cast<std::int64_t>(now));
      if (now != domain::store_state::writable && now != domain::store_state::failed)
        probe_later(self);
    },
    [self](append_and_wait& request) -> caf::result<committed> {
      auto promise = self->make_response_promise<committed>();
      queue(self, {std::move(request.what), std::nullopt, {}, promise});
      return promise;
    },
    [self](flush_and_wait) -> caf::result<committed> {
      commit(self);
      return committed{};
    },
  };
}

} // namespace

persistence_actor spawn_persistence(node_context& node, domain::event_store& store,
                                    bool own_thread) {
  return own_thread ? node.system->spawn<caf::detached>(persistence, &node, &store)
                    : node.system->spawn(persistence, &node, &store);
}

} // namespace frontdesk::actors
