#include "app/version.hpp"

#ifdef __clang__
#define FRONTDESK_COMPILER "clang " __clang_version__
#else
#define FRONTDESK_COMPILER "gcc " __VERSION__
#endif

namespace frontdesk::app {

build_information build_info() {
  return {FRONTDESK_VERSION, FRONTDESK_COMMIT, FRONTDESK_COMPILER, FRONTDESK_BUILD_TYPE};
}

} // namespace frontdesk::app
