#pragma once

#include <CLI/App.hpp>

#include <string>
#include <vector>

/// The verbs of the program. Each file of this folder adds one verb to the root: its options, help
/// with examples and a callback that leaves the exit code in the context. 0 = done, 1 = it went
/// wrong, 2 = asked wrongly (arguments or configuration). app/CMakeLists.txt compiles a verb in
/// when its file exists.
namespace frontdesk::app {

struct command_context {
  int exit_code = 0;
};

void add_serve_command(CLI::App& root, command_context& context);
void add_config_command(CLI::App& root, command_context& context);
void add_doctor_command(CLI::App& root, command_context& context);
void add_verify_command(CLI::App& root, command_context& context);
void add_version_command(CLI::App& root, command_context& context);
void add_account_command(CLI::App& root, command_context& context);
void add_chat_command(CLI::App& root, command_context& context);  // commands/chat.cpp
void add_bench_command(CLI::App& root, command_context& context); // commands/bench.cpp

/// True when colours may be written to this descriptor: a terminal, and NO_COLOR is not set.
bool colours(int descriptor);

} // namespace frontdesk::app
