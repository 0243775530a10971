#include "client/state_file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

using namespace frontdesk;
using namespace frontdesk::client;

namespace {

session_state example() {
  session_state state;
  state.token = "secret";
  state.store_incarnation = 0xfedcba9876543210;
  conversation_state one;
  one.cursor = 12;
  one.outbox.conversation = *domain::conversation_id::from_bytes(std::string(16, '\x11'));
  one.outbox.opening = *domain::opening_key::from_bytes(std::string(16, '\x22'));
  one.outbox.client = *domain::client_id::from_bytes(std::string(16, '\x33'));
  one.outbox.last_number = 9;
  one.outbox.confirmed = 6;
  one.outbox.last_handle = 10;
  one.outbox.queue.push_back(
    {8, 7, domain::post_message{{"first\n\"二\"", 3}}, true, false, false});
  one.outbox.queue.push_back({9, 8, domain::edit_message{4, "changed"}, true, false, false});
  one.outbox.queue.push_back({10, 9, domain::post_message{}, true, false, true});
  one.outbox.asked.push_back({7, {one.outbox.client, 6}, domain::post_note{{"asked", 0}}});
  state.conversations.push_back(one);
  state.conversations.emplace_back(); // an opening that is not known yet
  return state;
}

class state_file : public testing::Test {
protected:
  state_file() {
    std::string pattern = std::filesystem::temp_directory_path() / "frontdesk-state-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }

  ~state_file() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

} // namespace

TEST_F(state_file, comes_back_as_it_was_saved) {
  const auto path = folder_ / "state.json";
  ASSERT_TRUE(save_state(path, example()));
  const auto loaded = load_state(path);
  ASSERT_TRUE(loaded) << loaded.failure().message;
  EXPECT_EQ(*loaded, example());
}

TEST_F(state_file, is_readable_by_its_owner_alone) {
  const auto path = folder_ / "state.json";
  ASSERT_TRUE(save_state(path, example()));

  struct stat about {};

  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(state_file, replaces_an_older_one_and_leaves_nothing_beside_it) {
  const auto path = folder_ / "state.json";
  ASSERT_TRUE(save_state(path, {}));
  ASSERT_TRUE(save_state(path, example()));
  EXPECT_EQ(*load_state(path), example());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(state_file, says_so_when_there_is_none) {
  const auto loaded = load_state(folder_ / "none.json");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.failure().code, domain::errc::not_found);
}

TEST_F(state_file, is_not_guessed_at_when_damaged) {
  const auto whole = to_json(example());
  for (const auto& damaged :
       {std::string{}, std::string{"[]"}, std::string{"{}"}, whole.substr(0, whole.size() / 2),
        std::string{R"({"version":1,"token":"t"})"}}) {
    const auto loaded = state_from_json(damaged);
    ASSERT_FALSE(loaded) << damaged;
  }
  auto later = whole;
  later.replace(later.find("\"version\":1"), 11, "\"version\":2");
  const auto loaded = state_from_json(later);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.failure().code, domain::errc::format_unknown);
}
