#include "app/signals.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace frontdesk::app;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds patience{10000};

/// Runs `story` in a process of its own, where signals hurt nobody, and returns how it ended.
template <class Story>
int in_child(Story story) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(story());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

} // namespace

TEST(signal_watch, turns_sigterm_into_drain_and_sighup_into_reload) {
  const int status = in_child([] {
    auto watch = signal_watch::start();
    if (!watch)
      return 1;
    kill(getpid(), SIGHUP);
    if ((*watch)->wait(patience) != signal_event::reload)
      return 2;
    kill(getpid(), SIGTERM);
    if ((*watch)->wait(patience) != signal_event::drain)
      return 3;
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(signal_watch, ends_the_process_on_the_second_one_though_nobody_waits) {
  for (const int second : {SIGTERM, SIGINT}) {
    const int status = in_child([second] {
      auto watch = signal_watch::start();
      if (!watch)
        return 1;
      kill(getpid(), SIGINT);
      if ((*watch)->wait(patience) != signal_event::drain)
        return 2;
      kill(getpid(), second);
      for (;;)
        pause(); // a main thread that is stuck
    });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 128 + second);
  }
}

TEST(signal_watch, reports_nothing_when_nothing_came) {
  const int status = in_child([] {
    auto watch = signal_watch::start();
    return watch && !(*watch)->wait(milliseconds{0}) ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST(signal_watch, gives_signals_back_when_it_ends) {
  const int status = in_child([] {
    if (!signal_watch::start())
      return 1; // ends at once
    kill(getpid(), SIGTERM);
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(signal_watch, outlives_a_write_to_a_closed_pipe) {
  const int status = in_child([] {
    auto watch = signal_watch::start();
    int ends[2];
    if (!watch || pipe(ends) != 0)
      return 1;
    close(ends[0]);
    return write(ends[1], "x", 1) == -1 ? 0 : 2;
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}
