#include "app/chat_screen.hpp"
#include "app/commands/commands.hpp"
#include "client/participant.hpp"
#include "client/state_file.hpp"
#include "domain/text.hpp"
#include "proto/codec.hpp"

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

namespace frontdesk::app {

namespace {

using domain::conversation_id;
using namespace std::chrono_literals;

struct chat_options {
  std::string url = "ws://127.0.0.1:8080";
  std::string inbox{};
  std::string name{};
  std::string token_file{};
  std::string state_file{};
  std::string ca_file{};
  bool insecure = false;
  bool as_json = false;
  double wait_seconds = 10;
  double linger_seconds = 0;
};

/// What stands in a ws:// or wss:// URL.
struct place {
  bool secure = false;
  std::string host{};
  std::uint16_t port = 0;
  std::string path = "/v1/socket";
};

std::optional<place> parse_url(std::string_view url) {
  place found;
  if (url.starts_with("wss://") || url.starts_with("https://"))
    found.secure = true;
  else if (!url.starts_with("ws://") && !url.starts_with("http://"))
    return std::nullopt;
  url.remove_prefix(url.find("//") + 2);
  if (const auto slash = url.find('/'); slash != std::string_view::npos) {
    if (url.size() > slash + 1)
      found.path = url.substr(slash);
    url = url.substr(0, slash);
  }
  found.port = found.secure ? 443 : 80;
  // [::1]:8080 as well as localhost:8080.
  const auto bracket = url.find(']');
  const auto colon = url.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto port = url.substr(colon + 1);
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), found.port);
    if (failure != std::errc{} || end != port.data() + port.size() || found.port == 0)
      return std::nullopt;
    url = url.substr(0, colon);
  }
  if (bracket != std::string_view::npos && url.size() > 2)
    url = url.substr(1, bracket - 1);
  found.host = url;
  if (found.host.empty())
    return std::nullopt;
  return found;
}

/// Takes the first word off the line.
std::string_view take_word(std::string_view& line) {
  const auto begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos)
    return line = {};
  line.remove_prefix(begin);
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
  return word;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

/// What came of a line.
enum class outcome : std::uint8_t { done, wrong, full, quit };

/// The chat, on the host's thread.
class chat final : public client::participant_events {
public:
  chat(const chat_options& options, bool staff, net::websocket_client_host& host,
       net::connect_options where, std::string token, client::session_state state)
    : options_(options), staff_(staff), screen_(options.as_json, staff) {
    if (!token.empty())
      state.token = std::move(token);
    client::session_options session;
    session.staff = staff;
    session.inbox_key = options.inbox;
    session.name = options.name;
    session.random_id = client::random_entity_id;
    me_ = std::make_unique<client::participant>(host, std::move(where), std::move(session),
                                                std::move(state), *this);
  }

  void start() { me_->start(); }

  void stop() {
    keep();
    me_->stop();
  }

  /// One line that was typed.
  outcome typed(const std::string& line) {
    if (!domain::valid_utf8(line)) {
      screen_.complain("the line is not valid UTF-8");
      return outcome::wrong;
    }
    if (line.empty())
      return outcome::done;
    if (line.front() != '/')
      return say(conversation_here(), domain::post_message{{line, 0}});
    std::string_view rest{line};
    const auto name = take_word(rest);
    const auto& table = verbs();
    const auto found = table.find(std::string{name.substr(1)});
    if (found == table.end() || (found->second.staff_only && !staff_)) {
      screen_.complain("no such command: " + std::string{name} + "; /help lists them");
      return outcome::wrong;
    }
    return found->second.run(*this, rest);
  }

  // Read by the main thread.
  std::atomic<bool> online{false};
  std::atomic<bool> given_up{false};
  std::atomic<bool> trouble{false}; ///< a command was refused for good, or nobody knows

  bool idle() const { return me_->inside().idle(); }

private:
  struct verb {
    bool staff_only = false;
    const char* help = "";
    std::function<outcome(chat&, std::string_view)> run{};
  };

  static const std::map<std::string, verb>& verbs();

  outcome say(const conversation_id& conversation, domain::command_body body) {
    if (staff_ && !conversation) {
      screen_.complain("in which conversation? /list mine, then /use NUMBER");
      return outcome::wrong;
    }
    const auto taken = me_->enqueue(conversation, std::move(body));
    if (taken)
      return outcome::done;
    if (taken.failure().code == domain::errc::too_many_in_flight)
      return outcome::full;
    screen_.complain(taken.failure().message);
    return outcome::wrong;
  }

  conversation_id conversation_here() const { return staff_ ? here_ : me_->inside().current(); }

  /// By number or id; where the text names none, the one that is in use.
  std::optional<conversation_id> conversation_named(std::string_view text) {
    if (text.empty()) {
      if (conversation_here())
        return conversation_here();
    } else if (const auto raw = domain::from_hex(text); raw && raw->size() == 16) {
      return conversation_id::from_bytes(*raw);
    } else if (const auto number = number_of(text.substr(text.starts_with('#') ? 1 : 0))) {
      for (const auto& [id, known] : numbers_)
        if (known == *number)
          return id;
    }
    screen_.complain(text.empty() ? "in which conversation? /list mine, then /use NUMBER"
                                  : "no such conversation is known here: " + std::string{text});
    return std::nullopt;
  }

  /// A leading @NUMBER or @ID, else the conversation in use.
  std::optional<conversation_id> addressed(std::string_view& rest) {
    if (!rest.starts_with('@'))
      return conversation_named({});
    return conversation_named(take_word(rest).substr(1));
  }

  outcome in_conversation(
    std::string_view rest,
    const std::function<std::optional<domain::command_body>(std::string_view)>& make) {
    const auto where = addressed(rest);
    if (!where)
      return outcome::wrong;
    auto body = make(rest);
    if (!body)
      return outcome::wrong;
    return say(*where, *std::move(body));
  }

  std::optional<domain::command_body> text_of(std::string_view rest, bool note) {
    if (rest.empty()) {
      screen_.complain("the text is missing");
      return std::nullopt;
    }
    if (note)
      return domain::post_note{{std::string{rest}, 0}};
    return domain::post_message{{std::string{rest}, 0}};
  }

  std::optional<std::uint64_t> target_of(std::string_view& rest) {
    const auto target = number_of(take_word(rest));
    if (!target || *target == 0) {
      screen_.complain("the number of a message is missing");
      return std::nullopt;
    }
    return target;
  }

  outcome set_presence(domain::presence_state state, std::string_view rest) {
    const auto capacity = rest.empty() ? 0 : number_of(rest).value_or(UINT64_MAX);
    if (capacity > 10000) {
      screen_.complain("how many conversations at once? At most 10000");
      return outcome::wrong;
    }
    presence_ = domain::set_presence{state, static_cast<std::uint32_t>(capacity)};
    me_->send(*presence_);
    return outcome::done;
  }

  outcome use(std::string_view rest) {
    const auto where = conversation_named(rest);
    if (!where)
      return outcome::wrong;
    here_ = *where;
    if (!me_->inside().follows(here_))
      me_->follow(here_);
    return outcome::done;
  }

  outcome take(std::string_view rest) {
    const auto done = use(rest);
    if (done != outcome::done)
      return done;
    const auto self = domain::id_cast<domain::account_id>(me_->inside().last_welcome().self.id);
    return say(here_, domain::assign{self, {}});
  }

  std::optional<domain::command_body> transfer_to(std::string_view rest) {
    if (rest == "queue")
      return domain::assign{};
    const auto raw = domain::from_hex(rest);
    const auto account = raw ? domain::account_id::from_bytes(*raw) : std::nullopt;
    if (!account) {
      screen_.complain("to whom? An account's id, or queue");
      return std::nullopt;
    }
    return domain::assign{*account, {}};
  }

  outcome list(std::string_view which) {
    if (which != "waiting" && which != "mine") {
      screen_.complain("which list? waiting or mine");
      return outcome::wrong;
    }
    const auto kind = which == "waiting" ? domain::list_kind::waiting : domain::list_kind::mine;
    wanted_lists_.insert(kind);
    shown_lists_.insert(kind);
    me_->send(domain::subscribe_list{kind, std::nullopt});
    return outcome::done;
  }

  outcome history(std::string_view rest) {
    const auto where = addressed(rest);
    if (!where)
      return outcome::wrong;
    domain::history_request request;
    request.request = ++last_request_;
    request.conversation = *where;
    request.from = number_of(take_word(rest)).value_or(0);
    me_->send(request);
    return outcome::done;
  }

  outcome again(bool send) {
    for (const auto& [outbox, handle] : std::exchange(asked_, {}))
      me_->answer(outbox, handle, send);
    return outcome::done;
  }

  outcome help() {
    std::string text = "A line without a / is sent.\n";
    for (const auto& [name, each] : verbs())
      if (staff_ || !each.staff_only)
        text += "  /" + name + each.help + "\n";
    if (staff_)
      text += "Conversations are named by number or id; @NUMBER first writes into another one:\n"
              "  /reply @98 Good morning";
    screen_.say(text);
    return outcome::done;
  }

  // -- what happens
  void on_frame_out(client::participant&, const domain::client_frame& frame) override {
    // A number must never stand for another text after a crash, so it is kept before it leaves.
    if (std::holds_alternative<domain::command>(frame))
      keep();
  }

  void on_frame_in(client::participant&, const domain::server_frame& frame) override {
    screen_.frame(frame);
  }

  void on_effect(client::participant&, const client::effect& what) override {
    if (const auto* seen = std::get_if<client::event_seen>(&what)) {
      screen_.event(seen->event, number_of_conversation(seen->event.conversation));
    } else if (const auto* stored = std::get_if<client::confirmed>(&what)) {
      screen_.confirmed(staff_ ? stored->seq : stored->visible_seq);
      keep();
    } else if (const auto* refused = std::get_if<client::rejected>(&what)) {
      trouble = true;
      screen_.rejected(refused->key.seq, refused->reason);
      keep();
    } else if (const auto* unknown = std::get_if<client::unconfirmed>(&what)) {
      trouble = true;
      for (const auto handle : unknown->handles)
        asked_.emplace_back(unknown->outbox, handle);
      screen_.complain(std::to_string(unknown->handles.size())
                       + " messages are not confirmed. /again sends them again, /forget does not");
    } else if (const auto* noted = std::get_if<client::frame_noted>(&what)) {
      note(noted->frame);
    }
  }

  void on_link_lost(client::participant&, const net::client_close& why,
                    std::optional<std::uint32_t> again_ms) override {
    online = false;
    if (!again_ms)
      given_up = true;
    screen_.link_lost(why.code, why.text, again_ms);
  }

  void note(const domain::server_frame& frame) {
    if (std::holds_alternative<domain::welcome>(frame))
      welcomed();
    else if (const auto* following = std::get_if<domain::subscribed>(&frame))
      numbers_[following->conversation] = following->number;
    else if (const auto* rows = std::get_if<domain::list_rows>(&frame))
      take_rows(*rows);
    else if (const auto* stored = std::get_if<domain::acknowledge>(&frame))
      numbers_[stored->conversation] = stored->number;
    else if (const auto* page = std::get_if<domain::history_page>(&frame))
      for (const auto& each : page->events)
        screen_.event(each, number_of_conversation(each.conversation));
  }

  void welcomed() {
    online = true;
    if (presence_)
      me_->send(*presence_); // a node that has been restarted does not know it any more
    if (staff_)
      wanted_lists_.insert(domain::list_kind::mine);
    for (const auto kind : wanted_lists_)
      me_->send(domain::subscribe_list{kind, std::nullopt});
    keep();
  }

  void take_rows(const domain::list_rows& rows) {
    for (const auto& row : rows.rows) {
      numbers_[row.conversation] = row.number;
      if (rows.list == domain::list_kind::mine) {
        if (!here_)
          here_ = row.conversation;
        if (!me_->inside().follows(row.conversation))
          me_->follow(row.conversation);
      }
    }
    if (shown_lists_.contains(rows.list))
      screen_.rows(rows);
  }

  std::uint64_t number_of_conversation(const conversation_id& id) const {
    const auto found = numbers_.find(id);
    return found == numbers_.end() ? 0 : found->second;
  }

  void keep() {
    if (options_.state_file.empty())
      return;
    if (auto kept = client::save_state(options_.state_file, me_->inside().state()); !kept) {
      trouble = true;
      screen_.complain(kept.failure().message);
    }
  }

  const chat_options& options_;
  bool staff_;
  chat_screen screen_;
  std::unique_ptr<client::participant> me_;
  conversation_id here_{}; ///< of staff: where lines without an address go
  std::map<conversation_id, std::uint64_t> numbers_;
  std::optional<domain::set_presence> presence_;
  std::set<domain::list_kind> wanted_lists_;
  std::set<domain::list_kind> shown_lists_;
  std::vector<std::pair<std::uint64_t, domain::message_handle>> asked_;
  std::uint64_t last_request_ = 0;
};

const std::map<std::string, chat::verb>& chat::verbs() {
  using rest = std::string_view;
  static const std::map<std::string, verb> table{
    {"help", {false, "", [](chat& c, rest) { return c.help(); }}},
    {"quit", {false, "", [](chat&, rest) { return outcome::quit; }}},
    {"again",
     {false, "                 send what is not confirmed again",
      [](chat& c, rest) { return c.again(true); }}},
    {"forget", {false, "                do not", [](chat& c, rest) { return c.again(false); }}},
    {"history",
     {false, " [NUMBER]       what was said before (that number)",
      [](chat& c, rest r) { return c.history(r); }}},
    {"edit",
     {false, " NUMBER TEXT       change a message",
      [](chat& c, rest r) {
        return c.in_conversation(r, [&c](rest text) -> std::optional<domain::command_body> {
          const auto target = c.target_of(text);
          if (!target)
            return std::nullopt;
          return domain::edit_message{*target, std::string{text}};
        });
      }}},
    {"recall",
     {false, " NUMBER          take a message back",
      [](chat& c, rest r) {
        return c.in_conversation(r, [&c](rest text) -> std::optional<domain::command_body> {
          const auto target = c.target_of(text);
          if (!target)
            return std::nullopt;
          return domain::recall_message{*target};
        });
      }}},
    {"online",
     {true, " [COUNT]         take so many conversations",
      [](chat& c, rest r) { return c.set_presence(domain::presence_state::online, r); }}},
    {"away",
     {true, "", [](chat& c, rest) { return c.set_presence(domain::presence_state::away, {}); }}},
    {"offline",
     {true, "", [](chat& c, rest) { return c.set_presence(domain::presence_state::offline, {}); }}},
    {"list", {true, " waiting|mine", [](chat& c, rest r) { return c.list(r); }}},
    {"use",
     {true, " CONVERSATION       write into this one", [](chat& c, rest r) { return c.use(r); }}},
    {"take",
     {true, " CONVERSATION      assign it to yourself", [](chat& c, rest r) { return c.take(r); }}},
    {"reply",
     {true, " TEXT",
      [](chat& c, rest r) {
        return c.in_conversation(r, [&c](rest text) { return c.text_of(text, false); });
      }}},
    {"note",
     {true, " TEXT              for colleagues only",
      [](chat& c, rest r) {
        return c.in_conversation(r, [&c](rest text) { return c.text_of(text, true); });
      }}},
    {"resolve",
     {true, "",
      [](chat& c, rest r) {
        return c.in_conversation(
          r, [](rest) -> std::optional<domain::command_body> { return domain::resolve{}; });
      }}},
    {"reopen",
     {true, "",
      [](chat& c, rest r) {
        return c.in_conversation(
          r, [](rest) -> std::optional<domain::command_body> { return domain::reopen{}; });
      }}},
    {"transfer",
     {true, " ACCOUNT|queue",
      [](chat& c, rest r) {
        return c.in_conversation(r, [&c](rest to) { return c.transfer_to(to); });
      }}},
  };
  return table;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.pop_back();
  return text;
}

/// Runs the work on the host's thread and brings its answer.
template <class Work>
auto on_host(net::websocket_client_host& host, Work work) {
  std::promise<decltype(work())> answer;
  auto coming = answer.get_future();
  host.post([&] { answer.set_value(work()); });
  return coming.get();
}

/// Waits until the question is answered with yes; false when the time is over or the chat is.
template <class Question>
bool wait_for(double seconds, const chat& about, Question question) {
  const auto end = std::chrono::steady_clock::now()
                   + std::chrono::duration_cast<std::chrono::nanoseconds>(
                     std::chrono::duration<double>(seconds));
  while (!question()) {
    if (about.given_up || std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

int talk(const chat_options& options) {
  const auto where = parse_url(options.url);
  if (!where) {
    std::cerr << "--url: expected ws://HOST:PORT or wss://HOST:PORT\n";
    return 2;
  }
  std::string token;
  if (!options.token_file.empty()) {
    std::ifstream file{options.token_file};
    std::getline(file, token);
    token = trimmed(token);
    if (token.empty()) {
      std::cerr << "cannot read a token from " << options.token_file << "\n";
      return 2;
    }
  } else if (const char* variable = std::getenv("FRONTDESK_TOKEN");
             variable && options.inbox.empty()) {
    token = trimmed(variable);
  }
  const bool staff = options.inbox.empty();
  if (staff && token.empty()) {
    std::cerr << "who are you? --inbox KEY for a visitor; for an agent --token-file FILE or "
                 "FRONTDESK_TOKEN\n";
    return 2;
  }
  client::session_state state;
  if (!options.state_file.empty()) {
    auto kept = client::load_state(options.state_file);
    if (kept) {
      state = *std::move(kept);
    } else if (kept.failure().code != domain::errc::not_found) {
      std::cerr << kept.failure().message << "\n";
      return 1;
    }
  }
  net::connect_options connection;
  const auto address = net::resolve_host(where->host);
  if (!address) {
    std::cerr << address.failure().message << "\n";
    return 1;
  }
  connection.address = *address;
  connection.host = where->host;
  connection.port = where->port;
  connection.path = where->path;
  if (where->secure) {
    auto trust = net::client_tls::make(options.ca_file, options.insecure);
    if (!trust) {
      std::cerr << trust.failure().message << "\n";
      return 2;
    }
    connection.tls = *std::move(trust);
  }

  auto owned = std::make_unique<net::websocket_client_host>();
  auto& host = *owned;
  chat session{options, staff, host, std::move(connection), std::move(token), std::move(state)};
  host.post([&] { session.start(); });
  // Lines from a pipe come at once; commands that are not kept in the outbox need a connection.
  wait_for(options.wait_seconds, session, [&] { return session.online.load(); });
  bool all_understood = true;
  std::string line;
  while (!session.given_up && std::getline(std::cin, line)) {
    auto came_of = outcome::full;
    while (!session.given_up && came_of == outcome::full) {
      came_of = on_host(host, [&] { return session.typed(line); });
      if (came_of == outcome::full)
        std::this_thread::sleep_for(10ms); // the outbox is full: reading waits
    }
    all_understood = all_understood && came_of != outcome::wrong;
    if (came_of == outcome::quit)
      break;
  }
  const bool settled = wait_for(options.wait_seconds, session,
                                [&] { return on_host(host, [&] { return session.idle(); }); });
  wait_for(options.linger_seconds, session, [] { return false; });
  const bool refused = session.given_up;
  on_host(host, [&] {
    session.stop();
    return true;
  });
  wait_for(2, session, [&] { return session.given_up.load() || !session.online.load(); });
  owned.reset(); // its thread calls the session
  if (!settled)
    std::cerr << "not everything was confirmed\n";
  return settled && all_understood && !session.trouble && !refused ? 0 : 1;
}

} // namespace

void add_chat_command(CLI::App& root, command_context& context) {
  auto* verb = root.add_subcommand("chat", "Chat in the terminal, as a visitor or an agent");
  auto options = std::make_shared<chat_options>();
  verb->add_option("--url", options->url, "Where the node is")->capture_default_str();
  verb->add_option("--inbox", options->inbox, "Be a visitor of the inbox with this key");
  verb->add_option("--name", options->name, "A visitor's name");
  verb->add_option("--token-file", options->token_file,
                   "Be the agent whose token the file holds; else FRONTDESK_TOKEN");
  verb->add_option("--state", options->state_file,
                   "Keep token, cursors and unsent messages in this file: go on where it ended");
  verb->add_flag("--json", options->as_json, "Print every frame of the node as a line of JSON");
  verb
    ->add_option("--wait", options->wait_seconds,
                 "Seconds to wait for a connection, and at the end of input for confirmations")
    ->capture_default_str();
  verb->add_option("--linger", options->linger_seconds,
                   "Stay so many seconds after the end of input and print what comes");
  verb->add_option("--ca", options->ca_file, "Certificates to trust for wss://; else the system's");
  verb->add_flag("--insecure", options->insecure, "Trust any certificate");
  verb->footer("/help lists the commands. Input may come from a pipe.\n"
               "Exit code: 0 = everything typed was confirmed, 1 = not, 2 = asked wrongly.\n"
               "Examples:\n"
               "  frontdesk chat --inbox KEY --name Ann\n"
               "  FRONTDESK_TOKEN=... frontdesk chat --url wss://chat.example.com\n"
               "  echo 'Where is my order?' | frontdesk chat --inbox KEY --state ann.json --json");
  verb->callback([options, &context] { context.exit_code = talk(*options); });
}

} // namespace frontdesk::app
