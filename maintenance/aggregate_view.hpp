#pragma once

#include "maintenance/aggregate_target.hpp"

#include <string>
#include <vector>

namespace weir::maintenance {

/// Makes the live view where there is to be one and there is none.
/// @return a problem where something else has its name
[[nodiscard]] Answer<void> ensure_view(JobContext& job, const AggregateDefinition& definition);

/// What makes the live view anew when columns of the target change, in one transaction with that.
struct ViewReplacement {
    std::vector<std::string> before;  ///< what is to go before columns do
    std::vector<std::string> after;   ///< the view, and who may read it
};

/// @param given the columns that the view is to have
/// @return empty where there is to be no view
[[nodiscard]] Answer<ViewReplacement> replace_view(JobContext& job,
                                                   const AggregateDefinition& definition,
                                                   const std::vector<TypedColumn>& given);

/// @param going columns of the target that are to go
/// @return a problem that names a view of somebody else's that would not survive it
[[nodiscard]] Answer<void> refuse_views_of(JobContext& job,
                                           const AggregateDefinition& definition,
                                           const std::vector<std::string>& going);

}  // namespace weir::maintenance
