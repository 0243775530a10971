#include "tests/flow/node_fixture.hpp"

#include "actors/configuration.hpp"
#include "actors/persistence.hpp"
#include "actors/reader.hpp"
#include "domain/failpoint.hpp"
#include "persistence/rocksdb_store.hpp"
#include "proto/codec.hpp"

#include <caf/event_based_actor.hpp>

#include <stdlib.h>

namespace frontdesk::tests {

namespace {

constexpr domain::unix_ms epoch = 1'800'000'000'000;

template <class Request>
actors::configured ask(node_fixture& fixture, Request request) {
  actors::configured answer;
  auto whom = fixture.node->configurator;
  fixture.system->spawn(
    [&answer, whom, request = std::move(request)](caf::event_based_actor* self) mutable {
      self->request(whom, caf::infinite, std::move(request))
        .then([&answer](const actors::configured& made) { answer = made; },
              [](const caf::error&) { ADD_FAILURE() << "no answer"; });
    });
  fixture.run();
  EXPECT_FALSE(answer.failure) << answer.failure->message;
  return answer;
}

} // namespace

node_fixture::node_fixture() {
  char pattern[] = "/tmp/frontdesk-flow-XXXXXX";
  folder = mkdtemp(pattern);
  bounds.disk_free_bytes_min = 1 << 20;
  start();
  make_tenant("Lumen Home");
}

node_fixture::~node_fixture() {
  domain::set_failpoints("");
  stop();
  std::filesystem::remove_all(folder);
}

void node_fixture::start() {
  persistence::store_options options;
  options.folder = (folder / "store").string();
  options.limits = bounds;
  auto opened = persistence::open_store(options);
  ASSERT_TRUE(opened) << opened.failure().message;
  store = *std::move(opened);
  configuration = std::make_unique<test_system_config>();
  system = std::make_unique<caf::actor_system>(*configuration);
  scheduler = &dynamic_cast<caf::scheduler::test_coordinator&>(system->scheduler());
  node = std::make_unique<actors::node_context>();
  node->system = system.get();
  node->bounds = bounds;
  node->store = store.get();
  node->log = &log;
  node->numbers = &numbers;
  node->allocator = std::make_unique<actors::number_allocator>(*store);
  auto micros = [this] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
             scheduler->clock().now().time_since_epoch())
      .count();
  };
  node->steady_us = [micros] { return static_cast<std::uint64_t>(micros()) + 1'000'000; };
  node->now = [micros] { return epoch + micros() / 1000; };
  node->region = std::make_unique<actors::shard_region>(*node);
  actors::install_entities(*node);
  node->persistence = actors::spawn_persistence(*node, *store, false);
  node->reader = actors::spawn_reader(*node, false);
  node->configurator = actors::spawn_configuration(*node);
  node->region->start();
  auto snapshot = actors::read_configuration(*store);
  ASSERT_TRUE(snapshot) << snapshot.failure().message;
  node->configuration.publish(*std::move(snapshot));
  tenants = std::make_unique<actors::tenant_sockets>();
  gateway = std::make_unique<actors::gateway>(*node, 0, host, *tenants);
  node->gateways.push_back(gateway->handle());
}

void node_fixture::stop() {
  if (!system)
    return;
  node->region->stop();
  gateway->stop();
  caf::anon_send_exit(node->configurator, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(node->reader, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(node->persistence, caf::exit_reason::user_shutdown);
  scheduler->run();
  host.posted.clear();
  gateway.reset();
  node.reset();
  scheduler->run();
  system.reset();
  configuration.reset();
  store.reset();
  tenants.reset();
}

void node_fixture::run() {
  for (bool busy = true; busy;) {
    busy = scheduler->run() > 0;
    while (!host.posted.empty()) {
      auto work = std::move(host.posted.front());
      host.posted.pop_front();
      work();
      busy = true;
    }
  }
}

void node_fixture::advance(std::chrono::milliseconds time) {
  run();
  scheduler->advance_time(std::chrono::duration_cast<caf::timespan>(time));
  run();
}

void node_fixture::client::say(const domain::client_frame& frame) {
  auto bytes = proto::encode(frame, node->forms[number]);
  node->gateway->on_messages(number, {bytes});
  node->run();
}

void node_fixture::client::collect() {
  node->run();
  auto& queue = node->host.sent[number];
  while (!queue.empty()) {
    auto frame = proto::decode_server(queue.front(), node->forms[number]);
    queue.pop_front();
    ASSERT_TRUE(frame) << frame.failure().message;
    unread.push_back(*std::move(frame));
  }
}

void node_fixture::client::disconnect() {
  node->gateway->on_close(number, domain::close_reason::peer_closed);
  node->run();
}

node_fixture::client node_fixture::connect(domain::wire_form form) {
  client made;
  made.node = this;
  made.number = ++last_connection;
  forms[made.number] = form;
  gateway->on_open(made.number, form, {"127.0.0.1", "", false});
  return made;
}

node_fixture::client node_fixture::visitor(const std::string& name) {
  auto made = connect();
  made.say(domain::hello{"", inbox_key(), name, 0, {}});
  auto welcome = made.expect<domain::welcome>();
  made.token = welcome.token;
  made.self = welcome.self;
  return made;
}

node_fixture::client node_fixture::visitor_again(const client& before,
                                                 std::vector<domain::conversation_cursor> cursors) {
  auto made = connect();
  made.token = before.token;
  made.say(domain::hello{before.token, "", "", store->identity().incarnation, std::move(cursors)});
  made.self = made.expect<domain::welcome>().self;
  return made;
}

node_fixture::client node_fixture::agent(const std::string& token, std::uint32_t capacity) {
  auto made = connect();
  made.token = token;
  made.say(domain::hello{token, "", "", 0, {}});
  made.self = made.expect<domain::welcome>().self;
  if (capacity > 0)
    made.say(domain::set_presence{domain::presence_state::online, capacity});
  return made;
}

std::string node_fixture::make_account(const std::string& name, domain::tenant_id tenant) {
  return ask(*this, actors::create_account{tenant, name, domain::role::agent, 0}).token;
}

domain::tenant_id node_fixture::make_tenant(const std::string& name) {
  return ask(*this, actors::create_tenant{name}).tenant;
}

std::string node_fixture::inbox_key(domain::tenant_id tenant) const {
  return node->configuration.get()->tenants.at(tenant).inboxes.begin()->second.key;
}

domain::command node_fixture::command(const domain::conversation_id& conversation,
                                      std::uint64_t number, std::uint64_t previous,
                                      domain::command_body body, std::uint8_t client) {
  domain::command made;
  made.conversation = conversation;
  if (!conversation)
    made.opening.bytes[0] = client;
  made.key.client.bytes[0] = client;
  made.key.seq = number;
  made.previous = previous;
  made.body = std::move(body);
  return made;
}

domain::command node_fixture::message(const domain::conversation_id& conversation,
                                      std::uint64_t number, std::uint64_t previous,
                                      const std::string& text, std::uint8_t client) {
  return command(conversation, number, previous, domain::post_message{{text, 0}}, client);
}

} // namespace frontdesk::tests
