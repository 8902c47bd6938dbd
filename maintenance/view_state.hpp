#pragma once

#include "maintenance/job.hpp"
#include "maintenance/view_facts.hpp"
#include "maintenance/view_sources.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace weir::maintenance {

/// What is remembered of a view's last refresh: a row of weir.view_state.
struct ViewState {
    std::string signature;
    std::int64_t changes = 0;
    std::string refreshed_at;
    std::int64_t duration_ms = 0;
};

/// @return empty where nothing is known: it was never refreshed here, or the table is not there
[[nodiscard]] Answer<std::optional<ViewState>> read_view_state(Connection& db, std::uint32_t view);

/// @param sources as they were before the refresh
/// @return a problem where that cannot be remembered
[[nodiscard]] Answer<void> write_view_state(JobContext& job,
                                            const Relation& view,
                                            const ViewSources& sources,
                                            std::chrono::milliseconds took);

}  // namespace weir::maintenance
