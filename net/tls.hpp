#pragma once

#include "domain/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace frontdesk::net {

class client_tls;

/// Certificate, key and rules of TLS connections: 1.2 and up, forward secrecy and authenticated
/// ciphers only, no session cache, one ticket, buffers given back while idle. Shared by connections
/// that outlive a reload.
class tls_context {
public:
  /// PEM files; the certificate's chain follows it. errc::config says which file is bad and why;
  /// also when key and certificate do not belong together.
  static domain::result<std::shared_ptr<tls_context>>
  make_server(const std::string& certificate_file, const std::string& key_file);
  /// Empty `ca_file`: the system's store. `insecure`: any certificate will do.
  static domain::result<std::shared_ptr<tls_context>> make_client(const std::string& ca_file,
                                                                  bool insecure);
  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  ssl_ctx_st* get() const { return context_; }

private:
  explicit tls_context(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* context_;
};

/// What client_tls::make made.
const tls_context& context_of(const client_tls& tls);

enum class transfer : std::uint8_t {
  done,
  wait_readable, ///< again when the socket is readable
  wait_writable, ///< again when the socket is writable
  ended,         ///< the peer has closed its side
  failed,
};

struct transfer_result {
  transfer what = transfer::failed;
  std::size_t bytes = 0;
};

/// A connected non-blocking socket, plain or TLS. Owns the descriptor. One thread.
class transport {
public:
  transport() = default;

  explicit transport(int descriptor) : descriptor_(descriptor) {}

  ~transport();
  transport(transport&& other) noexcept;
  transport& operator=(transport&& other) noexcept;

  /// Puts TLS on the socket; handshake() comes next. `server_name` is for clients: sent and
  /// checked.
  bool secure_as_server(const tls_context& context);
  bool secure_as_client(const tls_context& context, const std::string& server_name);
  transfer handshake();

  transfer_result read(std::span<char> into);
  /// After wait_*, the next call must begin with the same bytes, at least `write_pending()` of
  /// them.
  transfer_result write(std::string_view bytes);

  std::size_t write_pending() const { return write_pending_; }

  /// Whether there is something to read that the socket's readiness does not show.
  bool has_buffered() const;
  /// Tells the peer that no more will be written.
  void end_writing();
  /// Closes; `abort` throws away what the kernel still holds and sends a reset.
  void close(bool abort = false);

  int descriptor() const { return descriptor_; }

  bool secure() const { return ssl_ != nullptr; }

  /// What OpenSSL said about the last failure on this thread; empty if nothing.
  static std::string last_error();

private:
  transfer outcome(int returned);

  int descriptor_ = -1;
  std::uint32_t write_pending_ = 0;
  transfer read_next_ = transfer::done; // an end met after bytes that had to be handed out first
  ssl_st* ssl_ = nullptr;
};

} // namespace frontdesk::net
