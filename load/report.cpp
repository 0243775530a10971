#include "load/report.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace frontdesk::load {

namespace {

namespace json = boost::json;

std::string number(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// 1234567 as 1,234,567.
std::string grouped(double value) {
  auto digits = number(value, 0);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

std::string milliseconds(std::uint64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds) / 1e6;
  return number(value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

std::string quantiles(const latency& of) {
  return of.count == 0 ? "-"
                       : milliseconds(of.p50) + " / " + milliseconds(of.p90) + " / "
                           + milliseconds(of.p99) + " / " + milliseconds(of.most);
}

bool is_hot(std::string_view thread) {
  // RocksDB's own threads flush and compact; the others wait or serve operators, or have no name.
  for (const auto other : {"rocksdb", "main", "frontdesk", "exe", "log", "watchdog", "fd-admin"})
    if (thread.starts_with(other))
      return false;
  return true;
}

double hot_us(const measurement& one) {
  double sum = 0;
  for (const auto& [name, spent] : one.server_thread_cpu_us)
    if (is_hot(name))
      sum += spent;
  return sum;
}

double per(double total, std::uint64_t count) {
  return count == 0 ? 0 : total / static_cast<double>(count);
}

double per_connection(std::uint64_t before, std::uint64_t after, std::uint64_t count) {
  return count == 0 ? 0
                    : (static_cast<double>(after) - static_cast<double>(before))
                        / static_cast<double>(count);
}

std::string_view name_of(load_mode mode) {
  switch (mode) {
  case load_mode::closed:
    return "closed";
  case load_mode::open:
    return "open";
  case load_mode::idle:
    return "idle";
  case load_mode::history:
    return "history";
  }
  return "";
}

bool has_messages(const measurement& one) {
  return one.what.mode == load_mode::closed || one.what.mode == load_mode::open;
}

std::string columns_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i)
        widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size())
        out.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += "\n";
  }
  return out;
}

std::string message_table(const std::vector<measurement>& all) {
  std::vector<std::vector<std::string>> rows{
    {"scenario", "offered/s", "durable/s", "server us/msg", "hot path us/msg",
     "ack p50/p90/p99/max ms", "push p50/p90/p99/max ms", "batch", "busy", "errors"}};
  for (const auto& one : all) {
    if (!has_messages(one))
      continue;
    const auto errors
      = one.lost + one.rejected + one.disconnects + one.connect_failures + one.problems;
    const bool known = one.server_cpu_us > 0;
    rows.push_back({one.what.name, one.what.mode == load_mode::open ? grouped(one.what.rate) : "-",
                    grouped(one.per_second(one.acknowledged)),
                    known ? number(per(one.server_cpu_us, one.acknowledged), 1) : "-",
                    known ? number(per(hot_us(one), one.acknowledged), 1) : "-",
                    quantiles(one.to_ack), quantiles(one.to_push),
                    one.commits > 0 ? number(one.committed_events / one.commits, 1) : "-",
                    number(one.machine_busy * 100, 0) + "%", std::to_string(errors)});
  }
  return rows.size() == 1 ? "" : columns_text(rows) + "\n";
}

std::string details_of(const measurement& one) {
  std::string out = one.what.name + ": ";
  if (has_messages(one)) {
    out += std::to_string(one.what.pairs) + " pairs, "
           + (one.what.form == domain::wire_form::proto ? "binary" : "JSON") + " frames, "
           + std::to_string(one.what.text_bytes) + "-byte texts";
    if (one.what.mode == load_mode::closed)
      out += ", " + std::to_string(one.what.window) + " on the way per pair";
    out += "; " + std::to_string(one.refused) + " refused for now, " + std::to_string(one.rejected)
           + " for good, " + std::to_string(one.lost) + " lost, " + std::to_string(one.postponed)
           + " postponed, " + std::to_string(one.unsent) + " unsent, "
           + std::to_string(one.disconnects) + " disconnects, " + std::to_string(one.resyncs)
           + " resyncs, " + std::to_string(one.gaps) + " gaps\n";
    if (one.server_cpu_us > 0 && one.acknowledged > 0) {
      out += "  server us/msg by thread:";
      for (const auto& [name, spent] : one.server_thread_cpu_us)
        out += " " + name + " " + number(per(spent, one.acknowledged), 2)
               + (is_hot(name) ? "" : " (not hot path)") + ",";
      out.back() = ';';
      out += " load's own " + number(per(one.load_cpu_us, one.acknowledged), 1) + "; RSS "
             + grouped(static_cast<double>(one.server_end.resident_bytes) / 1048576) + " MiB\n";
    }
    if (one.what.slow_readers != 0)
      out += "  slow readers: " + std::to_string(one.what.slow_readers) + ", cut by the node "
             + number(one.slow_consumers, 0) + "; RSS grew "
             + grouped((static_cast<double>(one.server_end.resident_bytes)
                        - static_cast<double>(one.server_connected.resident_bytes))
                       / 1048576)
             + " MiB\n";
    if (one.what.flooders != 0)
      out += "  flooders: " + std::to_string(one.what.flooders) + ", "
             + grouped(static_cast<double>(one.flood_frames)) + " frames, "
             + std::to_string(one.flood_warnings) + " warnings, " + std::to_string(one.flood_cut)
             + " cut\n";
    return out;
  }
  if (one.what.mode == load_mode::idle) {
    out += grouped(static_cast<double>(one.connections)) + " visitors logged in within "
           + number(one.set_up_seconds, 1) + " s ("
           + grouped(static_cast<double>(one.connections) / std::max(one.set_up_seconds, 0.001))
           + "/s)";
    if (one.server_connected.resident_bytes != 0)
      out += "; server "
             + grouped(per_connection(one.server_before.resident_bytes,
                                      one.server_connected.resident_bytes, one.connections))
             + " bytes RSS each ("
             + grouped(per_connection(one.server_before.anonymous_bytes,
                                      one.server_connected.anonymous_bytes, one.connections))
             + " anonymous), " + number(one.server_cpu_us / one.seconds / 1e4, 2) + " % of a core";
    out += "; kernel slab "
           + grouped(per_connection(one.slab_before, one.slab_connected, one.connections))
           + " bytes each, both ends; " + std::to_string(one.disconnects) + " disconnects\n";
    return out;
  }
  out += grouped(static_cast<double>(one.what.stored_messages)) + " messages stored in "
         + std::to_string(one.what.pairs) + " conversations (" + number(one.fill_seconds, 1)
         + " s), " + std::to_string(one.what.readers) + " readers, pages of "
         + std::to_string(one.what.page_events) + ": " + grouped(one.per_second(one.pages))
         + " pages/s";
  if (one.server_cpu_us > 0)
    out += ", " + number(per(one.server_cpu_us, one.pages), 1) + " us of server each";
  out += "; errors " + std::to_string(one.problems + one.disconnects) + "\n";
  for (std::size_t i = 0; i < page_places.size(); ++i)
    out += std::string{"  "} + page_places[i] + ": p50/p90/p99/max " + quantiles(one.page[i])
           + " ms\n";
  if (one.history_p99_us > 0)
    out += "  read by the server: p99 <= " + number(one.history_p99_us / 1e3, 2) + " ms\n";
  return out;
}

json::object json_of(const latency& of) {
  const auto us = [](std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; };
  return {{"count", of.count},    {"mean_us", of.mean / 1e3}, {"p50_us", us(of.p50)},
          {"p90_us", us(of.p90)}, {"p99_us", us(of.p99)},     {"p999_us", us(of.p999)},
          {"max_us", us(of.most)}};
}

json::object json_of(const scenario& what) {
  return {{"mode", name_of(what.mode)},
          {"form", what.form == domain::wire_form::proto ? "proto" : "json"},
          {"pairs", what.pairs},
          {"conversations_per_agent", what.per_agent},
          {"idle_visitors", what.visitors_idle},
          {"writes", what.who == speaker::visitor ? "visitor"
                     : what.who == speaker::agent ? "agent"
                                                  : "both"},
          {"window", what.window},
          {"rate", what.rate},
          {"text_bytes", what.text_bytes},
          {"warm_up_seconds", what.warm_up_seconds},
          {"processes", what.processes},
          {"stored_messages", what.stored_messages},
          {"readers", what.readers},
          {"page_events", what.page_events},
          {"slow_readers", what.slow_readers},
          {"flooders", what.flooders}};
}

json::object json_of(const measurement& one) {
  json::object threads;
  for (const auto& [name, spent] : one.server_thread_cpu_us)
    threads[name]
      = json::object{{"us_per_message", per(spent, one.acknowledged)}, {"hot_path", is_hot(name)}};
  json::object pages;
  for (std::size_t i = 0; i < page_places.size(); ++i)
    pages[page_places[i]] = json_of(one.page[i]);
  return {
    {"name", one.what.name},
    {"scenario", json_of(one.what)},
    {"seconds", one.seconds},
    {"set_up_seconds", one.set_up_seconds},
    {"fill_seconds", one.fill_seconds},
    {"messages_per_second", one.per_second(one.acknowledged)},
    {"pages_per_second", one.per_second(one.pages)},
    {"sent", one.sent},
    {"acknowledged", one.acknowledged},
    {"pushed", one.pushed},
    {"send_to_ack", json_of(one.to_ack)},
    {"send_to_push", json_of(one.to_push)},
    {"really_sent_to_ack", json_of(one.from_sent)},
    {"pages", std::move(pages)},
    {"server_cpu_us_per_message", per(one.server_cpu_us, one.acknowledged)},
    {"server_hot_path_us_per_message", per(hot_us(one), one.acknowledged)},
    {"server_cpu_us_per_page", per(one.server_cpu_us, one.pages)},
    {"server_cpu_share_of_core", one.seconds > 0 ? one.server_cpu_us / one.seconds / 1e6 : 0},
    {"server_threads", std::move(threads)},
    {"load_cpu_us_per_message", per(one.load_cpu_us, one.acknowledged)},
    {"machine_busy_share", one.machine_busy},
    {"events_per_commit", one.commits > 0 ? one.committed_events / one.commits : 0},
    {"commits_per_second", one.seconds > 0 ? one.commits / one.seconds : 0},
    {"commit_p50_us_at_most", one.commit_p50_us},
    {"commit_p99_us_at_most", one.commit_p99_us},
    {"history_server_p99_us_at_most", one.history_p99_us},
    {"connections", one.connections},
    {"server_rss_bytes", json::object{{"before", one.server_before.resident_bytes},
                                      {"connected", one.server_connected.resident_bytes},
                                      {"end", one.server_end.resident_bytes}}},
    {"server_rss_bytes_per_connection",
     per_connection(one.server_before.resident_bytes, one.server_connected.resident_bytes,
                    one.connections)},
    {"server_anonymous_bytes_per_connection",
     per_connection(one.server_before.anonymous_bytes, one.server_connected.anonymous_bytes,
                    one.connections)},
    {"kernel_slab_bytes_per_connection_both_ends",
     per_connection(one.slab_before, one.slab_connected, one.connections)},
    {"errors", json::object{{"refused_for_now", one.refused},
                            {"rejected", one.rejected},
                            {"lost", one.lost},
                            {"postponed", one.postponed},
                            {"unsent", one.unsent},
                            {"disconnects", one.disconnects},
                            {"connect_failures", one.connect_failures},
                            {"resyncs", one.resyncs},
                            {"gaps", one.gaps},
                            {"problems", one.problems}}},
    {"echoed", one.echoed},
    {"slow_readers", json::object{{"cut_seen", one.slow_cut}, {"cut_by_node", one.slow_consumers}}},
    {"flood", json::object{{"frames", one.flood_frames},
                           {"warnings", one.flood_warnings},
                           {"cut_seen", one.flood_cut},
                           {"cut_code", one.flood_cut_code},
                           {"cut_by_node", one.shaper_cuts}}}};
}

} // namespace

std::string table_of(const surroundings& where, const std::vector<measurement>& all) {
  std::string out = where.machine.processor + ", " + std::to_string(where.machine.cores)
                    + " cores, "
                    + grouped(static_cast<double>(where.machine.memory_bytes) / 1073741824)
                    + " GiB, " + where.machine.kernel
                    + (where.file_system.empty() ? "" : ", data on " + where.file_system) + "\n";
  if (!where.server.empty())
    out += "Server: " + where.server + "\n";
  out += "Sync: " + where.sync + "\nThe load runs on the same machine.\n\n";
  out += message_table(all);
  for (const auto& one : all)
    out += details_of(one);
  return out;
}

std::string json_of(const surroundings& where, const std::vector<measurement>& all) {
  json::array rows;
  for (const auto& one : all)
    rows.push_back(json_of(one));
  const json::object report{{"machine", json::object{{"processor", where.machine.processor},
                                                     {"cores", where.machine.cores},
                                                     {"memory_bytes", where.machine.memory_bytes},
                                                     {"kernel", where.machine.kernel},
                                                     {"file_system", where.file_system}}},
                            {"server", where.server},
                            {"sync", where.sync},
                            {"measurements", std::move(rows)}};
  return json::serialize(report);
}

} // namespace frontdesk::load
