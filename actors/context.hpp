#pragma once

#include "actors/protocol/messages.hpp"
#include "actors/region.hpp"
#include "domain/limits.hpp"
#include "domain/ports/event_store.hpp"
#include "domain/ports/telemetry.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace caf {
class actor_system;
}

/// What the actors of one node share. Built by the wiring before the first actor, and outlives the
/// last one.
namespace frontdesk::actors {

/// The node's readiness to take work on, written by the watchdog and persistence, read on every
/// command.
struct admission {
  std::atomic<int> memory_level{0}; ///< 0 normal, 1 no new conversations, 2 no visitor commands
  std::atomic<domain::store_state> store{domain::store_state::writable};
  std::atomic<std::int64_t> append_queue{0};
  std::atomic<bool> draining{false};

  /// Why a command may not be taken on now; nothing when it may.
  std::optional<domain::error> refuse_command(const domain::limits& bounds, bool staff) const;
  std::optional<domain::error> refuse_opening(const domain::limits& bounds) const;
};

/// The current configuration snapshot. Any thread.
class configuration_view {
public:
  domain::configuration_ptr get() const { return std::atomic_load(&current_); }

  void publish(domain::configuration_ptr next) { std::atomic_store(&current_, std::move(next)); }

private:
  domain::configuration_ptr current_ = std::make_shared<const domain::configuration_snapshot>();
};

/// Numbers for people: a block of 1,024 per shard is reserved by a state entry in the append that
/// first uses it, and by every other append until that one is known to be durable. Any thread.
class number_allocator {
public:
  explicit number_allocator(const domain::event_store& store) : store_(store) {}

  struct taken {
    std::uint64_t number = 0;
    std::optional<domain::state_put> reservation;
  };

  domain::result<taken> take(domain::shard_id shard);
  /// An append with this reservation is durable.
  void confirm(const domain::state_put& reservation);

private:
  struct block {
    std::uint64_t next = 0;
    std::uint64_t end = 0;     ///< reserved up to here
    std::uint64_t durable = 0; ///< known to be reserved durably up to here
  };

  const domain::event_store& store_;
  std::mutex mutex_;
  std::map<domain::shard_id, block> blocks_;
};

struct node_context {
  caf::actor_system* system = nullptr;
  domain::limits bounds;
  domain::event_store* store = nullptr; ///< reads; only persistence writes
  domain::logger* log = nullptr;
  domain::metrics* numbers = nullptr;
  admission admit;
  configuration_view configuration;
  std::unique_ptr<number_allocator> allocator;
  std::function<domain::unix_ms()> now;     ///< wall clock
  std::function<std::uint64_t()> steady_us; ///< monotonic clock, microseconds
  std::atomic<domain::incarnation> last_incarnation{0};

  std::vector<gateway_actor> gateways;
  persistence_actor persistence;
  reader_actor reader;
  configuration_actor configurator;
  std::unique_ptr<shard_region> region;

  domain::incarnation next_incarnation() { return last_incarnation.fetch_add(1) + 1; }

  const gateway_actor& gateway_of(const connection_ref& connection) const {
    return gateways.at(connection.gateway);
  }

  /// Sends one frame, encoding it in the binary form.
  void send(const connection_ref& to, const domain::server_frame& frame) const;

  resync_guard guard(const connection_ref& connection,
                     const domain::conversation_id& conversation = {}) const {
    return {gateway_of(connection), connection.number, conversation};
  }
};

/// Tells the region how to make every kind of entity (runtime.cpp).
void install_entities(node_context& node);

} // namespace frontdesk::actors
