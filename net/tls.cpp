#include "net/tls.hpp"

#include "net/address.hpp"
#include "net/websocket_client.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace frontdesk::net {

using domain::errc;
using domain::error;
using domain::result;

namespace {

// One TLS record: a bigger piece would have to be offered again in full after a wait.
constexpr std::size_t record_bytes = 16384;

bool set_rules(SSL_CTX* context) {
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                              | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1); // header and record with one system call
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION
                                 | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1
         && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

/// Only HTTP/1.1 is spoken; a client that offers nothing we know goes on without ALPN.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr std::array<unsigned char, 9> ours{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, ours.data(), ours.size(), offered, offered_size)
      != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

error config_error(const std::string& what) {
  std::string reason = transport::last_error();
  return {errc::config, reason.empty() ? what : what + ": " + reason};
}

class client_tls_context final : public client_tls {
public:
  explicit client_tls_context(std::shared_ptr<tls_context> shared) : context(std::move(shared)) {}

  const std::shared_ptr<tls_context> context;
};

} // namespace

result<std::shared_ptr<tls_context>> tls_context::make_server(const std::string& certificate_file,
                                                              const std::string& key_file) {
  ERR_clear_error();
  std::shared_ptr<tls_context> made(new tls_context(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* const context = made->context_;
  if (!context || !set_rules(context))
    return config_error("TLS cannot be set up");
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    return config_error("certificate file " + certificate_file + " cannot be used");
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return config_error("key file " + key_file + " cannot be used");
  if (SSL_CTX_check_private_key(context) != 1)
    return config_error("key file " + key_file + " does not belong to the certificate");
  return made;
}

result<std::shared_ptr<tls_context>> tls_context::make_client(const std::string& ca_file,
                                                              bool insecure) {
  ERR_clear_error();
  std::shared_ptr<tls_context> made(new tls_context(SSL_CTX_new(TLS_client_method())));
  SSL_CTX* const context = made->context_;
  if (!context || !set_rules(context))
    return config_error("TLS cannot be set up");
  if (insecure)
    return made;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty()
                       ? SSL_CTX_set_default_verify_paths(context)
                       : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
  if (loaded != 1)
    return config_error("CA file " + ca_file + " cannot be used");
  return made;
}

tls_context::~tls_context() {
  SSL_CTX_free(context_);
}

result<std::shared_ptr<client_tls>> client_tls::make(const std::string& ca_file, bool insecure) {
  auto context = tls_context::make_client(ca_file, insecure);
  if (!context)
    return context.failure();
  return std::shared_ptr<client_tls>(std::make_shared<client_tls_context>(*context));
}

const tls_context& context_of(const client_tls& tls) {
  return *static_cast<const client_tls_context&>(tls).context;
}

transport::~transport() {
  close();
}

transport::transport(transport&& other) noexcept
  : descriptor_(std::exchange(other.descriptor_, -1)),
    write_pending_(std::exchange(other.write_pending_, 0)), read_next_(other.read_next_),
    ssl_(std::exchange(other.ssl_, nullptr)) {}

transport& transport::operator=(transport&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    write_pending_ = std::exchange(other.write_pending_, 0);
    read_next_ = other.read_next_;
    ssl_ = std::exchange(other.ssl_, nullptr);
  }
  return *this;
}

bool transport::secure_as_server(const tls_context& context) {
  ssl_ = SSL_new(context.get());
  if (!ssl_ || SSL_set_fd(ssl_, descriptor_) != 1)
    return false;
  SSL_set_accept_state(ssl_);
  return true;
}

bool transport::secure_as_client(const tls_context& context, const std::string& server_name) {
  ssl_ = SSL_new(context.get());
  if (!ssl_ || SSL_set_fd(ssl_, descriptor_) != 1)
    return false;
  SSL_set_connect_state(ssl_);
  if (ip_address::parse(server_name)) {
    // An address is checked against the certificate, but is no name to ask for (RFC 6066 3).
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), server_name.c_str()) == 1;
  }
  return SSL_set1_host(ssl_, server_name.c_str()) == 1
         && SSL_set_tlsext_host_name(ssl_, server_name.c_str()) == 1;
}

transfer transport::outcome(int returned) {
  switch (SSL_get_error(ssl_, returned)) {
  case SSL_ERROR_WANT_READ:
    return transfer::wait_readable;
  case SSL_ERROR_WANT_WRITE:
    return transfer::wait_writable;
  case SSL_ERROR_ZERO_RETURN:
    return transfer::ended;
  default:
    return transfer::failed;
  }
}

transfer transport::handshake() {
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_);
  return returned == 1 ? transfer::done : outcome(returned);
}

transfer_result transport::read(std::span<char> into) {
  if (!ssl_) {
    for (;;) {
      const ssize_t size = ::recv(descriptor_, into.data(), into.size(), 0);
      if (size > 0)
        return {transfer::done, static_cast<std::size_t>(size)};
      if (size == 0)
        return {transfer::ended, 0};
      if (errno == EINTR)
        continue;
      return {errno == EAGAIN || errno == EWOULDBLOCK ? transfer::wait_readable : transfer::failed,
              0};
    }
  }
  if (read_next_ != transfer::done)
    return {read_next_, 0};
  // A record at a time, until the buffer is full or nothing is held back in OpenSSL.
  std::size_t total = 0;
  while (total < into.size() && (total == 0 || SSL_has_pending(ssl_) == 1)) {
    ERR_clear_error();
    std::size_t size = 0;
    const int returned = SSL_read_ex(ssl_, into.data() + total, into.size() - total, &size);
    if (returned == 1) {
      total += size;
      continue;
    }
    const transfer what = outcome(returned);
    if (total == 0)
      return {what, 0};
    if (what == transfer::ended || what == transfer::failed)
      read_next_ = what;
    break;
  }
  return {transfer::done, total};
}

transfer_result transport::write(std::string_view bytes) {
  if (!ssl_) {
    for (;;) {
      const ssize_t size = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size >= 0)
        return {transfer::done, static_cast<std::size_t>(size)};
      if (errno == EINTR)
        continue;
      return {errno == EAGAIN || errno == EWOULDBLOCK ? transfer::wait_writable : transfer::failed,
              0};
    }
  }
  ERR_clear_error();
  const std::size_t piece = write_pending_ ? write_pending_ : std::min(bytes.size(), record_bytes);
  std::size_t size = 0;
  const int returned = SSL_write_ex(ssl_, bytes.data(), piece, &size);
  if (returned == 1) {
    write_pending_ = 0;
    return {transfer::done, size};
  }
  const transfer what = outcome(returned);
  write_pending_ = static_cast<std::uint32_t>(piece);
  return {what, 0};
}

bool transport::has_buffered() const {
  return read_next_ != transfer::done || (ssl_ && SSL_has_pending(ssl_) == 1);
}

void transport::end_writing() {
  if (ssl_ && SSL_is_init_finished(ssl_) && write_pending_ == 0) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
  }
  ::shutdown(descriptor_, SHUT_WR);
}

void transport::close(bool abort) {
  if (ssl_) {
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (descriptor_ < 0)
    return;
  if (abort) {
    const linger at_once{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  ::close(descriptor_);
  descriptor_ = -1;
}

std::string transport::last_error() {
  std::string text;
  if (const unsigned long code = ERR_peek_last_error()) {
    const char* const reason = ERR_reason_error_string(code);
    text = reason ? reason : "error " + std::to_string(code);
  }
  ERR_clear_error();
  return text;
}

} // namespace frontdesk::net
