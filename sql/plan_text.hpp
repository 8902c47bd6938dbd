#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What PostgreSQL says of how it would run a statement: EXPLAIN's JSON.
/// Thread: any (no shared state).
namespace weir::sql {

/// How deep objects and lists may stand in each other.
inline constexpr std::size_t kPlanDepthMax = 256;

/// Masked: of every string but names and the words of EXPLAIN itself the literals become "?".
enum class PlanLiterals : std::uint8_t { Masked, Kept };

struct ExplainedPlan {
    std::string json;  ///< one line
    /// Of its shape, the same in every process: which nodes, in which order, on which relations and
    /// indexes; nothing of costs, conditions and settings.
    std::uint64_t shape = 0;
};

/// @param explained EXPLAIN's answer in FORMAT JSON; any bytes
/// @return nothing where it is no plan, not in UTF-8, or deeper than kPlanDepthMax
[[nodiscard]] std::optional<ExplainedPlan> read_plan(std::string_view explained,
                                                     PlanLiterals literals);

/// @param expression as PostgreSQL writes them out
/// @return the same with "?" for each string and number, and no comments
[[nodiscard]] std::string without_literals(std::string_view expression);

}  // namespace weir::sql
