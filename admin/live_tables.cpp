#include "admin/live_tables.hpp"

#include <memory>
#include <utility>

namespace weir::admin {

namespace {

/// @source https://sqlite.org/vtab.html
struct Table : sqlite3_vtab {
    explicit Table(const LiveTables::Handle& of) : sqlite3_vtab{}, handle{of} {}

    LiveTables::Handle handle;
};

struct Cursor : sqlite3_vtab_cursor {
    const std::vector<Row>* rows = nullptr;
    std::size_t at = 0;
};

std::string declaration_of(const Command& command) {
    std::string sql = "CREATE TABLE x(";
    for (const Column& column : command.columns) {
        sql += (sql.back() == '(' ? "\"" : ", \"") + std::string{column.name} + "\" " +
               std::string{name_of(column.type)};
    }
    return sql + ")";
}

// NOLINTNEXTLINE(readability-function-size): SQLite chooses the parameters
int connect(sqlite3* database,
            void* aux,
            int /*argc*/,
            const char* const* /*argv*/,
            sqlite3_vtab** table,
            char** /*error*/) {
    const auto& handle = *static_cast<LiveTables::Handle*>(aux);
    const int result = handle.tables->declare(database, *handle.command);
    if (result == SQLITE_OK) {
        *table = std::make_unique<Table>(handle).release();
    }
    return result;
}

int disconnect(sqlite3_vtab* table) {
    std::unique_ptr<Table>{static_cast<Table*>(table)}.reset();
    return SQLITE_OK;
}

/// Every look at a table reads all of it.
int best_index(sqlite3_vtab* /*table*/, sqlite3_index_info* info) {
    constexpr double kRowsGuess = 1000;
    info->estimatedCost = kRowsGuess;
    info->estimatedRows = static_cast<sqlite3_int64>(kRowsGuess);
    return SQLITE_OK;
}

int open(sqlite3_vtab* /*table*/, sqlite3_vtab_cursor** cursor) {
    *cursor = std::make_unique<Cursor>().release();
    return SQLITE_OK;
}

int close(sqlite3_vtab_cursor* cursor) {
    std::unique_ptr<Cursor>{static_cast<Cursor*>(cursor)}.reset();
    return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* cursor,
           int /*index*/,
           const char* /*name*/,
           int /*argc*/,
           sqlite3_value** /*argv*/) {
    auto* mine = static_cast<Cursor*>(cursor);
    const LiveTables::Handle& handle = static_cast<Table*>(cursor->pVtab)->handle;
    mine->rows = &handle.tables->rows_of(*handle.command);
    mine->at = 0;
    return SQLITE_OK;
}

int next(sqlite3_vtab_cursor* cursor) {
    ++static_cast<Cursor*>(cursor)->at;
    return SQLITE_OK;
}

int is_at_end(sqlite3_vtab_cursor* cursor) {
    const auto* mine = static_cast<Cursor*>(cursor);
    return mine->at >= mine->rows->size() ? 1 : 0;
}

int column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index) {
    const auto* mine = static_cast<Cursor*>(cursor);
    const Cell& cell = (*mine->rows)[mine->at][static_cast<std::size_t>(index)];
    if (const auto* text = std::get_if<std::string>(&cell)) {
        // The rows stay as long as the connection.
        sqlite3_result_text64(context, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else if (const auto* number = std::get_if<std::int64_t>(&cell)) {
        sqlite3_result_int64(context, *number);
    } else if (const auto* real = std::get_if<double>(&cell)) {
        sqlite3_result_double(context, *real);
    } else {
        sqlite3_result_null(context);
    }
    return SQLITE_OK;
}

int row_id(sqlite3_vtab_cursor* cursor, sqlite3_int64* id) {
    *id = static_cast<sqlite3_int64>(static_cast<Cursor*>(cursor)->at);
    return SQLITE_OK;
}

/// Without xCreate: there without having been created, and nobody can drop it.
sqlite3_module make_module() {
    sqlite3_module module{};
    module.xConnect = connect;
    module.xDisconnect = disconnect;
    module.xBestIndex = best_index;
    module.xOpen = open;
    module.xClose = close;
    module.xFilter = filter;
    module.xNext = next;
    module.xEof = is_at_end;
    module.xColumn = column;
    module.xRowid = row_id;
    return module;
}

const sqlite3_module kModule = make_module();

Row sample_row(const Command& command) {
    Row row;
    for (const Column& column : command.columns) {
        row.push_back(column.type == ColumnType::Text ? Cell{std::string{"x"}}
                                                      : Cell{std::int64_t{1}});
    }
    return row;
}

}  // namespace

int LiveTables::declare(sqlite3* database, const Command& command) {
    is_declaring_ = true;
    const int result = sqlite3_declare_vtab(database, declaration_of(command).c_str());
    is_declaring_ = false;
    return result;
}

bool LiveTables::add_to(sqlite3* database) {
    for (const Command& command : commands()) {
        if (command.rows == nullptr) {
            continue;
        }
        handles_.push_back({this, &command});
        if (sqlite3_create_module(
                database, std::string{command.name}.c_str(), &kModule, &handles_.back()) !=
            SQLITE_OK) {
            return false;
        }
    }
    return true;
}

const std::vector<Row>& LiveTables::rows_of(const Command& command) {
    const auto [place, is_new] = rows_.try_emplace(&command);
    if (is_new) {
        place->second =
            input_ == nullptr ? std::vector<Row>{sample_row(command)} : command.rows(*input_);
    }
    return place->second;
}

}  // namespace weir::admin
