#include "proto/codec.hpp"

#include <cstdint>
#include <cstdlib>

// Any bytes as a frame of either direction and form. What is accepted comes back equal from both
// forms.
namespace {

using namespace frontdesk;
using domain::wire_form;

void require(bool holds) {
  if (!holds)
    std::abort();
}

template <class Frame>
void check(domain::result<Frame> (*decode)(std::string_view, wire_form), std::string_view bytes,
           wire_form form) {
  auto frame = decode(bytes, form);
  if (!frame)
    return;
  for (auto other : {wire_form::proto, wire_form::json}) {
    auto again = decode(proto::encode(*frame, other), other);
    require(again.has_value());
    require(*again == *frame);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (auto form : {wire_form::proto, wire_form::json}) {
    check(proto::decode_client, bytes, form);
    check(proto::decode_server, bytes, form);
  }
  if (auto text = proto::to_json(bytes)) {
    auto from_bytes = proto::decode_server(bytes, wire_form::proto);
    auto from_text = proto::decode_server(*text, wire_form::json);
    if (from_bytes)
      require(from_text.has_value() && *from_text == *from_bytes);
  }
  return 0;
}
