// Our codec against Beast's stream in its lean form, and against our codec on Asio's own readiness
// waits: an echo server of each kind in a process of its own, the same client for all. Prints CPU
// per message and memory per idle connection; with a certificate and a key file as arguments also
// with TLS. Not a test: figures of one machine, kept in docs/adr/0002-websocket-codec.md.
#include "domain/limits.hpp"
#include "domain/ports/telemetry.hpp"
#include "net/frame_parser.hpp"
#include "net/http.hpp"
#include "net/listener.hpp"
#include "net/websocket_client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <mutex>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace frontdesk;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using tcp = asio::ip::tcp;

constexpr std::size_t busy_connections = 200;
constexpr std::size_t idle_connections = 5000;
constexpr std::size_t message_bytes = 120;

[[noreturn]] void wait_for_signal() {
  for (;;)
    ::pause();
}

// --- ours ---

struct silent final : domain::logger {
  void log(domain::log_level, std::string_view, std::initializer_list<domain::log_field>) override {
  }
};

struct echo final : domain::connection_events {
  explicit echo(domain::connection_host& on) : host(on) {}

  void on_open(domain::connection_number, domain::wire_form, const domain::peer_info&) override {}

  void on_messages(domain::connection_number connection,
                   const std::vector<std::string_view>& messages) override {
    for (const std::string_view message : messages)
      host.send(connection, message);
  }

  void on_close(domain::connection_number, domain::close_reason) override {}

  domain::connection_host& host;
};

[[noreturn]] void serve_ours(int tell, const net::listener_options& options) {
  domain::limits limits;
  limits.sockets_per_address = 1'000'000;
  limits.frames_per_second = limits.frames_burst = 1'000'000;
  limits.bytes_per_second = limits.bytes_burst = 1 << 30;
  domain::metrics metrics;
  silent logger;
  net::io_thread thread("bench", limits, metrics, logger);
  echo events(thread);
  thread.start(&events);
  auto opened = net::listener::open(options, {}, {&thread});
  if (!opened)
    std::exit(1);
  const std::uint16_t port = (*opened)->port();
  if (::write(tell, &port, sizeof port) != sizeof port)
    std::exit(1);
  wait_for_signal();
}

// --- our codec, waits by Asio ---

class asio_connection : public std::enable_shared_from_this<asio_connection> {
public:
  explicit asio_connection(tcp::socket socket) : socket_(std::move(socket)), parser_({}) {
    socket_.non_blocking(true);
  }

  void wait() {
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this()](const beast::error_code& failed) {
                         if (!failed && self->take())
                           self->wait();
                       });
  }

private:
  bool take() {
    static std::array<char, 65536> buffer;
    static std::string out;
    const ssize_t size = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    if (size <= 0)
      return size < 0;
    out.clear();
    if (reader_) {
      std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
      if (reader_->feed(bytes) != net::http_reader::step::request)
        return true;
      const auto offer = net::examine_upgrade(reader_->take());
      out = net::upgrade_response(std::get<net::websocket_offer>(offer));
      reader_.reset();
    } else {
      std::span<char> input(buffer.data(), static_cast<std::size_t>(size));
      for (;;) {
        const net::frame_event event = parser_.next(input);
        if (event.what == net::frame_event::type::more)
          break;
        if (event.what == net::frame_event::type::message)
          net::append_frame(out, net::frame_opcode::text, event.data);
      }
    }
    return ::send(socket_.native_handle(), out.data(), out.size(), MSG_NOSIGNAL)
           == static_cast<ssize_t>(out.size());
  }

  tcp::socket socket_;
  net::frame_parser parser_;
  std::unique_ptr<net::http_reader> reader_ = std::make_unique<net::http_reader>(8192, 65536);
};

// --- Beast's stream, lean: no tcp_stream, write_buffer_bytes 512, 128 bytes to read into ---

class beast_connection : public std::enable_shared_from_this<beast_connection> {
public:
  explicit beast_connection(tcp::socket socket) : stream_(std::move(socket)) {
    stream_.write_buffer_bytes(512);
    stream_.auto_fragment(false);
    stream_.set_option(websocket::stream_base::decorator([](websocket::response_type& response) {
      response.set(beast::http::field::sec_websocket_protocol, net::json_subprotocol.data());
    }));
  }

  void begin() {
    stream_.async_accept([self = shared_from_this()](const beast::error_code& failed) {
      self->stream_.text(true);
      if (!failed)
        self->read();
    });
  }

private:
  void read() {
    stream_.async_read_some(
      asio::buffer(buffer_.data() + size_, buffer_.size() - size_),
      [self = shared_from_this()](const beast::error_code& failed, std::size_t size) {
        if (failed)
          return;
        self->size_ += size;
        if (!self->stream_.is_message_done())
          return self->read();
        self->write();
      });
  }

  void write() {
    stream_.async_write(asio::buffer(buffer_.data(), size_),
                        [self = shared_from_this()](const beast::error_code& failed, std::size_t) {
                          self->size_ = 0;
                          if (!failed)
                            self->read();
                        });
  }

  websocket::stream<tcp::socket> stream_;
  std::array<char, 128> buffer_{};
  std::size_t size_ = 0;
};

template <class Begin>
[[noreturn]] void serve_asio(int tell, Begin begin) {
  net::raise_descriptor_limit();
  asio::io_context context(1);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(4096);
  const std::uint16_t port = acceptor.local_endpoint().port();
  if (::write(tell, &port, sizeof port) != sizeof port)
    std::exit(1);
  std::function<void()> accept = [&] {
    acceptor.async_accept([&](const beast::error_code& failed, tcp::socket socket) {
      if (!failed) {
        socket.set_option(tcp::no_delay(true));
        begin(std::move(socket));
      }
      accept();
    });
  };
  accept();
  context.run();
  std::exit(0);
}

// --- the client ---

class load final : public net::client_events {
public:
  load(std::size_t wanted, std::size_t outstanding) : wanted_(wanted), outstanding_(outstanding) {}

  void open(std::uint16_t port, std::shared_ptr<net::client_tls> tls = {}) {
    net::connect_options options;
    options.tls = std::move(tls);
    options.port = port;
    options.form = domain::wire_form::json;
    // One after the other, as visitors come: the memory of a storm of upgrades is another question.
    host.post([this, options] { connect_next(options); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return opened_ == wanted_; });
  }

  void on_open(net::client_number connection) override {
    for (std::size_t i = 0; i < outstanding_; ++i)
      host.send(connection, message_);
    const std::lock_guard lock(mutex_);
    ++opened_;
    changed_.notify_all();
    if (next_)
      host.post(next_);
  }

  void on_message(net::client_number connection, std::string_view) override {
    messages.fetch_add(1, std::memory_order_relaxed);
    host.send(connection, message_);
  }

  void on_close(net::client_number, const net::client_close& why) override {
    if (ending)
      return;
    std::cerr << "a connection was lost: " << why.text << "\n";
    std::exit(1);
  }

  std::atomic<std::uint64_t> messages{0};
  std::atomic<bool> ending{false};
  net::websocket_client_host host;

private:
  void connect_next(const net::connect_options& options) {
    next_ = [this, options] {
      if (begun_++ < wanted_)
        host.connect(options, *this);
    };
    next_();
  }

  const std::string message_ = std::string(message_bytes, 'm');
  const std::size_t wanted_;
  const std::size_t outstanding_;
  std::function<void()> next_;
  std::size_t begun_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t opened_ = 0; // guarded by mutex_
};

double cpu_seconds(pid_t process) {
  clockid_t clock{};
  timespec time{};
  ::clock_getcpuclockid(process, &clock);
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double resident_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/smaps_rollup");
  std::string word;
  double kibibytes = 0;
  while (file >> word)
    if (word == "Rss:")
      file >> kibibytes;
  return kibibytes * 1024;
}

struct server_process {
  pid_t process;
  std::uint16_t port;
};

server_process start(int kind, const net::listener_options& options = {}) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0)
    std::exit(1);
  const pid_t process = ::fork();
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (kind == 0)
      serve_ours(ends[1], options);
    if (kind == 1)
      serve_asio(ends[1], [](tcp::socket socket) {
        std::make_shared<asio_connection>(std::move(socket))->wait();
      });
    serve_asio(ends[1], [](tcp::socket socket) {
      std::make_shared<beast_connection>(std::move(socket))->begin();
    });
  }
  std::uint16_t port = 0;
  if (::read(ends[0], &port, sizeof port) != sizeof port)
    std::exit(1);
  return {process, port};
}

void end(const server_process& server) {
  ::kill(server.process, SIGKILL);
  ::waitpid(server.process, nullptr, 0);
}

} // namespace

namespace {

/// CPU of the server in microseconds for each message.
double cost_of_message(int kind, std::size_t outstanding) {
  const server_process server = start(kind);
  load clients(busy_connections, outstanding);
  clients.open(server.port);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const std::uint64_t messages = clients.messages;
  const double cpu = cpu_seconds(server.process);
  std::this_thread::sleep_for(std::chrono::milliseconds(3000));
  const double spent = cpu_seconds(server.process) - cpu;
  const double moved = static_cast<double>(clients.messages - messages);
  clients.ending = true;
  end(server);
  return spent / moved * 1e6;
}

double cost_of_idle(int kind, const net::listener_options& options = {}) {
  const server_process server = start(kind, options);
  load clients(idle_connections, 0);
  const double before = resident_bytes(server.process);
  std::shared_ptr<net::client_tls> tls;
  if (!options.certificate_file.empty())
    tls = *net::client_tls::make("", true);
  clients.open(server.port, tls);
  const double each = (resident_bytes(server.process) - before) / idle_connections;
  clients.ending = true;
  end(server);
  return each;
}

} // namespace

int main(int count, char** arguments) {
  net::raise_descriptor_limit();
  const std::array<const char*, 3> names{"ours", "our codec, Asio's waits", "Beast, lean"};
  std::printf(
    "| server | us/message, 1 outstanding | us/message, 16 outstanding | bytes/idle connection |\n"
    "| --- | --- | --- | --- |\n");
  for (int round = 0; round < 3; ++round) {
    for (int kind = 0; kind < 3; ++kind) {
      const double single = cost_of_message(kind, 1);
      const double many = cost_of_message(kind, 16);
      std::printf("| %s | %.2f | %.2f | %.0f |\n", names[static_cast<std::size_t>(kind)], single,
                  many, cost_of_idle(kind));
      std::fflush(stdout);
    }
  }
  if (count != 3)
    return 0;
  net::listener_options secure;
  secure.certificate_file = arguments[1];
  secure.key_file = arguments[2];
  std::printf("| ours, TLS | | | %.0f |\n", cost_of_idle(0, secure));
}
