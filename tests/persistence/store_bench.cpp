// What a commit and a page cost. Not a test: build store_bench in the release preset and run it by
// hand.
//
//   store_bench [FOLDER]     FOLDER is made and removed; give one on the disk in question

#include "persistence/rocksdb_store.hpp"
#include "tests/persistence/conversation_script.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace frontdesk;
using namespace frontdesk::domain;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t conversations = 2000;
constexpr double seconds_each = 2.0;

double cpu_us(clockid_t which) {
  timespec now{};
  ::clock_gettime(which, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double wall_us(clock_type::time_point since) {
  return std::chrono::duration<double, std::micro>(clock_type::now() - since).count();
}

double at(std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(static_cast<double>(sorted.size()) * share))];
}

void bench_commits(event_store& store, std::vector<test::conversation_script>& scripts,
                   std::size_t batch) {
  std::minstd_rand random(1);
  std::vector<double> calls;
  double writer = 0;
  double process_outside = 0;
  auto process_start = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
  auto begin = clock_type::now();
  double outside = 0;
  std::size_t events = 0;
  while (wall_us(begin) - outside < seconds_each * 1e6) {
    auto making = clock_type::now();
    auto making_cpu = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    std::vector<append> appends;
    std::vector<const append*> pointers;
    appends.reserve(batch);
    for (std::size_t i = 0; i < batch; ++i)
      appends.push_back(scripts[random() % scripts.size()].say(
        "a hundred bytes of text, as people write it when they want to know where their parcel has "
        "gone to.."));
    for (const auto& each : appends)
      pointers.push_back(&each);
    outside += wall_us(making);
    auto cpu = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    process_outside += cpu - making_cpu;

    auto start = clock_type::now();
    auto receipt = store.commit(pointers);
    calls.push_back(wall_us(start));
    writer += cpu_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
    if (!receipt) {
      std::fprintf(stderr, "%s\n", receipt.failure().message.c_str());
      std::exit(1);
    }
    events += batch;
  }
  auto process = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - process_start - process_outside;
  auto elapsed = wall_us(begin) - outside;
  std::ranges::sort(calls);
  auto count = static_cast<double>(events);
  std::printf("commit of %4zu: %8.0f events/s, CPU per event %6.2f us writer, %6.2f us with "
              "flushes and compactions, "
              "call p50 %6.0f p99 %6.0f us\n",
              batch, count / elapsed * 1e6, writer / count, process / count, at(calls, 0.5),
              at(calls, 0.99));
}

void bench_pages(const event_store& store, const std::vector<test::conversation_script>& scripts,
                 bool visible) {
  constexpr auto all = std::numeric_limits<std::size_t>::max();
  std::minstd_rand random(2);
  std::vector<double> calls;
  auto cpu = cpu_us(CLOCK_THREAD_CPUTIME_ID);
  std::size_t events = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto& script = scripts[random() % scripts.size()];
    auto start = clock_type::now();
    auto page = visible ? store.read_visible_before(script.entity(), 0, 50, all)
                        : store.read_events_before(script.entity(), 0, 50, all);
    calls.push_back(wall_us(start));
    if (!page)
      std::exit(1);
    events += page->size();
  }
  cpu = cpu_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
  std::ranges::sort(calls);
  std::printf("newest 50 %s: %4.1f events a page, CPU %6.1f us, call p50 %6.1f p99 %6.1f us\n",
              visible ? "visible" : "of all ", static_cast<double>(events) / 20000, cpu / 20000,
              at(calls, 0.5), at(calls, 0.99));
}

} // namespace

int main(int count, char** words) {
  std::string folder
    = count > 1 ? words[1]
                : (std::filesystem::temp_directory_path() / "frontdesk-store-bench").string();
  std::filesystem::remove_all(folder);
  {
    persistence::store_options options;
    options.folder = folder;
    auto opened = persistence::open_store(options);
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.failure().message.c_str());
      return 1;
    }
    auto& store = **opened;
    std::vector<test::conversation_script> scripts;
    for (std::size_t i = 0; i < conversations; ++i) {
      scripts.emplace_back(tenant_id{1}, shard_id{static_cast<std::uint16_t>(1 + i % 63)}, i);
      auto opening = scripts.back().open();
      const append* pointer = &opening;
      if (!store.commit({&pointer, 1}))
        return 1;
    }
    for (std::size_t batch : {1, 50, 100, 500, 2000})
      bench_commits(store, scripts, batch);
    bench_pages(store, scripts, false);
    bench_pages(store, scripts, true);
  }
  std::filesystem::remove_all(folder);
  return 0;
}
