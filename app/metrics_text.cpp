#include "app/metrics_text.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace frontdesk::app {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(std::string name, std::string help, MetricType type, ClientMetric metric) {
  MetricFamily out;
  out.name = std::move(name);
  out.help = std::move(help);
  out.type = type;
  out.metric.push_back(std::move(metric));
  return out;
}

MetricFamily counter_family(const std::string& name, const char* help, double value) {
  ClientMetric metric;
  metric.counter.value = value;
  return family(name + "_total", help, MetricType::Counter, std::move(metric));
}

MetricFamily gauge_family(const std::string& name, const char* help, double value) {
  ClientMetric metric;
  metric.gauge.value = value;
  return family(name, help, MetricType::Gauge, std::move(metric));
}

MetricFamily family_of(const domain::counter& from, const char* name, const char* help) {
  return counter_family(name, help,
                        static_cast<double>(from.value.load(std::memory_order_relaxed)));
}

MetricFamily family_of(const domain::gauge& from, const char* name, const char* help) {
  return gauge_family(name, help, static_cast<double>(from.value.load(std::memory_order_relaxed)));
}

MetricFamily family_of(const domain::histogram& from, const char* name, const char* help) {
  ClientMetric metric;
  std::uint64_t count = 0;
  for (std::size_t bucket = 0; bucket <= domain::histogram::bucket_count; ++bucket) {
    count += from.buckets[bucket].load(std::memory_order_relaxed);
    const auto bound = bucket < domain::histogram::bucket_count
                         ? static_cast<double>(domain::histogram::bound_us(bucket)) / 1e6
                         : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({count, bound});
  }
  metric.histogram.sample_count
    = count; // of the buckets just read, so that the page agrees with itself
  metric.histogram.sample_sum
    = static_cast<double>(from.sum_us.load(std::memory_order_relaxed)) / 1e6;
  return family(name, help, MetricType::Histogram, std::move(metric));
}

/// Field of /proc/self/stat, counted from 3 behind the name, which may hold spaces and parentheses.
std::uint64_t stat_field(const std::string& stat, int wanted) {
  const auto end_of_name = stat.rfind(')');
  if (end_of_name == std::string::npos)
    return 0;
  std::istringstream fields{stat.substr(end_of_name + 1)};
  std::string text;
  for (int field = 3; field <= wanted; ++field)
    if (!(fields >> text))
      return 0;
  return std::strtoull(text.c_str(), nullptr, 10);
}

} // namespace

domain::result<process_facts> read_process_facts() {
  std::ifstream in{"/proc/self/stat"};
  std::string stat;
  if (!std::getline(in, stat))
    return domain::error{domain::errc::io, "cannot read /proc/self/stat"};
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  process_facts facts;
  facts.cpu_seconds = static_cast<double>(stat_field(stat, 14) + stat_field(stat, 15)) / ticks;
  facts.threads = stat_field(stat, 20);
  facts.resident_bytes = stat_field(stat, 24) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream system{"/proc/stat"};
  std::string name;
  std::string rest;
  while (system >> name) {
    if (name == "btime") {
      double booted = 0;
      system >> booted;
      facts.start_time_seconds = booted + static_cast<double>(stat_field(stat, 22)) / ticks;
      break;
    }
    std::getline(system, rest);
  }
  std::error_code ignored; // an unreadable folder counts as no descriptors
  for (std::filesystem::directory_iterator at{"/proc/self/fd", ignored}, end; !ignored && at != end;
       at.increment(ignored))
    ++facts.open_fds;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    facts.max_fds = limit.rlim_cur;
  return facts;
}

std::string metrics_text(const domain::metrics& metrics, const process_facts& process,
                         const build_information& build, std::uint64_t log_lines_dropped) {
  std::vector<MetricFamily> families;
#define FRONTDESK_METRIC_FAMILY(member, kind, name, help)                                          \
  families.push_back(family_of(metrics.member, name, help));
  FRONTDESK_METRICS(FRONTDESK_METRIC_FAMILY)
#undef FRONTDESK_METRIC_FAMILY
  families.push_back(counter_family("frontdesk_log_lines_dropped",
                                    "Log lines dropped because the queue was full",
                                    static_cast<double>(log_lines_dropped)));
  ClientMetric information;
  information.gauge.value = 1;
  information.label = {{"version", std::string{build.version}},
                       {"commit", std::string{build.commit}},
                       {"compiler", std::string{build.compiler}},
                       {"build_type", std::string{build.build_type}}};
  families.push_back(family("frontdesk_build_info", "What was built; always 1", MetricType::Gauge,
                            std::move(information)));
  families.push_back(counter_family(
    "process_cpu_seconds", "User and system CPU time of the process", process.cpu_seconds));
  families.push_back(gauge_family("process_resident_memory_bytes", "Resident memory",
                                  static_cast<double>(process.resident_bytes)));
  families.push_back(gauge_family("process_open_fds", "Open file descriptors",
                                  static_cast<double>(process.open_fds)));
  families.push_back(gauge_family("process_max_fds", "File descriptors the process may open",
                                  static_cast<double>(process.max_fds)));
  families.push_back(
    gauge_family("process_threads", "Threads", static_cast<double>(process.threads)));
  families.push_back(gauge_family("process_start_time_seconds",
                                  "When the process started, since the Unix epoch",
                                  process.start_time_seconds));
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families);
  return out.str();
}

} // namespace frontdesk::app
