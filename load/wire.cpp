#include "load/wire.hpp"

#include <algorithm>

namespace frontdesk::load {

namespace {

enum wire_type : unsigned { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

// Field numbers of proto/frames.proto.
constexpr unsigned client_frame_command = 2;
constexpr unsigned server_frame_acknowledge = 2;
constexpr unsigned server_frame_event = 5;
constexpr unsigned event_public_part = 14;
constexpr unsigned public_part_text = 2;

constexpr std::string_view stamp_mark = "load ";
constexpr std::size_t due_digits = 16;
constexpr std::size_t number_digits = 8;

std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7)
    ++size;
  return size;
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void append_number(std::string& out, unsigned field, std::uint64_t value) {
  if (value == 0)
    return;
  append_varint(out, field << 3 | varint);
  append_varint(out, value);
}

void append_length(std::string& out, unsigned field, std::size_t size) {
  append_varint(out, field << 3 | delimited);
  append_varint(out, size);
}

void append_bytes(std::string& out, unsigned field, std::string_view bytes) {
  if (bytes.empty())
    return;
  append_length(out, field, bytes.size());
  out += bytes;
}

std::size_t number_size(std::uint64_t value) {
  return value == 0 ? 0 : 1 + varint_size(value);
}

std::size_t bytes_size(std::size_t size) {
  return size == 0 ? 0 : 1 + varint_size(size) + size;
}

template <class Tag>
std::string_view present(const domain::id16<Tag>& id) {
  return id ? id.view() : std::string_view{};
}

/// Walks over the fields of one message.
class fields {
public:
  explicit fields(std::string_view message) : rest_(message) {}

  unsigned number = 0;
  std::uint64_t value = 0;
  std::string_view bytes{};

  /// False at the end and at bytes that are no fields.
  bool next() {
    if (rest_.empty())
      return false;
    std::uint64_t tag = 0;
    if (!take(tag))
      return false;
    number = static_cast<unsigned>(tag >> 3);
    value = 0;
    bytes = {};
    switch (tag & 7) {
    case varint:
      return take(value);
    case fixed64:
      return skip(8);
    case fixed32:
      return skip(4);
    case delimited: {
      std::uint64_t size = 0;
      if (!take(size) || size > rest_.size())
        return false;
      bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return true;
    }
    default:
      return false;
    }
  }

private:
  bool take(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80)
        return true;
    }
    return false;
  }

  bool skip(std::size_t size) {
    if (rest_.size() < size)
      return false;
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

void append_hexadecimal(std::string& out, std::uint64_t value, std::size_t digits) {
  static constexpr char letters[] = "0123456789abcdef";
  for (std::size_t i = digits; i-- > 0;)
    out.push_back(letters[value >> (4 * i) & 15]);
}

std::optional<std::uint64_t> read_hexadecimal(std::string_view text) {
  std::uint64_t value = 0;
  for (const char letter : text) {
    const bool digit = letter >= '0' && letter <= '9';
    if (!digit && !(letter >= 'a' && letter <= 'f'))
      return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit ? letter - '0' : letter - 'a' + 10);
  }
  return value;
}

std::string_view text_of_public_part(std::string_view part) {
  for (fields in_part{part}; in_part.next();)
    if (in_part.number == public_part_text)
      for (fields in_text{in_part.bytes}; in_text.next();)
        if (in_text.number == 1)
          return in_text.bytes;
  return {};
}

} // namespace

void write_command(std::string& out, const message_command& what, std::string_view text) {
  const auto conversation = present(what.conversation);
  const auto opening = conversation.empty() ? present(what.opening) : std::string_view{};
  const auto client = present(what.key.client);
  const auto text_size = bytes_size(text.size());
  const auto size = bytes_size(conversation.size()) + bytes_size(opening.size())
                    + bytes_size(client.size()) + number_size(what.key.seq)
                    + number_size(what.previous) + 1 + varint_size(text_size) + text_size;
  out.clear();
  append_length(out, client_frame_command, size);
  append_bytes(out, 1, conversation);
  append_bytes(out, 2, opening);
  append_bytes(out, 3, client);
  append_number(out, 4, what.key.seq);
  append_number(out, 5, what.previous);
  append_length(out, 6, text_size);
  append_bytes(out, 1, text);
}

std::optional<hot_frame> read_hot_frame(std::string_view bytes) {
  fields frame{bytes};
  if (!frame.next())
    return std::nullopt;
  hot_frame found;
  if (frame.number == server_frame_acknowledge) {
    found.kind = hot_kind::acknowledge;
    for (fields each{frame.bytes}; each.next();)
      switch (each.number) {
      case 1:
        found.conversation = each.bytes;
        break;
      case 3:
        found.client = each.bytes;
        break;
      case 4:
        found.client_seq = each.value;
        break;
      case 5:
        found.seq = each.value;
        break;
      case 6:
        found.visible_seq = each.value;
        break;
      default:
        break;
      }
    return found;
  }
  if (frame.number != server_frame_event)
    return std::nullopt;
  found.kind = hot_kind::event;
  for (fields each{frame.bytes}; each.next();)
    switch (each.number) {
    case 1:
      found.conversation = each.bytes;
      break;
    case 2:
      found.seq = each.value;
      break;
    case 3:
      found.visible_seq = each.value;
      break;
    case 7:
      found.client = each.bytes;
      break;
    case 8:
      found.client_seq = each.value;
      break;
    case event_public_part:
      found.text = text_of_public_part(each.bytes);
      break;
    default:
      break;
    }
  return found;
}

void write_stamped_text(std::string& out, const stamp& mark, std::size_t size) {
  static constexpr std::string_view filler
    = " please tell me where my order is, it should have come last week already;";
  out.assign(stamp_mark);
  out.push_back(mark.by_visitor ? 'v' : 'a');
  out.push_back(' ');
  append_hexadecimal(out, mark.due_ns, due_digits);
  out.push_back(' ');
  append_hexadecimal(out, mark.number, number_digits);
  while (out.size() < size)
    out += filler.substr(0, std::min(filler.size(), size - out.size()));
}

std::optional<stamp> read_stamp(std::string_view text) {
  if (text.size() < stamp_size || !text.starts_with(stamp_mark))
    return std::nullopt;
  text.remove_prefix(stamp_mark.size());
  const auto due = read_hexadecimal(text.substr(2, due_digits));
  const auto number = read_hexadecimal(text.substr(2 + due_digits + 1, number_digits));
  if (!due || !number)
    return std::nullopt;
  return stamp{text.front() == 'v', static_cast<std::uint32_t>(*number), *due};
}

} // namespace frontdesk::load
