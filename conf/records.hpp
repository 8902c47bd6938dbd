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
/// @param setting of which is_record() is true
[[nodiscard]] Parsed<Value> parse_record(const Setting& setting, std::string_view text);
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

/// @return whether its value is a table of record_keys()
[[nodiscard]] bool is_record(const Setting& setting);
/// @return the struct in `record` that the fields of its record_keys() are of
[[nodiscard]] void* struct_in(Value& record);

/// What is wrong with one of a list's items.
struct ItemProblem {
    std::size_t index;
    std::string message;  ///< with what is accepted
};

/// @return the first member that cannot stand beside those before it
[[nodiscard]] std::optional<ItemProblem> find_problem(const std::vector<MemberSettings>& members);
/// @return what is wrong with a record, or between its keys, or ""
[[nodiscard]] std::string problem_of_record(const Value& record);
/// @return what is wrong with an entry of policy.retry.also_retry, or ""
[[nodiscard]] std::string problem_of_pattern(std::string_view entry);
inline constexpr std::size_t kMaxPatterns = 64;

/// @return as the parse functions above read it
[[nodiscard]] std::string format_member(const MemberSettings& member);
[[nodiscard]] std::string format_record(const Setting& setting, const Value& record);

/// @return as TOML
[[nodiscard]] std::string toml_member(const MemberSettings& member);
[[nodiscard]] std::string toml_record(const Setting& setting, const Value& record);

}  // namespace weir::conf
