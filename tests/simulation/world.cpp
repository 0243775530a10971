#include "tests/simulation/world.hpp"

#include "domain/delivery.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <tuple>

namespace frontdesk::simulation {

using namespace domain;

namespace {

constexpr unix_ms work_ends = 1'500;   ///< people write until then
constexpr unix_ms faults_end = 2'500;  ///< then everything works
constexpr unix_ms world_ends = 60'000; ///< what has not been delivered by then never is

template <class Id>
Id id(std::uint64_t n) {
  Id made;
  for (int i = 0; i < 8; ++i)
    made.bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
  return made;
}

const auto the_conversation = id<conversation_id>(9);
const auto the_opening = id<opening_key>(8);

conversation_opened opening() {
  conversation_opened opened;
  opened.tenant = tenant_id{1};
  opened.id = the_conversation;
  opened.visitor = id<visitor_id>(1);
  opened.visitor_name = "Vera";
  opened.number = 65;
  opened.opening = the_opening;
  opened.time = 1;
  return opened;
}

/// A violated promise ends the run.
struct violation {
  std::string what;
};

struct log_entry {
  event_header header{};
  std::optional<public_part> open{}; ///< as first stored
  std::optional<staff_part> staff{};
  bool recalled = false;
};

/// What has been made durable. Nobody reads anything else after a crash.
struct durable_log {
  std::vector<log_entry> events{};
  std::vector<message_seq> visible{}; ///< seq of each visible number
  std::map<std::pair<participant, client_key>, message_seq> places{};
  conversation_head head{};
  message_seq head_seq = 0;
  std::string excerpt{};

  message_seq end() const { return events.size(); }
};

struct client {
  actor_identity who{};
  std::optional<delivery> machine{};
  bool up = false;
  std::uint64_t link = 0;       ///< number of the link; answers to older ones are lost
  message_seq cursor = 0;       ///< last event shown: seq for staff, visible_seq for the visitor
  bool subscribed = false;      ///< as the server knows it, on this link
  unix_ms last_arrival[2] = {}; ///< of each direction, to keep an ordered link ordered
  unix_ms ask_again = 0;
  std::uint64_t written = 0;
  std::set<message_handle> open{}; ///< neither confirmed nor rejected nor dropped
  std::map<message_handle, client_key> rejected{};
};

struct token {
  std::size_t client = 0;
  std::uint64_t link = 0;
  opening_key opening{};
};

class world {
public:
  world(const plan& what, const machine_maker& make)
    : plan_(what), make_(make), random_(what.seed) {
    wild_ = chance(50);
    pushes_confirm_ = chance(50);
    bounds_.events_per_head = 8;
    bounds_.in_flight_per_client = 2 + below(5);
    bounds_.clients_per_conversation = 2 + below(5);
    seal();
  }

  outcome run() {
    try {
      begin();
      while (!queue_.empty()) {
        std::pop_heap(queue_.begin(), queue_.end());
        const auto next = std::move(queue_.back());
        queue_.pop_back();
        now_ = next.time;
        if (now_ > world_ends)
          throw violation{"liveness: still busy when the world ends"};
        next.what();
      }
      judge_end();
    } catch (const violation& broken) {
      result_.violation = broken.what;
      note([&] { return "VIOLATION " + broken.what; });
    }
    return std::move(result_);
  }

private:
  struct task {
    unix_ms time = 0;
    std::uint64_t order = 0;
    std::function<void()> what{};

    bool operator<(const task& other) const {
      return std::tie(other.time, other.order) < std::tie(time, order);
    }
  };

  // -- dice and time
  // ---------------------------------------------------------------------------------------------

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  bool chance(std::uint64_t percent) { return below(100) < percent; }

  bool fault(std::uint64_t percent) { return now_ < faults_end && chance(percent); }

  void after(unix_ms delay, std::function<void()> what) {
    queue_.push_back({now_ + delay, ++order_, std::move(what)});
    std::push_heap(queue_.begin(), queue_.end());
  }

  template <class Text>
  void note(Text text) {
    if (plan_.trace)
      result_.trace.push_back(std::to_string(now_) + " " + text());
  }

  void seal() {
    log_.head = conversation(bounds_, opening()).head();
    creation_ = log_.head;
  }

  // -- people
  // ----------------------------------------------------------------------------------------------------

  void begin() {
    const actor_identity vera{{participant_kind::visitor, id<entity_id>(1)}, "Vera", false, {}};
    const actor_identity ann{
      {participant_kind::account, id<entity_id>(2)}, "Ann", true, id<team_id>(7)};
    const actor_identity bob{{participant_kind::account, id<entity_id>(3)}, "Bob", true, {}};
    for (const auto& who : {vera, vera, ann, bob}) {
      auto& one = clients_.emplace_back();
      one.who = who;
      const delivery_bounds outgoing{1 + below(6), 100};
      one.machine.emplace(outgoing, who.staff ? the_conversation : conversation_id{},
                          who.staff ? opening_key{} : the_opening, id<client_id>(++client_ids_));
    }
    for (std::size_t c = 0; c < clients_.size(); ++c) {
      connect(c);
      const auto count = 3 + below(8);
      for (std::uint64_t i = 0; i < count; ++i)
        after(static_cast<unix_ms>(below(work_ends)), [this, c] { write(c); });
      watch(c);
    }
    trouble();
    desk();
  }

  command_body thought(std::size_t c) {
    auto& one = clients_[c];
    const auto words = std::to_string(c) + ":" + std::to_string(++one.written);
    const auto dice = below(100);
    const auto target = 1 + below(one.cursor + 1);
    const auto quote = chance(20) ? below(one.cursor + 2) : 0;
    if (dice < 8)
      return edit_message{target, words};
    if (dice < 16)
      return recall_message{target};
    if (dice < 22)
      return post_message{{"", 0}}; // refused
    if (dice < 26)
      return resolve{}; // refused from a visitor
    if (!one.who.staff)
      return post_message{{words, quote}};
    if (dice < 32)
      return reopen{};
    if (dice < 38)
      return assign{};
    if (dice < 44)
      return assign{id_cast<account_id>(one.who.who.id), {}};
    if (dice < 60)
      return post_note{{words, quote}};
    return post_message{{words, quote}};
  }

  void write(std::size_t c) {
    auto& one = clients_[c];
    const auto burst = 1 + below(3);
    for (std::uint64_t i = 0; i < burst; ++i) {
      delivery_effects effects;
      const auto handle = one.machine->enqueue(thought(c), effects);
      if (handle)
        one.open.insert(*handle);
      perform(c, effects);
    }
  }

  /// A client on a network that loses frames looks after itself; on an ordered link it needs no
  /// clock.
  void watch(std::size_t c) {
    if (!wild_)
      return;
    after(120 + static_cast<unix_ms>(below(60)), [this, c] {
      auto& one = clients_[c];
      if (one.up) {
        perform(c, one.machine->on(answer_overdue{}));
        subscribe_again(c);
      }
      const bool done = now_ > faults_end && all_delivered();
      if (!done)
        watch(c);
    });
  }

  void perform(std::size_t c, const delivery_effects& effects) {
    for (const auto& effect : effects)
      std::visit([&](const auto& one) { perform(c, one); }, effect);
  }

  void perform(std::size_t c, const send_command& effect) {
    const auto& who = clients_[c].who.who;
    const auto [known, is_new] = sent_.try_emplace({who, effect.what.key}, effect.what.body);
    if (!is_new && !(known->second == effect.what.body))
      throw violation{"number reused: " + name(effect.what.key) + " was sent with other content"};
    note([&] {
      return "client " + std::to_string(c) + " sends " + name(effect.what.key) + " after "
             + std::to_string(effect.what.previous);
    });
    const auto link = clients_[c].link;
    to_server(c, [this, c, link, what = effect.what] { receive(c, link, what); });
  }

  void perform(std::size_t c, const message_confirmed& effect) {
    auto& one = clients_[c];
    ++result_.seen.confirmed;
    const auto place = log_.places.find({one.who.who, effect.key});
    if (place == log_.places.end())
      throw violation{"acked but not stored: " + name(effect.key) + " of client "
                      + std::to_string(c)};
    const auto& header = log_.events[place->second - 1].header;
    if (one.who.staff && effect.seq != 0 && effect.seq != place->second)
      throw violation{"acked at a wrong seq: " + name(effect.key)};
    if (effect.visible_seq != 0 && effect.visible_seq != header.visible_seq)
      throw violation{"acked at a wrong visible_seq: " + name(effect.key)};
    if (one.rejected.erase(effect.handle) != 0)
      ++result_.seen.stored_after_refusal;
    else if (one.open.erase(effect.handle) == 0)
      throw violation{"confirmed twice: handle " + std::to_string(effect.handle)};
  }

  void perform(std::size_t c, const message_rejected& effect) {
    auto& one = clients_[c];
    ++result_.seen.rejected;
    note([&] { return "client " + std::to_string(c) + " gives up " + name(effect.key); });
    if (one.open.erase(effect.handle) == 0)
      throw violation{"rejected what was not open: " + std::to_string(effect.handle)};
    one.rejected[effect.handle] = effect.key;
  }

  void perform(std::size_t c, const ask_person& effect) {
    result_.seen.asked += effect.handles.size();
    for (const auto handle : effect.handles) {
      const bool again = chance(60);
      after(1 + static_cast<unix_ms>(below(100)), [this, c, handle, again] {
        auto& one = clients_[c];
        if (!again)
          one.open.erase(handle);
        perform(c, one.machine->on(person_answered{handle, again}));
      });
    }
  }

  void perform(std::size_t c, const need_client_id& /*effect*/) {
    after(1, [this, c, made = id<client_id>(++client_ids_)] {
      perform(c, clients_[c].machine->on(client_id_made{made}));
    });
  }

  void perform(std::size_t c, const retry_later& effect) {
    after(effect.after_ms, [this, c] { perform(c, clients_[c].machine->on(retry_due{})); });
  }

  // -- the network
  // -----------------------------------------------------------------------------------------------

  void connect(std::size_t c) {
    auto& one = clients_[c];
    one.up = true;
    ++one.link;
    note([&] { return "client " + std::to_string(c) + " connects"; });
    perform(c, one.machine->on(link_up{}));
    subscribe_again(c);
  }

  void break_link(std::size_t c) {
    auto& one = clients_[c];
    if (!one.up)
      return;
    ++result_.seen.broken_links;
    one.up = false;
    one.subscribed = false;
    note([&] { return "client " + std::to_string(c) + " breaks off"; });
    perform(c, one.machine->on(link_down{}));
    after(1 + static_cast<unix_ms>(below(80)), [this, c] { connect(c); });
  }

  /// An ordered link keeps order and loses nothing while it stands; a wild one does what it likes.
  void transmit(std::size_t c, int direction, std::function<void()> frame) {
    auto& one = clients_[c];
    if (wild_) {
      if (fault(8)) {
        ++result_.seen.lost_frames;
        return;
      }
      if (fault(8)) {
        ++result_.seen.doubled_frames;
        after(1 + static_cast<unix_ms>(below(60)), frame);
      }
      after(1 + static_cast<unix_ms>(below(now_ < faults_end ? 60 : 5)), std::move(frame));
      return;
    }
    auto& last = one.last_arrival[direction];
    last = std::max(last, now_ + 1 + static_cast<unix_ms>(below(15)));
    after(last - now_, std::move(frame));
  }

  void to_server(std::size_t c, std::function<void()> frame) {
    const auto link = clients_[c].link;
    const bool survives = chance(50);
    const auto delay = 1 + static_cast<unix_ms>(below(100));
    transmit(c, 0, [this, c, link, survives, delay, frame = std::move(frame)] {
      if (clients_[c].link == link && clients_[c].up)
        return frame();
      // The server may still read what stood in the socket, perhaps after the new link has begun to
      // speak.
      if (!survives)
        return;
      ++result_.seen.stale_frames;
      after(delay, frame);
    });
  }

  void to_client(std::size_t c, std::uint64_t link, std::function<void()> frame) {
    if (!clients_[c].up || clients_[c].link != link)
      return;
    transmit(c, 1, [this, c, link, frame = std::move(frame)] {
      if (clients_[c].up && clients_[c].link == link)
        frame();
    });
  }

  template <class Frame>
  void answer(const token& to, const Frame& frame) {
    to_client(to.client, to.link,
              [this, c = to.client, frame] { perform(c, clients_[c].machine->on(frame)); });
  }

  // -- reading
  // ---------------------------------------------------------------------------------------------------

  void subscribe_again(std::size_t c) {
    to_server(c, [this, c, link = clients_[c].link, cursor = clients_[c].cursor] {
      if (machine_)
        return subscribe(c, link, cursor);
      // As commands do, it waits for the conversation: while a commit of a dead machine has no
      // outcome, the log may still grow without anybody being shown what came.
      subscriptions_.push_back({c, link, cursor});
      wake();
    });
  }

  void subscribe(std::size_t c, std::uint64_t link, message_seq cursor) {
    auto& one = clients_[c];
    if (one.link != link || !one.up)
      return;
    one.subscribed = true;
    note([&] {
      return "client " + std::to_string(c) + " subscribes after " + std::to_string(cursor);
    });
    const auto end = one.who.staff ? log_.end() : log_.visible.size();
    for (auto number = cursor + 1; number <= end; ++number)
      push(c, one.who.staff ? number : log_.visible[number - 1]);
  }

  void push(std::size_t c, message_seq seq) {
    const auto& one = clients_[c];
    const auto& header = log_.events[seq - 1].header;
    if (!one.who.staff && header.hidden)
      return;
    event_push frame;
    frame.conversation = the_conversation;
    frame.seq = one.who.staff ? seq : 0;
    frame.visible_seq = header.visible_seq;
    frame.kind = header.kind;
    frame.client = header.client;
    to_client(c, one.link, [this, c, seq, frame] { see(c, seq, frame); });
  }

  void see(std::size_t c, message_seq seq, const event_push& frame) {
    auto& one = clients_[c];
    // Client ids are unique in this world, so a key needs no author beside it.
    if (pushes_confirm_ && log_.events[seq - 1].header.author == one.who.who)
      perform(c, one.machine->on(frame));
    const auto number = one.who.staff ? frame.seq : frame.visible_seq;
    if (number <= one.cursor)
      return; // seen
    if (number > one.cursor + 1) {
      if (!wild_)
        throw violation{"reader: a hole on an ordered link before " + std::to_string(number)};
      // The events behind a hole come in crowds; one question is enough for all of them.
      if (now_ >= std::exchange(one.ask_again, std::max(one.ask_again, now_ + 30)))
        subscribe_again(c);
      return;
    }
    one.cursor = number;
  }

  // -- the server
  // ------------------------------------------------------------------------------------------------

  void receive(std::size_t c, std::uint64_t link, const command& what) {
    tokens_.push_back({c, link, what.opening});
    commanded event;
    event.from = clients_[c].who;
    event.what = what;
    event.what.conversation = the_conversation;
    event.reply = tokens_.size();
    event.time = now_;
    if (log_.end() == 0 && !machine_ && event.from.staff) {
      refuse_as(event, errc::unavailable); // nobody has opened it yet
    } else if (machine_) {
      handle(event);
    } else {
      if (fault(30))
        refuse_as(event, errc::unavailable);
      else
        stashed_.push_back(event);
      wake();
    }
  }

  void refuse_as(const commanded& event, errc code) {
    perform(refused{event.reply, event.what.key, {code, ""}});
  }

  void handle(const commanded& event) {
    if (!machine_->inner().exists() && event.from.staff)
      return refuse_as(event, errc::unavailable);
    perform(machine_->on(event));
  }

  void wake() {
    if (waking_)
      return;
    waking_ = true;
    after(1 + static_cast<unix_ms>(below(20)), [this] { load(); });
  }

  /// Answered only after every accepted append has its outcome.
  void load() {
    if (committing_) {
      after(1, [this] { load(); });
      return;
    }
    waking_ = false;
    ++incarnation_;
    ++result_.seen.wakes;
    if (log_.end() == 0) {
      machine_ = make_(conversation(bounds_, opening()));
    } else {
      auto head = log_.head;
      for (auto seq = log_.head_seq + 1; seq <= log_.end(); ++seq) {
        const auto& entry = log_.events[seq - 1];
        fold(bounds_, head, seq, entry.header, entry.open, entry.staff);
      }
      judge_head(head);
      machine_ = make_(conversation(bounds_, tenant_id{1}, the_conversation, std::move(head),
                                    log_.head_seq, log_.excerpt));
    }
    note([&] { return "wakes at " + std::to_string(log_.end()); });
    for (const auto& [c, link, cursor] : std::exchange(subscriptions_, {}))
      subscribe(c, link, cursor);
    for (auto& event : std::exchange(stashed_, {}))
      if (machine_)
        handle(event);
  }

  void crash() {
    if (!machine_)
      return;
    note([] { return std::string{"machine dies"}; });
    ++result_.seen.crashes;
    result_.seen.lost_appends += queued_.size();
    machine_.reset();
    ++incarnation_;
    queued_.clear();
    for (std::size_t c = 0; c < clients_.size(); ++c) {
      clients_[c].subscribed = false;
      to_client(c, clients_[c].link, [this, c] {
        perform(c, clients_[c].machine->on(resync{the_conversation}));
        subscribe_again(c);
      });
    }
  }

  void leave_memory() {
    if (!machine_ || !machine_->inner().idle() || !machine_->inner().exists())
      return;
    if (auto head = machine_->inner().head_to_write()) {
      log_.head = *head;
      log_.head_seq = head->seq;
    }
    machine_.reset();
    ++incarnation_;
  }

  /// Once in a while something breaks.
  void trouble() {
    after(20 + static_cast<unix_ms>(below(60)), [this] {
      if (now_ >= faults_end)
        return;
      const auto dice = below(100);
      if (dice < 15)
        crash();
      else if (dice < 45)
        break_link(below(clients_.size()));
      else if (dice < 60)
        leave_memory();
      trouble();
    });
  }

  void desk() {
    after(50 + static_cast<unix_ms>(below(300)), [this] {
      if (now_ >= faults_end)
        return;
      const auto fence = 1 + below(4);
      if (machine_ && machine_->inner().exists())
        perform(machine_->on(routed{
          id<account_id>(2), {participant_kind::account, "Ann"}, id<team_id>(7), fence, now_}));
      desk();
    });
  }

  void perform(const conversation_effects& effects) {
    for (const auto& effect : effects)
      std::visit([&](const auto& one) { perform(one); }, effect);
  }

  void perform(const append_events& effect) {
    queued_.push_back(effect);
    commit();
  }

  void perform(const acked& effect) {
    ++result_.seen.acks;
    if (effect.seq == 0)
      ++result_.seen.positions_omitted;
    if (effect.seq > log_.end())
      throw violation{"acked before it was stored: " + std::to_string(effect.seq)};
    const auto& to = tokens_.at(effect.reply - 1);
    acknowledge frame;
    frame.conversation = the_conversation;
    frame.opening = to.opening;
    frame.key = effect.key;
    frame.seq = clients_[to.client].who.staff ? effect.seq : 0;
    frame.visible_seq = effect.visible_seq;
    frame.time = effect.time;
    answer(to, frame);
  }

  void perform(const refused& effect) {
    if (effect.reply == 0)
      return; // of the desk
    ++result_.seen.refusals;
    if (effect.reason.code == errc::client_unknown)
      ++result_.seen.unknown_clients;
    note([&] {
      return "refuses " + name(effect.key) + " " + std::string{to_string(effect.reason.code)};
    });
    const auto& to = tokens_.at(effect.reply - 1);
    const std::uint32_t retry_after_ms = worth_retrying(effect.reason.code) ? 20 : 0;
    answer(to, refuse{the_conversation, to.opening, effect.key, effect.reason, retry_after_ms});
  }

  void perform(const out_of_order& effect) {
    ++result_.seen.gaps;
    const auto& to = tokens_.at(effect.reply - 1);
    answer(to, gap{the_conversation, to.opening, effect.key, effect.last});
  }

  void perform(const look_up& effect) {
    ++result_.seen.look_ups;
    after(1 + static_cast<unix_ms>(below(20)), [this, effect, incarnation = incarnation_] {
      if (!machine_ || incarnation != incarnation_)
        return;
      looked_up found{effect.reply, effect.who, effect.key};
      const auto last = std::min(effect.before - 1, log_.end());
      for (auto seq = last; seq > 0 && last - seq < bounds_.dedup_read_back_events; --seq) {
        const auto& header = log_.events[seq - 1].header;
        if (header.author != effect.who || header.client.client != effect.key.client
            || (!effect.newest && header.client.seq != effect.key.seq))
          continue;
        found.position = {seq, header.visible_seq};
        found.time = header.time;
        found.number = header.client.seq;
        break;
      }
      perform(machine_->on(found));
    });
  }

  void perform(const read_target& effect) {
    ++result_.seen.reads;
    target_read read;
    read.waiting = effect.waiting;
    // What is read now may be answered when more has been stored.
    const auto found = effect.by_visible && effect.seq <= log_.visible.size()
                         ? log_.visible[effect.seq - 1]
                         : effect.seq;
    if (effect.by_visible ? effect.seq <= log_.visible.size() : found <= log_.end()) {
      const auto& entry = log_.events[found - 1];
      read.seq = found;
      read.header = entry.header;
      read.recalled = entry.recalled;
    }
    after(1 + static_cast<unix_ms>(below(20)), [this, read, incarnation = incarnation_] {
      if (machine_ && incarnation == incarnation_)
        perform(machine_->on(read));
    });
  }

  void perform(const show& effect) {
    if (effect.seq > log_.end())
      throw violation{"shown before it was stored: " + std::to_string(effect.seq)};
    for (std::size_t c = 0; c < clients_.size(); ++c)
      if (clients_[c].subscribed)
        push(c, effect.seq);
  }

  void perform(const row_changed& effect) {
    if (effect.row.seq > log_.end())
      throw violation{"row before it was stored: " + std::to_string(effect.row.seq)};
  }

  // -- the store
  // -------------------------------------------------------------------------------------------------

  void commit() {
    if (committing_ || queued_.empty())
      return;
    committing_ = true;
    after(1 + static_cast<unix_ms>(below(12)),
          [this, batch = std::exchange(queued_, {}), incarnation = incarnation_] {
            committing_ = false;
            const bool alive = machine_ && incarnation == incarnation_;
            // 0 good, 1 nothing was written, 2 written though nobody learns of it
            const auto luck = !alive ? 1 + below(2) : fault(5) ? 1 + below(2) : 0;
            if (luck == 1)
              result_.seen.lost_appends += batch.size();
            else
              for (const auto& one : batch)
                store(one);
            if (luck == 2)
              ++result_.seen.unknown_commits;
            if (!alive)
              return;
            if (luck != 0)
              return crash();
            perform(machine_->on(stored{batch.back().events.back().seq}));
            commit();
          });
  }

  void store(const append_events& one) {
    if (one.previous_seq != log_.end())
      throw violation{"seq: an append after " + std::to_string(one.previous_seq)
                      + " meets a log that ends at " + std::to_string(log_.end())};
    for (const auto& event : one.events) {
      judge_event(event);
      log_.events.push_back({event.header, event.open, event.staff});
      if (!event.header.hidden)
        log_.visible.push_back(event.seq);
      ++result_.seen.events;
      note([&] {
        return "stores " + std::to_string(event.seq) + " kind "
               + std::to_string(static_cast<int>(event.header.kind)) + " of "
               + name(event.header.client);
      });
    }
    for (const auto& parts : one.rewrites) {
      const auto recalls = [](const auto& part) {
        return part && std::holds_alternative<recalled_content>(part->body);
      };
      log_.events.at(parts.target - 1).recalled |= recalls(parts.open) || recalls(parts.staff);
    }
    if (one.head) {
      log_.head = *one.head;
      log_.head_seq = one.head->seq;
    }
    if (one.open_entry)
      log_.excerpt = one.open_entry->excerpt;
  }

  // -- the ledger
  // ------------------------------------------------------------------------------------------------

  static std::string name(const client_key& key) {
    return "client " + std::to_string(key.client.bytes[15]) + " #" + std::to_string(key.seq);
  }

  void judge_event(const new_event& event) {
    if (event.seq != log_.end() + 1)
      throw violation{"seq: a hole before " + std::to_string(event.seq)};
    const auto& header = event.header;
    if (header.visible_seq != log_.visible.size() + (header.hidden ? 0 : 1))
      throw violation{"visible_seq: a hole at " + std::to_string(event.seq)};
    const bool own = header.client.seq != 0;
    const bool made_by_rule
      = header.kind == event_kind::status || header.kind == event_kind::assignment;
    if (!own && !made_by_rule)
      throw violation{"from nobody: event " + std::to_string(event.seq)};
    if (!own)
      return;
    const std::pair key{header.author, header.client};
    const auto sent = sent_.find(key);
    if (sent == sent_.end() || !tells(sent->second, event))
      throw violation{"from nobody: " + name(header.client) + " at " + std::to_string(event.seq)};
    if (!log_.places.try_emplace(key, event.seq).second)
      throw violation{"stored twice: " + name(header.client)};
    auto& newest = newest_[{header.author, header.client.client}];
    if (header.client.seq <= newest)
      throw violation{"out of order: " + name(header.client)};
    newest = header.client.seq;
  }

  /// The event says what its command said.
  static bool tells(const command_body& body, const new_event& event) {
    const auto words
      = [](const auto& part) { return part ? std::get_if<text_content>(&part->body) : nullptr; };
    if (const auto* one = std::get_if<post_message>(&body)) {
      const auto* text = words(event.open);
      return event.header.kind == event_kind::message && text != nullptr
             && text->text == one->content.text;
    }
    if (const auto* one = std::get_if<post_note>(&body)) {
      const auto* text = words(event.staff);
      return event.header.kind == event_kind::note && event.header.hidden && text != nullptr
             && text->text == one->content.text && !event.open;
    }
    if (std::holds_alternative<edit_message>(body))
      return event.header.kind == event_kind::edit;
    if (std::holds_alternative<recall_message>(body))
      return event.header.kind == event_kind::recall;
    if (std::holds_alternative<assign>(body))
      return event.header.kind == event_kind::assignment;
    return event.header.kind == event_kind::status;
  }

  /// Head and the events after it must come to what the whole log comes to.
  void judge_head(const conversation_head& head) const {
    if (!plan_.judge_heads)
      return;
    auto replayed = creation_;
    for (message_seq seq = 1; seq <= log_.end(); ++seq) {
      const auto& entry = log_.events[seq - 1];
      fold(bounds_, replayed, seq, entry.header, entry.open, entry.staff);
    }
    if (!(replayed == head))
      throw violation{"head: differs from the replayed log at " + std::to_string(log_.end())};
  }

  bool all_delivered() const {
    return std::ranges::all_of(clients_, [&](const client& one) {
      return one.machine->idle()
             && one.cursor == (one.who.staff ? log_.end() : log_.visible.size());
    });
  }

  void judge_end() const {
    for (std::size_t c = 0; c < clients_.size(); ++c) {
      const auto& one = clients_[c];
      const auto who = "client " + std::to_string(c);
      if (!one.machine->idle())
        throw violation{"liveness: " + who + " still has something to deliver"};
      if (!one.open.empty())
        throw violation{"liveness: " + who + " never learned what became of a message"};
      const auto end = one.who.staff ? log_.end() : log_.visible.size();
      if (one.cursor != end)
        throw violation{"reader: " + who + " has seen " + std::to_string(one.cursor) + " of "
                        + std::to_string(end)};
    }
    if (machine_) {
      if (!machine_->inner().idle())
        throw violation{"liveness: the machine still waits for something"};
      if (machine_->inner().exists())
        judge_head(machine_->inner().head());
    }
  }

  plan plan_;
  const machine_maker& make_;
  std::mt19937_64 random_;
  bool wild_ = false;           ///< the network loses, doubles and reorders; else links are ordered
  bool pushes_confirm_ = false; ///< senders learn from the log too, not from acks alone
  limits bounds_{};
  unix_ms now_ = 0;
  std::uint64_t order_ = 0;
  std::vector<task> queue_{}; ///< a heap, soonest first
  std::vector<client> clients_{};
  std::uint64_t client_ids_ = 0;
  std::vector<token> tokens_{};
  std::unique_ptr<machine> machine_{};
  std::uint64_t incarnation_ = 0;
  bool waking_ = false;
  std::vector<commanded> stashed_{};
  std::vector<std::tuple<std::size_t, std::uint64_t, message_seq>> subscriptions_{}; ///< that wait
  std::vector<append_events> queued_{};
  bool committing_ = false;
  durable_log log_{};
  conversation_head creation_{};
  std::map<std::pair<participant, client_key>, command_body> sent_{};
  std::map<std::pair<participant, client_id>, std::uint64_t> newest_{};
  outcome result_{};
};

} // namespace

counts& counts::operator+=(const counts& other) {
  events += other.events;
  acks += other.acks;
  positions_omitted += other.positions_omitted;
  gaps += other.gaps;
  refusals += other.refusals;
  unknown_clients += other.unknown_clients;
  look_ups += other.look_ups;
  reads += other.reads;
  crashes += other.crashes;
  lost_appends += other.lost_appends;
  unknown_commits += other.unknown_commits;
  broken_links += other.broken_links;
  lost_frames += other.lost_frames;
  doubled_frames += other.doubled_frames;
  stale_frames += other.stale_frames;
  wakes += other.wakes;
  confirmed += other.confirmed;
  rejected += other.rejected;
  asked += other.asked;
  stored_after_refusal += other.stored_after_refusal;
  return *this;
}

outcome simulate(const plan& what, const machine_maker& make) {
  return world(what, make).run();
}

} // namespace frontdesk::simulation
