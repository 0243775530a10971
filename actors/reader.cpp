#include "actors/reader.hpp"

#include "domain/failpoint.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <utility>

namespace frontdesk::actors {

using domain::errc;
using domain::event_kind;

domain::result<std::string> push_of(const domain::conversation_id& conversation,
                                    const domain::stored_event& event,
                                    domain::message_seq visible_target,
                                    domain::message_seq visible_revision, bool staff) {
  std::string_view open;
  std::string_view internal;
  if (!event.public_bytes.empty()) {
    auto content = proto::open_part(event.public_bytes);
    if (!content)
      return content.failure();
    open = *content;
  }
  if (staff && !event.staff_bytes.empty()) {
    auto content = proto::open_part(event.staff_bytes);
    if (!content)
      return content.failure();
    internal = *content;
  }
  return proto::encode_push({conversation, event.seq, staff ? event.header.target : visible_target,
                             staff ? event.revision : visible_revision},
                            event.header, open, internal,
                            staff ? proto::audience::staff : proto::audience::visitor);
}

namespace {

constexpr std::size_t visitor_conversations_max = 20;

struct reader_state {
  node_context* node = nullptr;
};

using self_pointer = reader_actor::stateful_pointer<reader_state>;

/// A stored event as a push, with what an edit or a changed event needs of other events read as
/// well.
domain::result<std::string> push_from_store(const domain::event_store& store,
                                            const domain::entity_key& conversation,
                                            const domain::stored_event& event, bool staff) {
  auto id = domain::id_cast<domain::conversation_id>(conversation.id);
  domain::message_seq visible_target = 0;
  domain::message_seq visible_revision = 0;
  auto shown = event;
  if (event.header.target != 0) {
    // An edit shows its target's parts as they are now, so that replaying it twice does no harm.
    auto target = store.read_event(conversation, event.header.target);
    if (!target)
      return target.failure();
    visible_target = target->header.visible_seq;
    shown.public_bytes = std::move(target->public_bytes);
    shown.staff_bytes = std::move(target->staff_bytes);
  }
  if (!staff && event.revision != 0) {
    auto change = store.read_event(conversation, event.revision);
    if (!change)
      return change.failure();
    visible_revision = change->header.visible_seq;
  }
  return push_of(id, shown, visible_target, visible_revision, staff);
}

void load(self_pointer self, const load_conversation& request) {
  auto& node = *self->state.node;
  conversation_loaded answer;
  auto loaded = node.store->load_conversation(request.entity);
  if (loaded) {
    answer.what = *std::move(loaded);
    auto visible = [&](domain::message_seq seq) -> domain::message_seq {
      if (seq == 0)
        return 0;
      auto event = node.store->read_event(request.entity, seq);
      return event ? event->header.visible_seq : 0;
    };
    for (const auto& each : answer.what.pointers)
      answer.visible.emplace_back(visible(each.delivered), visible(each.read));
  } else {
    answer.failure = loaded.failure();
  }
  self->send(request.reply_to, std::move(answer));
}

void load(self_pointer self, const load_visitor& request) {
  auto& store = *self->state.node->store;
  visitor_loaded answer;
  auto record = store.get_state({request.entity, domain::state_field::record, {}});
  auto index = store.scan_state(request.entity, domain::state_field::conversation);
  if (!record || !index) {
    answer.failure = record ? index.failure() : record.failure();
  } else {
    if (*record)
      if (auto decoded = proto::decode_visitor(**record))
        answer.record = *std::move(decoded);
    for (auto it = index->rbegin();
         it != index->rend() && answer.conversations.size() < visitor_conversations_max; ++it) {
      // An open conversation is one that has an entry among the open ones.
      domain::entity_key entry{request.entity.shard, request.entity.tenant,
                               domain::entity_kind::open_conversation, it->first};
      auto open = store.get_state({entry, domain::state_field::record, {}});
      answer.conversations.emplace_back(domain::id_cast<domain::conversation_id>(it->first),
                                        open && open->has_value());
    }
  }
  self->send(request.reply_to, std::move(answer));
}

void page(self_pointer self, read_page& request) {
  auto& node = *self->state.node;
  auto& store = *node.store;
  const auto& what = request.what;
  auto begin = node.steady_us();
  auto limit = std::min<std::size_t>(what.limit == 0 ? node.bounds.page_events : what.limit,
                                     node.bounds.page_events);
  auto bytes = static_cast<std::size_t>(node.bounds.page_bytes_max);
  // One more than asked for tells whether there is more.
  auto events
    = what.newer
        ? (request.staff
             ? store.read_events(request.conversation, what.from + 1, limit + 1, bytes)
             : store.read_visible(request.conversation, what.from + 1, limit + 1, bytes))
        : (request.staff
             ? store.read_events_before(request.conversation, what.from, limit + 1, bytes)
             : store.read_visible_before(request.conversation, what.from, limit + 1, bytes));
  request.guard.disarm();
  if (!events)
    return node.send(request.to, domain::problem{events.failure(), what.request, false, 0});
  bool more = events->size() > limit;
  if (more)
    events->erase(what.newer ? std::prev(events->end()) : events->begin());
  if (!more && !events->empty()) {
    // The page may have ended at its size in bytes.
    const auto& edge = what.newer ? events->back() : events->front();
    if (what.newer) {
      auto next = request.staff ? store.read_events(request.conversation, edge.seq + 1, 1, bytes)
                                : store.read_visible(request.conversation,
                                                     edge.header.visible_seq + 1, 1, bytes);
      more = next && !next->empty();
    } else {
      more = (request.staff ? edge.seq : edge.header.visible_seq) > 1;
    }
  }
  std::vector<std::string> pushes;
  pushes.reserve(events->size());
  for (const auto& event : *events) {
    auto push = push_from_store(store, request.conversation, event, request.staff);
    if (!push)
      return node.send(request.to, domain::problem{push.failure(), what.request, false, 0});
    pushes.push_back(*std::move(push));
  }
  auto frame = proto::encode_history_page(what.request, what.conversation, more, pushes);
  node.numbers->history_duration.observe_us(node.steady_us() - begin);
  self->send(node.gateway_of(request.to),
             deliver{{delivery{request.to.number,
                               std::make_shared<const std::string>(std::move(frame)), 0}}});
}

void replay(self_pointer self, const read_replay& request) {
  auto& node = *self->state.node;
  auto& store = *node.store;
  auto limit = static_cast<std::size_t>(node.bounds.page_events);
  auto bytes = static_cast<std::size_t>(node.bounds.page_bytes_max);
  replay_read answer;
  answer.to = request.to;
  answer.round = request.round;
  auto events
    = request.newest
        ? (request.staff ? store.read_events_before(request.conversation, 0, limit, bytes)
                         : store.read_visible_before(request.conversation, 0, limit, bytes))
        : (request.staff
             ? store.read_events(request.conversation, request.after + 1, limit, bytes)
             : store.read_visible(request.conversation, request.after + 1, limit, bytes));
  if (!events) {
    answer.failure = events.failure();
  } else {
    for (const auto& event : *events) {
      auto push = push_from_store(store, request.conversation, event, request.staff);
      if (!push) {
        answer.failure = push.failure();
        break;
      }
      answer.last = request.staff ? event.seq : event.header.visible_seq;
      answer.pushes.push_back(std::make_shared<const std::string>(*std::move(push)));
    }
  }
  self->send(request.reply_to, std::move(answer));
}

void find(self_pointer self, const find_key& request) {
  auto& node = *self->state.node;
  key_looked_up answer;
  answer.what = {request.what.reply, request.what.who, request.what.key, std::nullopt, 0, 0};
  auto before = request.what.before;
  std::size_t left = node.bounds.dedup_read_back_events;
  while (left > 0 && !answer.what.position) {
    auto events = node.store->read_events_before(request.conversation, before,
                                                 std::min<std::size_t>(left, 128), 1 << 20);
    if (!events) {
      answer.failure = events.failure();
      break;
    }
    if (events->empty())
      break;
    for (auto it = events->rbegin(); it != events->rend(); ++it) {
      bool wanted = request.what.newest ? it->header.client.client == request.what.key.client
                                        : it->header.client == request.what.key;
      if (wanted && it->header.author == request.what.who) {
        answer.what.position = {it->seq, it->header.visible_seq};
        answer.what.time = it->header.time;
        answer.what.number = it->header.client.seq;
        break;
      }
    }
    before = events->front().seq;
    left -= std::min(left, events->size());
    if (before <= 1)
      break;
  }
  self->send(request.reply_to, std::move(answer));
}

void read(self_pointer self, const read_one& request) {
  auto& store = *self->state.node->store;
  event_read answer;
  answer.asked = request.number;
  answer.ticket = request.ticket;
  auto seq = request.by_visible ? store.find_visible(request.conversation, request.number)
                                : domain::result<domain::message_seq>(request.number);
  auto event = seq ? store.read_event(request.conversation, *seq)
                   : domain::result<domain::stored_event>(seq.failure());
  if (event)
    answer.event = *std::move(event);
  else if (event.failure().code != errc::not_found)
    answer.failure = event.failure();
  self->send(request.reply_to, std::move(answer));
}

void look_up(self_pointer self, const look_up_opening& request) {
  opening_looked_up answer;
  answer.opening = request.opening;
  auto stored = self->state.node->store->get_dedup(request.entity, request.opening.view());
  if (!stored) {
    answer.failure = stored.failure();
  } else if (*stored) {
    if (auto opening = proto::decode_opening(**stored))
      answer.conversation = opening->first;
    else
      answer.failure = opening.failure();
  }
  self->send(request.reply_to, std::move(answer));
}

void check(self_pointer self, const check_token& request) {
  token_checked answer;
  answer.from = request.from;
  auto stored = self->state.node->store->get_state(request.key);
  if (!stored) {
    answer.failure = stored.failure();
  } else if (*stored) {
    if (auto record = proto::decode_token(**stored))
      answer.record = *std::move(record);
    else
      answer.failure = record.failure();
  }
  self->send(request.reply_to, std::move(answer));
}

void load(self_pointer self, const load_open_rows& request) {
  open_rows_loaded answer;
  if (auto loaded = self->state.node->store->scan_open(request.tenant))
    answer.what = *std::move(loaded);
  else
    answer.failure = loaded.failure();
  self->send(request.reply_to, std::move(answer));
}

/// Runs the read; an exception becomes a failure that the asker hears of, so that nobody waits for
/// ever and the reader goes on.
template <class Work, class Fail>
void guarded(self_pointer self, Work work, Fail fail) {
  try {
    if (FRONTDESK_FAILPOINT("reader"))
      return fail(domain::error{errc::internal, "failpoint reader"});
    work();
  } catch (const std::exception& problem) {
    self->state.node->numbers->entity_restarts.add();
    self->state.node->log->log(domain::log_level::error, "exception in the reader",
                               {{"what", problem.what()}});
    fail(domain::error{errc::internal, "the read failed"});
  }
}

/// As above, for answers that carry their failure.
template <class Answer, class Target, class Work>
void guarded_answer(self_pointer self, const Target& target, Answer on_failure, Work work) {
  guarded(self, work, [&](const domain::error& reason) {
    on_failure.failure = reason;
    self->send(target, std::move(on_failure));
  });
}

reader_actor::behavior_type reader(self_pointer self, node_context* node) {
  self->state.node = node;
  return {
    [self](const load_conversation& request) {
      guarded_answer(self, request.reply_to, conversation_loaded{}, [&] { load(self, request); });
    },
    [self](const load_visitor& request) {
      guarded_answer(self, request.reply_to, visitor_loaded{}, [&] { load(self, request); });
    },
    [self](const look_up_opening& request) {
      opening_looked_up blank;
      blank.opening = request.opening;
      guarded_answer(self, request.reply_to, blank, [&] { look_up(self, request); });
    },
    [self](read_page& request) {
      guarded(
        self, [&] { page(self, request); },
        [&](const domain::error& reason) {
          request.guard.disarm();
          self->state.node->send(request.to,
                                 domain::problem{reason, request.what.request, false, 0});
        });
    },
    [self](const read_replay& request) {
      replay_read blank;
      blank.to = request.to;
      blank.round = request.round;
      guarded_answer(self, request.reply_to, blank, [&] { replay(self, request); });
    },
    [self](const find_key& request) {
      key_looked_up blank;
      blank.what = {request.what.reply, request.what.who, request.what.key, std::nullopt, 0, 0};
      guarded_answer(self, request.reply_to, blank, [&] { find(self, request); });
    },
    [self](const read_one& request) {
      event_read blank;
      blank.asked = request.number;
      blank.ticket = request.ticket;
      guarded_answer(self, request.reply_to, blank, [&] { read(self, request); });
    },
    [self](const check_token& request) {
      token_checked blank;
      blank.from = request.from;
      guarded_answer(self, request.reply_to, blank, [&] { check(self, request); });
    },
    [self](const load_open_rows& request) {
      guarded_answer(self, request.reply_to, open_rows_loaded{}, [&] { load(self, request); });
    },
  };
}

} // namespace

reader_actor spawn_reader(node_context& node, bool own_thread) {
  return own_thread ? node.system->spawn<caf::detached>(reader, &node)
                    : node.system->spawn(reader, &node);
}

} // namespace frontdesk::actors
