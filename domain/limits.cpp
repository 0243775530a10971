#include "domain/limits.hpp"

#include <array>

namespace frontdesk::domain {

std::span<const limit_description> limit_descriptions() {
#define FRONTDESK_LIMIT_ROW(name, unit, standard, least, most, behaviour)                          \
  limit_description{#name, unit, standard, least, most, behaviour, &limits::name},
  static constexpr std::array table{FRONTDESK_LIMITS(FRONTDESK_LIMIT_ROW)};
#undef FRONTDESK_LIMIT_ROW
  return table;
}

} // namespace frontdesk::domain
