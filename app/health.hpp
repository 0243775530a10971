#pragma once

#include "domain/ports/event_store.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What /livez and /readyz answer. Pure: facts in, answer out.
namespace frontdesk::app {

enum class health_status : std::uint8_t { pass, warn, fail };

std::string_view to_string(health_status status);

/// Everything that readiness is decided from.
struct health_facts {
  domain::store_state store = domain::store_state::writable;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_free_bytes_min = 0; ///< limits.disk_free_bytes_min
  int memory_level = 0;                  ///< 0 normal, 1 no new conversations, 2 no visitor writes
  bool listening = false;                ///< the server's port is open
  bool accept_paused = false;            ///< for want of descriptors
  bool draining = false;
};

struct health_check {
  std::string_view name;
  health_status status = health_status::pass;
  std::string detail{}; ///< for people
};

struct health_answer {
  unsigned http_status = 200; ///< 503 when one part fails
  std::string
    body{}; ///< JSON: {"status":"pass","checks":{"store":{"status":"pass","detail":"..."},...}}
};

/// The parts of readiness: store, disk, memory, listener, drain.
std::vector<health_check> readiness(const health_facts& facts);
health_answer readyz(const health_facts& facts);
/// The process is alive as long as it answers.
health_answer livez();

} // namespace frontdesk::app
