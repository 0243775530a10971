#pragma once

#include "domain/result.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

/// The node that is measured: its process, if it is ours, and its admin listener.
namespace frontdesk::load {

/// One request to an admin listener: (address, port, method, target, key, body) -> status and body.
/// The program that runs the load has an HTTP client; this unit may not know it.
using http_exchange = std::function<domain::result<std::pair<unsigned, std::string>>(
  const std::string& address, std::uint16_t port, const std::string& method,
  const std::string& target, const std::string& key, const std::string& body)>;

struct serve_options {
  std::string program{};     ///< path of the frontdesk binary
  std::string data_parent{}; ///< a folder is made here and removed at the end; empty = the system's
  std::map<std::string, std::string> environment{}; ///< beside our own
  std::vector<std::string> arguments{};             ///< after `serve`
};

/// `frontdesk serve` on free ports and a fresh data folder, with limits that do not stand in the
/// way of a load. The destructor ends it and removes the folder.
class node_process {
public:
  /// Waits until the node is ready. errc::io or errc::unavailable with what its log says.
  static domain::result<node_process> start(const serve_options& options);
  node_process(node_process&& other) noexcept;
  node_process& operator=(node_process&&) = delete;
  ~node_process();

  pid_t process() const { return process_; }

  std::uint16_t port() const { return port_; }

  std::uint16_t admin_port() const { return admin_port_; }

  const std::string& data() const { return data_; }

  std::string log_path() const { return folder_ + "/log"; }

  /// SIGTERM, then SIGKILL after the time; the exit status as waitpid gives it.
  int stop(double seconds);

private:
  node_process() = default;

  pid_t process_ = -1;
  std::uint16_t port_ = 0;
  std::uint16_t admin_port_ = 0;
  std::string folder_{};
  std::string data_{};
};

/// What a load asks of the admin listener.
class node_admin {
public:
  node_admin(http_exchange exchange, std::string address, std::uint16_t port, std::string key,
             std::uint32_t tenant = 1)
    : exchange_(std::move(exchange)), address_(std::move(address)), port_(port),
      key_(std::move(key)), tenant_(tenant) {}

  std::uint32_t tenant() const { return tenant_; }

  /// The same of another tenant.
  node_admin of_tenant(std::uint32_t tenant) const {
    return {exchange_, address_, port_, key_, tenant};
  }

  /// Makes a tenant; its number.
  domain::result<std::uint32_t> create_tenant(const std::string& name);
  /// Public key of the tenant's first inbox.
  domain::result<std::string> inbox_key();
  /// Tokens of accounts; they are made when there are not enough yet.
  domain::result<std::vector<std::string>> agents(std::size_t count);
  /// Disables the accounts that `agents` made: on a node that lives on.
  void forget_agents();
  /// All values of /metrics by name with labels. Empty where they cannot be read.
  std::map<std::string, double> metrics();

private:
  struct account {
    std::string id;
    std::string token;
  };

  domain::result<std::string> ask(const std::string& method, const std::string& target,
                                  const std::string& body = {});

  http_exchange exchange_;
  std::string address_;
  std::uint16_t port_;
  std::string key_;
  std::uint32_t tenant_;
  std::vector<account> accounts_;
};

/// Value of a string field of a JSON object, or of the first object of an array field in it.
std::optional<std::string> text_field(const std::string& json, const std::string& name);

/// The process that listens on a TCP port of this machine; nothing when it cannot be told.
std::optional<pid_t> process_listening_on(std::uint16_t port);

} // namespace frontdesk::load
