#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>

/// What Linux tells of processes and of the machine (/proc). A value that cannot be read is 0.
namespace frontdesk::load {

/// CLOCK_MONOTONIC in nanoseconds: the same clock in every process of the machine.
std::uint64_t now_ns();

struct process_sample {
  std::map<std::string, std::uint64_t>
    thread_cpu_ns{};        ///< by thread name, threads of a name summed
  std::uint64_t cpu_ns = 0; ///< whole process, ended threads included
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0; ///< resident, without files mapped: what the heap costs
  std::uint64_t descriptors = 0;
};

/// All zero when the process is gone.
process_sample sample_process(pid_t process);

struct machine_sample {
  std::uint64_t busy_ticks = 0;
  std::uint64_t all_ticks = 0;
  std::uint64_t slab_bytes = 0;
  std::uint64_t available_bytes = 0;
};

machine_sample sample_machine();
/// Share of all processors that was busy in between, 0 to 1.
double busy_share(const machine_sample& before, const machine_sample& after);

struct hardware {
  std::string processor{};
  unsigned cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string kernel{};
};

hardware describe_hardware();

/// Name of the file system that holds the path, such as "ext4" or "tmpfs"; a number for others.
std::string file_system_of(const std::string& path);

/// Raises the limit of open descriptors to its hard limit; what it is then.
std::uint64_t raise_descriptor_limit();

} // namespace frontdesk::load
