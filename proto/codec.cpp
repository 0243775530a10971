#include "proto/codec.hpp"

#include "proto/messages.hpp"

#include <google/protobuf/arena.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>

#include <limits>
#include <utility>

// Bytes to messages and back; messages.hpp has the way on to values, push.cpp the frames made
// without messages.
namespace frontdesk::proto {

namespace {

using namespace domain;
namespace pb = google::protobuf;

// Protobuf reports bad peers to stderr, once per message; here they are errors with a code.
[[maybe_unused]] auto* const library_log = pb::SetLogHandler(nullptr);

/// Messages for the length of one call, out of memory that the thread keeps. Not to be nested.
class scratch {
public:
  scratch() = default;
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  ~scratch() { memory().arena.Reset(); }

  template <class Message>
  Message& make() {
    return *pb::Arena::CreateMessage<Message>(&memory().arena);
  }

private:
  struct arena_memory {
    static constexpr std::size_t kept = 4096; // of a common frame; larger ones take from the heap
    alignas(16) char block[kept];
    pb::Arena arena{block, kept};
  };

  static arena_memory& memory() {
    thread_local arena_memory kept;
    return kept;
  }
};

/// The first text field, at any depth, that holds no text; nothing if there is none.
const pb::FieldDescriptor* bad_text_in(const pb::UnknownFieldSet& fields,
                                       const pb::Descriptor& type) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const auto& field = fields.field(i);
    const auto* known = type.FindFieldByNumber(field.number());
    if (known == nullptr || field.type() != pb::UnknownField::TYPE_LENGTH_DELIMITED)
      continue;
    const auto& bytes = field.length_delimited();
    if (known->type() == pb::FieldDescriptor::TYPE_STRING
        && !pb::internal::IsStructurallyValidUTF8(bytes))
      return known;
    if (known->type() != pb::FieldDescriptor::TYPE_MESSAGE)
      continue;
    // The schema is not recursive, so neither is this for long.
    pb::UnknownFieldSet inner;
    if (!inner.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      continue;
    if (const auto* found = bad_text_in(inner, *known->message_type()))
      return found;
  }
  return nullptr;
}

error why_unparsed(std::string_view bytes, const pb::Descriptor& type) {
  pb::UnknownFieldSet fields;
  if (fields.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    if (const auto* found = bad_text_in(fields, type))
      return {errc::bad_text, "the text is not UTF-8", found->name()};
  return {errc::bad_frame, "the bytes are no frame"};
}

bool fits(std::string_view bytes) {
  return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

template <class Message>
result<void> parse_proto(std::string_view bytes, Message& message) {
  if (!fits(bytes))
    return error{errc::too_large, "the frame is too large"};
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return {};
  return why_unparsed(bytes, *Message::descriptor());
}

pb::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// The library bounds the depth of objects, but not of arrays. It takes strings in either quotes.
bool too_deep(std::string_view text) {
  constexpr int depth_max = 64; // the schema needs eight; the rest is for fields of later builds
  int depth = 0;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_max)
        return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

template <class Message>
result<void> parse_json(std::string_view text, Message& message) {
  if (!fits(text))
    return error{errc::too_large, "the frame is too large"};
  if (!pb::internal::IsStructurallyValidUTF8(piece(text)))
    return error{errc::bad_text, "the text is not UTF-8"};
  if (too_deep(text))
    return error{errc::bad_frame, "the text nests too deeply"};
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  if (!pb::util::JsonStringToMessage(piece(text), &message, options).ok())
    return error{errc::bad_frame, "the text is no frame"};
  return {};
}

/// The JSON parser drops what it does not know; a strict reading tells whether there was any.
template <class Message>
bool holds_unknown_names(std::string_view text) {
  Message message;
  return !pb::util::JsonStringToMessage(piece(text), &message, pb::util::JsonParseOptions()).ok();
}

bool is_about_nothing_set(const error& failure) {
  return failure.code == errc::bad_frame
         || (failure.code == errc::bad_request
             && (failure.field == "body" || failure.field == "public" || failure.field == "staff"));
}

template <class Message>
auto decode_as(std::string_view bytes, wire_form form)
  -> result<decltype(take(std::declval<Message&>(), std::declval<field_reader&>()))> {
  scratch memory;
  auto& message = memory.make<Message>();
  auto parsed = form == wire_form::proto ? parse_proto(bytes, message) : parse_json(bytes, message);
  if (!parsed)
    return parsed.failure();
  field_reader in;
  auto value = take(message, in);
  if (!in.failed())
    return value;
  if (form == wire_form::json && is_about_nothing_set(in.failure())
      && holds_unknown_names<Message>(bytes))
    return error{errc::unsupported, "this kind is not known here", in.failure().field};
  return in.failure();
}

template <class Message>
std::string json_of(const Message& message) {
  std::string text;
  // Fails for messages with google.protobuf.Any only, and there are none.
  if (!pb::util::MessageToJsonString(message, &text).ok())
    text.clear();
  return text;
}

template <class Message, class Value>
std::string encode_as(const Value& value, wire_form form) {
  scratch memory;
  auto& message = memory.make<Message>();
  put(value, &message);
  return form == wire_form::proto ? message.SerializeAsString() : json_of(message);
}

} // namespace

result<client_frame> decode_client(std::string_view bytes, wire_form form) {
  return decode_as<v1::ClientFrame>(bytes, form);
}

result<server_frame> decode_server(std::string_view bytes, wire_form form) {
  return decode_as<v1::ServerFrame>(bytes, form);
}

std::string encode(const client_frame& frame, wire_form form) {
  return encode_as<v1::ClientFrame>(frame, form);
}

std::string encode(const server_frame& frame, wire_form form) {
  return encode_as<v1::ServerFrame>(frame, form);
}

std::string encode(const public_part& part) {
  return encode_as<v1::PublicPart>(part, wire_form::proto);
}

std::string encode(const staff_part& part) {
  return encode_as<v1::StaffPart>(part, wire_form::proto);
}

result<public_part> decode_public_part(std::string_view content) {
  return decode_as<v1::PublicPart>(content, wire_form::proto);
}

result<staff_part> decode_staff_part(std::string_view content) {
  return decode_as<v1::StaffPart>(content, wire_form::proto);
}

result<std::string> to_json(std::string_view binary_server_frame) {
  scratch memory;
  auto& message = memory.make<v1::ServerFrame>();
  if (auto parsed = parse_proto(binary_server_frame, message); !parsed)
    return parsed.failure();
  field_reader in;
  if (message.frame_case() == v1::ServerFrame::FRAME_NOT_SET)
    in.refuse_unset(message, errc::bad_frame, "the frame is empty", "");
  if (in.failed())
    return in.failure();
  return json_of(message);
}

} // namespace frontdesk::proto
