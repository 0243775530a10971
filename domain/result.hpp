#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

/// Errors are values with a stable code, a message for people and, where it helps, the field.
namespace frontdesk::domain {

/// Every code that a client, an operator or another unit may see. The text form (to_string) is part
/// of the wire contract: codes are added, never renamed or reused. docs/PROTOCOL.md lists them for
/// clients.
enum class errc : std::uint8_t {
  // what was asked cannot be understood
  bad_frame = 1, ///< bytes that are no frame of the chosen subprotocol
  bad_request,   ///< a frame whose fields contradict each other; `field` names the first
  too_large,     ///< text, frame or batch over its limit
  bad_text,      ///< text that is empty or not valid UTF-8
  unsupported,   ///< a kind this build does not know
  // who asks
  unauthenticated = 20, ///< no, wrong or expired token
  forbidden,            ///< known, but not allowed to do this
  origin_refused,       ///< the Origin header is not on the list
  // what it is about
  not_found = 40, ///< no such entity for this caller; also what another tenant's entity looks like
  already_exists, ///< the name is taken
  client_unknown, ///< the sender's client id is not on record: take a new one and ask the person
  numbers_exhausted, ///< the conversation has reached its last number: open a new one
  invalid_state,     ///< the conversation is not in a state that allows this
  stale_fence,       ///< an assignment by a routing desk that has been replaced
  too_old,           ///< edit or recall after its time has passed
  // not now
  rate_limited = 60,    ///< over a rate; `retry_after_ms` in the frame says when to go on
  too_many_in_flight,   ///< more unacknowledged messages than the window allows
  too_many_connections, ///< a socket limit is reached
  overloaded,           ///< memory or queue watermark: new conversations first, then visitor writes
  storage_full,         ///< disk watermark: nothing is written until there is room
  storage_failed,       ///< the disk failed; the node is read-only until it is restarted
  draining,             ///< the node is going away; connect again
  unavailable,          ///< the entity is being reloaded; try again
  timeout,              ///< no answer within the deadline
  slow_consumer,        ///< the peer does not read what it is sent
  // our side
  corrupt = 80,   ///< stored bytes that fail their checksum; never served
  format_unknown, ///< stored bytes of a newer format
  io,             ///< the operating system refused
  config,         ///< configuration that cannot be used
  internal,       ///< a bug of ours; logged with details
};

/// The stable text of a code, such as "client_unknown".
std::string_view to_string(errc code);

/// The code of a stable text; errc::internal for a text this build does not know.
errc errc_from_string(std::string_view text);

struct error {
  errc code = errc::internal;
  std::string message; ///< for people, English; clients translate the code
  std::string field{}; ///< the offending field, if there is one
  friend bool operator==(const error&, const error&) = default;
};

/// A value or an error. `T` must not be `error`.
template <class T>
class [[nodiscard]] result {
public:
  // Implicit on purpose: functions return either alternative as it is.
  result(T value)
    : state_(std::in_place_index<0>, std::move(value)) {} // NOLINT(google-explicit-constructor)

  result(error reason)
    : state_(std::in_place_index<1>, std::move(reason)) {} // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }

  bool has_value() const { return state_.index() == 0; }

  T& operator*() & { return std::get<0>(state_); }

  const T& operator*() const& { return std::get<0>(state_); }

  T&& operator*() && { return std::get<0>(std::move(state_)); }

  T* operator->() { return &std::get<0>(state_); }

  const T* operator->() const { return &std::get<0>(state_); }

  const error& failure() const { return std::get<1>(state_); }

private:
  std::variant<T, error> state_;
};

template <>
class [[nodiscard]] result<void> {
public:
  result() = default;

  result(error reason)
    : reason_(std::move(reason)), failed_(true) {} // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return !failed_; }

  bool has_value() const { return !failed_; }

  const error& failure() const { return reason_; }

private:
  error reason_;
  bool failed_ = false;
};

} // namespace frontdesk::domain
