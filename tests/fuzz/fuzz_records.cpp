#include "proto/codec.hpp"
#include "proto/records.hpp"

#include <cstdint>
#include <cstdlib>

// Any bytes as each of the stored values. What is accepted comes back equal.
namespace {

using namespace frontdesk;

void require(bool holds) {
  if (!holds)
    std::abort();
}

template <class Value>
void check(domain::result<Value> (*decode)(std::string_view), std::string_view bytes) {
  auto value = decode(bytes);
  if (!value)
    return;
  auto again = decode(proto::encode(*value));
  require(again.has_value());
  require(*again == *value);
}

void check_event(std::string_view bytes) {
  constexpr domain::message_seq seq = 7;
  auto event = proto::decode_event(seq, bytes);
  auto header = proto::header_bytes(bytes);
  auto rewritten = proto::rewrite_event(bytes, 9, "new public part", {});
  require(header.has_value() == rewritten.has_value());
  if (header)
    require(*proto::header_bytes(*rewritten) == *header);
  if (!event)
    return;
  require(header.has_value());
  auto again = proto::decode_event(seq, proto::encode_event(*event));
  require(again.has_value());
  require(*again == *event);
  require(proto::decode_event(seq, *rewritten).has_value());
}

void check_part(std::string_view bytes) {
  auto content = proto::open_part(bytes);
  if (!content)
    return;
  require(content->size() < bytes.size());
  check(proto::decode_public_part, *content);
  check(proto::decode_staff_part, *content);
}

void check_opening(std::string_view bytes) {
  auto created = proto::dedup_created(bytes);
  auto opening = proto::decode_opening(bytes);
  if (!opening)
    return;
  require(created.has_value() && *created == opening->second);
  auto again = proto::decode_opening(proto::encode_opening(opening->first, opening->second));
  require(again.has_value());
  require(*again == *opening);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_event(bytes);
  check_part(bytes);
  check_opening(bytes);
  check(proto::decode_head, bytes);
  check(proto::decode_open_row, bytes);
  check(proto::decode_pointer, bytes);
  check(proto::decode_visitor, bytes);
  check(proto::decode_account, bytes);
  check(proto::decode_token, bytes);
  check(proto::decode_tenant, bytes);
  check(proto::decode_inbox, bytes);
  check(proto::decode_team, bytes);
  return 0;
}
