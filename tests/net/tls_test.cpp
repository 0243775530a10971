#include "net/tls.hpp"
#include "tests/net/test_server.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <unistd.h>

namespace frontdesk::net {
namespace {

using namespace testing;

template <class Type, void (*Free)(Type*)>
struct freeing {
  void operator()(Type* item) const { Free(item); }
};

using key_pointer = std::unique_ptr<EVP_PKEY, freeing<EVP_PKEY, EVP_PKEY_free>>;
using certificate_pointer = std::unique_ptr<X509, freeing<X509, X509_free>>;

/// A folder with self-signed certificates for 127.0.0.1 and localhost.
class tls_files : public ::testing::Test {
protected:
  tls_files() {
    std::string pattern
      = (std::filesystem::temp_directory_path() / "frontdesk-tls-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    make("first");
    make("second");
    write("broken.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  }

  ~tls_files() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  void write(const std::string& name, const std::string& content) {
    std::ofstream(path(name)) << content;
  }

  /// <name>.crt and <name>.key
  void make(const std::string& name) {
    const key_pointer key(EVP_EC_gen("P-256"));
    const certificate_pointer certificate(X509_new());
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()),
                     static_cast<long>(std::hash<std::string>{}(name) >> 40));
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* const subject = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), subject);
    X509_EXTENSION* const names
      = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(certificate.get(), names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    std::FILE* file = std::fopen(path(name + ".crt").c_str(), "w");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
    file = std::fopen(path(name + ".key").c_str(), "w");
    PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
  }

  void serve(test_server& server, const std::string& name) {
    server.options.certificate_file = path(name + ".crt");
    server.options.key_file = path(name + ".key");
    server.echo();
    server.start();
  }

  connect_options to(const test_server& server, const std::string& trusted) {
    connect_options target = server.to();
    auto tls = client_tls::make(path(trusted + ".crt"));
    EXPECT_TRUE(tls);
    target.tls = *tls;
    return target;
  }

private:
  std::filesystem::path folder_;
};

/// A blocking OpenSSL client, for handshakes that our own client would not make.
class openssl_client {
public:
  explicit openssl_client(std::uint16_t port, int version_max = 0)
    : context_(SSL_CTX_new(TLS_client_method())) {
    // What is tried here is below the level of security that Debian sets.
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    if (version_max)
      SSL_CTX_set_max_proto_version(context_, version_max);
    wire_ = BIO_new_ssl_connect(context_);
    BIO_set_conn_hostname(wire_, ("127.0.0.1:" + std::to_string(port)).c_str());
    BIO_get_ssl(wire_, &ssl_);
  }

  ~openssl_client() {
    BIO_free_all(wire_);
    SSL_CTX_free(context_);
  }

  openssl_client(const openssl_client&) = delete;
  openssl_client& operator=(const openssl_client&) = delete;

  bool connect() { return BIO_do_connect(wire_) == 1 && BIO_do_handshake(wire_) == 1; }

  SSL* ssl() { return ssl_; }

private:
  SSL_CTX* context_;
  BIO* wire_;
  SSL* ssl_ = nullptr;
};

TEST_F(tls_files, carry_messages_of_every_size_both_ways) {
  test_server server;
  serve(server, "first");
  auto client = websocket_client::connect(to(server, "first"));
  ASSERT_TRUE(client) << client.failure().message;
  EXPECT_TRUE(server.events.last_peer().secure);
  for (const std::size_t size : {0u, 1u, 100u, 16384u, 16385u, 65536u, 131072u}) {
    ASSERT_TRUE((*client)->send(std::string(size, 'x')));
    const auto echoed = (*client)->receive(patience);
    ASSERT_TRUE(echoed) << size;
    EXPECT_EQ(*echoed, std::string(size, 'x'));
  }
  // Many small ones at once come in several records.
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE((*client)->send(std::to_string(i)));
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(*(*client)->receive(patience), std::to_string(i));
  EXPECT_EQ((*client)->close().code, 1000);
}

TEST_F(tls_files, move_more_than_the_kernel_takes_at_once) {
  test_server server;
  server.events.received
    = [](domain::connection_host& host, domain::connection_number connection, std::string_view) {
        for (int i = 0; i < 9; ++i)
          host.send(connection, std::string(100'000, static_cast<char>('a' + i)));
      };
  server.options.certificate_file = path("first.crt");
  server.options.key_file = path("first.key");
  server.start();
  auto client = websocket_client::connect(to(server, "first"));
  ASSERT_TRUE(client);
  (*client)->pause(true);
  ASSERT_TRUE((*client)->send("go"));
  server.events.wait_for("message go");
  (*client)->pause(false);
  for (int i = 0; i < 9; ++i)
    EXPECT_EQ(*(*client)->receive(patience), std::string(100'000, static_cast<char>('a' + i)));
}

TEST_F(tls_files, are_checked_by_the_client) {
  test_server server;
  serve(server, "first");
  const auto refused = websocket_client::connect(to(server, "second"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.failure().message.find("TLS handshake failed"), std::string::npos);

  connect_options other_name = to(server, "first");
  other_name.host = "shop.example";
  EXPECT_FALSE(websocket_client::connect(other_name));
  connect_options name = to(server, "first");
  name.host = "localhost";
  EXPECT_TRUE(websocket_client::connect(name));

  connect_options insecure = server.to();
  insecure.tls = *client_tls::make("", true);
  EXPECT_TRUE(websocket_client::connect(insecure));
  EXPECT_FALSE(client_tls::make(path("broken.pem")));
  EXPECT_FALSE(client_tls::make(path("missing.pem")));
}

TEST_F(tls_files, speak_only_modern_versions) {
  test_server server;
  serve(server, "first");
  EXPECT_FALSE(openssl_client(server.port(), TLS1_VERSION).connect());
  EXPECT_FALSE(openssl_client(server.port(), TLS1_1_VERSION).connect());
  openssl_client twelve(server.port(), TLS1_2_VERSION);
  ASSERT_TRUE(twelve.connect());
  const std::string cipher = SSL_get_cipher_name(twelve.ssl());
  EXPECT_TRUE(cipher.starts_with("ECDHE-")) << cipher;
  openssl_client newest(server.port());
  ASSERT_TRUE(newest.connect());
  EXPECT_EQ(SSL_version(newest.ssl()), TLS1_3_VERSION);
}

TEST_F(tls_files, are_read_again_on_reload) {
  test_server server;
  serve(server, "first");
  auto old = websocket_client::connect(to(server, "first"));
  ASSERT_TRUE(old);
  std::filesystem::copy_file(path("second.crt"), path("first.crt"),
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(path("second.key"), path("first.key"),
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(server.sockets->reload());
  EXPECT_TRUE(websocket_client::connect(to(server, "second")));
  ASSERT_TRUE((*old)->send("still here"));
  EXPECT_EQ(*(*old)->receive(patience), "still here");
}

TEST_F(tls_files, stay_in_use_when_the_new_ones_are_bad) {
  test_server server;
  serve(server, "first");
  const connect_options target = to(server, "first");
  const auto put = [&](const std::string& from, const std::string& over) {
    std::filesystem::copy_file(path(from), path(over),
                               std::filesystem::copy_options::overwrite_existing);
  };
  put("broken.pem", "first.crt");
  auto reloaded = server.sockets->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.failure().code, domain::errc::config);
  EXPECT_NE(reloaded.failure().message.find("first.crt"), std::string::npos);
  put("second.crt", "first.crt");
  reloaded = server.sockets->reload();
  ASSERT_FALSE(reloaded) << "key and certificate do not belong together";
  EXPECT_NE(reloaded.failure().message.find("first.key"), std::string::npos);
  std::filesystem::remove(path("first.key"));
  EXPECT_FALSE(server.sockets->reload());
  EXPECT_TRUE(websocket_client::connect(target));
  EXPECT_EQ(server.logger.count("the old certificate stays in use"), 3u);
}

TEST_F(tls_files, are_refused_at_the_start_if_they_are_bad) {
  for (const auto& [certificate, key] :
       std::vector<std::pair<std::string, std::string>>{{"first.crt", ""},
                                                        {"", "first.key"},
                                                        {"broken.pem", "first.key"},
                                                        {"first.crt", "second.key"},
                                                        {"missing", "first.key"}}) {
    test_server server;
    server.threads.front()->start();
    listener_options options;
    options.certificate_file = certificate.empty() ? "" : path(certificate);
    options.key_file = key.empty() ? "" : path(key);
    const auto opened = listener::open(options, {}, {server.threads.front().get()});
    ASSERT_FALSE(opened) << certificate << " " << key;
    EXPECT_EQ(opened.failure().code, domain::errc::config);
  }
}

TEST_F(tls_files, end_clients_that_speak_no_tls) {
  domain::limits limits;
  limits.request_header_timeout_ms = 100;
  test_server server(limits);
  serve(server, "first");
  raw_socket plain(server.port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(plain.read_all().find("HTTP/1.1 200"), std::string::npos);
  raw_socket silent(server.port());
  EXPECT_EQ(silent.read_all(), "") << "a handshake that never comes";
}

} // namespace
} // namespace frontdesk::net
