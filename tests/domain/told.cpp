#include "tests/domain/told.hpp"

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

// "append after 0: 1 message visible 1, 2 note; head, row"
std::string tell(const append_events& effect) {
  auto line = "append after " + number(effect.previous_seq) + ":";
  for (const auto& event : effect.events) {
    line += " " + number(event.seq) + " " + std::string{name(event.header.kind)};
    line += (event.header.hidden ? " hidden " : " visible ") + number(event.header.visible_seq);
    line += &event == &effect.events.back() ? "" : ",";
  }
  for (const auto& parts : effect.rewrites)
    line += " rewriting " + number(parts.target) + " as " + number(parts.revision);
  if (effect.creates)
    line += " +creates";
  if (effect.head)
    line += " +head";
  if (effect.open_entry)
    line += " +row";
  if (effect.close_entry)
    line += " -row";
  return line;
}

std::string tell(const acked& effect) {
  return "ack #" + number(effect.key.seq) + " at " + number(effect.seq) + "/"
         + number(effect.visible_seq) + " to " + number(effect.reply);
}

std::string tell(const refused& effect) {
  auto line
    = "refuse #" + number(effect.key.seq) + " " + std::string{to_string(effect.reason.code)};
  return effect.reason.field.empty() ? line : line + " " + effect.reason.field;
}

std::string tell(const out_of_order& effect) {
  return "gap #" + number(effect.key.seq) + " last " + number(effect.last);
}

std::string tell(const look_up& effect) {
  return "look up #" + number(effect.key.seq) + " before " + number(effect.before);
}

std::string tell(const read_target& effect) {
  return (effect.by_visible ? "read visible " : "read ") + number(effect.seq);
}

std::string tell(const show& effect) {
  return "show " + number(effect.seq);
}

std::string tell(const row_changed& effect) {
  return effect.closed ? "row closed" : "row " + std::string{name(effect.row.status)};
}

std::string tell(const send_command& effect) {
  return "send #" + number(effect.what.key.seq) + " after " + number(effect.what.previous);
}

std::string tell(const message_confirmed& effect) {
  return "confirmed " + number(effect.handle) + " at " + number(effect.seq) + "/"
         + number(effect.visible_seq);
}

std::string tell(const message_rejected& effect) {
  return "rejected " + number(effect.handle) + " " + std::string{to_string(effect.reason.code)};
}

std::string tell(const ask_person& effect) {
  std::string line = "ask about";
  for (auto handle : effect.handles)
    line += " " + number(handle);
  return line;
}

std::string tell(const need_client_id& /*effect*/) {
  return "need client id";
}

std::string tell(const retry_later& effect) {
  return "retry after " + number(effect.after_ms);
}

std::string tell(const assign_to& effect) {
  return "assign " + short_id(effect.conversation) + " to " + short_id(effect.account) + " fence "
         + number(effect.fence);
}

std::string tell(const position_changed& effect) {
  return "position of " + short_id(effect.conversation) + " is " + number(effect.position);
}

std::string tell(const agent_load_changed& effect) {
  return "load of " + short_id(effect.account) + " is " + number(effect.load);
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
