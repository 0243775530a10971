#pragma once

#include "domain/result.hpp"

#include <cstdint>
#include <filesystem>

/// The memory watermark: how full memory is, and what is refused because of it.
namespace frontdesk::app {

/// 0 normal, 1 no new conversations, 2 no visitor writes. Staff go on in every level.
using memory_level = int;

struct memory_use {
  std::uint64_t used_bytes = 0;  ///< resident memory of this process
  std::uint64_t limit_bytes = 0; ///< the smaller of the cgroup's limit and the machine's memory
};

/// The level after a reading. A level is entered at its percentage of `base_bytes` and left five
/// points below it, so that a reading on the line does not flap. Pure.
memory_level next_memory_level(memory_level now, std::uint64_t used_bytes, std::uint64_t base_bytes,
                               std::uint64_t opening_percent, std::uint64_t visitor_percent);

/// Reads /proc and /sys/fs/cgroup (version 1 or 2, with the limits of parent groups) below `root`.
/// errc::io when /proc cannot be read.
domain::result<memory_use> read_memory_use(const std::filesystem::path& root = "/");

} // namespace frontdesk::app
