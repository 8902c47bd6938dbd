#pragma once

#include "base/clock.hpp"
#include "net/stream.hpp"
#include "pool/backend_login.hpp"
#include "pool/budget.hpp"
#include "pool/session_settings.hpp"
#include "pool/statement.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::pool {

/// How a backend is treated; follows the configuration of its pool.
struct BackendTraits {
    enum class Mode : std::uint8_t { Session, Transaction, Statement };
    Mode mode = Mode::Transaction;
    std::string reset_query;
    std::string check_query;
    std::string connect_query;            ///< run again after all settings have been reset
    std::size_t prepared_statements = 0;  ///< remembered per backend
    bool carries_state = false;           ///< what clients leave behind is looked after
    std::string user;                     ///< as whom it logs in
};

/// A backend on its way from one worker to another: no part of it belongs to a loop.
struct ParkedBackend {
    net::DetachedStream stream;
    std::uint64_t id = 0;
    std::uint32_t process_id = 0;
    std::vector<std::byte> cancel_secret;
    ReportedParameters parameters;
    SettingsMap applied;
    SettingsMap startup;
    bool is_applied_known = true;
    bool has_sequences = false;  // lastval() and currval() may tell of somebody's
    std::vector<StatementPtr> statements;
    TimePoint opened_at;
    TimePoint idle_since;
    TimePoint retire_at;
    std::uint64_t generation = 0;
    std::array<HeldPlace, 3> places;  ///< in the limits it counts for, until a pool adopts it
    BudgetPtr application;            ///< whose client it is meant for; nullptr: anybody's
    HeldPlace application_place;      ///< taken for that client, so that nobody gets in before it
};

}  // namespace weir::pool
