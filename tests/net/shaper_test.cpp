#include "net/shaper.hpp"

#include <gtest/gtest.h>

namespace frontdesk::net {
namespace {

using verdict = shaper::verdict;

domain::limits rates() {
  domain::limits limits;
  limits.frames_per_second = 100;
  limits.frames_burst = 400;
  limits.bytes_per_second = 1000;
  limits.bytes_burst = 4000;
  limits.shaper_warnings_max = 3;
  return limits;
}

TEST(shaper, lets_a_burst_and_then_the_rate_through) {
  const auto limits = rates();
  shaper bucket(limits, 1000);
  EXPECT_EQ(bucket.spend(limits, 1000, 400, 0), verdict::within);
  for (std::uint64_t now = 1010; now < 20'000; now += 10)
    ASSERT_EQ(bucket.spend(limits, now, 1, 10), verdict::within) << now;
}

TEST(shaper, stops_until_the_debt_is_paid) {
  const auto limits = rates();
  shaper bucket(limits, 1000);
  EXPECT_EQ(bucket.spend(limits, 1000, 450, 0), verdict::over);
  EXPECT_EQ(bucket.ready_at(limits), 1500u);
  EXPECT_EQ(bucket.look(limits, 1499), verdict::over);
  EXPECT_EQ(bucket.look(limits, 1500), verdict::within);
  EXPECT_FALSE(bucket.over());
  EXPECT_EQ(bucket.warnings(), 0u);
}

TEST(shaper, counts_bytes_as_well) {
  const auto limits = rates();
  shaper bucket(limits, 1000);
  EXPECT_EQ(bucket.spend(limits, 1000, 1, 4500), verdict::over);
  EXPECT_EQ(bucket.ready_at(limits), 1500u);
}

TEST(shaper, warns_each_whole_second_and_then_cuts) {
  const auto limits = rates();
  shaper bucket(limits, 1000);
  EXPECT_EQ(bucket.spend(limits, 1000, 10'000, 0), verdict::over);
  for (std::uint64_t second = 1; second <= 3; ++second) {
    EXPECT_EQ(bucket.ready_at(limits), 1000 + 1000 * second);
    EXPECT_EQ(bucket.look(limits, 999 + 1000 * second), verdict::over);
    EXPECT_EQ(bucket.look(limits, 1000 + 1000 * second), verdict::warn);
    EXPECT_EQ(bucket.warnings(), second);
  }
  EXPECT_EQ(bucket.look(limits, 5000), verdict::cut);
}

TEST(shaper, takes_a_socket_that_is_over_again_and_again_for_one_that_stays_over) {
  const auto limits = rates();
  shaper bucket(limits, 1000);
  bucket.spend(limits, 1000, 400, 0);
  int warned = 0;
  bool cut = false;
  for (std::uint64_t now = 1001; now < 20'000 && !cut; ++now) {
    // Takes what it may, twenty frames at a time.
    const verdict seen
      = bucket.over() ? bucket.look(limits, now) : bucket.spend(limits, now, 20, 0);
    warned += seen == verdict::warn ? 1 : 0;
    cut = seen == verdict::cut;
  }
  EXPECT_TRUE(cut);
  EXPECT_EQ(warned, 3);
}

TEST(shaper, forgets_warnings_after_a_quiet_minute) {
  const auto limits = rates();
  shaper bucket(limits, 1000);
  bucket.spend(limits, 1000, 600, 0);
  EXPECT_EQ(bucket.look(limits, 2000), verdict::warn);
  EXPECT_EQ(bucket.look(limits, 3000), verdict::within);
  EXPECT_EQ(bucket.spend(limits, 30'000, 450, 0), verdict::over);
  EXPECT_EQ(bucket.warnings(), 1u);
  EXPECT_EQ(bucket.look(limits, 30'500), verdict::within);
  EXPECT_EQ(bucket.spend(limits, 90'500, 450, 0), verdict::over);
  EXPECT_EQ(bucket.warnings(), 0u);
}

} // namespace
} // namespace frontdesk::net
