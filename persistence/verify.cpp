#include "persistence/verify.hpp"

#include "crypto/crypto.hpp"
#include "domain/conversation.hpp"
#include "persistence/database.hpp"
#include "persistence/key_layout.hpp"
#include "persistence/watermark.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <utility>

namespace frontdesk::persistence {

namespace {

using namespace domain;

std::string name_of(const entity_key& entity) {
  return "conversation " + to_string(entity.id);
}

/// A conversation as its events tell it, while they pass by.
struct story {
  entity_key entity{};
  std::optional<conversation_head> stored_head{};
  conversation_head told{}; ///< folded from the first event
  message_seq last_visible = 0;
  bool readable = true; ///< all parts so far could be folded
};

class verifier {
public:
  verifier(const verify_options& options, const database& from, verify_report& report)
    : options_(options), from_(from), report_(report) {}

  void run(const node_record& record) {
    files();
    events();
    heads_without_events();
    state_entries();
    dedup_entries();
    if (!events_complete_)
      return;
    for (std::uint16_t i = 0; i < shard_count; ++i)
      if (sums_[i] != record.shards[i].sum)
        problem("shard " + std::to_string(i), "the sum over its events is not the one on record");
  }

  void problem(std::string key, std::string what) {
    ++report_.problems_found;
    if (report_.problems.size() < options_.problems_max)
      report_.problems.push_back({std::move(key), std::move(what)});
  }

private:
  std::unique_ptr<rocksdb::Iterator> rows(family which) const {
    auto options = whole_order();
    options.fill_cache = false;
    options.readahead_size = 1u << 20;
    return std::unique_ptr<rocksdb::Iterator>(from_.db().NewIterator(options, from_.of(which)));
  }

  bool complete(const rocksdb::Iterator& iterator, family which) {
    if (iterator.status().ok())
      return true;
    problem(std::string(family_names[static_cast<std::size_t>(which)]),
            "cannot be read to its end: " + iterator.status().ToString());
    return false;
  }

  void files() {
    auto options = whole_order();
    options.fill_cache = false;
    auto status = from_.db().VerifyChecksum(options);
    if (!status.ok())
      problem("files", status.ToString());
  }

  void events() {
    std::optional<story> now;
    auto iterator = rows(family::events);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      auto key = parse_event_key(view(iterator->key()));
      if (!key) {
        problem(to_hex(view(iterator->key())), "is no key of an event");
        continue;
      }
      if (!now || now->entity != key->entity) {
        if (now)
          finish(*now);
        now = begin(key->entity);
      }
      event(*now, *key, *iterator);
    }
    events_complete_ = complete(*iterator, family::events);
    if (now && events_complete_)
      finish(*now);
  }

  story begin(const entity_key& entity) {
    ++report_.conversations;
    story made;
    made.entity = entity;
    if (entity.kind != entity_kind::conversation
        || entity.shard != shard_of(id_cast<conversation_id>(entity.id)))
      problem(name_of(entity), "is not where its id says");
    auto prefix = encode_entity(entity);
    auto bytes = from_.get(family::heads, {prefix.data(), prefix.size()});
    if (!bytes || !*bytes) {
      problem(name_of(entity), bytes ? "has events and no head" : bytes.failure().message);
      return made;
    }
    auto head = proto::decode_head(**bytes);
    if (!head)
      problem(name_of(entity), "its head is damaged: " + head.failure().message);
    else
      made.stored_head = *std::move(head);
    return made;
  }

  void event(story& now, const event_key& key, const rocksdb::Iterator& iterator) {
    ++report_.events;
    auto name = name_of(key.entity) + ", event " + std::to_string(key.seq);
    if (auto header = proto::header_bytes(view(iterator.value())))
      sums_[value(key.entity.shard)] += crypto::hash64(view(iterator.key()), *header);
    if (key.seq != now.told.seq + 1)
      problem(name, "comes after event " + std::to_string(now.told.seq) + ": events are missing");
    now.told.seq = key.seq;
    auto decoded = proto::decode_event(key.seq, view(iterator.value()));
    if (!decoded) {
      problem(name, decoded.failure().message);
      now.readable = false;
      return;
    }
    const auto& header = decoded->header;
    auto expected = now.last_visible + (header.hidden ? 0 : 1);
    // After a damaged event its number is anybody's guess.
    if (now.readable && header.visible_seq != expected)
      problem(name, "has the visible number " + std::to_string(header.visible_seq) + " instead of "
                      + std::to_string(expected));
    now.last_visible = header.visible_seq;
    fold_into(now, *decoded, name);
    if (now.stored_head && now.readable && now.stored_head->seq == key.seq)
      compare_head(now);
  }

  void fold_into(story& now, const stored_event& event, const std::string& name) {
    std::optional<public_part> open;
    std::optional<staff_part> staff;
    if (event.header.kind == event_kind::assignment || event.header.kind == event_kind::status) {
      if (!event.public_bytes.empty()) {
        auto content = proto::open_part(event.public_bytes);
        auto part
          = content ? proto::decode_public_part(*content) : result<public_part>(content.failure());
        if (!part)
          return unreadable(now, name, part.failure());
        open = *std::move(part);
      }
      if (!event.staff_bytes.empty()) {
        auto content = proto::open_part(event.staff_bytes);
        auto part
          = content ? proto::decode_staff_part(*content) : result<staff_part>(content.failure());
        if (!part)
          return unreadable(now, name, part.failure());
        staff = *std::move(part);
      }
    }
    // Heads remember at most as many clients as the limit allows, whatever it was when they were
    // written.
    limits widest;
    widest.clients_per_conversation = 32;
    fold(widest, now.told, event.seq, event.header, open, staff);
  }

  void unreadable(story& now, const std::string& name, const error& reason) {
    problem(name, reason.message);
    now.readable = false;
  }

  void compare_head(const story& now) {
    const auto& stored = *now.stored_head;
    auto differs = [&](const char* what) {
      problem(name_of(now.entity), "its head says otherwise about " + std::string(what)
                                     + " than its events up to " + std::to_string(stored.seq));
    };
    if (stored.visible_seq != now.told.visible_seq)
      differs("the newest visible number");
    if (stored.status != now.told.status)
      differs("its status");
    if (stored.assignee != now.told.assignee)
      differs("who has it");
    for (const auto& client : stored.clients) {
      auto told = std::ranges::find_if(now.told.clients, [&](const client_record& each) {
        return each.who == client.who && each.client == client.client;
      });
      if (told == now.told.clients.end() || told->last_client_seq != client.last_client_seq
          || told->last_seq != client.last_seq || told->last_visible_seq != client.last_visible_seq)
        differs("what a client has sent");
    }
  }

  void finish(const story& now) {
    if (now.stored_head && now.stored_head->seq > now.told.seq)
      problem(name_of(now.entity), "its head stands at event "
                                     + std::to_string(now.stored_head->seq) + ", its events end at "
                                     + std::to_string(now.told.seq));
    if (now.readable)
      compare_open_row(now);
  }

  void compare_open_row(const story& now) {
    auto entity = now.entity;
    entity.kind = entity_kind::open_conversation;
    auto bytes = from_.get(family::state, encode_state_key({entity, state_field::record, {}}));
    if (!bytes)
      return problem(name_of(entity), bytes.failure().message);
    bool resolved = now.told.status == conversation_status::resolved;
    if (bytes->has_value() == resolved)
      return problem(name_of(entity),
                     resolved ? "is resolved and listed as open" : "is open and not listed");
    if (resolved)
      return;
    auto row = proto::decode_open_row(**bytes);
    if (!row)
      return problem(name_of(entity), "its open entry is damaged: " + row.failure().message);
    if (row->conversation != id_cast<conversation_id>(entity.id) || row->status != now.told.status
        || row->assignee != now.told.assignee)
      problem(name_of(entity), "its open entry says otherwise than its events");
  }

  bool has_events(const entity_key& entity) const {
    rocksdb::ReadOptions options;
    options.verify_checksums = true;
    options.prefix_same_as_start = true;
    std::unique_ptr<rocksdb::Iterator> iterator(
      from_.db().NewIterator(options, from_.of(family::events)));
    iterator->Seek(slice(encode_event_key(entity, 0)));
    // What cannot be read has been reported where it stands.
    return iterator->Valid() || !iterator->status().ok();
  }

  void heads_without_events() {
    auto iterator = rows(family::heads);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      ++report_.heads;
      auto entity = parse_entity(view(iterator->key()));
      if (!entity)
        problem(to_hex(view(iterator->key())), "is no key of a head");
      else if (!has_events(*entity))
        problem(name_of(*entity), "has a head and no events");
    }
    complete(*iterator, family::heads);
  }

  void state_entries() {
    auto iterator = rows(family::state);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      ++report_.state_entries;
      auto key = parse_state_key(view(iterator->key()));
      if (!key) {
        problem(to_hex(view(iterator->key())), "is no key of a state entry");
        continue;
      }
      if (key->entity.kind == entity_kind::open_conversation) {
        ++report_.open_conversations;
        auto conversation = key->entity;
        conversation.kind = entity_kind::conversation;
        if (!has_events(conversation))
          problem(name_of(conversation), "is listed as open and has no events");
      } else if (key->entity.kind == entity_kind::conversation
                 && key->field == state_field::pointer) {
        auto pointer = proto::decode_pointer(view(iterator->value()));
        if (!pointer)
          problem(name_of(key->entity), "a pointer is damaged: " + pointer.failure().message);
      }
    }
    complete(*iterator, family::state);
  }

  void dedup_entries() {
    auto iterator = rows(family::dedup);
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      ++report_.dedup_entries;
      if (!parse_dedup_key(view(iterator->key())) || !proto::dedup_created(view(iterator->value())))
        problem(to_hex(view(iterator->key())), "is a damaged dedup entry");
    }
    complete(*iterator, family::dedup);
  }

  const verify_options& options_;
  const database& from_;
  verify_report& report_;
  std::array<std::uint64_t, shard_count> sums_{};
  bool events_complete_ = false;
};

/// For a store that is too damaged to be looked at.
verify_report& add(verify_report& report, std::string key, std::string what) {
  ++report.problems_found;
  report.problems.push_back({std::move(key), std::move(what)});
  return report;
}

} // namespace

result<verify_report> verify_store(const verify_options& options) {
  auto path = database_path(options.folder);
  std::error_code unreadable;
  if (!std::filesystem::exists(path, unreadable))
    return error{errc::not_found, "there is no store in " + options.folder, {}};
  auto lock = folder_lock::take(options.folder, false);
  if (!lock)
    return lock.failure();

  verify_report report;
  auto mark = read_watermark(watermark_path(options.folder));
  if (!mark && mark.failure().code == errc::format_unknown)
    return mark.failure();
  if (!mark || !*mark)
    add(report, watermark_path(options.folder), mark ? "is missing" : mark.failure().message);
  else
    report.acknowledged = (*mark)->commit;

  std::unique_ptr<database> from;
  database_settings settings{path, options.limits, 8u << 20, {}, options.file_system, {}, nullptr};
  auto opened = database::open_read_only(settings, from);
  if (!opened.ok())
    return add(report, path, opened.ToString());
  auto record = read_node_record(*from);
  if (!record && record.failure().code == errc::format_unknown)
    return record.failure();
  if (!record || !*record)
    return add(report, path,
               record ? "has no identity: it was never finished" : record.failure().message);
  report.identity = (*record)->identity;
  report.commit = (*record)->commit;
  if (mark && *mark && (*mark)->store != report.identity.id)
    add(report, watermark_path(options.folder), "belongs to another store");
  if (report.commit < report.acknowledged)
    add(report, path,
        "recovery ends at commit " + std::to_string(report.commit) + ", but commit "
          + std::to_string(report.acknowledged)
          + " was acknowledged: the write-ahead log is damaged or files are missing");
  verifier(options, *from, report).run(**record);
  return report;
}

} // namespace frontdesk::persistence
