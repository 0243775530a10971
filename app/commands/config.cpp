#include "app/commands/commands.hpp"
#include "app/commands/common.hpp"

#include <iostream>

namespace frontdesk::app {

void add_config_command(CLI::App& root, command_context& context) {
  auto* verb = root.add_subcommand("config", "Check, show or write the configuration");
  verb->require_subcommand(1);
  verb->footer("Examples:\n"
               "  frontdesk config default > frontdesk.toml\n"
               "  frontdesk config check --config frontdesk.toml\n"
               "  frontdesk config show --origin");

  auto* check
    = verb->add_subcommand("check", "Find everything that is wrong with the configuration");
  auto check_options = std::make_shared<config_options>();
  add_config_options(*check, check_options);
  check->footer("Exit code: 0 = can be used, 2 = cannot; one line each on standard error.\n"
                "Example:\n  frontdesk config check --config /etc/frontdesk/frontdesk.toml");
  check->callback([check_options, &context] {
    auto loaded = load_configuration(*check_options);
    if (loaded.usable())
      loaded.problems = file_problems(loaded);
    context.exit_code = report_problems(loaded);
    if (context.exit_code == 0)
      std::cout << "configuration: ok\n";
  });

  auto* show = verb->add_subcommand("show", "Print the values that hold; secrets are masked");
  auto show_options = std::make_shared<config_options>();
  add_config_options(*show, show_options);
  auto origin = std::make_shared<bool>(false);
  auto json = std::make_shared<bool>(false);
  show->add_flag("--origin", *origin, "Say where each value came from");
  show->add_flag("--json", *json, "As a JSON array of {key, value, origin, reloadable}");
  show->footer("Example:\n  FRONTDESK_SERVER__PORT=9000 frontdesk config show --origin");
  show->callback([show_options, origin, json, &context] {
    const auto loaded = load_configuration(*show_options);
    context.exit_code = report_problems(loaded);
    if (context.exit_code != 0)
      return;
    std::cout << (*json ? show_configuration_json(loaded) + "\n"
                        : show_configuration(loaded, *origin));
  });

  auto* standard
    = verb->add_subcommand("default", "Print a configuration file with every key, commented out");
  standard->footer("Example:\n  frontdesk config default > frontdesk.toml");
  standard->callback([] { std::cout << default_configuration_text(); });
}

} // namespace frontdesk::app
