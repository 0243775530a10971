#include "app/chat_screen.hpp"

#include "proto/codec.hpp"

#include <boost/json.hpp>

#include <ctime>
#include <iostream>
#include <variant>

namespace frontdesk::app {

namespace {

namespace json = boost::json;

std::string clock_text(domain::unix_ms time) {
  const auto seconds = static_cast<std::time_t>(time / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &local);
  return text;
}

std::string author_of(const domain::event_push& what) {
  if (what.public_content)
    if (const auto& author = what.public_content->author; !author.name.empty())
      return printable(author.name);
  const auto kind = what.public_content ? what.public_content->author.kind
                    : what.author       ? what.author->kind
                                        : domain::participant_kind::system;
  switch (kind) {
  case domain::participant_kind::visitor:
    return "visitor";
  case domain::participant_kind::account:
    return "agent";
  case domain::participant_kind::assistant:
    return "assistant";
  case domain::participant_kind::system:
    break;
  }
  return "*";
}

std::string_view status_text(domain::conversation_status status) {
  switch (status) {
  case domain::conversation_status::waiting:
    return "waiting";
  case domain::conversation_status::active:
    return "active";
  case domain::conversation_status::resolved:
    return "resolved";
  }
  return "";
}

std::string body_of(const domain::event_push& what) {
  if (what.public_content) {
    if (const auto* text = std::get_if<domain::text_content>(&what.public_content->body))
      return printable(text->text);
    if (const auto* to = std::get_if<domain::assignment_content>(&what.public_content->body))
      return to->to.name.empty() ? "(back to the queue)"
                                 : "(assigned to " + printable(to->to.name) + ")";
    if (const auto* status = std::get_if<domain::status_content>(&what.public_content->body))
      return "(" + std::string{status_text(status->status)} + ")";
    return "(recalled)";
  }
  if (what.staff_content)
    if (const auto* text = std::get_if<domain::text_content>(&what.staff_content->body))
      return printable(text->text);
  return "(recalled)";
}

void print(std::string_view line) {
  std::cout << line << "\n" << std::flush;
}

void print(const json::object& line) {
  print(json::serialize(line));
}

} // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 controls, such as CSI, are two bytes of UTF-8.
    const bool c1 = byte == 0xC2 && i + 1 < text.size()
                    && static_cast<unsigned char>(text[i + 1]) >= 0x80
                    && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte == '\n')
      out += "\n    ";
    else if (byte < 0x20 || byte == 0x7f)
      out += '?';
    else if (c1) {
      out += '?';
      ++i;
    } else
      out += text[i];
  }
  return out;
}

void chat_screen::frame(const domain::server_frame& what) {
  if (as_json_) {
    print(proto::encode(what, domain::wire_form::json));
    return;
  }
  if (const auto* complaint = std::get_if<domain::problem>(&what))
    complain(complaint->reason.message);
  else if (const auto* place = std::get_if<domain::queue_position>(&what); place && place->position)
    say("(number " + std::to_string(place->position) + " in the queue)");
  else if (const auto* state = std::get_if<domain::presence_changed>(&what)) {
    const auto* name = state->state == domain::presence_state::online ? "online"
                       : state->state == domain::presence_state::away ? "away"
                                                                      : "offline";
    say("(" + std::string{name} + ", " + std::to_string(state->load) + " of "
        + std::to_string(state->capacity) + " conversations)");
  }
}

void chat_screen::event(const domain::event_push& what, std::uint64_t conversation_number) {
  if (as_json_)
    return; // the frame has been printed
  std::string line;
  if (staff_)
    line += "#" + std::to_string(conversation_number) + " ";
  line += "[" + std::to_string(staff_ ? what.seq : what.visible_seq) + "] " + clock_text(what.time)
          + " " + author_of(what);
  if (what.kind == domain::event_kind::note)
    line += " (note)";
  if (what.kind == domain::event_kind::edit)
    line += " (changes " + std::to_string(what.target) + ")";
  if (what.kind == domain::event_kind::recall || what.kind == domain::event_kind::erase)
    line += " (takes back " + std::to_string(what.target) + ")";
  print(line + ": " + body_of(what));
}

void chat_screen::rows(const domain::list_rows& what) {
  if (as_json_)
    return;
  say(what.list == domain::list_kind::waiting ? "waiting:" : "mine:");
  for (const auto& row : what.rows)
    say("  #" + std::to_string(row.number) + " " + printable(row.visitor_name) + " ("
        + std::string{status_text(row.status)} + ") " + printable(row.excerpt));
  if (!what.removed.empty())
    say("  " + std::to_string(what.removed.size()) + " have left the list");
}

void chat_screen::confirmed(domain::message_seq number) {
  if (!as_json_)
    say("[" + std::to_string(number) + "] sent");
}

void chat_screen::rejected(std::uint64_t client_seq, const domain::error& reason) {
  if (as_json_)
    print(
      json::object{{"rejected", json::object{{"clientSeq", std::to_string(client_seq)},
                                             {"code", std::string{domain::to_string(reason.code)}},
                                             {"message", reason.message}}}});
  else
    complain("refused: " + reason.message);
}

void chat_screen::link_lost(std::uint16_t code, std::string_view text,
                            std::optional<std::uint32_t> again_ms) {
  if (as_json_) {
    json::object lost{{"code", code}, {"text", std::string{text}}, {"again", again_ms.has_value()}};
    print(json::object{{"linkLost", std::move(lost)}});
  } else if (again_ms) {
    complain("(connection lost; trying again)");
  }
}

void chat_screen::complain(std::string_view text) {
  std::cerr << printable(text) << "\n" << std::flush;
}

void chat_screen::say(std::string_view text) {
  if (!as_json_)
    print(text);
}

} // namespace frontdesk::app
