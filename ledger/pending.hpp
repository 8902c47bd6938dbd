#pragma once

#include "ledger/sums.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace weir::ledger {

/// The sums of all workers that are not in the file yet. What is written is added to what the file
/// has, so nothing here is known to the file before it has been cleared here.
///
/// Thread: the writer's.
class Pending {
public:
    /// How many sums there may be: beyond, statements count for "(other)" digests, and beyond twice
    /// that for one.
    static constexpr std::size_t kHoursMax = 20'000;
    /// How many of them have their spreads here: beyond, statements count without.
    static constexpr std::size_t kSpreadsMax = 8192;

    using LabelsKey = std::tuple<std::string, std::string, std::string>;

    struct Key {
        std::int64_t hour = 0;
        std::uint64_t digest = 0;
        const Labels* labels = nullptr;  ///< of this Pending: the same ones for the same words

        bool operator<(const Key& other) const {
            return std::tie(hour, digest, labels) <
                   std::tie(other.hour, other.digest, other.labels);
        }
    };

    struct Hour {
        DigestPtr digest;
        Totals totals;  ///< for `hourly`; calls 0 = nothing to write
        std::vector<ErrorCount> errors;
        Totals spread_totals;  ///< for `hourly_hist`
        std::unique_ptr<Spread> spread;
    };

    struct WaitKey {
        std::int64_t hour = 0;
        std::string database;
        std::string user;
        WaitReason reason = WaitReason::None;

        bool operator<(const WaitKey& other) const {
            return std::tie(hour, database, user, reason) <
                   std::tie(other.hour, other.database, other.user, other.reason);
        }
    };

    struct Wait {
        std::uint64_t count = 0;
        std::uint64_t us = 0;
        Histogram times;
    };

    void add(const SumsTable& table);

    /// The sums, the errors and the waits are in the file.
    void clear_totals();
    /// The spreads are in the file.
    void clear_spreads();

    [[nodiscard]] bool empty() const { return hours_.empty() && waits_.empty(); }

    /// @return whether spreads take so much memory that they are to be written now
    [[nodiscard]] bool has_many_spreads() const { return spreads_ >= kSpreadsMax / 4 * 3; }

    [[nodiscard]] const std::map<Key, Hour>& hours() const { return hours_; }

    [[nodiscard]] const std::map<WaitKey, Wait>& waits() const { return waits_; }

    /// Statements whose spread, or digest, was too much to be kept while the file could not be
    /// written.
    [[nodiscard]] std::uint64_t calls_coarsened() const { return coarsened_; }

private:
    const Labels* interned(const Labels& labels);
    Hour& hour_of(const Sums& sums);
    void drop_empty();

    std::map<LabelsKey, std::unique_ptr<const Labels>> labels_;
    std::map<Key, Hour> hours_;
    std::map<WaitKey, Wait> waits_;
    std::size_t spreads_ = 0;
    std::uint64_t coarsened_ = 0;
};

}  // namespace weir::ledger
