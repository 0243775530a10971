#include "load/worker.hpp"

#include "crypto/crypto.hpp"
#include "load/machine.hpp"
#include "load/wire.hpp"
#include "net/websocket_client.hpp"
#include "proto/codec.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace frontdesk::load {

namespace {

using domain::conversation_id;

constexpr std::size_t connecting_max = 128; ///< set-ups under way at once
constexpr std::size_t ring_size = 256;      ///< messages of one sender on the way, power of two
constexpr std::size_t backlog_max = 4096;   ///< due and not sent, per sender
constexpr std::uint64_t fill_window = 64;
constexpr std::uint64_t slow_window = 16;
constexpr std::uint32_t in_flight_max = 128;    ///< limits.in_flight_per_client
constexpr std::uint64_t heartbeat_seconds = 20; ///< the server cuts after 60
constexpr std::uint64_t flood_tick_ms = 10;
constexpr std::size_t flood_pending_bytes_max = 256 * 1024;
constexpr auto poll_interval = std::chrono::milliseconds(2);
constexpr std::uint64_t pace_interval_ns = 100'000; ///< the pacer wakes up no more often

using counter = std::atomic<std::uint64_t>;

void add(counter& to, std::uint64_t amount = 1) {
  // One writer: no locked instruction is needed.
  to.store(to.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

class worker;
struct talk;

/// One side of a conversation that writes.
struct sender {
  struct slot {
    std::uint64_t due_ns = 0;
    std::uint64_t sent_ns = 0;
    bool acknowledged = false;
    bool pushed = false;
    bool rejected = false;
  };

  struct peer* from = nullptr;
  talk* in = nullptr;
  domain::client_id client{};
  std::uint64_t first = 1; ///< oldest number that is not done
  std::uint64_t next = 1;  ///< number of the next message
  std::uint64_t window = 1;
  std::uint32_t text_bytes = 0;
  std::uint64_t left = 0; ///< filling: messages to go
  bool expects_push = true;
  bool measured = true;
  bool paused = false; ///< refused for now
  bool dead = false;
  std::uint64_t resent_after = UINT64_MAX;
  std::vector<slot> ring = std::vector<slot>(ring_size);
  std::deque<std::uint64_t> backlog{}; ///< due times

  slot& at(std::uint64_t number) { return ring[number % ring_size]; }

  std::uint64_t on_the_way() const { return next - first; }

  bool room() const { return on_the_way() < ring_size - 1; }

  /// The newest number below that was not rejected.
  std::uint64_t previous_of(std::uint64_t number) {
    auto before = number - 1;
    while (before >= first && before > 0 && at(before).rejected)
      --before;
    return before;
  }
};

/// A conversation with its two sides, as far as they are in this process.
struct talk {
  conversation_id id{};
  domain::opening_key opening{};
  std::unique_ptr<sender> visitor{};
  std::unique_ptr<sender> agent{};
};

enum class peer_kind : std::uint8_t { visitor, agent, idle, flooder };

struct peer final : net::client_events {
  peer(worker& owner_, peer_kind kind_) : owner(owner_), kind(kind_) {}

  void on_open(net::client_number connection) override;
  void on_message(net::client_number connection, std::string_view message) override;
  void on_close(net::client_number connection, const net::client_close& why) override;

  worker& owner;
  peer_kind kind;
  bool settled = false;
  bool gone = false;
  bool slow = false;
  std::uint32_t capacity = 0; ///< of an agent
  net::client_number number = 0;
  std::string token{};
  talk* own = nullptr; ///< of a visitor; of an agent the conversation it has met last
  domain::client_id client{};
  // A page that has been asked for.
  std::uint64_t page_request = 0;
  std::uint64_t page_since_ns = 0;
};

class worker {
public:
  worker(std::uint32_t index, const scenario& what, const node_address& node, control& shared,
         worker_report& report)
    : index_(index), what_(what), node_(node), shared_(shared), report_(report) {
    host_ = std::make_unique<net::websocket_client_host>();
    probe_ = proto::encode(domain::client_frame{domain::ping{1}}, what.form);
  }

  /// The parent's orders, one after the other, until it says quit.
  void run() {
    while (shared_.turn.load() < index_ && shared_.now.load() == phase::set_up)
      std::this_thread::sleep_for(poll_interval);
    host_->post([this] { begin(); });
    auto known = phase::set_up;
    while (known != phase::quit) {
      const auto now = shared_.now.load();
      if (now != known) {
        known = now;
        on_host([this, now] { enter(now); });
      }
      const bool paced
        = what_.mode == load_mode::open && (known == phase::traffic || known == phase::measure);
      if (paced)
        pace();
      else
        std::this_thread::sleep_for(poll_interval);
    }
  }

  // -- called by peers, on the host's thread
  void opened(peer& one);
  void received(peer& one, std::string_view message);
  void closed(peer& one, const net::client_close& why);

private:
  bool is_text() const { return what_.form == domain::wire_form::json; }

  void fail(const std::string& why) {
    if (report_.state.load() == worker_state::failed)
      return;
    std::snprintf(report_.failure.data(), report_.failure.size(), "%s", why.c_str());
    report_.state.store(worker_state::failed);
  }

  /// Runs the work on the host's thread and waits for it.
  template <class Work>
  void on_host(Work work) {
    std::atomic<bool> done{false};
    host_->post([&] {
      work();
      done.store(true);
      done.notify_one();
    });
    done.wait(false);
  }

  void send(peer& to, const domain::client_frame& frame) {
    host_->send(to.number, proto::encode(frame, what_.form));
  }

  // -- set-up
  void begin() {
    const auto pairs = share_of(what_.pairs, what_.processes, index_);
    const bool silent = what_.mode == load_mode::idle;
    const bool with_agents = !silent;
    std::size_t first_token = 0;
    for (std::uint32_t i = 0; i < index_; ++i)
      first_token += agents_of(what_, i);
    std::uint32_t unassigned = pairs;
    for (std::uint32_t i = 0; with_agents && i < agents_of(what_, index_); ++i) {
      auto& agent = add_peer(peer_kind::agent);
      agent.token = node_.agent_tokens.at(first_token + i);
      agent.capacity = std::min(what_.per_agent, unassigned);
      unassigned -= agent.capacity;
      agent.client = crypto_id<domain::client_id>();
    }
    agents_left_ = peers_.size();
    for (std::uint32_t i = 0; !silent && i < pairs; ++i)
      add_peer(peer_kind::visitor).slow = i < share_of(what_.slow_readers, what_.processes, index_);
    const auto idle = silent ? pairs + share_of(what_.visitors_idle, what_.processes, index_)
                             : share_of(what_.visitors_idle, what_.processes, index_);
    for (std::uint32_t i = 0; i < idle; ++i)
      add_peer(peer_kind::idle);
    unsettled_ = peers_.size();
    bindings_left_ = with_agents ? pairs : 0;
    heartbeat();
    connect_more();
    check_ready();
  }

  peer& add_peer(peer_kind kind) {
    peers_.push_back(std::make_unique<peer>(*this, kind));
    return *peers_.back();
  }

  template <class Id>
  static Id crypto_id() {
    const auto one = crypto::random_u64();
    const auto two = crypto::random_u64();
    Id id;
    std::memcpy(id.bytes.data(), &one, 8);
    std::memcpy(id.bytes.data() + 8, &two, 8);
    return id;
  }

  /// Agents come first, so that there is somebody for the visitors.
  void connect_more() {
    while (next_to_connect_ < peers_.size() && connecting_ < connecting_max) {
      if (agents_left_ != 0 && peers_[next_to_connect_]->kind != peer_kind::agent)
        return;
      connect(*peers_[next_to_connect_++]);
      ++connecting_;
    }
  }

  void connect(peer& one) {
    net::connect_options options;
    options.address = node_.address;
    options.port = node_.port;
    options.form = what_.form;
    options.timeout_ms = 30000;
    if (!node_.source_addresses.empty())
      options.source_address
        = node_.source_addresses[(index_ + next_source_++) % node_.source_addresses.size()];
    one.number = host_->connect(options, one);
  }

  void settle(peer& one) {
    if (one.settled)
      return;
    one.settled = true;
    --connecting_;
    --unsettled_;
    if (one.kind == peer_kind::agent)
      --agents_left_;
    connect_more();
    check_ready();
  }

  void check_ready() {
    if (unsettled_ == 0 && bindings_left_ == 0 && next_to_connect_ == peers_.size()
        && report_.state.load() == worker_state::starting)
      report_.state.store(worker_state::ready);
  }

  void heartbeat() {
    const auto slice = peers_.size() / heartbeat_seconds + 1;
    for (std::size_t i = 0; i < slice && !peers_.empty(); ++i) {
      auto& one = *peers_[next_heartbeat_++ % peers_.size()];
      if (one.settled && !one.gone && one.kind != peer_kind::flooder && !one.slow)
        host_->send(one.number, probe_);
    }
    host_->after_ms(1000, [this] { heartbeat(); });
  }

  // -- phases
  void enter(phase now) {
    phase_ = now;
    switch (now) {
    case phase::fill:
      return fill();
    case phase::traffic:
      return start_traffic();
    case phase::measure:
      if (!traffic_started_)
        start_traffic(); // without a warm-up the one order may overtake the other
      report_.to_ack.clear();
      report_.to_push.clear();
      report_.from_sent.clear();
      for (auto& each : report_.page)
        each.clear();
      return;
    case phase::drain:
      return check_drained();
    case phase::quit:
      return count_lost();
    case phase::set_up:
      return;
    }
  }

  bool sending() const { return phase_ == phase::traffic || phase_ == phase::measure; }

  void prepare_senders() {
    senders_.clear();
    const bool by_visitor = what_.who != speaker::agent;
    const bool by_agent = what_.who != speaker::visitor;
    std::uint32_t slow = 0;
    for (auto& each : talks_) {
      if (!each.visitor || !each.agent)
        continue;
      if (each.visitor->from->slow) {
        ++slow;
        each.agent->expects_push = false;
        each.agent->measured = false;
        each.agent->text_bytes = what_.slow_text_bytes;
        each.agent->window = slow_window;
        continue;
      }
      const auto half = what_.window / 2;
      each.visitor->window
        = std::max<std::uint64_t>(1, by_agent ? what_.window - half : what_.window);
      each.agent->window = std::max<std::uint64_t>(1, by_visitor ? half : what_.window);
      if (by_visitor)
        senders_.push_back(each.visitor.get());
      if (by_agent)
        senders_.push_back(each.agent.get());
    }
  }

  void fill() {
    const auto per_talk = what_.stored_messages / std::max<std::uint32_t>(1, what_.pairs);
    for (auto& each : talks_) {
      if (!each.visitor)
        continue;
      auto& from = *each.visitor;
      from.left = per_talk > 1 ? per_talk - 1 : 0; // the opening was the first
      from.window = fill_window;
      from.expects_push = false;
      while (from.left > 0 && from.on_the_way() < from.window)
        send_fill(from);
    }
    check_filled();
  }

  void send_fill(sender& from) {
    --from.left;
    send_new(from, now_ns());
  }

  void check_filled() {
    if (phase_ != phase::fill || filled_)
      return;
    for (const auto& each : talks_)
      if (each.visitor && !each.visitor->dead
          && (each.visitor->left != 0 || each.visitor->on_the_way() != 0))
        return;
    filled_ = true;
    shared_.filled.fetch_add(1);
  }

  void start_traffic() {
    traffic_started_ = true;
    prepare_senders();
    if (what_.mode == load_mode::history)
      return start_pages();
    for (auto& each : talks_)
      if (each.visitor && each.agent && each.visitor->from->slow) {
        host_->pause(each.visitor->from->number, true);
        keep_window_full(*each.agent);
      }
    for (std::uint32_t i = 0; i < share_of(what_.flooders, what_.processes, index_); ++i)
      connect(add_peer(peer_kind::flooder));
    if (what_.mode != load_mode::closed)
      return;
    for (auto* from : senders_)
      keep_window_full(*from);
  }

  /// Sends what has become due; sleeps until there is more.
  void pace() {
    const auto own_rate = what_.rate * share_of(what_.pairs, what_.processes, index_)
                          / std::max<std::uint32_t>(1, what_.pairs);
    const auto now = now_ns();
    if (pace_since_ns_ == 0)
      pace_since_ns_ = now;
    const auto due_until
      = static_cast<std::uint64_t>(static_cast<double>(now - pace_since_ns_) * own_rate / 1e9);
    if (due_until > paced_) {
      host_->post([this, from = paced_, to = due_until, own_rate] {
        for (auto i = from; i < to; ++i)
          send_due(pace_since_ns_
                   + static_cast<std::uint64_t>(static_cast<double>(i + 1) * 1e9 / own_rate));
      });
      paced_ = due_until;
    }
    const auto next
      = pace_since_ns_
        + static_cast<std::uint64_t>(static_cast<double>(paced_ + 1) * 1e9 / own_rate);
    const auto wake = std::max(next, now + pace_interval_ns);
    // The parent's next order must not wait for a slow rate.
    const auto sleep = std::min<std::uint64_t>(wake - now, 20'000'000);
    std::this_thread::sleep_for(std::chrono::nanoseconds(sleep));
  }

  void send_due(std::uint64_t due_ns) {
    if (senders_.empty() || !sending())
      return;
    auto& from = *senders_[next_sender_++ % senders_.size()];
    if (from.dead) {
      add(report_.unsent);
      return;
    }
    if (from.on_the_way() < in_flight_max && !from.paused && from.backlog.empty())
      return send_new(from, due_ns);
    if (from.backlog.size() >= backlog_max) {
      add(report_.unsent);
      return;
    }
    add(report_.postponed);
    ++backlogged_;
    from.backlog.push_back(due_ns);
  }

  void keep_window_full(sender& from) {
    while (sending() && !from.dead && !from.paused && from.on_the_way() < from.window
           && from.room())
      send_new(from, now_ns());
  }

  void send_new(sender& from, std::uint64_t due_ns) {
    const auto number = from.next++;
    from.at(number) = {due_ns, now_ns(), false, false, false};
    ++on_the_way_;
    add(report_.sent);
    transmit(from, number);
  }

  void transmit(sender& from, std::uint64_t number) {
    const auto& slot = from.at(number);
    const bool by_visitor = from.in->visitor.get() == &from;
    write_stamped_text(text_, {by_visitor, static_cast<std::uint32_t>(number), slot.due_ns},
                       from.text_bytes);
    message_command what;
    what.conversation = from.in->id;
    what.opening = from.in->opening;
    what.key = {from.client, number};
    what.previous = from.previous_of(number);
    if (!is_text()) {
      write_command(frame_, what, text_);
      host_->send(from.from->number, frame_);
      return;
    }
    domain::command frame;
    frame.conversation = what.conversation;
    if (!frame.conversation)
      frame.opening = what.opening;
    frame.key = what.key;
    frame.previous = what.previous;
    frame.body = domain::post_message{{text_, 0}};
    send(*from.from, frame);
  }

  void resend(sender& from, std::uint64_t begin) {
    for (auto number = std::max(begin, from.first); number < from.next; ++number)
      if (const auto& slot = from.at(number); !slot.acknowledged && !slot.rejected) {
        from.at(number).sent_ns = now_ns();
        transmit(from, number);
      }
  }

  /// Goes on after a message of this sender is done.
  void go_on(sender& from) {
    while (from.first < from.next) {
      const auto& slot = from.at(from.first);
      if (!slot.acknowledged || (from.expects_push && !slot.pushed))
        break;
      ++from.first;
    }
    if (phase_ == phase::fill) {
      while (from.left > 0 && from.on_the_way() < from.window)
        send_fill(from);
      if (from.left == 0)
        check_filled();
      return;
    }
    while (!from.backlog.empty() && !from.paused && from.on_the_way() < in_flight_max) {
      const auto due = from.backlog.front();
      from.backlog.pop_front();
      --backlogged_;
      send_new(from, due);
    }
    const bool closed_loop = what_.mode == load_mode::closed || !from.measured;
    if (closed_loop)
      keep_window_full(from);
    if (phase_ == phase::drain)
      check_drained();
  }

  void check_drained() {
    if (phase_ == phase::drain && on_the_way_ == 0 && backlogged_ == 0 && pages_asked_ == 0
        && report_.state.load() == worker_state::ready)
      report_.state.store(worker_state::drained);
  }

  void count_lost() {
    add(report_.lost, on_the_way_);
    add(report_.unsent, backlogged_);
  }

  // -- answers
  sender* sender_of(peer& one, std::string_view conversation, std::string_view client) {
    auto* in = talk_of(one, conversation);
    if (!in)
      return nullptr;
    auto* from = one.kind == peer_kind::agent ? in->agent.get() : in->visitor.get();
    return from && from->client.view() == client ? from : nullptr;
  }

  talk* talk_of(peer& one, std::string_view conversation) {
    if (one.own && one.own->id.view() == conversation)
      return one.own;
    if (one.kind != peer_kind::agent)
      return nullptr;
    const auto id = conversation_id::from_bytes(conversation);
    const auto found = id ? by_id_.find(*id) : by_id_.end();
    if (found == by_id_.end())
      return nullptr;
    one.own = found->second;
    return one.own;
  }

  void done(sender& from) {
    --on_the_way_;
    go_on(from);
  }

  void acknowledged(sender& from, std::uint64_t number) {
    if (from.dead || number < from.first || number >= from.next)
      return;
    auto& slot = from.at(number);
    if (slot.acknowledged)
      return;
    slot.acknowledged = true;
    from.resent_after = UINT64_MAX;
    add(report_.acknowledged);
    if (phase_ == phase::measure && from.measured) {
      const auto now = now_ns();
      report_.to_ack.add(now - slot.due_ns);
      report_.from_sent.add(now - slot.sent_ns);
    }
    if (!from.expects_push || slot.pushed)
      done(from);
  }

  /// A message has come to the other side of its conversation.
  void pushed(peer& to, const hot_frame& frame) {
    const auto stamp = read_stamp(frame.text);
    if (!stamp)
      return;
    auto* in = talk_of(to, frame.conversation);
    if (!in)
      return;
    const bool at_agent = to.kind == peer_kind::agent;
    if (stamp->by_visitor != at_agent) {
      add(report_.echoed);
      return;
    }
    auto* from = at_agent ? in->visitor.get() : in->agent.get();
    if (!from || from->dead || stamp->number < from->first || stamp->number >= from->next)
      return; // replayed, or written by another process
    auto& slot = from->at(stamp->number);
    if (slot.pushed)
      return;
    slot.pushed = true;
    add(report_.pushed);
    if (phase_ == phase::measure && from->measured)
      report_.to_push.add(now_ns() - stamp->due_ns);
    if (slot.acknowledged && from->expects_push)
      done(*from);
  }

  void refused(peer& one, const domain::refuse& frame) {
    auto* from = sender_of(one, frame.conversation.view(), frame.key.client.view());
    if (!from && one.own && one.own->opening == frame.opening && one.kind == peer_kind::visitor)
      from = one.own->visitor.get();
    if (!from || frame.key.seq < from->first || frame.key.seq >= from->next)
      return;
    if (!one.settled)
      note_failure("an opening was refused: " + frame.reason.message);
    if (frame.retry_after_ms != 0 || retryable(frame.reason.code)) {
      add(report_.refused);
      if (std::exchange(from->paused, true))
        return;
      const auto later = frame.retry_after_ms != 0 ? frame.retry_after_ms : 1000;
      host_->after_ms(later, [this, from] {
        from->paused = false;
        if (from->dead)
          return;
        resend(*from, from->first);
        go_on(*from);
      });
      return;
    }
    auto& slot = from->at(frame.key.seq);
    if (std::exchange(slot.rejected, true))
      return;
    add(report_.rejected);
    slot.acknowledged = slot.pushed = true;
    resend(*from, frame.key.seq + 1);
    done(*from);
  }

  static bool retryable(domain::errc code) {
    return code == domain::errc::rate_limited || code == domain::errc::too_many_in_flight
           || code == domain::errc::overloaded || code == domain::errc::unavailable
           || code == domain::errc::storage_full || code == domain::errc::timeout;
  }

  void out_of_order(peer& one, const domain::gap& frame) {
    add(report_.gaps);
    auto* from = sender_of(one, frame.conversation.view(), frame.key.client.view());
    if (!from || from->paused || from->resent_after == frame.last)
      return;
    from->resent_after = frame.last;
    resend(*from, frame.last + 1);
  }

  void resynchronise(peer& one, const domain::resync& frame) {
    add(report_.resyncs);
    if (!frame.conversation) {
      domain::hello again;
      again.token = one.token;
      if (one.kind != peer_kind::agent)
        again.inbox_key = node_.inbox_key;
      return send(one, again);
    }
    if (auto* in = talk_of(one, frame.conversation.view()))
      follow_again(one, *in);
  }

  void follow_again(peer& one, talk& in) {
    if (in.id)
      send(one, domain::subscribe{in.id, std::nullopt});
    auto* from = one.kind == peer_kind::agent ? in.agent.get() : in.visitor.get();
    if (from && from->from == &one && !from->paused)
      resend(*from, from->first);
  }

  void welcomed(peer& one, domain::welcome& frame) {
    if (!frame.token.empty())
      one.token = std::move(frame.token);
    if (one.settled) { // a hello after a resync
      for (auto& each : talks_)
        if ((each.visitor && each.visitor->from == &one)
            || (each.agent && each.agent->from == &one))
          follow_again(one, each);
      return;
    }
    add(report_.connected);
    switch (one.kind) {
    case peer_kind::agent:
      send(one, domain::set_presence{domain::presence_state::online, one.capacity});
      return;
    case peer_kind::visitor:
      return open_talk(one);
    case peer_kind::idle:
      one.token = {}; // an idle visitor costs the load as little as it can
      return settle(one);
    case peer_kind::flooder:
      one.settled = true;
      return flood(one);
    }
  }

  void open_talk(peer& one) {
    auto& made = talks_.emplace_back();
    made.opening = crypto_id<domain::opening_key>();
    made.visitor = make_sender(one, made, crypto_id<domain::client_id>());
    made.visitor->expects_push = false; // nobody follows it yet
    one.own = &made;
    send_new(*made.visitor, now_ns());
  }

  std::unique_ptr<sender> make_sender(peer& from, talk& in, const domain::client_id& client) const {
    auto made = std::make_unique<sender>();
    made->from = &from;
    made->in = &in;
    made->client = client;
    made->text_bytes = std::max<std::uint32_t>(what_.text_bytes, stamp_size);
    return made;
  }

  /// The first acknowledgement names the conversation.
  void opened_talk(peer& visitor, const conversation_id& id) {
    auto& own = *visitor.own;
    own.id = id;
    by_id_[id] = &own;
    if (const auto early = early_agents_.find(id); early != early_agents_.end()) {
      bind(own, *early->second);
      early_agents_.erase(early);
    }
  }

  void bind(talk& in, peer& agent) {
    if (in.agent)
      return;
    in.agent = make_sender(agent, in, agent.client);
    in.visitor->expects_push = what_.mode != load_mode::history;
    --bindings_left_;
    check_ready();
  }

  void subscribed(peer& one, const domain::subscribed& frame) {
    if (one.kind != peer_kind::agent)
      return;
    if (const auto found = by_id_.find(frame.conversation); found != by_id_.end())
      bind(*found->second, one);
    else
      early_agents_[frame.conversation] = &one;
  }

  void presence(peer& one, const domain::presence_changed& frame) {
    if (one.kind == peer_kind::agent && frame.state == domain::presence_state::online
        && frame.capacity == one.capacity)
      settle(one);
  }

  void problem(peer& one, const domain::problem& frame) {
    if (one.kind == peer_kind::flooder) {
      if (frame.reason.code == domain::errc::rate_limited)
        add(report_.flood_warnings);
      return;
    }
    add(report_.problems);
    note_failure("the node says: " + frame.reason.message);
  }

  /// During the set-up a complaint is the end of it.
  void note_failure(const std::string& why) {
    if (phase_ == phase::set_up)
      fail(why);
  }

  // -- history
  void start_pages() {
    std::uint32_t readers = 0;
    const bool by_agent = what_.who == speaker::agent;
    for (auto& each : talks_) {
      if (readers == share_of(what_.readers, what_.processes, index_))
        break;
      auto* side = by_agent ? each.agent.get() : each.visitor.get();
      if (!side || side->from->page_request != 0)
        continue;
      ++readers;
      ask_page(*side->from);
    }
  }

  void ask_page(peer& one) {
    // Another conversation each time, so that no reader stays within what it has just warmed. A
    // visitor has but one.
    auto* in = one.own;
    if (one.kind == peer_kind::agent)
      in = &talks_[crypto::random_u64() % talks_.size()];
    const auto newest = what_.stored_messages / std::max<std::uint32_t>(1, what_.pairs);
    const auto place = static_cast<std::uint64_t>(++asked_) % page_places.size();
    domain::history_request request;
    one.page_request = asked_ * page_places.size() + place;
    request.request = one.page_request;
    request.conversation = in->id;
    request.from = place == 1 ? 1 + crypto::random_u64() % std::max<std::uint64_t>(newest, 1) : 0;
    request.newer = place == 2;
    request.limit = what_.page_events;
    one.page_since_ns = now_ns();
    ++pages_asked_;
    send(one, request);
  }

  void page_came(peer& one, std::uint64_t request) {
    if (request != one.page_request)
      return;
    --pages_asked_;
    add(report_.pages);
    if (phase_ == phase::measure)
      report_.page[request % page_places.size()].add(now_ns() - one.page_since_ns);
    if (sending())
      ask_page(one);
    else
      check_drained();
  }

  // -- flood
  void flood(peer& one) {
    if (one.gone || !sending())
      return;
    const auto frames = what_.flood_rate * flood_tick_ms / 1000;
    for (std::uint64_t i = 0;
         i < frames && host_->pending_bytes(one.number) < flood_pending_bytes_max; ++i) {
      host_->send(one.number, probe_);
      add(report_.flood_frames);
    }
    host_->after_ms(flood_tick_ms, [this, &one] { flood(one); });
  }

  void cut_off(sender* from) {
    if (!from || std::exchange(from->dead, true))
      return;
    std::uint64_t open = 0;
    for (auto number = from->first; number < from->next; ++number) {
      const auto& slot = from->at(number);
      if (!(slot.acknowledged && (slot.pushed || !from->expects_push)))
        ++open;
    }
    on_the_way_ -= open;
    if (from->measured)
      add(report_.lost, open);
    backlogged_ -= from->backlog.size();
    add(report_.unsent, from->backlog.size());
    from->backlog.clear();
  }

  std::uint32_t index_;
  const scenario& what_;
  const node_address& node_;
  control& shared_;
  worker_report& report_;
  std::unique_ptr<net::websocket_client_host> host_;

  // Host's thread from here.
  phase phase_ = phase::set_up;
  std::deque<std::unique_ptr<peer>> peers_;
  std::size_t next_to_connect_ = 0;
  std::size_t connecting_ = 0;
  std::size_t agents_left_ = 0;
  std::size_t unsettled_ = 0;
  std::size_t bindings_left_ = 0;
  std::size_t next_source_ = 0;
  std::size_t next_heartbeat_ = 0;
  std::deque<talk> talks_;
  std::unordered_map<conversation_id, talk*> by_id_;
  std::unordered_map<conversation_id, peer*> early_agents_;
  std::vector<sender*> senders_;
  std::size_t next_sender_ = 0;
  std::uint64_t on_the_way_ = 0;
  std::uint64_t backlogged_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t pages_asked_ = 0;
  bool filled_ = false;
  bool traffic_started_ = false;
  std::string text_;
  std::string frame_;
  std::string probe_;

  // The pacer's.
  std::uint64_t pace_since_ns_ = 0;
  std::uint64_t paced_ = 0;
};

void peer::on_open(net::client_number) {
  owner.opened(*this);
}

void peer::on_message(net::client_number, std::string_view message) {
  owner.received(*this, message);
}

void peer::on_close(net::client_number, const net::client_close& why) {
  owner.closed(*this, why);
}

void worker::opened(peer& one) {
  domain::hello greeting;
  if (one.kind == peer_kind::agent)
    greeting.token = one.token;
  else
    greeting.inbox_key = node_.inbox_key;
  send(one, greeting);
}

void worker::received(peer& one, std::string_view message) {
  if (!is_text() && one.settled) {
    if (const auto hot = read_hot_frame(message)) {
      if (hot->kind == hot_kind::event)
        pushed(one, *hot);
      else if (auto* from = sender_of(one, hot->conversation, hot->client))
        acknowledged(*from, hot->client_seq);
      return;
    }
  }
  auto decoded = proto::decode_server(message, what_.form);
  if (!decoded)
    return fail("a frame of the node cannot be read: " + decoded.failure().message);
  if (auto* frame = std::get_if<domain::acknowledge>(&*decoded)) {
    if (one.kind == peer_kind::visitor && one.own && !one.own->id) {
      acknowledged(*one.own->visitor, frame->key.seq); // before the agent's push is waited for
      opened_talk(one, frame->conversation);
      return settle(one);
    }
    if (auto* from = sender_of(one, frame->conversation.view(), frame->key.client.view()))
      acknowledged(*from, frame->key.seq);
  } else if (auto* event = std::get_if<domain::event_push>(&*decoded)) {
    hot_frame hot;
    hot.kind = hot_kind::event;
    hot.conversation = event->conversation.view();
    if (event->public_content)
      if (const auto* text = std::get_if<domain::text_content>(&event->public_content->body))
        hot.text = text->text;
    pushed(one, hot);
  } else if (auto* greeting = std::get_if<domain::welcome>(&*decoded)) {
    welcomed(one, *greeting);
  } else if (auto* following = std::get_if<domain::subscribed>(&*decoded)) {
    subscribed(one, *following);
  } else if (auto* state = std::get_if<domain::presence_changed>(&*decoded)) {
    presence(one, *state);
  } else if (auto* refusal = std::get_if<domain::refuse>(&*decoded)) {
    refused(one, *refusal);
  } else if (auto* hole = std::get_if<domain::gap>(&*decoded)) {
    out_of_order(one, *hole);
  } else if (auto* again = std::get_if<domain::resync>(&*decoded)) {
    resynchronise(one, *again);
  } else if (auto* complaint = std::get_if<domain::problem>(&*decoded)) {
    problem(one, *complaint);
  } else if (auto* page = std::get_if<domain::history_page>(&*decoded)) {
    page_came(one, page->request);
  }
}

void worker::closed(peer& one, const net::client_close& why) {
  one.gone = true;
  if (phase_ == phase::quit)
    return;
  if (one.kind == peer_kind::flooder) {
    add(report_.flood_cut);
    report_.flood_cut_code.store(why.code);
    return;
  }
  if (!one.settled) {
    add(report_.connect_failures);
    return fail("a connection failed: " + why.text + " (close code " + std::to_string(why.code)
                + ", HTTP status " + std::to_string(why.http_status) + ")");
  }
  if (one.slow)
    add(report_.slow_cut);
  else
    add(report_.disconnects);
  for (auto& each : talks_) {
    const bool visitor_lost = each.visitor && each.visitor->from == &one;
    if (visitor_lost)
      cut_off(each.visitor.get());
    // Nobody is left to push to, or to push from.
    if (visitor_lost || (each.agent && each.agent->from == &one))
      cut_off(each.agent.get());
  }
  check_drained();
}

} // namespace

std::uint32_t share_of(std::uint32_t total, std::uint32_t processes, std::uint32_t index) {
  return total / processes + (index < total % processes ? 1 : 0);
}

std::uint32_t agents_of(const scenario& what, std::uint32_t index) {
  if (what.mode == load_mode::idle)
    return 0;
  return (share_of(what.pairs, what.processes, index) + what.per_agent - 1) / what.per_agent;
}

void run_worker(std::uint32_t index, const scenario& what, const node_address& node,
                control& shared, worker_report& report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1); // the pacer's sleeps are meant as they are
  raise_descriptor_limit();
  {
    worker load{index, what, node, shared, report};
    load.run();
    // The connections and the host end with the process.
    std::fflush(nullptr);
    _exit(0);
  }
}

} // namespace frontdesk::load
