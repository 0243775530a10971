// Preloaded into a program (LD_PRELOAD), makes one of its syncs fail with an I/O error: the one
// whose number the environment variable FAILING_SYNC names. libfiu can do this too, but deadlocks
// with jemalloc, which RocksDB brings.

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <dlfcn.h>

namespace {

bool due() {
  static std::atomic<long> calls{0};
  static const long wanted = [] {
    const char* text = std::getenv("FAILING_SYNC");
    return text ? std::atol(text) : 0L;
  }();
  return calls.fetch_add(1) + 1 == wanted;
}

using sync_function = int (*)(int);

int call(const char* name, int descriptor) {
  if (due()) {
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
