#pragma once

#include "domain/event.hpp"
#include "domain/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What actors may ask of the event store (docs/adr/0001-data-model.md, sections 2 to 5). One
/// writer at a time; reads from any thread, and they see committed appends only.
namespace frontdesk::domain {

/// Values of state entries are opaque bytes here: proto/records.hpp makes and reads them, version
/// byte first.
enum class state_field : std::uint8_t {
  record = 0,       ///< the entity's own record: visitor, account, tenant, open row
  pointer = 1,      ///< conversation; sub = participant id
  conversation = 2, ///< visitor; sub = conversation id; value empty
  token = 3,        ///< account; sub = first 16 bytes of the secret's hash
  inbox = 4,        ///< configuration; sub = inbox id
  team = 5,         ///< configuration; sub = team id
  account = 6,      ///< configuration directory; sub = account id
  counter
  = 7, ///< reserved numbers of (shard, kind): tenant 0, zero entity; sub zero; value u64 big-endian
};

struct state_key {
  entity_key entity{};
  state_field field{};
  entity_id sub{}; ///< zero = none
  friend auto operator<=>(const state_key&, const state_key&) = default;
};

struct state_put {
  state_key key{};
  std::optional<std::string> value{}; ///< nothing = delete
};

struct dedup_put {
  entity_key entity{};
  std::string key{}; ///< at most 64 bytes
  std::string
    value{}; ///< starts with the time of creation (proto/records.hpp); dropped after 7 days
};

/// New parts for an event that is stored or stands earlier in the same append; its header stays.
struct event_rewrite {
  message_seq target = 0;
  message_seq revision = 0; ///< seq of the edit, recall or erase
  std::string public_bytes{};
  std::string staff_bytes{};
};

/// Everything one entity wants to be durable together. All keys are on the entity's shard.
struct append {
  entity_key entity{};
  incarnation loaded{};               ///< of the load this builds upon
  message_seq previous_seq = 0;       ///< conversations: newest seq before this append
  std::vector<stored_event> events{}; ///< dense from previous_seq + 1
  std::vector<event_rewrite> rewrites{};
  std::optional<std::string> head{}; ///< encoded conversation_head, replaces the stored one
  std::vector<state_put> states{};
  std::vector<dedup_put> dedups{};
};

/// What one commit did, per shard with work.
struct commit_receipt {
  std::uint64_t commit = 0; ///< counter of commits, dense from 1
  std::vector<std::pair<shard_id, std::uint64_t>> positions{};

  /// The applied position of a shard that had work in this commit; 0 for another.
  std::uint64_t position_of(shard_id shard) const {
    for (const auto& [candidate, position] : positions)
      if (candidate == shard)
        return position;
    return 0;
  }
};

struct loaded_conversation {
  conversation_head head{};               ///< as stored; the events after it are not folded in
  std::vector<stored_event> after_head{}; ///< at most limits.events_per_head + a commit's worth
  std::vector<pointer> pointers{};
};

enum class store_state : std::uint8_t {
  writable = 0,
  full = 1,      ///< below the disk watermark, or the last commit met ENOSPC: recovers by itself
  read_only = 2, ///< the disk cannot be written: recovers by itself if nothing was lost
  failed = 3,    ///< a sync failed: nothing is written until restart and verify
};

struct store_identity {
  store_id id{};
  std::uint64_t incarnation = 0; ///< part of every cursor; new on restore
  std::uint32_t format = 0;
};

/// One consistent view of a tenant's open conversations over all shards.
struct open_snapshot {
  std::array<std::uint64_t, shard_count> positions{};
  std::vector<std::pair<open_row, std::uint64_t>>
    rows{}; ///< row, position of its shard at the snapshot
};

class event_store {
public:
  virtual ~event_store() = default;

  /// Makes all appends durable in one write and one sync, in order. Writer thread only. An error
  /// says that the outcome of *all* is unknown, but for storage_full and storage_failed raised
  /// before anything was written
  /// (`state()` tells), where nothing is.
  virtual result<commit_receipt> commit(std::span<const append* const> appends) = 0;

  /// errc::not_found for a conversation that was never written.
  virtual result<loaded_conversation> load_conversation(const entity_key& conversation) const = 0;

  /// Events with from <= seq, ascending, at most `limit` and about `bytes_max` bytes (at least
  /// one).
  virtual result<std::vector<stored_event>> read_events(const entity_key& conversation,
                                                        message_seq from, std::size_t limit,
                                                        std::size_t bytes_max) const = 0;
  /// Events with seq < before, newest `limit` of them, ascending. `before` 0 = from the end.
  virtual result<std::vector<stored_event>> read_events_before(const entity_key& conversation,
                                                               message_seq before,
                                                               std::size_t limit,
                                                               std::size_t bytes_max) const = 0;
  /// As the two above but over visible events only, addressed by visible_seq.
  virtual result<std::vector<stored_event>> read_visible(const entity_key& conversation,
                                                         message_seq from, std::size_t limit,
                                                         std::size_t bytes_max) const = 0;
  virtual result<std::vector<stored_event>> read_visible_before(const entity_key& conversation,
                                                                message_seq before,
                                                                std::size_t limit,
                                                                std::size_t bytes_max) const = 0;
  /// The one event; errc::not_found if there is none.
  virtual result<stored_event> read_event(const entity_key& conversation,
                                          message_seq seq) const = 0;
  /// seq of the visible event with this number, by binary search; errc::not_found if there is none.
  virtual result<message_seq> find_visible(const entity_key& conversation,
                                           message_seq visible_seq) const = 0;

  virtual result<std::optional<std::string>> get_state(const state_key& key) const = 0;
  /// All entries of one field of one entity, ascending by sub.
  virtual result<std::vector<std::pair<entity_id, std::string>>>
  scan_state(const entity_key& entity, state_field field) const = 0;
  virtual result<std::optional<std::string>> get_dedup(const entity_key& entity,
                                                       std::string_view key) const = 0;
  virtual result<open_snapshot> scan_open(tenant_id tenant) const = 0;
  /// Tenants that have at least one open conversation.
  virtual result<std::vector<tenant_id>> tenants_with_open() const = 0;
  /// Every entry of one configuration field over all tenants, ascending by tenant and sub.
  virtual result<std::vector<std::pair<state_key, std::string>>> scan_configuration() const = 0;

  virtual store_identity identity() const = 0;
  virtual std::uint64_t applied_position(shard_id shard) const = 0;
  virtual store_state state() const = 0;
  /// Looks at free room and tries to go on after `full` or `read_only`; writer thread, about once a
  /// second.
  virtual store_state probe() = 0;
};

} // namespace frontdesk::domain
