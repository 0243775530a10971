# Debian's packages as imported targets. Headers come in as SYSTEM, so that only our own warnings show.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Boost 1.81 EXACT REQUIRED COMPONENTS url json)

# Debian ships no CMake package for these: an imported target each.
function(frontdesk_import name header library)
  find_path(${name}_include ${header} REQUIRED)
  find_library(${name}_library ${library} REQUIRED)
  add_library(frontdesk::${name} UNKNOWN IMPORTED)
  set_target_properties(frontdesk::${name} PROPERTIES
    IMPORTED_LOCATION ${${name}_library}
    INTERFACE_INCLUDE_DIRECTORIES ${${name}_include})
endfunction()

frontdesk_import(caf_core caf/actor_system.hpp caf_core)
frontdesk_import(rocksdb rocksdb/db.h rocksdb)
if(FRONTDESK_TESTS OR NOT DEFINED FRONTDESK_TESTS)
  find_package(GTest REQUIRED)
  frontdesk_import(rapidcheck rapidcheck.h rapidcheck)
endif()
