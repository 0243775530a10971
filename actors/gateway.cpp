#include "actors/gateway.hpp"

#include "crypto/crypto.hpp"
#include "proto/codec.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>
#include <utility>

namespace frontdesk::actors {

using domain::errc;

bool tenant_sockets::add(domain::tenant_id tenant, std::uint64_t most) {
  std::lock_guard lock(mutex_);
  auto& count = counts_[value(tenant)];
  if (count >= most)
    return false;
  ++count;
  return true;
}

void tenant_sockets::remove(domain::tenant_id tenant) {
  std::lock_guard lock(mutex_);
  auto found = counts_.find(value(tenant));
  if (found != counts_.end() && --found->second == 0)
    counts_.erase(found);
}

gateway::gateway(node_context& node, std::uint32_t index, domain::connection_host& host,
                 tenant_sockets& tenants)
  : node_(node), index_(index), host_(host), tenants_(tenants) {
  companion_ = node.system->spawn<caf::actor_companion>();
  auto* companion = caf::actor_cast<caf::actor_companion*>(companion_);
  companion->on_enqueue([this](caf::mailbox_element_ptr message) { enqueue(std::move(message)); });
  handle_ = caf::actor_cast<gateway_actor>(companion_);
}

gateway::~gateway() {
  stop();
}

void gateway::stop() {
  if (!companion_)
    return;
  // As actor_companion::disconnect is declared to do; Debian's CAF 0.17.6 does not define it.
  auto* companion = caf::actor_cast<caf::actor_companion*>(companion_);
  companion->on_enqueue([](caf::mailbox_element_ptr) {});
  companion->cleanup(caf::error{}, nullptr);
  companion_ = caf::actor{};
}

void gateway::enqueue(caf::mailbox_element_ptr message) {
  bool first = false;
  {
    std::lock_guard lock(inbox_mutex_);
    first = inbox_.empty();
    inbox_.push_back(std::move(message));
  }
  if (first)
    host_.post([this] { drain(); });
}

void gateway::drain() {
  {
    std::lock_guard lock(inbox_mutex_);
    batch_.swap(inbox_);
  }
  for (auto& element : batch_)
    handle_message(*element);
  batch_.clear();
  json_of_.reset();
}

void gateway::handle_message(caf::mailbox_element& element) {
  auto& content = element.content();
  if (content.match_elements<deliver>()) {
    for (const auto& item : content.get_as<deliver>(0).items) {
      auto found = sockets_.find(item.to);
      if (found == sockets_.end())
        continue;
      send_binary(item.to, found->second, item.frame);
      if (item.arrival_us != 0) {
        node_.numbers->acknowledged.add();
        node_.numbers->ack_duration.observe_us(node_.steady_us() - item.arrival_us);
      }
    }
  } else if (content.match_elements<hello_answered>()) {
    const auto& answer = content.get_as<hello_answered>(0);
    auto found = sockets_.find(answer.to);
    if (found == sockets_.end())
      return;
    if (answer.accepted) {
      found->second.at = stage::bound;
    } else {
      unbind(found->second, answer.to);
      host_.close(answer.to, domain::close_reason::policy, "hello refused");
    }
  } else if (content.match_elements<hang_up>()) {
    const auto& order = content.get_as<hang_up>(0);
    if (sockets_.contains(order.to))
      host_.close(order.to, order.reason, order.text);
  } else if (content.match_elements<entity_lost>()) {
    // Rare, so a walk over all sockets costs less than an index that every idle visitor would pay
    // for.
    const auto& lost = content.get_as<entity_lost>(0);
    for (auto& [number, socket] : sockets_) {
      if (socket.at == stage::greeting || socket.session != lost.key)
        continue;
      tenants_.remove(socket.session.tenant);
      socket.at = stage::greeting;
      send_frame(number, socket, domain::resync{});
    }
  } else if (content.match_elements<drain_connections>()) {
    auto spread = content.get_as<drain_connections>(0).spread_ms;
    for (auto& [number, socket] : sockets_) {
      auto reconnect = spread == 0 ? 0u : static_cast<std::uint32_t>(crypto::random_u64() % spread);
      send_frame(number, socket, domain::go_away{reconnect});
      auto leave = spread == 0 ? 0u : static_cast<std::uint32_t>(crypto::random_u64() % spread);
      host_.after_ms(leave, [this, connection = number] {
        if (sockets_.contains(connection))
          host_.close(connection, domain::close_reason::restart, "node is leaving");
      });
    }
  }
}

void gateway::send_frame(domain::connection_number to, const socket_state& socket,
                         const domain::server_frame& frame) {
  host_.send(to, proto::encode(frame, socket.form));
}

void gateway::send_binary(domain::connection_number to, const socket_state& socket,
                          const frame_bytes& frame) {
  if (socket.form == domain::wire_form::proto) {
    host_.send(to, *frame);
    return;
  }
  if (json_of_ != frame) {
    auto text = proto::to_json(*frame);
    if (!text) {
      node_.log->log(domain::log_level::error, "a frame of ours has no JSON form",
                     {{"reason", text.failure().message}});
      return;
    }
    json_ = *std::move(text);
    json_of_ = frame;
  }
  host_.send(to, json_);
}

void gateway::on_open(domain::connection_number connection, domain::wire_form form,
                      const domain::peer_info& peer) {
  sockets_.emplace(connection, socket_state{form, stage::greeting, {}, peer.origin});
  // The timer outlives the socket at worst; numbers are never reused.
  host_.after_ms(static_cast<std::uint32_t>(node_.bounds.hello_timeout_ms), [this, connection] {
    auto found = sockets_.find(connection);
    if (found != sockets_.end() && found->second.at == stage::greeting)
      host_.close(connection, domain::close_reason::policy, "no hello in time");
  });
}

void gateway::on_close(domain::connection_number connection, domain::close_reason) {
  auto found = sockets_.find(connection);
  if (found == sockets_.end())
    return;
  unbind(found->second, connection);
  sockets_.erase(found);
}

void gateway::unbind(socket_state& socket, domain::connection_number connection) {
  if (socket.at == stage::greeting)
    return;
  node_.region->tell_if_present(socket.session, disconnect{{index_, connection}});
  tenants_.remove(socket.session.tenant);
  socket.at = stage::greeting;
}

void gateway::on_shaped(domain::connection_number connection, std::uint32_t) {
  auto found = sockets_.find(connection);
  if (found == sockets_.end())
    return;
  send_frame(
    connection, found->second,
    domain::problem{
      {errc::rate_limited, "sending too fast; the socket is cut if this goes on"}, 0, false, 1000});
}

void gateway::on_messages(domain::connection_number connection,
                          const std::vector<std::string_view>& messages) {
  auto found = sockets_.find(connection);
  if (found == sockets_.end())
    return;
  frames batch;
  auto pass_on = [&](const domain::entity_key& session) {
    if (batch.items.empty())
      return;
    batch.from = {index_, connection};
    batch.arrival_us = node_.steady_us();
    batch.guard = node_.guard(batch.from);
    node_.region->tell(session, std::exchange(batch, frames{}));
  };
  for (auto bytes : messages) {
    auto& socket = found->second;
    auto decoded = proto::decode_client(bytes, socket.form);
    if (!decoded) {
      node_.numbers->bad_frames.add();
      // What cannot be parsed at all may hide anything behind it; a frame with a wrong field is
      // only itself.
      bool fatal = decoded.failure().code == errc::bad_frame;
      send_frame(connection, socket, domain::problem{decoded.failure(), 0, fatal, 0});
      if (!fatal)
        continue;
      pass_on(socket.session);
      return host_.close(connection, domain::close_reason::unsupported_data, "bad frame");
    }
    if (auto* probe = std::get_if<domain::ping>(&*decoded)) {
      send_frame(connection, socket, domain::pong{probe->nonce});
    } else if (auto* greeting = std::get_if<domain::hello>(&*decoded)) {
      pass_on(socket.session);
      greet(connection, socket, std::move(*greeting));
      found = sockets_.find(connection); // a refused hello may have closed it
      if (found == sockets_.end())
        return;
    } else if (socket.at == stage::greeting) {
      send_frame(
        connection, socket,
        domain::problem{{errc::unauthenticated, "the first frame must be hello"}, 0, false, 0});
    } else {
      batch.items.push_back(*std::move(decoded));
    }
  }
  pass_on(found->second.session);
}

void gateway::refuse_hello(domain::connection_number connection, const socket_state& socket,
                           domain::error reason) {
  send_frame(connection, socket, domain::problem{std::move(reason), 0, true, 0});
  host_.close(connection, domain::close_reason::policy, "hello refused");
}

void gateway::greet(domain::connection_number connection, socket_state& socket,
                    domain::hello&& greeting) {
  if (socket.at != stage::greeting)
    unbind(socket, connection); // a second hello starts over
  if (greeting.name.size() > node_.bounds.name_bytes_max)
    return refuse_hello(connection, socket, {errc::too_large, "the name is too long", "name"});
  if (node_.admit.draining.load())
    return refuse_hello(connection, socket,
                        {errc::draining, "this node is leaving; connect again"});
  auto configuration = node_.configuration.get();
  connect request;
  request.from = {index_, connection};
  domain::tenant_id tenant{};
  domain::entity_kind kind = domain::entity_kind::visitor;
  domain::entity_id id;

  // A visitor comes through an inbox, whose list of origins decides which pages may open one.
  if (!greeting.inbox_key.empty()) {
    auto inbox = configuration->inboxes_by_key.find(greeting.inbox_key);
    if (inbox == configuration->inboxes_by_key.end())
      return refuse_hello(connection, socket,
                          {errc::not_found, "there is no such inbox", "inbox_key"});
    tenant = inbox->second.first;
    request.inbox = inbox->second.second;
    const auto& origins = configuration->tenants.at(tenant).inboxes.at(request.inbox).origins;
    if (!origins.empty()
        && std::find(origins.begin(), origins.end(), socket.origin) == origins.end())
      return refuse_hello(connection, socket,
                          {errc::origin_refused, "this page may not open the chat"});
  }

  if (greeting.token.empty()) {
    if (greeting.inbox_key.empty())
      return refuse_hello(connection, socket,
                          {errc::unauthenticated, "a token or an inbox key is needed", "token"});
    id = crypto::random_id(node_.now());
    const auto& key = configuration->tenants.at(tenant).tenant.visitor_key;
    request.new_token
      = to_text(crypto::make_visitor_token(tenant, domain::id_cast<domain::visitor_id>(id), key));
  } else {
    auto token = crypto::parse_token(greeting.token);
    auto owner = token ? configuration->tenants.find(token->tenant) : configuration->tenants.end();
    if (!token || owner == configuration->tenants.end()
        || (!greeting.inbox_key.empty() && token->kind == domain::participant_kind::visitor
            && token->tenant != tenant))
      return refuse_hello(connection, socket,
                          {errc::unauthenticated, "the token is not valid", "token"});
    tenant = token->tenant;
    id = token->id;
    if (token->kind == domain::participant_kind::visitor) {
      auto expected = crypto::make_visitor_token(tenant, domain::id_cast<domain::visitor_id>(id),
                                                 owner->second.tenant.visitor_key);
      if (!crypto::equal_constant_time(expected.secret, token->secret))
        return refuse_hello(connection, socket,
                            {errc::unauthenticated, "the token is not valid", "token"});
      if (!request.inbox && !owner->second.inboxes.empty())
        request.inbox = owner->second.inboxes.begin()->first;
    } else {
      kind = domain::entity_kind::account;
      auto account = owner->second.accounts.find(domain::id_cast<domain::account_id>(id));
      if (account == owner->second.accounts.end() || account->second.disabled)
        return refuse_hello(connection, socket,
                            {errc::unauthenticated, "the token is not valid", "token"});
    }
  }
  if (!tenants_.add(tenant, node_.bounds.sockets_per_tenant))
    return refuse_hello(connection, socket, {errc::too_many_connections, "too many connections"});
  socket.session = crypto::key_of_entity(tenant, kind, id);
  socket.at = stage::waiting;
  request.greeting = std::move(greeting);
  request.guard = node_.guard(request.from);
  node_.region->tell(socket.session, std::move(request));
}

} // namespace frontdesk::actors
