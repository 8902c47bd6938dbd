#include "ledger/connection.hpp"

#include "ledger/functions.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace weir::ledger {

namespace {

Trouble::Kind kind_of(int code) {
    constexpr int kPrimary = 0xFF;
    switch (code & kPrimary) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return Trouble::Kind::Locked;
        case SQLITE_FULL: return Trouble::Kind::Full;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return Trouble::Kind::Corrupt;
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
        case SQLITE_TOOBIG: return Trouble::Kind::Refused;
        case SQLITE_INTERRUPT:
        case SQLITE_AUTH: return Trouble::Kind::Limit;
        default: break;
    }
    // What -shm and -wal meet on a disk that is full.
    return code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_WRITE ? Trouble::Kind::Full
                                                                      : Trouble::Kind::Other;
}

}  // namespace

Use::Use(Connection& connection, sqlite3_stmt* statement)
    : connection_{&connection}, statement_{statement} {}

Use::~Use() {
    if (statement_ != nullptr) {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
}

Use& Use::with(std::int64_t value) {
    if (statement_ != nullptr) {
        connection_->note(sqlite3_bind_int64(statement_, ++bound_, value));
    }
    return *this;
}

Use& Use::with(std::uint64_t value) {
    return with(static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX)));
}

Use& Use::with(double value) {
    if (statement_ != nullptr) {
        connection_->note(sqlite3_bind_double(statement_, ++bound_, value));
    }
    return *this;
}

Use& Use::with(std::string_view text) {
    if (statement_ != nullptr) {
        const char* data = text.data() == nullptr ? "" : text.data();
        connection_->note(sqlite3_bind_text64(
            statement_, ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
    }
    return *this;
}

Use& Use::with_blob(std::string_view bytes) {
    if (statement_ != nullptr) {
        connection_->note(
            sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_STATIC));
    }
    return *this;
}

Use& Use::with_text_or_null(std::string_view text) {
    if (!text.empty()) {
        return with(text);
    }
    ++bound_;  // unbound is NULL
    return *this;
}

bool Use::row() {
    if (statement_ == nullptr || !connection_->is_well()) {
        return false;
    }
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code != SQLITE_DONE) {
        connection_->note(code);
    }
    return false;
}

bool Use::run() {
    while (row()) {
    }
    return connection_->is_well();
}

std::int64_t Use::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::uint64_t Use::natural(int column) const {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, integer(column)));
}

double Use::real(int column) const {
    return sqlite3_column_double(statement_, column);
}

bool Use::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string_view Use::view(int column) const {
    const void* data = sqlite3_column_type(statement_, column) == SQLITE_BLOB
                           ? sqlite3_column_blob(statement_, column)
                           : static_cast<const void*>(sqlite3_column_text(statement_, column));
    const int bytes = sqlite3_column_bytes(statement_, column);
    return data == nullptr
               ? std::string_view{}
               : std::string_view{static_cast<const char*>(data), static_cast<std::size_t>(bytes)};
}

bool Connection::open(const std::string& uri, Mode mode) {
    close();
    constexpr int kLengthMax = 1 << 20;
    const int how =
        mode == Mode::Write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    const int code = sqlite3_open_v2(
        uri.c_str(), &handle_, how | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
    if (code != SQLITE_OK) {
        note(code);
        const std::optional<Trouble> trouble = trouble_;
        close();
        trouble_ = trouble;
        return false;
    }
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, kLengthMax);
    sqlite3_limit(handle_, SQLITE_LIMIT_WORKER_THREADS, 0);
    note(add_functions(handle_));
    return is_well();
}

void Connection::close() {
    for (const auto& [sql, statement] : prepared_) {
        sqlite3_finalize(statement);
    }
    prepared_.clear();
    sqlite3_close_v2(handle_);
    handle_ = nullptr;
    trouble_.reset();
}

sqlite3_stmt* Connection::prepared(const char* sql) {
    if (!is_well()) {
        return nullptr;
    }
    if (const auto found = prepared_.find(sql); found != prepared_.end()) {
        return found->second;
    }
    sqlite3_stmt* statement = nullptr;
    const int code =
        sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
        note(code);
        return nullptr;
    }
    prepared_.emplace(sql, statement);
    return statement;
}

bool Connection::execute(const std::string& sql) {
    if (is_well()) {
        note(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
    }
    return is_well();
}

std::optional<std::int64_t> Connection::integer(const char* sql) {
    Use question = use(sql);
    if (!question.row() || question.is_null(0)) {
        return std::nullopt;
    }
    return question.integer(0);
}

std::optional<Trouble> Connection::take_trouble() {
    return std::exchange(trouble_, std::nullopt);
}

void Connection::note(int code) {
    if (code == SQLITE_OK || trouble_) {
        return;
    }
    trouble_ = Trouble{.kind = kind_of(code), .text = sqlite3_errstr(code)};
    if (handle_ != nullptr && sqlite3_errcode(handle_) != SQLITE_OK) {
        trouble_->text = sqlite3_errmsg(handle_);
        if (const int system = sqlite3_system_errno(handle_);
            system != 0 && trouble_->kind == Trouble::Kind::Other) {
            trouble_->text += " (errno " + std::to_string(system) + ")";
        }
    }
}

void Connection::refuse(std::string why) {
    if (!trouble_) {
        trouble_ = Trouble{.kind = Trouble::Kind::Refused, .text = std::move(why)};
    }
}

void Connection::roll_back() {
    if (is_in_transaction()) {
        sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

std::int64_t Connection::rows_changed() const {
    return handle_ == nullptr ? 0 : sqlite3_changes64(handle_);
}

std::int64_t Connection::last_id() const {
    return handle_ == nullptr ? 0 : sqlite3_last_insert_rowid(handle_);
}

bool Connection::is_in_transaction() const {
    return handle_ != nullptr && sqlite3_get_autocommit(handle_) == 0;
}

}  // namespace weir::ledger
