#include "tests/domain/told.hpp"

#include <sstream>
#include <utility>

namespace frontdesk::test {

using namespace domain;

namespace {

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string_view name(event_kind kind) {
  switch (kind) {
  case event_kind::message:
    return "message";
  case event_kind::note:
    return "note";
  case event_kind::assignment:
    return "assignment";
  case event_kind::status:
    return "status";
  case event_kind::edit:
    return "edit";
  case event_kind::recall:
    return "recall";
  case event_kind::erase:
    return "erase";
  }
  return "?";
}

std::string_view name(conversation_status status) {
  switch (status) {
  case conversation_status::waiting:
    return "waiting";
  case conversation_status::active:
    return "active";
  case conversation_status::resolved:
    return "resolved";
  }
  return "?";
}

template <class Id>
std::string short_id(const Id& value) {
  return number(value.bytes[15]);
}

/// The parts in one line, a blank between them.
template <class... Parts>
std::string line(const Parts&... parts) {
  std::ostringstream out;
  const char* blank = "";
  ((out << std::exchange(blank, " ") << parts), ...);
  return out.str();
}

std::string numbered(const client_key& key) {
  return std::string(1, '#').append(number(key.seq));
}

std::string place(message_seq seq, message_seq visible_seq) {
  return number(seq).append("/").append(number(visible_seq));
}

std::string tell(const append_events& effect) {
  std::ostringstream out;
  out << "append after " << effect.previous_seq << ":";
  for (const auto& event : effect.events) {
    out << " " << event.seq << " " << name(event.header.kind);
    out << (event.header.hidden ? " hidden " : " visible ") << event.header.visible_seq;
    out << (&event == &effect.events.back() ? "" : ",");
  }
  for (const auto& parts : effect.rewrites)
    out << " rewriting " << parts.target << " as " << parts.revision;
  out << (effect.creates ? " +creates" : "") << (effect.head ? " +head" : "");
  out << (effect.open_entry ? " +row" : "") << (effect.close_entry ? " -row" : "");
  return out.str();
}

std::string tell(const acked& effect) {
  return line("ack", numbered(effect.key), "at", place(effect.seq, effect.visible_seq), "to",
              effect.reply);
}

std::string tell(const refused& effect) {
  const auto what = line("refuse", numbered(effect.key), to_string(effect.reason.code));
  return effect.reason.field.empty() ? what : line(what, effect.reason.field);
}

std::string tell(const out_of_order& effect) {
  return line("gap", numbered(effect.key), "last", effect.last);
}

std::string tell(const look_up& effect) {
  return line("look up", numbered(effect.key), "before", effect.before);
}

std::string tell(const read_target& effect) {
  return line(effect.by_visible ? "read visible" : "read", effect.seq);
}

std::string tell(const show& effect) {
  return line("show", effect.seq);
}

std::string tell(const row_changed& effect) {
  return line("row", effect.closed ? "closed" : name(effect.row.status));
}

std::string tell(const send_command& effect) {
  return line("send", numbered(effect.what.key), "after", effect.what.previous);
}

std::string tell(const message_confirmed& effect) {
  return line("confirmed", effect.handle, "at", place(effect.seq, effect.visible_seq));
}

std::string tell(const message_rejected& effect) {
  return line("rejected", effect.handle, to_string(effect.reason.code));
}

std::string tell(const ask_person& effect) {
  std::ostringstream out;
  out << "ask about";
  for (auto handle : effect.handles)
    out << " " << handle;
  return out.str();
}

std::string tell(const need_client_id& /*effect*/) {
  return "need client id";
}

std::string tell(const retry_later& effect) {
  return line("retry after", effect.after_ms);
}

std::string tell(const assign_to& effect) {
  return line("assign", short_id(effect.conversation), "to", short_id(effect.account), "fence",
              effect.fence);
}

std::string tell(const position_changed& effect) {
  return line("position of", short_id(effect.conversation), "is", effect.position);
}

std::string tell(const agent_load_changed& effect) {
  return line("load of", short_id(effect.account), "is", effect.load);
}

template <class Effects>
std::string tell_all(const Effects& effects) {
  std::string lines;
  for (const auto& effect : effects) {
    if (!lines.empty())
      lines += "; ";
    lines += std::visit([](const auto& one) { return tell(one); }, effect);
  }
  return lines;
}

} // namespace

std::string told(const conversation_effects& effects) {
  return tell_all(effects);
}

std::string told(const delivery_effects& effects) {
  return tell_all(effects);
}

std::string told(const routing_effects& effects) {
  return tell_all(effects);
}

std::string told(const std::vector<list_rows>& frames) {
  std::string lines;
  for (const auto& frame : frames) {
    if (!lines.empty())
      lines += "; ";
    lines += frame.reset ? "reset" : "rows";
    for (const auto& row : frame.rows)
      lines += " +" + short_id(row.conversation);
    for (const auto& gone : frame.removed)
      lines += " -" + short_id(gone);
  }
  return lines;
}

} // namespace frontdesk::test
