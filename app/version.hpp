#pragma once

#include <string_view>

namespace frontdesk::app {

/// What was built. Set by app/CMakeLists.txt.
struct build_information {
  std::string_view version; ///< of the project, such as 0.1.0
  std::string_view commit;  ///< short hash, or "unknown" outside a checkout
  std::string_view compiler;
  std::string_view build_type;
};

build_information build_info();

} // namespace frontdesk::app
