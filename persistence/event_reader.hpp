#pragma once

// Inside of this folder only.

#include "domain/event.hpp"
#include "domain/ids.hpp"
#include "domain/result.hpp"
#include "persistence/key_layout.hpp"

#include <rocksdb/db.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace frontdesk::persistence {

/// Reads one conversation's events in one consistent view. Damage is errc::corrupt, and nothing of
/// it is returned.
class event_reader {
public:
  using events = std::vector<domain::stored_event>;

  event_reader(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
               const domain::entity_key& conversation, const rocksdb::Snapshot* snapshot = nullptr);

  /// The pages of domain::event_store.
  domain::result<events> ascending(domain::message_seq from, std::size_t limit,
                                   std::size_t bytes_max);
  domain::result<events> descending(domain::message_seq before, std::size_t limit,
                                    std::size_t bytes_max);
  domain::result<events> visible_ascending(domain::message_seq from, std::size_t limit,
                                           std::size_t bytes_max);
  domain::result<events> visible_descending(domain::message_seq before, std::size_t limit,
                                            std::size_t bytes_max);
  domain::result<domain::stored_event> at(domain::message_seq seq);
  domain::result<domain::message_seq> find_visible(domain::message_seq visible_seq);

private:
  struct page;

  bool seek(domain::message_seq seq);      ///< to the first event not before
  bool seek_back(domain::message_seq seq); ///< to the last event not after
  bool next();
  bool here();
  domain::message_seq seq() const;
  domain::result<domain::stored_event> event() const;
  /// Why the iterator stands nowhere: success at the end, else damage or an I/O error.
  domain::result<void> ended() const;
  domain::result<std::optional<domain::stored_event>> locate(domain::message_seq visible_seq);
  domain::error damaged(const std::string& what) const;

  domain::entity_key conversation_;
  entity_prefix prefix_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

} // namespace frontdesk::persistence
