#include "crypto/crypto.hpp"
#include "proto/codec.hpp"
#include "proto/records.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

// What the codec costs one message, in nanoseconds per call: build in `release`, run on a quiet
// machine. Optional argument: how many calls of each.
namespace frontdesk {

namespace {

using namespace domain;

template <class Call>
double measure(const char* name, long calls, Call call) {
  std::size_t used = 0;
  for (long i = 0; i < calls / 10; ++i)
    used += call(); // warm
  auto begin = std::chrono::steady_clock::now();
  for (long i = 0; i < calls; ++i)
    used += call();
  auto spent
    = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%-28s %8.1f ns%s\n", name, spent / static_cast<double>(calls),
              used == 0 ? " (nothing done)" : "");
  return spent / static_cast<double>(calls);
}

template <class Id>
Id some_id(unsigned char first) {
  Id id;
  for (auto& byte : id.bytes)
    byte = first++;
  return id;
}

int run(long calls) {
  const std::string text
    = "Hello, my parcel has not arrived yet. Could you have a look? Order 20231147, thanks!";
  const unix_ms time = 1'700'000'000'000;

  command sent;
  sent.conversation = some_id<conversation_id>(1);
  sent.key = {some_id<client_id>(40), 17};
  sent.previous = 16;
  sent.body = post_message{{text, 0}};
  const auto command_bytes = proto::encode(client_frame{sent}, wire_form::proto);
  const auto command_json = proto::encode(client_frame{sent}, wire_form::json);

  const public_part part{{participant_kind::visitor, "Ann"}, text_content{text, 0}};
  const auto content = proto::encode(part);

  stored_event event;
  event.seq = 23;
  event.header.kind = event_kind::message;
  event.header.visible_seq = 21;
  event.header.time = time;
  event.header.author = {participant_kind::visitor, some_id<entity_id>(90)};
  event.header.client = sent.key;
  event.public_bytes = proto::seal_part(content, 1);
  event.header.public_hash = crypto::hash64(event.public_bytes);
  const auto event_bytes = proto::encode_event(event);

  const acknowledge ack{sent.conversation, {}, sent.key, 23, 21, time, 4711};
  const proto::push_envelope envelope{sent.conversation, 23, 0, 0};
  const auto push_bytes
    = proto::encode_push(envelope, event.header, content, {}, proto::audience::staff);

  double message = 0;
  message += measure("decode_client(command)", calls, [&] {
    return proto::decode_client(command_bytes, wire_form::proto)->index();
  });
  message += measure("encode(public_part)", calls, [&] { return proto::encode(part).size(); });
  message += measure("seal_part + hash64", calls, [&] {
    auto sealed = proto::seal_part(content, crypto::random_u64());
    return static_cast<std::size_t>(crypto::hash64(sealed));
  });
  message += measure("encode_event", calls, [&] { return proto::encode_event(event).size(); });
  message += measure("encode_push (visitor)", calls, [&] {
    return proto::encode_push(envelope, event.header, content, {}, proto::audience::visitor).size();
  });
  message += measure("encode_push (staff)", calls, [&] {
    return proto::encode_push(envelope, event.header, content, {}, proto::audience::staff).size();
  });
  message
    += measure("encode_acknowledge", calls, [&] { return proto::encode_acknowledge(ack).size(); });
  std::printf("%-28s %8.1f ns\n\n", "one message, all of these", message);

  measure("decode_event", calls,
          [&] { return proto::decode_event(23, event_bytes)->public_bytes.size(); });
  measure("decode_public_part", calls,
          [&] { return proto::decode_public_part(content)->author.name.size(); });
  measure("decode_client(command, JSON)", calls / 50,
          [&] { return proto::decode_client(command_json, wire_form::json)->index(); });
  measure("to_json(push)", calls / 50, [&] { return proto::to_json(push_bytes)->size(); });
  return 0;
}

} // namespace

} // namespace frontdesk

int main(int count, char** arguments) {
  return frontdesk::run(count > 1 ? std::strtol(arguments[1], nullptr, 10) : 1'000'000);
}
