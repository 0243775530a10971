#include "actors/conversation.hpp"

#include "actors/audience.hpp"
#include "actors/entity.hpp"
#include "actors/outbox.hpp"
#include "actors/reader.hpp"
#include "crypto/crypto.hpp"
#include "domain/delivery.hpp"
#include "domain/failpoint.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace frontdesk::actors {

using domain::errc;
using domain::message_seq;

domain::entity_key routing_desk_key(domain::tenant_id tenant) {
  return crypto::key_of_entity(tenant, domain::entity_kind::configuration, {});
}

namespace {

constexpr std::size_t backlog_max
  = 10000;                              ///< what may wait for a load; more is refused: overloaded
constexpr std::size_t recent_max = 128; ///< numbers kept to translate pointers without a read
constexpr std::uint32_t retry_after_ms = 1000;

struct pending_reply {
  connection_ref to;
  domain::opening_key opening;
  std::uint64_t arrival_us = 0;
  bool staff = false;
  resync_guard guard;
};

struct numbered {
  message_seq seq = 0;
  message_seq visible_seq = 0;
  bool hidden = false;
};

struct pointer_state {
  domain::pointer value;
  message_seq delivered_visible = 0;
  message_seq read_visible = 0;
};

// Why an event is being read.
struct target_ticket {
  domain::commanded waiting;
};

struct mark_ticket {
  domain::actor_identity who;
  bool read = false;
};

using backlog_item = std::variant<open_conversation, command_request, subscribe_request,
                                  unsubscribe_request, mark_request, typing_request, route_request>;

struct conversation_state;
using self_pointer = conversation_actor::stateful_pointer<conversation_state>;

struct conversation_state : entity_base {
  static inline const char* name = "conversation";

  explicit conversation_state(conversation_actor::pointer) : viewers(nullptr) {}

  self_pointer self = nullptr;
  domain::conversation_id id;
  domain::incarnation loaded = 0;
  bool loading = false;
  bool absent = false;  ///< loaded and not found: opening it makes it
  bool leaving = false; ///< the last head is on its way to the disk
  std::uint64_t last_work_us = 0;
  std::optional<domain::conversation> machine;
  open_conversation opening;
  std::deque<backlog_item> backlog;
  audience viewers;
  std::unordered_map<domain::reply_token, pending_reply> replies;
  domain::reply_token last_reply = 0;
  std::vector<domain::reply_token> answered; ///< to be erased when the effects are done
  std::deque<std::shared_ptr<const domain::append>> appends; ///< queued, outcome not known
  std::map<message_seq, message_seq> visible_targets; ///< of events that pending edits are about
  std::unordered_map<std::uint64_t, std::variant<target_ticket, mark_ticket>> tickets;
  std::uint64_t last_ticket = 0;
  std::deque<numbered> recent; ///< newest stored events, ascending
  std::map<domain::participant, pointer_state> pointers;
  std::map<domain::participant, pointer_state> moved; ///< pointers that are to be written
  std::deque<std::pair<const domain::append*, std::vector<pointer_state>>>
    moving; ///< being written
  bool pointer_tick_sent = false;
  std::uint64_t last_pointer_us = 0;
  domain::account_id assignee_known{};
  domain::account_id routed_to{};

  // -- life
  // ------------------------------------------------------------------------------------------------------

  void begin(self_pointer owner) {
    self = owner;
    id = domain::id_cast<domain::conversation_id>(key.id);
    loaded = node->next_incarnation();
    viewers = audience([this](const connection_ref& to, bool staff, std::uint64_t round,
                              bool newest, message_seq after) {
      self->send(node->reader, read_replay{to, round, key, staff, newest, after, self});
    });
    touch();
    self->delayed_send(self, std::chrono::milliseconds(node->bounds.conversation_idle_ms),
                       idle_tick{});
  }

  void touch() { last_work_us = node->steady_us(); }

  /// True when the message has been put aside until the conversation is loaded.
  template <class Message>
  bool deferred(Message& message) {
    if (machine && !leaving)
      return false;
    if (backlog.size() >= backlog_max)
      return true; // its guard tells the client
    backlog.emplace_back(std::move(message));
    if (!loading && !leaving) {
      loading = true;
      self->send(node->persistence, load_conversation{key, loaded, self});
    }
    return true;
  }

  void take_backlog() {
    auto items = std::exchange(backlog, {});
    for (auto& item : items)
      std::visit([this](auto& message) { handle(message); }, item);
  }

  void on_loaded(conversation_loaded& event) {
    loading = false;
    if (machine)
      return take_backlog(); // opened meanwhile
    // A read that crashed may pass the next time: a new actor tries, and the clients ask again.
    if (event.failure && event.failure->code == errc::internal)
      return self->quit(caf::sec::runtime_error);
    if (event.failure && event.failure->code != errc::not_found) {
      node->log->log(domain::log_level::error, "conversation cannot be loaded",
                     {{"conversation", to_string(id)}, {"reason", event.failure->message}});
      // Whoever waits is told; the next message tries again with a new actor.
      refuse_backlog(*event.failure);
      return leave();
    }
    if (event.failure) {
      bool opens = std::any_of(backlog.begin(), backlog.end(), [](const auto& item) {
        return std::holds_alternative<open_conversation>(item);
      });
      if (!opens) {
        refuse_backlog({errc::not_found, "there is no such conversation", "conversation"});
        return leave();
      }
      absent = true;
      return take_backlog();
    }
    wake_up(event);
    take_backlog();
  }

  void wake_up(conversation_loaded& event) {
    auto head = std::move(event.what.head);
    auto head_seq = head.seq;
    std::string excerpt;
    for (const auto& stored : event.what.after_head) {
      std::optional<domain::public_part> open;
      std::optional<domain::staff_part> staff;
      if (auto content = proto::open_part(stored.public_bytes);
          content && !stored.public_bytes.empty())
        if (auto part = proto::decode_public_part(*content))
          open = *std::move(part);
      if (auto content = proto::open_part(stored.staff_bytes);
          content && !stored.staff_bytes.empty())
        if (auto part = proto::decode_staff_part(*content))
          staff = *std::move(part);
      fold(node->bounds, head, stored.seq, stored.header, open, staff);
      if (open && stored.header.author.kind == domain::participant_kind::visitor)
        if (auto* text = std::get_if<domain::text_content>(&open->body))
          excerpt = text->text;
      remember({stored.seq, stored.header.visible_seq, stored.header.hidden});
    }
    assignee_known = head.assignee;
    for (std::size_t i = 0; i < event.what.pointers.size(); ++i) {
      const auto& each = event.what.pointers[i];
      pointers[each.who] = {each, event.visible[i].first, event.visible[i].second};
    }
    machine.emplace(node->bounds, key.tenant, id, std::move(head), head_seq, excerpt);
    for (auto& back : node->region->unpark(key)) {
      auto current = back.who.staff ? machine->stored_seq() : machine->stored_visible_seq();
      auto guard = node->guard(back.from, id);
      viewers.restore(std::move(back), current, std::move(guard));
    }
  }

  void refuse_backlog(const domain::error& reason) {
    for (auto& item : std::exchange(backlog, {})) {
      if (auto* request = std::get_if<command_request>(&item)) {
        request->guard.disarm();
        node->send(request->reply_to,
                   domain::refuse{request->what.conversation, request->what.opening,
                                  request->what.key, reason, 0});
      } else if (auto* wanted = std::get_if<subscribe_request>(&item)) {
        wanted->guard.disarm();
        node->send(wanted->from, domain::problem{reason, 0, false, 0});
      }
    }
  }

  void leave() {
    if (retiring)
      return;
    bool real = machine && machine->exists();
    auto parked = viewers.release();
    if (real)
      node->region->park(key, std::move(parked));
    retire(self);
  }

  void on_idle() {
    if (retiring)
      return;
    auto idle_us = node->bounds.conversation_idle_ms * 1000;
    bool busy = loading || leaving || !backlog.empty() || !appends.empty() || !replies.empty()
                || !tickets.empty() || !moved.empty() || !viewers.settled()
                || (machine && !machine->idle());
    auto silent_us = node->steady_us() - last_work_us;
    if (busy || silent_us < idle_us) {
      auto wait = busy ? idle_us : idle_us - silent_us;
      self->delayed_send(self, std::chrono::microseconds(wait), idle_tick{});
      return;
    }
    if (machine)
      if (auto head = machine->head_to_write()) {
        leaving = true; // what comes meanwhile waits for the outcome
        self->delayed_send(self, std::chrono::microseconds(idle_us), idle_tick{});
        domain::append last;
        last.head = proto::encode(*head);
        return queue(std::move(last));
      }
    leave();
  }

  // -- appends
  // ---------------------------------------------------------------------------------------------------

  const domain::append* queue(domain::append what, message_seq previous_seq,
                              std::optional<domain::entity_key> also) {
    what.entity = key;
    what.loaded = loaded;
    what.previous_seq = previous_seq;
    auto shared = std::make_shared<const domain::append>(std::move(what));
    appends.push_back(shared);
    self->send(node->persistence, append_request{shared, also, self});
    return shared.get();
  }

  const domain::append* queue_state(domain::append what) {
    return queue(std::move(what), machine->head().seq, {});
  }

  void queue(domain::append what) { queue_state(std::move(what)); }

  void on_stored(const append_stored& event, outbox& out) {
    if (FRONTDESK_FAILPOINT("conversation_stored"))
      return;
    std::vector<std::shared_ptr<const domain::append>> done;
    while (!appends.empty()) {
      done.push_back(std::move(appends.front()));
      appends.pop_front();
      if (done.back().get() == event.through)
        break;
    }
    if (opening.number_reservation && !done.empty()) {
      node->allocator->confirm(*opening.number_reservation);
      opening.number_reservation.reset();
    }
    perform(machine->on(domain::stored{event.seq}), done, event.position, out);
    while (!moving.empty() && std::any_of(done.begin(), done.end(), [&](const auto& each) {
      return each.get() == moving.front().first;
    })) {
      for (const auto& each : moving.front().second)
        show_pointer(each, out);
      moving.pop_front();
    }
    if (leaving && appends.empty()) {
      leaving = false;
      if (backlog.empty())
        return leave();
      take_backlog();
    }
  }

  // -- effects
  // ---------------------------------------------------------------------------------------------------

  using stored_appends = std::vector<std::shared_ptr<const domain::append>>;

  void perform(domain::conversation_effects effects, const stored_appends& done,
               std::uint64_t position, outbox& out) {
    for (auto& effect : effects)
      std::visit([&](auto& one) { perform_one(one, done, position, out); }, effect);
    // Only now: an acknowledgement comes before the event is shown, and showing asks who has had
    // it.
    for (auto reply : std::exchange(answered, {}))
      replies.erase(reply);
  }

  void perform(domain::conversation_effects effects, outbox& out) {
    perform(std::move(effects), {}, 0, out);
  }

  void perform_one(domain::append_events& effect, const stored_appends&, std::uint64_t, outbox&) {
    domain::append what;
    what.events.reserve(effect.events.size());
    for (auto& made : effect.events) {
      domain::stored_event event{made.seq, made.header, 0, seal(made.open), seal(made.staff)};
      event.header.public_hash
        = event.public_bytes.empty() ? 0 : crypto::hash64(event.public_bytes);
      event.header.staff_hash = event.staff_bytes.empty() ? 0 : crypto::hash64(event.staff_bytes);
      what.events.push_back(std::move(event));
    }
    for (auto& parts : effect.rewrites)
      what.rewrites.push_back({parts.target, parts.revision, seal(parts.open), seal(parts.staff)});
    if (effect.head)
      what.head = proto::encode(*effect.head);
    domain::state_key entry{{key.shard, key.tenant, domain::entity_kind::open_conversation, key.id},
                            domain::state_field::record,
                            {}};
    if (effect.open_entry)
      what.states.push_back({entry, proto::encode(*effect.open_entry)});
    if (effect.close_entry)
      what.states.push_back({entry, std::nullopt});
    std::optional<domain::entity_key> also;
    if (effect.creates) {
      const auto& made = opening.what;
      domain::entity_key visitor{key.shard, key.tenant, domain::entity_kind::visitor,
                                 domain::id_cast<domain::entity_id>(made.visitor)};
      also = visitor;
      what.states.push_back(
        {{visitor, domain::state_field::record, {}},
         proto::encode(domain::visitor_record{made.inbox, made.visitor_name, made.time})});
      what.states.push_back({{visitor, domain::state_field::conversation, key.id}, std::string()});
      if (made.opening)
        what.dedups.push_back(
          {visitor, std::string(made.opening.view()), proto::encode_opening(id, made.time)});
      if (opening.number_reservation)
        what.states.push_back(*opening.number_reservation);
    }
    queue(std::move(what), effect.previous_seq, also);
  }

  void perform_one(domain::acked& effect, const stored_appends& done, std::uint64_t, outbox& out) {
    auto found = replies.find(effect.reply);
    if (found == replies.end())
      return;
    if (done.empty())
      node->numbers->commands_repeated.add(); // answered from what is stored
    auto& reply = found->second;
    auto frame
      = proto::encode_acknowledge({id, reply.opening, effect.key, reply.staff ? effect.seq : 0,
                                   effect.visible_seq, effect.time, machine->head().number});
    out.add(reply.to, std::make_shared<const std::string>(std::move(frame)), reply.arrival_us);
    finish_reply(found);
  }

  void perform_one(domain::refused& effect, const stored_appends&, std::uint64_t, outbox& out) {
    if (effect.reply == 0) {
      // The routing desk's: it tries again with what is true by then.
      node->region->tell_if_present(routing_desk_key(key.tenant), route_refused{id, routed_to});
      return;
    }
    auto found = replies.find(effect.reply);
    if (found == replies.end())
      return;
    node->numbers->commands_refused.add();
    bool later = domain::worth_retrying(effect.reason.code);
    out.add(found->second.to, domain::refuse{id, found->second.opening, effect.key,
                                             std::move(effect.reason), later ? retry_after_ms : 0});
    finish_reply(found);
  }

  void perform_one(domain::out_of_order& effect, const stored_appends&, std::uint64_t,
                   outbox& out) {
    auto found = replies.find(effect.reply);
    if (found == replies.end())
      return;
    out.add(found->second.to, domain::gap{id, found->second.opening, effect.key, effect.last});
    finish_reply(found);
  }

  void perform_one(domain::look_up& effect, const stored_appends&, std::uint64_t, outbox&) {
    self->send(node->reader, find_key{key, effect, self});
  }

  void perform_one(domain::read_target& effect, const stored_appends&, std::uint64_t, outbox&) {
    auto ticket = ++last_ticket;
    auto number = effect.seq;
    bool by_visible = effect.by_visible;
    tickets.emplace(ticket, target_ticket{std::move(effect.waiting)});
    self->send(node->reader, read_one{key, number, by_visible, ticket, self});
  }

  void perform_one(domain::show& effect, const stored_appends& done, std::uint64_t, outbox& out) {
    const domain::stored_event* event = nullptr;
    const domain::event_rewrite* parts = nullptr;
    for (const auto& each : done) {
      for (const auto& candidate : each->events)
        if (candidate.seq == effect.seq)
          event = &candidate;
      for (const auto& candidate : each->rewrites)
        if (candidate.revision == effect.seq)
          parts = &candidate;
    }
    if (!event)
      return;
    remember({event->seq, event->header.visible_seq, event->header.hidden});
    message_seq visible_target = 0;
    if (event->header.target != 0) {
      auto known = visible_targets.find(event->header.target);
      if (known != visible_targets.end())
        visible_target = known->second;
    }
    std::optional<connection_ref> sender;
    if (auto found = replies.find(effect.sender); effect.sender != 0 && found != replies.end())
      sender = found->second.to;
    auto push = [&](bool staff) -> frame_bytes {
      auto shown = *event;
      if (parts) {
        shown.public_bytes = parts->public_bytes;
        shown.staff_bytes = parts->staff_bytes;
      }
      node->numbers->pushes.add();
      auto bytes = push_of(id, shown, visible_target, 0, staff);
      return std::make_shared<const std::string>(bytes ? *std::move(bytes) : std::string());
    };
    viewers.show({event->seq, event->header.visible_seq, event->header.hidden,
                  [&] { return push(true); }, [&] { return push(false); }},
                 sender, out);
  }

  void perform_one(domain::row_changed& effect, const stored_appends&, std::uint64_t position,
                   outbox&) {
    const auto& row = effect.row;
    auto before
      = std::exchange(assignee_known, effect.closed ? domain::account_id{} : row.assignee);
    if (before != assignee_known) {
      auto tell_agent = [&](const domain::account_id& account, bool mine) {
        if (!account)
          return;
        auto agent = crypto::key_of_entity(key.tenant, domain::entity_kind::account,
                                           domain::id_cast<domain::entity_id>(account));
        node->region->tell_if_present(agent, assignment_noted{id, mine});
      };
      tell_agent(before, false);
      tell_agent(assignee_known, true);
    }
    domain::entity_key visitor{key.shard, key.tenant, domain::entity_kind::visitor,
                               domain::id_cast<domain::entity_id>(row.visitor)};
    node->region->tell_if_present(visitor, conversation_noted{id, !effect.closed});
    node->region->tell(routing_desk_key(key.tenant),
                       row_noted{row, effect.closed, key.shard, position});
  }

  static std::string seal(const std::optional<domain::public_part>& part) {
    return part ? proto::seal_part(proto::encode(*part), crypto::random_u64()) : std::string();
  }

  static std::string seal(const std::optional<domain::staff_part>& part) {
    return part ? proto::seal_part(proto::encode(*part), crypto::random_u64()) : std::string();
  }

  void finish_reply(std::unordered_map<domain::reply_token, pending_reply>::iterator found) {
    found->second.guard.disarm();
    answered.push_back(found->first);
  }

  void remember(numbered one) {
    recent.push_back(one);
    if (recent.size() > recent_max)
      recent.pop_front();
  }

  // -- messages
  // --------------------------------------------------------------------------------------------------

  void handle(open_conversation& request) {
    touch();
    if (machine && machine->exists())
      return; // a repeat of an opening
    bool absent_for_sure = machine || request.fresh || absent;
    if (!absent_for_sure && deferred(request))
      return;
    opening = std::move(request);
    machine.emplace(node->bounds, opening.what);
  }

  void handle(command_request& request) {
    if (deferred(request))
      return;
    touch();
    FRONTDESK_FAILPOINT("conversation_command");
    outbox out(*node);
    auto reply = ++last_reply;
    domain::commanded event{std::move(request.from),
                            std::move(request.what),
                            reply,
                            std::max(node->now(), machine->head().last_activity),
                            std::move(request.assignee),
                            request.assignee_team};
    replies.emplace(reply, pending_reply{request.reply_to, event.what.opening, request.arrival_us,
                                         event.from.staff, std::move(request.guard)});
    perform(machine->on(event), out);
  }

  void handle(subscribe_request& request) {
    if (deferred(request))
      return;
    touch();
    outbox out(*node);
    const auto& head = machine->head();
    bool allowed
      = request.who.staff || request.who.who.id == domain::id_cast<domain::entity_id>(head.visitor);
    if (!allowed) {
      request.guard.disarm();
      return out.add(
        request.from,
        domain::problem{
          {errc::not_found, "there is no such conversation", "conversation"}, 0, false, 0});
    }
    auto current = request.who.staff ? machine->stored_seq() : machine->stored_visible_seq();
    bool reset = request.reset || (request.has_cursor && request.after > current);
    std::optional<message_seq> after;
    if (request.has_cursor && !reset)
      after = request.after;
    domain::subscribed answer;
    answer.conversation = id;
    answer.reset = reset;
    answer.seq = request.who.staff ? machine->stored_seq() : 0;
    answer.visible_seq = machine->stored_visible_seq();
    answer.status = head.status;
    answer.number = head.number;
    answer.assignee_name = head.assignee_profile.name;
    answer.visitor_name = head.visitor_name;
    for (const auto& [who, each] : pointers)
      answer.pointers.push_back(as_seen(each, request.who.staff));
    answer.own_clients = machine->clients_of(request.who.who);
    out.add(request.from, answer);
    viewers.add(request.who, request.from, after, current, std::move(request.guard));
  }

  void handle(unsubscribe_request& request) {
    if (deferred(request))
      return;
    viewers.remove(request.from);
  }

  void handle(typing_request& request) {
    if (deferred(request))
      return;
    outbox out(*node);
    domain::typing_shown frame{id, {request.who.who.kind, request.who.name}, request.on};
    auto bytes = std::make_shared<const std::string>(
      proto::encode(domain::server_frame{frame}, domain::wire_form::proto));
    viewers.each([&](const domain::actor_identity& who, const connection_ref& to) {
      if (who.who != request.who.who)
        out.add(to, bytes);
    });
  }

  void handle(route_request& request) {
    if (deferred(request))
      return;
    touch();
    outbox out(*node);
    routed_to = request.what.account;
    auto event = std::move(request.what);
    event.time = std::max(node->now(), machine->head().last_activity);
    perform(machine->on(event), out);
  }

  // -- pointers
  // --------------------------------------------------------------------------------------------------

  void handle(mark_request& request) {
    if (deferred(request))
      return;
    touch();
    bool visitor_of_it
      = request.who.who.id == domain::id_cast<domain::entity_id>(machine->head().visitor);
    if (!request.who.staff && !visitor_of_it)
      return;
    place_mark(request.who, request.delivered, false);
    place_mark(request.who, request.read, true);
    schedule_pointers();
  }

  void place_mark(const domain::actor_identity& who, message_seq number, bool read) {
    if (number == 0)
      return;
    auto newest = who.staff ? machine->stored_seq() : machine->stored_visible_seq();
    if (number >= newest)
      return move_pointer(who, {machine->stored_seq(), machine->stored_visible_seq(), false}, read);
    for (auto it = recent.rbegin(); it != recent.rend(); ++it) {
      bool same = who.staff ? it->seq == number : !it->hidden && it->visible_seq == number;
      if (same)
        return move_pointer(who, *it, read);
    }
    auto ticket = ++last_ticket;
    tickets.emplace(ticket, mark_ticket{who, read});
    self->send(node->reader, read_one{key, number, !who.staff, ticket, self});
  }

  void move_pointer(const domain::actor_identity& who, const numbered& to, bool read) {
    auto waiting = moved.find(who.who);
    auto current = waiting != moved.end() ? waiting->second : pointers[who.who];
    current.value.who = who.who;
    auto forward = [&](message_seq& seq, message_seq& visible) {
      if (to.seq <= seq)
        return false;
      seq = to.seq;
      visible = to.visible_seq;
      return true;
    };
    bool changed = read && forward(current.value.read, current.read_visible);
    // What was read was delivered.
    changed = forward(current.value.delivered, current.delivered_visible) || changed;
    if (!changed)
      return;
    moved[who.who] = current;
  }

  /// At most one write per interval.
  void schedule_pointers() {
    if (moved.empty())
      return;
    auto interval_us = node->bounds.pointer_interval_ms * 1000;
    auto since = node->steady_us() - last_pointer_us;
    if (last_pointer_us == 0 || since >= interval_us)
      return write_pointers();
    if (pointer_tick_sent)
      return;
    pointer_tick_sent = true;
    self->delayed_send(self, std::chrono::microseconds(interval_us - since), flush_pointers{});
  }

  void write_pointers() {
    if (moved.empty() || leaving)
      return;
    last_pointer_us = node->steady_us();
    domain::append what;
    std::vector<pointer_state> written;
    for (auto& [who, each] : moved) {
      what.states.push_back(
        {{key, domain::state_field::pointer, who.id}, proto::encode(each.value)});
      pointers[who] = each;
      written.push_back(each);
    }
    moved.clear();
    auto* queued = queue_state(std::move(what));
    moving.emplace_back(queued, std::move(written));
  }

  static domain::pointer as_seen(const pointer_state& each, bool staff) {
    if (staff)
      return each.value;
    // Visitors know no ids and no seq.
    return {{each.value.who.kind, {}}, each.delivered_visible, each.read_visible};
  }

  void show_pointer(const pointer_state& each, outbox& out) {
    frame_bytes for_staff;
    frame_bytes for_visitors;
    viewers.each([&](const domain::actor_identity& who, const connection_ref& to) {
      auto& frame = who.staff ? for_staff : for_visitors;
      if (!frame)
        frame = std::make_shared<const std::string>(
          proto::encode(domain::server_frame{domain::pointer_moved{id, as_seen(each, who.staff)}},
                        domain::wire_form::proto));
      out.add(to, frame);
    });
  }

  // -- answers of the reader
  // -------------------------------------------------------------------------------------

  void on_read(event_read& event) {
    auto found = tickets.find(event.ticket);
    if (found == tickets.end())
      return;
    auto ticket = std::move(found->second);
    tickets.erase(found);
    outbox out(*node);
    if (auto* mark = std::get_if<mark_ticket>(&ticket)) {
      if (event.event)
        move_pointer(
          mark->who,
          {event.event->seq, event.event->header.visible_seq, event.event->header.hidden},
          mark->read);
      schedule_pointers();
      return;
    }
    domain::target_read answer;
    answer.waiting = std::move(std::get<target_ticket>(ticket).waiting);
    if (event.event) {
      const auto& target = *event.event;
      answer.seq = target.seq;
      answer.header = target.header;
      visible_targets[target.seq] = target.header.visible_seq;
      if (visible_targets.size() > recent_max)
        visible_targets.erase(visible_targets.begin());
      read_parts(target, answer);
    }
    perform(machine->on(answer), out);
  }

  static void read_parts(const domain::stored_event& target, domain::target_read& answer) {
    if (!target.public_bytes.empty())
      if (auto content = proto::open_part(target.public_bytes))
        if (auto part = proto::decode_public_part(*content)) {
          answer.profile = part->author;
          answer.recalled = std::holds_alternative<domain::recalled_content>(part->body);
          if (auto* text = std::get_if<domain::text_content>(&part->body))
            answer.quote = text->quote;
        }
    if (!target.staff_bytes.empty())
      if (auto content = proto::open_part(target.staff_bytes))
        if (auto part = proto::decode_staff_part(*content)) {
          answer.recalled
            = answer.recalled || std::holds_alternative<domain::recalled_content>(part->body);
          if (auto* text = std::get_if<domain::text_content>(&part->body))
            answer.quote = text->quote;
        }
  }
};

conversation_actor::behavior_type conversation(self_pointer self, node_context* node,
                                               domain::entity_key key, std::uint64_t generation) {
  begin_entity(self, node, key, generation);
  self->state.begin(self);
  auto& state = self->state;
  return {
    [self, &state](open_conversation& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](command_request& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](subscribe_request& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](unsubscribe_request& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](mark_request& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](typing_request& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [self, &state](route_request& request) {
      if (!forwarded(self, request))
        state.handle(request);
    },
    [&state, node](const append_stored& event) {
      outbox out(*node);
      state.on_stored(event, out);
    },
    [self](const append_failed&) {
      // What is durable is not known here any more: a new actor reads it, and every client asks
      // again.
      self->quit(caf::sec::runtime_error);
    },
    [self, &state](conversation_loaded& event) {
      if (!state.retiring)
        state.on_loaded(event);
    },
    [&state, node](const replay_read& event) {
      outbox out(*node);
      if (state.machine)
        state.viewers.replayed(event, state.machine->stored_seq(),
                               state.machine->stored_visible_seq(), out);
    },
    [self, &state, node](const key_looked_up& event) {
      // Without an answer nobody may say whether the command is known: a new actor and the client
      // try again.
      if (event.failure)
        return self->quit(caf::sec::runtime_error);
      outbox out(*node);
      if (state.machine)
        state.perform(state.machine->on(event.what), out);
    },
    [self, &state](event_read& event) {
      if (event.failure)
        return self->quit(caf::sec::runtime_error);
      if (state.machine)
        state.on_read(event);
    },
    [&state](flush_pointers) {
      state.pointer_tick_sent = false;
      if (!state.retiring)
        state.write_pointers();
    },
    [&state](idle_tick) { state.on_idle(); },
    [self, &state](farewell) {
      self->send(state.node->persistence, forget_entity{state.key, state.loaded});
      self->quit();
    },
  };
}

} // namespace

caf::actor spawn_conversation(node_context& node, const domain::entity_key& key,
                              std::uint64_t generation) {
  return caf::actor_cast<caf::actor>(
    node.system->spawn<caf::lazy_init>(conversation, &node, key, generation));
}

} // namespace frontdesk::actors
