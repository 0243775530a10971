#include "app/doctor.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <filesystem>
#include <sys/socket.h>
#include <unistd.h>

using namespace frontdesk;
using namespace frontdesk::app;
using std::chrono::microseconds;

TEST(doctor, judges_the_time_of_a_sync_by_its_median) {
  EXPECT_EQ(judge_sync_latency({}).status, health_status::fail);
  EXPECT_EQ(judge_sync_latency({microseconds{100}, microseconds{90000}, microseconds{200}}).status,
            health_status::pass);
  const auto slow
    = judge_sync_latency({microseconds{30000}, microseconds{31000}, microseconds{100}});
  EXPECT_EQ(slow.status, health_status::warn);
  EXPECT_NE(slow.detail.find("30 ms"), std::string::npos) << slow.detail;
  EXPECT_FALSE(slow.advice.empty());
}

TEST(doctor, counts_the_connections_that_descriptors_allow) {
  const auto good = judge_descriptors(20000, 256);
  EXPECT_EQ(good.status, health_status::pass);
  EXPECT_NE(good.detail.find("19744 connections"), std::string::npos);
  EXPECT_EQ(judge_descriptors(1024, 256).status, health_status::warn);
  EXPECT_EQ(judge_descriptors(256, 256).status, health_status::fail);
  EXPECT_EQ(judge_descriptors(100, 256).status, health_status::fail);
}

TEST(doctor, asks_for_room_before_there_is_none) {
  EXPECT_EQ(judge_free_space(1000, 100).status, health_status::pass);
  EXPECT_EQ(judge_free_space(399, 100).status, health_status::warn);
  EXPECT_EQ(judge_free_space(99, 100).status, health_status::fail);
}

TEST(doctor, doubts_a_clock_that_runs_behind) {
  constexpr std::int64_t now = 1800000000;
  EXPECT_EQ(judge_clock(now, now, true).status, health_status::pass);
  EXPECT_EQ(judge_clock(now, now + 30, true).status, health_status::pass);
  EXPECT_EQ(judge_clock(now, now + 61, true).status, health_status::fail);
  EXPECT_EQ(judge_clock(now, 0, false).status, health_status::warn);
  EXPECT_EQ(judge_clock(1000, 0, true).status, health_status::fail);
}

TEST(doctor, names_who_holds_a_port) {
  const int holder = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(holder, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(holder, 1), 0);
  ASSERT_EQ(getsockname(holder, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto port = ntohs(address.sin_port);
  const auto taken = check_port("server port", "127.0.0.1", port);
  EXPECT_EQ(taken.status, health_status::fail);
  EXPECT_NE(taken.detail.find("process " + std::to_string(getpid())), std::string::npos)
    << taken.detail;
  EXPECT_EQ(check_port("server port", "0.0.0.0", port).status, health_status::fail);
  close(holder);
  EXPECT_EQ(check_port("server port", "127.0.0.1", port).status, health_status::pass);
}

TEST(doctor, refuses_addresses_that_this_machine_has_not) {
  EXPECT_EQ(check_port("p", "203.0.113.1", 8080).status, health_status::fail);
  EXPECT_EQ(check_port("p", "nowhere", 8080).status, health_status::fail);
  EXPECT_EQ(check_port("p", "127.0.0.1", 0).status, health_status::pass);
}

TEST(doctor, measures_this_machine_and_leaves_nothing_behind) {
  const auto folder
    = std::filesystem::temp_directory_path() / ("frontdesk-doctor-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto data = (folder / "not" / "yet").string();
  EXPECT_NE(check_data_folder(data).status, health_status::fail);
  EXPECT_NE(check_data_folder(data).detail.find("will be made"), std::string::npos);
  EXPECT_NE(check_sync_latency(data).status, health_status::fail);
  EXPECT_EQ(check_free_space(data, 1).status, health_status::pass);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(check_data_folder("/proc/nothing").status, health_status::fail);
}

TEST(doctor, tells_memory_that_is_not_there) {
  domain::limits limits;
  limits.memory_bytes_max = std::uint64_t{1} << 50;
  EXPECT_EQ(check_memory(limits).status, health_status::fail);
}

TEST(doctor, reports_for_people_and_for_programs) {
  const std::vector<finding> findings{{"disk", health_status::pass, "fine"},
                                      {"clock", health_status::fail, "behind", "set it"}};
  EXPECT_EQ(worst(findings), health_status::fail);
  EXPECT_EQ(doctor_text(findings, false),
            "pass  disk: fine\nfail  clock: behind\n      -> set it\n");
  EXPECT_NE(doctor_text(findings, true).find("\x1b[31mfail"), std::string::npos);
  const auto json = boost::json::parse(doctor_json(findings));
  EXPECT_EQ(json.at("status").as_string(), "fail");
  EXPECT_EQ(json.at("checks").at(1).at("advice").as_string(), "set it");
}
