#pragma once

#include "base/status.hpp"
#include "cache/store_shard.hpp"
#include "conf/model.hpp"
#include "policies/plan.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::proxy {

/// What became of a read whose result may be reused.
enum class ReadOutcome : std::uint8_t {
    Hit,
    Stale,      ///< a hit past its time, while another client renews it
    Coalesced,  ///< it got what another client was reading
    Miss,       ///< read from the server, for the cache
};

/// @return what giving an entry is
[[nodiscard]] constexpr ReadOutcome outcome_of(cache::Freshness freshness) {
    return freshness == cache::Freshness::Stale ? ReadOutcome::Stale : ReadOutcome::Hit;
}

/// A worker's reads by what became of them, and by who has said that their results may be reused:
/// cache.default_ttl, a rule, or the statement's comment. Each read counts once, when its outcome
/// is known; counting takes no lock and no allocation.
///
/// A configuration with other rules begins the counts of all sources anew: what a number meant
/// before it may not mean any more.
/// @thread its worker's
class CacheCounts {
public:
    /// The configuration has changed.
    void renew(const conf::ConfigPtr& config);

    /// @param from policies::Plan::cache_from of the configuration in force
    /// @param saved_us of the server's time, where it was not asked
    void count(ReadOutcome outcome, int from, std::uint64_t saved_us = 0) {
        Sums& sums = by_source_[index_of(from)];
        ++sums.outcomes[static_cast<std::size_t>(outcome)];
        sums.saved_us += saved_us;
    }

    /// One was read from the server without the cache.
    void count_bypass() { ++bypassed_; }

    /// One of the misses was not to be kept: cache::Admission.
    void count_skip() { ++skipped_; }

    /// Adds what this worker has counted. Of sources only what is of the newest rules: workers
    /// hear of them one after another.
    void add_to(status::Cache& cache) const;

private:
    static constexpr std::size_t kOutcomes = 4;
    static constexpr std::size_t kOthers =
        2;  // than rules: the default before them, the comment behind

    struct Sums {
        std::array<std::uint64_t, kOutcomes> outcomes{};
        std::uint64_t saved_us = 0;

        [[nodiscard]] std::uint64_t of(ReadOutcome outcome) const {
            return outcomes[static_cast<std::size_t>(outcome)];
        }

        void add(const Sums& other);
    };

    [[nodiscard]] std::size_t index_of(int from) const {
        return from == policies::kCacheByHint
                   ? by_source_.size() - 1
                   : static_cast<std::size_t>(from - policies::kCacheByDefault);
    }

    [[nodiscard]] status::CacheRule row_of(std::size_t source) const;

    conf::ConfigPtr config_;
    std::vector<Sums> by_source_ = std::vector<Sums>(kOthers);
    Sums before_;  // by rules that are no more
    std::uint64_t bypassed_ = 0;
    std::uint64_t skipped_ = 0;
    std::uint64_t rules_ = 0;  // which ones: counts how often they were others
};

}  // namespace weir::proxy
