#include "app/load_target.hpp"

#include "app/admin_client.hpp"
#include "app/admin_key.hpp"

#include <utility>

namespace frontdesk::app {

namespace {

domain::result<std::pair<unsigned, std::string>>
ask(const std::string& address, std::uint16_t port, const std::string& method,
    const std::string& target, const std::string& key, const std::string& body) {
  http_question question;
  question.address = address;
  question.port = port;
  question.method = method;
  question.target = target;
  question.bearer = key;
  question.body = body;
  auto answer = exchange(question);
  if (!answer)
    return answer.failure();
  return std::pair{answer->status, std::move(answer->body)};
}

domain::result<void> log_in(load_target& target, const std::string& data,
                            std::uint16_t admin_port) {
  configuration config;
  config.store.data = data;
  auto key = read_admin_key(config);
  if (!key)
    return key.failure();
  target.admin.emplace(ask, target.node.address, admin_port, *std::move(key));
  target.where.machine = load::describe_hardware();
  target.where.sync = "every commit is synced before its acknowledgements";
  return {};
}

} // namespace

domain::result<load_target> start_load_target(const load::serve_options& options) {
  auto started = load::node_process::start(options);
  if (!started)
    return started.failure();
  load_target target;
  target.own = std::make_unique<load::node_process>(*std::move(started));
  target.node.port = target.own->port();
  target.node.process = target.own->process();
  if (auto done = log_in(target, target.own->data(), target.own->admin_port()); !done)
    return done.failure();
  target.where.file_system = load::file_system_of(target.own->data());
  return target;
}

domain::result<load_target> find_load_target(const running_node& where) {
  load_target target;
  target.node.address = where.address;
  target.node.port = where.port;
  if (where.process > 0)
    target.node.process = where.process;
  else if (where.address == "127.0.0.1")
    target.node.process = load::process_listening_on(where.port);
  if (auto done = log_in(target, where.data, where.admin_port); !done)
    return done.failure();
  target.where.file_system = load::file_system_of(where.data);
  return target;
}

} // namespace frontdesk::app
