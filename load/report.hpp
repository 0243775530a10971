#pragma once

#include "load/machine.hpp"
#include "load/measurement.hpp"

#include <string>
#include <vector>

namespace frontdesk::load {

/// Where the measurements were made.
struct surroundings {
  hardware machine{};
  std::string server{};      ///< version of the node, or what is known of it
  std::string file_system{}; ///< of the data folder; empty = not known
  std::string sync{};        ///< when the node syncs
};

/// For people: hardware, then a table of the measurements.
std::string table_of(const surroundings& where, const std::vector<measurement>& all);
/// Everything, as one JSON object.
std::string json_of(const surroundings& where, const std::vector<measurement>& all);

} // namespace frontdesk::load
