#include "net/listener.hpp"

#include "net/address.hpp"
#include "net/connection.hpp"
#include "net/event_loop.hpp"
#include "net/tls.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <future>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <random>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace frontdesk::net {

using domain::close_reason;
using domain::errc;
using domain::error;
using domain::log_level;
using domain::result;

namespace {

// Accepted in one turn before the connections get theirs.
constexpr int accepts_per_turn = 64;
constexpr int backlog = 4096;
// Waits while the process or the machine has no descriptors; the next connection that ends also
// ends the wait.
constexpr std::uint32_t back_off_ms_least = 50;
constexpr std::uint32_t back_off_ms_most = 1000;
// Unsent bytes that the kernel may hold for a socket: more would only hide a slow reader from the
// outbox's bound.
constexpr int unsent_bytes_max = 131072;
// A portion of close_all.
constexpr std::uint32_t close_step_ms = 50;
// Connections of one address that are no WebSockets (yet), beside those that it may have.
constexpr std::uint64_t http_connections_per_address = 64;

/// Runs the work on the thread and waits for it; here if the thread does not run.
void run_on(event_loop& loop, bool running, const std::function<void()>& work) {
  if (!running)
    return work();
  std::promise<void> done;
  loop.post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

error system_failure(errc code, const std::string& what) {
  return {code, what + ": " + std::generic_category().message(errno)};
}

} // namespace

io_thread::io_thread(std::string name, const domain::limits& limits, domain::metrics& metrics,
                     domain::logger& logger)
  : core_(std::make_unique<io_core>(std::move(name), limits, metrics, logger)) {}

io_thread::~io_thread() {
  stop();
}

void io_thread::start(domain::connection_events* events) {
  core_->events = events;
  core_->loop.start();
  running_ = true;
}

void io_thread::stop() {
  if (!running_)
    return;
  run_on(core_->loop, true, [this] {
    core_->stopping = true;
    core_->for_each([](connection& item) { item.finish(close_reason::reset, true); });
  });
  core_->gate->shut();
  core_->loop.stop();
  running_ = false;
}

void io_thread::close_all(close_reason reason, std::string text, std::uint32_t spread_ms) {
  core_->loop.post([this, reason, text = std::move(text), spread_ms] {
    std::vector<domain::connection_number> numbers;
    core_->for_each([&](const connection& item) { numbers.push_back(item.number()); });
    std::minstd_rand random(std::random_device{}());
    std::shuffle(numbers.begin(), numbers.end(), random);
    const std::uint32_t steps = spread_ms / close_step_ms + 1;
    auto shared = std::make_shared<std::vector<domain::connection_number>>(std::move(numbers));
    for (std::uint32_t step = 0; step < steps; ++step) {
      const std::size_t from = shared->size() * step / steps;
      const std::size_t to = shared->size() * (step + 1) / steps;
      if (from == to)
        continue;
      core_->loop.after_ms(step * close_step_ms, [this, reason, text, shared, from, to] {
        for (std::size_t i = from; i < to; ++i)
          if (connection* const item = core_->find((*shared)[i]))
            item->drain(reason, text);
      });
    }
  });
}

std::size_t io_thread::load() const {
  return core_->connections.load(std::memory_order_relaxed);
}

void io_thread::send(domain::connection_number connection, std::string_view message) {
  if (auto* const item = core_->find(connection))
    item->send(message);
}

void io_thread::flush() {
  core_->flush();
}

void io_thread::close(domain::connection_number connection, close_reason reason,
                      std::string_view text) {
  if (auto* const item = core_->find(connection))
    item->close(reason, text);
}

void io_thread::pause(domain::connection_number connection, bool paused) {
  if (auto* const item = core_->find(connection))
    item->pause(paused);
}

void io_thread::post(std::function<void()> work) {
  core_->loop.post(std::move(work));
}

void io_thread::after_ms(std::uint32_t delay_ms, std::function<void()> work) {
  core_->loop.after_ms(delay_ms, std::move(work));
}

std::size_t io_thread::connection_count() const {
  return core_->open.load(std::memory_order_relaxed);
}

class listener::implementation final : public ready_handler,
                                       public std::enable_shared_from_this<implementation> {
public:
  implementation(const listener_options& chosen, http_routes routes, std::vector<io_thread*> on,
                 std::size_t connections_max)
    : options(chosen), threads(std::move(on)), core(*threads.front()->core_),
      capacity(connections_max),
      shared(std::make_shared<service>(std::move(routes), connections_max)) {}

  ~implementation() {
    if (socket >= 0)
      ::close(socket);
    if (reserve >= 0)
      ::close(reserve);
  }

  result<void> bind();
  result<void> load_certificate();

  bool start() { return core.loop.watch(socket, EPOLLIN, *this); }

  void stop();
  void on_ready(std::uint32_t events) override;

  const listener_options options;
  const std::vector<io_thread*> threads;
  io_core& core; // of the thread that accepts
  const std::size_t capacity;
  const std::shared_ptr<service> shared;
  std::uint16_t port = 0;

private:
  bool accept_one();
  void adopt(int descriptor, const sockaddr_storage& from);
  void back_off(int reason);
  void pause(const std::string& why);
  void resume();
  std::function<void()> resume_later();

  std::mutex mutex;
  std::shared_ptr<tls_context> tls; // guarded by mutex; null = plain

  // The accepting thread's.
  int socket = -1;
  int reserve = -1; // given up to take a connection that can only be refused
  bool paused = false;
  std::uint32_t back_off_ms = back_off_ms_least;
  std::uint64_t warned_at = 0;
};

result<void> listener::implementation::load_certificate() {
  if (options.certificate_file.empty() && options.key_file.empty())
    return {};
  if (options.certificate_file.empty() || options.key_file.empty())
    return error{errc::config, "TLS needs both a certificate file and a key file"};
  auto made = tls_context::make_server(options.certificate_file, options.key_file);
  if (!made)
    return made.failure();
  const std::lock_guard lock(mutex);
  tls = *std::move(made);
  return {};
}

result<void> listener::implementation::bind() {
  auto address = make_socket_address(options.address, options.port);
  if (!address)
    return address.failure();
  reserve = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  socket = ::socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0)
    return system_failure(errc::io, "no socket to listen on");
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ss_family == AF_INET6)
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  // Accepted sockets inherit these, which saves the calls for each of them.
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes_max, sizeof unsent_bytes_max);
  const std::string where = options.address + " port " + std::to_string(options.port);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&*address), socket_address_size(*address))
        != 0
      || ::listen(socket, backlog) != 0)
    return system_failure(errc::io, "cannot listen on " + where);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size);
  port = port_of(bound);
  return {};
}

void listener::implementation::on_ready(std::uint32_t) {
  for (int i = 0; i < accepts_per_turn; ++i)
    if (!accept_one())
      return;
}

/// False when there is nothing more to accept for now.
bool listener::implementation::accept_one() {
  const bool full = !shared->room.enter();
  if (full && !options.close_when_full) {
    pause("the limit of sockets is reached");
    if (!shared->room.full())
      resume(); // one left in between and found nobody waiting
    return false;
  }
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const int accepted
    = ::accept4(socket, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) {
    const int reason = errno;
    if (!full)
      shared->room.leave();
    if (reason == EAGAIN || reason == EWOULDBLOCK)
      return false;
    if (reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM) {
      back_off(reason);
      return false;
    }
    return true; // this connection failed, the next one may not
  }
  core.metrics.connections_accepted.add();
  back_off_ms = back_off_ms_least;
  if (full) {
    core.metrics.connections_refused.add();
    ::close(accepted);
    return true;
  }
  adopt(accepted, from);
  return true;
}

void listener::implementation::adopt(int descriptor, const sockaddr_storage& from) {
  const ip_address peer = ip_address::from(from).value_or(ip_address{});
  // Before any work is spent on it. Behind a trusted proxy the clients' addresses are not known
  // yet.
  const std::uint64_t key = shared->proxies.trusts(peer) ? 0 : peer.limit_key();
  const std::uint64_t most = core.limits.sockets_per_address + http_connections_per_address;
  if (key && !shared->room.addresses.enter(key, address_counts::kind::connection, most)) {
    core.metrics.connections_refused.add();
    ::close(descriptor);
    shared->room.leave();
    return;
  }
  std::shared_ptr<tls_context> context;
  {
    const std::lock_guard lock(mutex);
    context = tls;
  }
  io_core& chosen = *(*std::min_element(threads.begin(), threads.end(),
                                        [](const io_thread* left, const io_thread* right) {
                                          return left->load() < right->load();
                                        }))
                       ->core_;
  // Shared only because a posted function must be copyable; it closes the descriptor if it is never
  // run.
  auto wire = std::make_shared<transport>(descriptor);
  auto begin
    = [owner = shared, context = std::move(context), wire = std::move(wire), peer, key, &chosen] {
        const bool secured = !context || wire->secure_as_server(*context);
        connection& made = chosen.add(owner, std::move(*wire), peer, key);
        made.start();
        if (!secured || chosen.stopping)
          made.finish(close_reason::internal, false);
      };
  if (&chosen == &core)
    return begin();
  chosen.connections.fetch_add(
    1, std::memory_order_relaxed); // until it is there, so that the next one goes elsewhere
  chosen.loop.post([begin = std::move(begin), &chosen] {
    chosen.connections.fetch_sub(1, std::memory_order_relaxed);
    begin();
  });
}

std::function<void()> listener::implementation::resume_later() {
  return [weak = weak_from_this(), gate = core.gate] {
    gate->post([weak] {
      if (const auto self = weak.lock())
        self->resume();
    });
  };
}

void listener::implementation::pause(const std::string& why) {
  if (!paused) {
    paused = true;
    core.metrics.accept_paused.set(1);
    core.loop.change(socket, 0, *this);
    constexpr std::uint64_t warn_every_ms = 10'000;
    if (warned_at == 0 || core.loop.now_ms() - warned_at >= warn_every_ms) {
      warned_at = core.loop.now_ms();
      core.logger.log(log_level::warning, "accepting is paused",
                      {{"why", why}, {"connections", std::to_string(shared->room.count())}});
    }
  }
  shared->room.when_room(resume_later());
}

void listener::implementation::back_off(int reason) {
  // The oldest of the waiting ones is told, by being closed, that it will not be served.
  ::close(std::exchange(reserve, -1));
  const int refused = ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC);
  if (refused >= 0) {
    core.metrics.connections_refused.add();
    ::close(refused);
  }
  reserve = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pause(std::generic_category().message(reason));
  core.loop.after_ms(back_off_ms, resume_later());
  back_off_ms = std::min(back_off_ms * 2, back_off_ms_most);
}

void listener::implementation::resume() {
  if (!paused || socket < 0)
    return;
  paused = false;
  shared->room.when_room(nullptr); // or the next failure's leave() would end its own back-off
  core.metrics.accept_paused.set(0);
  core.loop.change(socket, EPOLLIN, *this);
}

void listener::implementation::stop() {
  shared->draining.store(true, std::memory_order_relaxed);
  run_on(core.loop, threads.front()->running_, [this] {
    if (socket < 0)
      return;
    if (threads.front()->running_)
      core.loop.unwatch(socket);
    ::close(std::exchange(socket, -1));
    if (paused)
      core.metrics.accept_paused.set(0);
    shared->room.when_room(nullptr);
  });
}

result<std::unique_ptr<listener>> listener::open(const listener_options& options,
                                                 http_routes routes,
                                                 const std::vector<io_thread*>& threads) {
  if (threads.empty())
    return error{errc::config, "a listener needs an I/O thread"};
  io_core& core = *threads.front()->core_;
  auto proxies = trusted_proxies::parse(options.trusted_proxies);
  if (!proxies)
    return proxies.failure();

  const std::size_t descriptors = raise_descriptor_limit();
  const std::size_t possible = socket_capacity(core.limits, descriptors);
  std::size_t wanted = options.connections_max ? options.connections_max : core.limits.sockets_max;
  if (wanted > possible)
    core.logger.log(
      log_level::warning, "fewer sockets than configured: not enough descriptors",
      {{"configured", std::to_string(wanted)}, {"possible", std::to_string(possible)}});
  if (wanted == 0 || wanted > possible)
    wanted = possible;

  auto made = std::make_shared<implementation>(options, std::move(routes), threads, wanted);
  made->shared->websocket = options.websocket;
  made->shared->origin_allowed = options.origin_allowed;
  made->shared->proxies = *std::move(proxies);
  if (auto loaded = made->load_certificate(); !loaded)
    return loaded.failure();
  if (auto bound = made->bind(); !bound)
    return bound.failure();
  bool started = false;
  run_on(core.loop, threads.front()->running_, [&] { started = made->start(); });
  if (!started)
    return error{errc::io, "the listening socket cannot be watched"};
  core.logger.log(log_level::info, "listening",
                  {{"address", options.address},
                   {"port", std::to_string(made->port)},
                   {"tls", options.certificate_file.empty() ? "no" : "yes"},
                   {"capacity", std::to_string(wanted)},
                   {"descriptors", std::to_string(descriptors)}});
  return std::unique_ptr<listener>(new listener(std::move(made)));
}

listener::listener(std::shared_ptr<implementation> shared) : implementation_(std::move(shared)) {}

listener::~listener() {
  stop_accepting();
}

std::uint16_t listener::port() const {
  return implementation_->port;
}

std::size_t listener::capacity() const {
  return implementation_->capacity;
}

std::size_t listener::connection_count() const {
  return implementation_->shared->room.count();
}

result<void> listener::reload() {
  auto loaded = implementation_->load_certificate();
  if (!loaded)
    implementation_->core.logger.log(log_level::error, "the old certificate stays in use",
                                     {{"why", loaded.failure().message}});
  return loaded;
}

void listener::stop_accepting() {
  implementation_->stop();
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0)
      limit = raised;
  }
  return limit.rlim_cur;
}

std::size_t socket_capacity(const domain::limits& limits, std::size_t descriptors) {
  return descriptors - std::min<std::size_t>(limits.descriptors_reserved, descriptors / 2);
}

} // namespace frontdesk::net
