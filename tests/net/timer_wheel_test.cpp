#include "net/timer_wheel.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <vector>

namespace frontdesk::net {
namespace {

struct timer : timer_wheel::entry {
  int name = 0;
};

std::vector<int> advance(timer_wheel& wheel, std::uint64_t now_ms) {
  std::vector<int> due;
  wheel.advance(now_ms,
                [&](timer_wheel::entry& item) { due.push_back(static_cast<timer&>(item).name); });
  return due;
}

TEST(timer_wheel, fires_once_and_never_early) {
  timer_wheel wheel(1000);
  timer item;
  item.name = 7;
  wheel.schedule(item, 1000, 1120);
  EXPECT_EQ(wheel.next_due_ms(), 1150u);
  EXPECT_TRUE(advance(wheel, 1119).empty());
  EXPECT_EQ(advance(wheel, 1150), std::vector<int>{7});
  EXPECT_TRUE(advance(wheel, 5000).empty());
  EXPECT_EQ(wheel.next_due_ms(), timer_wheel::never);
  EXPECT_FALSE(timer_wheel::scheduled(item));
}

TEST(timer_wheel, holds_deadlines_beyond_one_round) {
  timer_wheel wheel(0);
  timer item;
  wheel.schedule(item, 0, 600'000);
  EXPECT_TRUE(advance(wheel, 599'999).empty());
  EXPECT_EQ(advance(wheel, 600'000).size(), 1u);
}

TEST(timer_wheel, lets_a_callback_cancel_and_schedule_others) {
  timer_wheel wheel(0);
  timer first;
  timer second;
  first.name = 1;
  second.name = 2;
  wheel.schedule(first, 0, 100);
  wheel.schedule(second, 0, 100);
  std::vector<int> due;
  wheel.advance(100, [&](timer_wheel::entry& item) {
    due.push_back(static_cast<timer&>(item).name);
    timer_wheel::cancel(&item == &first ? second : first);
    wheel.schedule(item, 100, 100);
  });
  EXPECT_EQ(due, std::vector<int>{1});
  EXPECT_EQ(advance(wheel, 150), std::vector<int>{1});
}

TEST(timer_wheel, agrees_with_a_sorted_map) {
  EXPECT_TRUE(rc::check("every deadline fires within its grain, none is lost", [] {
    constexpr std::uint64_t grain_ms = 500; // of deadlines that are far away
    timer_wheel wheel(1);
    std::vector<timer> items(8);
    std::map<int, std::uint64_t> expected;
    std::uint64_t now = 1;
    for (int i = 0; i < 8; ++i)
      items[static_cast<std::size_t>(i)].name = i;
    const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 3), rc::gen::inRange(0, 8), rc::gen::inRange(0, 200'000)));
    for (const auto& [what, name, amount] : steps) {
      timer& item = items[static_cast<std::size_t>(name)];
      if (what == 0) {
        wheel.schedule(item, now, now + static_cast<std::uint64_t>(amount));
        expected[name] = now + static_cast<std::uint64_t>(amount);
      } else if (what == 1) {
        timer_wheel::cancel(item);
        expected.erase(name);
      } else {
        now += static_cast<std::uint64_t>(amount);
        for (const int fired : advance(wheel, now)) {
          RC_ASSERT(expected.contains(fired));
          RC_ASSERT(expected[fired] <= now);
          expected.erase(fired);
        }
        for (const auto& [left, due] : expected)
          RC_ASSERT(due + grain_ms + timer_wheel::tick_ms > now);
      }
      for (const auto& [left, due] : expected)
        RC_ASSERT(wheel.next_due_ms() <= due + grain_ms + timer_wheel::tick_ms);
    }
    for (timer& item : items)
      timer_wheel::cancel(item);
  }));
}

} // namespace
} // namespace frontdesk::net
