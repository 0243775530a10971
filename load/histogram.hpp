#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

/// What the load generator counts with.
namespace frontdesk::load {

/// Every value counts, none is sampled: 64 buckets per power of two, so a quantile is at most 1.6 %
/// too high. Nanoseconds up to 2^40 (18 minutes); longer ones count as that. A plain array without
/// pointers, so it may lie in memory that processes share. One writer.
class histogram {
public:
  void add(std::uint64_t value) {
    ++counts_[bucket_of(value)];
    ++count_;
    sum_ += value;
    if (value > most_)
      most_ = value;
  }

  void add(const histogram& other) {
    for (std::size_t i = 0; i < bucket_count; ++i)
      counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    if (other.most_ > most_)
      most_ = other.most_;
  }

  void clear() { *this = {}; }

  std::uint64_t count() const { return count_; }

  std::uint64_t most() const { return most_; }

  double mean() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }

  /// The upper end of the bucket that holds the value below which `share` (0 to 1) of all lie; 0
  /// when there are none.
  std::uint64_t quantile(double share) const {
    if (count_ == 0)
      return 0;
    const double wanted = share * static_cast<double>(count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bucket_count; ++i) {
      seen += counts_[i];
      if (seen != 0 && static_cast<double>(seen) >= wanted)
        return upper_end(i) < most_ ? upper_end(i) : most_;
    }
    return most_;
  }

private:
  static constexpr unsigned precision_bits = 6;
  static constexpr unsigned value_bits = 40;
  static constexpr std::size_t per_octave = 1u << precision_bits;
  static constexpr std::size_t bucket_count = (value_bits - precision_bits + 1) * per_octave;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < per_octave)
      return value;
    if (value >> value_bits)
      return bucket_count - 1;
    const auto octave = static_cast<unsigned>(std::bit_width(value)) - precision_bits;
    return octave * per_octave + ((value >> (octave - 1)) - per_octave);
  }

  static std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < per_octave)
      return bucket;
    const auto octave = bucket / per_octave;
    return ((bucket % per_octave + per_octave + 1) << (octave - 1)) - 1;
  }

  std::array<std::uint64_t, bucket_count> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t most_ = 0;
};

} // namespace frontdesk::load
