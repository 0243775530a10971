#include "net/frame_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

// Any bytes as a stream of frames, as either side: the same events however the stream is cut, and
// none that breaks what the parser promises. The first byte chooses role and kind, the second the
// size of the pieces.
namespace {

using namespace frontdesk::net;

constexpr std::uint32_t message_bytes_max = 1000;

void require(bool holds) {
  if (!holds)
    std::abort();
}

bool valid_utf8(std::string_view text) {
  utf8_checker checker;
  return checker.feed(text) && checker.complete();
}

std::vector<std::string> parse(std::string_view stream, std::size_t piece_bytes,
                               frame_rules rules) {
  frame_parser parser(rules);
  std::vector<std::string> seen;
  bool over = false;
  for (std::size_t at = 0; at < stream.size(); at += piece_bytes) {
    std::string piece(stream.substr(at, piece_bytes));
    std::span<char> input(piece);
    for (bool more = true; more;) {
      const frame_event event = parser.next(input);
      std::string data(event.data);
      if (event.assembled)
        require(parser.take_message() == data);
      require(!over || event.what == frame_event::type::more);
      switch (event.what) {
      case frame_event::type::more:
        require(input.empty());
        more = false;
        continue;
      case frame_event::type::message:
        require(data.size() <= message_bytes_max);
        require(!event.text || valid_utf8(data));
        require(rules.kind != message_kind::text || event.text);
        require(rules.kind != message_kind::binary || !event.text);
        break;
      case frame_event::type::ping:
      case frame_event::type::pong:
        require(data.size() <= control_payload_bytes_max);
        break;
      case frame_event::type::close:
        require(event.code == 1005 || valid_close_code(event.code));
        require(valid_utf8(data));
        over = true;
        break;
      case frame_event::type::failure:
        require(event.code == 1002 || event.code == 1003 || event.code == 1007
                || event.code == 1009);
        over = true;
        break;
      }
      seen.push_back(std::to_string(static_cast<int>(event.what)) + (event.text ? "t" : "b")
                     + std::to_string(event.code) + data);
    }
  }
  return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2)
    return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const frame_rules rules{.role = data[0] & 1 ? frame_role::client : frame_role::server,
                          .kind = static_cast<message_kind>(data[0] / 2 % 3),
                          .message_bytes_max = message_bytes_max};
  const auto whole = parse(stream, std::max<std::size_t>(stream.size(), 1), rules);
  require(parse(stream, 1, rules) == whole);
  require(parse(stream, 1u + data[1], rules) == whole);
  return 0;
}
