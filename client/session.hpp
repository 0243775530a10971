#pragma once

#include "domain/delivery.hpp"
#include "domain/frames.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

/// One signed-in participant, as a machine: what the terminal client and the fault drivers are
/// inside. Frames and time come in, frames and notices come out; no socket, no clock.
///
///              link_opened          welcome
///   [ offline ] ----------> [ greeting ] ----------> [ online ]
///        ^                       ^                     |   |
///        |                       +--- resync, zero ----+   |
///        +------------------ link_closed ------------------+
///
/// Every conversation has its outbox (domain/delivery.hpp) and its cursor: the number up to which
/// everything has been seen without a hole. A number is seen by its event, or by the
/// acknowledgement of an own command, which the sending socket gets instead of the event.
namespace frontdesk::client {

/// Numbers are seq for staff, visible_seq for visitors.
struct conversation_state {
  domain::delivery_state outbox{}; ///< its conversation is zero until an opening is acknowledged
  domain::message_seq cursor = 0;
  friend bool operator==(const conversation_state&, const conversation_state&) = default;
};

/// Everything that must survive a restart of the client.
struct session_state {
  std::string token{};
  std::uint64_t store_incarnation = 0;
  std::vector<conversation_state> conversations{};
  friend bool operator==(const session_state&, const session_state&) = default;
};

// -- effects
// ------------------------------------------------------------------------------------------------

struct send_frame {
  domain::client_frame frame;
};

/// Call `retry_due` with this after the time.
struct retry_at {
  std::uint64_t outbox = 0;
  std::uint32_t after_ms = 0;
};

/// The link is dead or of no use: close it.
struct drop_link {
  std::string reason;
};

/// An event that has not been seen before, the next one of its conversation.
struct event_seen {
  domain::event_push event;
};

struct confirmed {
  domain::conversation_id conversation{};
  domain::client_key key{};
  domain::message_seq seq = 0;
  domain::message_seq visible_seq = 0;
};

struct rejected {
  domain::conversation_id conversation{};
  domain::client_key key{};
  domain::error reason{};
};

/// Nobody knows whether these were stored: `answer` says for each whether to send it again.
struct unconfirmed {
  std::uint64_t outbox = 0;
  std::vector<domain::message_handle> handles{};
};

/// Numbers that should have come are missing; they have been asked for again.
struct hole_found {
  domain::conversation_id conversation{};
  domain::message_seq after = 0; ///< the last one seen
  domain::message_seq got = 0;
};

/// A frame that does not concern conversations' numbers, or that people want to see as it is.
struct frame_noted {
  domain::server_frame frame;
};

using effect = std::variant<send_frame, retry_at, drop_link, event_seen, confirmed, rejected,
                            unconfirmed, hole_found, frame_noted>;
using effects = std::vector<effect>;

struct session_options {
  bool staff = false;
  std::string inbox_key{}; ///< of visitors
  std::string name{};
  /// 16 fresh random bytes: client ids and opening keys.
  std::function<domain::entity_id()> random_id{};
  std::uint32_t silence_ms_max = 5000; ///< without an answer to a command: it goes again
};

class session {
public:
  explicit session(session_options options, session_state state = {});

  effects link_opened(std::uint64_t now_ms);
  effects link_closed();
  effects received(domain::server_frame frame, std::uint64_t now_ms);
  /// About once a second: heartbeats, answers that do not come, links that are dead.
  effects tick(std::uint64_t now_ms);
  effects retry_due(std::uint64_t outbox);
  effects answer(std::uint64_t outbox, domain::message_handle handle, bool send_again);

  /// Takes a command over into the outbox. Zero: the visitor's current conversation, or a new one;
  /// of staff errc::bad_request. errc::too_many_in_flight when the outbox is full.
  domain::result<void> enqueue(const domain::conversation_id& conversation,
                               domain::command_body body, effects& out);
  /// From now on the conversation's events come, after what has been seen of it.
  effects follow(const domain::conversation_id& conversation);
  effects unfollow(const domain::conversation_id& conversation);

  bool online() const { return online_; }

  /// Nothing waits to be sent, acknowledged or asked about.
  bool idle() const;
  session_state state() const;
  /// The conversation that a visitor's text goes into; zero = none yet.
  domain::conversation_id current() const;
  bool follows(const domain::conversation_id& conversation) const;
  domain::message_seq cursor(const domain::conversation_id& conversation) const;

  const domain::welcome& last_welcome() const { return welcome_; }

private:
  struct thread {
    std::uint64_t number = 0; ///< names its outbox in effects
    domain::delivery outbox;
    domain::message_seq cursor = 0;
    bool open_end = false; ///< followed without a cursor: the first event may be any
    std::set<domain::message_seq> ahead{}; ///< seen by acknowledgement, above the cursor
    bool asked_again = false;              ///< because of a hole
    std::uint64_t overdue_since_ms = 0;
    bool followed = false;
    bool in_hello = false; ///< the last hello asked for it
  };

  thread* find(const domain::conversation_id& conversation);
  const thread* find(const domain::conversation_id& conversation) const;
  thread& add(domain::delivery outbox);
  thread& add(const domain::conversation_id& conversation);
  effects greet();
  void perform(thread& in, domain::delivery_effects what, effects& out);
  static bool from_anywhere(const thread& in);
  void subscribe(thread& in, effects& out);
  void see(thread& in, domain::message_seq number);

  void heard(thread& in) { in.overdue_since_ms = 0; }

  void on(domain::welcome& frame, effects& out);
  void on(const domain::acknowledge& frame, effects& out);
  void on(const domain::refuse& frame, effects& out);
  void on(const domain::gap& frame, effects& out);
  void on(domain::event_push& frame, effects& out);
  void on(const domain::subscribed& frame, effects& out);
  void on(const domain::resync& frame, effects& out);

  template <class Frame>
  void on(const Frame&, effects&) {}

  session_options options_;
  session_state state_; ///< token and incarnation; the conversations live in threads_
  std::list<thread> threads_;
  std::uint64_t last_thread_ = 0;
  domain::welcome welcome_{};
  bool linked_ = false;
  bool online_ = false;
  std::uint64_t heard_ms_ = 0;
  std::uint64_t spoke_ms_ = 0;
};

} // namespace frontdesk::client
