#include "app/metrics_text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>

using namespace frontdesk;
using namespace frontdesk::app;

namespace {

std::string sample_text() {
  auto metrics = std::make_unique<domain::metrics>();
  metrics->connections.set(3);
  metrics->acknowledged.add(42);
  metrics->ack_duration.observe_us(40);       // first bucket
  metrics->ack_duration.observe_us(150);      // third bucket: up to 200 us
  metrics->ack_duration.observe_us(1u << 30); // beyond the last
  process_facts process{1.5, 1048576, 7, 20000, 4, 1700000000};
  return metrics_text(*metrics, process, {"0.1.0", "abc\"\\\n", "gcc", "Release"}, 5);
}

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos || text.starts_with(line + "\n");
}

} // namespace

TEST(metrics_text, gives_counters_their_suffix_and_gauges_none) {
  const auto text = sample_text();
  EXPECT_TRUE(has_line(text, "# TYPE frontdesk_acknowledged_total counter"));
  EXPECT_TRUE(has_line(text, "frontdesk_acknowledged_total 42"));
  EXPECT_TRUE(has_line(text, "# TYPE frontdesk_connections gauge"));
  EXPECT_TRUE(has_line(text, "frontdesk_connections 3"));
  EXPECT_TRUE(has_line(text, "frontdesk_log_lines_dropped_total 5"));
}

TEST(metrics_text, gives_histograms_in_seconds_with_cumulative_buckets) {
  const auto text = sample_text();
  EXPECT_TRUE(has_line(text, "frontdesk_ack_seconds_count 3"));
  EXPECT_TRUE(has_line(text, "frontdesk_ack_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_NE(text.find("frontdesk_ack_seconds_sum 1073.742"), std::string::npos);
  const auto third = text.find("frontdesk_ack_seconds_bucket{le=\"0.0002");
  ASSERT_NE(third, std::string::npos);
  EXPECT_EQ(text.substr(text.find("} ", third) + 2, 2), "2\n");
}

TEST(metrics_text, tells_what_was_built_and_how_the_process_is) {
  const auto text = sample_text();
  EXPECT_NE(text.find("frontdesk_build_info{version=\"0.1.0\",commit=\"abc\\\"\\\\\\n\""),
            std::string::npos);
  EXPECT_TRUE(has_line(text, "process_resident_memory_bytes 1048576"));
  EXPECT_TRUE(has_line(text, "process_open_fds 7"));
  EXPECT_TRUE(has_line(text, "process_cpu_seconds_total 1.5"));
}

TEST(metrics_text, has_nothing_that_promtool_finds_fault_with) {
  if (std::system("command -v promtool > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool is not installed";
  FILE* tool = popen("promtool check metrics 2>&1 > /dev/null", "w");
  ASSERT_NE(tool, nullptr);
  const auto text = sample_text();
  ASSERT_EQ(fwrite(text.data(), 1, text.size(), tool), text.size());
  EXPECT_EQ(pclose(tool), 0) << "run: promtool check metrics";
}

TEST(process_facts, reads_this_process) {
  const auto facts = read_process_facts();
  ASSERT_TRUE(facts);
  EXPECT_GT(facts->resident_bytes, 100000u);
  EXPECT_GE(facts->open_fds, 3u);
  EXPECT_GE(facts->max_fds, facts->open_fds);
  EXPECT_GE(facts->threads, 1u);
  EXPECT_GT(facts->start_time_seconds, 1.6e9);
}
