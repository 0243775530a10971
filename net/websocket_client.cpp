#include "net/websocket_client.hpp"

#include "crypto/crypto.hpp"
#include "net/address.hpp"
#include "net/event_loop.hpp"
#include "net/frame_parser.hpp"
#include "net/http.hpp"
#include "net/outbox.hpp"
#include "net/tls.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <span>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <unordered_map>

namespace frontdesk::net {

using domain::errc;
using domain::error;
using domain::result;

namespace {

constexpr std::size_t read_buffer_bytes = 65536;
constexpr std::size_t answer_bytes_max = 16384;

class client_connection;

std::string_view protocol_of(domain::wire_form form) {
  return form == domain::wire_form::json ? json_subprotocol : proto_subprotocol;
}

} // namespace

class websocket_client_host::implementation {
public:
  implementation();
  ~implementation();

  client_connection* find(client_number number) const {
    const auto found = clients.find(number);
    return found == clients.end() ? nullptr : found->second.get();
  }

  void flush();
  void finish_turn();

  std::unordered_map<client_number, std::unique_ptr<client_connection>> clients;
  std::vector<char> read_buffer;
  std::vector<client_connection*> dirty;
  std::vector<client_connection*> again;
  std::vector<client_connection*> dead;
  outbox_pool outboxes;
  std::atomic<client_number> next_number{1};
  std::atomic<std::size_t> count{0};
  bool stopping = false;
  event_loop loop;
};

namespace {

/// One connection:  connecting --> handshake (TLS) --> upgrading --> open --> closing --> dead
class client_connection final : public ready_handler, public timer_wheel::entry {
public:
  using owner = websocket_client_host::implementation;

  client_connection(owner& host, client_number number, client_events& events,
                    std::size_t message_bytes_max, domain::wire_form form)
    : host_(host), events_(events), number_(number),
      parser_({.role = frame_role::client,
               .kind = form == domain::wire_form::json ? message_kind::text : message_kind::binary,
               .message_bytes_max = static_cast<std::uint32_t>(std::min<std::size_t>(
                 message_bytes_max, std::numeric_limits<std::uint32_t>::max()))}) {}

  ~client_connection() {
    timer_wheel::cancel(*this);
    if (out_)
      host_.outboxes.give(std::move(out_));
  }

  void begin(connect_options options);
  void on_ready(std::uint32_t events) override;

  void on_timer() { finish("timeout", true); }

  void send(std::string_view message);
  void write_out();
  void close(std::uint16_t code, std::string_view text);
  void pause(bool paused);
  void read();
  void finish(std::string_view why, bool abort);

  client_number number() const { return number_; }

  std::size_t pending() const { return out_ ? out_->pending() : 0; }

  bool dirty = false;
  bool again = false;
  client_close ended{};

  client_events& events() const { return events_; }

private:
  enum class phase : std::uint8_t { connecting, handshake, upgrading, open, closing, dead };

  /// Needed only until the connection is open.
  struct opening {
    connect_options options;
    std::string key;
    std::string answer;
  };

  void connected();
  void shake_hands();
  void ask();
  void take_answer(std::span<char> bytes);
  void take_frames(std::span<char> bytes);
  void update_interest();
  void read_soon();
  void mark_dirty();
  outbox& out();

  owner& host_;
  client_events& events_;
  const client_number number_;
  transport wire_;
  std::unique_ptr<opening> opening_;
  std::unique_ptr<outbox> out_;
  frame_parser parser_;
  std::uint32_t close_timeout_ms_ = 0;
  phase phase_ = phase::connecting;
  std::uint8_t interest_ = 0;
  bool paused_ : 1 = false;
  bool blocked_ : 1 = false;
  bool failed_ : 1 = false;
  bool close_received_ : 1 = false;
  bool read_waits_for_write_ : 1 = false;
  bool write_waits_for_read_ : 1 = false;
};

void client_connection::begin(connect_options options) {
  close_timeout_ms_ = options.close_timeout_ms;
  auto target = make_socket_address(options.address, options.port);
  if (!target)
    return finish(target.failure().message, false);
  const int descriptor = ::socket(target->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0)
    return finish(std::generic_category().message(errno), false);
  wire_ = transport(descriptor);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!options.source_address.empty()) {
    auto source = make_socket_address(options.source_address, 0);
    if (!source)
      return finish(source.failure().message, false);
    // The port is chosen by connect(), so that it only has to be free towards this target.
    ::setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&*source),
               socket_address_size(*source))
        != 0)
      return finish(std::generic_category().message(errno), false);
  }
  host_.loop.schedule(*this, host_.loop.now_ms() + options.timeout_ms);
  opening_ = std::make_unique<opening>();
  opening_->options = std::move(options);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&*target),
                socket_address_size(*target))
        != 0
      && errno != EINPROGRESS)
    return finish(std::generic_category().message(errno), false);
  if (!host_.loop.watch(descriptor, EPOLLOUT, *this))
    return finish("too many sockets to watch", true);
  interest_ = EPOLLOUT;
}

void client_connection::connected() {
  int failed = 0;
  socklen_t size = sizeof failed;
  ::getsockopt(wire_.descriptor(), SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed)
    return finish(std::generic_category().message(failed), false);
  const connect_options& options = opening_->options;
  if (!options.tls)
    return ask();
  const std::string& name = options.host.empty() ? options.address : options.host;
  if (!wire_.secure_as_client(context_of(*options.tls), name))
    return finish("TLS cannot be set up", false);
  phase_ = phase::handshake;
  shake_hands();
}

void client_connection::shake_hands() {
  switch (wire_.handshake()) {
  case transfer::done:
    read_waits_for_write_ = false;
    return ask();
  case transfer::wait_readable:
    read_waits_for_write_ = false;
    return update_interest();
  case transfer::wait_writable:
    read_waits_for_write_ = true;
    return update_interest();
  case transfer::ended:
  case transfer::failed:
    return finish("TLS handshake failed: " + transport::last_error(), false);
  }
}

void client_connection::ask() {
  phase_ = phase::upgrading;
  const connect_options& options = opening_->options;
  opening_->key = random_websocket_key();
  std::string target = options.host.empty() ? options.address : options.host;
  if (target.find(':') != std::string::npos && !target.starts_with('['))
    target = "[" + target + "]";
  const std::uint16_t standard = options.tls ? 443 : 80;
  if (options.port != standard)
    target += ":" + std::to_string(options.port);
  out().bytes.append(upgrade_request(target, options.path, opening_->key, protocol_of(options.form),
                                     options.headers));
  update_interest();
  write_out();
}

void client_connection::update_interest() {
  if (phase_ == phase::dead)
    return;
  const bool in = (phase_ != phase::open || !paused_) || write_waits_for_read_;
  const bool want_out = (blocked_ && !write_waits_for_read_) || read_waits_for_write_;
  const auto wanted = static_cast<std::uint8_t>((in ? +EPOLLIN : 0) | (want_out ? +EPOLLOUT : 0));
  if (wanted == interest_)
    return;
  interest_ = wanted;
  host_.loop.change(wire_.descriptor(), wanted, *this);
}

void client_connection::on_ready(std::uint32_t ready) {
  if (phase_ == phase::dead)
    return;
  if (phase_ == phase::connecting)
    return connected();
  if (phase_ == phase::handshake)
    return shake_hands();
  if ((ready & EPOLLOUT) || (write_waits_for_read_ && (ready & EPOLLIN))) {
    write_waits_for_read_ = false;
    write_out();
  }
  if (phase_ == phase::dead)
    return;
  if ((ready & EPOLLIN) || (read_waits_for_write_ && (ready & EPOLLOUT))) {
    if (read_waits_for_write_) {
      read_waits_for_write_ = false;
      update_interest();
    }
    read();
  } else if (ready & (EPOLLERR | EPOLLHUP)) {
    finish("connection lost", true);
  }
}

void client_connection::read_soon() {
  if (again || !wire_.has_buffered())
    return;
  again = true;
  host_.again.push_back(this);
}

void client_connection::read() {
  if (phase_ == phase::dead || (phase_ == phase::open && paused_))
    return;
  const auto [what, size] = wire_.read(host_.read_buffer);
  switch (what) {
  case transfer::wait_readable:
    return;
  case transfer::wait_writable:
    read_waits_for_write_ = true;
    return update_interest();
  case transfer::ended:
    return finish("closed by the peer", false);
  case transfer::failed:
    return finish("connection lost", false);
  case transfer::done:
    break;
  }
  const std::span<char> bytes(host_.read_buffer.data(), size);
  if (phase_ == phase::upgrading) {
    take_answer(bytes);
  } else {
    take_frames(bytes);
  }
  if (phase_ != phase::dead)
    read_soon();
}

void client_connection::take_answer(std::span<char> bytes) {
  std::string& answer = opening_->answer;
  const std::size_t before = answer.size();
  answer.append(bytes.data(), bytes.size());
  const std::size_t end = answer.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    if (answer.size() > answer_bytes_max)
      finish("the answer to the upgrade is too long", true);
    return;
  }
  const std::size_t head = end + 4;
  const auto parsed = parse_upgrade_answer(std::string_view(answer).substr(0, head), opening_->key,
                                           protocol_of(opening_->options.form));
  if (!parsed)
    return finish(parsed.failure().message, true);
  if (!parsed->accepted) {
    ended.http_status = parsed->status;
    return finish("the upgrade was refused", false);
  }
  bytes = bytes.subspan(head - before);
  opening_.reset();
  timer_wheel::cancel(*this);
  phase_ = phase::open;
  events_.on_open(number_);
  if (phase_ != phase::dead && !bytes.empty())
    take_frames(bytes);
}

void client_connection::take_frames(std::span<char> bytes) {
  for (;;) {
    const frame_event event = parser_.next(bytes);
    switch (event.what) {
    case frame_event::type::more:
      parser_.take_frame_count();
      if (failed_ || close_received_)
        update_interest();
      return;
    case frame_event::type::message:
      if (phase_ != phase::open)
        break;
      if (event.assembled) {
        const std::string message = parser_.take_message();
        events_.on_message(number_, message);
      } else {
        events_.on_message(number_, event.data);
      }
      if (phase_ == phase::dead)
        return;
      break;
    case frame_event::type::ping:
      if (phase_ != phase::open)
        break;
      out().pong = event.data;
      out_->has_pong = true;
      mark_dirty();
      break;
    case frame_event::type::pong:
      break;
    case frame_event::type::close:
      close_received_ = true;
      ended.code = event.code;
      ended.text = event.data;
      close(event.code, {});
      break;
    case frame_event::type::failure:
      failed_ = true;
      ended.text = event.data;
      close(event.code, event.data);
      break;
    }
  }
}

outbox& client_connection::out() {
  if (!out_)
    out_ = host_.outboxes.take();
  return *out_;
}

void client_connection::mark_dirty() {
  if (dirty)
    return;
  dirty = true;
  host_.dirty.push_back(this);
}

void client_connection::send(std::string_view message) {
  if (phase_ != phase::open)
    return;
  const bool json = parser_.kind() == message_kind::text;
  append_masked_frame(out().bytes, json ? frame_opcode::text : frame_opcode::binary, message,
                      static_cast<std::uint32_t>(crypto::random_u64()));
  mark_dirty();
}

void client_connection::write_out() {
  if (phase_ == phase::dead || phase_ == phase::connecting || phase_ == phase::handshake)
    return;
  while (out_) {
    if (out_->has_pong && out_->pending() == 0 && phase_ == phase::open) {
      append_masked_frame(out_->bytes, frame_opcode::pong, out_->pong,
                          static_cast<std::uint32_t>(crypto::random_u64()));
      out_->has_pong = false;
    }
    if (out_->pending() == 0)
      break;
    const auto [what, size] = wire_.write(std::string_view(out_->bytes).substr(out_->sent));
    switch (what) {
    case transfer::done:
      out_->sent += size;
      break;
    case transfer::wait_readable:
      write_waits_for_read_ = true;
      [[fallthrough]];
    case transfer::wait_writable:
      blocked_ = true;
      if (out_->sent > read_buffer_bytes && out_->sent > out_->bytes.size() / 2)
        out_->bytes.erase(0, std::exchange(out_->sent, 0));
      return update_interest();
    case transfer::ended:
    case transfer::failed:
      // What the peer said last is still to be read: the reader will meet the end.
      out_->sent = out_->bytes.size();
      break;
    }
  }
  if (out_)
    host_.outboxes.give(std::exchange(out_, nullptr));
  if (blocked_) {
    blocked_ = false;
    update_interest();
  }
}

void client_connection::close(std::uint16_t code, std::string_view text) {
  if (phase_ == phase::closing || phase_ == phase::dead)
    return;
  if (phase_ != phase::open)
    return finish("closed before it was open", true);
  phase_ = phase::closing;
  out().has_pong = false;
  append_masked_frame(out_->bytes, frame_opcode::close, close_payload(code, text),
                      static_cast<std::uint32_t>(crypto::random_u64()));
  mark_dirty();
  host_.loop.schedule(*this, host_.loop.now_ms() + close_timeout_ms_);
  update_interest();
}

void client_connection::pause(bool paused) {
  paused_ = paused;
  if (phase_ != phase::open)
    return;
  update_interest();
  if (!paused)
    read_soon();
}

void client_connection::finish(std::string_view why, bool abort) {
  if (phase_ == phase::dead)
    return;
  phase_ = phase::dead;
  if (!close_received_ && ended.text.empty())
    ended.text = why;
  timer_wheel::cancel(*this);
  if (interest_)
    host_.loop.unwatch(wire_.descriptor());
  wire_.close(abort);
  host_.dead.push_back(this);
}

} // namespace

websocket_client_host::implementation::implementation()
  : read_buffer(read_buffer_bytes),
    loop(
      "ws-client",
      [](timer_wheel::entry& item) { static_cast<client_connection&>(item).on_timer(); },
      [this] { finish_turn(); }) {}

websocket_client_host::implementation::~implementation() = default;

void websocket_client_host::implementation::flush() {
  for (std::size_t i = 0; i < dirty.size(); ++i) {
    dirty[i]->dirty = false;
    dirty[i]->write_out();
  }
  dirty.clear();
}

void websocket_client_host::implementation::finish_turn() {
  if (!again.empty()) {
    std::vector<client_connection*> readable;
    readable.swap(again);
    for (client_connection* const item : readable) {
      item->again = false;
      item->read();
    }
    if (!again.empty())
      loop.post([] {});
  }
  while (!dirty.empty() || !dead.empty()) {
    flush();
    std::vector<client_connection*> gone;
    gone.swap(dead);
    for (client_connection* const item : gone) {
      if (item->again)
        again.erase(std::remove(again.begin(), again.end(), item), again.end());
      const auto node = clients.extract(item->number());
      count.fetch_sub(1, std::memory_order_relaxed);
      item->events().on_close(item->number(), item->ended);
    }
  }
}

websocket_client_host::websocket_client_host()
  : implementation_(std::make_unique<implementation>()) {
  implementation_->loop.start();
}

websocket_client_host::~websocket_client_host() {
  implementation_->loop.post([self = implementation_.get()] {
    self->stopping = true;
    for (auto& [number, client] : self->clients)
      client->finish("the client host ends", true);
  });
  implementation_->loop.stop();
}

client_number websocket_client_host::connect(const connect_options& options,
                                             client_events& events) {
  auto& self = *implementation_;
  const client_number number = self.next_number.fetch_add(1);
  self.count.fetch_add(1, std::memory_order_relaxed);
  self.loop.post([&self, number, options, &events] {
    auto& made = self.clients[number];
    made = std::make_unique<client_connection>(self, number, events, options.message_bytes_max,
                                               options.form);
    if (self.stopping)
      return made->finish("the client host ends", true);
    made->begin(options);
  });
  return number;
}

void websocket_client_host::send(client_number connection, std::string_view message) {
  if (auto* const client = implementation_->find(connection))
    client->send(message);
}

void websocket_client_host::flush() {
  implementation_->flush();
}

void websocket_client_host::close(client_number connection, std::uint16_t code,
                                  std::string_view text) {
  if (auto* const client = implementation_->find(connection))
    client->close(code, text);
}

void websocket_client_host::reset(client_number connection) {
  if (auto* const client = implementation_->find(connection))
    client->finish("reset", true);
}

void websocket_client_host::pause(client_number connection, bool paused) {
  if (auto* const client = implementation_->find(connection))
    client->pause(paused);
}

std::size_t websocket_client_host::pending_bytes(client_number connection) const {
  const auto* const client = implementation_->find(connection);
  return client ? client->pending() : 0;
}

void websocket_client_host::after_ms(std::uint32_t delay_ms, std::function<void()> work) {
  implementation_->loop.after_ms(delay_ms, std::move(work));
}

void websocket_client_host::post(std::function<void()> work) {
  implementation_->loop.post(std::move(work));
}

std::size_t websocket_client_host::connection_count() const {
  return implementation_->count.load(std::memory_order_relaxed);
}

result<std::string> resolve_host(const std::string& host) {
  if (ip_address::parse(host))
    return host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed)
    return error{errc::unavailable, host + ": " + ::gai_strerror(failed)};
  std::array<char, NI_MAXHOST> text{};
  const int named = ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(),
                                  nullptr, 0, NI_NUMERICHOST);
  ::freeaddrinfo(found);
  if (named)
    return error{errc::unavailable, host + ": " + ::gai_strerror(named)};
  return std::string(text.data());
}

/// The host's callbacks end with on_close, which the client's destructor waits for; posted work
/// shares it.
class websocket_client::state final : public client_events {
public:
  explicit state(websocket_client_host& shared) : host(shared) {}

  void on_open(client_number) override {
    const std::lock_guard lock(mutex);
    opened = true;
    changed.notify_all();
  }

  void on_message(client_number connection, std::string_view message) override {
    const std::lock_guard lock(mutex);
    received.emplace_back(message);
    if (received.size() >= received_max && !full) {
      full = true;
      host.pause(connection, true);
    }
    changed.notify_all();
  }

  void on_close(client_number, const client_close& why) override {
    const std::lock_guard lock(mutex);
    closed = true;
    ended = why;
    changed.notify_all();
  }

  static constexpr std::size_t received_max
    = 4096; // the socket is paused until half of them are taken

  websocket_client_host& host;
  client_number number = 0;

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  std::deque<std::string> received;
  client_close ended;
  bool opened = false; // once and for all
  bool closed = false;
  bool full = false;
  bool paused = false;
};

namespace {

std::chrono::steady_clock::time_point deadline_in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

} // namespace

websocket_client::websocket_client(std::shared_ptr<state> shared) : state_(std::move(shared)) {}

result<std::unique_ptr<websocket_client>> websocket_client::connect(connect_options options) {
  auto own = std::make_unique<websocket_client_host>();
  auto made = connect(std::move(options), *own);
  if (made)
    (*made)->own_ = std::move(own);
  return made;
}

result<std::unique_ptr<websocket_client>> websocket_client::connect(connect_options options,
                                                                    websocket_client_host& host) {
  if (options.host.empty())
    options.host = options.address;
  auto address = resolve_host(options.address);
  if (!address)
    return address.failure();
  options.address = *std::move(address);
  std::unique_ptr<websocket_client> client(new websocket_client(std::make_shared<state>(host)));
  state& shared = *client->state_;
  std::unique_lock lock(shared.mutex);
  shared.number = host.connect(options, shared);
  shared.changed.wait(lock, [&] { return shared.opened || shared.closed; });
  // The peer may have closed it again by now: that is for receive() and wait_closed() to tell.
  if (shared.opened)
    return client;
  const client_close why = shared.ended;
  lock.unlock();
  if (why.http_status)
    return error{errc::forbidden, "the upgrade was answered " + std::to_string(why.http_status)};
  return error{why.text == "timeout" ? errc::timeout : errc::unavailable, why.text};
}

websocket_client::~websocket_client() {
  reset();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->closed; });
}

result<void> websocket_client::send(std::string_view message) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->closed)
      return error{errc::unavailable, "the connection is closed"};
  }
  state_->host.post(
    [shared = state_, text = std::string(message)] { shared->host.send(shared->number, text); });
  return {};
}

result<std::string> websocket_client::receive(std::chrono::milliseconds deadline) {
  state& shared = *state_;
  std::unique_lock lock(shared.mutex);
  if (!shared.changed.wait_until(lock, deadline_in(deadline),
                                 [&] { return !shared.received.empty() || shared.closed; }))
    return error{errc::timeout, "no message came"};
  if (shared.received.empty())
    return error{errc::unavailable, "the connection is closed"};
  std::string message = std::move(shared.received.front());
  shared.received.pop_front();
  if (shared.full && shared.received.size() <= state::received_max / 2) {
    shared.full = false;
    if (!shared.paused)
      shared.host.post([again = state_] { again->host.pause(again->number, false); });
  }
  return message;
}

client_close websocket_client::close(std::uint16_t code, std::string_view text) {
  state_->host.post([shared = state_, code, reason = std::string(text)] {
    shared->host.close(shared->number, code, reason);
  });
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->closed; });
  return state_->ended;
}

result<client_close> websocket_client::wait_closed(std::chrono::milliseconds deadline) {
  std::unique_lock lock(state_->mutex);
  if (!state_->changed.wait_until(lock, deadline_in(deadline), [&] { return state_->closed; }))
    return error{errc::timeout, "the connection is still open"};
  return state_->ended;
}

void websocket_client::reset() {
  state_->host.post([shared = state_] { shared->host.reset(shared->number); });
}

void websocket_client::pause(bool paused) {
  const std::lock_guard lock(state_->mutex);
  state_->paused = paused;
  const bool stop = paused || state_->full;
  state_->host.post([shared = state_, stop] { shared->host.pause(shared->number, stop); });
}

} // namespace frontdesk::net
