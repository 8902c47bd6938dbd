#pragma once

#include "maintenance/connection.hpp"

namespace weir::maintenance {

/// The session's clock is UTC's while this lives: times are read and written in it, and expressions
/// that depend on it always give the same.
class SessionZone {
public:
    explicit SessionZone(Connection& db) : db_{db} {
        static_cast<void>(db_.run("SET timezone = 'UTC'"));
    }

    ~SessionZone() {
        if (db_.is_alive()) {
            static_cast<void>(db_.run("RESET timezone"));
        }
    }

    SessionZone(const SessionZone&) = delete;
    SessionZone& operator=(const SessionZone&) = delete;
    SessionZone(SessionZone&&) = delete;
    SessionZone& operator=(SessionZone&&) = delete;

private:
    Connection& db_;
};

}  // namespace weir::maintenance
