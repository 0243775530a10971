#pragma once

#include "actors/context.hpp"

/// One conversation: performs what its machine (domain/conversation.hpp) decides, and shows its
/// events to those who have subscribed. Leaves memory after a while without work and takes its
/// subscribers back when it wakes.
namespace frontdesk::actors {

caf::actor spawn_conversation(node_context& node, const domain::entity_key& key,
                              std::uint64_t generation);

/// The routing desk of a tenant.
domain::entity_key routing_desk_key(domain::tenant_id tenant);

} // namespace frontdesk::actors
