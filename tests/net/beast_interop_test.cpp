#include "tests/net/test_server.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <gtest/gtest.h>

#include <thread>

// Another implementation of the standard on the other end, so that the two halves of ours do not
// merely agree.
namespace frontdesk::net {
namespace {

using namespace testing;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using tcp = asio::ip::tcp;

TEST(beast_client, talks_to_our_server) {
  test_server server;
  server.echo();
  server.start();
  asio::io_context context;
  websocket::stream<tcp::socket> stream(context);
  stream.next_layer().connect({asio::ip::address_v4::loopback(), server.port()});
  stream.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
    request.set(beast::http::field::sec_websocket_protocol, "frontdesk.v1.proto");
  }));
  websocket::response_type answer;
  stream.handshake(answer, "localhost", "/v1/socket");
  EXPECT_EQ(answer[beast::http::field::sec_websocket_protocol], "frontdesk.v1.proto");
  stream.binary(true);
  std::string pong;
  stream.control_callback([&](websocket::frame_type kind, beast::string_view payload) {
    if (kind == websocket::frame_type::pong)
      pong = std::string(payload);
  });
  for (const std::size_t size : {0u, 1u, 125u, 126u, 4096u, 65535u, 65536u, 131072u}) {
    const std::string text(size, 'b');
    stream.auto_fragment(size % 2 == 0);
    stream.write(asio::buffer(text));
    beast::flat_buffer buffer;
    stream.read(buffer);
    EXPECT_TRUE(stream.got_binary());
    EXPECT_EQ(beast::buffers_to_string(buffer.data()), text);
  }
  stream.ping("are you there");
  stream.write(asio::buffer(std::string("x")));
  beast::flat_buffer buffer;
  stream.read(buffer);
  stream.close({websocket::close_code::going_away, "bye"});
  EXPECT_EQ(pong, "are you there");
  EXPECT_EQ(stream.reason().code, websocket::close_code::going_away);
  server.events.wait_for("close 4900");
}

TEST(beast_server, talks_to_our_client) {
  asio::io_context context;
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  std::string closed;
  std::thread peer([&] {
    websocket::stream<tcp::socket> stream(acceptor.accept());
    stream.set_option(websocket::stream_base::decorator([](websocket::response_type& response) {
      response.set(beast::http::field::sec_websocket_protocol, "frontdesk.v1.json");
    }));
    stream.accept();
    stream.write_buffer_bytes(64);
    beast::error_code failed;
    for (;;) {
      beast::flat_buffer buffer;
      stream.read(buffer, failed);
      if (failed)
        break;
      stream.text(stream.got_text());
      stream.ping("p", failed);
      stream.write(buffer.data(), failed);
    }
    closed = std::string(stream.reason().reason.c_str());
  });
  connect_options options;
  options.port = acceptor.local_endpoint().port();
  options.form = domain::wire_form::json;
  auto client = websocket_client::connect(options);
  ASSERT_TRUE(client) << client.failure().message;
  for (const std::size_t size : {0u, 1u, 125u, 126u, 4096u, 65535u, 65536u, 131072u}) {
    ASSERT_TRUE((*client)->send(std::string(size, 'c')));
    const auto echoed = (*client)->receive(patience);
    ASSERT_TRUE(echoed);
    EXPECT_EQ(*echoed, std::string(size, 'c'));
  }
  EXPECT_EQ((*client)->close(1001, "bye").code, 1001);
  peer.join();
  EXPECT_EQ(closed, "bye");
}

} // namespace
} // namespace frontdesk::net
