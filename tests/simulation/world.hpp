#pragma once

#include "domain/conversation.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// A small world in virtual time: one conversation, its store, and four clients (a visitor with two
/// tabs, two agents) over a network that breaks. Everything follows from the seed.
namespace frontdesk::simulation {

/// The conversation machine behind an interface, so that a control can put a wrong one into the
/// world.
class machine {
public:
  explicit machine(domain::conversation inner) : inner_(std::move(inner)) {}

  virtual ~machine() = default;
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  virtual domain::conversation_effects on(const domain::commanded& event) {
    return inner_.on(event);
  }

  virtual domain::conversation_effects on(const domain::stored& event) { return inner_.on(event); }

  domain::conversation_effects on(const domain::routed& event) { return inner_.on(event); }

  domain::conversation_effects on(const domain::looked_up& event) { return inner_.on(event); }

  domain::conversation_effects on(const domain::target_read& event) { return inner_.on(event); }

  const domain::conversation& inner() const { return inner_; }

protected:
  domain::conversation inner_;
};

using machine_maker = std::function<std::unique_ptr<machine>(domain::conversation)>;

/// How often each situation came up, so that a quiet world cannot pass for a correct one.
struct counts {
  std::uint64_t events = 0;
  std::uint64_t acks = 0;
  std::uint64_t positions_omitted = 0;
  std::uint64_t gaps = 0;
  std::uint64_t refusals = 0;
  std::uint64_t unknown_clients = 0;
  std::uint64_t look_ups = 0;
  std::uint64_t reads = 0;
  std::uint64_t crashes = 0;
  std::uint64_t lost_appends = 0;    ///< accepted, then dropped by a crash or a failed commit
  std::uint64_t unknown_commits = 0; ///< written, though the machine was told nothing
  std::uint64_t broken_links = 0;
  std::uint64_t lost_frames = 0;
  std::uint64_t doubled_frames = 0;
  std::uint64_t stale_frames = 0; ///< of a broken link, processed after the new one was up
  std::uint64_t wakes = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t rejected = 0;
  std::uint64_t asked = 0;
  std::uint64_t stored_after_refusal = 0;
  counts& operator+=(const counts& other);
};

struct outcome {
  std::string violation{}; ///< the first broken promise; empty = none
  counts seen{};
  std::vector<std::string> trace{}; ///< if asked for
};

struct plan {
  std::uint64_t seed = 1;
  bool judge_heads = true; ///< replay of the log must give the stored heads
  bool trace = false;
};

/// Runs the world until nothing happens any more. Faults stop half-way; then everything has to be
/// delivered.
outcome simulate(const plan& what, const machine_maker& make);

} // namespace frontdesk::simulation
