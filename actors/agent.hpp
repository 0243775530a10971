#pragma once

#include "actors/context.hpp"

/// One signed-in account over all its devices: presence and capacity, subscriptions, lists, and
/// what it may do. Volatile: it leaves memory with its last socket.
namespace frontdesk::actors {

caf::actor spawn_agent(node_context& node, const domain::entity_key& key, std::uint64_t generation);

} // namespace frontdesk::actors
