#include "app/load_target.hpp"
#include "load/ledger.hpp"
#include "load/measurement.hpp"
#include "load/node.hpp"
#include "load/report.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <fstream>
#include <iostream>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <vector>

using namespace frontdesk;

namespace {

struct program_options {
  load::scenario what{};
  std::string mode = "closed";
  std::string who = "visitor";
  bool json_frames = false;
  std::string server{};
  std::string data_parent{};
  std::vector<std::string> server_arguments{};
  std::string target{};
  std::uint16_t port = 8080;
  std::uint16_t admin_port = 9090;
  std::string data = "./frontdesk-data";
  int server_process = 0;
  std::string json_file{};
  bool new_tenant = false;
  // The ledger.
  load::ledger_options ledger{};
  std::uint32_t tenants = 2;
  std::uint32_t agents = 3;
  bool until_told = false;
};

void add_options(CLI::App& program, program_options& options) {
  auto& what = options.what;
  program.add_option("--mode", options.mode, "closed, open, idle, history or ledger")
    ->check(CLI::IsMember({"closed", "open", "idle", "history", "ledger"}))
    ->capture_default_str();
  program.add_option("--pairs", what.pairs, "Conversations, each with a visitor and an agent")
    ->check(CLI::Range(1, 1'000'000))
    ->capture_default_str();
  program.add_option("--per-agent", what.per_agent, "Conversations of one agent")
    ->check(CLI::Range(1, 10'000))
    ->capture_default_str();
  program.add_option("--idle", what.visitors_idle, "Further visitors who only are connected");
  program.add_option("--window", what.window, "closed: messages on the way per pair")
    ->check(CLI::Range(1, 128))
    ->capture_default_str();
  program.add_option("--rate", what.rate, "open, ledger: messages per second in all")
    ->check(CLI::Range(0.1, 1e7))
    ->capture_default_str();
  program.add_option("--writes", options.who, "Who writes: visitor, agent or both")
    ->check(CLI::IsMember({"visitor", "agent", "both"}))
    ->capture_default_str();
  program.add_option("--text-bytes", what.text_bytes, "Length of a text")
    ->check(CLI::Range(32, 32768))
    ->capture_default_str();
  program.add_option("--warm-up", what.warm_up_seconds, "Seconds before counting begins")
    ->check(CLI::Range(0.0, 600.0))
    ->capture_default_str();
  program.add_option("--seconds", what.seconds, "Seconds that count")
    ->check(CLI::Range(0.1, 86400.0))
    ->capture_default_str();
  program
    .add_option("--processes", what.processes, "Processes of the load: one per 19,000 connections")
    ->check(CLI::Range(1, 64))
    ->capture_default_str();
  program.add_option("--stored", what.stored_messages, "history: messages stored first")
    ->capture_default_str();
  program.add_option("--readers", what.readers, "history: pages asked for at once")
    ->capture_default_str();
  program.add_flag("--json-frames", options.json_frames, "JSON frames instead of binary ones");
  program.add_option("--slow-readers", what.slow_readers,
                     "So many of the visitors stop reading what their agents send");
  program.add_option("--flooders", what.flooders, "Sockets that send far too much");
  program.add_option("--flood-rate", what.flood_rate, "Frames per second of a flooder")
    ->capture_default_str();
  program.add_option("--server", options.server,
                     "Start this frontdesk binary on a folder that is removed afterwards; else the "
                     "node of --port and --admin-port is used");
  program.add_option("--data-parent", options.data_parent, "Folder to make that folder in");
  program
    .add_option("--server-arg", options.server_arguments,
                "Further argument of `serve`, such as --limits.batch_delay_us=300")
    ->allow_extra_args(false);
  program.add_option("--target", options.target,
                     "Numeric address of the node; without it nothing but loopback is talked to");
  program.add_option("--port", options.port)->capture_default_str();
  program.add_option("--admin-port", options.admin_port, "On 127.0.0.1, unless --target is given")
    ->capture_default_str();
  program.add_option("--data", options.data, "Data folder of the node, for its admin.key")
    ->capture_default_str();
  program.add_option("--server-pid", options.server_process,
                     "Process of the node; else the one that listens on --port");
  auto& book = options.ledger;
  program.add_option("--ledger", book.file, "ledger: the file to write down everything in");
  program.add_option("--tenants", options.tenants, "ledger: tenants; the first is there already")
    ->check(CLI::Range(1, 16))
    ->capture_default_str();
  program.add_option("--visitors", book.visitors, "ledger: visitors in all")->capture_default_str();
  program.add_option("--agents", options.agents, "ledger: agents of each tenant")
    ->check(CLI::Range(1, 100))
    ->capture_default_str();
  program
    .add_option("--link-seconds", book.link_seconds,
                "ledger: everybody loses the connection about so often; 0 = never")
    ->capture_default_str();
  program.add_option("--seed", book.seed, "ledger: of all choices")->capture_default_str();
  program
    .add_option("--settle", book.settle_seconds,
                "ledger: seconds for what is not confirmed when the writing ends")
    ->capture_default_str();
  program.add_flag("--until-told", options.until_told,
                   "ledger: write until a line or the end comes on standard input");
  program.add_flag("--new-tenant", options.new_tenant,
                   "Make a tenant for this load; else the first");
  program.add_option("--json", options.json_file, "Write the figures to this file as JSON");
}

int complain(const domain::error& reason) {
  std::cerr << "frontdesk_load: " << reason.message << "\n";
  return 1;
}

/// True when somebody has written to standard input, or closed it.
bool told() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) > 0;
}

/// 0: everything was confirmed and all histories are in the ledger.
int run_ledger(program_options& options, app::load_target& target) {
  auto& book = options.ledger;
  if (book.file.empty())
    return complain({domain::errc::bad_request, "--ledger FILE is missing"});
  book.address = target.node.address;
  book.port = target.node.port;
  book.seconds = options.until_told ? 86400 : options.what.seconds;
  book.rate = options.what.rate;
  std::vector<load::node_admin> admins{*target.admin};
  while (admins.size() < options.tenants) {
    const auto made = target.admin->create_tenant("ledger " + std::to_string(admins.size() + 1));
    if (!made)
      return complain(made.failure());
    admins.push_back(target.admin->of_tenant(*made));
  }
  for (auto& admin : admins) {
    load::ledger_tenant tenant;
    tenant.number = admin.tenant();
    auto key = admin.inbox_key();
    auto tokens = admin.agents(options.agents);
    if (!key || !tokens)
      return complain(key ? tokens.failure() : key.failure());
    tenant.inbox_key = *std::move(key);
    tenant.agent_tokens = *std::move(tokens);
    book.tenants.push_back(std::move(tenant));
  }
  book.ready = [] { std::cout << "ready" << std::endl; };
  if (options.until_told)
    book.go_on = [] { return !told(); };
  const auto settled = load::keep_ledger(book);
  if (!settled)
    return complain(settled.failure());
  if (!*settled)
    return complain({domain::errc::timeout, "not everything was confirmed"});
  return 0;
}

int run(program_options& options) {
  auto& what = options.what;
  what.name = options.mode;
  what.mode = options.mode == "open"      ? load::load_mode::open
              : options.mode == "idle"    ? load::load_mode::idle
              : options.mode == "history" ? load::load_mode::history
                                          : load::load_mode::closed;
  what.who = options.who == "agent"  ? load::speaker::agent
             : options.who == "both" ? load::speaker::both
                                     : load::speaker::visitor;
  what.form = options.json_frames ? domain::wire_form::json : domain::wire_form::proto;

  domain::result<app::load_target> target = [&]() -> domain::result<app::load_target> {
    if (!options.server.empty()) {
      load::serve_options serve;
      serve.program = options.server;
      serve.data_parent = options.data_parent;
      serve.arguments = options.server_arguments;
      return app::start_load_target(serve);
    }
    return app::find_load_target({options.target.empty() ? "127.0.0.1" : options.target,
                                  options.port, options.admin_port, options.data,
                                  options.server_process});
  }();
  if (!target)
    return complain(target.failure());
  if (options.mode == "ledger")
    return run_ledger(options, *target);
  if (options.new_tenant) {
    const auto made = target->admin->create_tenant("load");
    if (!made)
      return complain(made.failure());
    target->admin = target->admin->of_tenant(*made);
  }
  const auto result = load::measure(what, target->node, *target->admin);
  if (!target->own)
    target->admin->forget_agents();
  if (!result)
    return complain(result.failure());
  std::cout << load::table_of(target->where, {*result});
  if (!options.json_file.empty()) {
    std::ofstream file{options.json_file};
    file << load::json_of(target->where, {*result}) << "\n";
    if (!file.flush())
      return complain({domain::errc::io, "cannot write " + options.json_file});
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  CLI::App program{"Load for a Frontdesk node over its own protocol; talks to loopback unless "
                   "--target is given, and ends by itself.",
                   "frontdesk_load"};
  program_options options;
  add_options(program, options);
  try {
    program.parse(argc, argv);
    return run(options);
  } catch (const CLI::ParseError& reason) {
    return program.exit(reason) == 0 ? 0 : 2;
  } catch (const std::exception& reason) {
    std::cerr << "frontdesk_load: " << reason.what() << "\n";
    return 1;
  }
}
