#include "client/participant.hpp"

#include "crypto/crypto.hpp"
#include "proto/codec.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>
#include <variant>

namespace frontdesk::client {

namespace {

constexpr std::uint32_t first_patience_ms = 100;
constexpr std::uint32_t patience_ms_max = 3000;
constexpr std::uint32_t tick_ms = 500;

/// Refusals that another try will not change.
bool for_good(domain::errc code) {
  return code == domain::errc::unauthenticated || code == domain::errc::forbidden
         || code == domain::errc::not_found || code == domain::errc::origin_refused
         || code == domain::errc::too_large;
}

} // namespace

domain::entity_id random_entity_id() {
  const std::uint64_t halves[]{crypto::random_u64(), crypto::random_u64()};
  domain::entity_id id;
  static_assert(sizeof halves == sizeof id.bytes);
  std::memcpy(id.bytes.data(), halves, sizeof halves);
  return id;
}

participant::participant(net::websocket_client_host& host, net::connect_options where,
                         session_options options, session_state state, participant_events& events)
  : host_(host), where_(std::move(where)), session_(std::move(options), std::move(state)),
    events_(events) {}

participant::~participant() {
  *alive_ = false;
}

std::uint64_t participant::now_ms() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

void participant::start() {
  if (std::exchange(started_, true))
    return;
  connect();
  tick();
}

void participant::stop() {
  stopped_ = true;
  if (connection_ != 0)
    host_.close(connection_);
}

void participant::lose_link() {
  hurry_ = true;
  if (connection_ != 0)
    host_.reset(connection_);
}

void participant::connect() {
  if (!stopped_ && connection_ == 0)
    connection_ = host_.connect(where_, *this);
}

void participant::connect_later(std::uint32_t delay_ms) {
  host_.after_ms(delay_ms, [this, alive = alive_] {
    if (*alive)
      connect();
  });
}

void participant::tick() {
  perform(session_.tick(now_ms()));
  host_.after_ms(tick_ms, [this, alive = alive_] {
    if (*alive && !stopped_)
      tick();
  });
}

/// Twice as long each time, and never the same for everybody whom a node has lost at once.
std::uint32_t participant::patience() {
  const auto longest
    = std::min<std::uint32_t>(patience_ms_max, first_patience_ms << std::min(failures_, 8u));
  ++failures_;
  return longest / 2 + static_cast<std::uint32_t>(crypto::random_u64() % (longest / 2 + 1));
}

void participant::on_open(net::client_number connection) {
  if (connection == connection_)
    perform(session_.link_opened(now_ms()));
}

void participant::on_message(net::client_number connection, std::string_view message) {
  if (connection != connection_)
    return;
  auto frame = proto::decode_server(message, where_.form);
  if (!frame) {
    // A later node may say what this client does not know; all else is no reason to go on.
    if (frame.failure().code != domain::errc::unsupported)
      host_.close(connection, 1002, "bad frame");
    return;
  }
  if (const auto* leaving = std::get_if<domain::go_away>(&*frame))
    told_to_wait_ms_ = leaving->reconnect_after_ms;
  if (const auto* complaint = std::get_if<domain::problem>(&*frame);
      complaint && complaint->fatal) {
    refused_for_good_ = for_good(complaint->reason.code);
    told_to_wait_ms_ = complaint->retry_after_ms;
  }
  if (std::holds_alternative<domain::welcome>(*frame))
    failures_ = 0;
  events_.on_frame_in(*this, *frame);
  perform(session_.received(*std::move(frame), now_ms()));
}

void participant::on_close(net::client_number connection, const net::client_close& why) {
  if (connection != connection_)
    return;
  connection_ = 0;
  perform(session_.link_closed());
  std::optional<std::uint32_t> again_ms;
  if (!stopped_ && !refused_for_good_)
    again_ms
      = std::exchange(hurry_, false) ? 0 : std::max(patience(), std::exchange(told_to_wait_ms_, 0));
  if (again_ms)
    connect_later(*again_ms);
  else
    stopped_ = true;
  events_.on_link_lost(*this, why, again_ms);
}

void participant::perform(effects what) {
  for (const auto& each : what) {
    if (const auto* out = std::get_if<send_frame>(&each)) {
      send(out->frame);
    } else if (const auto* later = std::get_if<retry_at>(&each)) {
      host_.after_ms(later->after_ms, [this, alive = alive_, outbox = later->outbox] {
        if (*alive)
          perform(session_.retry_due(outbox));
      });
    } else {
      if (const auto* dead = std::get_if<drop_link>(&each); dead && connection_ != 0)
        host_.reset(connection_);
      events_.on_effect(*this, each);
    }
  }
}

void participant::send(const domain::client_frame& frame) {
  if (connection_ == 0)
    return;
  events_.on_frame_out(*this, frame);
  host_.send(connection_, proto::encode(frame, where_.form));
}

domain::result<void> participant::enqueue(const domain::conversation_id& conversation,
                                          domain::command_body body) {
  effects made;
  auto taken = session_.enqueue(conversation, std::move(body), made);
  perform(std::move(made));
  return taken;
}

void participant::follow(const domain::conversation_id& conversation) {
  perform(session_.follow(conversation));
}

void participant::unfollow(const domain::conversation_id& conversation) {
  perform(session_.unfollow(conversation));
}

void participant::answer(std::uint64_t outbox, domain::message_handle handle, bool send_again) {
  perform(session_.answer(outbox, handle, send_again));
}

} // namespace frontdesk::client
