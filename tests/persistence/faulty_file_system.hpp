#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace frontdesk::test {

/// The real file system, which can be told to fail. Set from one thread while RocksDB's read it.
class faulty_file_system final : public rocksdb::FileSystemWrapper {
public:
  /// What fails: files whose name ends in `suffix`, with this number of the system's.
  struct fault {
    std::string suffix{};
    int sync_error = 0;
    int append_error = 0;
    int create_error = 0;
    std::size_t append_bytes = 0; ///< of a failing append that reach the file all the same
    std::uint64_t after = 0;      ///< calls of the failing kind that still succeed
  };

  faulty_file_system() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "faulty_file_system"; }

  void set(fault next) {
    std::lock_guard lock(guard_);
    fault_ = std::move(next);
    left_ = fault_.after;
  }

  void heal() { set({}); }

  /// 0 = ask the real one.
  void set_free_bytes(std::uint64_t bytes) { free_bytes_ = bytes; }

  std::uint64_t faults_raised() const { return raised_; }

  std::uint64_t bytes_appended() const { return appended_; }

  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free, rocksdb::IODebugContext* context) override {
    if (free_bytes_ == 0)
      return target()->GetFreeSpace(path, options, free, context);
    *free = free_bytes_;
    return rocksdb::IOStatus::OK();
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* context) override {
    if (int problem = due(name, &fault::create_error))
      return failure("While open a file for appending", name, problem);
    auto status = target()->NewWritableFile(name, options, out, context);
    if (status.ok())
      *out = std::make_unique<file>(*this, name, std::move(*out));
    return status;
  }

private:
  class file final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    file(faulty_file_system& owner, std::string name,
         std::unique_ptr<rocksdb::FSWritableFile>&& target)
      : rocksdb::FSWritableFileOwnerWrapper(std::move(target)), owner_(owner),
        name_(std::move(name)) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      if (int problem = owner_.due(name_, &fault::append_error)) {
        auto part = rocksdb::Slice(data.data(), std::min(data.size(), owner_.append_bytes()));
        target()->Append(part, options, context).PermitUncheckedError();
        return failure("While appending to file", name_, problem);
      }
      owner_.appended_ += data.size();
      return target()->Append(data, options, context);
    }

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&,
                             rocksdb::IODebugContext* context) override {
      return Append(data, options, context);
    }

    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
      if (int problem = owner_.due(name_, &fault::sync_error))
        return failure("While fdatasync", name_, problem);
      return target()->Sync(options, context);
    }

    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
      if (int problem = owner_.due(name_, &fault::sync_error))
        return failure("While fsync", name_, problem);
      return target()->Fsync(options, context);
    }

  private:
    faulty_file_system& owner_;
    std::string name_;
  };

  // As RocksDB's own file system words it.
  static rocksdb::IOStatus failure(const std::string& doing, const std::string& name, int problem) {
    if (problem == ENOSPC) {
      auto status = rocksdb::IOStatus::NoSpace(doing + ": " + name, std::strerror(problem));
      status.SetRetryable(true);
      return status;
    }
    return rocksdb::IOStatus::IOError(doing + ": " + name, std::strerror(problem));
  }

  int due(std::string_view name, int fault::*kind) {
    std::lock_guard lock(guard_);
    if (fault_.*kind == 0 || !name.ends_with(fault_.suffix))
      return 0;
    if (left_ > 0) {
      --left_;
      return 0;
    }
    ++raised_;
    return fault_.*kind;
  }

  std::size_t append_bytes() {
    std::lock_guard lock(guard_);
    return fault_.append_bytes;
  }

  std::mutex guard_;
  fault fault_{};
  std::uint64_t left_ = 0;
  std::atomic<std::uint64_t> free_bytes_{0};
  std::atomic<std::uint64_t> raised_{0};
  std::atomic<std::uint64_t> appended_{0};
};

} // namespace frontdesk::test
