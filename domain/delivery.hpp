#pragma once

#include "domain/frames.hpp"
#include "domain/result.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

/// The sender's side of docs/adr/0001-data-model.md section 4: keeps the commands of one client id
/// in one conversation until they are acknowledged, in order, once. A plain value: no clock, no
/// I/O. Used by the terminal client, the load generator and the simulation; the browser's reducer
/// mirrors it.
///
///             enqueued
///                |
///                v   room in the window        acknowledged, or pushed
///            [ waiting ] ------------> [ sent ] --------------------> confirmed
///                ^                      |  |  |
///                +----------------------+  |  +-- refused for good --> rejected (its number is
///                never used again)
///       gap, resync, new link, refused     |
///       for now, a refusal before it       +-- client_unknown -------> [ asked ] -- person -->
///       enqueued or dropped
///
/// The window and order rest on one ordered link. Where a frame can be lost without the link
/// breaking, the caller notices the silence and says `answer_overdue`.
namespace frontdesk::domain {

/// True for a refusal that says "not now": the same command may pass later, with the same number.
bool worth_retrying(errc code);

/// Names a message for the caller from `enqueue` to its end, also across client ids. Never reused.
using message_handle = std::uint64_t;

// -- events in; the frames acknowledge, refuse, gap, event_push and resync are events as they are
// ------------------

/// Welcome received: sending starts, everything unconfirmed goes again. `window` 0 = unchanged.
struct link_up {
  std::uint32_t window = 0;
};

struct link_down {};

/// The time of `retry_later` is over.
struct retry_due {};

/// Nothing has been heard for too long of something that was sent: send it again.
struct answer_overdue {};

/// The welcome names another store incarnation: what the server knew of this client id may be gone.
/// Say it before `link_up`.
struct store_replaced {};

/// Answer to `need_client_id`.
struct client_id_made {
  client_id client{};
};

/// Answer to `ask_person`.
struct person_answered {
  message_handle handle = 0;
  bool send_again = false;
};

// -- effects out
// ---------------------------------------------------------------------------------------------------

struct send_command {
  command what{};
  friend bool operator==(const send_command&, const send_command&) = default;
};

/// Durable at this position; 0 with 0: stored, place unknown. Comes after message_rejected where an
/// older copy of a refused command was stored after all; the confirmation holds.
struct message_confirmed {
  message_handle handle = 0;
  client_key key{};
  message_seq seq = 0;
  message_seq visible_seq = 0;
  unix_ms time = 0;
  friend bool operator==(const message_confirmed&, const message_confirmed&) = default;
};

struct message_rejected {
  message_handle handle = 0;
  client_key key{};
  error reason{};
  friend bool operator==(const message_rejected&, const message_rejected&) = default;
};

/// The server no longer knows whether these were stored: "not confirmed, send again?". Ascending.
struct ask_person {
  std::vector<message_handle> handles{};
  friend bool operator==(const ask_person&, const ask_person&) = default;
};

/// Nothing is sent before `client_id_made`.
struct need_client_id {
  friend bool operator==(const need_client_id&, const need_client_id&) = default;
};

/// Nothing is sent before `retry_due`.
struct retry_later {
  std::uint32_t after_ms = 0;
  friend bool operator==(const retry_later&, const retry_later&) = default;
};

using delivery_effect = std::variant<send_command, message_confirmed, message_rejected, ask_person,
                                     need_client_id, retry_later>;
using delivery_effects = std::vector<delivery_effect>;

struct delivery_bounds {
  std::size_t window = 128;     ///< sent and unconfirmed at once; welcome.in_flight_max replaces it
  std::size_t queue_max = 1000; ///< messages kept in all, asked ones included
};

struct outgoing_message {
  message_handle handle = 0;
  std::uint64_t number = 0; ///< 0: not numbered, waits for a client id
  command_body body{};
  bool ever_sent = false; ///< under its number
  bool sent = false;      ///< and its answer is still to come
  bool confirmed = false; ///< kept only because an older one is not
  friend bool operator==(const outgoing_message&, const outgoing_message&) = default;
};

struct asked_message {
  message_handle handle = 0;
  client_key key{};
  command_body body{};
  friend bool operator==(const asked_message&, const asked_message&) = default;
};

/// Everything that must survive a restart of the client.
struct delivery_state {
  conversation_id conversation{}; ///< zero until an opening is acknowledged
  opening_key opening{};
  client_id client{};            ///< zero: one is needed
  std::uint64_t last_number = 0; ///< newest number given out
  std::uint64_t confirmed = 0;   ///< newest number known to be stored with nothing open below it
  message_handle last_handle = 0;
  std::deque<outgoing_message> queue{}; ///< ascending by number
  std::vector<asked_message> asked{};
  friend bool operator==(const delivery_state&, const delivery_state&) = default;
};

class delivery {
public:
  /// For an existing conversation, or (conversation zero) one that the first message opens with
  /// `opening`.
  delivery(const delivery_bounds& bounds, conversation_id conversation, opening_key opening,
           client_id client);
  /// Goes on where `state()` was taken; the link is down.
  delivery(const delivery_bounds& bounds, delivery_state state);

  /// Takes a message over; `effects` gets what follows. errc::too_many_in_flight when queue_max is
  /// reached.
  result<message_handle> enqueue(command_body body, delivery_effects& effects);

  delivery_effects on(const link_up& event);
  delivery_effects on(const link_down& event);
  delivery_effects on(const acknowledge& event);
  delivery_effects on(const refuse& event);
  delivery_effects on(const gap& event);
  /// An own message seen in the log counts as its acknowledgement.
  delivery_effects on(const event_push& event);
  delivery_effects on(const resync& event);
  delivery_effects on(const retry_due& event);
  delivery_effects on(const answer_overdue& event);
  delivery_effects on(const store_replaced& event);
  delivery_effects on(const client_id_made& event);
  delivery_effects on(const person_answered& event);

  const delivery_state& state() const { return state_; }

  /// Nothing is left to deliver or to ask.
  bool idle() const { return state_.queue.empty() && state_.asked.empty(); }

private:
  struct rejected_message {
    message_handle handle = 0;
    client_key key{};
  };

  bool concerns(const conversation_id& conversation, const opening_key& opening) const;
  std::uint64_t previous_of(std::size_t index) const;
  void settle(const client_key& key, message_seq seq, message_seq visible_seq, unix_ms time,
              delivery_effects& effects);
  void confirm_rejected(const client_key& key, message_seq seq, message_seq visible_seq,
                        unix_ms time, delivery_effects& effects);
  void forget_client(delivery_effects& effects);
  void drop_confirmed();
  void take_back(std::size_t from);
  void pump(delivery_effects& effects);

  delivery_bounds bounds_;
  delivery_state state_;
  bool up_ = false;
  bool paused_ = false;
  /// The last number that the running resend builds upon: more gaps that name it tell nothing new.
  std::optional<std::uint64_t> resent_after_;
  /// A number that is not in the queue and that the server builds upon; 0 = none.
  std::uint64_t accepted_there_ = 0;
  std::deque<rejected_message> rejected_;
};

} // namespace frontdesk::domain
