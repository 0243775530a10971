// Preloaded into a program (LD_PRELOAD), makes one of its syncs fail with an I/O error: of those
// whose file's path holds the text of the environment variable FAILING_SYNC_OF, the one with the
// number in FAILING_SYNC. libfiu can fail syncs too, but deadlocks with jemalloc, which RocksDB
// brings.

#include <climits>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <unistd.h>

namespace {

bool meant(int descriptor) {
  const char* part = std::getenv("FAILING_SYNC_OF");
  if (!part)
    return true;
  char link[64];
  char path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const auto size = readlink(link, path, sizeof path - 1);
  if (size < 0)
    return false;
  path[size] = '\0';
  return std::strstr(path, part) != nullptr;
}

bool due(int descriptor) {
  static std::atomic<long> calls{0};
  const char* wanted = std::getenv("FAILING_SYNC");
  return wanted && meant(descriptor) && calls.fetch_add(1) + 1 == std::atol(wanted);
}

using sync_function = int (*)(int);

int call(const char* name, int descriptor) {
  if (due(descriptor)) {
    errno = EIO;
    return -1;
  }
  const auto real = reinterpret_cast<sync_function>(dlsym(RTLD_NEXT, name));
  return real(descriptor);
}

} // namespace

extern "C" int fsync(int descriptor) {
  return call("fsync", descriptor);
}

extern "C" int fdatasync(int descriptor) {
  return call("fdatasync", descriptor);
}
