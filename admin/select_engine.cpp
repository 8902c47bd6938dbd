#include "admin/select_engine.hpp"

#include "admin/select.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::admin {

namespace {

/// How many of SQLite's instructions run between two looks at the clock.
constexpr int kStepsBetweenLooks = 1000;
/// For all of SQLite in this process: what the ledger has in memory (up to 32 MiB, and 16 MiB of
/// cache), and what sorting and joining have to do with.
constexpr sqlite3_int64 kHeapMax = sqlite3_int64{128} << 20U;

constexpr std::array<std::string_view, 5> kForbiddenFunctions{
    "load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"};

protocol::ErrorFields problem(SqlState sqlstate, std::string message) {
    return {.severity = protocol::Severity::Error,
            .sqlstate = sqlstate,
            .message = std::move(message),
            .detail = "",
            .hint = ""};
}

// The SQLSTATEs of names in a query, which nothing else of Weir resolves.
constexpr SqlState kUndefinedTable{"42P01"};
constexpr SqlState kUndefinedColumn{"42703"};
constexpr SqlState kAmbiguousColumn{"42702"};
constexpr SqlState kUndefinedFunction{"42883"};

/// @return PostgreSQL's SQLSTATE for what SQLite says
SqlState sqlstate_of(int code, std::string_view message) {
    switch (code) {
        case SQLITE_INTERRUPT: return sqlstate::kQueryCanceled;
        case SQLITE_NOMEM:
        case SQLITE_TOOBIG: return sqlstate::kProgramLimitExceeded;
        case SQLITE_AUTH: return sqlstate::kInsufficientPrivilege;
        default: break;
    }
    // Tables of SQLite's own that are not ours may not even be set up.
    if (message.starts_with("not authorized") || message.starts_with("vtable constructor failed") ||
        message.ends_with("may not be modified")) {
        return sqlstate::kInsufficientPrivilege;
    }
    if (message.starts_with("no such table")) {
        return kUndefinedTable;
    }
    if (message.starts_with("no such column")) {
        return kUndefinedColumn;
    }
    if (message.starts_with("no such function") || message.starts_with("wrong number of arg")) {
        return kUndefinedFunction;
    }
    if (message.starts_with("ambiguous column")) {
        return kAmbiguousColumn;
    }
    return sqlstate::kSyntaxError;
}

}  // namespace

bool Engine::open() {
    sqlite3_hard_heap_limit64(kHeapMax);
    if (sqlite3_open_v2(":memory:",
                        &database_,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK) {
        return false;
    }
    limit();
    sqlite3_exec(database_, "PRAGMA temp_store = MEMORY", nullptr, nullptr, nullptr);
    if (!tables_.add_to(database_)) {
        return false;
    }
    sqlite3_set_authorizer(database_, &Engine::authorize, this);
    sqlite3_progress_handler(database_, kStepsBetweenLooks, &Engine::is_over, this);
    return true;
}

void Engine::limit() const {
    constexpr std::array kLimits{
        std::pair{SQLITE_LIMIT_LENGTH, 1 << 20},
        std::pair{SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(kSelectTextMax)},
        std::pair{SQLITE_LIMIT_COLUMN, 200},
        std::pair{SQLITE_LIMIT_EXPR_DEPTH, 100},
        std::pair{SQLITE_LIMIT_COMPOUND_SELECT, 20},
        std::pair{SQLITE_LIMIT_VDBE_OP, 100'000},
        std::pair{SQLITE_LIMIT_FUNCTION_ARG, 16},
        std::pair{SQLITE_LIMIT_ATTACHED, 0},
        std::pair{SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
        std::pair{SQLITE_LIMIT_VARIABLE_NUMBER, 100},
        std::pair{SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (const auto& [what, most] : kLimits) {
        sqlite3_limit(database_, what, most);
    }
    // "x" is a column or nothing: a misspelt name must not become a text.
    sqlite3_db_config(database_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(database_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
}

// NOLINTNEXTLINE(readability-function-size): SQLite chooses the parameters
int Engine::authorize(void* self,
                      int action,
                      const char* first,
                      const char* second,
                      const char* /*schema*/,
                      const char* /*trigger*/) {
    auto* engine = static_cast<Engine*>(self);
    if (engine->tables_.is_declaring()) {
        return SQLITE_OK;
    }
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE: return SQLITE_OK;
        case SQLITE_READ:
            return engine->may_read(first == nullptr ? "" : first, second == nullptr ? "" : second);
        case SQLITE_FUNCTION: {
            const std::string_view name = second == nullptr ? "" : second;
            return std::find(kForbiddenFunctions.begin(), kForbiddenFunctions.end(), name) ==
                           kForbiddenFunctions.end()
                       ? SQLITE_OK
                       : SQLITE_DENY;
        }
        default: return SQLITE_DENY;
    }
}

int Engine::may_read(std::string_view table, std::string_view column) {
    if (table.empty()) {
        return SQLITE_OK;  // a subquery's
    }
    const Command* command = find_command(table);
    if (command == nullptr) {
        // Without a column it is what WITH has given a name, or a table of SQLite's own.
        return column.empty() && !table.starts_with("sqlite_") ? SQLITE_OK : SQLITE_DENY;
    }
    if (refuse(command->role, role_)) {
        is_refused_ = true;
        return SQLITE_DENY;
    }
    needs_ = std::max(needs_, command->needs);
    return SQLITE_OK;
}

int Engine::is_over(void* self) {
    const auto* engine = static_cast<Engine*>(self);
    const bool is_given_up =
        engine->is_given_up_ != nullptr && engine->is_given_up_->load(std::memory_order_relaxed);
    return is_given_up || Clock::now() >= engine->due_ ? 1 : 0;
}

bool Engine::prepare(const std::string& sql) {
    if (!open()) {
        return false;
    }
    const char* rest = nullptr;
    const int result =
        sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &statement_, &rest);
    return result == SQLITE_OK && statement_ != nullptr && sqlite3_stmt_readonly(statement_) != 0;
}

protocol::ErrorFields Engine::error() const {
    if (is_refused_) {
        return *refuse(Role::Admin, Role::Viewer);
    }
    const int code = sqlite3_errcode(database_);
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) {
        return problem(sqlstate::kSyntaxError, "not a query that only reads");
    }
    std::string message = sqlite3_errmsg(database_);
    if (code == SQLITE_INTERRUPT) {
        message = "canceling statement: it took longer than the admin database allows";
    }
    const SqlState sqlstate = sqlstate_of(code, message);
    protocol::ErrorFields fields = problem(sqlstate, std::move(message));
    fields.hint = "Tables are named after the SHOW commands; see SHOW HELP.";
    return fields;
}

}  // namespace weir::admin
