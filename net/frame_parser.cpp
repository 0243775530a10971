#include "net/frame_parser.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace frontdesk::net {

using domain::close_reason;

namespace {

/// XORs with the key, which starts at its byte `phase` (RFC 6455 5.3).
void unmask(std::span<char> bytes, std::array<std::uint8_t, 4> key, std::size_t phase) {
  std::array<std::uint8_t, 8> wide{};
  for (std::size_t i = 0; i < wide.size(); ++i)
    wide[i] = key[(phase + i) & 3];
  std::uint64_t pattern = 0;
  std::memcpy(&pattern, wide.data(), sizeof pattern);
  std::size_t i = 0;
  for (; i + sizeof pattern <= bytes.size(); i += sizeof pattern) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    word ^= pattern;
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  for (; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(static_cast<std::uint8_t>(bytes[i]) ^ wide[i & 7]);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes)
    value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

void append_header(std::string& out, frame_opcode opcode, std::size_t size, std::uint8_t mask_bit) {
  out.push_back(static_cast<char>(0x80 | static_cast<std::uint8_t>(opcode)));
  const auto append_length = [&](int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      out.push_back(static_cast<char>(static_cast<std::uint64_t>(size) >> shift));
  };
  if (size < 126) {
    out.push_back(static_cast<char>(mask_bit | size));
  } else if (size < 65536) {
    out.push_back(static_cast<char>(mask_bit | 126));
    append_length(2);
  } else {
    out.push_back(static_cast<char>(mask_bit | 127));
    append_length(8);
  }
}

} // namespace

bool utf8_checker::feed(std::string_view piece) {
  const char* at = piece.data();
  const char* const end = at + piece.size();
  while (at != end) {
    if (wanted_ == 0) {
      while (end - at >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        if (word & 0x8080808080808080u)
          break;
        at += 8;
      }
      if (at == end)
        break;
    }
    const auto byte = static_cast<std::uint8_t>(*at++);
    if (wanted_ > 0) {
      if (byte < least_ || byte > most_)
        return false;
      least_ = 0x80;
      most_ = 0xbf;
      --wanted_;
    } else if (byte < 0x80) {
      continue;
    } else if (byte >= 0xc2 && byte <= 0xdf) {
      wanted_ = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
      wanted_ = 2;
      if (byte == 0xe0)
        least_ = 0xa0; // shorter forms exist
      if (byte == 0xed)
        most_ = 0x9f; // surrogates
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      wanted_ = 3;
      if (byte == 0xf0)
        least_ = 0x90; // shorter forms exist
      if (byte == 0xf4)
        most_ = 0x8f; // beyond U+10FFFF
    } else {
      return false;
    }
  }
  return true;
}

struct frame_parser::header {
  frame_opcode opcode{};
  bool final = false;
  std::uint8_t size = 0; // of the header itself
  std::array<std::uint8_t, 4> key{};
  std::uint64_t length = 0;

  bool control() const { return opcode >= frame_opcode::close; }
};

/// Everything about a frame or a message that has begun but not ended.
struct frame_parser::partial {
  std::array<char, frame_header_bytes_max> head_bytes{};
  std::uint8_t head_size = 0;
  bool in_payload = false; // `head` is whole
  bool in_message = false; // a data message has begun; its last fragment is still to come
  bool text = false;
  header head{};
  std::uint64_t taken = 0; // payload bytes of `head` that came
  utf8_checker utf8{};
  std::string message{};
  std::string control{};
};

frame_parser::frame_parser(frame_rules rules)
  : bytes_max_(rules.message_bytes_max), role_(rules.role), kind_(rules.kind) {}

frame_parser::~frame_parser() = default;
frame_parser::frame_parser(frame_parser&&) noexcept = default;
frame_parser& frame_parser::operator=(frame_parser&&) noexcept = default;

std::uint32_t frame_parser::take_frame_count() {
  return std::exchange(frames_, 0);
}

std::string frame_parser::take_message() {
  return partial_ ? std::exchange(partial_->message, {}) : std::string();
}

frame_parser::decoded frame_parser::fail(close_reason code, std::string_view text) {
  failed_ = static_cast<std::uint16_t>(code);
  failed_text_ = text.data(); // literals only
  return decoded::bad;
}

frame_event frame_parser::failure() const {
  return {.what = frame_event::type::failure, .code = failed_, .data = failed_text_};
}

// The checks of the first two bytes come first, so that the answer does not depend on how the bytes
// were cut.
frame_parser::decoded frame_parser::decode(std::string_view bytes, header& out) {
  if (bytes.size() < 2)
    return decoded::more;
  const auto first = static_cast<std::uint8_t>(bytes[0]);
  const auto second = static_cast<std::uint8_t>(bytes[1]);
  const bool in_message = partial_ && partial_->in_message;
  if (first & 0x70)
    return fail(close_reason::protocol_error, "reserved bit set");
  out.final = first & 0x80;
  out.opcode = static_cast<frame_opcode>(first & 0x0f);
  switch (out.opcode) {
  case frame_opcode::text:
  case frame_opcode::binary:
    if (in_message)
      return fail(close_reason::protocol_error, "new message inside a message");
    if (kind_ != message_kind::any
        && (kind_ == message_kind::text) != (out.opcode == frame_opcode::text))
      return fail(close_reason::unsupported_data, "wrong kind of message");
    break;
  case frame_opcode::continuation:
    if (!in_message)
      return fail(close_reason::protocol_error, "continuation of nothing");
    break;
  case frame_opcode::close:
  case frame_opcode::ping:
  case frame_opcode::pong:
    if (!out.final)
      return fail(close_reason::protocol_error, "fragmented control frame");
    break;
  default:
    return fail(close_reason::protocol_error, "unknown opcode");
  }
  const bool masked = second & 0x80;
  if (masked != (role_ == frame_role::server))
    return fail(close_reason::protocol_error,
                masked ? "masked server frame" : "unmasked client frame");
  const std::uint8_t short_length = second & 0x7f;
  if (out.control() && short_length > control_payload_bytes_max)
    return fail(close_reason::protocol_error, "control frame too long");

  const std::size_t length_bytes = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  const std::size_t key_bytes = masked ? 4 : 0;
  if (bytes.size() < 2 + length_bytes)
    return decoded::more;
  out.length = length_bytes ? big_endian(bytes.substr(2, length_bytes)) : short_length;
  if (out.length >> 63)
    return fail(close_reason::protocol_error, "length over 63 bits");
  if ((length_bytes == 2 && out.length < 126) || (length_bytes == 8 && out.length < 65536))
    return fail(close_reason::protocol_error, "length not minimal");
  const std::size_t before = in_message ? partial_->message.size() : 0;
  if (!out.control() && out.length > bytes_max_ - before)
    return fail(close_reason::too_large, "message too large");
  if (bytes.size() < 2 + length_bytes + key_bytes)
    return decoded::more;
  if (masked)
    std::memcpy(out.key.data(), bytes.data() + 2 + length_bytes, key_bytes);
  out.size = static_cast<std::uint8_t>(2 + length_bytes + key_bytes);
  ++frames_;
  return decoded::whole;
}

frame_event frame_parser::finish_control(const header& head, std::string_view payload) {
  if (head.opcode == frame_opcode::ping)
    return {.what = frame_event::type::ping, .data = payload};
  if (head.opcode == frame_opcode::pong)
    return {.what = frame_event::type::pong, .data = payload};
  if (payload.empty()) {
    failed_ = static_cast<std::uint16_t>(close_reason::normal);
    return {.what = frame_event::type::close, .code = 1005};
  }
  const auto code = static_cast<std::uint16_t>(big_endian(payload.substr(0, 2)));
  if (payload.size() < 2 || !valid_close_code(code)) {
    fail(close_reason::protocol_error, "bad close code");
    return failure();
  }
  utf8_checker utf8;
  if (!utf8.feed(payload.substr(2)) || !utf8.complete()) {
    fail(close_reason::bad_text, "close reason is not UTF-8");
    return failure();
  }
  failed_ = static_cast<std::uint16_t>(close_reason::normal);
  return {.what = frame_event::type::close, .code = code, .data = payload.substr(2)};
}

frame_event frame_parser::next(std::span<char>& input) {
  if (failed_) {
    input = {};
    return {};
  }
  if (partial_)
    return next_slow(input);
  if (input.empty())
    return {};

  header head;
  switch (decode({input.data(), input.size()}, head)) {
  case decoded::bad:
    input = {};
    return failure();
  case decoded::more:
    return next_slow(input);
  case decoded::whole:
    break;
  }
  if (!head.final || head.length > input.size() - head.size) {
    --frames_; // read again below
    return next_slow(input);
  }
  const std::span<char> payload = input.subspan(head.size, head.length);
  input = input.subspan(head.size + head.length);
  if (role_ == frame_role::server)
    unmask(payload, head.key, 0);
  const std::string_view data(payload.data(), payload.size());
  if (head.control())
    return finish_control(head, data);
  const bool text = head.opcode == frame_opcode::text;
  if (text) {
    utf8_checker utf8;
    if (!utf8.feed(data) || !utf8.complete()) {
      fail(close_reason::bad_text, "text is not UTF-8");
      return failure();
    }
  }
  return {.what = frame_event::type::message, .text = text, .data = data};
}

/// Takes what there is of the payload; false when the text broke.
bool frame_parser::take_payload(std::span<char>& input) {
  const std::size_t size
    = std::min<std::uint64_t>(input.size(), partial_->head.length - partial_->taken);
  const std::span<char> piece = input.subspan(0, size);
  input = input.subspan(size);
  if (role_ == frame_role::server)
    unmask(piece, partial_->head.key, partial_->taken & 3);
  partial_->taken += size;
  const std::string_view data(piece.data(), piece.size());
  if (partial_->head.control()) {
    partial_->control.append(data);
    return true;
  }
  partial_->message.append(data);
  return !partial_->text || partial_->utf8.feed(data);
}

frame_event frame_parser::next_slow(std::span<char>& input) {
  if (!partial_) {
    partial_ = std::make_unique<partial>();
  } else if (partial_->head_size == 0 && !partial_->in_message) {
    // Only what the last event showed is left here.
    partial_.reset();
    return next(input);
  }
  for (;;) {
    if (!partial_->in_payload) {
      partial_->control.clear();
      decoded state = decoded::more;
      while (state == decoded::more && !input.empty()) {
        partial_->head_bytes[partial_->head_size++] = input.front();
        input = input.subspan(1);
        state = decode({partial_->head_bytes.data(), partial_->head_size}, partial_->head);
      }
      if (state == decoded::more)
        return {};
      if (state == decoded::bad) {
        input = {};
        return failure();
      }
      partial_->in_payload = true;
      partial_->taken = 0;
      const header& head = partial_->head;
      if (!head.control() && head.opcode != frame_opcode::continuation) {
        partial_->text = head.opcode == frame_opcode::text;
        partial_->in_message = true;
      }
    }
    if (!take_payload(input)) {
      fail(close_reason::bad_text, "text is not UTF-8");
      input = {};
      return failure();
    }
    if (partial_->taken < partial_->head.length)
      return {};
    partial_->in_payload = false;
    partial_->head_size = 0;
    if (partial_->head.control()) {
      const frame_event event = finish_control(partial_->head, partial_->control);
      if (failed_)
        input = {};
      return event;
    }
    if (!partial_->head.final)
      continue;
    partial_->in_message = false;
    if (partial_->text && !partial_->utf8.complete()) {
      fail(close_reason::bad_text, "text is not UTF-8");
      input = {};
      return failure();
    }
    return {.what = frame_event::type::message,
            .text = partial_->text,
            .assembled = true,
            .data = partial_->message};
  }
}

std::size_t frame_header_bytes(frame_role role, std::size_t payload_bytes) {
  return (payload_bytes < 126     ? 2
          : payload_bytes < 65536 ? 4
                                  : 10)
         + (role == frame_role::client ? 4 : 0);
}

void append_frame(std::string& out, frame_opcode opcode, std::string_view payload) {
  append_header(out, opcode, payload.size(), 0);
  out.append(payload);
}

void append_masked_frame(std::string& out, frame_opcode opcode, std::string_view payload,
                         std::uint32_t key) {
  append_header(out, opcode, payload.size(), 0x80);
  std::array<std::uint8_t, 4> bytes{};
  std::memcpy(bytes.data(), &key, sizeof key);
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t from = out.size();
  out.append(payload);
  unmask(std::span(out).subspan(from), bytes, 0);
}

std::string close_payload(std::uint16_t code, std::string_view text) {
  if (code == 1005)
    return {}; // "no code": an empty close frame
  std::size_t size = std::min(text.size(), control_payload_bytes_max - 2);
  if (size < text.size())
    while (size > 0 && (static_cast<std::uint8_t>(text[size]) & 0xc0) == 0x80)
      --size;
  std::string out;
  out.push_back(static_cast<char>(code >> 8));
  out.push_back(static_cast<char>(code));
  out.append(text.substr(0, size));
  return out;
}

bool valid_close_code(std::uint16_t code) {
  if (code >= 3000)
    return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

namespace {

/// Size of the unmasked frame that the bytes begin with.
std::size_t whole_frame_bytes(std::string_view frames) {
  const std::uint8_t short_length = static_cast<std::uint8_t>(frames[1]) & 0x7f;
  if (short_length < 126)
    return 2u + short_length;
  const std::size_t bytes = short_length == 126 ? 2 : 8;
  return 2 + bytes + big_endian(frames.substr(2, bytes));
}

} // namespace

std::size_t frame_boundary_after(std::string_view frames, std::size_t position) {
  std::size_t boundary = 0;
  while (boundary < position)
    boundary += whole_frame_bytes(frames.substr(boundary));
  return boundary;
}

std::size_t frame_boundary_before(std::string_view frames, std::size_t position) {
  std::size_t boundary = 0;
  while (boundary < position) {
    const std::size_t end = boundary + whole_frame_bytes(frames.substr(boundary));
    if (end > position)
      break;
    boundary = end;
  }
  return boundary;
}

} // namespace frontdesk::net
