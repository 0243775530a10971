#pragma once

#include "actors/context.hpp"

/// Reads the event store for those who may not block: pages for clients, replays, loads.
namespace frontdesk::actors {

reader_actor spawn_reader(node_context& node, bool own_thread);

/// An event as its audience may see it: the whole server frame in the binary form. Corrupt parts
/// are an error.
domain::result<std::string> push_of(const domain::conversation_id& conversation,
                                    const domain::stored_event& event,
                                    domain::message_seq visible_target,
                                    domain::message_seq visible_revision, bool staff);

} // namespace frontdesk::actors
