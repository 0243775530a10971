#pragma once

#include "actors/context.hpp"
#include "actors/gateway.hpp"
#include "domain/frames.hpp"
#include "domain/ports/connection.hpp"
#include "domain/ports/event_store.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// A node without sockets and threads: real actors and a real store on the deterministic scheduler
/// with virtual time; clients are values that say frames and read what they get.
namespace frontdesk::tests {

/// Runs posted work when told to, and keeps what was sent.
class fake_host final : public domain::connection_host {
public:
  void send(domain::connection_number connection, std::string_view message) override {
    sent[connection].emplace_back(message);
  }

  void flush() override {}

  void close(domain::connection_number connection, domain::close_reason reason,
             std::string_view) override {
    closed[connection] = reason;
  }

  void pause(domain::connection_number, bool) override {}

  void post(std::function<void()> work) override { posted.push_back(std::move(work)); }

  void after_ms(std::uint32_t, std::function<void()>) override {}

  std::size_t connection_count() const override { return sent.size(); }

  std::map<domain::connection_number, std::deque<std::string>> sent;
  std::map<domain::connection_number, domain::close_reason> closed;
  std::deque<std::function<void()>> posted;
};

class quiet_logger final : public domain::logger {
public:
  using domain::logger::log;

  void log(domain::log_level, std::string_view message,
           std::initializer_list<domain::log_field>) override {
    lines.emplace_back(message);
  }

  std::vector<std::string> lines;
};

struct test_system_config : caf::actor_system_config {
  test_system_config() { set("scheduler.policy", caf::atom("testing")); }
};

class node_fixture : public ::testing::Test {
public:
  node_fixture();
  ~node_fixture() override;

  /// A socket of a client. Frames are read in order.
  struct client {
    node_fixture* node = nullptr;
    domain::connection_number number = 0;
    std::string token;
    domain::participant self;
    std::deque<domain::server_frame> unread;

    void say(const domain::client_frame& frame);

    /// The next frame of this kind; those before it are dropped. Fails the test if there is none.
    template <class Frame>
    Frame expect() {
      collect();
      while (!unread.empty()) {
        auto frame = std::move(unread.front());
        unread.pop_front();
        if (auto* found = std::get_if<Frame>(&frame))
          return std::move(*found);
      }
      ADD_FAILURE() << "no such frame came: " << typeid(Frame).name();
      return {};
    }

    /// All frames of this kind that came and were not read; the others are dropped too.
    template <class Frame>
    std::vector<Frame> all() {
      collect();
      std::vector<Frame> found;
      for (auto& frame : unread)
        if (auto* one = std::get_if<Frame>(&frame))
          found.push_back(std::move(*one));
      unread.clear();
      return found;
    }

    void collect();
    void disconnect();
  };

  /// Starts the actors on the store in `folder`; called by the constructor, and again after stop().
  void start();
  /// All actors end at once, as in a crash of the process but for what is committed.
  void stop();
  /// Lets everything happen that can happen without time passing.
  void run();
  void advance(std::chrono::milliseconds time);

  client connect(domain::wire_form form = domain::wire_form::proto);
  client visitor(const std::string& name = "Vera");
  client visitor_again(const client& before, std::vector<domain::conversation_cursor> cursors = {});
  client agent(const std::string& token, std::uint32_t capacity = 6);
  std::string make_account(const std::string& name,
                           domain::tenant_id tenant = domain::tenant_id{1});
  domain::tenant_id make_tenant(const std::string& name);
  std::string inbox_key(domain::tenant_id tenant = domain::tenant_id{1}) const;

  /// A visitor's message: with a zero conversation it opens one.
  static domain::command message(const domain::conversation_id& conversation, std::uint64_t number,
                                 std::uint64_t previous, const std::string& text,
                                 std::uint8_t client = 1);
  static domain::command command(const domain::conversation_id& conversation, std::uint64_t number,
                                 std::uint64_t previous, domain::command_body body,
                                 std::uint8_t client = 1);

  std::filesystem::path folder;
  domain::limits bounds;
  fake_host host;
  quiet_logger log;
  domain::metrics numbers;
  std::unique_ptr<domain::event_store> store;
  std::unique_ptr<test_system_config> configuration;
  std::unique_ptr<caf::actor_system> system;
  caf::scheduler::test_coordinator* scheduler = nullptr;
  std::unique_ptr<actors::node_context> node;
  std::unique_ptr<actors::tenant_sockets> tenants;
  std::unique_ptr<actors::gateway> gateway;
  std::map<domain::connection_number, domain::wire_form> forms;
  domain::connection_number last_connection = 0;
};

} // namespace frontdesk::tests
