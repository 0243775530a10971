#include "load/measurement.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace frontdesk::load {

namespace {

using domain::errc;
using domain::error;

constexpr auto poll_interval = std::chrono::milliseconds(2);
constexpr double set_up_seconds_max = 120; ///< of one worker
constexpr double fill_seconds_max = 900;
constexpr double settle_seconds = 1; ///< for the server to come to rest before memory is read
constexpr unsigned last_source_address = 17;

/// What parent and workers share.
struct shared_memory {
  control orders{};
  std::array<worker_report, 64> reports{};
};

struct unmap {
  void operator()(shared_memory* memory) const { munmap(memory, sizeof(shared_memory)); }
};

using shared_pointer = std::unique_ptr<shared_memory, unmap>;

class crew {
public:
  crew(const scenario& what, node_address node, shared_pointer memory)
    : what_(what), node_(std::move(node)), memory_(std::move(memory)) {}

  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  ~crew() {
    for (const auto each : processes_) {
      kill(each, SIGKILL);
      waitpid(each, nullptr, 0);
    }
  }

  domain::result<void> start() {
    for (std::uint32_t index = 0; index < what_.processes; ++index) {
      const pid_t child = fork();
      if (child < 0)
        return error{errc::io, std::string{"cannot fork: "} + std::strerror(errno)};
      if (child == 0)
        run_worker(index, what_, node_, memory_->orders, memory_->reports.at(index));
      processes_.push_back(child);
    }
    return {};
  }

  /// Lets one worker after the other connect, so that the agents of each get its own visitors.
  domain::result<void> set_up() {
    for (std::uint32_t index = 0; index < what_.processes; ++index) {
      memory_->orders.turn.store(index);
      auto ready = wait([&] { return state(index) == worker_state::ready; }, set_up_seconds_max,
                        "the set-up took too long");
      if (!ready)
        return ready;
    }
    return {};
  }

  void order(phase next) { memory_->orders.now.store(next); }

  domain::result<void> fill() {
    order(phase::fill);
    return wait([&] { return memory_->orders.filled.load() == what_.processes; }, fill_seconds_max,
                "storing took too long");
  }

  /// Waits for the time, unless a worker fails.
  domain::result<void> pass(double seconds) {
    const auto end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
    while (now_ns() < end) {
      if (auto failed = check(); !failed)
        return failed;
      const auto left = std::chrono::nanoseconds(end - std::min(end, now_ns()));
      std::this_thread::sleep_for(
        std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(50)));
    }
    return {};
  }

  void drain() {
    order(phase::drain);
    const auto all_drained = [&] {
      for (std::uint32_t i = 0; i < what_.processes; ++i)
        if (state(i) != worker_state::drained)
          return false;
      return true;
    };
    // What is not drained in time is counted as lost by its worker.
    static_cast<void>(wait(all_drained, what_.drain_seconds, ""));
  }

  void quit() {
    order(phase::quit);
    for (const auto each : processes_)
      waitpid(each, nullptr, 0);
    processes_.clear();
  }

  const std::vector<pid_t>& processes() const { return processes_; }

  std::uint64_t sum(std::atomic<std::uint64_t> worker_report::*member) const {
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < what_.processes; ++i)
      total += (memory_->reports.at(i).*member).load(std::memory_order_relaxed);
    return total;
  }

  template <class Pick>
  latency merged(Pick pick) const {
    auto all = std::make_unique<histogram>();
    for (std::uint32_t i = 0; i < what_.processes; ++i)
      all->add(pick(memory_->reports.at(i)));
    return summarise(*all);
  }

private:
  worker_state state(std::uint32_t index) const { return memory_->reports.at(index).state.load(); }

  domain::result<void> check() {
    for (std::uint32_t i = 0; i < what_.processes; ++i)
      if (state(i) == worker_state::failed)
        return error{errc::unavailable, memory_->reports.at(i).failure.data()};
    for (const auto each : processes_) {
      siginfo_t ended{};
      if (waitid(P_PID, static_cast<id_t>(each), &ended, WEXITED | WNOHANG | WNOWAIT) == 0
          && ended.si_pid != 0)
        return error{errc::internal, "a process of the load ended by itself"};
    }
    return {};
  }

  template <class Done>
  domain::result<void> wait(Done done, double seconds, const char* complaint) {
    const auto end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
    while (!done()) {
      if (auto failed = check(); !failed)
        return failed;
      if (now_ns() > end)
        return error{errc::timeout, complaint};
      std::this_thread::sleep_for(poll_interval);
    }
    return {};
  }

  const scenario& what_;
  node_address node_;
  shared_pointer memory_;
  std::vector<pid_t> processes_{};
};

/// Everything that is read at both ends of the measured time.
struct reading {
  std::uint64_t time_ns = 0;
  machine_sample machine{};
  process_sample server{};
  std::uint64_t load_cpu_ns = 0;
  std::map<std::string, double> metrics{};
  std::uint64_t sent = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t pushed = 0;
  std::uint64_t pages = 0;
};

reading read_all(const crew& workers, const measured_node& node, node_admin& admin) {
  reading now;
  now.metrics = admin.metrics();
  if (node.process)
    now.server = sample_process(*node.process);
  for (const auto each : workers.processes())
    now.load_cpu_ns += sample_process(each).cpu_ns;
  now.machine = sample_machine();
  now.time_ns = now_ns();
  now.sent = workers.sum(&worker_report::sent);
  now.acknowledged = workers.sum(&worker_report::acknowledged);
  now.pushed = workers.sum(&worker_report::pushed);
  now.pages = workers.sum(&worker_report::pages);
  return now;
}

double grown(const std::map<std::string, double>& before,
             const std::map<std::string, double>& after, const std::string& name) {
  const auto find = [&](const auto& values) {
    const auto found = values.find(name);
    return found == values.end() ? 0.0 : found->second;
  };
  return find(after) - find(before);
}

/// Upper end, in microseconds, of the bucket in which the quantile of what was added lies.
double bucket_quantile_us(const std::map<std::string, double>& before,
                          const std::map<std::string, double>& after, const std::string& name,
                          double share) {
  const auto prefix = name + "_bucket{le=\"";
  std::vector<std::pair<double, double>> buckets; // bound, count so far
  for (auto it = after.lower_bound(prefix); it != after.end() && it->first.starts_with(prefix);
       ++it) {
    const auto bound = std::strtod(it->first.c_str() + prefix.size(), nullptr); // +Inf as well
    buckets.emplace_back(bound, grown(before, after, it->first));
  }
  std::ranges::sort(buckets);
  if (buckets.empty() || buckets.back().second <= 0)
    return 0;
  for (const auto& [bound, count] : buckets)
    if (count >= share * buckets.back().second)
      return bound * 1e6;
  return 0;
}

void compare(const reading& before, const reading& after, measurement& result) {
  result.seconds = static_cast<double>(after.time_ns - before.time_ns) / 1e9;
  result.sent = after.sent - before.sent;
  result.acknowledged = after.acknowledged - before.acknowledged;
  result.pushed = after.pushed - before.pushed;
  result.pages = after.pages - before.pages;
  result.machine_busy = busy_share(before.machine, after.machine);
  result.load_cpu_us = static_cast<double>(after.load_cpu_ns - before.load_cpu_ns) / 1e3;
  result.server_cpu_us = static_cast<double>(after.server.cpu_ns - before.server.cpu_ns) / 1e3;
  for (const auto& [name, spent] : after.server.thread_cpu_ns) {
    const auto earlier = before.server.thread_cpu_ns.find(name);
    const auto was = earlier == before.server.thread_cpu_ns.end() ? 0 : earlier->second;
    if (spent > was)
      result.server_thread_cpu_us[name] = static_cast<double>(spent - was) / 1e3;
  }
  result.commits = grown(before.metrics, after.metrics, "frontdesk_commits_total");
  result.committed_events
    = grown(before.metrics, after.metrics, "frontdesk_committed_events_total");
  result.history_p99_us
    = bucket_quantile_us(before.metrics, after.metrics, "frontdesk_history_seconds", 0.99);
  result.commit_p50_us
    = bucket_quantile_us(before.metrics, after.metrics, "frontdesk_commit_seconds", 0.5);
  result.commit_p99_us
    = bucket_quantile_us(before.metrics, after.metrics, "frontdesk_commit_seconds", 0.99);
}

void collect(const crew& workers, measurement& result) {
  result.to_ack = workers.merged([](const auto& each) -> const histogram& { return each.to_ack; });
  result.to_push
    = workers.merged([](const auto& each) -> const histogram& { return each.to_push; });
  result.from_sent
    = workers.merged([](const auto& each) -> const histogram& { return each.from_sent; });
  for (std::size_t i = 0; i < page_places.size(); ++i)
    result.page[i]
      = workers.merged([i](const auto& each) -> const histogram& { return each.page[i]; });
  result.connected = workers.sum(&worker_report::connected);
  result.echoed = workers.sum(&worker_report::echoed);
  result.refused = workers.sum(&worker_report::refused);
  result.rejected = workers.sum(&worker_report::rejected);
  result.gaps = workers.sum(&worker_report::gaps);
  result.resyncs = workers.sum(&worker_report::resyncs);
  result.problems = workers.sum(&worker_report::problems);
  result.disconnects = workers.sum(&worker_report::disconnects);
  result.connect_failures = workers.sum(&worker_report::connect_failures);
  result.lost = workers.sum(&worker_report::lost);
  result.postponed = workers.sum(&worker_report::postponed);
  result.unsent = workers.sum(&worker_report::unsent);
  result.slow_cut = workers.sum(&worker_report::slow_cut);
  result.flood_cut = workers.sum(&worker_report::flood_cut);
  result.flood_cut_code = workers.sum(&worker_report::flood_cut_code);
  result.flood_warnings = workers.sum(&worker_report::flood_warnings);
  result.flood_frames = workers.sum(&worker_report::flood_frames);
}

domain::result<node_address> log_in_data(const scenario& what, const measured_node& node,
                                         node_admin& admin) {
  node_address address;
  address.address = node.address;
  address.port = node.port;
  if (node.address == "127.0.0.1") // any address of 127/8 is ours, and each has its own ports
    for (unsigned last = 2; last <= last_source_address; ++last)
      address.source_addresses.push_back("127.0.0." + std::to_string(last));
  auto key = admin.inbox_key();
  if (!key)
    return key.failure();
  address.inbox_key = *std::move(key);
  std::size_t agents = 0;
  for (std::uint32_t i = 0; i < what.processes; ++i)
    agents += agents_of(what, i);
  auto tokens = admin.agents(agents);
  if (!tokens)
    return tokens.failure();
  address.agent_tokens = *std::move(tokens);
  return address;
}

} // namespace

latency summarise(const histogram& all) {
  return {all.count(),        all.mean(),          all.quantile(0.5), all.quantile(0.9),
          all.quantile(0.99), all.quantile(0.999), all.most()};
}

domain::result<measurement> measure(const scenario& what, const measured_node& node,
                                    node_admin& admin) {
  measurement result;
  result.what = what;
  if (what.processes == 0 || what.processes > std::tuple_size_v<decltype(shared_memory::reports)>)
    return error{errc::bad_request, "1 to 64 processes", "processes"};
  auto address = log_in_data(what, node, admin);
  if (!address)
    return address.failure();
  void* raw = mmap(nullptr, sizeof(shared_memory), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED)
    return error{errc::io, std::string{"cannot map memory: "} + std::strerror(errno)};
  crew workers{what, *std::move(address), shared_pointer{new (raw) shared_memory{}}};

  if (node.process)
    result.server_before = sample_process(*node.process);
  result.slab_before = sample_machine().slab_bytes;
  const auto first_metrics = admin.metrics();
  const auto begin = now_ns();
  if (auto started = workers.start(); !started)
    return started.failure();
  if (auto ready = workers.set_up(); !ready)
    return ready.failure();
  result.set_up_seconds = static_cast<double>(now_ns() - begin) / 1e9;
  result.connections = workers.sum(&worker_report::connected);
  if (auto rested = workers.pass(settle_seconds); !rested)
    return rested.failure();
  if (node.process)
    result.server_connected = sample_process(*node.process);
  result.slab_connected = sample_machine().slab_bytes;

  if (what.mode == load_mode::history) {
    const auto since = now_ns();
    if (auto filled = workers.fill(); !filled)
      return filled.failure();
    result.fill_seconds = static_cast<double>(now_ns() - since) / 1e9;
  }
  workers.order(phase::traffic);
  if (auto warm = workers.pass(what.warm_up_seconds); !warm)
    return warm.failure();
  workers.order(phase::measure);
  const auto before = read_all(workers, node, admin);
  if (auto passed = workers.pass(what.seconds); !passed)
    return passed.failure();
  const auto after = read_all(workers, node, admin);
  compare(before, after, result);
  workers.drain();
  if (node.process)
    result.server_end = sample_process(*node.process);
  const auto last_metrics = admin.metrics();
  result.slow_consumers = grown(first_metrics, last_metrics, "frontdesk_slow_consumers_total");
  result.shaper_cuts = grown(first_metrics, last_metrics, "frontdesk_shaper_cuts_total");
  workers.quit();
  collect(workers, result);
  return result;
}

} // namespace frontdesk::load
