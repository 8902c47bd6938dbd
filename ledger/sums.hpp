#pragma once

#include "base/sqlstate.hpp"
#include "ledger/histogram.hpp"
#include "ledger/statement.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace weir::ledger {

inline constexpr std::int64_t kHourUs = 3'600'000'000;
inline constexpr std::size_t kWaitReasons = 6;
/// SQLSTATEs of one Sums; the rest count as the last.
inline constexpr std::size_t kErrorsMax = 16;

/// The name of what was too much to be told apart: digests (their hash is 0), applications.
inline constexpr const char* kOtherName = "(other)";
[[nodiscard]] const DigestPtr& other_digest();
[[nodiscard]] const LabelsPtr& other_labels();

/// How often statements ended with one SQLSTATE.
struct ErrorCount {
    SqlState sqlstate;
    std::uint64_t count = 0;
};

/// Adds to the count of its SQLSTATE.
void add_error(std::vector<ErrorCount>& to, const ErrorCount& error);

/// What was waited for server connections, for one reason.
struct WaitSums {
    LabelsPtr labels;
    std::int64_t hour = 0;
    WaitReason reason = WaitReason::None;
    std::uint64_t count = 0;
    std::uint64_t us = 0;
    Histogram times;
};

/// Plain sums over statements; they add up.
struct Totals {
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::uint64_t total_us = 0;
    std::uint64_t server_us = 0;
    std::uint64_t wait_us = 0;
    std::uint64_t sending_us = 0;
    std::uint64_t min_us = UINT64_MAX;
    std::uint64_t max_us = 0;
    std::uint64_t retried = 0;
    std::uint64_t cut = 0;
    std::uint64_t cache_hits = 0;    ///< answered without the server
    std::uint64_t cache_misses = 0;  ///< read from the server for the cache
    std::uint64_t cache_saved_us = 0;

    void add(const Totals& other);
};

/// How the times are spread.
struct Spread {
    Histogram total;
    Histogram server;
    Histogram wait;

    void add(const Spread& other);
};

/// All statements of one digest and one set of labels within one hour.
struct Sums {
    DigestPtr digest;
    LabelsPtr labels;
    std::int64_t hour = 0;  ///< since 1970, UTC
    Totals totals;
    std::vector<ErrorCount> errors;
    std::array<WaitSums*, kWaitReasons> waits{};  ///< in the same SumsTable; null = not yet
    Spread spread;
};

/// What a worker has summed up since it last handed over. Grows to some tens of megabytes at most:
/// see Recorder.
struct SumsTable {
    /// Which sums belong to a digest and labels. Holding both keeps their addresses from being used
    /// again.
    struct Entry {
        DigestPtr digest;
        LabelsPtr labels;
        Sums* sums = nullptr;
    };

    std::vector<Entry>
        index;  ///< by the hash of the two addresses, open addressing; of the last hour
    std::size_t entries = 0;  ///< in `index`
    std::deque<Sums> sums;
    std::deque<WaitSums> waits;
};

}  // namespace weir::ledger
