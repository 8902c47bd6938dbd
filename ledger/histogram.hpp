#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::ledger {

/// Durations in buckets that grow by 4 %, from 1 µs to hours: a quantile is wrong by less than 2 %,
/// whatever the distribution, and histograms add up exactly.
///
/// Bucket 0 holds 0 µs; bucket i holds [1.04^(i-1), 1.04^i) µs; the last one all above.
template <class Count>
class BasicHistogram {
public:
    static constexpr std::size_t kBuckets = 600;

    void add(std::uint64_t us) { ++counts_[bucket_of(us)]; }

    template <class Other>
    void merge(const BasicHistogram<Other>& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            counts_[i] += other.count(i);
        }
    }

    [[nodiscard]] Count count(std::size_t bucket) const { return counts_[bucket]; }

    [[nodiscard]] Count& count(std::size_t bucket) { return counts_[bucket]; }

    [[nodiscard]] std::uint64_t total() const {
        std::uint64_t sum = 0;
        for (const Count count : counts_) {
            sum += count;
        }
        return sum;
    }

    /// @return where a duration belongs
    [[nodiscard]] static std::size_t bucket_of(std::uint64_t us);

private:
    std::array<Count, kBuckets> counts_{};
};

/// What a worker counts in.
using Histogram = BasicHistogram<std::uint32_t>;
/// What sums of them are counted in.
using HistogramSum = BasicHistogram<std::uint64_t>;

/// The middle of a bucket, in µs: no value in it is further away than 2 %.
[[nodiscard]] double bucket_middle_us(std::size_t bucket);

/// @param q 0..1
/// @return the duration in µs that the share q of all does not exceed; nothing when it is empty
[[nodiscard]] std::optional<double> quantile_us(const HistogramSum& histogram, double q);

/// As bytes: a version, then for each bucket that is not empty how far it is from the one before
/// and its count, both as varints.
[[nodiscard]] std::string encode(const Histogram& histogram);
[[nodiscard]] std::string encode(const HistogramSum& histogram);

/// Adds what encode() made, or has made in version 1, where buckets grew by 6 %: what lay in one of
/// those lies in the one of its middle now. Bytes that are no histogram add nothing.
///
/// @return false when they were skipped
[[nodiscard]] bool add_encoded(HistogramSum& to, std::string_view bytes);

}  // namespace weir::ledger
