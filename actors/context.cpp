#include "actors/context.hpp"

#include "proto/codec.hpp"

#include <utility>

namespace frontdesk::actors {

namespace {

constexpr std::uint64_t number_block = 1024;

std::string big_endian(std::uint64_t value) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i)
    bytes[i] = static_cast<char>(value >> (8 * (7 - i)));
  return bytes;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (unsigned char byte : bytes)
    value = value << 8 | byte;
  return value;
}

domain::state_key counter_key(domain::shard_id shard) {
  return {{shard, domain::tenant_id{0}, domain::entity_kind::conversation, {}},
          domain::state_field::counter,
          {}};
}

} // namespace

void resync_guard::fire() noexcept {
  if (!gateway_)
    return;
  auto bytes = std::make_shared<const std::string>(
    proto::encode(domain::server_frame{domain::resync{conversation_}}, domain::wire_form::proto));
  caf::anon_send(gateway_, deliver{{delivery{connection_, std::move(bytes), 0}}});
  gateway_ = gateway_actor{};
}

std::optional<domain::error> admission::refuse_command(const domain::limits& bounds,
                                                       bool staff) const {
  switch (store.load(std::memory_order_relaxed)) {
  case domain::store_state::writable:
    break;
  case domain::store_state::full:
    return domain::error{domain::errc::storage_full, "the server's disk is full"};
  case domain::store_state::read_only:
  case domain::store_state::failed:
    return domain::error{domain::errc::storage_failed, "the server's disk cannot be written"};
  }
  if (append_queue.load(std::memory_order_relaxed)
      >= static_cast<std::int64_t>(bounds.append_queue_max))
    return domain::error{domain::errc::overloaded, "too much is waiting for the disk"};
  if (!staff && memory_level.load(std::memory_order_relaxed) >= 2)
    return domain::error{domain::errc::overloaded, "the server is short of memory"};
  return std::nullopt;
}

std::optional<domain::error> admission::refuse_opening(const domain::limits& bounds) const {
  if (memory_level.load(std::memory_order_relaxed) >= 1)
    return domain::error{domain::errc::overloaded, "the server takes no new conversations now"};
  return refuse_command(bounds, false);
}

domain::result<number_allocator::taken> number_allocator::take(domain::shard_id shard) {
  std::lock_guard lock(mutex_);
  auto found = blocks_.find(shard);
  if (found == blocks_.end()) {
    auto stored = store_.get_state(counter_key(shard));
    if (!stored)
      return stored.failure();
    // Whoever used the stored block may have used all of it: go on behind it.
    std::uint64_t end = *stored ? from_big_endian(**stored) : 1;
    found = blocks_.emplace(shard, block{end, end, end}).first;
  }
  auto& current = found->second;
  if (current.next == current.end)
    current.end += number_block;
  taken result{domain::public_number(current.next++, shard), std::nullopt};
  if (current.durable < current.end)
    result.reservation = domain::state_put{counter_key(shard), big_endian(current.end)};
  return result;
}

void number_allocator::confirm(const domain::state_put& reservation) {
  std::lock_guard lock(mutex_);
  auto& current = blocks_[reservation.key.entity.shard];
  current.durable = std::max(current.durable, from_big_endian(*reservation.value));
}

void node_context::send(const connection_ref& to, const domain::server_frame& frame) const {
  auto bytes = std::make_shared<const std::string>(proto::encode(frame, domain::wire_form::proto));
  caf::anon_send(gateway_of(to), deliver{{delivery{to.number, std::move(bytes), 0}}});
}

} // namespace frontdesk::actors
