#include "app/version.hpp"

#include "app/commands/commands.hpp"

#include <boost/json.hpp>

#include <iostream>
#include <memory>

namespace frontdesk::app {

void add_version_command(CLI::App& root, command_context&) {
  auto* verb = root.add_subcommand("version", "Print what was built");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "As a JSON object");
  verb->footer("Example:\n  frontdesk version --json");
  verb->callback([json] {
    const auto build = build_info();
    if (*json) {
      const auto text = [](std::string_view from) {
        return boost::json::string_view{from.data(), from.size()};
      };
      std::cout << boost::json::object{{"version", text(build.version)},
                                       {"commit", text(build.commit)},
                                       {"compiler", text(build.compiler)},
                                       {"build_type", text(build.build_type)}}
                << "\n";
    } else {
      std::cout << "frontdesk " << build.version << " (" << build.commit << ", " << build.build_type
                << ", " << build.compiler << ")\n";
    }
  });
}

} // namespace frontdesk::app
