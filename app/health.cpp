#include "app/health.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace frontdesk::app {

namespace {

health_check store_check(domain::store_state state) {
  switch (state) {
  case domain::store_state::writable:
    return {"store", health_status::pass, "writable"};
  case domain::store_state::full:
    return {"store", health_status::fail, "the disk is full; writing goes on when there is room"};
  case domain::store_state::read_only:
    return {"store", health_status::fail,
            "the disk cannot be written; writing goes on when it can"};
  case domain::store_state::failed:
    return {
      "store", health_status::fail,
      "a sync failed; nothing is written until the node is restarted after `frontdesk verify`"};
  }
  return {"store", health_status::fail, "unknown state"};
}

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

health_check disk_check(const health_facts& facts) {
  const auto text = mebibytes(facts.disk_free_bytes) + " free, writing stops below "
                    + mebibytes(facts.disk_free_bytes_min);
  if (facts.disk_free_bytes < facts.disk_free_bytes_min)
    return {"disk", health_status::fail, text};
  // Twice the limit leaves time to act.
  if (facts.disk_free_bytes / 2 < facts.disk_free_bytes_min)
    return {"disk", health_status::warn, text};
  return {"disk", health_status::pass, text};
}

health_check memory_check(int level) {
  if (level <= 0)
    return {"memory", health_status::pass, "below its watermarks"};
  if (level == 1)
    return {"memory", health_status::warn, "new conversations are refused"};
  return {"memory", health_status::fail, "visitors' messages are refused; agents go on"};
}

health_check listener_check(const health_facts& facts) {
  if (!facts.listening)
    return {"listener", health_status::fail, "the port is not open"};
  if (facts.accept_paused)
    return {"listener", health_status::warn, "accepting waits for free file descriptors"};
  return {"listener", health_status::pass, "open"};
}

health_check drain_check(bool draining) {
  if (draining)
    return {"drain", health_status::fail, "the node is going away"};
  return {"drain", health_status::pass, "not draining"};
}

} // namespace

std::string_view to_string(health_status status) {
  switch (status) {
  case health_status::pass:
    return "pass";
  case health_status::warn:
    return "warn";
  case health_status::fail:
    return "fail";
  }
  return "fail";
}

std::vector<health_check> readiness(const health_facts& facts) {
  return {store_check(facts.store), disk_check(facts), memory_check(facts.memory_level),
          listener_check(facts), drain_check(facts.draining)};
}

health_answer readyz(const health_facts& facts) {
  auto worst = health_status::pass;
  boost::json::object checks;
  for (const auto& check : readiness(facts)) {
    worst = std::max(worst, check.status);
    checks.emplace(
      boost::json::string_view{check.name},
      boost::json::object{{"status", boost::json::string_view{to_string(check.status)}},
                          {"detail", check.detail}});
  }
  return {
    worst == health_status::fail ? 503u : 200u,
    boost::json::serialize(boost::json::object{
      {"status", boost::json::string_view{to_string(worst)}}, {"checks", std::move(checks)}})};
}

health_answer livez() {
  return {200, R"({"status":"pass"})"};
}

} // namespace frontdesk::app
