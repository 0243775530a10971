#include "app/signals.hpp"

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>

namespace frontdesk::app {

class signal_watch::state {
public:
  state(int signals, int stop, const sigset_t& former_mask, const struct sigaction& former_pipe)
    : signals_(signals), stop_(stop), former_mask_(former_mask), former_pipe_(former_pipe),
      thread_([this] { run(); }) {}

  state(const state&) = delete;
  state& operator=(const state&) = delete;

  ~state() {
    eventfd_write(stop_, 1);
    thread_.join();
    close(signals_);
    close(stop_);
    sigaction(SIGPIPE, &former_pipe_, nullptr);
    pthread_sigmask(SIG_SETMASK, &former_mask_, nullptr);
  }

  std::optional<signal_event> wait(std::chrono::milliseconds time) {
    std::unique_lock lock{mutex_};
    if (!changed_.wait_for(lock, time, [this] { return !events_.empty(); }))
      return std::nullopt;
    const auto event = events_.front();
    events_.pop_front();
    return event;
  }

private:
  void run() {
    for (;;) {
      std::array<pollfd, 2> ready{{{signals_, POLLIN, 0}, {stop_, POLLIN, 0}}};
      if (poll(ready.data(), ready.size(), -1) < 0)
        continue; // EINTR
      if (ready[1].revents != 0)
        return;
      signalfd_siginfo info{};
      if (read(signals_, &info, sizeof info) != static_cast<ssize_t>(sizeof info))
        continue;
      if (info.ssi_signo == SIGHUP) {
        push(signal_event::reload);
      } else if (draining_) {
        _exit(128 + static_cast<int>(info.ssi_signo));
      } else {
        draining_ = true;
        push(signal_event::drain);
      }
    }
  }

  void push(signal_event event) {
    {
      std::lock_guard lock{mutex_};
      // A second reload that nobody has seen yet would do the same thing again.
      if (!events_.empty() && events_.back() == event)
        return;
      events_.push_back(event);
    }
    changed_.notify_all();
  }

  const int signals_;
  const int stop_;
  const sigset_t former_mask_;
  const struct sigaction former_pipe_;
  bool draining_ = false; // of the thread alone
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<signal_event> events_;
  std::thread thread_; // last: it uses the others
};

domain::result<std::unique_ptr<signal_watch>> signal_watch::start() {
  const auto refused = [](const char* what) {
    return domain::error{domain::errc::io, std::string{what} + ": " + std::strerror(errno)};
  };
  sigset_t watched;
  sigemptyset(&watched);
  for (const int number : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&watched, number);
  sigset_t former_mask;
  if (const int failure = pthread_sigmask(SIG_BLOCK, &watched, &former_mask); failure != 0) {
    errno = failure;
    return refused("cannot block signals");
  }
  const auto undo = [&](domain::error reason) {
    pthread_sigmask(SIG_SETMASK, &former_mask, nullptr);
    return reason;
  };
  const int signals = signalfd(-1, &watched, SFD_CLOEXEC);
  if (signals < 0)
    return undo(refused("cannot make a signal descriptor"));
  const int stop = eventfd(0, EFD_CLOEXEC);
  if (stop < 0) {
    const auto reason = refused("cannot make an event descriptor");
    close(signals);
    return undo(reason);
  }

  struct sigaction ignore {};

  ignore.sa_handler = SIG_IGN;

  struct sigaction former_pipe {};

  sigaction(SIGPIPE, &ignore, &former_pipe);
  return std::unique_ptr<signal_watch>{
    new signal_watch{std::make_unique<state>(signals, stop, former_mask, former_pipe)}};
}

signal_watch::signal_watch(std::unique_ptr<state> inner) : state_(std::move(inner)) {}

signal_watch::~signal_watch() = default;

std::optional<signal_event> signal_watch::wait(std::chrono::milliseconds time) {
  return state_->wait(time);
}

} // namespace frontdesk::app
