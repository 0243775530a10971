#include "load/node.hpp"

#include "load/machine.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace frontdesk::load {

namespace {

namespace json = boost::json;
using domain::errc;
using domain::error;

constexpr double start_seconds_max = 60;
constexpr auto poll_interval = std::chrono::milliseconds(5);

/// Limits that protect a site from its visitors would protect it from the load as well.
const std::map<std::string, std::string>& unlimited() {
  static const std::map<std::string, std::string> limits{
    {"FRONTDESK_LIMITS__SOCKETS_PER_ADDRESS", "1000000"},
    {"FRONTDESK_LIMITS__FRAMES_PER_SECOND", "1000000"},
    {"FRONTDESK_LIMITS__FRAMES_BURST", "1000000"},
    {"FRONTDESK_LIMITS__BYTES_PER_SECOND", "1073741824"},
    {"FRONTDESK_LIMITS__BYTES_BURST", "1073741824"}};
  return limits;
}

std::vector<std::string> child_environment(const std::map<std::string, std::string>& extra) {
  std::map<std::string, std::string> wanted = unlimited();
  for (const auto& [name, value] : extra)
    wanted[name] = value;
  std::vector<std::string> lines;
  for (char** entry = environ; *entry; ++entry) {
    const std::string line{*entry};
    if (!wanted.contains(line.substr(0, line.find('='))))
      lines.push_back(line);
  }
  for (const auto& [name, value] : wanted)
    lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& each : texts)
    all.push_back(each.data());
  all.push_back(nullptr);
  return all;
}

std::string read_file(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

/// Ports of the log's line "ready".
std::optional<std::pair<std::uint16_t, std::uint16_t>> ports_in(const std::string& log) {
  std::istringstream lines{log};
  for (std::string line; std::getline(lines, line);) {
    json::error_code failure;
    const auto value = json::parse(line, failure);
    if (failure || !value.is_object())
      continue;
    const auto& object = value.get_object();
    const auto port = [&](const char* name) -> std::uint16_t {
      const auto* found = object.if_contains(name);
      if (!found)
        return 0;
      if (found->is_string())
        return static_cast<std::uint16_t>(std::atoi(found->get_string().c_str()));
      return found->is_int64() ? static_cast<std::uint16_t>(found->get_int64()) : std::uint16_t{0};
    };
    if (port("port") != 0 && port("admin_port") != 0)
      return std::pair{port("port"), port("admin_port")};
  }
  return std::nullopt;
}

std::string tail_of(const std::string& text) {
  constexpr std::size_t most = 800;
  return text.size() <= most ? text : text.substr(text.size() - most);
}

} // namespace

domain::result<node_process> node_process::start(const serve_options& options) {
  node_process node;
  std::error_code failure;
  auto parent = options.data_parent.empty() ? std::filesystem::temp_directory_path(failure).string()
                                            : options.data_parent;
  std::string pattern = parent + "/frontdesk-load-XXXXXX";
  if (!mkdtemp(pattern.data()))
    return error{errc::io, "cannot make a folder in " + parent + ": " + std::strerror(errno)};
  node.folder_ = pattern;
  node.data_ = pattern + "/data";

  std::vector<std::string> arguments{options.program, "serve",    "--address",    "127.0.0.1",
                                     "--port",        "0",        "--admin-port", "0",
                                     "--data",        node.data_, "--log-format", "json"};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  auto variables = child_environment(options.environment);
  auto argument_pointers = pointers(arguments);
  auto variable_pointers = pointers(variables);
  const auto log = node.log_path();
  const pid_t child = fork();
  if (child < 0)
    return error{errc::io, std::string{"cannot fork: "} + std::strerror(errno)};
  if (child == 0) {
    // Only calls that are safe after fork.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
      _exit(126);
    execve(options.program.c_str(), argument_pointers.data(), variable_pointers.data());
    _exit(127);
  }
  node.process_ = child;
  const auto deadline = now_ns() + static_cast<std::uint64_t>(start_seconds_max * 1e9);
  while (now_ns() < deadline) {
    if (const auto ports = ports_in(read_file(log))) {
      node.port_ = ports->first;
      node.admin_port_ = ports->second;
      return node;
    }
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      node.process_ = -1;
      return error{errc::unavailable,
                   options.program + " ended at its start: " + tail_of(read_file(log))};
    }
    std::this_thread::sleep_for(poll_interval);
  }
  return error{errc::timeout,
               options.program + " was not ready in time: " + tail_of(read_file(log))};
}

node_process::node_process(node_process&& other) noexcept
  : process_(std::exchange(other.process_, -1)), port_(other.port_), admin_port_(other.admin_port_),
    folder_(std::exchange(other.folder_, {})), data_(std::move(other.data_)) {}

node_process::~node_process() {
  stop(5);
  std::error_code ignored;
  if (!folder_.empty())
    std::filesystem::remove_all(folder_, ignored);
}

int node_process::stop(double seconds) {
  if (process_ < 0)
    return 0;
  kill(process_, SIGTERM);
  int status = 0;
  const auto deadline = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  while (waitpid(process_, &status, WNOHANG) == 0) {
    if (now_ns() >= deadline) {
      kill(process_, SIGKILL);
      waitpid(process_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(poll_interval);
  }
  process_ = -1;
  return status;
}

// -- admin
// ------------------------------------------------------------------------------------------------

std::optional<std::string> text_field(const std::string& text, const std::string& name) {
  json::error_code failure;
  const auto value = json::parse(text, failure);
  if (failure || !value.is_object())
    return std::nullopt;
  const auto find = [&](const json::object& in) -> std::optional<std::string> {
    const auto* found = in.if_contains(name);
    if (!found || !found->is_string())
      return std::nullopt;
    return std::string{found->get_string()};
  };
  if (auto found = find(value.get_object()))
    return found;
  for (const auto& [key, each] : value.get_object())
    if (each.is_array() && !each.get_array().empty() && each.get_array().front().is_object())
      return find(each.get_array().front().get_object());
  return std::nullopt;
}

domain::result<std::string> node_admin::ask(const std::string& method, const std::string& target,
                                            const std::string& body) {
  auto answer = exchange_(address_, port_, method, target, key_, body);
  if (!answer)
    return answer.failure();
  if (answer->first >= 300)
    return error{errc::unavailable, "the node answered " + std::to_string(answer->first) + " to "
                                      + method + " " + target + ": " + answer->second};
  return std::move(answer->second);
}

domain::result<std::uint32_t> node_admin::create_tenant(const std::string& name) {
  auto answer = ask("POST", "/v1/admin/tenants", json::serialize(json::object{{"name", name}}));
  if (!answer)
    return answer.failure();
  json::error_code failure;
  const auto value = json::parse(*answer, failure);
  if (!failure && value.is_object())
    if (const auto* number = value.get_object().if_contains("tenant"))
      if (const auto found = number->to_number<std::uint32_t>(failure); !failure)
        return found;
  return error{errc::internal, "the node's answer names no tenant"};
}

domain::result<std::string> node_admin::inbox_key() {
  auto answer = ask("GET", "/v1/admin/inboxes?tenant=" + std::to_string(tenant_));
  if (!answer)
    return answer.failure();
  if (auto key = text_field(*answer, "key"))
    return *std::move(key);
  return error{errc::not_found, "the tenant has no inbox"};
}

domain::result<std::vector<std::string>> node_admin::agents(std::size_t count) {
  while (accounts_.size() < count) {
    const auto name
      = "load " + std::to_string(getpid()) + "-" + std::to_string(accounts_.size() + 1);
    const json::object body{{"tenant", tenant_}, {"name", name}, {"role", "agent"}};
    auto answer = ask("POST", "/v1/admin/accounts", json::serialize(body));
    if (!answer)
      return answer.failure();
    auto id = text_field(*answer, "id");
    auto token = text_field(*answer, "token");
    if (!id || !token)
      return error{errc::internal, "the node's answer has no token"};
    accounts_.push_back({*std::move(id), *std::move(token)});
  }
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < count; ++i)
    tokens.push_back(accounts_[i].token);
  return tokens;
}

void node_admin::forget_agents() {
  for (const auto& each : accounts_) {
    const json::object body{{"tenant", tenant_}, {"id", each.id}};
    // One that stays enabled is a nuisance, not a reason to stop.
    static_cast<void>(ask("POST", "/v1/admin/accounts/disable", json::serialize(body)));
  }
  accounts_.clear();
}

std::map<std::string, double> node_admin::metrics() {
  std::map<std::string, double> values;
  const auto text = ask("GET", "/metrics");
  if (!text)
    return values;
  std::istringstream lines{*text};
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string::npos)
      continue;
    double value = 0;
    const auto* begin = line.data() + space + 1;
    if (std::from_chars(begin, line.data() + line.size(), value).ec == std::errc{})
      values[line.substr(0, space)] = value;
  }
  return values;
}

std::optional<pid_t> process_listening_on(std::uint16_t port) {
  // The socket's inode in /proc/net/tcp*, then the process that has it open.
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::istringstream lines{read_file(table)};
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
      std::istringstream columns{line};
      std::string number, local, remote, state, queues, timer, retransmit, user, timeout, inode;
      columns >> number >> local >> remote >> state >> queues >> timer >> retransmit >> user
        >> timeout >> inode;
      const auto colon = local.rfind(':');
      if (state == "0A" && colon != std::string::npos
          && std::strtoul(local.c_str() + colon + 1, nullptr, 16) == port)
        sockets.insert("socket:[" + inode + "]");
    }
  }
  std::error_code failure;
  for (const auto& process : std::filesystem::directory_iterator("/proc", failure)) {
    const auto name = process.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos)
      continue;
    std::error_code refused;
    for (const auto& each : std::filesystem::directory_iterator(process.path() / "fd", refused)) {
      const auto target = std::filesystem::read_symlink(each.path(), refused);
      if (!refused && sockets.contains(target.string()))
        return static_cast<pid_t>(std::atol(name.c_str()));
    }
  }
  return std::nullopt;
}

} // namespace frontdesk::load
