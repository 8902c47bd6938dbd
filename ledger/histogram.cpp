#include "ledger/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace weir::ledger {

namespace {

constexpr char kVersion = 1;
constexpr double kGamma = 1.06;
/// 1 / ln 1.06
constexpr double kPerLog = 17.161837743564213;
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
bool for_each_count(std::string_view bytes, const Visitor& visit) {
    std::size_t bucket = 0;
    while (!bytes.empty()) {
        const auto step = take_varint(bytes);
        const auto count = step ? take_varint(bytes) : std::nullopt;
        if (!count || *step >= HistogramSum::kBuckets - bucket) {
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
    if (us == 0) {
        return 0;
    }
    const auto bucket = 1 + static_cast<std::size_t>(std::log(static_cast<double>(us)) * kPerLog);
    return std::min(bucket, kBuckets - 1);
}

template class BasicHistogram<std::uint32_t>;
template class BasicHistogram<std::uint64_t>;

double bucket_middle_us(std::size_t bucket) {
    if (bucket == 0) {
        return 0;
    }
    const double low = std::pow(kGamma, static_cast<double>(bucket - 1));
    return 2 * low * kGamma / (1 + kGamma);
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
    if (bytes.empty() || bytes.front() != kVersion) {
        return false;
    }
    bytes.remove_prefix(1);
    // Read whole before anything is added: half of a histogram would be a guess.
    if (!for_each_count(bytes, [](std::size_t, std::uint64_t) {})) {
        return false;
    }
    return for_each_count(
        bytes, [&to](std::size_t bucket, std::uint64_t count) { to.count(bucket) += count; });
}

}  // namespace weir::ledger
