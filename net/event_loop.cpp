#include "net/event_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <sys/epoll.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace frontdesk::net {

namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;

// Below it a busy set of sockets would keep posted work waiting; above it a turn saves nothing
// more.
constexpr int events_per_turn = 256;

int make_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0)
    throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return descriptor;
}

struct delayed_work {
  std::uint64_t due_ms;
  std::uint64_t order;
  std::function<void()> work;

  // For a heap whose front is the earliest.
  friend bool operator<(const delayed_work& left, const delayed_work& right) {
    return std::pair(left.due_ms, left.order) > std::pair(right.due_ms, right.order);
  }
};

} // namespace

struct event_loop::implementation {
  implementation(std::string thread_name, std::function<void(timer_wheel::entry&)> timer_function,
                 std::function<void()> turn_function)
    : name(std::move(thread_name)), on_timer(std::move(timer_function)),
      after_turn(std::move(turn_function)), context(1), ready_set(context, make_epoll()),
      alarm(context), guard(context.get_executor()) {}

  std::uint64_t read_clock() const {
    return static_cast<std::uint64_t>(
             std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - epoch).count())
           + 1;
  }

  void await_ready() {
    ready_set.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& failed) {
                           if (failed)
                             return;
                           take_ready();
                           await_ready();
                         });
  }

  void take_ready() {
    now = read_clock();
    const int count = ::epoll_wait(ready_set.native_handle(), events.data(), events_per_turn, 0);
    for (int i = 0; i < count; ++i)
      static_cast<ready_handler*>(events[static_cast<std::size_t>(i)].data.ptr)
        ->on_ready(events[static_cast<std::size_t>(i)].events);
    end_turn();
  }

  void take_posted() {
    now = read_clock();
    std::vector<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex);
      work.swap(posted);
    }
    for (auto& function : work)
      function();
    end_turn();
  }

  void take_timers() {
    now = read_clock();
    armed_ms = timer_wheel::never;
    wheel.advance(now, on_timer);
    while (!delayed.empty() && delayed.front().due_ms <= now) {
      std::pop_heap(delayed.begin(), delayed.end());
      const std::function<void()> work = std::move(delayed.back().work);
      delayed.pop_back();
      work();
    }
    end_turn();
  }

  void end_turn() {
    after_turn();
    arm();
  }

  void arm() {
    std::uint64_t next = wheel.next_due_ms();
    if (!delayed.empty())
      next = std::min(next, delayed.front().due_ms);
    if (next >= armed_ms)
      return;
    armed_ms = next;
    alarm.expires_at(epoch + std::chrono::milliseconds(next));
    alarm.async_wait([this](const boost::system::error_code& failed) {
      if (!failed)
        take_timers();
    });
  }

  bool control(int operation, int descriptor, std::uint32_t wanted, ready_handler* handler) {
    epoll_event event{};
    event.events = wanted;
    event.data.ptr = handler;
    return ::epoll_ctl(ready_set.native_handle(), operation, descriptor, &event) == 0;
  }

  std::string name;
  std::function<void(timer_wheel::entry&)> on_timer;
  std::function<void()> after_turn;
  clock::time_point epoch = clock::now();
  std::uint64_t now = 1;
  timer_wheel wheel{1};
  std::vector<delayed_work> delayed;
  std::uint64_t delayed_count = 0;
  std::uint64_t armed_ms = timer_wheel::never;
  std::array<epoll_event, events_per_turn> events{};

  std::mutex mutex;
  std::vector<std::function<void()>> posted; // guarded by mutex

  asio::io_context context;
  asio::posix::stream_descriptor ready_set;
  asio::steady_timer alarm;
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  std::thread thread;
};

event_loop::event_loop(std::string name, std::function<void(timer_wheel::entry&)> on_timer,
                       std::function<void()> after_turn)
  : implementation_(std::make_unique<implementation>(std::move(name), std::move(on_timer),
                                                     std::move(after_turn))) {}

event_loop::~event_loop() {
  stop();
}

void event_loop::start() {
  auto& loop = *implementation_;
  // Signals belong to the main thread; SIGPIPE would come from OpenSSL's writes, which cannot be
  // told not to raise it.
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF})
    sigdelset(&blocked, own);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  loop.thread = std::thread([&loop] {
    loop.await_ready();
    loop.arm();
    loop.context.run();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(loop.thread.native_handle(), loop.name.substr(0, 15).c_str());
}

void event_loop::stop() {
  auto& loop = *implementation_;
  if (!loop.thread.joinable())
    return;
  asio::post(loop.context, [&loop] { loop.context.stop(); });
  loop.thread.join();
}

void event_loop::post(std::function<void()> work) {
  auto& loop = *implementation_;
  bool first = false;
  {
    const std::lock_guard lock(loop.mutex);
    first = loop.posted.empty();
    loop.posted.push_back(std::move(work));
  }
  // One wake-up for all that is posted until it is taken.
  if (first)
    asio::post(loop.context, [&loop] { loop.take_posted(); });
}

bool event_loop::watch(int descriptor, std::uint32_t events, ready_handler& handler) {
  return implementation_->control(EPOLL_CTL_ADD, descriptor, events, &handler);
}

void event_loop::change(int descriptor, std::uint32_t events, ready_handler& handler) {
  implementation_->control(EPOLL_CTL_MOD, descriptor, events, &handler);
}

void event_loop::unwatch(int descriptor) {
  implementation_->control(EPOLL_CTL_DEL, descriptor, 0, nullptr);
}

void event_loop::after_ms(std::uint32_t delay_ms, std::function<void()> work) {
  auto& loop = *implementation_;
  loop.delayed.push_back({loop.now + delay_ms, loop.delayed_count++, std::move(work)});
  std::push_heap(loop.delayed.begin(), loop.delayed.end());
}

void event_loop::schedule(timer_wheel::entry& item, std::uint64_t due_ms) {
  implementation_->wheel.schedule(item, implementation_->now, due_ms);
}

std::uint64_t event_loop::now_ms() const {
  return implementation_->now;
}

} // namespace frontdesk::net
