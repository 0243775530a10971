#pragma once

#include "domain/limits.hpp"
#include "domain/ports/connection.hpp"
#include "domain/ports/telemetry.hpp"
#include "net/address.hpp"
#include "net/event_loop.hpp"
#include "net/frame_parser.hpp"
#include "net/http.hpp"
#include "net/outbox.hpp"
#include "net/shaper.hpp"
#include "net/tls.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace frontdesk::net {

class connection;

/// How many connections a listener holds, and who waits for one to end. Any thread.
class admission {
public:
  explicit admission(std::size_t most) : most_(most) {}

  bool enter();
  /// Gives one back; runs what when_room() left, if anything.
  void leave();
  /// Runs the function, once, when the next connection leaves. Replaces the one before; null waits
  /// no more.
  void when_room(std::function<void()> function);

  bool full() const { return count_.load() >= most_; }

  std::size_t count() const { return count_.load(); }

  address_counts addresses;

private:
  const std::size_t most_;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::function<void()> waiting_; // guarded by mutex_
};

/// What all connections of one listener share. Set before the first of them; any thread reads.
struct service {
  service(http_routes answers, std::size_t connections_max)
    : routes(std::move(answers)), room(connections_max) {}

  const http_routes routes;
  bool websocket = true;
  std::function<bool(std::string_view origin)> origin_allowed{}; ///< null = all
  trusted_proxies proxies{};
  admission room;
  std::atomic<bool> draining{false}; ///< answers say "Connection: close", upgrades get 503
};

/// Hands work to an I/O thread as long as there is one. Any thread.
class posting_gate {
public:
  explicit posting_gate(event_loop& loop) : loop_(&loop) {}

  void post(std::function<void()> work);
  void shut();

private:
  std::mutex mutex_;
  event_loop* loop_; // guarded by mutex_; null when shut
};

/// What all connections of one I/O thread share. Its thread only.
struct io_core {
  io_core(std::string name, const domain::limits& bounds, domain::metrics& counters,
          domain::logger& log);
  ~io_core();

  connection* find(domain::connection_number number) const;
  connection& add(std::shared_ptr<service> owner, transport wire, const ip_address& peer,
                  std::uint64_t direct_key);
  void flush();
  void finish_turn();
  void for_each(const std::function<void(connection&)>& function);

  const domain::limits limits;
  domain::metrics& metrics;
  domain::logger& logger;
  domain::connection_events* events = nullptr; ///< null: no WebSockets
  event_loop loop;
  std::shared_ptr<posting_gate> gate;

  std::vector<char> read_buffer;
  std::vector<std::string_view> messages; ///< of the read that is being handled
  std::deque<std::string> assembled;      ///< what those messages live in that were cut in two
  std::vector<connection*> dirty;         ///< have something to write
  std::vector<connection*> again;         ///< have something to read that the socket does not show
  std::vector<connection*> dead;
  outbox_pool outboxes;
  bool stopping = false;

  /// Added to the metrics once a turn.
  struct {
    std::uint64_t frames_in = 0;
    std::uint64_t frames_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
  } counted;

  std::atomic<std::size_t> open{0};        ///< WebSockets
  std::atomic<std::size_t> connections{0}; ///< all

private:
  struct slot {
    std::unique_ptr<connection> held;
    std::uint64_t generation = 0;
  };

  void reap();
  void count();

  const std::uint64_t host_;
  std::vector<slot> slots_;
  std::deque<std::uint32_t> free_; // oldest first, so that a number comes back as late as it can
};

/// One accepted connection.
///
///   handshake (TLS) --> http --> open (WebSocket) --> closing --> dead
///        |               |          |                   |          ^
///        |               +--> lingering <---------------+          |
///        +-------------------------+-------------------------------+
///
/// `closing`: our close frame is queued or sent, the peer's is awaited. `lingering`: our side is
/// shut; what still comes is thrown away, so that a reset does not overtake the last answer.
/// `dead`: closed; freed at the end of the turn.
class connection final : public ready_handler, public timer_wheel::entry {
public:
  connection(io_core& core, std::shared_ptr<service> owner, transport wire,
             domain::connection_number number, const ip_address& peer, std::uint64_t direct_key);
  ~connection();

  void start();
  void on_ready(std::uint32_t events) override;
  void on_timer();

  // As in domain::connection_host.
  void send(std::string_view message);
  void write_out();
  void close(domain::close_reason reason, std::string_view text);
  void pause(bool paused);

  /// The answer of an async_http_handler to the request of that number.
  void answer(std::uint64_t request, http_response response);
  /// Ends idle HTTP connections, closes sockets: the node goes away.
  void drain(domain::close_reason reason, std::string_view text);
  void read();
  /// Closes the TCP connection now; on_close follows at the end of the turn.
  void finish(domain::close_reason reason, bool abort);

  domain::connection_number number() const { return number_; }

  bool is_open() const { return phase_ == phase::open; }

private:
  friend struct io_core;

  enum class phase : std::uint8_t { handshake, http, open, closing, lingering, dead };
  struct http_state;

  bool may_read() const;
  void update_interest();
  void schedule();
  void shake_hands();
  void take(std::span<char> bytes);
  void take_http(std::span<char> bytes);
  void take_frames(std::span<char> bytes);
  void take_end();
  void handle(http_request request);
  void upgrade(const http_request& request, const ip_address& client);
  void respond(http_response response);
  void answer_sent();
  void refuse(int status);
  void begin_close(std::uint16_t code, std::string_view text, domain::close_reason reason);
  void linger();
  void cut_slow();
  void shape(shaper::verdict verdict);
  void drained();
  void mark_dirty();
  outbox& out();
  domain::peer_info peer_of(const http_request& request, ip_address& client) const;

  io_core& core_;
  const std::shared_ptr<service> service_;
  transport wire_;
  const domain::connection_number number_;
  std::unique_ptr<outbox> out_;
  std::unique_ptr<http_state> http_;
  frame_parser parser_;
  shaper shaper_;
  std::uint64_t deadline_; // of http, closing and lingering
  std::uint64_t heard_at_; // when the peer last said something
  const std::uint64_t
    direct_key_; // counted as a connection of this address; 0 = a trusted proxy, not counted
  std::uint64_t socket_key_ = 0; // counted as a WebSocket of this address; 0 = not yet
  std::uint32_t discarded_ = 0;  // bytes thrown away since closing began
  domain::close_reason reason_ = domain::close_reason::reset;
  phase phase_;
  std::uint8_t interest_ = 0;
  bool opened_ : 1 = false;
  bool paused_ : 1 = false;
  bool blocked_ : 1 = false; // the kernel takes no more for now
  bool dirty_ : 1 = false;
  bool again_ : 1 = false;
  bool pinged_ : 1 = false; // and nothing heard since
  bool failed_ : 1 = false; // the peer's frames make no sense any more
  bool close_received_ : 1 = false;
  bool read_waits_for_write_ : 1 = false; // TLS
  bool write_waits_for_read_ : 1 = false; // TLS
};

} // namespace frontdesk::net
