#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace weir::cache {

/// Says which reads go through the cache: where hardly any result of a statement is ever asked for
/// again, keeping all of them costs more than the few that are found save.
///
/// Each statement is weighed by itself, over windows of lookups: what its hits have saved the
/// server against what keeping costs. One that does not pay is rare from then on. Of a rare one
/// still go through the cache
///  - a part of the keys, always the same ones: whether they are found tells what keeping all of
///    them would bring, also where the same key comes only after a hundred thousand others;
///  - keys that were there a short while ago: a key that is asked for often is missed twice, then
///    found, and the stampede on one costs one read more.
/// Where these pay, all are kept again. So a slow statement is kept if one result in thousands is
/// found, and a quick one if one in a hundred is.
///
/// Nothing here decides what a client is given, only whether the cache is asked.
/// @thread its owner's
class Admission {
public:
    /// What keeping a result costs us that nobody finds, in the server's time that must be saved
    /// for it.
    static constexpr std::uint64_t kCostUs = 5;
    /// After so many lookups of a statement it is weighed.
    static constexpr std::uint32_t kWindow = 4096;
    /// The same of a rare one, of which few are looked for.
    static constexpr std::uint32_t kRareWindow = 16384;
    /// One key in so many of a rare statement is always kept.
    static constexpr std::uint64_t kSampleOf = 64;
    /// More statements than that are forgotten, all at once.
    static constexpr std::size_t kStatementsMax = 4096;

    /// A result of the statement is asked for.
    /// @param digest of the statement
    /// @param key hash of what tells its results apart
    /// @return whether the cache is to be asked, and to keep it
    [[nodiscard]] bool admits(std::uint64_t digest, std::uint64_t key);

    /// One that was admitted has been found.
    void note_hit(std::uint64_t digest, std::uint64_t key);

    /// One that was admitted has been read.
    void note_read(std::uint64_t digest, std::uint64_t server_us);

    [[nodiscard]] bool is_rare(std::uint64_t digest) const;

private:
    /// A direct-mapped table of the keys that came last; a key lives until another falls on its
    /// place.
    static constexpr std::size_t kRecentBits = 13;

    struct Sum {
        std::uint32_t lookups = 0;
        std::uint32_t hits = 0;

        /// @return whether what a hit saves has been worth `times` what the lookups cost
        [[nodiscard]] bool pays(std::uint64_t saved_us, std::uint64_t times) const {
            return hits * saved_us >= lookups * kCostUs * times;
        }
    };

    struct Statement {
        Sum all;
        Sum sample;
        std::uint64_t read_us = 0;  // of the reads of this window
        std::uint64_t reads = 0;
        std::uint64_t mean_us = 0;  // of a read, of the last window that had any
        bool is_rare = false;
    };

    [[nodiscard]] static bool is_sample(std::uint64_t key) { return (key >> 24U) % kSampleOf == 0; }

    [[nodiscard]] static std::uint32_t window_of(const Statement& statement) {
        return statement.is_rare ? kRareWindow : kWindow;
    }

    [[nodiscard]] Statement& statement(std::uint64_t digest);
    [[nodiscard]] bool was_here(std::uint64_t key);
    static void weigh(Statement& statement);

    std::unordered_map<std::uint64_t, Statement> statements_;  // by digest
    std::vector<std::uint16_t> recent_;  // a part of each key, by another; made for the first rare
};

}  // namespace weir::cache
