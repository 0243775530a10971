#pragma once

#include "client/session.hpp"
#include "domain/result.hpp"

#include <string>

/// What a client keeps between its runs, as a JSON file that only its owner can read.
namespace frontdesk::client {

std::string to_json(const session_state& state);
/// errc::corrupt for text that is no state.
domain::result<session_state> state_from_json(const std::string& text);

/// errc::not_found when there is none yet, errc::io, errc::corrupt.
domain::result<session_state> load_state(const std::string& path);
/// Replaces the file as a whole, synced: what was accepted is there after a crash. errc::io.
domain::result<void> save_state(const std::string& path, const session_state& state);

} // namespace frontdesk::client
