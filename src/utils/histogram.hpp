// histogram.hpp: a distribution of durations in bounded memory.
//
// Buckets of 1/16 of a power of two, so that a percentile is exact within 6.25 %. Values: any unsigned integer unit
// (the name of the variable says which). Threads: values.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace distri {

class Histogram {
 public:
  void add(std::uint64_t value) {
    ++buckets_[index(value)];
    ++count_;
    sum_ += value;
    max_ = std::max(max_, value);
  }

  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  std::uint64_t average() const { return count_ == 0 ? 0 : sum_ / count_; }

  // The value below or at which `fraction` (0..1) of all values lie: the upper end of its bucket, at most max(). 0 when
  // empty.
  std::uint64_t percentile(double fraction) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen > wanted || seen == count_) return std::min(upper(i), max_);
    }
    return max_;
  }

 private:
  static constexpr std::size_t kSub = 16;
  static constexpr std::size_t kBuckets = 61 * kSub;

  static std::size_t index(std::uint64_t value) {
    if (value < kSub) return static_cast<std::size_t>(value);
    const int shift = std::bit_width(value) - 5;
    return static_cast<std::size_t>(shift + 1) * kSub + static_cast<std::size_t>((value >> shift) - kSub);
  }
  static std::uint64_t upper(std::size_t i) {
    if (i < kSub) return i;
    const auto shift = static_cast<int>(i / kSub) - 1;
    return ((kSub + i % kSub + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace distri
