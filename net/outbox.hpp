#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace frontdesk::net {

/// Bytes that wait for the kernel. A connection has one only while there are any.
struct outbox {
  std::string bytes{};
  std::size_t sent = 0;        ///< front of `bytes` that the kernel has
  std::size_t frames_from = 0; ///< where WebSocket frames begin in `bytes`
  std::string pong{};          ///< payload of the newest ping that is not answered yet
  bool has_pong = false;

  std::size_t pending() const { return bytes.size() - sent; }
};

/// Keeps some outboxes of one thread, so that a busy connection does not allocate for each flush.
class outbox_pool {
public:
  std::unique_ptr<outbox> take() {
    if (spare_.empty())
      return std::make_unique<outbox>();
    std::unique_ptr<outbox> box = std::move(spare_.back());
    spare_.pop_back();
    return box;
  }

  void give(std::unique_ptr<outbox> box) {
    if (spare_.size() >= boxes_max || box->bytes.capacity() > box_bytes_max)
      return;
    box->bytes.clear();
    box->sent = box->frames_from = 0;
    box->has_pong = false;
    spare_.push_back(std::move(box));
  }

private:
  static constexpr std::size_t boxes_max = 64;
  static constexpr std::size_t box_bytes_max = 16384;

  std::vector<std::unique_ptr<outbox>> spare_;
};

} // namespace frontdesk::net
