#pragma once

#include "ledger/batch.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace weir::ledger {

/// Keeps one application from filling the audit with the same deed over and over: the first
/// kLinesEach within a minute pass as they are, what is beyond is one line with their number when
/// the minute is over. That happens before lines are written: those in the file never change.
///
/// Thread: the writer's.
class DeedFold {
public:
    static constexpr std::int64_t kMinuteUs = 60'000'000;
    static constexpr std::uint64_t kLinesEach = 3;
    /// So many different deeds are remembered; what is beyond passes.
    static constexpr std::size_t kKindsMax = 1024;

    /// @param to the lines to be written
    void add(NotedDeed noted, std::vector<NotedDeed>& to);
    /// Tells of the minutes that are over. @param now_us since 1970
    void take_due(std::int64_t now_us, std::vector<NotedDeed>& to);
    /// Tells of all of them: at the end.
    void take_all(std::vector<NotedDeed>& to);

private:
    /// Who, action, object and text. From where is not asked: many clients may do the same.
    using Key = std::tuple<std::string, std::string, std::string, std::string>;

    struct Minute {
        std::int64_t began_us = 0;
        std::int64_t last_us = 0;  ///< when the last one was that is held back
        std::uint64_t seen = 0;
        std::string from;  ///< of those held back; kSeveral where they differ
    };

    static void tell(const Key& key, const Minute& minute, std::vector<NotedDeed>& to);

    std::map<Key, Minute> minutes_;
};

}  // namespace weir::ledger
