#include "actors/configuration.hpp"

#include "crypto/crypto.hpp"
#include "domain/text.hpp"
#include "proto/records.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <utility>
#include <vector>

namespace frontdesk::actors {

using domain::errc;

domain::result<domain::configuration_ptr> read_configuration(const domain::event_store& store) {
  auto entries = store.scan_configuration();
  if (!entries)
    return entries.failure();
  auto snapshot = std::make_shared<domain::configuration_snapshot>();
  snapshot->version = store.applied_position(domain::configuration_shard);
  for (const auto& [key, value] : *entries) {
    auto& tenant = snapshot->tenants[key.entity.tenant];
    auto put = [](auto decoded, auto& where) -> domain::result<void> {
      if (!decoded)
        return decoded.failure();
      where = *std::move(decoded);
      return {};
    };
    domain::result<void> done;
    switch (key.field) {
    case domain::state_field::record:
      done = put(proto::decode_tenant(value), tenant.tenant);
      break;
    case domain::state_field::inbox:
      done = put(proto::decode_inbox(value),
                 tenant.inboxes[domain::id_cast<domain::inbox_id>(key.sub)]);
      break;
    case domain::state_field::team:
      done
        = put(proto::decode_team(value), tenant.teams[domain::id_cast<domain::team_id>(key.sub)]);
      break;
    case domain::state_field::account:
      done = put(proto::decode_account(value),
                 tenant.accounts[domain::id_cast<domain::account_id>(key.sub)]);
      break;
    default:
      break;
    }
    if (!done)
      return done.failure();
  }
  for (const auto& [tenant, content] : snapshot->tenants)
    for (const auto& [inbox, record] : content.inboxes)
      snapshot->inboxes_by_key[record.key] = {tenant, inbox};
  return domain::configuration_ptr(std::move(snapshot));
}

namespace {

struct configuration_state {
  node_context* node = nullptr;
};

using self_pointer = configuration_actor::stateful_pointer<configuration_state>;

constexpr std::size_t token_secret_bytes = 32;

std::string random_text(std::size_t bytes) {
  std::string raw(bytes, '\0');
  crypto::random_bytes(raw.data(), raw.size());
  return raw;
}

domain::state_key entry_key(domain::tenant_id tenant, domain::state_field field,
                            const domain::entity_id& sub) {
  return {
    {domain::configuration_shard, tenant, domain::entity_kind::configuration, {}}, field, sub};
}

std::optional<domain::error> bad_name(const domain::limits& bounds, const std::string& name) {
  if (name.empty() || name.size() > bounds.name_bytes_max || !domain::valid_utf8(name))
    return domain::error{
      errc::bad_request,
      "a name of 1 to " + std::to_string(bounds.name_bytes_max) + " bytes is needed", "name"};
  return std::nullopt;
}

caf::result<configured> failed(domain::error reason) {
  configured answer;
  answer.failure = std::move(reason);
  return answer;
}

/// Writes the appends one after the other, then publishes a new snapshot and answers.
void write(self_pointer self, std::vector<domain::append> steps, configured answer,
           caf::typed_response_promise<configured> promise) {
  if (steps.empty()) {
    auto snapshot = read_configuration(*self->state.node->store);
    if (!snapshot) {
      answer.failure = snapshot.failure();
    } else {
      self->state.node->configuration.publish(*std::move(snapshot));
    }
    promise.deliver(std::move(answer));
    return;
  }
  auto first = std::make_shared<const domain::append>(std::move(steps.front()));
  steps.erase(steps.begin());
  self->request(self->state.node->persistence, caf::infinite, append_and_wait{std::move(first)})
    .await(
      [self, steps = std::move(steps), answer, promise](const committed& outcome) mutable {
        if (!outcome.failure)
          return write(self, std::move(steps), std::move(answer), promise);
        answer.failure = outcome.failure;
        promise.deliver(std::move(answer));
      },
      [answer, promise](const caf::error&) mutable {
        answer.failure = domain::error{errc::internal, "the store's actor has ended"};
        promise.deliver(std::move(answer));
      });
}

domain::append configuration_append(std::vector<domain::state_put> states) {
  domain::append what;
  what.entity = states.front().key.entity;
  what.states = std::move(states);
  return what;
}

configuration_actor::behavior_type configuration(self_pointer self, node_context* node) {
  self->state.node = node;
  return {
    [self, node](const create_account& request) -> caf::result<configured> {
      auto snapshot = node->configuration.get();
      auto tenant = snapshot->tenants.find(request.tenant);
      if (tenant == snapshot->tenants.end())
        return failed({errc::not_found, "there is no such tenant", "tenant"});
      if (auto reason = bad_name(node->bounds, request.name))
        return failed(*reason);
      for (const auto& [id, account] : tenant->second.accounts)
        if (account.name == request.name && !account.disabled)
          return failed({errc::already_exists, "an account of this name exists", "name"});
      auto now = node->now();
      auto id = crypto::random_id(now);
      crypto::session_token token{domain::participant_kind::account, request.tenant, id,
                                  random_text(token_secret_bytes)};
      auto hash = crypto::sha256(token.secret);
      std::string digest(reinterpret_cast<const char*>(hash.data()), hash.size());
      // First the secret on the account's shard, then the directory, which is the truth for
      // existence: a crash in between leaves a token of an account that does not exist.
      auto account = crypto::key_of_entity(request.tenant, domain::entity_kind::account, id);
      domain::state_key token_key{account, domain::state_field::token,
                                  *domain::entity_id::from_bytes(digest.substr(0, 16))};
      std::vector<domain::append> steps;
      steps.push_back(configuration_append(
        {{token_key, proto::encode(domain::token_record{digest, now, 0, "created"})}}));
      steps.push_back(configuration_append(
        {{entry_key(request.tenant, domain::state_field::account, id),
          proto::encode(domain::account_record{
            request.name, request.rights, false, {}, request.capacity, now})}}));
      configured answer;
      answer.tenant = request.tenant;
      answer.id = id;
      answer.token = to_text(token);
      auto promise = self->make_response_promise<configured>();
      write(self, std::move(steps), std::move(answer), promise);
      return promise;
    },
    [self, node](const create_inbox& request) -> caf::result<configured> {
      auto snapshot = node->configuration.get();
      if (!snapshot->tenants.contains(request.tenant))
        return failed({errc::not_found, "there is no such tenant", "tenant"});
      if (auto reason = bad_name(node->bounds, request.name))
        return failed(*reason);
      auto now = node->now();
      configured answer;
      answer.tenant = request.tenant;
      answer.id = crypto::random_id(now);
      answer.inbox_key = crypto::to_base64url(random_text(12));
      std::vector<domain::append> steps;
      steps.push_back(
        configuration_append({{entry_key(request.tenant, domain::state_field::inbox, answer.id),
                               proto::encode(domain::inbox_record{
                                 request.name, answer.inbox_key, request.origins, {}, now})}}));
      auto promise = self->make_response_promise<configured>();
      write(self, std::move(steps), std::move(answer), promise);
      return promise;
    },
    [self, node](const create_tenant& request) -> caf::result<configured> {
      if (auto reason = bad_name(node->bounds, request.name))
        return failed(*reason);
      auto snapshot = node->configuration.get();
      std::uint32_t highest = 0;
      for (const auto& [tenant, content] : snapshot->tenants)
        highest = std::max(highest, value(tenant));
      auto now = node->now();
      configured answer;
      answer.tenant = domain::tenant_id{highest + 1};
      answer.id = crypto::random_id(now); // of its first inbox
      answer.inbox_key = crypto::to_base64url(random_text(12));
      std::vector<domain::append> steps;
      steps.push_back(configuration_append(
        {{entry_key(answer.tenant, domain::state_field::record, {}),
          proto::encode(domain::tenant_record{request.name, random_text(32), now})},
         {entry_key(answer.tenant, domain::state_field::inbox, answer.id),
          proto::encode(domain::inbox_record{"Website", answer.inbox_key, {}, {}, now})}}));
      auto promise = self->make_response_promise<configured>();
      write(self, std::move(steps), std::move(answer), promise);
      return promise;
    },
    [self, node](const disable_account& request) -> caf::result<configured> {
      auto snapshot = node->configuration.get();
      auto tenant = snapshot->tenants.find(request.tenant);
      if (tenant == snapshot->tenants.end())
        return failed({errc::not_found, "there is no such tenant", "tenant"});
      auto found = tenant->second.accounts.find(request.account);
      if (found == tenant->second.accounts.end())
        return failed({errc::not_found, "there is no such account", "account"});
      auto record = found->second;
      record.disabled = true;
      configured answer;
      answer.tenant = request.tenant;
      answer.id = domain::id_cast<domain::entity_id>(request.account);
      std::vector<domain::append> steps;
      steps.push_back(
        configuration_append({{entry_key(request.tenant, domain::state_field::account, answer.id),
                               proto::encode(record)}}));
      auto promise = self->make_response_promise<configured>();
      write(self, std::move(steps), std::move(answer), promise);
      return promise;
    },
  };
}

} // namespace

configuration_actor spawn_configuration(node_context& node) {
  return node.system->spawn(configuration, &node);
}

} // namespace frontdesk::actors
