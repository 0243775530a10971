#include "app/notify.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using frontdesk::app::notify_service_manager;

TEST(notify, sends_the_state_to_the_service_manager) {
  // An abstract name needs no file; '@' stands for its leading zero byte in the variable.
  const auto name = "frontdesk-notify-test-" + std::to_string(getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_EQ(bind(manager, reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  notify_service_manager("READY=1");
  unsetenv("NOTIFY_SOCKET");
  std::array<char, 64> room{};
  const auto size = recv(manager, room.data(), room.size(), MSG_DONTWAIT);
  close(manager);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(room.data(), static_cast<std::size_t>(size)), "READY=1");
}

TEST(notify, is_silent_without_a_service_manager) {
  unsetenv("NOTIFY_SOCKET");
  notify_service_manager("READY=1");
  setenv("NOTIFY_SOCKET", "relative/path", 1);
  notify_service_manager("READY=1");
  setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  notify_service_manager("READY=1");
  unsetenv("NOTIFY_SOCKET");
  SUCCEED();
}
