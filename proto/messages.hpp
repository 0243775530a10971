#pragma once

#include "domain/frames.hpp"
#include "domain/result.hpp"
#include "frames.pb.h"

#include <cstdint>
#include <string>

/// Between values and the generated messages. Private to this folder.
namespace frontdesk::proto {

/// Turns fields into values and keeps the first complaint, so that a message is read straight down.
class field_reader {
public:
  bool failed() const { return failed_; }

  const domain::error& failure() const { return failure_; }

  void refuse(domain::errc code, const char* message, const char* field) {
    if (failed_)
      return;
    failed_ = true;
    failure_ = {code, message, field};
  }

  /// An id that may be left out, which is the zero id.
  template <class Id>
  Id id_or_zero(const std::string& raw, const char* field) {
    if (raw.empty())
      return {};
    auto id = Id::from_bytes(raw);
    if (!id)
      refuse(domain::errc::bad_request, "an id has 16 bytes", field);
    return id.value_or(Id{});
  }

  template <class Id>
  Id id(const std::string& raw, const char* field) {
    auto value = id_or_zero<Id>(raw, field);
    if (!value)
      refuse(domain::errc::bad_request, "the id is missing", field);
    return value;
  }

  std::uint64_t number(std::uint64_t value, const char* field) {
    if (value == 0)
      refuse(domain::errc::bad_request, "the number is missing", field);
    return value;
  }

  /// Enums of the schema are open; those of the domain are closed.
  template <class Enum>
  Enum ranged(int value, Enum least, Enum most, const char* field) {
    if (value < static_cast<int>(least) || value > static_cast<int>(most)) {
      refuse(domain::errc::bad_request,
             value == 0 ? "the value is missing" : "the value is not known", field);
      return least;
    }
    return static_cast<Enum>(value);
  }

  /// For a oneof without a value: what was there may be of a later kind.
  template <class Message>
  void refuse_unset(const Message& message, domain::errc code, const char* what,
                    const char* field) {
    if (message.GetReflection()->GetUnknownFields(message).empty())
      refuse(code, what, field);
    else
      refuse(domain::errc::unsupported, "this kind is not known here", field);
  }

private:
  bool failed_ = false;
  domain::error failure_{};
};

/// Into an empty message.
void put(const domain::client_frame& from, v1::ClientFrame* to);
void put(const domain::server_frame& from, v1::ServerFrame* to);
void put(const domain::public_part& from, v1::PublicPart* to);
void put(const domain::staff_part& from, v1::StaffPart* to);

/// Out of a message, whose strings move into the value; of use only if `in` has not failed.
domain::client_frame take(v1::ClientFrame& from, field_reader& in);
domain::server_frame take(v1::ServerFrame& from, field_reader& in);
domain::public_part take(v1::PublicPart& from, field_reader& in);
domain::staff_part take(v1::StaffPart& from, field_reader& in);

} // namespace frontdesk::proto
