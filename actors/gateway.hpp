#pragma once

#include "actors/context.hpp"
#include "domain/ports/connection.hpp"

#include <caf/actor_companion.hpp>
#include <caf/mailbox_element.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace frontdesk::actors {

/// Socket counts of the whole node, by tenant.
class tenant_sockets {
public:
  /// False when the tenant is at its limit.
  bool add(domain::tenant_id tenant, std::uint64_t most);
  void remove(domain::tenant_id tenant);

private:
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::uint64_t> counts_;
};

/// Bridges the sockets of one I/O thread to sessions: bytes to frames, hello to a session,
/// deliveries to outboxes. As an actor it is a companion: what other actors send is handled on the
/// I/O thread, all that has come since the last time at once, so that acks and pushes leave once
/// per wake-up. All members run on that thread but for the constructor, handle() and enqueue().
class gateway final : public domain::connection_events {
public:
  gateway(node_context& node, std::uint32_t index, domain::connection_host& host,
          tenant_sockets& tenants);
  ~gateway() override;

  /// The handle that goes into node_context::gateways at `index`.
  const gateway_actor& handle() const { return handle_; }

  /// No message is handled afterwards. Call when the host's thread has ended.
  void stop();

  void on_open(domain::connection_number connection, domain::wire_form form,
               const domain::peer_info& peer) override;
  void on_messages(domain::connection_number connection,
                   const std::vector<std::string_view>& messages) override;
  void on_shaped(domain::connection_number connection, std::uint32_t warnings) override;
  void on_close(domain::connection_number connection, domain::close_reason reason) override;

private:
  enum class stage : std::uint8_t { greeting, waiting, bound };

  struct socket_state {
    domain::wire_form form{};
    stage at = stage::greeting;
    domain::entity_key session{};
    std::string origin{};
  };

  void enqueue(caf::mailbox_element_ptr message);
  void drain();
  void handle_message(caf::mailbox_element& element);
  void send_frame(domain::connection_number to, const socket_state& socket,
                  const domain::server_frame& frame);
  void send_binary(domain::connection_number to, const socket_state& socket,
                   const frame_bytes& frame);
  void greet(domain::connection_number connection, socket_state& socket, domain::hello&& greeting);
  void refuse_hello(domain::connection_number connection, const socket_state& socket,
                    domain::error reason);
  void unbind(socket_state& socket, domain::connection_number connection);

  node_context& node_;
  std::uint32_t index_;
  domain::connection_host& host_;
  tenant_sockets& tenants_;
  caf::actor companion_;
  gateway_actor handle_;
  std::unordered_map<domain::connection_number, socket_state> sockets_;

  std::mutex inbox_mutex_;
  std::vector<caf::mailbox_element_ptr> inbox_;
  std::vector<caf::mailbox_element_ptr> batch_;
  // The same push to several JSON sockets is converted once: the last one converted.
  frame_bytes json_of_;
  std::string json_;
};

} // namespace frontdesk::actors
