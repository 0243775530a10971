#include "actors/runtime.hpp"

#include "actors/agent.hpp"
#include "actors/configuration.hpp"
#include "actors/context.hpp"
#include "actors/conversation.hpp"
#include "actors/gateway.hpp"
#include "actors/persistence.hpp"
#include "actors/reader.hpp"
#include "actors/routing_desk.hpp"
#include "actors/visitor_session.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <future>
#include <utility>

namespace frontdesk::actors {

namespace {

struct system_configuration : caf::actor_system_config {
  explicit system_configuration(std::size_t workers) {
    // "sharing": the default policy polls when idle and wakes up slowly
    // (docs/adr/0003-actor-runtime.md).
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", workers);
    set("logger.verbosity", caf::atom("quiet"));
  }
};

std::uint64_t steady_now_us() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                      std::chrono::steady_clock::now().time_since_epoch())
                                      .count());
}

domain::unix_ms wall_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

/// Sends one request and hands the answer to a function.
template <class Request>
void ask(caf::actor_system& system, const configuration_actor& whom, Request request,
         runtime::configured done) {
  system.spawn([whom, request = std::move(request),
                done = std::move(done)](caf::event_based_actor* self) mutable {
    self->request(whom, caf::infinite, std::move(request))
      .then(
        [done](const configured& answer) {
          if (answer.failure)
            return done(*answer.failure);
          done(configuration_outcome{answer.tenant, answer.id, answer.token, answer.inbox_key});
        },
        [done](const caf::error&) {
          done(domain::error{domain::errc::unavailable, "the node is stopping"});
        });
  });
}

} // namespace

class runtime::implementation {
public:
  implementation(const runtime_options& options, domain::event_store& store, domain::logger& log,
                 domain::metrics& numbers)
    : configuration_(options.workers), system_(configuration_) {
    node_.system = &system_;
    node_.bounds = options.bounds;
    node_.store = &store;
    node_.log = &log;
    node_.numbers = &numbers;
    node_.allocator = std::make_unique<number_allocator>(store);
    node_.now = wall_now_ms;
    node_.steady_us = steady_now_us;
    node_.region = std::make_unique<shard_region>(node_);
    install_entities(node_);
    node_.persistence = spawn_persistence(node_, store, true);
    node_.reader = spawn_reader(node_, true);
    node_.configurator = spawn_configuration(node_);
    node_.region->start();
  }

  ~implementation() { stop(); }

  domain::result<void> prepare() {
    auto snapshot = read_configuration(*node_.store);
    if (!snapshot)
      return snapshot.failure();
    node_.configuration.publish(*std::move(snapshot));
    if (!node_.configuration.get()->tenants.empty())
      return {};
    std::promise<domain::result<configuration_outcome>> made;
    ask(system_, node_.configurator, actors::create_tenant{"Frontdesk"},
        [&](domain::result<configuration_outcome> outcome) { made.set_value(std::move(outcome)); });
    auto outcome = made.get_future().get();
    if (!outcome)
      return outcome.failure();
    return {};
  }

  void stop() {
    if (stopped_)
      return;
    stopped_ = true;
    node_.region->stop();
    for (auto& each : gateways_)
      each->stop();
    caf::anon_send_exit(node_.configurator, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(node_.reader, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(node_.persistence, caf::exit_reason::user_shutdown);
    system_.await_all_actors_done();
    node_.gateways.clear();
    node_.persistence = persistence_actor{};
    node_.reader = reader_actor{};
    node_.configurator = configuration_actor{};
  }

  system_configuration configuration_;
  caf::actor_system system_;
  node_context node_;
  tenant_sockets tenants_;
  std::vector<std::unique_ptr<gateway>> gateways_;
  bool stopped_ = false;
};

void install_entities(node_context& node) {
  auto make = [&node](auto spawn) {
    return [&node, spawn](const domain::entity_key& key, std::uint64_t generation) {
      return spawn(node, key, generation);
    };
  };
  node.region->set_factory(domain::entity_kind::visitor, make(spawn_visitor_session));
  node.region->set_factory(domain::entity_kind::account, make(spawn_agent));
  node.region->set_factory(domain::entity_kind::conversation, make(spawn_conversation));
  node.region->set_factory(domain::entity_kind::configuration, make(spawn_routing_desk));
}

runtime::runtime(std::unique_ptr<implementation> inner) : implementation_(std::move(inner)) {}

runtime::~runtime() = default;

domain::result<std::unique_ptr<runtime>> runtime::start(const runtime_options& options,
                                                        domain::event_store& store,
                                                        domain::logger& log,
                                                        domain::metrics& numbers) {
  auto inner = std::make_unique<implementation>(options, store, log, numbers);
  if (auto done = inner->prepare(); !done)
    return done.failure();
  return std::unique_ptr<runtime>(new runtime(std::move(inner)));
}

domain::connection_events& runtime::add_gateway(domain::connection_host& host) {
  auto& inner = *implementation_;
  auto index = static_cast<std::uint32_t>(inner.gateways_.size());
  inner.gateways_.push_back(std::make_unique<gateway>(inner.node_, index, host, inner.tenants_));
  inner.node_.gateways.push_back(inner.gateways_.back()->handle());
  return *inner.gateways_.back();
}

void runtime::open_desks() {
  auto& node = implementation_->node_;
  auto tenants = node.store->tenants_with_open();
  if (!tenants) {
    node.log->log(domain::log_level::error, "open conversations cannot be read",
                  {{"reason", tenants.failure().message}});
    return;
  }
  for (auto tenant : *tenants)
    node.region->tell(routing_desk_key(tenant), wake{});
}

domain::configuration_ptr runtime::configuration() const {
  return implementation_->node_.configuration.get();
}

void runtime::create_account(domain::tenant_id tenant, std::string name, domain::role rights,
                             std::uint32_t capacity, configured done) {
  ask(implementation_->system_, implementation_->node_.configurator,
      actors::create_account{tenant, std::move(name), rights, capacity}, std::move(done));
}

void runtime::create_inbox(domain::tenant_id tenant, std::string name,
                           std::vector<std::string> origins, configured done) {
  ask(implementation_->system_, implementation_->node_.configurator,
      actors::create_inbox{tenant, std::move(name), std::move(origins)}, std::move(done));
}

void runtime::create_tenant(std::string name, configured done) {
  ask(implementation_->system_, implementation_->node_.configurator,
      actors::create_tenant{std::move(name)}, std::move(done));
}

void runtime::disable_account(domain::tenant_id tenant, domain::account_id account,
                              configured done) {
  ask(implementation_->system_, implementation_->node_.configurator,
      actors::disable_account{tenant, account}, std::move(done));
}

void runtime::set_memory_level(int level) {
  implementation_->node_.admit.memory_level.store(level);
  implementation_->node_.numbers->memory_level.set(level);
}

domain::store_state runtime::store_state() const {
  return implementation_->node_.admit.store.load();
}

void runtime::drain(std::chrono::milliseconds spread) {
  auto& node = implementation_->node_;
  node.admit.draining.store(true);
  for (const auto& each : node.gateways)
    caf::anon_send(each, drain_connections{static_cast<std::uint32_t>(spread.count())});
}

void runtime::flush() {
  auto& inner = *implementation_;
  caf::scoped_actor self(inner.system_);
  // What conversations have accepted reaches persistence before this does, unless it is still in a
  // mailbox: then nobody has been told anything of it.
  self->request(inner.node_.persistence, caf::infinite, flush_and_wait{})
    .receive([](const committed&) {}, [](const caf::error&) {});
}

void runtime::stop() {
  implementation_->stop();
}

} // namespace frontdesk::actors
