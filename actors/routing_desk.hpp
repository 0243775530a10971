#pragma once

#include "actors/context.hpp"

/// One per tenant: who gets the next waiting conversation, and the live lists (waiting, mine). No
/// durable state: it starts from the open conversations in the store and follows their changes.
namespace frontdesk::actors {

caf::actor spawn_routing_desk(node_context& node, const domain::entity_key& key,
                              std::uint64_t generation);

} // namespace frontdesk::actors
