#pragma once

#include "domain/result.hpp"

#include <optional>
#include <string>

namespace frontdesk::net {
class http_routes;
}

namespace frontdesk::actors {
class runtime;
}

namespace frontdesk::app {

/// Serves the files of a folder (the web pages as built) under `/`, and `/v1/inbox` with
/// the public key of the first inbox for the page that comes with the server. An empty folder name
/// takes the one beside the program; if there is none either, `/` says so. An error: the folder is
/// named and cannot be read.
std::optional<domain::error> add_static_files(net::http_routes& routes, const std::string& folder,
                                              actors::runtime& actors);

} // namespace frontdesk::app
