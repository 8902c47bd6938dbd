#include "ledger/reader.hpp"

#include "base/clock.hpp"
#include "ledger/file_place.hpp"
#include "ledger/schema.hpp"

#include <sqlite3.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::ledger {

/// What SQLite asks while it works.
struct Reader::Guard {
    TimePoint due = kNever;
};

namespace {

constexpr int kStepsBetweenLooks = 1000;

// NOLINTNEXTLINE(readability-function-size): SQLite chooses the parameters
int authorize(void* /*nothing*/,
              int action,
              const char* first,
              const char* second,
              const char* /*schema*/,
              const char* /*trigger*/) {
    constexpr std::array<std::string_view, 5> kForbidden{
        "load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"};
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE:
        case SQLITE_READ: return SQLITE_OK;
        case SQLITE_FUNCTION: {
            const std::string_view name = second == nullptr ? "" : second;
            return std::find(kForbidden.begin(), kForbidden.end(), name) == kForbidden.end()
                       ? SQLITE_OK
                       : SQLITE_DENY;
        }
        default: static_cast<void>(first); return SQLITE_DENY;
    }
}

Value value_of(sqlite3_stmt* statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
        case SQLITE_NULL: return std::monostate{};
        default: break;
    }
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
    const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return data == nullptr ? std::string{} : std::string{data, bytes};
}

}  // namespace

Reader::Reader() : guard_{std::make_unique<Guard>()} {}

Reader::~Reader() {
    connection_.close();
}

std::optional<std::string> Reader::open(const std::string& what) {
    const bool is_uri = what.starts_with("file:");
    if (!is_uri && ::access(what.c_str(), R_OK) != 0) {
        return "cannot read " + what;
    }
    const auto is_ledger = [this] {
        connection_.execute("PRAGMA busy_timeout = 2000");
        const auto application = connection_.integer("PRAGMA application_id");
        return application && *application == kApplicationId;
    };
    bool is_open = connection_.open(what, Connection::Mode::Read) && is_ledger();
    // Who may not write beside the file cannot make its log's index: without a log there is nothing
    // to miss.
    if (!is_open && !is_uri && ::access((what + "-wal").c_str(), F_OK) != 0) {
        is_open =
            connection_.open(uri_of(what) + "?immutable=1", Connection::Mode::Read) && is_ledger();
    }
    if (!is_open) {
        std::string why = problem();
        connection_.close();
        return "cannot read " + what + ": " + (why.empty() ? "it is no ledger" : why);
    }
    is_older_ = connection_.integer("PRAGMA user_version").value_or(0) <
                static_cast<std::int64_t>(schema_steps().size());
    connection_.execute("PRAGMA query_only = ON");
    connection_.execute("PRAGMA trusted_schema = OFF");
    connection_.execute("PRAGMA temp_store = MEMORY");
    sqlite3_limit(connection_.handle(), SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_set_authorizer(connection_.handle(), &authorize, nullptr);
    sqlite3_progress_handler(
        connection_.handle(),
        kStepsBetweenLooks,
        [](void* guard) { return Clock::now() >= static_cast<Guard*>(guard)->due ? 1 : 0; },
        guard_.get());
    return std::nullopt;
}

Connection& Reader::ask() {
    static_cast<void>(connection_.take_trouble());
    guard_->due = Clock::now() + kPatience;
    return connection_;
}

Connection& Reader::ask_patiently() {
    static_cast<void>(connection_.take_trouble());
    guard_->due = kNever;
    return connection_;
}

std::string Reader::problem() const {
    if (!connection_.trouble()) {
        return "";
    }
    if (Clock::now() >= guard_->due) {
        return "it took longer than two seconds";
    }
    return connection_.trouble()->text +
           (is_older_ ? " (an older Weir has written this file: a Weir of this version that writes "
                        "it brings it up)"
                      : "");
}

/// @return the one statement that the text has; null, with the connection's trouble, where it has
/// none, several, or one that does not only read
sqlite3_stmt* Reader::prepare(const std::string& sql) {
    Connection& connection = ask();
    std::string_view rest = sql;
    const auto take = [&] {
        sqlite3_stmt* statement = nullptr;
        std::size_t before = 0;
        do {  // over what is empty
            before = rest.size();
            const char* end = rest.data();
            const auto bytes = static_cast<int>(std::min<std::size_t>(before, INT32_MAX));
            connection.note(
                sqlite3_prepare_v2(connection.handle(), rest.data(), bytes, &statement, &end));
            rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        } while (statement == nullptr && connection.is_well() && rest.size() < before);
        return statement;
    };
    sqlite3_stmt* const statement = take();
    if (statement == nullptr) {
        connection.refuse("there is no statement");
        return nullptr;
    }
    // What follows is blank, comments and semicolons.
    sqlite3_stmt* const second = take();
    const bool is_one = second == nullptr && rest.empty() && connection.is_well();
    sqlite3_finalize(second);
    if (!is_one) {
        static_cast<void>(connection.take_trouble());
        connection.refuse("one statement at a time: there is more behind the first");
    } else if (sqlite3_stmt_readonly(statement) == 0) {
        connection.note(SQLITE_AUTH);
    }
    if (!connection.is_well()) {
        sqlite3_finalize(statement);
        return nullptr;
    }
    return statement;
}

std::optional<Rows> Reader::select(const std::string& sql, std::size_t limit) {
    sqlite3_stmt* const statement = prepare(sql);
    if (statement == nullptr) {
        return std::nullopt;
    }
    Connection& connection = connection_;
    Rows rows;
    const int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; ++i) {
        rows.columns.emplace_back(sqlite3_column_name(statement, i));
    }
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (rows.rows.size() >= std::min(limit, kRowsMax)) {
            rows.is_cut = true;
            code = SQLITE_DONE;
            break;
        }
        std::vector<Value>& row = rows.rows.emplace_back();
        for (int i = 0; i < columns; ++i) {
            row.push_back(value_of(statement, i));
        }
    }
    if (code != SQLITE_DONE) {
        connection.note(code);
    }
    sqlite3_finalize(statement);
    if (!connection.is_well()) {
        return std::nullopt;
    }
    return rows;
}

}  // namespace weir::ledger
