#pragma once

#include "domain/limits.hpp"

#include <algorithm>
#include <cstdint>

namespace frontdesk::net {

/// Token buckets of one socket, for frames and for bytes. What was read is paid for afterwards; a
/// bucket in debt means that reading stops until it is paid. Time comes in, so that it can be
/// tested without a clock.
class shaper {
public:
  enum class verdict : std::uint8_t {
    within, ///< go on reading
    over,   ///< stop reading; look again at `ready_at`
    warn,   ///< as over, and it has been over for another whole second
    cut,    ///< as warn, with all warnings used up
  };

  shaper(const domain::limits& limits, std::uint64_t now_ms)
    : frames_(static_cast<std::int64_t>(limits.frames_burst) * 1000),
      bytes_(static_cast<std::int64_t>(limits.bytes_burst) * 1000), filled_at_(now_ms) {}

  /// Takes what one read brought.
  verdict spend(const domain::limits& limits, std::uint64_t now_ms, std::uint64_t frames,
                std::uint64_t bytes) {
    fill(limits, now_ms); // first: what is beyond the burst is not saved up
    frames_ -= static_cast<std::int64_t>(frames) * 1000;
    bytes_ -= static_cast<std::int64_t>(bytes) * 1000;
    return look(limits, now_ms);
  }

  /// Judges without spending: when time has passed.
  verdict look(const domain::limits& limits, std::uint64_t now_ms) {
    fill(limits, now_ms);
    if (frames_ >= 0 && bytes_ >= 0) {
      // A socket that comes back at once after each pause stays over its rate; a quiet second ends
      // it.
      if (!over_)
        return verdict::within;
      over_ = false;
      left_at_ = now_ms;
      return verdict::within;
    }
    if (!over_) {
      over_ = true;
      if (now_ms - left_at_ >= second_ms || counted_to_ == 0)
        counted_to_ = now_ms;
      if (now_ms - left_at_ >= forgive_ms)
        warnings_ = 0;
    }
    if (now_ms - counted_to_ < second_ms)
      return verdict::over;
    counted_to_ += second_ms;
    if (warnings_ >= limits.shaper_warnings_max)
      return verdict::cut;
    ++warnings_;
    return verdict::warn;
  }

  bool over() const { return over_; }

  std::uint32_t warnings() const { return warnings_; }

  /// When to look again while over: the debt is paid or a whole second is full.
  std::uint64_t ready_at(const domain::limits& limits) const {
    const auto wait = [](std::int64_t tokens, std::uint64_t rate) {
      return tokens >= 0 ? 0 : (static_cast<std::uint64_t>(-tokens) + rate - 1) / rate;
    };
    const std::uint64_t paid
      = filled_at_
        + std::max(wait(frames_, limits.frames_per_second), wait(bytes_, limits.bytes_per_second));
    return std::min(paid, counted_to_ + second_ms);
  }

private:
  static constexpr std::uint64_t second_ms = 1000;
  static constexpr std::uint64_t forgive_ms
    = 60'000; // within its rate for so long, a socket has a clean record

  void fill(const domain::limits& limits, std::uint64_t now_ms) {
    const auto passed = static_cast<std::int64_t>(now_ms - filled_at_);
    filled_at_ = now_ms;
    const auto add = [passed](std::int64_t& tokens, std::uint64_t rate, std::uint64_t burst) {
      // Thousandths of a token: a millisecond brings `rate` of them, so nothing is lost to
      // rounding.
      const auto most = static_cast<std::int64_t>(burst) * 1000;
      const auto missing = most - tokens;
      if (missing / static_cast<std::int64_t>(rate) < passed) {
        tokens = most;
      } else {
        tokens += passed * static_cast<std::int64_t>(rate);
      }
    };
    add(frames_, limits.frames_per_second, limits.frames_burst);
    add(bytes_, limits.bytes_per_second, limits.bytes_burst);
  }

  std::int64_t frames_; // thousandths
  std::int64_t bytes_;  // thousandths
  std::uint64_t filled_at_;
  std::uint64_t counted_to_ = 0; // start of the second that is being counted while over
  std::uint64_t left_at_ = 0;    // when it last came back within its rate
  std::uint32_t warnings_ = 0;
  bool over_ = false;
};

} // namespace frontdesk::net
