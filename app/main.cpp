#include "app/commands/commands.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

using namespace frontdesk::app;

namespace {

int run(int argc, char** argv) {
  CLI::App root{"Frontdesk: live chat between visitors of a site and the people who answer them.",
                "frontdesk"};
  root.require_subcommand(1);
  root.footer(
    "Help for a verb: frontdesk VERB --help\n"
    "Exit codes: 0 = done, 1 = it went wrong, 2 = asked wrongly (arguments or configuration).");
  command_context context;
  // A verb whose file is not part of the build is not offered.
#ifdef FRONTDESK_WITH_SERVE
  add_serve_command(root, context);
#endif
  add_account_command(root, context);
#ifdef FRONTDESK_WITH_CHAT
  add_chat_command(root, context);
#endif
  add_config_command(root, context);
  add_doctor_command(root, context);
#ifdef FRONTDESK_WITH_VERIFY
  add_verify_command(root, context);
#endif
#ifdef FRONTDESK_WITH_BENCH
  add_bench_command(root, context);
#endif
  add_version_command(root, context);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& reason) {
    // Help is asked for, not wrong.
    return root.exit(reason) == 0 ? 0 : 2;
  }
  return context.exit_code;
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& reason) {
    std::fprintf(stderr, "frontdesk: %s\n", reason.what());
    return 1;
  }
}
