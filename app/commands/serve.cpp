#include "app/commands/commands.hpp"
#include "app/commands/common.hpp"
#include "app/log.hpp"
#include "app/node.hpp"
#include "app/notify.hpp"
#include "app/signals.hpp"
#include "app/version.hpp"
#include "net/listener.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sys/stat.h>
#include <unistd.h>

namespace frontdesk::app {

namespace {

domain::result<void> make_data_folder(const std::string& path) {
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure))
    return {};
  const auto parent = std::filesystem::path{path}.parent_path();
  if (!parent.empty())
    std::filesystem::create_directories(parent, failure);
  // Conversations are nobody else's business.
  if (mkdir(path.c_str(), 0700) != 0)
    return domain::error{domain::errc::io,
                         "cannot make the data folder " + path + ": " + std::strerror(errno)};
  return {};
}

domain::result<configuration> reload(const config_options& options, const configuration& running,
                                     process_log& log) {
  const auto fresh = load_configuration(options);
  for (const auto& problem : fresh.problems)
    log.log(domain::log_level::error, "the new configuration cannot be used",
            {{"problem", to_text(problem)}});
  if (!fresh.usable())
    return domain::error{domain::errc::config, "the new configuration cannot be used"};
  std::vector<std::string> restart_needed;
  auto next = reloaded(running, fresh.values, restart_needed);
  for (const auto& key : restart_needed)
    log.log(domain::log_level::warning, "a changed key needs a restart", {{"key", key}});
  log.set_level(next.log.level);
  log.log(domain::log_level::info, "configuration reloaded");
  return next;
}

int serve(const config_options& options) {
  const auto loaded = load_configuration(options);
  if (const int problems = report_problems(loaded); problems != 0)
    return problems;
  // Before the log starts its thread, so that every thread has the signals blocked.
  auto signals = signal_watch::start();
  if (!signals) {
    std::cerr << signals.failure().message << "\n";
    return 1;
  }
  const auto& config = loaded.values;
  process_log log{config.log.level, config.log.format, colours(STDERR_FILENO)};
  const auto build = build_info();
  log.log(domain::log_level::info, "frontdesk starts",
          {{"version", std::string{build.version}},
           {"commit", std::string{build.commit}},
           {"data", config.store.data}});
  net::raise_descriptor_limit();
  if (auto made = make_data_folder(config.store.data); !made) {
    log.log(domain::log_level::error, made.failure().message);
    return 1;
  }
  process_hooks hooks;
  hooks.wait_signal = [&](std::chrono::milliseconds time) { return (*signals)->wait(time); };
  hooks.reload = [&](const configuration& running) { return reload(options, running, log); };
  hooks.log_lines_dropped = [&] { return log.dropped(); };
  hooks.ready = [&](std::uint16_t server_port, std::uint16_t admin_port) {
    log.log(domain::log_level::info, "ready",
            {{"address", config.server.address},
             {"port", std::to_string(server_port)},
             {"admin_address", config.admin.address},
             {"admin_port", std::to_string(admin_port)}});
    notify_service_manager("READY=1");
  };
  hooks.stopping = [&] {
    log.log(domain::log_level::info, "draining");
    notify_service_manager("STOPPING=1");
  };
  hooks.alive = [] { notify_service_manager("WATCHDOG=1"); };
  const int exit_code = run_node(config, log, hooks);
  log.log(exit_code == 0 ? domain::log_level::info : domain::log_level::error, "frontdesk ends",
          {{"exit_code", std::to_string(exit_code)}});
  return exit_code;
}

} // namespace

void add_serve_command(CLI::App& root, command_context& context) {
  auto* verb = root.add_subcommand("serve", "Run a node; works without any configuration");
  auto options = std::make_shared<config_options>();
  add_config_options(*verb, options);
  verb->footer(
    "Every limit is a flag too: --limits.frame_bytes_max 65536; `frontdesk config default` lists "
    "them.\n"
    "Signals: SIGTERM or SIGINT drains, a second one ends at once, SIGHUP reloads.\n"
    "Exit code: 0 = drained, 1 = could not start or go on, 2 = configuration cannot be used.\n"
    "Examples:\n"
    "  frontdesk serve\n"
    "  frontdesk serve --port 9000 --data /var/lib/frontdesk\n"
    "  FRONTDESK_LOG__LEVEL=debug frontdesk serve --config frontdesk.toml");
  verb->callback([options, &context] { context.exit_code = serve(*options); });
}

} // namespace frontdesk::app
