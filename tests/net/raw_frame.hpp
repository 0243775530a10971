#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Frames byte by byte, also those that no proper peer sends.
namespace frontdesk::net::testing {

struct raw_frame {
  std::uint8_t first = 0x82; ///< FIN, reserved bits and opcode
  std::string payload{};
  bool masked = true;
  int length_bytes = -1;            ///< 0, 2 or 8 to force a form of the length; -1 = the shortest
  std::int64_t claimed_length = -1; ///< -1 = the payload's; otherwise what the header says

  std::string bytes() const;
};

/// What every peer must answer: bytes from a client, and the close code.
struct bad_stream {
  std::string name;
  std::string bytes;
  std::uint16_t code;
};

/// Of a socket that takes text of at most `limit` bytes.
std::vector<bad_stream> bad_text_streams(std::uint32_t limit);

std::string close_frame(std::uint16_t code, std::string_view text = {});

} // namespace frontdesk::net::testing
