#pragma once

#include "domain/frames.hpp"

#include <string>
#include <vector>

/// One frame of every kind with all fields set, and one with as little as it can have. The golden
/// files under tests/golden/wire hold their bytes, under the same names.
namespace frontdesk::test {

template <class Frame>
struct frame_sample {
  std::string name{};
  Frame frame{};
};

std::vector<frame_sample<domain::client_frame>> client_samples();
std::vector<frame_sample<domain::server_frame>> server_samples();

/// 16 bytes that count up from `first`.
template <class Id>
Id sample_id(std::uint8_t first) {
  Id id;
  for (auto& byte : id.bytes)
    byte = first++;
  return id;
}

} // namespace frontdesk::test
