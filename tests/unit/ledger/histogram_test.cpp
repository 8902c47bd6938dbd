#include "ledger/histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace weir::ledger {

namespace {

HistogramSum sum_of(const std::vector<std::uint64_t>& values) {
    auto counted = std::make_unique<Histogram>();
    for (const std::uint64_t value : values) {
        counted->add(value);
    }
    HistogramSum sum;
    sum.merge(*counted);
    return sum;
}

/// Compares p50, p95 and p99 with the exact ones.
void check_quantiles(std::vector<std::uint64_t> values) {
    const HistogramSum sum = sum_of(values);
    std::sort(values.begin(), values.end());
    for (const double q : {0.5, 0.95, 0.99}) {
        const auto rank =
            static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
        const auto exact = static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
        const auto guessed = quantile_us(sum, q);
        REQUIRE(guessed);
        CHECK(std::abs(*guessed - exact) <= 0.02 * exact + 1);
    }
}

}  // namespace

TEST_SUITE("histogram") {
    TEST_CASE("histogram: quantiles are within three percent of the exact ones") {
        std::mt19937_64 random{42};  // NOLINT(cert-msc51-cpp): the same each time
        for (const double sigma : {0.2, 0.5, 0.8, 1.2, 2.0}) {
            for (const std::size_t count : {1U, 10U, 100U, 1000U, 20'000U}) {
                CAPTURE(sigma);
                CAPTURE(count);
                std::lognormal_distribution<double> times{std::log(2000.0), sigma};
                std::vector<std::uint64_t> values(count);
                std::generate(values.begin(), values.end(), [&] {
                    return static_cast<std::uint64_t>(times(random));
                });
                check_quantiles(values);
            }
        }
    }

    TEST_CASE("histogram: quantiles hold for uniform, bimodal and constant times") {
        std::mt19937_64 random{43};  // NOLINT(cert-msc51-cpp): the same each time
        std::uniform_int_distribution<std::uint64_t> uniform{20, 50'000'000};
        std::vector<std::uint64_t> values(10'000);
        std::generate(values.begin(), values.end(), [&] { return uniform(random); });
        check_quantiles(values);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = i % 10 == 0 ? 3'000'000 + i : 200 + i % 7;
        }
        check_quantiles(values);
        check_quantiles(std::vector<std::uint64_t>(50, 12'345));
        check_quantiles(std::vector<std::uint64_t>(50, 0));
    }

    TEST_CASE("histogram: a bucket's middle is near everything in it") {
        for (std::uint64_t us = 20; us < 3'000'000'000; us += 1 + us / 300) {
            const double middle = bucket_middle_us(Histogram::bucket_of(us));
            CHECK(std::abs(middle - static_cast<double>(us)) <= 0.02 * static_cast<double>(us));
        }
    }

    TEST_CASE("histogram: the longest times are in the last bucket") {
        CHECK(Histogram::bucket_of(UINT64_MAX) == Histogram::kBuckets - 1);
        CHECK(Histogram::bucket_of(0) == 0);
        CHECK(Histogram::bucket_of(1) == 1);
    }

    TEST_CASE("histogram: an empty one has no quantiles") {
        CHECK_FALSE(quantile_us(HistogramSum{}, 0.5));
    }

    TEST_CASE("histogram: what is encoded is read again, and adds up") {
        std::mt19937_64 random{44};  // NOLINT(cert-msc51-cpp): the same each time
        std::lognormal_distribution<double> times{8, 2};
        Histogram first;
        Histogram second;
        for (int i = 0; i < 5000; ++i) {
            first.add(static_cast<std::uint64_t>(times(random)));
            second.add(static_cast<std::uint64_t>(times(random)));
        }
        HistogramSum expected;
        expected.merge(first);
        expected.merge(second);
        HistogramSum read;
        CHECK(add_encoded(read, encode(first)));
        CHECK(add_encoded(read, encode(second)));
        for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
            REQUIRE(read.count(i) == expected.count(i));
        }
        HistogramSum again;
        CHECK(add_encoded(again, encode(expected)));
        CHECK(again.total() == 10'000);
    }

    TEST_CASE("histogram: counts beyond 32 bits are kept") {
        HistogramSum sum;
        sum.count(7) = std::uint64_t{1} << 63U;
        HistogramSum read;
        CHECK(add_encoded(read, encode(sum)));
        CHECK(read.count(7) == std::uint64_t{1} << 63U);
    }

    TEST_CASE("histogram: what the first version wrote is read") {
        HistogramSum sum;
        CHECK(add_encoded(sum, std::string_view{"\x01\x00\x03\x01\x02\xc0\x01\x05", 8}));
        CHECK(sum.count(0) == 3);
        CHECK(sum.count(1) == 2);  // 1 µs
        CHECK(sum.total() == 10);
        const auto p90 = quantile_us(sum, 0.9);  // of bucket 193: 72.2 to 76.6 ms
        REQUIRE(p90);
        CHECK(*p90 > 72'200);
        CHECK(*p90 < 76'600);
    }

    TEST_CASE("histogram: what is none adds nothing, whatever it is cut at") {
        Histogram counted;
        for (std::uint64_t us = 1; us < 1'000'000; us *= 2) {
            counted.add(us);
            counted.add(us);
        }
        const std::string bytes = encode(counted);
        for (std::size_t length = 0; length < bytes.size(); ++length) {
            HistogramSum sum;
            const bool is_read = add_encoded(sum, std::string_view{bytes}.substr(0, length));
            // Cut between two buckets it is a shorter one.
            CHECK((is_read || sum.total() == 0));
        }
        HistogramSum sum;
        CHECK_FALSE(add_encoded(sum, ""));
        CHECK_FALSE(add_encoded(sum, "\x03\x01\x01"));                           // another version
        CHECK_FALSE(add_encoded(sum, std::string_view{"\x02\xd8\x04\x01", 4}));  // bucket 600
        CHECK_FALSE(add_encoded(sum, std::string_view{"\x01\x90\x03\x01", 4}));  // and 400 of 400
        CHECK_FALSE(
            add_encoded(sum, "\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"));  // 70 bits
        CHECK_FALSE(add_encoded(sum, "\x02\x01"));
        CHECK(sum.total() == 0);
    }

    TEST_CASE("histogram: bytes of chance are read or refused, and nothing else") {
        std::mt19937 random{45};  // NOLINT(cert-msc51-cpp): the same each time
        std::uniform_int_distribution<int> byte{0, 255};
        for (int i = 0; i < 20'000; ++i) {
            std::string bytes(1, i % 2 == 0 ? '\x01' : '\x02');
            for (int length = byte(random) % 24; length > 0; --length) {
                bytes += static_cast<char>(byte(random));
            }
            HistogramSum sum;
            static_cast<void>(add_encoded(sum, bytes));
        }
    }
}

}  // namespace weir::ledger
