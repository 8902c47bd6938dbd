#include "ledger/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace weir::ledger {

namespace {

constexpr char kVersion = 2;
constexpr double kGamma = 1.04;

constexpr char kFirstVersion = 1;
constexpr double kFirstGamma = 1.06;
constexpr std::size_t kFirstBuckets = 400;

constexpr unsigned kVarintBits = 7;
constexpr std::uint64_t kVarintMore = 0x80;
constexpr unsigned kVarintShiftMax = 63;

void put_varint(std::string& to, std::uint64_t value) {
    while (value >= kVarintMore) {
        to.push_back(static_cast<char>((value & (kVarintMore - 1)) | kVarintMore));
        value >>= kVarintBits;
    }
    to.push_back(static_cast<char>(value));
}

/// @return nothing where the bytes end within a number or it has more than 64 bits
std::optional<std::uint64_t> take_varint(std::string_view& from) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift <= kVarintShiftMax; shift += kVarintBits) {
        if (from.empty()) {
            return std::nullopt;
        }
        const auto byte = static_cast<std::uint8_t>(from.front());
        from.remove_prefix(1);
        const std::uint64_t bits = byte & (kVarintMore - 1);
        if (shift == kVarintShiftMax && bits > 1) {
            return std::nullopt;
        }
        value |= bits << shift;
        if (byte < kVarintMore) {
            return value;
        }
    }
    return std::nullopt;
}

double middle_us(std::size_t bucket, double gamma) {
    if (bucket == 0) {
        return 0;
    }
    const double low = std::pow(gamma, static_cast<double>(bucket - 1));
    return 2 * low * gamma / (1 + gamma);
}

/// @return the bucket of now, for one of the first version
std::size_t bucket_of_first(std::size_t bucket) {
    static const auto kBuckets = [] {
        std::array<std::uint16_t, kFirstBuckets> buckets{};
        for (std::size_t i = 0; i < kFirstBuckets; ++i) {
            const long long middle = std::llround(middle_us(i, kFirstGamma));
            buckets.at(i) = static_cast<std::uint16_t>(
                HistogramSum::bucket_of(static_cast<std::uint64_t>(middle)));
        }
        return buckets;
    }();
    return kBuckets.at(bucket);
}

/// Where durations belong, without a logarithm for each: cells of a 16th of a power of two, none of
/// which has more than a few buckets.
class Places {
public:
    Places() {
        for (std::size_t i = 1; i < first_us_.size(); ++i) {
            first_us_[i] =
                static_cast<std::uint64_t>(std::ceil(std::pow(kGamma, static_cast<double>(i - 1))));
        }
        std::size_t bucket = 0;
        for (std::size_t cell = 0; cell < buckets_.size(); ++cell) {
            bucket = last_from(bucket, lowest_of(cell));
            buckets_[cell] = static_cast<std::uint16_t>(bucket);
        }
    }

    [[nodiscard]] std::size_t bucket_of(std::uint64_t us) const {
        return last_from(buckets_[cell_of(us)], us);
    }

private:
    static constexpr unsigned kCellBits = 4;
    static constexpr std::uint64_t kCells = 1U << kCellBits;

    /// The small ones have cells of their own; from 16 on the first bit says which row, the next
    /// four which cell in it.
    static std::size_t cell_of(std::uint64_t us) {
        if (us < kCells) {
            return us;
        }
        const auto row = static_cast<unsigned>(std::bit_width(us)) - 1 - kCellBits;
        return (row + 1) * kCells + ((us >> row) & (kCells - 1));
    }

    static std::uint64_t lowest_of(std::size_t cell) {
        const std::size_t row = cell / kCells;
        return row == 0 ? cell : (kCells + cell % kCells) << (row - 1);
    }

    [[nodiscard]] std::size_t last_from(std::size_t bucket, std::uint64_t us) const {
        while (bucket + 1 < first_us_.size() && us >= first_us_[bucket + 1]) {
            ++bucket;
        }
        return bucket;
    }

    std::array<std::uint64_t, HistogramSum::kBuckets> first_us_{};        // by bucket
    std::array<std::uint16_t, (64 - kCellBits + 1) * kCells> buckets_{};  // of the lowest of a cell
};

template <class Count>
std::string encode_any(const BasicHistogram<Count>& histogram) {
    std::string bytes(1, kVersion);
    std::size_t last = 0;
    for (std::size_t i = 0; i < BasicHistogram<Count>::kBuckets; ++i) {
        if (histogram.count(i) != 0) {
            put_varint(bytes, i - last);
            put_varint(bytes, histogram.count(i));
            last = i;
        }
    }
    return bytes;
}

/// @return false where the bytes are no list of buckets and counts; visit() has then seen a part of
/// it
template <class Visitor>
bool for_each_count(std::string_view bytes, std::size_t buckets, const Visitor& visit) {
    std::size_t bucket = 0;
    while (!bytes.empty()) {
        const auto step = take_varint(bytes);
        const auto count = step ? take_varint(bytes) : std::nullopt;
        if (!count || *step >= buckets - bucket) {
            return false;
        }
        bucket += *step;
        visit(bucket, *count);
    }
    return true;
}

}  // namespace

template <class Count>
std::size_t BasicHistogram<Count>::bucket_of(std::uint64_t us) {
    static const Places kPlaces;
    return kPlaces.bucket_of(us);
}

template class BasicHistogram<std::uint32_t>;
template class BasicHistogram<std::uint64_t>;

double bucket_middle_us(std::size_t bucket) {
    return middle_us(bucket, kGamma);
}

std::optional<double> quantile_us(const HistogramSum& histogram, double q) {
    const std::uint64_t total = histogram.total();
    if (total == 0) {
        return std::nullopt;
    }
    const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
    const std::uint64_t wanted =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < HistogramSum::kBuckets; ++i) {
        seen += histogram.count(i);
        if (seen >= wanted) {
            return bucket_middle_us(i);
        }
    }
    return bucket_middle_us(HistogramSum::kBuckets - 1);
}

std::string encode(const Histogram& histogram) {
    return encode_any(histogram);
}

std::string encode(const HistogramSum& histogram) {
    return encode_any(histogram);
}

bool add_encoded(HistogramSum& to, std::string_view bytes) {
    if (bytes.empty() || (bytes.front() != kVersion && bytes.front() != kFirstVersion)) {
        return false;
    }
    const bool is_first = bytes.front() == kFirstVersion;
    const std::size_t buckets = is_first ? kFirstBuckets : HistogramSum::kBuckets;
    bytes.remove_prefix(1);
    // Read whole before anything is added: half of a histogram would be a guess.
    if (!for_each_count(bytes, buckets, [](std::size_t, std::uint64_t) {})) {
        return false;
    }
    return for_each_count(bytes, buckets, [&](std::size_t bucket, std::uint64_t count) {
        to.count(is_first ? bucket_of_first(bucket) : bucket) += count;
    });
}

}  // namespace weir::ledger
