#include "pool/session_audit.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace weir::pool {

namespace {

/// Settings of a transaction: they end with it.
constexpr std::array<std::string_view, 3> kOfTransaction = {
    "transaction_deferrable", "transaction_isolation", "transaction_read_only"};

constexpr std::string_view kStatementTimeout = "statement_timeout";
constexpr std::size_t kColumns = 3;
using Row = std::array<std::string_view, kColumns>;

/// @return nothing where it is no row of three values; NULL comes out empty
std::optional<Row> read_row(ByteView body) {
    ByteReader reader{body};
    const auto columns = reader.u16();
    if (!columns || *columns != kColumns) {
        return std::nullopt;
    }
    Row row;
    for (std::string_view& value : row) {
        const auto length = reader.i32();
        if (!length) {
            return std::nullopt;
        }
        if (*length < 0) {
            continue;
        }
        const auto bytes = reader.take(static_cast<std::size_t>(*length));
        if (!bytes) {
            return std::nullopt;
        }
        value = as_text(*bytes);
    }
    return row;
}

/// Who it acts as is in no list. A custom setting that its session has never had, or has no more,
/// is NULL or empty.
std::string settings_query(const std::vector<std::string>& custom) {
    std::string names;
    for (const std::string& name : custom) {
        names.append(names.empty() ? "" : ",").append(1, '\'').append(name).append(1, '\'');
    }
    std::string sql =
        "SELECT CASE WHEN s.source OPERATOR(pg_catalog.<>) 'session' THEN 'known' WHEN s.context "
        "OPERATOR(pg_catalog.=) 'superuser' AND pg_catalog.current_setting('is_superuser') "
        "OPERATOR(pg_catalog.=) 'off' THEN 'privileged' ELSE 'setting' END, s.name, "
        "pg_catalog.current_setting(s.name) FROM pg_catalog.pg_settings s WHERE s.source "
        "OPERATOR(pg_catalog.=) 'session'";
    if (!names.empty()) {
        sql += " OR pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) ANY (ARRAY[" + names +
               "]::pg_catalog.text[])";
    }
    sql +=
        " UNION ALL SELECT 'role', 'role', pg_catalog.current_setting('role')"
        " UNION ALL SELECT 'role', 'session_authorization', "
        "pg_catalog.current_setting('session_authorization')";
    if (!names.empty()) {
        sql +=
            " UNION ALL SELECT 'custom', n, pg_catalog.current_setting(n, true) FROM "
            "pg_catalog.unnest(ARRAY[" +
            names + "]::pg_catalog.text[]) n";
    }
    return sql;
}

struct Question {
    SessionEffect effect;
    std::string_view sql;
};

constexpr std::array<Question, 5> kQuestions = {{
    {SessionEffect::Temporary,
     "SELECT 'temporary', '', '' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE "
     "d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass AND "
     "d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())"},
    {SessionEffect::Cursors,
     "SELECT 'cursor', '', '' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_cursors c WHERE "
     "c.is_holdable)"},
    {SessionEffect::Statements,
     "SELECT 'prepared', '', '' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_statements p "
     "WHERE p.from_sql AND p.name OPERATOR(pg_catalog.<>) 'weir:gone')"},
    {SessionEffect::Channels,
     "SELECT 'listen', '', '' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_listening_channels())"},
    {SessionEffect::Locks,
     "SELECT 'advisory_lock', '', '' WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE "
     "l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=) "
     "pg_catalog.pg_backend_pid())"},
}};

}  // namespace

SessionAudit::SessionAudit(SessionEffects asked,
                           const std::vector<std::string>& custom_settings,
                           std::string login_user)
    : login_user_{std::move(login_user)} {
    result_.asked = asked;
    if (asked.has(SessionEffect::Settings)) {
        sql_ = settings_query(custom_settings);
    }
    for (const Question& question : kQuestions) {
        if (asked.has(question.effect)) {
            sql_.append(sql_.empty() ? "" : " UNION ALL ").append(question.sql);
        }
    }
}

SessionAudit::SessionAudit(std::unique_ptr<CatalogQuestion> catalog)
    : sql_{catalog->sql()}, catalog_{std::move(catalog)} {}

void SessionAudit::on_error() {
    if (catalog_ != nullptr) {
        catalog_->on_error();
    } else {
        result_.has_failed = true;
    }
}

void SessionAudit::end() {
    is_done_ = true;
    if (catalog_ != nullptr) {
        catalog_->on_end();
    }
}

void SessionAudit::lift_timeout() {
    sql_ =
        "SELECT 'timeout', 'statement_timeout', pg_catalog.current_setting('statement_timeout'); "
        "SET LOCAL statement_timeout TO 0; " +
        sql_;
}

void SessionAudit::on_row(ByteView body) {
    if (catalog_ != nullptr) {
        catalog_->on_row(body);
        return;
    }
    const auto row = read_row(body);
    if (!row) {
        result_.has_failed = true;
        return;
    }
    const auto& [kind, name, value] = *row;
    for (const Question& question : kQuestions) {
        if (kind == name_of(question.effect)) {
            result_.present |= question.effect;
            return;
        }
    }
    take_setting(kind, lower_case(name), value);
}

void SessionAudit::take_setting(std::string_view kind,
                                const std::string& key,
                                std::string_view value) {
    if (kind == "timeout") {
        timeout_ = value;
    } else if (timeout_ && key == kStatementTimeout) {
        result_.settings.insert_or_assign(key, *timeout_);  // the row tells what it is for the look
    } else if (kind == "known") {
        // Not a custom setting after all: its own row, which may follow, is of no interest.
        result_.settings.erase(key);
        known_.push_back(key);
    } else if (kind == "role") {
        take_role(key, value);
    } else if (kind == "custom") {
        take_custom(key, value);
    } else if (std::find(kOfTransaction.begin(), kOfTransaction.end(), key) ==
               kOfTransaction.end()) {
        result_.settings.insert_or_assign(key, std::string{value});
        result_.has_privileged_setting = result_.has_privileged_setting || kind == "privileged";
    }
}

void SessionAudit::take_role(const std::string& key, std::string_view value) {
    const bool is_usual = key == "role" ? value == "none" : value == login_user_;
    if (!is_usual) {
        result_.settings.insert_or_assign(key, std::string{value});
    }
}

void SessionAudit::take_custom(const std::string& key, std::string_view value) {
    const bool is_known = std::find(known_.begin(), known_.end(), key) != known_.end();
    const bool is_there = !value.empty() || (had_ != nullptr && had_->contains(key));
    if (is_there && !is_known) {
        result_.settings.try_emplace(key, value);
    }
}

}  // namespace weir::pool
