#pragma once

#include "actors/context.hpp"

#include <caf/error.hpp>
#include <caf/sec.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <exception>
#include <string>

/// What every entity actor does alike.
namespace frontdesk::actors {

/// Where an entity actor stands: part of its state.
struct entity_base {
  node_context* node = nullptr;
  domain::entity_key key;
  std::uint64_t generation = 0;
  bool retiring = false; ///< out of the region's table: what still arrives goes back to the region
};

/// Prepares an entity actor: its end is reported to the region, and an exception ends it with a
/// line in the log.
template <class Self>
void begin_entity(Self* self, node_context* node, const domain::entity_key& key,
                  std::uint64_t generation) {
  self->state.node = node;
  self->state.key = key;
  self->state.generation = generation;
  report_end(self, *node->region, key, generation);
  self->set_exception_handler([node, key](std::exception_ptr& raised) -> caf::error {
    std::string what = "unknown exception";
    try {
      std::rethrow_exception(raised);
    } catch (const std::exception& problem) {
      what = problem.what();
    } catch (...) {
      what = "an exception of unknown type";
    }
    node->log->log(domain::log_level::error, "exception in an entity actor",
                   {{"entity", to_string(key.id)}, {"what", what}});
    return caf::sec::runtime_error;
  });
}

/// The entity has nothing to do any more: it leaves the table and ends after what is in its
/// mailbox.
template <class Self>
void retire(Self* self) {
  auto& state = self->state;
  if (state.retiring)
    return;
  if (!state.node->region->retire(state.key, state.generation))
    return;
  state.retiring = true;
  self->send(self, farewell{});
}

/// True if the message was sent on because this entity has left the table.
template <class Self, class Message>
bool forwarded(Self* self, Message& message) {
  if (!self->state.retiring)
    return false;
  self->state.node->region->tell(self->state.key, std::move(message));
  return true;
}

} // namespace frontdesk::actors
