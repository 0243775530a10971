#pragma once

#include "net/timer_wheel.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace frontdesk::net {

/// Something with a descriptor that an event_loop watches.
class ready_handler {
public:
  /// `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. Level-triggered: comes again until it is
  /// dealt with.
  virtual void on_ready(std::uint32_t events) = 0;

protected:
  ~ready_handler() = default;
};

/// One thread: an Asio io_context for timers and posted work, and a readiness set for sockets
/// within it. A watched socket costs no user-space memory here; Asio's own socket and the operation
/// of its async_wait cost some 500 bytes (docs/adr/0002-websocket-codec.md).
class event_loop {
public:
  /// `on_timer` gets the wheel entries whose time has come; `after_turn` runs after each round of
  /// events, timers or posted work: the place to write out and to clean up.
  event_loop(std::string name, std::function<void(timer_wheel::entry&)> on_timer,
             std::function<void()> after_turn);
  ~event_loop();
  event_loop(const event_loop&) = delete;
  event_loop& operator=(const event_loop&) = delete;

  void start();
  /// Runs posted work that has arrived, then ends the thread and joins it. Not from the loop's
  /// thread.
  void stop();

  // Any thread.
  void post(std::function<void()> work);

  // Loop thread only, or before start().
  /// False if the system takes no more.
  [[nodiscard]] bool watch(int descriptor, std::uint32_t events, ready_handler& handler);
  void change(int descriptor, std::uint32_t events, ready_handler& handler);
  void unwatch(int descriptor);
  void after_ms(std::uint32_t delay_ms, std::function<void()> work);
  void schedule(timer_wheel::entry& item, std::uint64_t due_ms);
  /// Time of this turn, in milliseconds of a steady clock; never 0.
  std::uint64_t now_ms() const;

private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

} // namespace frontdesk::net
