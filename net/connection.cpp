#include "net/connection.hpp"

#include <algorithm>
#include <exception>
#include <sys/epoll.h>
#include <utility>

namespace frontdesk::net {

using domain::close_reason;

namespace {

// Every read of a thread goes through one buffer; a whole small frame in it is never copied. Beyond
// this size a bigger one no longer saves system calls, since a turn hands out what it has.
constexpr std::size_t read_buffer_bytes = 65536;
// What a peer may still send after our close before its bytes stay in the kernel.
constexpr std::uint32_t discard_bytes_max = 1 << 20;
// An HTTP answer must leave at this rate; slower readers hold memory for too long.
constexpr std::uint64_t answer_bytes_per_second = 16384;

constexpr std::string_view socket_path = "/v1/socket";

constexpr std::uint64_t slot_bits = 20;
constexpr std::uint64_t host_shift = 56;
constexpr std::uint64_t slot_mask = (std::uint64_t{1} << slot_bits) - 1;
constexpr std::uint64_t generation_mask = (std::uint64_t{1} << (host_shift - slot_bits)) - 1;

std::uint64_t next_host() {
  static std::atomic<std::uint64_t> count{0};
  return ++count;
}

} // namespace

bool admission::enter() {
  if (count_.fetch_add(1) < most_)
    return true;
  count_.fetch_sub(1);
  return false;
}

void admission::leave() {
  count_.fetch_sub(1);
  std::function<void()> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  if (waiting)
    waiting();
}

void admission::when_room(std::function<void()> function) {
  const std::lock_guard lock(mutex_);
  waiting_ = std::move(function);
}

void posting_gate::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (loop_)
    loop_->post(std::move(work));
}

void posting_gate::shut() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

io_core::io_core(std::string name, const domain::limits& bounds, domain::metrics& counters,
                 domain::logger& log)
  : limits(bounds), metrics(counters), logger(log),
    loop(
      std::move(name), [](timer_wheel::entry& item) { static_cast<connection&>(item).on_timer(); },
      [this] { finish_turn(); }),
    gate(std::make_shared<posting_gate>(loop)), read_buffer(read_buffer_bytes), host_(next_host()) {
}

io_core::~io_core() {
  gate->shut();
  slots_.clear(); // connections give their outboxes back
}

connection* io_core::find(domain::connection_number number) const {
  const std::uint64_t index = number & slot_mask;
  if (index >= slots_.size())
    return nullptr;
  connection* const held = slots_[index].held.get();
  return held && held->number() == number ? held : nullptr;
}

connection& io_core::add(std::shared_ptr<service> owner, transport wire, const ip_address& peer,
                         std::uint64_t direct_key) {
  std::uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.front();
    free_.pop_front();
  } else {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  }
  slot& chosen = slots_[index];
  const std::uint64_t generation = ++chosen.generation & generation_mask;
  const domain::connection_number number = host_ << host_shift | generation << slot_bits | index;
  chosen.held = std::make_unique<connection>(*this, std::move(owner), std::move(wire), number, peer,
                                             direct_key);
  connections.fetch_add(1, std::memory_order_relaxed);
  return *chosen.held;
}

void io_core::flush() {
  // Writing may fail and so end a connection, but makes no other one dirty.
  for (std::size_t i = 0; i < dirty.size(); ++i) {
    dirty[i]->dirty_ = false;
    dirty[i]->write_out();
  }
  dirty.clear();
}

void io_core::reap() {
  std::vector<connection*> ended;
  ended.swap(dead);
  for (connection* const gone : ended) {
    if (gone->again_)
      again.erase(std::remove(again.begin(), again.end(), gone), again.end());
    const domain::connection_number number = gone->number();
    const bool opened = gone->opened_;
    const close_reason reason = gone->reason_;
    const auto index = static_cast<std::uint32_t>(number & slot_mask);
    slots_[index].held.reset();
    free_.push_back(index);
    connections.fetch_sub(1, std::memory_order_relaxed);
    if (!opened)
      continue;
    open.fetch_sub(1, std::memory_order_relaxed);
    metrics.connections.add(-1);
    events->on_close(number, reason);
  }
}

void io_core::count() {
  if (counted.frames_in)
    metrics.frames_in.add(counted.frames_in);
  if (counted.frames_out)
    metrics.frames_out.add(counted.frames_out);
  if (counted.bytes_in)
    metrics.bytes_in.add(counted.bytes_in);
  if (counted.bytes_out)
    metrics.bytes_out.add(counted.bytes_out);
  counted = {};
}

void io_core::finish_turn() {
  if (!again.empty()) {
    std::vector<connection*> readable;
    readable.swap(again);
    for (connection* const item : readable) {
      item->again_ = false;
      item->read();
    }
    // Others come first; the next turn goes on with these.
    if (!again.empty())
      loop.post([] {});
  }
  while (!dirty.empty() || !dead.empty()) {
    flush();
    reap();
  }
  count();
}

void io_core::for_each(const std::function<void(connection&)>& function) {
  for (slot& item : slots_)
    if (item.held)
      function(*item.held);
}

struct connection::http_state {
  http_state(const domain::limits& limits, const ip_address& from)
    : reader(limits.request_header_bytes_max, limits.request_body_bytes_max), peer(from) {}

  http_reader reader;
  ip_address peer;
  std::string held;                        // came while the request before is being answered
  std::shared_ptr<const std::string> body; // of the answer, behind the outbox
  std::size_t body_sent = 0;
  std::uint64_t request = 0;    // number of the one being answered
  bool busy = false;            // a request waits for its answer or the answer for the kernel
  bool answering = false;       // the latter
  bool taking = false;          // take_http is running and will go on by itself
  bool keep_alive = true;       // of the request being answered
  bool head_only = false;       // as well
  bool answered_before = false; // idle between requests, not before the first
  bool peer_done = false;       // the peer has closed its side
};

connection::connection(io_core& core, std::shared_ptr<service> owner, transport wire,
                       domain::connection_number number, const ip_address& peer,
                       std::uint64_t direct_key)
  : core_(core), service_(std::move(owner)), wire_(std::move(wire)), number_(number),
    http_(std::make_unique<http_state>(core.limits, peer)), parser_(frame_rules{}),
    shaper_(core.limits, core.loop.now_ms()),
    deadline_(core.loop.now_ms() + core.limits.request_header_timeout_ms),
    heard_at_(core.loop.now_ms()), direct_key_(direct_key),
    phase_(wire_.secure() ? phase::handshake : phase::http) {}

connection::~connection() {
  timer_wheel::cancel(*this);
  if (out_)
    core_.outboxes.give(std::move(out_));
  wire_.close();
  if (socket_key_)
    service_->room.addresses.leave(socket_key_, address_counts::kind::socket);
  if (direct_key_)
    service_->room.addresses.leave(direct_key_, address_counts::kind::connection);
  service_->room.leave();
}

void connection::start() {
  interest_ = EPOLLIN;
  if (!core_.loop.watch(wire_.descriptor(), EPOLLIN, *this))
    return finish(close_reason::internal, true);
  schedule();
}

bool connection::may_read() const {
  switch (phase_) {
  case phase::http:
    return !http_->busy && !http_->peer_done;
  case phase::open:
    return !paused_ && !shaper_.over();
  case phase::closing:
  case phase::lingering:
    return discarded_ < discard_bytes_max;
  case phase::handshake:
    return true;
  case phase::dead:
    break;
  }
  return false;
}

void connection::update_interest() {
  if (phase_ == phase::dead)
    return;
  const bool in = may_read() || write_waits_for_read_;
  const bool out = (blocked_ && !write_waits_for_read_) || read_waits_for_write_;
  const auto wanted = static_cast<std::uint8_t>((in ? +EPOLLIN : 0) | (out ? +EPOLLOUT : 0));
  if (wanted == interest_)
    return;
  interest_ = wanted;
  core_.loop.change(wire_.descriptor(), wanted, *this);
}

/// Sets the timer for the next moment when on_timer may have something to do. What is heard
/// meanwhile does not move it: on_timer looks again.
void connection::schedule() {
  if (phase_ == phase::dead)
    return;
  std::uint64_t due = deadline_;
  if (phase_ == phase::open) {
    const std::uint64_t heartbeat = core_.limits.heartbeat_ms;
    due = may_read() ? heard_at_ + (pinged_ ? 2 * heartbeat : heartbeat)
                     : core_.loop.now_ms() + heartbeat;
    if (shaper_.over())
      due = std::min(due, shaper_.ready_at(core_.limits));
  }
  if (due == timer_wheel::never) {
    timer_wheel::cancel(*this);
  } else {
    core_.loop.schedule(*this, due);
  }
}

void connection::on_timer() {
  const std::uint64_t now = core_.loop.now_ms();
  if (phase_ == phase::open) {
    if (shaper_.over())
      shape(shaper_.look(core_.limits, now));
    if (phase_ == phase::open && may_read()) {
      const std::uint64_t silent = now - heard_at_;
      if (silent >= 2 * core_.limits.heartbeat_ms)
        return finish(close_reason::reset, true);
      if (silent >= core_.limits.heartbeat_ms && !pinged_) {
        pinged_ = true;
        append_frame(out().bytes, frame_opcode::ping, {});
        mark_dirty();
      }
    }
  } else if (now >= deadline_) {
    if (phase_ != phase::http)
      return finish(reason_, true);
    // A request that never came is no request; one that stops in the middle is told.
    if (http_->busy || !http_->reader.begun())
      return finish(close_reason::reset, http_->busy);
    refuse(408);
  }
  schedule();
}

void connection::on_ready(std::uint32_t events) {
  if (phase_ == phase::dead)
    return;
  if (phase_ == phase::handshake)
    return shake_hands();
  if ((events & EPOLLOUT) || (write_waits_for_read_ && (events & EPOLLIN))) {
    write_waits_for_read_ = false;
    write_out();
  }
  if (phase_ == phase::dead)
    return;
  if ((events & EPOLLIN) || (read_waits_for_write_ && (events & EPOLLOUT))) {
    if (read_waits_for_write_) {
      read_waits_for_write_ = false;
      update_interest();
    }
    read();
  } else if (events & (EPOLLERR | EPOLLHUP)) {
    finish(phase_ == phase::lingering || phase_ == phase::closing ? reason_ : close_reason::reset,
           true);
  }
}

void connection::shake_hands() {
  switch (wire_.handshake()) {
  case transfer::done:
    phase_ = phase::http;
    read_waits_for_write_ = false;
    update_interest();
    read(); // the request may have come with the end of the handshake
    break;
  case transfer::wait_readable:
    read_waits_for_write_ = false;
    update_interest();
    break;
  case transfer::wait_writable:
    read_waits_for_write_ = true;
    update_interest();
    break;
  case transfer::ended:
  case transfer::failed:
    finish(close_reason::reset, false);
    break;
  }
}

void connection::read() {
  if (phase_ == phase::dead || !may_read())
    return;
  const auto [what, size] = wire_.read(core_.read_buffer);
  switch (what) {
  case transfer::wait_readable:
    return;
  case transfer::wait_writable:
    read_waits_for_write_ = true;
    return update_interest();
  case transfer::ended:
    return take_end();
  case transfer::failed:
    return finish(phase_ == phase::lingering || phase_ == phase::closing ? reason_
                                                                         : close_reason::reset,
                  false);
  case transfer::done:
    break;
  }
  heard_at_ = core_.loop.now_ms();
  pinged_ = false;
  core_.counted.bytes_in += size;
  take({core_.read_buffer.data(), size});
  if (phase_ != phase::dead && !again_ && may_read() && wire_.has_buffered()) {
    again_ = true;
    core_.again.push_back(this);
  }
}

void connection::take(std::span<char> bytes) {
  switch (phase_) {
  case phase::http:
    return take_http(bytes);
  case phase::open:
  case phase::closing:
    return take_frames(bytes);
  case phase::lingering:
    discarded_ += static_cast<std::uint32_t>(bytes.size());
    return update_interest();
  case phase::handshake:
  case phase::dead:
    return;
  }
}

void connection::take_end() {
  if (phase_ == phase::http && http_->busy) {
    http_->peer_done = true;
    return update_interest();
  }
  finish(phase_ == phase::lingering || phase_ == phase::closing ? reason_
                                                                : close_reason::peer_closed,
         false);
}

void connection::take_http(std::span<char> bytes) {
  http_->taking = true;
  std::string_view rest(bytes.data(), bytes.size());
  while (!rest.empty() && !http_->busy) {
    const bool begun = http_->reader.begun();
    switch (http_->reader.feed(rest)) {
    case http_reader::step::more:
      break;
    case http_reader::step::expects:
      out().bytes.append("HTTP/1.1 100 Continue\r\n\r\n");
      mark_dirty();
      break;
    case http_reader::step::request:
      handle(http_->reader.take());
      break;
    case http_reader::step::bad:
      refuse(http_->reader.status());
      break;
    }
    if (phase_ == phase::open)
      return take_frames(bytes.last(rest.size()));
    if (phase_ != phase::http)
      return;
    if (!begun && http_->reader.begun() && http_->answered_before) {
      deadline_ = core_.loop.now_ms() + core_.limits.request_header_timeout_ms;
      schedule();
    }
  }
  http_->held.append(rest);
  http_->taking = false;
  update_interest();
}

domain::peer_info connection::peer_of(const http_request& request, ip_address& client) const {
  domain::peer_info peer;
  client = http_->peer;
  peer.secure = wire_.secure();
  if (service_->proxies.trusts(http_->peer)) {
    std::string forwarded;
    for (const auto& [name, value] : request.headers)
      if (equal_ignoring_case(name, "X-Forwarded-For"))
        forwarded += (forwarded.empty() ? "" : ",") + value;
    client = service_->proxies.client_of(http_->peer, forwarded);
    peer.secure = peer.secure || equal_ignoring_case(request.header("X-Forwarded-Proto"), "https");
  }
  peer.address = client.to_string();
  peer.origin = request.header("Origin");
  return peer;
}

void connection::handle(http_request request) {
  http_->busy = true;
  http_->keep_alive = request.keep_alive && request.version == 11;
  http_->head_only = request.method == "HEAD";
  ++http_->request;
  ip_address client;
  request.peer = peer_of(request, client);
  if (service_->websocket && core_.events && request.path == socket_path)
    return upgrade(request, client);
  try {
    auto answered = service_->routes.answer(request);
    if (auto* const response = std::get_if<http_response>(&answered))
      return respond(std::move(*response));

    deadline_ = timer_wheel::never; // the handler's to keep
    schedule();

    // Answers once; a responder that is dropped answers for itself.
    struct pending {
      std::shared_ptr<posting_gate> gate;
      io_core* core;
      domain::connection_number number;
      std::uint64_t request;
      std::atomic<bool> answered{false};

      void send(http_response response) {
        if (answered.exchange(true))
          return;
        auto shared = std::make_shared<http_response>(std::move(response));
        gate->post([core = core, number = number, request = request, shared] {
          if (connection* const asked = core->find(number))
            asked->answer(request, std::move(*shared));
        });
      }

      ~pending() { send(plain_response(500)); }
    };

    const auto waiting = std::make_shared<pending>();
    waiting->gate = core_.gate;
    waiting->core = &core_;
    waiting->number = number_;
    waiting->request = http_->request;
    (*std::get<http_routes::deferred>(answered).handler)(
      std::move(request),
      [waiting](http_response response) { waiting->send(std::move(response)); });
  } catch (const std::exception& failure) {
    core_.logger.log(domain::log_level::error, "an HTTP handler failed",
                     {{"what", failure.what()}});
    respond(plain_response(500));
  }
}

void connection::answer(std::uint64_t request, http_response response) {
  if (phase_ != phase::http || !http_->busy || http_->request != request)
    return;
  respond(std::move(response));
}

void connection::respond(http_response response) {
  http_->answering = true;
  http_->keep_alive
    = http_->keep_alive && !service_->draining.load(std::memory_order_relaxed) && !http_->peer_done;
  outbox& box = out();
  box.bytes.append(serialize_head(response, service_->routes, http_->keep_alive));
  const bool with_body = !http_->head_only && response.status >= 200 && response.status != 204
                         && response.status != 304;
  if (with_body && response.shared_body) {
    http_->body = std::move(response.shared_body);
    http_->body_sent = 0;
  } else if (with_body) {
    box.bytes.append(response.body);
  }
  const std::uint64_t size = box.pending() + (http_->body ? http_->body->size() : 0);
  deadline_ = core_.loop.now_ms() + core_.limits.request_header_timeout_ms
              + size * 1000 / answer_bytes_per_second;
  schedule();
  write_out();
}

void connection::refuse(int status) {
  http_->busy = true;
  http_->keep_alive = false;
  http_->head_only = false;
  respond(plain_response(status));
}

void connection::answer_sent() {
  http_->busy = http_->answering = false;
  http_->body.reset();
  http_->answered_before = true;
  if (!http_->keep_alive || http_->peer_done)
    return linger();
  deadline_ = core_.loop.now_ms() + core_.limits.keep_alive_timeout_ms;
  schedule();
  if (http_->taking)
    return;
  std::string held = std::exchange(http_->held, {});
  take_http(held);
  if (phase_ == phase::http && !http_->busy && wire_.has_buffered())
    read();
}

void connection::upgrade(const http_request& request, const ip_address& client) {
  auto examined = examine_upgrade(request);
  if (auto* const refused = std::get_if<http_response>(&examined))
    return respond(std::move(*refused));
  if (service_->draining.load(std::memory_order_relaxed))
    return refuse(503);
  const domain::peer_info& peer = request.peer;
  if (service_->origin_allowed && !service_->origin_allowed(peer.origin))
    return refuse(403);
  if (!service_->room.addresses.enter(client.limit_key(), address_counts::kind::socket,
                                      core_.limits.sockets_per_address)) {
    core_.metrics.connections_refused.add();
    return refuse(429);
  }
  socket_key_ = client.limit_key();
  const auto& offer = std::get<websocket_offer>(examined);
  const bool json = offer.form == domain::wire_form::json;
  parser_
    = frame_parser({.role = frame_role::server,
                    .kind = json ? message_kind::text : message_kind::binary,
                    .message_bytes_max = static_cast<std::uint32_t>(core_.limits.frame_bytes_max)});
  outbox& box = out();
  box.bytes.append(upgrade_response(offer));
  box.frames_from = box.bytes.size();
  mark_dirty();
  phase_ = phase::open;
  opened_ = true;
  http_.reset();
  core_.open.fetch_add(1, std::memory_order_relaxed);
  core_.metrics.connections.add(1);
  schedule();
  core_.events->on_open(number_, offer.form, peer);
}

void connection::take_frames(std::span<char> bytes) {
  const std::size_t size = bytes.size();
  auto& messages = core_.messages;
  messages.clear();
  core_.assembled.clear();
  frame_event end;
  for (bool more = true; more;) {
    const frame_event event = parser_.next(bytes);
    switch (event.what) {
    case frame_event::type::message:
      if (event.assembled) {
        core_.assembled.push_back(parser_.take_message());
        messages.push_back(core_.assembled.back());
      } else {
        messages.push_back(event.data);
      }
      break;
    case frame_event::type::ping:
      // Only the newest ping needs an answer (RFC 6455 5.5.3), so that pings cannot fill the
      // outbox.
      if (phase_ != phase::open)
        break;
      out().pong = event.data;
      out_->has_pong = true;
      mark_dirty();
      break;
    case frame_event::type::pong:
      break;
    case frame_event::type::more:
      more = false;
      break;
    case frame_event::type::close:
    case frame_event::type::failure:
      end = event;
      more = false;
      break;
    }
  }
  const std::uint32_t frames = parser_.take_frame_count();
  if (phase_ == phase::open) {
    const auto verdict = shaper_.spend(core_.limits, core_.loop.now_ms(), frames, size);
    core_.counted.frames_in += messages.size();
    if (!messages.empty())
      core_.events->on_messages(number_, messages);
    if (phase_ == phase::open && end.what == frame_event::type::more)
      shape(verdict);
  } else {
    discarded_ += static_cast<std::uint32_t>(size);
  }
  if (phase_ == phase::dead)
    return;
  if (end.what == frame_event::type::close) {
    close_received_ = true;
    if (phase_ == phase::open) {
      begin_close(end.code, {}, close_reason::peer_closed);
    } else if (!out_) {
      return drained();
    }
  } else if (end.what == frame_event::type::failure) {
    core_.metrics.bad_frames.add();
    failed_ = true;
    if (phase_ == phase::open) {
      begin_close(end.code, end.data, static_cast<close_reason>(end.code));
    } else if (!out_) {
      return drained();
    }
  }
  update_interest();
}

void connection::shape(shaper::verdict verdict) {
  switch (verdict) {
  case shaper::verdict::within:
    if (interest_ & EPOLLIN)
      return;
    heard_at_ = core_.loop.now_ms(); // its silence was ours
    break;
  case shaper::verdict::over:
    break;
  case shaper::verdict::warn:
    core_.metrics.shaper_warnings.add();
    core_.events->on_shaped(number_, shaper_.warnings());
    break;
  case shaper::verdict::cut:
    core_.metrics.shaper_cuts.add();
    begin_close(static_cast<std::uint16_t>(close_reason::policy), "rate_limited",
                close_reason::policy);
    break;
  }
  update_interest();
  schedule();
  if (verdict == shaper::verdict::within && !again_ && may_read() && wire_.has_buffered()) {
    again_ = true;
    core_.again.push_back(this);
  }
}

void connection::pause(bool paused) {
  if (phase_ != phase::open || paused_ == paused)
    return;
  paused_ = paused;
  heard_at_ = core_.loop.now_ms();
  pinged_ = false;
  update_interest();
  schedule();
  if (!again_ && may_read() && wire_.has_buffered()) {
    again_ = true;
    core_.again.push_back(this);
  }
}

outbox& connection::out() {
  if (!out_)
    out_ = core_.outboxes.take();
  return *out_;
}

void connection::mark_dirty() {
  if (dirty_)
    return;
  dirty_ = true;
  core_.dirty.push_back(this);
}

void connection::send(std::string_view message) {
  if (phase_ != phase::open)
    return;
  const std::size_t size = frame_header_bytes(frame_role::server, message.size()) + message.size();
  if (out().pending() + size > core_.limits.outbox_bytes_max) {
    // One turn may bring more than the limit to a peer that reads well.
    if (!blocked_)
      write_out();
    if (phase_ != phase::open)
      return;
    if (out().pending() + size > core_.limits.outbox_bytes_max)
      return cut_slow();
  }
  const bool json = parser_.kind() == message_kind::text;
  append_frame(out().bytes, json ? frame_opcode::text : frame_opcode::binary, message);
  ++core_.counted.frames_out;
  mark_dirty();
}

void connection::write_out() {
  if (phase_ == phase::dead || phase_ == phase::lingering || phase_ == phase::handshake)
    return;
  while (phase_ != phase::dead) {
    if (out_ && out_->has_pong && out_->pending() == 0 && phase_ == phase::open) {
      append_frame(out_->bytes, frame_opcode::pong, out_->pong);
      out_->has_pong = false;
    }
    const bool head = out_ && out_->pending() > 0;
    const bool body = !head && http_ && http_->body && http_->body_sent < http_->body->size();
    if (!head && !body)
      break;
    const auto [what, size]
      = wire_.write(head ? std::string_view(out_->bytes).substr(out_->sent)
                         : std::string_view(*http_->body).substr(http_->body_sent));
    switch (what) {
    case transfer::done:
      (head ? out_->sent : http_->body_sent) += size;
      core_.counted.bytes_out += size;
      break;
    case transfer::wait_readable:
      write_waits_for_read_ = true;
      [[fallthrough]];
    case transfer::wait_writable: {
      blocked_ = true;
      // What is sent is thrown away in whole frames, so that cut_slow still finds where one begins.
      if (head && phase_ == phase::open && out_->sent > read_buffer_bytes
          && out_->sent > out_->bytes.size() / 2) {
        const std::size_t from = std::exchange(out_->frames_from, 0);
        const std::size_t whole
          = from
            + frame_boundary_before(std::string_view(out_->bytes).substr(from), out_->sent - from);
        out_->bytes.erase(0, whole);
        out_->sent -= whole;
      }
      return update_interest();
    }
    case transfer::ended:
    case transfer::failed:
      return finish(phase_ == phase::closing ? reason_ : close_reason::reset, false);
    }
  }
  if (out_)
    core_.outboxes.give(std::exchange(out_, nullptr));
  if (blocked_) {
    blocked_ = false;
    update_interest();
  }
  drained();
}

/// The kernel has taken everything.
void connection::drained() {
  if (phase_ == phase::http) {
    if (http_->answering)
      answer_sent();
  } else if (phase_ == phase::closing) {
    if (close_received_) {
      finish(reason_, false);
    } else if (failed_) {
      linger();
    }
  }
}

void connection::close(close_reason reason, std::string_view text) {
  if (phase_ == phase::open)
    begin_close(static_cast<std::uint16_t>(reason), text, reason);
}

void connection::begin_close(std::uint16_t code, std::string_view text, close_reason reason) {
  reason_ = reason;
  phase_ = phase::closing;
  out().has_pong = false;
  append_frame(out_->bytes, frame_opcode::close, close_payload(code, text));
  mark_dirty();
  deadline_ = core_.loop.now_ms() + core_.limits.close_timeout_ms;
  schedule();
  update_interest();
}

void connection::cut_slow() {
  core_.metrics.slow_consumers.add();
  outbox& box = *out_;
  if (box.sent < box.frames_from)
    return finish(close_reason::try_later, true);
  // The frame that is on its way ends; the others give way to the close frame.
  const std::size_t begun = box.sent - box.frames_from + wire_.write_pending();
  const std::size_t boundary
    = frame_boundary_after(std::string_view(box.bytes).substr(box.frames_from), begun);
  box.bytes.resize(box.frames_from + boundary);
  box.bytes.shrink_to_fit();
  begin_close(static_cast<std::uint16_t>(close_reason::try_later), "slow_consumer",
              close_reason::try_later);
}

void connection::linger() {
  wire_.end_writing();
  if (http_ && http_->peer_done)
    return finish(reason_, false);
  phase_ = phase::lingering;
  deadline_ = core_.loop.now_ms() + core_.limits.close_timeout_ms;
  schedule();
  update_interest();
}

void connection::drain(close_reason reason, std::string_view text) {
  if (phase_ == phase::open) {
    close(reason, text);
  } else if (phase_ == phase::handshake
             || (phase_ == phase::http && !http_->busy && !http_->reader.begun())) {
    finish(close_reason::going_away, false);
  }
}

void connection::finish(close_reason reason, bool abort) {
  if (phase_ == phase::dead)
    return;
  phase_ = phase::dead;
  reason_ = reason;
  timer_wheel::cancel(*this);
  // Closing alone would not do while a forked child still has the descriptor.
  core_.loop.unwatch(wire_.descriptor());
  wire_.close(abort);
  core_.dead.push_back(this);
}

} // namespace frontdesk::net
