// Writes numbered events into a store and says which are acknowledged, so that store_torture.py can
// kill it, pull the plug, fill the disk or break it, and hold the store to its word afterwards.
//
//   store_writer write FOLDER [--conversations N] [--batch N] [--seconds S] [--fail-sync-after N]
//     standard output, one line each, after the fact:
//       opened                 the store is open
//       ack CONVERSATION SEQ   acknowledged up to this event
//       state NAME             the store's state has changed
//       read-failed MESSAGE    a read of something acknowledged went wrong
//   store_writer check FOLDER [--conversations N]
//       last CONVERSATION SEQ  what there is, after every event was read, in order and dense, with
//       its right text damaged CODE MESSAGE   the store is refused, or an event is problem KEY:
//       WORDS     from verify
//     exit code 0: whole; 3: damage was found; 1: something is wrong that should have been found,
//     or not be
//   store_writer failpoints .
//     exit code 0 if this build has them, else 4

#include "persistence/rocksdb_store.hpp"
#include "persistence/verify.hpp"
#include "tests/persistence/conversation_script.hpp"
#include "tests/persistence/faulty_file_system.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace frontdesk;
using namespace frontdesk::domain;

constexpr tenant_id tenant{1};

struct arguments {
  std::string mode{};
  std::string folder{};
  std::map<std::string, std::uint64_t> numbers{
    {"--conversations", 40},       {"--batch", 20},
    {"--seconds", 3600},           {"--fail-sync-after", 0},
    {"--disk-free-min", 1u << 20}, {"--text-bytes", 200}};
};

const char* name_of(store_state state) {
  switch (state) {
  case store_state::writable:
    return "writable";
  case store_state::full:
    return "full";
  case store_state::read_only:
    return "read_only";
  case store_state::failed:
    return "failed";
  }
  return "?";
}

// One line, one write, so that a kill leaves no half line that looks whole.
void say(const std::string& line) {
  auto bytes = line + "\n";
  if (::write(STDOUT_FILENO, bytes.data(), bytes.size()) < 0)
    std::_Exit(1);
}

shard_id shard_of_number(std::uint64_t number) {
  return shard_id{static_cast<std::uint16_t>(1 + number % (shard_count - 1))};
}

std::string text_of(std::uint64_t conversation, message_seq seq, std::size_t size) {
  auto text = "c" + std::to_string(conversation) + " s" + std::to_string(seq) + " ";
  // Not compressible to nothing, and told by conversation and seq alone.
  std::minstd_rand random(static_cast<unsigned>(conversation * 1000003 + seq));
  while (text.size() < size)
    text.push_back(static_cast<char>('a' + random() % 26));
  return text;
}

class writer {
public:
  explicit writer(const arguments& given) : given_(given) {}

  int run() {
    persistence::store_options options;
    options.folder = given_.folder;
    options.limits.disk_free_bytes_min = given_.numbers.at("--disk-free-min");
    if (auto after = given_.numbers.at("--fail-sync-after")) {
      auto faults = std::make_shared<test::faulty_file_system>();
      faults->set({.suffix = ".log", .sync_error = EIO, .after = after});
      options.file_system = faults;
    }
    auto opened = persistence::open_store(options);
    if (!opened) {
      say("damaged " + std::string(to_string(opened.failure().code)) + " "
          + opened.failure().message);
      return 3;
    }
    store_ = *std::move(opened);
    if (!load())
      return 1;
    say("opened");
    auto end
      = std::chrono::steady_clock::now() + std::chrono::seconds(given_.numbers.at("--seconds"));
    std::uint64_t rounds = 0;
    while (std::chrono::steady_clock::now() < end) {
      if (store_->state() != store_state::writable) {
        if (!wait_for_the_disk())
          return 0;
        continue;
      }
      if (!round())
        continue;
      if (++rounds % 256 == 0)
        watch(store_->probe());
    }
    return 0;
  }

private:
  bool load() {
    scripts_.clear();
    for (std::uint64_t i = 0; i < given_.numbers.at("--conversations"); ++i) {
      test::conversation_script fresh(tenant, shard_of_number(i), i);
      auto loaded = store_->load_conversation(fresh.entity());
      if (loaded)
        scripts_.emplace_back(fresh.entity(), *loaded);
      else if (loaded.failure().code == errc::not_found)
        scripts_.push_back(fresh);
      else {
        say("read-failed " + loaded.failure().message);
        return false;
      }
    }
    return true;
  }

  append next(std::size_t i) {
    auto& script = scripts_[i];
    auto text = text_of(i, script.seq() + 1, given_.numbers.at("--text-bytes"));
    if (script.seq() == 0)
      return script.open(text);
    auto made = random_() % 8 == 0 ? script.note(text) : script.say(text);
    if (random_() % 64 == 0)
      made.head = script.save().head;
    return made;
  }

  // One commit; false when it was not acknowledged.
  bool round() {
    std::vector<append> appends;
    std::map<std::uint64_t, message_seq> reached;
    for (std::uint64_t i = 0; i < given_.numbers.at("--batch"); ++i) {
      auto which = random_() % scripts_.size();
      appends.push_back(next(which));
      reached[which] = scripts_[which].seq();
    }
    std::vector<const append*> pointers;
    for (const auto& each : appends)
      pointers.push_back(&each);
    auto receipt = store_->commit(pointers);
    if (!receipt) {
      watch(store_->state());
      return false;
    }
    std::string lines;
    for (const auto& [conversation, seq] : reached) {
      if (!lines.empty())
        lines += "\n";
      lines += "ack " + std::to_string(conversation) + " " + std::to_string(seq);
      acknowledged_[conversation] = seq;
    }
    say(lines);
    return true;
  }

  void watch(store_state now) {
    if (now == told_)
      return;
    told_ = now;
    say(std::string("state ") + name_of(now));
  }

  // Reads go on all the while. The outcome of the failed commit is what the store says from now on.
  bool wait_for_the_disk() {
    watch(store_->state());
    for (const auto& [conversation, seq] : acknowledged_) {
      auto event = store_->read_event(scripts_[conversation].entity(), seq);
      if (!event)
        say("read-failed " + event.failure().message);
    }
    if (store_->state() == store_state::failed)
      return false;
    if (!load())
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    watch(store_->probe());
    return true;
  }

  const arguments& given_;
  std::unique_ptr<event_store> store_;
  std::vector<test::conversation_script> scripts_;
  std::map<std::uint64_t, message_seq> acknowledged_;
  store_state told_ = store_state::writable;
  std::minstd_rand random_{static_cast<unsigned>(::getpid())};
};

/// Reads all of one conversation in pages; the newest seq, or an error.
result<message_seq> check_conversation(const event_store& store, std::uint64_t number,
                                       std::size_t text_bytes) {
  test::conversation_script script(tenant, shard_of_number(number), number);
  message_seq seq = 0;
  for (;;) {
    auto page = store.read_events(script.entity(), seq + 1, 200, 1u << 20);
    if (!page)
      return page.failure();
    if (page->empty())
      return seq;
    for (const auto& event : *page) {
      if (event.seq != ++seq)
        return error{errc::internal, "event " + std::to_string(seq) + " is missing", {}};
      if (event.header.kind == event_kind::message
          && test::conversation_script::text_of(event) != text_of(number, seq, text_bytes))
        return error{errc::internal, "event " + std::to_string(seq) + " has a wrong text", {}};
    }
  }
}

int check(const arguments& given) {
  bool damaged = false;
  auto report = persistence::verify_store({given.folder, {}, 100, {}});
  if (!report) {
    say("damaged " + std::string(to_string(report.failure().code)) + " "
        + report.failure().message);
    damaged = true;
  } else {
    for (const auto& each : report->problems)
      say("problem " + each.key + ": " + each.what);
    damaged = !report->clean();
  }
  persistence::store_options options;
  options.folder = given.folder;
  options.limits.disk_free_bytes_min = 0;
  auto opened = persistence::open_store(options);
  if (!opened) {
    say("damaged " + std::string(to_string(opened.failure().code)) + " "
        + opened.failure().message);
    return 3;
  }
  for (std::uint64_t i = 0; i < given.numbers.at("--conversations"); ++i) {
    auto last = check_conversation(**opened, i, given.numbers.at("--text-bytes"));
    if (last)
      say("last " + std::to_string(i) + " " + std::to_string(*last));
    else {
      say("damaged " + std::string(to_string(last.failure().code)) + " conversation "
          + std::to_string(i) + ": " + last.failure().message);
      if (last.failure().code != errc::corrupt)
        return 1;
      damaged = true;
    }
  }
  return damaged ? 3 : 0;
}

} // namespace

int main(int count, char** words) {
  arguments given;
  if (count < 3) {
    std::fprintf(stderr, "usage: store_writer write|check FOLDER [--NAME NUMBER]...\n");
    return 2;
  }
  given.mode = words[1];
  given.folder = words[2];
  for (int i = 3; i < count; i += 2) {
    auto known = given.numbers.find(words[i]);
    if (known == given.numbers.end() || i + 1 == count) {
      std::fprintf(stderr, "unknown option %s\n", words[i]);
      return 2;
    }
    known->second = std::strtoull(words[i + 1], nullptr, 10);
  }
  if (given.mode == "check")
    return check(given);
#ifdef FRONTDESK_FAILPOINTS
  if (given.mode == "failpoints")
    return 0;
#else
  if (given.mode == "failpoints")
    return 4;
#endif
  if (given.mode == "write")
    return writer(given).run();
  std::fprintf(stderr, "unknown mode %s\n", words[1]);
  return 2;
}
