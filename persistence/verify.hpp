#pragma once

#include "domain/limits.hpp"
#include "domain/ports/event_store.hpp"
#include "domain/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rocksdb {
class FileSystem;
} // namespace rocksdb

/// What `frontdesk verify` does: reads the whole of a store that nobody has open and compares
/// everything that is said twice. It changes no file, so it may look at a damaged store before
/// anybody decides what to do with it.
namespace frontdesk::persistence {

struct verify_options {
  std::string folder{};
  domain::limits limits{};
  std::size_t problems_max = 100; ///< in the report's list; all are counted
  /// For tests alone.
  std::shared_ptr<rocksdb::FileSystem> file_system{};
};

struct verify_problem {
  std::string key{};  ///< where: a conversation and event, a key in hexadecimal digits, a file
  std::string what{}; ///< plain words
  friend bool operator==(const verify_problem&, const verify_problem&) = default;
};

struct verify_report {
  domain::store_identity identity{};
  std::uint64_t commit = 0;       ///< where recovery ends
  std::uint64_t acknowledged = 0; ///< what the watermark says
  std::uint64_t conversations = 0;
  std::uint64_t events = 0;
  std::uint64_t heads = 0;
  std::uint64_t open_conversations = 0;
  std::uint64_t state_entries = 0;
  std::uint64_t dedup_entries = 0;
  std::uint64_t problems_found = 0;
  std::vector<verify_problem> problems{};

  bool clean() const { return problems_found == 0; }
};

/// errc::not_found if there is no store, errc::io if a process has it open, errc::format_unknown
/// for a newer one. Damage of any kind is a problem in the report. Takes as long as reading
/// everything once; any thread.
domain::result<verify_report> verify_store(const verify_options& options);

} // namespace frontdesk::persistence
