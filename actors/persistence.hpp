#pragma once

#include "actors/context.hpp"

namespace caf {
class actor_system;
}

/// Group commit: one per node. Everything that arrived while the last commit ran is the next one.
namespace frontdesk::actors {

/// `own_thread`: commits block, so the actor has a thread of its own, but for deterministic tests.
persistence_actor spawn_persistence(node_context& node, domain::event_store& store,
                                    bool own_thread);

} // namespace frontdesk::actors
