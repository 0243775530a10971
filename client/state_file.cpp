#include "client/state_file.hpp"

#include "proto/codec.hpp"

#include <boost/json.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <variant>

namespace frontdesk::client {

namespace {

namespace json = boost::json;
using domain::errc;
using domain::error;

/// A command's body as the hexadecimal bytes of a frame that carries it: the schema is the format.
std::string body_to_text(const domain::command_body& body) {
  domain::command frame;
  frame.conversation.bytes.fill(1); // a command without a conversation and a key is none
  frame.key.client.bytes.fill(1);
  frame.key.seq = 1;
  frame.body = body;
  return domain::to_hex(proto::encode(domain::client_frame{frame}, domain::wire_form::proto));
}

class reader {
public:
  bool failed = false;

  template <class Id>
  Id id(const json::object& in, const char* name) {
    const auto raw = domain::from_hex(text(in, name));
    const auto found = raw ? Id::from_bytes(*raw) : std::nullopt;
    failed = failed || !found;
    return found.value_or(Id{});
  }

  std::string text(const json::object& in, const char* name) {
    const auto* value = in.if_contains(name);
    if (value && value->is_string())
      return std::string{value->get_string()};
    failed = true;
    return {};
  }

  std::uint64_t number(const json::object& in, const char* name) {
    const auto* value = in.if_contains(name);
    json::error_code failure;
    const auto found = value ? value->to_number<std::uint64_t>(failure) : 0;
    failed = failed || !value || failure;
    return found;
  }

  bool flag(const json::object& in, const char* name) {
    const auto* value = in.if_contains(name);
    failed = failed || !value || !value->is_bool();
    return value && value->is_bool() && value->get_bool();
  }

  domain::command_body body(const json::object& in, const char* name) {
    const auto bytes = domain::from_hex(text(in, name));
    auto frame = bytes ? proto::decode_client(*bytes, domain::wire_form::proto)
                       : domain::result<domain::client_frame>{error{errc::corrupt, ""}};
    if (frame)
      if (auto* what = std::get_if<domain::command>(&*frame))
        return std::move(what->body);
    failed = true;
    return domain::resolve{};
  }

  template <class Each>
  void list(const json::object& in, const char* name, Each each) {
    const auto* value = in.if_contains(name);
    if (!value || !value->is_array()) {
      failed = true;
      return;
    }
    for (const auto& one : value->get_array()) {
      failed = failed || !one.is_object();
      if (one.is_object())
        each(one.get_object());
    }
  }
};

json::object outbox_to_json(const domain::delivery_state& outbox) {
  json::array queue;
  for (const auto& each : outbox.queue)
    queue.push_back(json::object{{"handle", each.handle},
                                 {"number", each.number},
                                 {"ever_sent", each.ever_sent},
                                 {"confirmed", each.confirmed},
                                 {"body", body_to_text(each.body)}});
  json::array asked;
  for (const auto& each : outbox.asked)
    asked.push_back(json::object{{"handle", each.handle},
                                 {"client", to_string(each.key.client)},
                                 {"number", each.key.seq},
                                 {"body", body_to_text(each.body)}});
  return {{"conversation", to_string(outbox.conversation)},
          {"opening", to_string(outbox.opening)},
          {"client", to_string(outbox.client)},
          {"last_number", outbox.last_number},
          {"confirmed", outbox.confirmed},
          {"last_handle", outbox.last_handle},
          {"queue", std::move(queue)},
          {"asked", std::move(asked)}};
}

domain::delivery_state outbox_from_json(reader& in, const json::object& from) {
  domain::delivery_state outbox;
  outbox.conversation = in.id<domain::conversation_id>(from, "conversation");
  outbox.opening = in.id<domain::opening_key>(from, "opening");
  outbox.client = in.id<domain::client_id>(from, "client");
  outbox.last_number = in.number(from, "last_number");
  outbox.confirmed = in.number(from, "confirmed");
  outbox.last_handle = in.number(from, "last_handle");
  in.list(from, "queue", [&](const json::object& each) {
    domain::outgoing_message message;
    message.handle = in.number(each, "handle");
    message.number = in.number(each, "number");
    message.ever_sent = in.flag(each, "ever_sent");
    message.confirmed = in.flag(each, "confirmed");
    message.body = in.body(each, "body");
    outbox.queue.push_back(std::move(message));
  });
  in.list(from, "asked", [&](const json::object& each) {
    domain::asked_message message;
    message.handle = in.number(each, "handle");
    message.key = {in.id<domain::client_id>(each, "client"), in.number(each, "number")};
    message.body = in.body(each, "body");
    outbox.asked.push_back(std::move(message));
  });
  return outbox;
}

error failed_with(const std::string& path, const char* what) {
  const int reason = errno;
  return {reason == ENOENT ? errc::not_found : errc::io,
          std::string{"cannot "} + what + " " + path + ": " + std::strerror(reason)};
}

/// Writes and syncs a new file.
domain::result<void> write_synced(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0)
    return failed_with(path, "write");
  std::size_t written = 0;
  while (written < text.size()) {
    const auto size = write(file, text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR)
      continue;
    if (size < 0) {
      auto reason = failed_with(path, "write");
      close(file);
      return reason;
    }
    written += static_cast<std::size_t>(size);
  }
  const bool synced = fsync(file) == 0;
  auto reason = failed_with(path, "sync");
  close(file);
  if (!synced)
    return reason;
  return {};
}

} // namespace

std::string to_json(const session_state& state) {
  json::array conversations;
  for (const auto& each : state.conversations)
    conversations.push_back(
      json::object{{"cursor", each.cursor}, {"outbox", outbox_to_json(each.outbox)}});
  return json::serialize(json::object{{"version", 1},
                                      {"token", state.token},
                                      {"store_incarnation", state.store_incarnation},
                                      {"conversations", std::move(conversations)}});
}

domain::result<session_state> state_from_json(const std::string& text) {
  json::error_code failure;
  const auto value = json::parse(text, failure);
  if (failure || !value.is_object())
    return error{errc::corrupt, "this is no state of a client"};
  reader in;
  session_state state;
  const auto& from = value.get_object();
  if (in.number(from, "version") != 1)
    return error{errc::format_unknown, "the state is of another version of this program"};
  state.token = in.text(from, "token");
  state.store_incarnation = in.number(from, "store_incarnation");
  in.list(from, "conversations", [&](const json::object& each) {
    conversation_state one;
    one.cursor = in.number(each, "cursor");
    if (const auto* outbox = each.if_contains("outbox"); outbox && outbox->is_object())
      one.outbox = outbox_from_json(in, outbox->get_object());
    else
      in.failed = true;
    state.conversations.push_back(std::move(one));
  });
  if (in.failed)
    return error{errc::corrupt, "the state of the client is damaged"};
  return state;
}

domain::result<session_state> load_state(const std::string& path) {
  errno = 0;
  std::ifstream file{path};
  if (!file)
    return failed_with(path, "read");
  std::ostringstream text;
  text << file.rdbuf();
  auto state = state_from_json(text.str());
  if (!state)
    return error{state.failure().code, path + ": " + state.failure().message};
  return state;
}

domain::result<void> save_state(const std::string& path, const session_state& state) {
  const auto fresh = path + ".new";
  if (auto written = write_synced(fresh, to_json(state)); !written)
    return written;
  if (rename(fresh.c_str(), path.c_str()) != 0)
    return failed_with(path, "replace");
  return {};
}

} // namespace frontdesk::client
