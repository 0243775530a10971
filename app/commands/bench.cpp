#include "app/commands/commands.hpp"
#include "app/load_target.hpp"
#include "app/version.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <unistd.h>
#include <vector>

namespace frontdesk::app {

namespace {

struct bench_options {
  double seconds = 10;
  bool quick = false;
  std::string data_parent{};
  std::string json_file{};
  std::vector<std::string> only{};
};

/// The standard set. Each runs on a node and a store of its own.
std::vector<load::scenario> standard_set(const bench_options& options) {
  const double seconds = options.quick ? std::min(options.seconds, 3.0) : options.seconds;
  std::vector<load::scenario> all;
  const auto add = [&](const char* name, load::load_mode mode) -> load::scenario& {
    auto& one = all.emplace_back();
    one.name = name;
    one.mode = mode;
    one.seconds = seconds;
    one.warm_up_seconds = options.quick ? 1 : 3;
    return one;
  };
  add("saturated", load::load_mode::closed);
  add("1k", load::load_mode::open).rate = 1000;
  add("5k", load::load_mode::open).rate = 5000;
  add("10k", load::load_mode::open).rate = 10000;
  auto& idle = add("idle", load::load_mode::idle);
  idle.pairs = options.quick ? 5000 : 15000; // a process has 20,000 descriptors on small machines
  idle.warm_up_seconds = 0;
  auto& history = add("history", load::load_mode::history);
  history.pairs = 100;
  history.stored_messages = options.quick ? 100'000 : 1'000'000;
  history.warm_up_seconds = 1;
  std::erase_if(all, [&](const load::scenario& one) {
    return !options.only.empty() && std::ranges::find(options.only, one.name) == options.only.end();
  });
  return all;
}

/// The program that runs now, also when its file has been replaced since; by its own name where it
/// can be, which becomes the name of its threads.
std::string own_program() {
  std::error_code failure;
  const std::filesystem::path link = "/proc/" + std::to_string(getpid()) + "/exe";
  const auto file = std::filesystem::read_symlink(link, failure);
  return !failure && std::filesystem::exists(file, failure) ? file : link;
}

bool flawless(const load::measurement& one) {
  return one.lost + one.rejected + one.unsent + one.disconnects + one.connect_failures
           + one.problems
         == 0;
}

int bench(const bench_options& options) {
  signal(SIGPIPE, SIG_IGN);
  load::surroundings where;
  std::vector<load::measurement> all;
  for (const auto& what : standard_set(options)) {
    std::cerr << "bench: " << what.name << " ...\n";
    load::serve_options serve;
    serve.program = own_program();
    serve.data_parent = options.data_parent;
    auto target = start_load_target(serve);
    if (!target) {
      std::cerr << target.failure().message << "\n";
      return 1;
    }
    auto result = load::measure(what, target->node, *target->admin);
    if (!result) {
      std::cerr << what.name << ": " << result.failure().message << "\n";
      return 1;
    }
    where = target->where;
    all.push_back(*std::move(result));
  }
  const auto build = build_info();
  where.server = "frontdesk " + std::string{build.version} + " (" + std::string{build.commit} + ", "
                 + std::string{build.build_type} + ")";
  std::cout << load::table_of(where, all);
  if (!options.json_file.empty()) {
    std::ofstream file{options.json_file};
    file << load::json_of(where, all) << "\n";
    if (!file.flush()) {
      std::cerr << "cannot write " << options.json_file << "\n";
      return 1;
    }
  }
  return std::ranges::all_of(all, flawless) ? 0 : 1;
}

} // namespace

void add_bench_command(CLI::App& root, command_context& context) {
  auto* verb = root.add_subcommand("bench", "Measure a node of this program on this machine");
  auto options = std::make_shared<bench_options>();
  verb->add_option("--seconds", options->seconds, "Measured time of each scenario")
    ->check(CLI::Range(1.0, 3600.0))
    ->capture_default_str();
  verb->add_flag("--quick", options->quick, "At most 3 s each, and a smaller store");
  verb
    ->add_option("--only", options->only,
                 "Of saturated, 1k, 5k, 10k, idle, history: only these, e.g. --only 5k,idle")
    ->delimiter(',')
    ->check(CLI::IsMember({"saturated", "1k", "5k", "10k", "idle", "history"}));
  verb->add_option("--data-parent", options->data_parent,
                   "Folder for the stores, on the disk to measure; default: the system's for "
                   "temporary files");
  verb->add_option("--json", options->json_file, "Write the figures to this file as JSON");
  verb->footer("Every scenario starts a node on a fresh folder, which is removed afterwards. The "
               "load runs on the same machine\nand talks to 127.0.0.1 only.\n"
               "Exit code: 0 = measured, 1 = a message was lost or refused, or it did not run.\n"
               "Examples:\n"
               "  frontdesk bench --quick\n"
               "  frontdesk bench --only saturated --seconds 30 --json figures.json");
  verb->callback([options, &context] { context.exit_code = bench(*options); });
}

} // namespace frontdesk::app
