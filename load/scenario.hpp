#pragma once

#include "domain/ports/connection.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// What a measurement is to do.
namespace frontdesk::load {

enum class load_mode : std::uint8_t {
  closed,  ///< every pair keeps `window` messages on the way: saturation
  open,    ///< messages are due at a fixed total rate whatever the server does
  idle,    ///< visitors who only are connected
  history, ///< pages out of a store that is filled first
};

enum class speaker : std::uint8_t { visitor, agent, both };

struct scenario {
  std::string name{}; ///< in the report
  load_mode mode = load_mode::closed;
  domain::wire_form form = domain::wire_form::proto;
  std::uint32_t pairs = 500;       ///< conversations; a visitor each, and an agent each
  std::uint32_t per_agent = 1;     ///< conversations of one agent
  std::uint32_t visitors_idle = 0; ///< further visitors who only are connected
  speaker who = speaker::visitor;
  std::uint32_t window = 4; ///< closed: messages on the way per conversation
  double rate = 5000;       ///< open: messages per second in all
  std::uint32_t text_bytes = 100;
  double warm_up_seconds = 2;
  double seconds = 10;
  double drain_seconds = 10; ///< for what is on the way at the end; after that it counts as lost
  std::uint32_t processes = 1;
  std::uint64_t stored_messages = 1'000'000; ///< history: stored before the pages are asked for
  std::uint32_t readers = 1;                 ///< history: pages asked for at once
  std::uint32_t page_events = 50;
  // Misbehaviour beside the load.
  std::uint32_t slow_readers = 0; ///< so many of the visitors stop reading what their agents send
  std::uint32_t slow_text_bytes = 16384;
  std::uint32_t flooders = 0; ///< sockets that send `flood_rate` frames a second each
  std::uint32_t flood_rate = 10000;
};

/// Where the node is and how to log in. `source_addresses` in turn; empty = the system's choice.
struct node_address {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::vector<std::string> source_addresses{};
  std::string inbox_key{};
  std::vector<std::string> agent_tokens{};
};

} // namespace frontdesk::load
