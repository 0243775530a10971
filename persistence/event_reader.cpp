#include "persistence/event_reader.hpp"

#include "persistence/database.hpp"
#include "proto/records.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

namespace frontdesk::persistence {

namespace {

constexpr auto last_possible = std::numeric_limits<domain::message_seq>::max();
// After so many hidden events in a row the next visible one is searched instead of walked to: about
// what a search costs.
constexpr std::size_t hidden_run_max = 32;
// The first probes of a search go where the number would be if nothing were hidden in between.
constexpr int guesses_max = 4;
constexpr auto everything = std::numeric_limits<std::size_t>::max();

std::size_t size_of(const domain::stored_event& event) {
  constexpr std::size_t header_bytes = 64; // about
  return event.public_bytes.size() + event.staff_bytes.size() + header_bytes;
}

/// The end of a page that may have this many bytes; one event at least.
domain::result<event_reader::events> newest_of(domain::result<event_reader::events>&& rows,
                                               std::size_t bytes_max) {
  if (!rows)
    return std::move(rows);
  std::size_t bytes = 0;
  auto keep = rows->end();
  while (keep != rows->begin()) {
    bytes += size_of(*std::prev(keep));
    if (bytes > bytes_max && keep != rows->end())
      break;
    --keep;
  }
  rows->erase(rows->begin(), keep);
  return std::move(rows);
}

} // namespace

struct event_reader::page {
  std::size_t limit;
  std::size_t bytes_max;
  std::size_t bytes = 0;
  events rows{};

  bool full() const { return rows.size() >= limit; }

  /// False, and nothing added, when the bytes would be too many for a page that has something.
  bool add(domain::stored_event&& event) {
    bytes += size_of(event);
    if (!rows.empty() && bytes > bytes_max)
      return false;
    rows.push_back(std::move(event));
    return true;
  }
};

event_reader::event_reader(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                           const domain::entity_key& conversation,
                           const rocksdb::Snapshot* snapshot)
  : conversation_(conversation), prefix_(encode_entity(conversation)) {
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.prefix_same_as_start = true;
  options.snapshot = snapshot;
  iterator_.reset(db.NewIterator(options, family));
}

bool event_reader::here() {
  return iterator_->Valid() && iterator_->key().size() == event_key_size
         && iterator_->key().starts_with(slice(prefix_));
}

bool event_reader::seek(domain::message_seq seq) {
  iterator_->Seek(slice(encode_event_key(conversation_, seq)));
  return here();
}

bool event_reader::seek_back(domain::message_seq seq) {
  iterator_->SeekForPrev(slice(encode_event_key(conversation_, seq)));
  return here();
}

bool event_reader::next() {
  iterator_->Next();
  return here();
}

domain::message_seq event_reader::seq() const {
  return read_u64(view(iterator_->key()).substr(entity_prefix_size));
}

domain::error event_reader::damaged(const std::string& what) const {
  return {
    domain::errc::corrupt, "conversation " + domain::to_string(conversation_.id) + ": " + what, {}};
}

domain::result<domain::stored_event> event_reader::event() const {
  auto decoded = proto::decode_event(seq(), view(iterator_->value()));
  if (decoded)
    return decoded;
  auto reason = decoded.failure();
  reason.message = "conversation " + domain::to_string(conversation_.id) + ", event "
                   + std::to_string(seq()) + ": " + reason.message;
  return reason;
}

domain::result<void> event_reader::ended() const {
  if (!iterator_->status().ok())
    return to_error(iterator_->status(), "reading events");
  return {};
}

domain::result<event_reader::events>
event_reader::ascending(domain::message_seq from, std::size_t limit, std::size_t bytes_max) {
  page rows{limit, bytes_max};
  for (bool more = seek(std::max<domain::message_seq>(from, 1)); more && !rows.full();
       more = next()) {
    auto read = event();
    if (!read)
      return read.failure();
    if (!rows.rows.empty() && read->seq != rows.rows.back().seq + 1)
      return damaged("events are missing before " + std::to_string(read->seq));
    if (!rows.add(*std::move(read)))
      break;
  }
  if (auto end = ended(); !end)
    return end.failure();
  return std::move(rows.rows);
}

// Backwards a memtable is searched anew for every step, and that is where the newest pages are.
// Numbers are dense, so the first event of the page is known beforehand and the way leads upwards.
domain::result<event_reader::events>
event_reader::descending(domain::message_seq before, std::size_t limit, std::size_t bytes_max) {
  if (limit == 0 || !seek_back(before - 1)) {
    if (auto end = ended(); !end)
      return end.failure();
    return events{};
  }
  auto last = seq();
  auto first = last > limit ? last - limit + 1 : 1;
  auto rows = ascending(first, last - first + 1, everything);
  if (rows && (rows->empty() || rows->front().seq != first || rows->back().seq != last))
    return damaged("events are missing between " + std::to_string(first) + " and "
                   + std::to_string(last));
  return newest_of(std::move(rows), bytes_max);
}

// The first event whose number is not below, which is the visible one that has it; nothing past the
// end. Numbers never fall over seq and never rise by more than one, so an event that is `n` short
// is at least `n` too early.
domain::result<std::optional<domain::stored_event>>
event_reader::locate(domain::message_seq visible_seq) {
  if (!seek_back(last_possible)) {
    if (auto end = ended(); !end)
      return end.failure();
    return std::optional<domain::stored_event>{};
  }
  auto found = event();
  if (!found)
    return found.failure();
  if (found->header.visible_seq < visible_seq)
    return std::optional<domain::stored_event>{};
  auto low = visible_seq;
  for (int probes = 0; low < found->seq; ++probes) {
    auto probe = probes < guesses_max ? low : low + (found->seq - low) / 2;
    if (!seek(probe) || seq() != probe) {
      if (auto end = ended(); !end)
        return end.failure();
      return damaged("event " + std::to_string(probe) + " is missing");
    }
    auto read = event();
    if (!read)
      return read.failure();
    if (read->header.visible_seq < visible_seq)
      low = probe + (visible_seq - read->header.visible_seq);
    else
      found = std::move(read);
  }
  if (low != found->seq || found->header.hidden || found->header.visible_seq != visible_seq)
    return damaged("visible number " + std::to_string(visible_seq) + " is missing");
  return std::optional<domain::stored_event>(*std::move(found));
}

domain::result<event_reader::events> event_reader::visible_ascending(domain::message_seq from,
                                                                     std::size_t limit,
                                                                     std::size_t bytes_max) {
  page rows{limit, bytes_max};
  auto wanted = std::max<domain::message_seq>(from, 1);
  bool searching = true;
  std::size_t hidden_run = 0;
  while (!rows.full()) {
    if (searching) {
      auto found = locate(wanted);
      if (!found)
        return found.failure();
      if (!*found || !seek((*found)->seq))
        break;
      searching = false;
    }
    auto read = event();
    if (!read)
      return read.failure();
    if (!read->header.hidden) {
      if (read->header.visible_seq != wanted)
        return damaged("visible number " + std::to_string(wanted) + " is missing");
      if (!rows.add(*std::move(read)))
        break;
      ++wanted;
      hidden_run = 0;
    } else {
      searching = ++hidden_run % hidden_run_max == 0;
    }
    if (!searching && !next())
      break;
  }
  if (auto end = ended(); !end)
    return end.failure();
  return std::move(rows.rows);
}

// Upwards too: the newest event, visible or not, names the last visible number.
domain::result<event_reader::events> event_reader::visible_descending(domain::message_seq before,
                                                                      std::size_t limit,
                                                                      std::size_t bytes_max) {
  if (limit == 0 || !seek_back(last_possible)) {
    if (auto end = ended(); !end)
      return end.failure();
    return events{};
  }
  auto newest = event();
  if (!newest)
    return newest.failure();
  auto last = std::min(before - 1, newest->header.visible_seq);
  if (last == 0)
    return events{};
  auto first = last > limit ? last - limit + 1 : 1;
  auto rows = visible_ascending(first, last - first + 1, everything);
  if (rows && (rows->empty() || rows->back().header.visible_seq != last))
    return damaged("visible number " + std::to_string(last) + " is missing");
  return newest_of(std::move(rows), bytes_max);
}

domain::result<domain::stored_event> event_reader::at(domain::message_seq seq_wanted) {
  if (seek(seq_wanted) && seq() == seq_wanted)
    return event();
  if (auto end = ended(); !end)
    return end.failure();
  return domain::error{
    domain::errc::not_found, "there is no event " + std::to_string(seq_wanted), {}};
}

domain::result<domain::message_seq> event_reader::find_visible(domain::message_seq visible_seq) {
  domain::error none{
    domain::errc::not_found, "there is no event " + std::to_string(visible_seq), {}};
  if (visible_seq == 0)
    return none;
  auto found = locate(visible_seq);
  if (!found)
    return found.failure();
  if (!*found)
    return none;
  return (*found)->seq;
}

} // namespace frontdesk::persistence
