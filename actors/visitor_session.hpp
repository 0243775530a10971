#pragma once

#include "actors/context.hpp"

/// One connected visitor over all tabs: which conversations are theirs, which one an opening leads
/// to, and what they may do. Volatile: it leaves memory with its last socket.
namespace frontdesk::actors {

caf::actor spawn_visitor_session(node_context& node, const domain::entity_key& key,
                                 std::uint64_t generation);

} // namespace frontdesk::actors
