#pragma once

#include "domain/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// The two frames a saturated client sends and reads all the time, written and looked at in place:
/// the load shares its processors with the server it measures. Binary form (proto/frames.proto);
/// everything else goes through proto/codec.hpp, and a test holds the two against each other.
namespace frontdesk::load {

struct message_command {
  domain::conversation_id conversation{}; ///< zero: open one with `opening`
  domain::opening_key opening{};
  domain::client_key key{};
  std::uint64_t previous = 0;
};

/// Puts the bytes of the client frame into `out`, whose memory is used again.
void write_command(std::string& out, const message_command& what, std::string_view text);

enum class hot_kind : std::uint8_t { acknowledge, event };

/// Views into the frame.
struct hot_frame {
  hot_kind kind{};
  std::string_view conversation{}; ///< 16 bytes
  std::string_view client{};       ///< 16 bytes; empty = no client sent it
  std::uint64_t client_seq = 0;
  std::uint64_t seq = 0;
  std::uint64_t visible_seq = 0;
  std::string_view text{}; ///< of an event's public part
};

/// Nothing for frames of other kinds and for bytes that are no frame.
std::optional<hot_frame> read_hot_frame(std::string_view bytes);

/// Texts say who wrote them, which message they are and when it was due, so that whoever receives
/// them knows how long it took; a visitor is not told the key of an agent's message.
struct stamp {
  bool by_visitor = false;
  std::uint32_t number = 0;
  std::uint64_t due_ns = 0;
  friend bool operator==(const stamp&, const stamp&) = default;
};

inline constexpr std::size_t stamp_size = 32;
/// `out` becomes `size` bytes, but at least stamp_size.
void write_stamped_text(std::string& out, const stamp& mark, std::size_t size);
/// Nothing for a text without a stamp.
std::optional<stamp> read_stamp(std::string_view text);

} // namespace frontdesk::load
