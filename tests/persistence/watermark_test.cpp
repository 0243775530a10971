#include "persistence/watermark.hpp"
#include "tests/persistence/conversation_script.hpp"
#include "tests/persistence/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace frontdesk::persistence {

namespace {

using test::numbered;
const auto store = numbered<domain::store_id>(1);

class watermark_test : public ::testing::Test {
protected:
  watermark read() const {
    auto found = read_watermark(path_);
    if (!found || !*found) {
      ADD_FAILURE() << (found ? "no file" : found.failure().message);
      return {};
    }
    return **found;
  }

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void damage(std::size_t offset) const {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }

  test::temporary_folder folder_;
  std::string path_ = folder_ / "watermark";
};

} // namespace

TEST_F(watermark_test, is_nothing_where_there_is_no_file) {
  auto found = read_watermark(path_);
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

TEST_F(watermark_test, gives_back_the_newest_commit) {
  ASSERT_TRUE(reset_watermark(path_, {store, 41}));
  EXPECT_EQ(read(), (watermark{store, 41}));
  auto file = watermark_file::open(path_, store);
  ASSERT_TRUE(file);
  for (std::uint64_t commit = 42; commit < 47; ++commit) {
    ASSERT_TRUE(file->write(commit));
    EXPECT_EQ(read(), (watermark{store, commit}));
  }
  EXPECT_TRUE(file->sync());
}

TEST_F(watermark_test, falls_back_to_the_other_slot_when_one_is_torn) {
  ASSERT_TRUE(reset_watermark(path_, {store, 41}));
  auto file = watermark_file::open(path_, store);
  ASSERT_TRUE(file->write(42));
  damage(25); // the even slot
  EXPECT_EQ(read(), (watermark{store, 41}));
}

TEST_F(watermark_test, says_so_when_no_slot_is_valid) {
  ASSERT_TRUE(reset_watermark(path_, {store, 41}));
  damage(25);
  damage(4096 + 39);
  auto found = read_watermark(path_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.failure().code, domain::errc::corrupt);
}

TEST_F(watermark_test, says_so_when_the_file_is_empty) {
  std::ofstream(path_).close();
  auto found = read_watermark(path_);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.failure().code, domain::errc::corrupt);
}

// The bytes are frozen: a change here is a new version of the file.
TEST_F(watermark_test, has_the_bytes_of_the_first_format) {
  ASSERT_TRUE(reset_watermark(path_, {store, 0x0102030405060708}));
  auto file = bytes();
  ASSERT_EQ(file.size(), 8192u);
  EXPECT_EQ(domain::to_hex(file.substr(0, 32)), "4644574d"
                                                "01"
                                                "000000"
                                                "00000000000000000000000000000001"
                                                "0102030405060708");
  EXPECT_EQ(file.substr(0, 40), file.substr(4096, 40));
}

TEST_F(watermark_test, cannot_be_written_where_it_does_not_exist) {
  auto file = watermark_file::open(path_, store);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.failure().code, domain::errc::io);
}

} // namespace frontdesk::persistence
