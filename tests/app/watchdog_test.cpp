#include "app/watchdog.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <unistd.h>

using namespace frontdesk::app;
namespace fs = std::filesystem;

namespace {

/// A made-up machine with 8 GiB.
class machine {
public:
  machine() {
    std::string pattern = (fs::temp_directory_path() / "frontdesk-watchdog-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    write("proc/self/statm", "1000 500 100 1 0 100 0\n");
    write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 5 kB\n");
  }

  ~machine() { fs::remove_all(root_); }

  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path} << text;
  }

  std::uint64_t limit() const { return read_memory_use(root_)->limit_bytes; }

  const fs::path& root() const { return root_; }

private:
  fs::path root_;
};

} // namespace

TEST(memory_level, rises_at_the_percentages) {
  EXPECT_EQ(next_memory_level(0, 69, 100, 70, 85), 0);
  EXPECT_EQ(next_memory_level(0, 70, 100, 70, 85), 1);
  EXPECT_EQ(next_memory_level(0, 84, 100, 70, 85), 1);
  EXPECT_EQ(next_memory_level(0, 85, 100, 70, 85), 2);
  EXPECT_EQ(next_memory_level(1, 85, 100, 70, 85), 2);
}

TEST(memory_level, falls_only_five_points_below) {
  EXPECT_EQ(next_memory_level(2, 80, 100, 70, 85), 2);
  EXPECT_EQ(next_memory_level(2, 79, 100, 70, 85), 1);
  EXPECT_EQ(next_memory_level(1, 65, 100, 70, 85), 1);
  EXPECT_EQ(next_memory_level(1, 64, 100, 70, 85), 0);
  EXPECT_EQ(next_memory_level(2, 10, 100, 70, 85), 0);
}

TEST(memory_level, stands_extremes) {
  const auto terabytes = std::uint64_t{1} << 50;
  EXPECT_EQ(next_memory_level(0, terabytes / 100 * 90, terabytes, 70, 85), 2);
  EXPECT_EQ(next_memory_level(0, 1, 0, 70, 85), 0) << "nothing is known";
  EXPECT_EQ(next_memory_level(0, 50, 99, 100, 100), 0);
  EXPECT_EQ(next_memory_level(0, 99, 99, 100, 100), 2);
  EXPECT_EQ(next_memory_level(2, 0, 100, 1, 1), 0) << "the lowest percentage is left as well";
}

TEST(memory_use, reads_this_machine) {
  const auto use = read_memory_use();
  ASSERT_TRUE(use);
  EXPECT_GT(use->used_bytes, 100000u);
  EXPECT_GT(use->limit_bytes, use->used_bytes);
}

TEST(memory_use, takes_the_machine_where_no_group_limits_it) {
  const machine here;
  EXPECT_EQ(read_memory_use(here.root())->used_bytes,
            500u * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(here.limit(), std::uint64_t{8} << 30);
}

TEST(memory_use, takes_the_least_limit_of_a_group_and_its_parents_in_version_2) {
  const machine here;
  here.write("proc/self/cgroup", "0::/a/b\n");
  here.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  EXPECT_EQ(here.limit(), std::uint64_t{8} << 30);
  here.write("sys/fs/cgroup/a/memory.max", "1000000\n");
  EXPECT_EQ(here.limit(), 1000000u);
  here.write("sys/fs/cgroup/a/b/memory.max", "2000000\n");
  EXPECT_EQ(here.limit(), 1000000u);
}

TEST(memory_use, takes_the_limit_of_version_1_and_its_huge_number_for_none) {
  const machine here;
  here.write("proc/self/cgroup", "7:cpu,memory:/x\n3:pids:/y\n");
  here.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(here.limit(), std::uint64_t{8} << 30);
  here.write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "314572800\n");
  EXPECT_EQ(here.limit(), 314572800u);
}

TEST(memory_use, says_when_it_cannot_be_read) {
  EXPECT_FALSE(read_memory_use("/nonexistent"));
}
