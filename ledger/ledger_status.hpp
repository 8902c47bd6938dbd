#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::ledger {

enum class LedgerState : std::uint8_t {
    Off,       ///< no path is configured
    Starting,  ///< the file has not been opened yet
    Ok,
    Degraded,  ///< nothing is written now: `problem` says why; what fits is kept in memory
};

/// What the metrics say of the ledger.
struct LedgerStatus {
    LedgerState state = LedgerState::Off;
    std::string problem;             ///< what is wrong now; "" = nothing
    std::string last_problem;        ///< what was wrong last
    std::string file;                ///< that is written to; "" in memory
    std::uint64_t rows_written = 0;  ///< statements, sessions, events and deeds
    std::uint64_t dropped_samples = 0;
    std::uint64_t dropped_details = 0;  ///< samples that went without text, plan and the like
    std::uint64_t dropped_sessions = 0;
    std::uint64_t dropped_events = 0;
    std::uint64_t dropped_deeds = 0;
    std::uint64_t digests_folded = 0;  ///< that count as "(other)"
    std::uint64_t calls_coarsened =
        0;  ///< statements that count with less detail, because nothing could be written
    std::uint64_t calls_refused = 0;  ///< statements whose sums could not be written, and are lost
    std::uint64_t rows_deleted = 0;   ///< by retention, and for room
    std::uint64_t bytes_used = 0;     ///< of the file, without its free pages
    std::chrono::milliseconds since_commit{-1};  ///< -1 = none yet
};

/// @return "off", "starting", "ok", "degraded"
[[nodiscard]] constexpr std::string_view name_of(LedgerState state) {
    switch (state) {
        case LedgerState::Off: return "off";
        case LedgerState::Starting: return "starting";
        case LedgerState::Ok: return "ok";
        case LedgerState::Degraded: return "degraded";
    }
    return "";
}

}  // namespace weir::ledger
