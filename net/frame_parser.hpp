#pragma once

#include "domain/ports/connection.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

/// RFC 6455 frames, both sides, without a socket: bytes in, messages out, however the bytes are
/// cut.
namespace frontdesk::net {

/// Which end this is: a server wants masked frames, a client wants unmasked ones (RFC 6455 5.1).
enum class frame_role : std::uint8_t { server, client };

enum class frame_opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

/// Which data messages a connection takes; another kind fails with 1003.
enum class message_kind : std::uint8_t { any, text, binary };

struct frame_rules {
  frame_role role = frame_role::server;
  message_kind kind = message_kind::any;
  std::uint32_t message_bytes_max
    = 131072; ///< of a message, all its fragments together; more fails with 1009
};

/// Checks UTF-8 that comes in pieces; a bad byte is found when it comes.
class utf8_checker {
public:
  /// False once the text cannot become valid any more.
  bool feed(std::string_view piece);

  /// Whether what was fed ends with a whole character.
  bool complete() const { return wanted_ == 0; }

private:
  std::uint8_t wanted_ = 0;
  std::uint8_t least_ = 0x80;
  std::uint8_t most_ = 0xbf;
};

struct frame_event {
  enum class type : std::uint8_t {
    more,    ///< the input is used up
    message, ///< a whole data message
    ping,
    pong,
    close,   ///< the peer's close frame; whatever follows it is ignored
    failure, ///< the peer broke the protocol: close with `code`; whatever follows is ignored
  };

  type what = type::more;
  bool text = false;      ///< message: text or binary
  bool assembled = false; ///< message: `data` lives in the parser; keep it with take_message()
  std::uint16_t code = 0; ///< close: the peer's code, 1005 if it sent none; failure: what to answer
  /// message, ping, pong: the payload; close: the peer's reason; failure: what was wrong. In the
  /// caller's buffer, or in the parser until it is called again.
  std::string_view data{};
};

/// Incremental parser. Costs 16 bytes while no frame is half read.
class frame_parser {
public:
  explicit frame_parser(frame_rules rules);
  ~frame_parser();
  frame_parser(frame_parser&&) noexcept;
  frame_parser& operator=(frame_parser&&) noexcept;

  /// Reads from the front of `input` up to the end of the next message or control frame, unmasking
  /// in place. A whole unfragmented frame is handed out as a view of `input`; only what is cut in
  /// two is copied. Call until `more`.
  frame_event next(std::span<char>& input);

  /// The message of the last event if it was `assembled`.
  std::string take_message();

  /// Frame headers read since the last call, control frames and fragments included.
  std::uint32_t take_frame_count();

  /// Whether the next byte belongs to a frame or message that has begun.
  bool in_message() const { return partial_ != nullptr; }

  message_kind kind() const { return kind_; }

private:
  struct header;
  struct partial;
  enum class decoded : std::uint8_t { more, whole, bad };

  decoded decode(std::string_view bytes, header& out);
  decoded fail(domain::close_reason code, std::string_view text);
  frame_event failure() const;
  frame_event finish_control(const header& head, std::string_view payload);
  frame_event next_slow(std::span<char>& input);
  bool take_payload(std::span<char>& input);

  std::unique_ptr<partial> partial_;
  std::uint32_t bytes_max_;
  std::uint16_t failed_ = 0; // close code; also set to 1000 after the peer's close
  frame_role role_;
  message_kind kind_;
  std::uint32_t frames_ = 0;
  const char* failed_text_ = "";
};

constexpr std::size_t frame_header_bytes_max = 14;
constexpr std::size_t control_payload_bytes_max = 125;

/// Bytes that append_frame puts before the payload.
std::size_t frame_header_bytes(frame_role role, std::size_t payload_bytes);

/// Appends one whole unmasked frame, as a server sends it.
void append_frame(std::string& out, frame_opcode opcode, std::string_view payload);

/// Appends one whole masked frame, as a client sends it. The key must be unpredictable (RFC
/// 6455 10.3).
void append_masked_frame(std::string& out, frame_opcode opcode, std::string_view payload,
                         std::uint32_t key);

/// Payload of a close frame: the code and as much of the text as fits, cut between characters.
std::string close_payload(std::uint16_t code, std::string_view text);

/// Whether a peer may put this code into a close frame (RFC 6455 7.4 and the IANA registry).
bool valid_close_code(std::uint16_t code);

/// In a buffer of whole unmasked frames that begins with one: the first boundary at or after a
/// position, and the last one at or before it.
std::size_t frame_boundary_after(std::string_view frames, std::size_t position);
std::size_t frame_boundary_before(std::string_view frames, std::size_t position);

} // namespace frontdesk::net
