#pragma once

#include "conf/schema.hpp"
#include "conf/units.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Values that have parts: members of a cluster, pauses between tries, pairs of limits, patterns.
/// What the file and what a text say of them comes together here. Thread: any (no shared state).
namespace weir::conf {

/// Reads "10.0.0.1:5432, 10.0.0.2:5432 weight=2 role=replica".
[[nodiscard]] Parsed<Value> parse_members(const Setting& setting, std::string_view text);
/// Reads "attempts=5, max=1s"; what is left out has the setting's default.
[[nodiscard]] Parsed<Value> parse_backoff(const Setting& setting, std::string_view text);
/// Reads "statements=14d, events=90d" in the same way.
[[nodiscard]] Parsed<Value> parse_retention(const Setting& setting, std::string_view text);
/// Reads "0.8, 0.95" or "100ms, 1s".
[[nodiscard]] Parsed<Value> parse_pair(const Setting& setting, std::string_view text);
/// Reads "55P03, could not obtain lock".
[[nodiscard]] Parsed<Value> parse_patterns(std::string_view text);

/// @return a setting that reads each half of a SharePair, FloorPair or DurationPair
[[nodiscard]] const Setting& half_of(Kind pair);
/// @param degraded and @param critical as half_of() reads them
/// @return a problem where both count and the first is not below the second (of a FloorPair, above)
[[nodiscard]] Parsed<Value> make_pair_value(Kind pair,
                                            const Value& degraded,
                                            const Value& critical);

/// What is wrong with one of a list's items.
struct ItemProblem {
    std::size_t index;
    std::string message;  ///< with what is accepted
};

/// @return the first member that cannot stand beside those before it
[[nodiscard]] std::optional<ItemProblem> find_problem(const std::vector<MemberSettings>& members);
/// @return what is wrong between the keys of it, or ""
[[nodiscard]] std::string problem_of(const Backoff& backoff);
[[nodiscard]] std::string problem_of(const Retention& retention);
/// @return what is wrong with an entry of policy.retry.also_retry, or ""
[[nodiscard]] std::string problem_of_pattern(std::string_view entry);
inline constexpr std::size_t kMaxPatterns = 64;

/// @return as the parse functions above read it
[[nodiscard]] std::string format_member(const MemberSettings& member);
[[nodiscard]] std::string format_backoff(const Backoff& backoff);
[[nodiscard]] std::string format_retention(const Retention& retention);

/// @return as TOML
[[nodiscard]] std::string toml_member(const MemberSettings& member);
[[nodiscard]] std::string toml_backoff(const Backoff& backoff);
[[nodiscard]] std::string toml_retention(const Retention& retention);

}  // namespace weir::conf
