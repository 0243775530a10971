#include "app/load_target.hpp"
#include "load/measurement.hpp"
#include "load/node.hpp"
#include "load/report.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <fstream>
#include <iostream>
#include <string>
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
};

void add_options(CLI::App& program, program_options& options) {
  auto& what = options.what;
  program.add_option("--mode", options.mode, "closed, open, idle or history")
    ->check(CLI::IsMember({"closed", "open", "idle", "history"}))
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
  program.add_option("--rate", what.rate, "open: messages per second in all")
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
  program.add_option("--json", options.json_file, "Write the figures to this file as JSON");
}

int complain(const domain::error& reason) {
  std::cerr << "frontdesk_load: " << reason.message << "\n";
  return 1;
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
