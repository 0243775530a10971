#include "load/ledger.hpp"

#include "client/participant.hpp"
#include "load/machine.hpp"
#include "net/websocket_client.hpp"
#include "proto/codec.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

namespace frontdesk::load {

namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using domain::conversation_id;

constexpr std::uint32_t write_tick_ms = 20;
constexpr std::size_t outbox_max = 60; ///< commands one writer keeps while the node is away
constexpr std::size_t asked_kept = 8;
constexpr std::size_t own_kept = 20; ///< messages that may be edited or recalled
constexpr std::uint32_t agent_capacity = 50;
constexpr std::uint32_t second_tab_every = 4;
constexpr auto answer_time = 20s;
constexpr std::uint32_t attempts_max = 10; ///< for one page of history

/// The file. One thread at a time: the host's, and after it the caller's.
class ledger {
public:
  explicit ledger(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {}

  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;

  ~ledger() {
    if (file_)
      std::fclose(file_);
  }

  bool good() const { return file_ && !failed_; }

  void add(const char* what, json::object line) {
    line["e"] = what;
    line["at"] = now_ns() / 1'000'000;
    const auto text = json::serialize(line) + "\n";
    if (file_ && std::fwrite(text.data(), 1, text.size(), file_) != text.size())
      failed_ = true;
  }

  void flush() {
    if (file_ && std::fflush(file_) != 0)
      failed_ = true;
  }

private:
  std::FILE* file_;
  bool failed_ = false;
};

const char* kind_name(domain::event_kind kind) {
  switch (kind) {
  case domain::event_kind::message:
    return "message";
  case domain::event_kind::note:
    return "note";
  case domain::event_kind::assignment:
    return "assignment";
  case domain::event_kind::status:
    return "status";
  case domain::event_kind::edit:
    return "edit";
  case domain::event_kind::recall:
    return "recall";
  case domain::event_kind::erase:
    return "erase";
  }
  return "";
}

struct describe_body {
  json::object& line;

  void text(const char* kind, const std::string& what) {
    line["kind"] = kind;
    line["text"] = what;
  }

  void operator()(const domain::post_message& body) { text("message", body.content.text); }

  void operator()(const domain::post_note& body) { text("note", body.content.text); }

  void operator()(const domain::edit_message& body) {
    text("edit", body.text);
    line["target"] = body.target;
  }

  void operator()(const domain::recall_message& body) {
    line["kind"] = "recall";
    line["target"] = body.target;
  }

  void operator()(const domain::assign& body) {
    line["kind"] = "assign";
    line["assignee"] = to_string(body.account);
  }

  void operator()(const domain::resolve&) { line["kind"] = "resolve"; }

  void operator()(const domain::reopen&) { line["kind"] = "reopen"; }
};

json::object describe(const domain::event_push& event) {
  json::object line{{"c", to_string(event.conversation)},
                    {"seq", event.seq},
                    {"vseq", event.visible_seq},
                    {"kind", kind_name(event.kind)},
                    {"client", event.client.client ? to_string(event.client.client) : ""},
                    {"n", event.client.seq},
                    {"hidden", event.hidden},
                    {"target", event.target},
                    {"revision", event.revision},
                    {"staff", event.staff_content.has_value()}};
  if (event.public_content) {
    if (const auto* text = std::get_if<domain::text_content>(&event.public_content->body))
      line["text"] = text->text;
    else if (std::holds_alternative<domain::recalled_content>(event.public_content->body))
      line["recalled"] = true;
  }
  if (event.staff_content) {
    if (const auto* text = std::get_if<domain::text_content>(&event.staff_content->body))
      line["text"] = text->text;
    else if (std::holds_alternative<domain::recalled_content>(event.staff_content->body))
      line["recalled"] = true;
    else if (const auto* to = std::get_if<domain::staff_assignment>(&event.staff_content->body)) {
      line["assignee"] = to->account ? to_string(to->account) : "";
      line["fence"] = to->fence;
    }
  }
  return line;
}

class drive;

/// One participant who writes everything down.
class diarist final : public client::participant_events {
public:
  diarist(drive& owner, ledger& book, std::string name, bool staff, std::uint32_t tenant)
    : owner_(owner), book_(book), name_(std::move(name)), staff_(staff), tenant_(tenant) {}

  void sign_in(net::websocket_client_host& host, const net::connect_options& where,
               client::session_options session, client::session_state state) {
    me_ = std::make_unique<client::participant>(host, where, std::move(session), std::move(state),
                                                *this);
    me_->start();
  }

  client::participant& me() { return *me_; }

  const client::participant& me() const { return *me_; }

  bool signed_in() const { return me_ != nullptr; }

  const std::string& name() const { return name_; }

  bool staff() const { return staff_; }

  std::uint32_t tenant() const { return tenant_; }

  bool confirmed_once() const { return confirmed_once_; }

  const std::vector<conversation_id>& met() const { return met_; }

  std::size_t waiting() const {
    std::size_t all = 0;
    for (const auto& each : me_->inside().state().conversations)
      all += each.outbox.queue.size();
    return all;
  }

  void write_cursors() {
    for (const auto& id : met_)
      if (me_->inside().follows(id))
        book_.add("cursor",
                  {{"p", name_}, {"c", to_string(id)}, {"pos", me_->inside().cursor(id)}});
  }

  /// A fresh text that tells its writer and its tenant.
  std::string next_text(const char* mark) {
    return std::string{mark} + " t" + std::to_string(tenant_) + " " + name_ + " "
           + std::to_string(++texts_);
  }

  /// Own messages whose place is known.
  const std::deque<std::pair<conversation_id, domain::message_seq>>& own() const { return own_; }

private:
  json::object line() const { return {{"p", name_}, {"link", link_}}; }

  void on_frame_out(client::participant&, const domain::client_frame& frame) override {
    if (const auto* greeting = std::get_if<domain::hello>(&frame)) {
      // After a resync there are several on a connection.
      if (std::exchange(connecting_, false)) {
        ++link_;
        asked_.clear();
        lately_.clear();
      }
      for (const auto& each : greeting->cursors)
        ask(each.conversation, each.after);
    } else if (const auto* wanted = std::get_if<domain::subscribe>(&frame)) {
      ask(wanted->conversation, wanted->after);
    } else if (const auto* what = std::get_if<domain::command>(&frame)) {
      auto entry = line();
      entry["c"] = what->conversation ? to_string(what->conversation) : "";
      entry["opening"] = what->opening ? to_string(what->opening) : "";
      entry["client"] = to_string(what->key.client);
      entry["n"] = what->key.seq;
      entry["prev"] = what->previous;
      std::visit(describe_body{entry}, what->body);
      if (std::holds_alternative<domain::post_message>(what->body))
        messages_.insert(what->key);
      book_.add("sent", std::move(entry));
    }
  }

  void ask(const conversation_id& id, std::optional<domain::message_seq> after) {
    asked_[id].push_back(after);
    auto& lately = lately_[id];
    lately.push_back(after.value_or(0));
    if (lately.size() > asked_kept)
      lately.pop_front();
  }

  void on_frame_in(client::participant&, const domain::server_frame& frame) override {
    auto entry = line();
    if (const auto* greeting = std::get_if<domain::welcome>(&frame)) {
      if (!std::exchange(known_, true))
        book_.add("who", {{"p", name_},
                          {"role", staff_ ? "agent" : "visitor"},
                          {"tenant", tenant_},
                          {"self", to_string(greeting->self.id)}});
      book_.add("link_up", std::move(entry));
    } else if (const auto* stored = std::get_if<domain::acknowledge>(&frame)) {
      note_key(entry, stored->conversation, stored->key);
      entry["seq"] = stored->seq;
      entry["vseq"] = stored->visible_seq;
      book_.add("acked", std::move(entry));
    } else if (const auto* refusal = std::get_if<domain::refuse>(&frame)) {
      note_key(entry, refusal->conversation, refusal->key);
      entry["code"] = std::string{domain::to_string(refusal->reason.code)};
      book_.add("refused", std::move(entry));
    } else if (const auto* hole = std::get_if<domain::gap>(&frame)) {
      note_key(entry, hole->conversation, hole->key);
      entry["last"] = hole->last;
      book_.add("gap", std::move(entry));
    } else if (const auto* event = std::get_if<domain::event_push>(&frame)) {
      for (auto& [key, value] : describe(*event))
        entry[key] = std::move(value);
      book_.add("received", std::move(entry));
    } else if (const auto* following = std::get_if<domain::subscribed>(&frame)) {
      note_subscribed(std::move(entry), *following);
    } else if (const auto* again = std::get_if<domain::resync>(&frame)) {
      entry["c"] = again->conversation ? to_string(again->conversation) : "";
      book_.add("resync", std::move(entry));
    } else if (const auto* leaving = std::get_if<domain::go_away>(&frame)) {
      entry["after_ms"] = leaving->reconnect_after_ms;
      book_.add("go_away", std::move(entry));
    } else if (const auto* complaint = std::get_if<domain::problem>(&frame)) {
      entry["code"] = std::string{domain::to_string(complaint->reason.code)};
      entry["text"] = complaint->reason.message;
      book_.add("problem", std::move(entry));
    }
  }

  static void note_key(json::object& entry, const conversation_id& conversation,
                       const domain::client_key& key) {
    entry["c"] = conversation ? to_string(conversation) : "";
    entry["client"] = to_string(key.client);
    entry["n"] = key.seq;
  }

  void note_subscribed(json::object entry, const domain::subscribed& frame) {
    // Answers come in the order of the questions; the node also subscribes us unasked. A crashed
    // actor takes questions with it, so all that may be answered are told.
    auto& asked = asked_[frame.conversation];
    std::optional<domain::message_seq> after;
    if (!asked.empty()) {
      after = asked.front();
      asked.pop_front();
    }
    entry["c"] = to_string(frame.conversation);
    entry["after"] = after ? json::value(*after) : json::value(nullptr);
    json::array lately;
    for (const auto each : lately_[frame.conversation])
      lately.push_back(json::value(each));
    entry["asked"] = std::move(lately);
    entry["reset"] = frame.reset;
    entry["newest"] = staff_ ? frame.seq : frame.visible_seq;
    book_.add("resumed", std::move(entry));
    if (std::ranges::find(met_, frame.conversation) == met_.end())
      met_.push_back(frame.conversation);
  }

  void on_effect(client::participant& from, const client::effect& what) override {
    auto entry = line();
    if (const auto* seen = std::get_if<client::event_seen>(&what)) {
      entry["c"] = to_string(seen->event.conversation);
      entry["pos"] = staff_ ? seen->event.seq : seen->event.visible_seq;
      book_.add("seen", std::move(entry));
    } else if (const auto* stored = std::get_if<client::confirmed>(&what)) {
      confirmed_once_ = true;
      const auto place = staff_ ? stored->seq : stored->visible_seq;
      if (messages_.erase(stored->key) != 0 && place != 0) {
        own_.emplace_back(stored->conversation, place);
        if (own_.size() > own_kept)
          own_.pop_front();
      }
    } else if (const auto* missing = std::get_if<client::hole_found>(&what)) {
      entry["c"] = to_string(missing->conversation);
      entry["after"] = missing->after;
      entry["pos"] = missing->got;
      book_.add("hole", std::move(entry));
    } else if (const auto* refused = std::get_if<client::rejected>(&what)) {
      messages_.erase(refused->key);
      note_key(entry, refused->conversation, refused->key);
      entry["code"] = std::string{domain::to_string(refused->reason.code)};
      book_.add("rejected", std::move(entry));
    } else if (const auto* unknown = std::get_if<client::unconfirmed>(&what)) {
      drop(from, *unknown);
    } else if (const auto* noted = std::get_if<client::frame_noted>(&what)) {
      note(from, noted->frame);
    }
  }

  /// A person who would not send it again.
  void drop(client::participant& from, const client::unconfirmed& unknown) {
    for (const auto& each : from.inside().state().conversations)
      for (const auto& message : each.outbox.asked)
        if (std::ranges::find(unknown.handles, message.handle) != unknown.handles.end()) {
          auto entry = line();
          note_key(entry, each.outbox.conversation, message.key);
          book_.add("dropped", std::move(entry));
        }
    for (const auto handle : unknown.handles)
      from.answer(unknown.outbox, handle, false);
  }

  void note(client::participant& from, const domain::server_frame& frame);

  void on_link_lost(client::participant&, const net::client_close& why,
                    std::optional<std::uint32_t> again_ms) override {
    auto entry = line();
    entry["code"] = why.code;
    entry["text"] = why.text;
    entry["again"] = again_ms.has_value();
    book_.add("link_lost", std::move(entry));
    connecting_ = true;
  }

  drive& owner_;
  ledger& book_;
  std::string name_;
  bool staff_;
  std::uint32_t tenant_;
  std::unique_ptr<client::participant> me_;
  std::uint64_t link_ = 0;
  std::uint64_t texts_ = 0;
  bool known_ = false;
  bool connecting_ = true;
  bool confirmed_once_ = false;
  std::map<conversation_id, std::deque<std::optional<domain::message_seq>>> asked_;
  std::map<conversation_id, std::deque<domain::message_seq>> lately_; ///< as asked_, answered too
  std::vector<conversation_id> met_;
  std::set<domain::client_key> messages_;
  std::deque<std::pair<conversation_id, domain::message_seq>> own_;
};

/// All of them, and the dice. On the host's thread but for the constructor.
class drive {
public:
  drive(const ledger_options& options, ledger& book, net::websocket_client_host& host)
    : options_(options), book_(book), host_(host), random_(options.seed) {}

  void begin() {
    for (const auto& tenant : options_.tenants)
      for (std::size_t i = 0; i < tenant.agent_tokens.size(); ++i) {
        auto& agent = add("a" + std::to_string(++agents_), true, tenant.number);
        enter(agent, tenant, tenant.agent_tokens[i]);
        if (i == 0) // a second device of the same person
          enter(add(agent.name() + "b", true, tenant.number), tenant, tenant.agent_tokens[i]);
      }
    for (std::uint32_t i = 0; i < options_.visitors; ++i) {
      const auto& tenant = options_.tenants[i % options_.tenants.size()];
      enter(add("v" + std::to_string(i + 1), false, tenant.number), tenant, {});
    }
    write_tick();
    link_tick();
  }

  /// Visitor's second tabs need the visitor's token first.
  void visitor_known(diarist& visitor) {
    const auto number = std::strtoul(visitor.name().c_str() + 1, nullptr, 10);
    if (number % second_tab_every != 0 || visitor.name().ends_with("b")
        || !tabbed_.insert(visitor.name()).second)
      return;
    for (const auto& tenant : options_.tenants)
      if (tenant.number == visitor.tenant())
        enter(add(visitor.name() + "b", false, tenant.number), tenant,
              visitor.me().inside().state().token);
  }

  void stop_writing() { writing_ = false; }

  bool everybody_confirmed_once() const {
    return std::ranges::all_of(people_, [](const auto& each) {
      return each->staff() || each->name().ends_with("b") || each->confirmed_once();
    });
  }

  bool settled() const {
    return std::ranges::all_of(people_, [](const auto& each) {
      return each->me().inside().idle() && each->me().inside().online();
    });
  }

  void leave() {
    for (auto& each : people_) {
      each->write_cursors();
      each->me().stop();
    }
    book_.flush();
  }

  std::map<std::uint32_t, std::set<conversation_id>> conversations() const {
    std::map<std::uint32_t, std::set<conversation_id>> all;
    for (const auto& each : people_)
      for (const auto& id : each->met())
        all[each->tenant()].insert(id);
    return all;
  }

  /// Visitors with their tokens and conversations.
  struct owner {
    std::string name;
    std::uint32_t tenant = 0;
    std::string token;
    std::vector<conversation_id> conversations;
  };

  std::vector<owner> visitors() const {
    std::vector<owner> all;
    for (const auto& each : people_)
      if (!each->staff() && !each->name().ends_with("b"))
        all.push_back(
          {each->name(), each->tenant(), each->me().inside().state().token, each->met()});
    return all;
  }

private:
  diarist& add(std::string name, bool staff, std::uint32_t tenant) {
    people_.push_back(std::make_unique<diarist>(*this, book_, std::move(name), staff, tenant));
    return *people_.back();
  }

  void enter(diarist& one, const ledger_tenant& tenant, std::string token) {
    net::connect_options where;
    where.address = options_.address;
    where.port = options_.port;
    where.timeout_ms = 3000;
    client::session_options session;
    session.staff = one.staff();
    session.inbox_key = tenant.inbox_key;
    session.name = one.name();
    session.random_id = client::random_entity_id;
    session.silence_ms_max = 3000;
    client::session_state state;
    state.token = std::move(token);
    one.sign_in(host_, where, std::move(session), std::move(state));
  }

  std::uint64_t dice(std::uint64_t sides) { return random_() % std::max<std::uint64_t>(sides, 1); }

  void write_tick() {
    due_ += options_.rate * write_tick_ms / 1000;
    for (; writing_ && due_ >= 1; due_ -= 1)
      act(*people_[dice(people_.size())]);
    book_.flush();
    host_.after_ms(write_tick_ms, [this] { write_tick(); });
  }

  void link_tick() {
    if (writing_ && options_.link_seconds > 0) {
      // Each of them about once per link_seconds, at a tick of 50 ms.
      const auto sides = static_cast<std::uint64_t>(options_.link_seconds * 20);
      for (std::size_t i = 0; i < people_.size(); ++i)
        if (dice(sides) == 0)
          people_[i]->me().lose_link();
    }
    host_.after_ms(50, [this] { link_tick(); });
  }

  void act(diarist& who) {
    if (who.waiting() >= outbox_max)
      return;
    if (!who.staff()) {
      const bool opens = !who.confirmed_once() && who.waiting() == 0;
      const bool talks = who.confirmed_once();
      const bool second = who.name().ends_with("b");
      if (second && !who.me().inside().current())
        return; // the first tab opens
      if (opens || talks || second)
        visitor_acts(who);
      return;
    }
    if (!who.met().empty())
      agent_acts(who);
  }

  void visitor_acts(diarist& who) {
    const auto choice = dice(100);
    if (choice >= 94 && !who.own().empty()) {
      const auto& [conversation, place] = who.own()[dice(who.own().size())];
      if (choice >= 98)
        return write(who, conversation, domain::recall_message{place});
      return write(who, conversation, domain::edit_message{place, who.next_text("edited")});
    }
    write(who, {}, domain::post_message{{who.next_text("hello"), 0}});
  }

  void agent_acts(diarist& who) {
    const auto& id = who.met()[dice(who.met().size())];
    const auto choice = dice(100);
    if (choice < 55)
      return write(who, id, domain::post_message{{who.next_text("answer"), 0}});
    if (choice < 75)
      return write(who, id, domain::post_note{{who.next_text("NOTE"), 0}});
    if (choice < 85 && !who.own().empty()) {
      const auto& [conversation, place] = who.own()[dice(who.own().size())];
      return write(who, conversation, domain::edit_message{place, who.next_text("edited")});
    }
    if (choice < 88 && !who.own().empty()) {
      const auto& [conversation, place] = who.own()[dice(who.own().size())];
      return write(who, conversation, domain::recall_message{place});
    }
    if (choice < 93)
      return write(who, id, domain::resolve{});
    if (choice < 97)
      if (const auto to = colleague(who); to)
        return write(who, id, domain::assign{*to, {}});
    write(who, id, domain::assign{}); // back to the queue
  }

  std::optional<domain::account_id> colleague(const diarist& who) {
    std::vector<domain::account_id> found;
    for (const auto& each : people_)
      if (each->staff() && each->tenant() == who.tenant())
        if (const auto id
            = domain::id_cast<domain::account_id>(each->me().inside().last_welcome().self.id))
          found.push_back(id);
    if (found.empty())
      return std::nullopt;
    return found[dice(found.size())];
  }

  void write(diarist& who, const conversation_id& where, domain::command_body body) {
    // A full outbox only means that this one is not written.
    static_cast<void>(who.me().enqueue(where, std::move(body)));
  }

  const ledger_options& options_;
  ledger& book_;
  net::websocket_client_host& host_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<diarist>> people_;
  std::set<std::string> tabbed_;
  std::uint32_t agents_ = 0;
  double due_ = 0;
  bool writing_ = true;
};

void diarist::note(client::participant& from, const domain::server_frame& frame) {
  if (std::holds_alternative<domain::welcome>(frame)) {
    if (!staff_)
      return owner_.visitor_known(*this);
    from.send(domain::set_presence{domain::presence_state::online, agent_capacity});
    from.send(domain::subscribe_list{domain::list_kind::mine, std::nullopt});
  } else if (const auto* rows = std::get_if<domain::list_rows>(&frame)) {
    for (const auto& row : rows->rows)
      if (!from.inside().follows(row.conversation))
        from.follow(row.conversation);
  }
}

/// Asks for histories, one after the other, on a connection of its own.
class historian {
public:
  historian(ledger& book, const ledger_options& options) : book_(book), options_(options) {}

  domain::result<void> sign_in(const std::string& name, const std::string& token,
                               const std::string& inbox_key) {
    name_ = name;
    greeting_.token = token;
    greeting_.inbox_key = inbox_key;
    return connect();
  }

  domain::result<void> read_history(const conversation_id& id) {
    domain::message_seq from = 0;
    std::uint64_t count = 0;
    for (bool more = true; more;) {
      auto page = ask(id, from);
      if (!page)
        return page.failure();
      more = page->more && !page->events.empty();
      for (const auto& event : page->events) {
        auto line = describe(event);
        line["by"] = name_;
        book_.add("history", std::move(line));
        ++count;
        from = std::max(event.seq, from);
        if (event.seq == 0)
          from = std::max(event.visible_seq, from);
      }
    }
    book_.add("history_end", {{"by", name_}, {"c", to_string(id)}, {"count", count}});
    return {};
  }

  /// Asks for what must not be told.
  domain::result<void> probe(const conversation_id& id) {
    auto page = ask(id, 0);
    // An empty page looks like that of a conversation that does not exist.
    std::string code = "nothing";
    if (!page)
      code = domain::to_string(page.failure().code);
    else if (!page->events.empty())
      code = "told";
    book_.add("probe", {{"by", name_}, {"c", to_string(id)}, {"code", code}});
    if (!page && page.failure().code != domain::errc::not_found)
      return page.failure();
    return {};
  }

private:
  domain::result<void> connect() {
    net::connect_options where;
    where.address = options_.address;
    where.port = options_.port;
    auto connected = net::websocket_client::connect(where);
    if (!connected)
      return connected.failure();
    socket_ = *std::move(connected);
    if (auto sent = send(greeting_); !sent)
      return sent;
    auto answer = wait_for<domain::welcome>([](const auto&) { return true; });
    if (!answer)
      return answer.failure();
    return {};
  }

  domain::result<void> send(const domain::client_frame& frame) {
    return socket_->send(proto::encode(frame, domain::wire_form::proto));
  }

  template <class Frame, class Fits>
  domain::result<Frame> wait_for(Fits fits) {
    const auto end = std::chrono::steady_clock::now() + answer_time;
    while (std::chrono::steady_clock::now() < end) {
      auto message = socket_->receive(std::chrono::milliseconds(answer_time));
      if (!message)
        return message.failure();
      auto frame = proto::decode_server(*message, domain::wire_form::proto);
      if (!frame)
        return frame.failure();
      if (auto* wanted = std::get_if<Frame>(&*frame); wanted && fits(*wanted))
        return std::move(*wanted);
      if (auto* complaint = std::get_if<domain::problem>(&*frame))
        return complaint->reason;
      if (std::holds_alternative<domain::resync>(*frame))
        return domain::error{domain::errc::unavailable, "told to start over"};
    }
    return domain::error{domain::errc::timeout, "no answer"};
  }

  /// Starts over where the node says so: a crashed actor costs its clients that much.
  domain::result<domain::history_page> ask(const conversation_id& id, domain::message_seq from) {
    for (std::uint32_t attempts = 1;; ++attempts) {
      auto page = ask_once(id, from);
      if (page || page.failure().code != domain::errc::unavailable || attempts == attempts_max)
        return page;
      // The next attempt says why this did not help.
      static_cast<void>(connect());
    }
  }

  domain::result<domain::history_page> ask_once(const conversation_id& id,
                                                domain::message_seq from) {
    domain::history_request request;
    request.request = ++last_request_;
    request.conversation = id;
    request.from = from;
    request.newer = true;
    if (auto sent = send(request); !sent)
      return sent.failure();
    return wait_for<domain::history_page>(
      [&](const auto& page) { return page.request == request.request; });
  }

  ledger& book_;
  const ledger_options& options_;
  std::string name_;
  domain::hello greeting_;
  std::unique_ptr<net::websocket_client> socket_;
  std::uint64_t last_request_ = 0;
};

domain::result<void> read_histories(const ledger_options& options, ledger& book,
                                    const drive& people) {
  const auto conversations = people.conversations();
  for (const auto& tenant : options.tenants) {
    if (tenant.agent_tokens.empty())
      continue;
    historian agent{book, options};
    if (auto in
        = agent.sign_in("h" + std::to_string(tenant.number), tenant.agent_tokens.back(), {});
        !in)
      return in;
    for (const auto& [number, ids] : conversations)
      for (const auto& id : ids)
        if (auto done = number == tenant.number ? agent.read_history(id) : agent.probe(id); !done)
          return done;
  }
  for (const auto& visitor : people.visitors()) {
    historian own{book, options};
    std::string key;
    for (const auto& tenant : options.tenants)
      if (tenant.number == visitor.tenant)
        key = tenant.inbox_key;
    if (auto in = own.sign_in(visitor.name, visitor.token, key); !in)
      return in;
    for (const auto& id : visitor.conversations)
      if (auto done = own.read_history(id); !done)
        return done;
    // And one that is somebody else's.
    for (const auto& [number, ids] : conversations)
      for (const auto& id : ids)
        if (std::ranges::find(visitor.conversations, id) == visitor.conversations.end()) {
          if (auto done = own.probe(id); !done)
            return done;
          break;
        }
  }
  return {};
}

} // namespace

domain::result<bool> keep_ledger(const ledger_options& options) {
  ledger book{options.file};
  if (!book.good())
    return domain::error{domain::errc::io, "cannot write " + options.file};
  auto host = std::make_unique<net::websocket_client_host>();
  drive people{options, book, *host};
  const auto on_host = [&](auto work) {
    std::promise<decltype(work())> answer;
    auto coming = answer.get_future();
    host->post([&] { answer.set_value(work()); });
    return coming.get();
  };
  host->post([&] { people.begin(); });
  const auto begun = now_ns();
  const auto passed
    = [](std::uint64_t since) { return static_cast<double>(now_ns() - since) / 1e9; };
  bool announced = false;
  while (passed(begun) < options.seconds && (!options.go_on || options.go_on())) {
    std::this_thread::sleep_for(100ms);
    if (!announced && on_host([&] { return people.everybody_confirmed_once(); })) {
      announced = true;
      if (options.ready)
        options.ready();
    }
  }
  on_host([&] {
    people.stop_writing();
    return true;
  });
  const auto ended = now_ns();
  bool settled = false;
  while (!settled && passed(ended) < options.settle_seconds) {
    std::this_thread::sleep_for(50ms);
    settled = on_host([&] { return people.settled(); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options.quiet_seconds));
  on_host([&] {
    people.leave();
    return true;
  });
  host.reset(); // from here the book is this thread's
  auto read = read_histories(options, book, people);
  book.add("end", {{"settled", settled}});
  book.flush();
  if (!read)
    return domain::error{read.failure().code,
                         "the histories cannot be read: " + read.failure().message};
  if (!book.good())
    return domain::error{domain::errc::io, "cannot write " + options.file};
  return settled;
}

} // namespace frontdesk::load
