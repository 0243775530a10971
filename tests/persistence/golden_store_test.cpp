#include "persistence/database.hpp"
#include "persistence/rocksdb_store.hpp"
#include "persistence/verify.hpp"
#include "proto/records.hpp"
#include "tests/persistence/conversation_script.hpp"
#include "tests/persistence/store_files.hpp"
#include "tests/persistence/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <sstream>

// A store that the first format has written. Every later build opens it and reads the same from it.
// It is made once: FRONTDESK_REWRITE=1 fills tests/golden/store/v1 only where it is missing, and
// rewrites what is read from it.
namespace frontdesk::persistence {

using namespace domain;
using namespace frontdesk::test;

namespace {

constexpr auto all = std::numeric_limits<std::size_t>::max();
constexpr unix_ms time_of_writing = 1700000000000;
const std::string golden_store = std::string(FRONTDESK_SOURCE_DIR) + "/tests/golden/store/v1";
const std::string golden_reading = golden_store + ".txt";

bool rewriting() {
  const char* wanted = std::getenv("FRONTDESK_REWRITE");
  return wanted != nullptr && std::string_view(wanted) == "1";
}

struct cast {
  conversation_script shop_waiting{tenant_id{1}, shard_id{5}, 1};
  conversation_script shop_active{tenant_id{1}, shard_id{63}, 2};
  conversation_script bank_resolved{tenant_id{2}, shard_id{5}, 3};
};

entity_key configuration_of(tenant_id tenant) {
  return {configuration_shard, tenant, entity_kind::configuration, {}};
}

void commit(event_store& store, const std::vector<append>& appends) {
  std::vector<const append*> pointers;
  for (const auto& each : appends)
    pointers.push_back(&each);
  auto receipt = store.commit(pointers);
  ASSERT_TRUE(receipt) << receipt.failure().message;
}

// Half of it comes to stand in tables, half in the write-ahead log.
void make_golden_store(const std::string& folder) {
  store_options options{.folder = folder, .now = [] { return time_of_writing; }};
  cast who;
  append settings;
  settings.entity = configuration_of(tenant_id{1});
  settings.states = {{{settings.entity, state_field::record, {}},
                      proto::encode(tenant_record{"Shop", std::string(32, 'k'), time_of_writing})},
                     {{settings.entity, state_field::inbox, numbered<entity_id>(4)},
                      proto::encode(inbox_record{
                        "Web", "inboxkey", {"https://shop.example"}, {}, time_of_writing})}};
  {
    auto store = open_store(options);
    ASSERT_TRUE(store) << store.failure().message;
    commit(**store, {settings, who.shop_waiting.open("你好"), who.shop_active.open("hello")});
    commit(**store,
           {who.shop_waiting.say("退款", 2), who.shop_active.assign(numbered<account_id>(9)),
            who.bank_resolved.open("bank")});
    auto pointers = who.shop_active.note("regular customer");
    pointers.states.push_back(
      {{pointers.entity, state_field::pointer, numbered<entity_id>(9)},
       proto::encode(pointer{{participant_kind::account, numbered<entity_id>(9)}, 2, 1})});
    commit(**store, {pointers, who.bank_resolved.resolve()});
  }
  auto store = open_store(options);
  ASSERT_TRUE(store) << store.failure().message;
  commit(**store, {who.shop_waiting.edit(2, "退款!"), who.shop_active.say("later", 3)});
  append counter;
  counter.entity = {shard_id{5}, tenant_id{0}, entity_kind::conversation, {}};
  counter.states
    = {{{counter.entity, state_field::counter, {}}, std::string("\0\0\0\0\0\0\4\0", 8)}};
  commit(**store, {counter});
}

std::string hex(std::string_view bytes) {
  return to_hex(bytes);
}

void tell(std::ostream& out, const event_store& store, const conversation_script& script) {
  const auto& entity = script.entity();
  out << "conversation " << to_string(entity.id) << " of tenant " << value(entity.tenant) << "\n";
  auto loaded = store.load_conversation(entity);
  if (!loaded) {
    out << "  " << loaded.failure().message << "\n";
    return;
  }
  out << "  head " << hex(proto::encode(loaded->head)) << "\n";
  for (const auto& each : loaded->pointers)
    out << "  pointer " << hex(proto::encode(each)) << "\n";
  auto events = store.read_events(entity, 1, all, all);
  for (const auto& event : *events)
    out << "  event " << event.seq << " visible " << event.header.visible_seq
        << (event.header.hidden ? " hidden" : "") << " revision " << event.revision << " "
        << hex(proto::encode_event(event)) << "\n";
  auto visible = store.read_visible(entity, 1, all, all);
  for (const auto& event : *visible)
    out << "  visible " << event.header.visible_seq << " is " << event.seq << "\n";
  auto opening = store.get_dedup(script.visitor_entity(), entity.id.view());
  out << "  opening " << (opening && *opening ? hex(**opening) : "none") << "\n";
  auto index = store.scan_state(script.visitor_entity(), state_field::conversation);
  for (const auto& [id, empty] : *index)
    out << "  of its visitor " << to_string(id) << "\n";
}

std::string read_everything(const event_store& store) {
  std::ostringstream out;
  auto identity = store.identity();
  out << "store " << to_string(identity.id) << " incarnation " << identity.incarnation << " format "
      << identity.format << "\n";
  for (std::uint16_t i = 0; i < shard_count; ++i)
    if (auto position = store.applied_position(shard_id{i}))
      out << "shard " << i << " position " << position << "\n";
  cast who;
  tell(out, store, who.shop_waiting);
  tell(out, store, who.shop_active);
  tell(out, store, who.bank_resolved);
  auto tenants = store.tenants_with_open();
  for (auto tenant : *tenants) {
    auto open = store.scan_open(tenant);
    for (const auto& [row, position] : open->rows)
      out << "open in tenant " << value(tenant) << " at " << position << " "
          << hex(proto::encode(row)) << "\n";
  }
  auto configuration = store.scan_configuration();
  for (const auto& [key, bytes] : *configuration)
    out << "configuration of " << value(key.entity.tenant) << " field "
        << static_cast<int>(key.field) << " " << to_string(key.sub) << " " << hex(bytes) << "\n";
  auto counter = store.get_state(
    {{shard_id{5}, tenant_id{0}, entity_kind::conversation, {}}, state_field::counter, {}});
  out << "counter " << (counter && *counter ? hex(**counter) : "none") << "\n";
  return out.str();
}

class golden_store_test : public ::testing::Test {
protected:
  void SetUp() override {
    if (rewriting() && !std::filesystem::exists(golden_store)) {
      std::filesystem::create_directories(std::filesystem::path(golden_store).parent_path());
      make_golden_store(golden_store);
      // None of these is needed to open a store, and they tell of the machine that made it.
      std::filesystem::remove(golden_store + "/lock");
      for (const auto& entry : std::filesystem::directory_iterator(database_path(golden_store))) {
        auto name = entry.path().filename().string();
        if (name.starts_with("LOG") || name.starts_with("OPTIONS"))
          std::filesystem::remove(entry.path());
      }
    }
    copy_folder(golden_store, folder_ / "store");
  }

  result<std::unique_ptr<event_store>> open() {
    return open_store({.folder = folder_ / "store", .now = [] { return time_of_writing; }});
  }

  temporary_folder folder_;
};

} // namespace

TEST_F(golden_store_test, reads_what_the_first_format_has_written) {
  auto store = open();
  ASSERT_TRUE(store) << store.failure().message;
  auto reading = read_everything(**store);
  if (rewriting())
    write_file(golden_reading, reading);
  EXPECT_EQ(reading, read_file(golden_reading));
}

TEST_F(golden_store_test, finds_nothing_wrong_with_the_first_format) {
  auto report = verify_store({folder_ / "store", {}, 100, {}});
  ASSERT_TRUE(report) << report.failure().message;
  for (const auto& each : report->problems)
    ADD_FAILURE() << each.key << ": " << each.what;
  EXPECT_EQ(report->conversations, 3u);
}

TEST_F(golden_store_test, goes_on_writing_a_store_of_the_first_format) {
  cast who;
  {
    auto store = open();
    ASSERT_TRUE(store) << store.failure().message;
    conversation_script waiting(who.shop_waiting.entity(),
                                *(*store)->load_conversation(who.shop_waiting.entity()));
    commit(**store, {waiting.say("still there?"), waiting.edit(1, "changed")});
  }
  auto store = open();
  ASSERT_TRUE(store) << store.failure().message;
  auto events = (*store)->read_events(who.shop_waiting.entity(), 1, all, all);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 6u);
  EXPECT_EQ(conversation_script::text_of(events->front()), "changed");
  EXPECT_EQ(conversation_script::text_of(events->at(4)), "still there?");
}

} // namespace frontdesk::persistence
