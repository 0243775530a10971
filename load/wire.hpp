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

/// Texts carry the time their message was due, so that whoever receives them knows how long it
/// took. `out` becomes exactly `size` bytes (at least `stamp_size`).
inline constexpr std::size_t stamp_size = 21;
void write_stamped_text(std::string& out, std::uint64_t due_ns, std::size_t size);
/// Nothing for a text without a stamp.
std::optional<std::uint64_t> read_stamp(std::string_view text);

} // namespace frontdesk::load
