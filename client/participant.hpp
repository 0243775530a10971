#pragma once

#include "client/session.hpp"
#include "net/websocket_client.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// A session with its connection: connects, connects again with patience, resumes.
namespace frontdesk::client {

class participant;

/// Called on the host's thread.
class participant_events {
public:
  virtual ~participant_events() = default;

  /// Everything the session has to say, but for send_frame and retry_at, which are done.
  virtual void on_effect(participant& from, const effect& what) = 0;

  /// A frame leaves, or has come, as it is: before the session looks at it.
  virtual void on_frame_out(participant& from, const domain::client_frame& frame) {
    static_cast<void>(from);
    static_cast<void>(frame);
  }

  virtual void on_frame_in(participant& from, const domain::server_frame& frame) {
    static_cast<void>(from);
    static_cast<void>(frame);
  }

  /// The connection ended. `again_ms`: it is tried again then; nothing = given up, as the node will
  /// not have us.
  virtual void on_link_lost(participant& from, const net::client_close& why,
                            std::optional<std::uint32_t> again_ms) {
    static_cast<void>(from);
    static_cast<void>(why);
    static_cast<void>(again_ms);
  }
};

/// All calls on the host's thread; may be destroyed there, or after the host.
class participant final : private net::client_events {
public:
  participant(net::websocket_client_host& host, net::connect_options where, session_options options,
              session_state state, participant_events& events);
  ~participant() override;
  participant(const participant&) = delete;
  participant& operator=(const participant&) = delete;

  void start();
  /// Closes for good; on_link_lost comes once more if there was a connection.
  void stop();
  /// Drops the connection as a lost network would; it is tried again at once.
  void lose_link();

  /// From now on to another port: where a node has come up again.
  void move_to(std::uint16_t port) { where_.port = port; }

  domain::result<void> enqueue(const domain::conversation_id& conversation,
                               domain::command_body body);
  void follow(const domain::conversation_id& conversation);
  void unfollow(const domain::conversation_id& conversation);
  void answer(std::uint64_t outbox, domain::message_handle handle, bool send_again);
  /// A frame that no outbox keeps, such as set_presence; dropped while offline.
  void send(const domain::client_frame& frame);

  const session& inside() const { return session_; }

  bool stopped() const { return stopped_; }

private:
  void on_open(net::client_number connection) override;
  void on_message(net::client_number connection, std::string_view message) override;
  void on_close(net::client_number connection, const net::client_close& why) override;

  void connect();
  void connect_later(std::uint32_t delay_ms);
  void tick();
  void perform(effects what);
  std::uint32_t patience();
  std::uint64_t now_ms() const;

  net::websocket_client_host& host_;
  net::connect_options where_;
  session session_;
  participant_events& events_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  net::client_number connection_ = 0; ///< 0 = none
  std::uint32_t failures_ = 0;
  std::uint32_t told_to_wait_ms_ = 0; ///< by go_away or a refusal
  bool refused_for_good_ = false;
  bool hurry_ = false;
  bool started_ = false;
  bool stopped_ = false;
};

/// Fresh random bytes for session_options::random_id.
domain::entity_id random_entity_id();

} // namespace frontdesk::client
