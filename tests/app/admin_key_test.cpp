#include "app/admin_key.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sys/stat.h>

using namespace frontdesk;
using namespace frontdesk::app;
namespace fs = std::filesystem;

namespace {

class admin_key : public testing::Test {
protected:
  admin_key() {
    std::string pattern = (fs::temp_directory_path() / "frontdesk-key-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    config_.store.data = folder_;
  }

  ~admin_key() override { fs::remove_all(folder_); }

  std::string folder_;
  configuration config_;
};

} // namespace

TEST_F(admin_key, is_made_once_readable_by_its_owner_alone) {
  EXPECT_EQ(read_admin_key(config_).failure().code, domain::errc::not_found);
  const auto made = load_or_create_admin_key(config_);
  ASSERT_TRUE(made);
  EXPECT_GE(made->size(), 43u);
  EXPECT_EQ(*load_or_create_admin_key(config_), *made);
  EXPECT_EQ(*read_admin_key(config_), *made);

  struct stat facts {};

  ASSERT_EQ(stat(admin_key_path(config_).c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(admin_key, differs_from_node_to_node) {
  const auto first = *load_or_create_admin_key(config_);
  fs::remove(admin_key_path(config_));
  EXPECT_NE(*load_or_create_admin_key(config_), first);
}

TEST_F(admin_key, is_refused_when_others_may_read_it) {
  ASSERT_TRUE(load_or_create_admin_key(config_));
  fs::permissions(admin_key_path(config_), fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(load_or_create_admin_key(config_).failure().code, domain::errc::config);
}

TEST_F(admin_key, is_refused_when_the_file_holds_none) {
  std::ofstream{admin_key_path(config_)} << "\n";
  fs::permissions(admin_key_path(config_), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(load_or_create_admin_key(config_).failure().code, domain::errc::config);
}

TEST_F(admin_key, of_the_configuration_wins_and_is_not_written) {
  config_.admin.key = "0123456789abcdef";
  EXPECT_EQ(*load_or_create_admin_key(config_), "0123456789abcdef");
  EXPECT_EQ(*read_admin_key(config_), "0123456789abcdef");
  EXPECT_FALSE(fs::exists(admin_key_path(config_)));
}

TEST_F(admin_key, says_when_the_folder_cannot_be_used) {
  config_.store.data += "/none";
  EXPECT_FALSE(load_or_create_admin_key(config_));
}
