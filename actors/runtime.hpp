#pragma once

#include "domain/account.hpp"
#include "domain/limits.hpp"
#include "domain/ports/connection.hpp"
#include "domain/ports/event_store.hpp"
#include "domain/ports/telemetry.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// All actors of a node behind one door, so that whoever starts a node need not know CAF.
namespace frontdesk::actors {

struct runtime_options {
  domain::limits bounds;
  std::size_t workers = 1; ///< scheduler threads for everything that does not block
};

/// What a configuration command made, or why not. `token` is shown this once.
struct configuration_outcome {
  domain::tenant_id tenant{};
  domain::entity_id id{};
  std::string token{};
  std::string inbox_key{};
};

class runtime {
public:
  /// Reads the configuration, and makes the first tenant with one inbox in an empty store. The
  /// store, log and numbers outlive the runtime.
  static domain::result<std::unique_ptr<runtime>> start(const runtime_options& options,
                                                        domain::event_store& store,
                                                        domain::logger& log,
                                                        domain::metrics& numbers);
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Makes the gateway of one I/O thread; the events are for that host. Call for every host before
  /// any connection is accepted.
  domain::connection_events& add_gateway(domain::connection_host& host);
  /// Starts to work on what is waiting in the store. After the last add_gateway.
  void open_desks();

  domain::configuration_ptr configuration() const;

  using configured = std::function<void(domain::result<configuration_outcome>)>;
  /// The answer comes from another thread, after it is durable and published.
  void create_account(domain::tenant_id tenant, std::string name, domain::role rights,
                      std::uint32_t capacity, configured done);
  void create_inbox(domain::tenant_id tenant, std::string name, std::vector<std::string> origins,
                    configured done);
  void create_tenant(std::string name, configured done);
  void disable_account(domain::tenant_id tenant, domain::account_id account, configured done);

  /// From the watchdog: 0 normal, 1 no new conversations, 2 no visitor commands.
  void set_memory_level(int level);
  domain::store_state store_state() const;
  /// Tells every client to move and closes their sockets, spread over this time.
  void drain(std::chrono::milliseconds spread);
  /// Everything queued is durable, or has failed, when this returns. No new work may come.
  void flush();
  /// Ends all actors. The hosts' threads must have ended before.
  void stop();

private:
  class implementation;
  explicit runtime(std::unique_ptr<implementation> inner);
  std::unique_ptr<implementation> implementation_;
};

} // namespace frontdesk::actors
