#pragma once

#include "actors/context.hpp"

/// The tenants' configuration: read from shard 0 at the start, changed by commands, published as
/// snapshots.
namespace frontdesk::actors {

/// Reads the whole configuration from the store. Any thread.
domain::result<domain::configuration_ptr> read_configuration(const domain::event_store& store);

configuration_actor spawn_configuration(node_context& node);

} // namespace frontdesk::actors
