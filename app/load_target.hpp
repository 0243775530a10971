#pragma once

#include "domain/result.hpp"
#include "load/measurement.hpp"
#include "load/node.hpp"
#include "load/report.hpp"

#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

/// What the load needs of a node, found with what the program knows: its HTTP client and its key
/// file.
namespace frontdesk::app {

struct load_target {
  std::unique_ptr<load::node_process> own{}; ///< null: a node that runs without us
  load::measured_node node{};
  std::optional<load::node_admin> admin{};
  load::surroundings where{};
};

/// Starts a node of this binary; it ends and its data goes when the target does.
domain::result<load_target> start_load_target(const load::serve_options& options);

struct running_node {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 9090;
  std::string data = "./frontdesk-data"; ///< for its admin.key
  pid_t process = 0;                     ///< 0 = the one that listens on the port here
};

domain::result<load_target> find_load_target(const running_node& where);

} // namespace frontdesk::app
