#pragma once

#include "actors/context.hpp"
#include "actors/outbox.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace frontdesk::actors {

/// An event that has just become durable, as each kind of reader may see it.
struct shown_event {
  domain::message_seq seq = 0;
  domain::message_seq visible_seq = 0;
  bool hidden = false;
  std::function<frame_bytes()> for_staff; ///< made at most once, and only if somebody wants it
  std::function<frame_bytes()> for_visitors;
};

/// The sockets that follow one conversation: each gets every event it may see once, in order, first
/// those it missed (read from the store in chunks) and then those that happen. Belongs to a
/// conversation actor.
class audience {
public:
  /// Pushes held back per socket while it catches up; one more and the socket has to start over.
  static constexpr std::size_t held_max = 1024;

  /// Asks for the next chunk after a number (or the newest page) for a socket.
  using read_more = std::function<void(const connection_ref& to, bool staff, std::uint64_t round,
                                       bool newest, domain::message_seq after)>;

  explicit audience(read_more read) : read_(std::move(read)) {}

  /// `current` is the newest stored number in the subscriber's own numbers.
  void add(const domain::actor_identity& who, const connection_ref& from,
           std::optional<domain::message_seq> after, domain::message_seq current,
           resync_guard guard);
  /// Takes one back that was live when the conversation left memory; nothing has happened since.
  void restore(parked_subscriber back, domain::message_seq current, resync_guard guard);
  bool remove(const connection_ref& from);
  /// A chunk has been read. `current` as above.
  void replayed(const replay_read& chunk, domain::message_seq current_seq,
                domain::message_seq current_visible, outbox& out);
  /// `except` has the acknowledgement instead; nothing = nobody.
  void show(const shown_event& event, const std::optional<connection_ref>& except, outbox& out);

  /// Every socket but those of `except`.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& one : members_)
      visit(one.who, one.from);
  }

  bool empty() const { return members_.empty(); }

  /// Nobody is catching up.
  bool settled() const;
  /// Gives everyone up without telling them: the conversation leaves memory, or never came to be.
  std::vector<parked_subscriber> release();

private:
  struct member {
    domain::actor_identity who;
    connection_ref from;
    bool live = false;
    std::uint64_t round = 0;
    domain::message_seq sent = 0; ///< seq for staff, visible_seq for visitors
    std::vector<std::pair<domain::message_seq, frame_bytes>> held;
    resync_guard guard;
  };

  member* find(const connection_ref& from);

  read_more read_;
  std::vector<member> members_;
  std::uint64_t last_round_ = 0;
};

} // namespace frontdesk::actors
