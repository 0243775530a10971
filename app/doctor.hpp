#pragma once

#include "app/config.hpp"
#include "app/health.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

/// What `frontdesk doctor` looks at: whether this machine can run a node, in words that say what to
/// do.
namespace frontdesk::app {

struct finding {
  std::string name;
  health_status status = health_status::pass;
  std::string detail{}; ///< what was seen
  std::string advice{}; ///< what to do; empty when it passed
};

/// Writable by us, on a disk that keeps what it is told; the disk's name for people. Nothing is
/// made.
finding check_data_folder(const std::string& data);
/// Room against limits.disk_free_bytes_min.
finding check_free_space(const std::string& data, std::uint64_t free_bytes_min);
/// Writes 4 KiB and syncs it, some dozens of times, in the data folder (or its parent) and says how
/// long it took.
finding check_sync_latency(const std::string& data);
/// Hard limit of descriptors and how many visitors it holds.
finding check_descriptors(std::uint64_t reserved);
/// Free, or held by whom.
finding check_port(const std::string& name, const std::string& address, std::uint16_t port);
/// Not before this program was written, not behind the data folder's files, and kept by a time
/// service.
finding check_clock(const std::string& data);
/// How much memory there is and where the watermarks lie.
finding check_memory(const domain::limits& limits);

// -- the decisions, pure
// -----------------------------------------------------------------------------------------

finding judge_sync_latency(std::vector<std::chrono::microseconds> samples);
finding judge_descriptors(std::uint64_t hard_limit, std::uint64_t reserved);
finding judge_free_space(std::uint64_t free_bytes, std::uint64_t free_bytes_min);
/// `synchronised` as the kernel says; `newest_file_seconds` 0 = no file.
finding judge_clock(std::int64_t now_seconds, std::int64_t newest_file_seconds, bool synchronised);

/// The worst of them.
health_status worst(const std::vector<finding>& findings);
/// One line each, with what to do below; `colour` marks the status.
std::string doctor_text(const std::vector<finding>& findings, bool colour);
/// {"status":"pass","checks":[{"name":...,"status":...,"detail":...,"advice":...}]}
std::string doctor_json(const std::vector<finding>& findings);

} // namespace frontdesk::app
