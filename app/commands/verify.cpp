#include "persistence/verify.hpp"

#include "app/commands/commands.hpp"
#include "app/commands/common.hpp"

#include <boost/json.hpp>

#include <iostream>
#include <memory>

namespace frontdesk::app {

namespace {

namespace json = boost::json;

std::string as_json(const persistence::verify_report& report) {
  json::array problems;
  for (const auto& problem : report.problems)
    problems.push_back(json::object{{"key", problem.key}, {"what", problem.what}});
  return json::serialize(json::object{{"clean", report.clean()},
                                      {"store", to_string(report.identity.id)},
                                      {"format", report.identity.format},
                                      {"commit", report.commit},
                                      {"acknowledged", report.acknowledged},
                                      {"conversations", report.conversations},
                                      {"events", report.events},
                                      {"heads", report.heads},
                                      {"open_conversations", report.open_conversations},
                                      {"state_entries", report.state_entries},
                                      {"dedup_entries", report.dedup_entries},
                                      {"problems_found", report.problems_found},
                                      {"problems", std::move(problems)}});
}

std::string as_text(const persistence::verify_report& report) {
  std::string out;
  for (const auto& problem : report.problems)
    out += problem.key + ": " + problem.what + "\n";
  if (report.problems_found > report.problems.size())
    out += "... and " + std::to_string(report.problems_found - report.problems.size()) + " more\n";
  out += "store " + to_string(report.identity.id) + ", format "
         + std::to_string(report.identity.format) + "\n" + "commits: "
         + std::to_string(report.commit) + ", acknowledged: " + std::to_string(report.acknowledged)
         + "\n" + "conversations: " + std::to_string(report.conversations) + " (open: "
         + std::to_string(report.open_conversations) + "), events: " + std::to_string(report.events)
         + ", heads: " + std::to_string(report.heads) + "\n"
         + "state entries: " + std::to_string(report.state_entries)
         + ", dedup entries: " + std::to_string(report.dedup_entries) + "\n";
  return out
         + (report.clean() ? "verify: ok\n"
                           : "verify: " + std::to_string(report.problems_found) + " problems\n");
}

int verify(const config_options& options, bool json_wanted) {
  const auto loaded = load_configuration(options);
  if (const int problems = report_problems(loaded); problems != 0)
    return problems;
  persistence::verify_options what;
  what.folder = store_folder(loaded.values);
  what.limits = loaded.values.limits;
  const auto report = persistence::verify_store(what);
  if (!report) {
    std::cerr << report.failure().message << "\n";
    return 1;
  }
  std::cout << (json_wanted ? as_json(*report) + "\n" : as_text(*report));
  return report->clean() ? 0 : 1;
}

} // namespace

void add_verify_command(CLI::App& root, command_context& context) {
  auto* verb = root.add_subcommand(
    "verify", "Read the whole store of a stopped node and compare all checksums");
  auto options = std::make_shared<config_options>();
  auto json_wanted = std::make_shared<bool>(false);
  add_config_options(*verb, options);
  verb->add_flag("--json", *json_wanted, "As a JSON object");
  verb->footer(
    "Changes nothing. Exit code: 0 = whole, 1 = damaged or not there (said on standard error).\n"
    "Examples:\n  frontdesk verify --data /var/lib/frontdesk\n  frontdesk verify --json");
  verb->callback(
    [options, json_wanted, &context] { context.exit_code = verify(*options, *json_wanted); });
}

} // namespace frontdesk::app
