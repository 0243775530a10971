#pragma once

#include "domain/frames.hpp"
#include "domain/ports/connection.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// What actors tell gateways. Frames are binary here; a gateway makes the JSON form at its edge.
namespace frontdesk::actors {

/// A client's socket as seen from anywhere: which gateway of this node, which connection there.
struct connection_ref {
  std::uint32_t gateway = 0;
  domain::connection_number number = 0;
  friend auto operator<=>(const connection_ref&, const connection_ref&) = default;
};

/// Encoded once, shared by everyone who gets it.
using frame_bytes = std::shared_ptr<const std::string>;

struct delivery {
  domain::connection_number to = 0;
  frame_bytes frame;
  std::uint64_t arrival_us = 0; ///< of the command that an acknowledgement answers; 0 = none
};

/// Frames for connections of one gateway, in order.
struct deliver {
  std::vector<delivery> items;
};

/// Send what is queued, then close.
struct hang_up {
  domain::connection_number to = 0;
  domain::close_reason reason{};
  std::string text;
};

/// The session behind these sockets is gone: tell the clients to say hello again.
struct entity_lost {
  domain::entity_key key;
};

/// The session accepted or refused the hello of a connection; refused ones are closed after the
/// frame.
struct hello_answered {
  domain::connection_number to = 0;
  bool accepted = false;
};

/// The node is leaving: every client is told and closed, spread over this time.
struct drain_connections {
  std::uint32_t spread_ms = 0;
};

} // namespace frontdesk::actors
