#pragma once

#include "actors/context.hpp"

#include <utility>
#include <vector>

namespace frontdesk::actors {

/// Collects what one turn of an actor sends to sockets, and sends it as one message per gateway.
class outbox {
public:
  explicit outbox(node_context& node) : node_(node) {}

  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  ~outbox() { flush(); }

  void add(const connection_ref& to, frame_bytes frame, std::uint64_t arrival_us = 0) {
    for (auto& [gateway, batch] : batches_)
      if (gateway == to.gateway) {
        batch.items.push_back(delivery{to.number, std::move(frame), arrival_us});
        return;
      }
    batches_.emplace_back(to.gateway, deliver{});
    batches_.back().second.items.push_back(delivery{to.number, std::move(frame), arrival_us});
  }

  void add(const connection_ref& to, const domain::server_frame& frame);

  void flush() {
    for (auto& [gateway, batch] : batches_)
      caf::anon_send(node_.gateways[gateway], std::move(batch));
    batches_.clear();
  }

private:
  node_context& node_;
  std::vector<std::pair<std::uint32_t, deliver>> batches_;
};

} // namespace frontdesk::actors
