#pragma once

#include "admin/commands.hpp"
#include "admin/table.hpp"

#include <sqlite3.h>

#include <list>
#include <map>
#include <string>
#include <vector>

namespace weir::admin {

/// Every SHOW command with columns as a virtual table of one SQLite connection.
///
/// Outlives the connection it is registered with. @thread one at a time
class LiveTables {
public:
    /// @param input what to look at; null: every table has one row of made-up values
    explicit LiveTables(const CommandInput* input) : input_{input} {}

    LiveTables(const LiveTables&) = delete;
    LiveTables& operator=(const LiveTables&) = delete;
    LiveTables(LiveTables&&) = delete;
    LiveTables& operator=(LiveTables&&) = delete;
    ~LiveTables() = default;

    /// @return whether SQLite took them
    [[nodiscard]] bool add_to(sqlite3* database);

    /// @return the rows of one table, made when first asked for
    [[nodiscard]] const std::vector<Row>& rows_of(const Command& command);

    /// @return whether a table is telling SQLite its columns, which SQLite asks the authorizer
    /// about as if somebody created one
    [[nodiscard]] bool is_declaring() const { return is_declaring_; }

    /// @return SQLite's result
    int declare(sqlite3* database, const Command& command);

    /// What SQLite hands back to the table's functions.
    struct Handle {
        LiveTables* tables;
        const Command* command;
    };

private:
    const CommandInput* input_;
    bool is_declaring_ = false;
    std::list<Handle> handles_;
    std::map<const Command*, std::vector<Row>> rows_;
};

}  // namespace weir::admin
