#include "domain/failpoint.hpp"

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

namespace frontdesk::domain {

namespace {

enum class action { crash, raise, fail };

struct point {
  action act = action::crash;
  std::uint64_t at = 0; // pass number, 0 = by chance or always
  std::uint64_t per_myriad = 0;
  std::atomic<std::uint64_t> passes{0};
};

using table = std::map<std::string, std::unique_ptr<point>, std::less<>>;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

table parse(std::string_view text) {
  table points;
  while (!text.empty()) {
    auto end = text.find(',');
    auto entry = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    auto equals = entry.find('=');
    if (equals == std::string_view::npos)
      continue;
    auto made = std::make_unique<point>();
    auto rest = entry.substr(equals + 1);
    auto mark = rest.find_first_of("@%");
    auto word = rest.substr(0, mark);
    if (mark != std::string_view::npos)
      (rest[mark] == '@' ? made->at : made->per_myriad) = number(rest.substr(mark + 1));
    made->act = word == "throw" ? action::raise : word == "fail" ? action::fail : action::crash;
    points.emplace(entry.substr(0, equals), std::move(made));
  }
  return points;
}

bool due(point& p) {
  auto pass = p.passes.fetch_add(1) + 1;
  if (p.at != 0)
    return pass == p.at;
  if (p.per_myriad == 0)
    return true;
  thread_local std::minstd_rand random{std::random_device{}()};
  return random() % 10000 < p.per_myriad;
}

} // namespace

namespace {

table& all_points() {
  static table points = [] {
    const char* text = std::getenv("FRONTDESK_FAIL");
    return parse(text ? text : "");
  }();
  return points;
}

} // namespace

void set_failpoints(std::string_view text) {
  all_points() = parse(text);
}

bool failpoint(std::string_view name) {
  auto& points = all_points();
  if (points.empty())
    return false;
  auto found = points.find(name);
  if (found == points.end() || !due(*found->second))
    return false;
  switch (found->second->act) {
  case action::crash:
    std::_Exit(137);
  case action::raise:
    throw std::runtime_error("failpoint " + std::string(name));
  case action::fail:
    return true;
  }
  return false;
}

} // namespace frontdesk::domain
