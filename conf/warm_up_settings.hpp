#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace weir::conf {

/// What is run when Weir starts, so that its results are kept: one [[warm_up]]. Plain values.
/// Thread: any (read only).
struct WarmUpSettings {
    std::string database;                 ///< as clients call it
    std::string user;                     ///< whose reads these are: results belong to a user
    std::vector<std::string> statements;  ///< in order; at least one
    std::map<std::string, std::string> parameters;  ///< what its clients send when they log in

    bool operator==(const WarmUpSettings&) const = default;
};

inline constexpr std::size_t kMaxWarmUps = 100;
/// Of one of them.
inline constexpr std::size_t kMaxWarmUpStatements = 1000;

}  // namespace weir::conf
