#pragma once

#include "admin/live_tables.hpp"
#include "base/clock.hpp"
#include "protocol/error_reply.hpp"

#include <sqlite3.h>

#include <atomic>
#include <string>
#include <string_view>

namespace weir::admin {

/// One SQLite connection to an empty database in memory, for one statement that reads live tables:
/// nothing else is allowed, and what it may use is limited.
class Engine {
public:
    Engine(Role role, const CommandInput* input) : role_{role}, tables_{input} {}

    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;

    ~Engine() {
        sqlite3_finalize(statement_);
        sqlite3_close_v2(database_);
    }

    /// @return whether it can be run; else error() says why not
    [[nodiscard]] bool prepare(const std::string& sql);

    void set_limit(TimePoint due, const std::atomic<bool>* is_given_up) {
        due_ = due;
        is_given_up_ = is_given_up;
    }

    [[nodiscard]] sqlite3_stmt* statement() const { return statement_; }

    [[nodiscard]] Needs needs() const { return needs_; }

    [[nodiscard]] protocol::ErrorFields error() const;

private:
    [[nodiscard]] bool open();
    void limit() const;
    static int authorize(void* self,
                         int action,
                         const char* first,
                         const char* second,
                         const char* schema,
                         const char* trigger);
    [[nodiscard]] int may_read(std::string_view table, std::string_view column);
    static int is_over(void* self);

    Role role_;
    LiveTables tables_;
    sqlite3* database_ = nullptr;
    sqlite3_stmt* statement_ = nullptr;
    Needs needs_ = Needs::Nothing;
    bool is_refused_ = false;
    TimePoint due_ = kNever;
    const std::atomic<bool>* is_given_up_ = nullptr;
};

}  // namespace weir::admin
