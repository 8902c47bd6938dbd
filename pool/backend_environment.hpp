#pragma once

#include "net/background.hpp"
#include "net/event_loop.hpp"
#include "pool/backend_owner.hpp"
#include "pool/counters.hpp"
#include "pool/parked_backend.hpp"
#include "pool/session_settings.hpp"
#include "pool/shared_database.hpp"
#include "pool/statement.hpp"

namespace weir::pool {

/// What backends are given by their pool; outlives them.
struct BackendEnvironment {
    net::EventLoop& loop;
    net::BackgroundThread& background;
    SettingsTable& settings;
    WorkerCounters& counters;
    PoolCounters& pool_counters;
    BackendOwner& owner;
    const BackendTraits& traits;
    StatementTable& statements;
    SharedDatabasePtr database;
};

}  // namespace weir::pool
