#include "app/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace frontdesk::app {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

/// The length of the valid UTF-8 sequence at the beginning of `text`, 0 if there is none (RFC
/// 3629).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const auto lead = byte(0);
  if (lead < 0x80)
    return 1;
  if (lead >= 0xC2 && lead <= 0xDF)
    return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!tail(1) || !tail(2))
      return 0;
    if (lead == 0xE0 && byte(1) < 0xA0)
      return 0; // overlong
    if (lead == 0xED && byte(1) > 0x9F)
      return 0; // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3))
      return 0;
    if (lead == 0xF0 && byte(1) < 0x90)
      return 0; // overlong
    if (lead == 0xF4 && byte(1) > 0x8F)
      return 0; // beyond U+10FFFF
    return 4;
  }
  return 0;
}

/// Appends one character of `text`, made harmless, and returns how much of `text` it was.
std::size_t append_escaped(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  const auto length = sequence_length(text);
  const auto lead = static_cast<unsigned char>(text[0]);
  const auto escape = [&](unsigned code) {
    out += "\\u00";
    out += digits[code >> 4 & 15];
    out += digits[code & 15];
  };
  if (length == 0) {
    out += replacement;
    return 1;
  }
  if (lead == '\n')
    out += "\\n";
  else if (lead == '\r')
    out += "\\r";
  else if (lead == '\t')
    out += "\\t";
  else if (lead == '"' || lead == '\\')
    (out += '\\') += static_cast<char>(lead);
  else if (lead < 0x20 || lead == 0x7F)
    escape(lead);
  else if (length == 2 && lead == 0xC2
           && static_cast<unsigned char>(text[1]) < 0xA0) // C1 controls, such as CSI
    escape(static_cast<unsigned char>(text[1]));
  else if (length == 3 && lead == 0xE2 && text[1] == '\x80'
           && (text[2] == '\xA8' || text[2] == '\xA9'))
    out += text[2] == '\xA8' ? "\\u2028" : "\\u2029"; // line ends to some readers
  else
    out += text.substr(0, length);
  return length;
}

/// Appends as much of `text` as fits in `room` bytes; false when something was left out.
bool append_text(std::string& out, std::string_view text, std::size_t room) {
  const auto limit = out.size() + room;
  while (!text.empty()) {
    const auto before = out.size();
    const auto taken = append_escaped(out, text);
    if (out.size() > limit) {
      out.resize(before);
      return false;
    }
    text.remove_prefix(taken);
  }
  return true;
}

constexpr std::string_view cut_mark = ",\"cut\":true";

std::string_view level_text(domain::log_level level) {
  return to_string(level);
}

spdlog::level::level_enum spdlog_level(domain::log_level level) {
  switch (level) {
  case domain::log_level::debug:
    return spdlog::level::debug;
  case domain::log_level::info:
    return spdlog::level::info;
  case domain::log_level::warning:
    return spdlog::level::warn;
  case domain::log_level::error:
    return spdlog::level::err;
  }
  return spdlog::level::info;
}

bool plain(std::string_view text) {
  if (text.empty())
    return false;
  for (const char letter : text)
    if (letter <= ' ' || letter == '"' || letter == '=' || letter == '\x7F')
      return false;
  return true;
}

struct line {
  std::chrono::system_clock::time_point time{};
  domain::log_level level{};
  std::string text{};
};

} // namespace

std::string json_line(domain::unix_ms time, domain::log_level level, std::string_view message,
                      std::initializer_list<domain::log_field> fields) {
  // Room is kept for the closing brace and the mark of a cut.
  constexpr auto body_max = log_line_bytes_max - cut_mark.size() - 2;
  const auto seconds = static_cast<std::time_t>(time / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> stamp{};
  const auto stamp_size = std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const auto milliseconds = std::to_string(1000 + time % 1000);

  std::string out = "{\"ts\":\"";
  out.append(stamp.data(), stamp_size)
    .append(".")
    .append(milliseconds, 1, 3)
    .append("Z\",\"lvl\":\"");
  out.append(level_text(level)).append("\",\"msg\":\"");
  bool whole = append_text(out, message, body_max - out.size() - 1);
  out += '"';
  for (const auto& field : fields) {
    // A field that is cut keeps its quotes: they and the separators take six bytes.
    if (out.size() + field.key.size() * 6 + 6 > body_max) {
      whole = false;
      break;
    }
    out += ",\"";
    append_text(out, field.key, body_max);
    out += "\":\"";
    whole = append_text(out, field.value, body_max - out.size() - 1) && whole;
    out += '"';
  }
  if (!whole)
    out += cut_mark;
  return out + "}";
}

std::string text_line(std::string_view message, std::initializer_list<domain::log_field> fields) {
  constexpr std::string_view more = " (cut)";
  constexpr auto body_max
    = log_line_bytes_max - more.size() - 64; // 64: what the pattern puts in front
  std::string out;
  bool whole = append_text(out, message, body_max);
  for (const auto& field : fields) {
    const bool bare = plain(field.value);
    if (out.size() + field.key.size() * 6 + 4 > body_max) {
      whole = false;
      break;
    }
    out += ' ';
    append_text(out, field.key, body_max);
    out += bare ? "=" : "=\"";
    whole = append_text(out, field.value, body_max - out.size() - 1) && whole;
    if (!bare)
      out += '"';
  }
  if (!whole)
    out += more;
  return out;
}

class process_log::writer {
public:
  writer(std::shared_ptr<spdlog::sinks::sink> sink, bool json, std::size_t capacity)
    : out_("frontdesk", std::move(sink)), json_(json),
      capacity_(std::max<std::size_t>(capacity, 4)) {
    out_.set_level(spdlog::level::trace);
    // JSON lines are made whole where they are logged; text lines get time and level here.
    out_.set_pattern(json ? "%v" : "%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
    thread_ = std::thread{[this] { run(); }};
  }

  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;

  ~writer() {
    {
      std::lock_guard lock{mutex_};
      stopping_ = true;
      held_ = false;
    }
    wake_.notify_all();
    thread_.join();
  }

  /// Whether a line of this level would be taken now; counts it as dropped if not.
  bool admit(domain::log_level level) {
    std::lock_guard lock{mutex_};
    if (lines_.size() < bound(level))
      return true;
    ++dropped_;
    return false;
  }

  void push(line next) {
    {
      std::lock_guard lock{mutex_};
      if (lines_.size() >= bound(next.level)) {
        ++dropped_;
        return;
      }
      lines_.push_back(std::move(next));
      ++pushed_;
    }
    wake_.notify_all();
  }

  void flush() {
    std::unique_lock lock{mutex_};
    const auto target = pushed_;
    written_changed_.wait(lock, [&] { return written_ >= target; });
  }

  void hold(bool held) {
    {
      std::lock_guard lock{mutex_};
      held_ = held;
    }
    wake_.notify_all();
  }

  std::uint64_t dropped() const {
    std::lock_guard lock{mutex_};
    return dropped_;
  }

private:
  std::size_t bound(domain::log_level level) const {
    return level < domain::log_level::warning ? capacity_ - capacity_ / 4 : capacity_;
  }

  void run() {
    std::unique_lock lock{mutex_};
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || (!held_ && !lines_.empty()); });
      if (lines_.empty())
        return;
      std::deque<line> batch;
      batch.swap(lines_);
      const auto dropped = dropped_ - dropped_said_;
      dropped_said_ = dropped_;
      lock.unlock();
      for (const auto& each : batch)
        write(each);
      if (dropped > 0)
        write(dropped_line(dropped));
      out_.flush();
      lock.lock();
      written_ += batch.size();
      written_changed_.notify_all();
    }
  }

  void write(const line& each) {
    // The text may hold braces: it is a value, not a format.
    out_.log(each.time, spdlog::source_loc{}, spdlog_level(each.level),
             spdlog::string_view_t{each.text});
  }

  line dropped_line(std::uint64_t count) const {
    const auto now = std::chrono::system_clock::now();
    const auto ms
      = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
    const auto level = domain::log_level::warning;
    const domain::log_field field{"count", std::to_string(count)};
    constexpr std::string_view message = "log lines were dropped";
    return {now, level,
            json_ ? json_line(ms, level, message, {field}) : text_line(message, {field})};
  }

  spdlog::logger out_;
  const bool json_;
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_changed_;
  std::deque<line> lines_;
  std::uint64_t pushed_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_said_ = 0;
  bool held_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

namespace {

std::shared_ptr<spdlog::sinks::sink> error_sink(bool json, bool colour) {
  if (json || !colour)
    return std::make_shared<spdlog::sinks::stderr_sink_st>();
  return std::make_shared<spdlog::sinks::ansicolor_stderr_sink_st>(spdlog::color_mode::always);
}

bool wants_json(log_format format, bool terminal) {
  return format == log_format::json || (format == log_format::automatic && !terminal);
}

} // namespace

process_log::process_log(domain::log_level level, log_format format, bool colour)
  : level_(level), json_(wants_json(format, isatty(STDERR_FILENO) == 1)),
    writer_(std::make_unique<writer>(error_sink(json_, colour), json_, log_queue_lines)) {}

process_log::process_log(domain::log_level level, log_format format, std::ostream& out,
                         std::size_t queue_lines)
  : level_(level), json_(wants_json(format, false)),
    writer_(std::make_unique<writer>(std::make_shared<spdlog::sinks::ostream_sink_st>(out), json_,
                                     queue_lines)) {}

process_log::~process_log() = default;

void process_log::log(domain::log_level level, std::string_view message,
                      std::initializer_list<domain::log_field> fields) {
  // A flood of lines that are going to be dropped must not cost their formatting.
  if (level < level_.load(std::memory_order_relaxed) || !writer_->admit(level))
    return;
  const auto now = std::chrono::system_clock::now();
  const auto ms
    = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  writer_->push(
    {now, level, json_ ? json_line(ms, level, message, fields) : text_line(message, fields)});
}

std::uint64_t process_log::dropped() const {
  return writer_->dropped();
}

void process_log::flush() {
  writer_->flush();
}

void process_log::hold(bool held) {
  writer_->hold(held);
}

} // namespace frontdesk::app
