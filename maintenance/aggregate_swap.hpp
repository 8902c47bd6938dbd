#pragma once

#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_definition.hpp"

#include <cstdint>
#include <string>

namespace weir::maintenance {

/// The rows of a table beside the target that are to become the target's.
struct SwapPlan {
    const AggregateDefinition& definition;
    std::string old_text;  ///< AggregateDefinition::text() of what is in the target
    std::string shadow;    ///< where the new rows are, in SQL
    std::int64_t generation = 1;
};

/// @return the lines of a definition's text that say how rows are told apart
[[nodiscard]] std::string keys_of(const std::string& text);

/// @return a problem where views of somebody else's are in the way
[[nodiscard]] Answer<void> refuse_swap(JobContext& job, const SwapPlan& plan);

/// Puts the rows of the shadow into the target, which stays the same table, gives it their columns
/// and makes the live view anew; all of it shows at once. Readers go on with what was there: new
/// columns are filled under other names, and nobody waits but for the moment in which they get
/// theirs. The state changes with it.
[[nodiscard]] Answer<void> swap_in(JobContext& job,
                                   const SwapPlan& plan,
                                   const AggregateFence& fence);

/// Takes away from the target what swap_in() prepared and did not come to use.
[[nodiscard]] Answer<void> undo_preparations(JobContext& job,
                                             const AggregateDefinition& definition);

}  // namespace weir::maintenance
