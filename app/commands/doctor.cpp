#include "app/doctor.hpp"

#include "app/commands/commands.hpp"
#include "app/commands/common.hpp"
#include "persistence/watermark.hpp"

#include <iostream>
#include <memory>
#include <unistd.h>

namespace frontdesk::app {

namespace {

finding check_configuration(const loaded_configuration& loaded) {
  auto problems = loaded.problems;
  if (problems.empty())
    problems = file_problems(loaded);
  if (problems.empty())
    return {"configuration", health_status::pass, "can be used"};
  std::string text;
  for (const auto& problem : problems)
    text += (text.empty() ? "" : "\n      ") + to_text(problem);
  return {"configuration", health_status::fail, text,
          "correct it; `frontdesk config check` tells when it is right"};
}

finding check_tls(const configuration& config) {
  if (config.server.tls_certificate.empty())
    return {"TLS", health_status::pass,
            "not configured: put a proxy with TLS in front before strangers write"};
  return {"TLS", health_status::pass, config.server.tls_certificate};
}

/// Which version wrote the store, without opening it: a node may be running on it.
finding check_store_format(const configuration& config) {
  const auto mark
    = persistence::read_watermark(store_folder(config) + "/watermark"); // persistence/FORMAT.md
  if (!mark) {
    const bool newer = mark.failure().code == domain::errc::format_unknown;
    return {"store", health_status::fail, mark.failure().message,
            newer ? "use the version of frontdesk that wrote it, or a later one"
                  : "stop the node and run `frontdesk verify`"};
  }
  if (!*mark)
    return {"store", health_status::pass, "none yet: the first start makes it"};
  return {"store", health_status::pass,
          "store " + to_string((*mark)->store) + " of a format this version knows, "
            + std::to_string((*mark)->commit) + " commits"};
}

std::vector<finding> examine(const loaded_configuration& loaded) {
  std::vector<finding> findings{check_configuration(loaded)};
  const auto& config = loaded.values;
  findings.push_back(check_data_folder(config.store.data));
  findings.push_back(check_free_space(config.store.data, config.limits.disk_free_bytes_min));
  findings.push_back(check_sync_latency(config.store.data));
  findings.push_back(check_store_format(config));
  findings.push_back(check_descriptors(config.limits.descriptors_reserved));
  findings.push_back(check_memory(config.limits));
  findings.push_back(check_port("server port", config.server.address, config.server.port));
  findings.push_back(check_port("admin port", config.admin.address, config.admin.port));
  if (findings.front().status == health_status::pass)
    findings.push_back(check_tls(config));
  findings.push_back(check_clock(config.store.data));
  return findings;
}

} // namespace

void add_doctor_command(CLI::App& root, command_context& context) {
  auto* verb = root.add_subcommand(
    "doctor", "Find out whether this machine can run a node, and what to do if not");
  auto options = std::make_shared<config_options>();
  auto json = std::make_shared<bool>(false);
  add_config_options(*verb, options);
  verb->add_flag("--json", *json, "As a JSON object");
  verb->footer(
    "Exit code: 0 = nothing fails, 1 = something does.\n"
    "Examples:\n  frontdesk doctor --data /var/lib/frontdesk\n  frontdesk doctor --json");
  verb->callback([options, json, &context] {
    const auto findings = examine(load_configuration(*options));
    std::cout << (*json ? doctor_json(findings) + "\n"
                        : doctor_text(findings, colours(STDOUT_FILENO)));
    context.exit_code = worst(findings) == health_status::fail ? 1 : 0;
  });
}

} // namespace frontdesk::app
