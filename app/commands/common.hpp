#pragma once

#include "app/admin_client.hpp"
#include "app/config.hpp"

#include <CLI/App.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What several verbs share.
namespace frontdesk::app {

/// `--config FILE` and a flag for every key. Kept alive by the verb's callback.
struct config_options {
  std::string file{};
  std::map<std::string, std::string> flags{}; ///< "server.port" -> text
};

/// Adds the options to a verb. The everyday keys also have short names, such as --port; the flags
/// of limits are left out of --help.
void add_config_options(CLI::App& verb, const std::shared_ptr<config_options>& options);

/// Reads the file that --config or FRONTDESK_CONFIG names, else ./frontdesk.toml where it exists,
/// and the environment. A file that cannot be read is a problem like any other.
loaded_configuration load_configuration(const config_options& options);

/// What is wrong with the files that a usable configuration names: certificate, key, folder of
/// static files.
std::vector<config_problem> file_problems(const loaded_configuration& loaded);

/// Writes the problems to standard error, one a line. The exit code: 2 if there are any, else 0.
int report_problems(const loaded_configuration& loaded);

/// Sends a request to the admin listener of the node of this configuration, with its key. Errors
/// and refusals are said on standard error; then nothing is returned.
std::optional<http_answer> ask_node(const configuration& config, const std::string& method,
                                    const std::string& target, const std::string& body = {});

/// Rows under a heading, columns aligned. Control characters in cells become '?'.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

} // namespace frontdesk::app
