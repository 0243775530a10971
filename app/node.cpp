#include "app/node.hpp"

#include "actors/runtime.hpp"
#include "app/admin_api.hpp"
#include "app/admin_key.hpp"
#include "app/health.hpp"
#include "app/metrics_text.hpp"
#include "app/static_files.hpp"
#include "app/version.hpp"
#include "app/watchdog.hpp"
#include "net/http.hpp"
#include "net/listener.hpp"
#include "persistence/rocksdb_store.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace frontdesk::app {

namespace {

using namespace std::chrono_literals;

constexpr auto turn = 1000ms;
constexpr auto drain_turn = 20ms;
/// Of the time to drain, the part over which clients are told to go; the rest is for them to do it.
constexpr int spread_percent = 50;

struct node_state {
  domain::metrics numbers;
  std::unique_ptr<domain::event_store> store;
  std::unique_ptr<actors::runtime> actors;
  std::string admin_key;
  std::atomic<bool> draining{false};
  std::atomic<bool> listening{false};
  std::atomic<int> memory_level{0};
  std::atomic<std::uint64_t> disk_free_bytes_min{0};
  std::string data;
};

net::http_response to_response(admin_answer answer) {
  net::http_response response;
  response.status = static_cast<int>(answer.status);
  response.content_type = std::move(answer.content_type);
  response.body = std::move(answer.body);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

health_facts facts_of(const node_state& node) {
  health_facts facts;
  facts.store = node.actors->store_state();
  std::error_code failure;
  auto space = std::filesystem::space(node.data, failure);
  facts.disk_free_bytes = failure ? 0 : space.available;
  facts.disk_free_bytes_min = node.disk_free_bytes_min.load();
  facts.memory_level = node.memory_level.load();
  facts.listening = node.listening.load();
  facts.accept_paused = node.numbers.accept_paused.value.load() != 0;
  facts.draining = node.draining.load();
  return facts;
}

/// Performs one call of the admin listener; the answer may come from another thread.
struct admin_performer {
  node_state& node;
  const process_hooks& hooks;
  net::http_responder respond;

  void operator()(const livez_call&) { answer(livez()); }

  void operator()(const readyz_call&) { answer(readyz(facts_of(node))); }

  void operator()(const metrics_call&) {
    auto process = read_process_facts();
    net::http_response response;
    response.content_type = metrics_content_type;
    response.body = metrics_text(node.numbers, process ? *process : process_facts{}, build_info(),
                                 hooks.log_lines_dropped ? hooks.log_lines_dropped() : 0);
    respond(std::move(response));
  }

  void operator()(const list_accounts_call& call) {
    respond(to_response(accounts_listed(*node.actors->configuration(), call.tenant)));
  }

  void operator()(const list_inboxes_call& call) {
    respond(to_response(inboxes_listed(*node.actors->configuration(), call.tenant)));
  }

  void operator()(const create_account_call& call) {
    node.actors->create_account(
      call.tenant, call.name, call.rights, call.capacity,
      [respond = respond, call](domain::result<actors::configuration_outcome> made) {
        respond(to_response(made ? account_created(made->tenant,
                                                   domain::id_cast<domain::account_id>(made->id),
                                                   call.name, call.rights, made->token)
                                 : failed_answer(made.failure())));
      });
  }

  void operator()(const disable_account_call& call) {
    node.actors->disable_account(
      call.tenant, call.account,
      [respond = respond, call](domain::result<actors::configuration_outcome> made) {
        respond(to_response(made ? account_disabled(call.account) : failed_answer(made.failure())));
      });
  }

  void operator()(const create_inbox_call& call) {
    node.actors->create_inbox(
      call.tenant, call.name, call.origins,
      [respond = respond, call](domain::result<actors::configuration_outcome> made) {
        respond(to_response(made ? inbox_created(made->tenant,
                                                 domain::id_cast<domain::inbox_id>(made->id),
                                                 call.name, made->inbox_key)
                                 : failed_answer(made.failure())));
      });
  }

  void operator()(const create_tenant_call& call) {
    node.actors->create_tenant(
      call.name, [respond = respond, call](domain::result<actors::configuration_outcome> made) {
        respond(to_response(made ? tenant_created(made->tenant, call.name,
                                                  domain::id_cast<domain::inbox_id>(made->id),
                                                  made->inbox_key)
                                 : failed_answer(made.failure())));
      });
  }

  void answer(const health_answer& health) {
    respond(to_response({health.http_status, "application/json", health.body}));
  }
};

net::http_routes admin_routes(node_state& node, const process_hooks& hooks) {
  net::http_routes routes;
  auto handle = [&node, &hooks](net::http_request request, net::http_responder respond) {
    auto authorization = std::string(request.header("Authorization"));
    auto target = request.query.empty() ? request.path : request.path + "?" + request.query;
    auto call
      = parse_admin_request({request.method, target, authorization, request.body}, node.admin_key);
    if (!call)
      return respond(to_response(failed_answer(call.failure())));
    std::visit(admin_performer{node, hooks, std::move(respond)}, *call);
  };
  for (const char* path :
       {"/livez", "/readyz", "/metrics", "/v1/admin/accounts", "/v1/admin/inboxes"})
    routes.get_async(path, handle);
  for (const char* path : {"/v1/admin/accounts", "/v1/admin/accounts/disable", "/v1/admin/inboxes",
                           "/v1/admin/tenants"})
    routes.post_async(path, handle);
  return routes;
}

} // namespace

int run_node(const configuration& config, domain::logger& log, const process_hooks& hooks) {
  node_state node;
  node.data = config.store.data;
  node.disk_free_bytes_min = config.limits.disk_free_bytes_min;
  auto give_up = [&](const domain::error& reason) {
    log.log(domain::log_level::error, reason.message,
            {{"code", std::string(to_string(reason.code))}});
    return reason.code == domain::errc::config ? 2 : 1;
  };
  net::raise_descriptor_limit();
  auto key = load_or_create_admin_key(config);
  if (!key)
    return give_up(key.failure());
  node.admin_key = *key;

  persistence::store_options store_options;
  store_options.folder = store_folder(config);
  store_options.limits = config.limits;
  auto opened = persistence::open_store(store_options);
  if (!opened)
    return give_up(opened.failure());
  node.store = *std::move(opened);

  auto started = actors::runtime::start({config.limits, thread_count(config.actors.workers)},
                                        *node.store, log, node.numbers);
  if (!started)
    return give_up(started.failure());
  node.actors = *std::move(started);

  std::vector<std::unique_ptr<net::io_thread>> threads;
  std::vector<net::io_thread*> thread_list;
  for (std::size_t i = 0; i < thread_count(config.server.io_threads); ++i) {
    threads.push_back(std::make_unique<net::io_thread>("fd-io-" + std::to_string(i), config.limits,
                                                       node.numbers, log));
    thread_list.push_back(threads.back().get());
  }
  for (auto* each : thread_list)
    each->start(&node.actors->add_gateway(*each));
  node.actors->open_desks();
  auto admin_limits = config.limits;
  net::io_thread admin_thread("fd-admin", admin_limits, node.numbers, log);
  admin_thread.start();

  int exit_code = 0;
  {
    net::http_routes routes;
    if (auto failed = add_static_files(routes, config.server.static_dir, *node.actors); failed) {
      exit_code = give_up(*failed);
    } else {
      net::listener_options options;
      options.address = config.server.address;
      options.port = config.server.port;
      options.certificate_file = config.server.tls_certificate;
      options.key_file = config.server.tls_key;
      options.trusted_proxies = config.server.trusted_proxies;
      auto server = net::listener::open(options, std::move(routes), thread_list);
      net::listener_options admin_options;
      admin_options.address = config.admin.address;
      admin_options.port = config.admin.port;
      admin_options.websocket = false;
      admin_options.connections_max = config.limits.admin_connections_max;
      admin_options.close_when_full = true;
      auto admin = net::listener::open(admin_options, admin_routes(node, hooks), {&admin_thread});
      if (!server || !admin) {
        exit_code = give_up(server ? admin.failure() : server.failure());
      } else {
        node.listening = true;
        hooks.ready((*server)->port(), (*admin)->port());
        auto running = config;
        for (bool leaving = false; !leaving;) {
          auto signal = hooks.wait_signal(turn);
          hooks.alive();
          if (auto memory = read_memory_use()) {
            auto base = running.limits.memory_bytes_max != 0 ? running.limits.memory_bytes_max
                                                             : memory->limit_bytes;
            node.memory_level = next_memory_level(node.memory_level, memory->used_bytes, base,
                                                  running.limits.memory_opening_percent,
                                                  running.limits.memory_visitor_percent);
            node.actors->set_memory_level(node.memory_level);
          }
          if (signal == signal_event::reload) {
            if (auto next = hooks.reload(running))
              running = *std::move(next);
            if (auto done = (*server)->reload(); !done)
              log.log(domain::log_level::error, "the certificate stays as it was",
                      {{"reason", done.failure().message}});
          }
          leaving = signal == signal_event::drain;
        }
        // Readiness first, so that nobody new is sent here; then the sockets; then what they left
        // to be written.
        node.draining = true;
        hooks.stopping();
        node.listening = false;
        (*server)->stop_accepting();
        auto drain = std::chrono::milliseconds(running.limits.drain_ms);
        node.actors->drain(drain * spread_percent / 100);
        auto deadline = std::chrono::steady_clock::now() + drain;
        auto open = [&] {
          return std::any_of(thread_list.begin(), thread_list.end(),
                             [](const auto* each) { return each->connection_count() > 0; });
        };
        while (open() && std::chrono::steady_clock::now() < deadline) {
          hooks.alive();
          std::this_thread::sleep_for(drain_turn);
        }
        node.actors->flush();
        log.log(domain::log_level::info, "drained");
      }
    }
    for (auto& each : threads)
      each->stop();
    admin_thread.stop();
  }
  node.actors->stop();
  return exit_code;
}

} // namespace frontdesk::app
