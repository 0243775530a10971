#pragma once

#include "domain/frames.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What the chat prints, for people or one JSON object a line. What others wrote cannot steer the
/// terminal.
namespace frontdesk::app {

/// Control characters become '?', line ends an indented new line.
std::string printable(std::string_view text);

class chat_screen {
public:
  chat_screen(bool as_json, bool staff) : as_json_(as_json), staff_(staff) {}

  /// Every frame; says something in the JSON form only.
  void frame(const domain::server_frame& what);
  void event(const domain::event_push& what, std::uint64_t conversation_number);
  void rows(const domain::list_rows& what);
  void confirmed(domain::message_seq number);
  void rejected(std::uint64_t client_seq, const domain::error& reason);
  void link_lost(std::uint16_t code, std::string_view text, std::optional<std::uint32_t> again_ms);
  void complain(std::string_view text);
  void say(std::string_view text);

private:
  bool as_json_;
  bool staff_;
};

} // namespace frontdesk::app
