#include "admin/select.hpp"

#include "admin/ledger_visit.hpp"
#include "admin/select_engine.hpp"
#include "base/check.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace weir::admin {

namespace {

protocol::ErrorFields problem(SqlState sqlstate, std::string message) {
    return {.severity = protocol::Severity::Error,
            .sqlstate = sqlstate,
            .message = std::move(message),
            .detail = "",
            .hint = ""};
}

bool is_name_part(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '[' || c == ']';
}

/// Takes out PostgreSQL's casts (x::int8): SQLite has no such thing, and drivers and people add
/// them.
std::string without_casts(std::string_view sql) {
    std::string kept;
    char quote = 0;
    for (std::size_t i = 0; i < sql.size(); ++i) {
        if (quote == 0 && sql.substr(i).starts_with("::")) {
            ++i;
            while (i + 1 < sql.size() && is_name_part(sql[i + 1])) {
                ++i;
            }
            continue;
        }
        if (quote != 0) {
            quote = sql[i] == quote ? '\0' : quote;
        } else if (sql[i] == '\'' || sql[i] == '"') {
            quote = sql[i];
        }
        kept += sql[i];
    }
    return kept;
}

std::optional<ColumnType> declared_type(const char* name) {
    if (name == nullptr) {
        return std::nullopt;
    }
    for (const ColumnType type : {ColumnType::Text,
                                  ColumnType::Int4,
                                  ColumnType::Int8,
                                  ColumnType::Numeric,
                                  ColumnType::Float8}) {
        if (name_of(type) == name) {
            return type;
        }
    }
    return std::nullopt;
}

std::optional<ColumnType> type_of_value(int sqlite_type) {
    switch (sqlite_type) {
        case SQLITE_INTEGER: return ColumnType::Int8;
        case SQLITE_FLOAT: return ColumnType::Float8;
        case SQLITE_NULL: return std::nullopt;
        default: return ColumnType::Text;
    }
}

/// What a computed column is likely to hold, by its text or the alias it was given, where no row
/// could tell.
ColumnType guessed_type(std::string_view name) {
    for (const std::string_view whole : {"count(", "length(", "instr(", "unicode("}) {
        if (name.starts_with(whole)) {
            return ColumnType::Int8;
        }
    }
    for (const std::string_view real : {"avg(", "total(", "round("}) {
        if (name.starts_with(real)) {
            return ColumnType::Float8;
        }
    }
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    for (std::size_t i = 1; i + 1 < name.size(); ++i) {
        if (name[i] == '.' && is_digit(name[i - 1]) && is_digit(name[i + 1])) {
            return ColumnType::Float8;
        }
    }
    const bool has_text =
        name.find('\'') != std::string_view::npos || name.find("||") != std::string_view::npos;
    return !has_text && name.find_first_of("+-*/%") != std::string_view::npos ? ColumnType::Int8
                                                                              : ColumnType::Text;
}

/// @return the number of $1 in "$1"; 0 for a parameter of another kind
std::size_t parameter_number(const char* name) {
    const std::string_view text = name == nullptr ? "" : name;
    std::size_t number = 0;
    if (text.size() < 2 || text[0] != '$' ||
        std::from_chars(text.data() + 1, text.data() + text.size(), number).ptr !=
            text.data() + text.size()) {
        return 0;
    }
    return number;
}

bool find_parameters(sqlite3_stmt* statement, std::size_t& count) {
    constexpr std::size_t kMost = 100;
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
        const std::size_t number = parameter_number(sqlite3_bind_parameter_name(statement, i));
        if (number == 0 || number > kMost) {
            return false;
        }
        count = std::max(count, number);
    }
    return true;
}

void find_columns(sqlite3_stmt* statement, SelectPlan& plan) {
    const bool has_row = sqlite3_step(statement) == SQLITE_ROW;
    auto names = std::make_shared<std::vector<std::string>>();
    const int count = sqlite3_column_count(statement);
    for (int i = 0; i < count; ++i) {
        names->emplace_back(sqlite3_column_name(statement, i));
    }
    for (int i = 0; i < count; ++i) {
        const std::string& name = (*names)[static_cast<std::size_t>(i)];
        const auto declared = declared_type(sqlite3_column_decltype(statement, i));
        const auto seen = has_row ? type_of_value(sqlite3_column_type(statement, i)) : std::nullopt;
        plan.columns.push_back({name, declared.value_or(seen.value_or(guessed_type(name)))});
        plan.is_certain.push_back(declared.has_value());
    }
    plan.names = std::move(names);
}

void bind(sqlite3_stmt* statement, const std::vector<Cell>& parameters) {
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
        const std::size_t number = parameter_number(sqlite3_bind_parameter_name(statement, i));
        if (number == 0 || number > parameters.size()) {
            continue;  // NULL
        }
        const Cell& value = parameters[number - 1];
        if (const auto* text = std::get_if<std::string>(&value)) {
            sqlite3_bind_text64(
                statement, i, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
        } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
            sqlite3_bind_int64(statement, i, *whole);
        } else if (const auto* real = std::get_if<double>(&value)) {
            sqlite3_bind_double(statement, i, *real);
        }
    }
}

Cell value_at(sqlite3_stmt* statement, int index) {
    switch (sqlite3_column_type(statement, index)) {
        case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, index)};
        case SQLITE_FLOAT: return sqlite3_column_double(statement, index);
        case SQLITE_NULL: return {};
        default: {
            const auto* text = sqlite3_column_text(statement, index);
            const int bytes = sqlite3_column_bytes(statement, index);
            return std::string{reinterpret_cast<const char*>(text),
                               static_cast<std::size_t>(bytes)};
        }
    }
}

std::string text_of(const Cell& value) {
    std::array<char, 32> digits{};
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
        return std::to_string(*whole);
    }
    if (const auto* real = std::get_if<double>(&value)) {
        const auto [end, error] =
            std::to_chars(digits.data(), digits.data() + digits.size(), *real);
        return {digits.data(), end};
    }
    return std::get<std::string>(value);
}

/// Makes a value one of the column's type. @return whether it can be
bool fit(Cell& value, ColumnType type) {
    if (std::holds_alternative<std::monostate>(value)) {
        return true;
    }
    const auto* whole = std::get_if<std::int64_t>(&value);
    const auto* real = std::get_if<double>(&value);
    switch (type) {
        case ColumnType::Text: value = text_of(value); return true;
        case ColumnType::Float8:
            if (whole != nullptr) {
                value = static_cast<double>(*whole);
            }
            return whole != nullptr || real != nullptr;
        case ColumnType::Int4:
        case ColumnType::Int8:
        case ColumnType::Numeric:
            constexpr double kWholeMax = 9e18;
            if (real != nullptr && std::abs(*real) < kWholeMax) {
                value = std::int64_t{std::llround(*real)};
                return true;
            }
            return whole != nullptr;
    }
    return false;
}

/// Gives computed columns the narrowest type that holds all their values.
void retype(const SelectPlan& plan, SelectResult& result) {
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
        if (plan.is_certain[i]) {
            continue;
        }
        bool has_text = false;
        bool has_real = false;
        bool has_whole = false;
        for (const Row& row : result.rows) {
            has_text = has_text || std::holds_alternative<std::string>(row[i]);
            has_real = has_real || std::holds_alternative<double>(row[i]);
            has_whole = has_whole || std::holds_alternative<std::int64_t>(row[i]);
        }
        if (has_text) {
            result.columns[i].type = ColumnType::Text;
        } else if (has_real || has_whole) {
            result.columns[i].type = has_real ? ColumnType::Float8 : ColumnType::Int8;
        }
    }
}

bool fit_all(SelectResult& result) {
    for (Row& row : result.rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (!fit(row[i], result.columns[i].type)) {
                result.error = problem(SqlState{"42804"},
                                       "column " + std::to_string(i + 1) +
                                           " has values of several types: cast it to text");
                return false;
            }
        }
    }
    return true;
}

std::size_t bytes_of(const Row& row) {
    std::size_t bytes = row.size() * sizeof(Cell);
    for (const Cell& value : row) {
        if (const auto* text = std::get_if<std::string>(&value)) {
            bytes += text->size();
        }
    }
    return bytes;
}

/// @return what went wrong
std::optional<protocol::ErrorFields> collect(const Engine& engine, SelectResult& result) {
    sqlite3_stmt* statement = engine.statement();
    const int columns = sqlite3_column_count(statement);
    std::size_t bytes = 0;
    int state = SQLITE_ROW;
    while ((state = sqlite3_step(statement)) == SQLITE_ROW) {
        Row row;
        for (int i = 0; i < columns; ++i) {
            row.push_back(value_at(statement, i));
        }
        bytes += bytes_of(row);
        if (result.rows.size() >= kSelectRowsMax || bytes > kSelectBytesMax) {
            return problem(sqlstate::kProgramLimitExceeded,
                           "the answer is too large for the admin database: add a LIMIT");
        }
        result.rows.push_back(std::move(row));
    }
    return state == SQLITE_DONE ? std::nullopt : std::optional{engine.error()};
}

}  // namespace

std::variant<SelectPlan, protocol::ErrorFields> plan_select(std::string_view sql, Role role) {
    if (sql.size() > kSelectTextMax) {
        return problem(sqlstate::kProgramLimitExceeded, "query too long for the admin database");
    }
    SelectPlan plan;
    plan.sql = without_casts(sql);
    Engine engine{role, /*input=*/nullptr};
    // Planning happens on an event loop: it runs over one made-up row of each table at most.
    constexpr std::chrono::milliseconds kPlanTimeout{20};
    engine.set_limit(Clock::now() + kPlanTimeout, /*is_given_up=*/nullptr);
    if (!engine.prepare(plan.sql)) {
        return engine.error();
    }
    if (!find_parameters(engine.statement(), plan.parameters)) {
        return problem(sqlstate::kSyntaxError, "parameters are $1 to $100");
    }
    find_columns(engine.statement(), plan);
    plan.needs = engine.needs();
    return plan;
}

SelectResult run_select(const SelectPlan& plan,
                        const std::vector<Cell>& parameters,
                        const CommandInput& input,
                        Typing typing,
                        const std::atomic<bool>& is_given_up) {
    SelectResult result;
    result.columns = plan.columns;
    Engine engine{Role::Admin, &input};  // the role was looked at when it was planned
    engine.set_limit(Clock::now() + kSelectTimeout, &is_given_up);
    if (!engine.prepare(plan.sql)) {
        result.error = engine.error();
        return result;
    }
    bind(engine.statement(), parameters);
    result.error = collect(engine, result);
    if (input.ledger != nullptr) {
        // A table without an answer looked empty; a query cut short because of that is not the
        // news.
        result.error = input.ledger->error() ? input.ledger->error() : result.error;
        result.warning = input.ledger->warning();
    }
    if (!result.error) {
        if (typing == Typing::ByValues) {
            retype(plan, result);
        }
        static_cast<void>(fit_all(result));
    }
    return result;
}

}  // namespace weir::admin
