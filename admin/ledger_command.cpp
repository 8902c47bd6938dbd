#include "admin/ledger_command.hpp"

#include "admin/ledger_pages.hpp"
#include "ledger/audit.hpp"
#include "ledger/backup.hpp"
#include "ledger/reader.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::admin {

namespace {

using enum ColumnType;
using ledger::Reader;

int fail(const LedgerCommand& command, const std::string& why) {
    command.problems << "weir: " << why << '\n';
    return kLedgerFailed;
}

/// @return the exit status of a command that has said all
int done(const LedgerCommand& command) {
    command.out.flush();
    return command.out.good() ? kLedgerFine : fail(command, "cannot write what was asked for");
}

/// @return what is in the way
std::optional<std::string> find_file(const LedgerCommand& command) {
    if (command.file.empty()) {
        return "the ledger is off (ledger.path), and no --ledger FILE is given";
    }
    if (command.file == ":memory:") {
        return "the ledger is in memory (ledger.path = \":memory:\"): only the running Weir knows "
               "it; "
               "ask its admin database (SHOW STATEMENTS, SHOW SLOW)";
    }
    return std::nullopt;
}

/// Opens the file and runs a command over it.
int with_reader(const LedgerCommand& command, const std::function<int(Reader&)>& run) {
    if (const auto problem = find_file(command)) {
        return fail(command, *problem);
    }
    Reader reader;
    if (const auto problem = reader.open(command.file)) {
        return fail(command, *problem);
    }
    return run(reader);
}

/// A list as people read it: few columns, the text last.
constexpr std::array<std::string_view, 11> kSlowColumns{"ended",
                                                        "total_ms",
                                                        "server_ms",
                                                        "wait_ms",
                                                        "rows",
                                                        "database",
                                                        "user",
                                                        "application_name",
                                                        "sqlstate",
                                                        "digest",
                                                        "query"};

/// @return those columns of a page
LedgerPage picked(LedgerPage page,
                  std::span<const std::string_view> names,
                  std::vector<Column>& columns) {
    std::vector<std::size_t> places;
    for (const std::string_view name : names) {
        const auto found =
            std::find_if(page.columns.begin(), page.columns.end(), [name](const Column& column) {
                return column.name == name;
            });
        places.push_back(static_cast<std::size_t>(found - page.columns.begin()));
        columns.push_back(*found);
    }
    for (Row& row : page.rows) {
        Row few;
        for (const std::size_t place : places) {
            few.push_back(std::move(row[place]));
        }
        row = std::move(few);
    }
    page.columns = columns;
    return page;
}

constexpr double kUsPerMs = 1000;
/// A threshold beyond is met by nothing: some 285 years.
constexpr double kLeastUsMax = 9e15;

LedgerPage slow_page(Reader& reader, const LedgerCommand& command) {
    ledger::KeptQuestion question;
    question.window = last_hours(command.hours);
    question.least_us = static_cast<std::uint64_t>(
        std::llround(std::min(kLeastUsMax, command.threshold_ms * kUsPerMs)));
    question.page = {.limit = command.limit, .cursor = command.cursor};
    return kept_page(reader, question);
}

constexpr Column kSummaryColumns[] = {
    {"what", Text}, {"count", Int8}, {"total_ms", Float8}, {"p50_ms", Float8}, {"p95_ms", Float8}};

/// The sums of a window. @return the problem
std::string add_totals(Reader& reader, const ledger::Window& window, std::vector<Row>& rows) {
    const auto sums = ledger::statement_sums(reader, window);
    if (!sums.problem.empty()) {
        return sums.problem;
    }
    const auto in_ms = [](std::uint64_t us) -> Cell { return static_cast<double>(us) / kUsPerMs; };
    const ledger::Figures& all = sums.rows.at(0).figures;
    rows.push_back({"statements", cell(all.calls), in_ms(all.total_us), Cell{}, Cell{}});
    rows.push_back({"of that on the server", Cell{}, in_ms(all.server_us), Cell{}, Cell{}});
    rows.push_back({"of that waiting", Cell{}, in_ms(all.wait_us), Cell{}, Cell{}});
    rows.push_back({"different statements", cell(sums.rows.at(0).digests), Cell{}, Cell{}, Cell{}});
    rows.push_back({"rows", cell(all.rows), Cell{}, Cell{}, Cell{}});
    rows.push_back({"bytes", cell(all.bytes), Cell{}, Cell{}, Cell{}});
    rows.push_back({"errors", cell(all.errors), Cell{}, Cell{}, Cell{}});
    return "";
}

/// @return the problem
std::string add_counts(Reader& reader,
                       const ledger::CountQuestion& question,
                       std::vector<Row>& rows) {
    const auto errors = ledger::errors_by_state(reader, question);
    if (!errors.problem.empty()) {
        return errors.problem;
    }
    for (const ledger::ErrorRow& error : errors.rows) {
        rows.push_back({"error " + error.sqlstate, cell(error.count), Cell{}, Cell{}, Cell{}});
    }
    const auto waits = ledger::waits_by_reason(reader, question);
    for (const ledger::WaitRow& wait : waits.rows) {
        const auto quantile = [&wait](std::uint64_t ledger::Quantiles::*which) {
            return wait.times ? Cell{static_cast<double>((*wait.times).*which) / kUsPerMs} : Cell{};
        };
        rows.push_back({"wait " + std::string{ledger::name_of(wait.reason)},
                        cell(wait.count),
                        static_cast<double>(wait.us) / kUsPerMs,
                        quantile(&ledger::Quantiles::p50),
                        quantile(&ledger::Quantiles::p95)});
    }
    return waits.problem;
}

ColumnType type_of(const ledger::Rows& rows, std::size_t column) {
    ColumnType type = Int8;
    for (const auto& row : rows.rows) {
        if (std::holds_alternative<std::string>(row[column])) {
            return Text;
        }
        type = std::holds_alternative<double>(row[column]) ? Float8 : type;
    }
    return type;
}

/// @return bytes as PostgreSQL shows them
std::string hexadecimal(const std::string& bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    constexpr unsigned kBitsPerDigit = 4;
    constexpr unsigned kDigit = 0xF;
    std::string text = "\\x";
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> kBitsPerDigit];
        text += kDigits[byte & kDigit];
    }
    return text;
}

/// Texts have no such characters; histograms and hashes do.
bool is_of_bytes(const std::string& value) {
    return std::any_of(value.begin(), value.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < ' ' && c != '\t' && c != '\n' && c != '\r';
    });
}

Cell cell_of(ledger::Value& value) {
    if (auto* text = std::get_if<std::string>(&value)) {
        return is_of_bytes(*text) ? hexadecimal(*text) : std::move(*text);
    }
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
        return *whole;
    }
    if (const auto* real = std::get_if<double>(&value)) {
        return *real;
    }
    return {};
}

using Pages = LedgerPage (*)(Reader& reader,
                             const ledger::Window& window,
                             const ledger::PageWish& page);

struct Exported {
    std::string_view table;
    Pages page;
};

/// @return a page of a list that is asked for by window and page
template <class Question, LedgerPage (*page_of)(Reader&, const Question&)>
LedgerPage page_in(Reader& reader, const ledger::Window& window, const ledger::PageWish& page) {
    Question question;
    question.window = window;
    question.page = page;
    return page_of(reader, question);
}

/// Errors have no pages: their patterns, the most frequent first.
LedgerPage patterns_in(Reader& reader, const ledger::Window& window, const ledger::PageWish& page) {
    ledger::CountQuestion question;
    question.window = window;
    question.limit = page.limit;
    return errors_page(reader, question, ErrorsBy::Pattern);
}

constexpr std::array kExported{
    Exported{"statements", page_in<ledger::TopQuestion, statements_page>},
    Exported{"slow", page_in<ledger::KeptQuestion, kept_page>},
    Exported{"errors", patterns_in},
    Exported{"sessions", page_in<ledger::SessionQuestion, sessions_page>},
    Exported{"events", page_in<ledger::EventQuestion, events_page>},
    Exported{"audit", page_in<ledger::AuditQuestion, audit_page>},
};

}  // namespace

int print_slow_queries(const LedgerCommand& command) {
    return with_reader(command, [&command](Reader& reader) {
        LedgerPage page = slow_page(reader, command);
        if (!page.problem.empty()) {
            return fail(command, page.problem);
        }
        std::vector<Column> columns;
        if (command.form == ReportForm::Text) {
            page = picked(std::move(page), kSlowColumns, columns);
        }
        print_report(command.out, command.form, page.columns, page.rows, page.next);
        return done(command);
    });
}

int print_summary(const LedgerCommand& command) {
    return with_reader(command, [&command](Reader& reader) {
        ledger::CountQuestion question;
        question.window = last_hours(command.hours);
        std::vector<Row> rows;
        std::string problem = add_totals(reader, question.window, rows);
        if (problem.empty()) {
            problem = add_counts(reader, question, rows);
        }
        if (!problem.empty()) {
            return fail(command, problem);
        }
        print_report(command.out, command.form, kSummaryColumns, rows);
        return done(command);
    });
}

int print_query(const LedgerCommand& command, const std::string& sql) {
    return with_reader(command, [&](Reader& reader) {
        auto found = reader.select(sql);
        if (!found) {
            return fail(command, reader.problem());
        }
        std::vector<Column> columns;
        for (std::size_t i = 0; i < found->columns.size(); ++i) {
            columns.push_back({found->columns[i], type_of(*found, i)});
        }
        std::vector<Row> rows;
        for (auto& values : found->rows) {
            Row& row = rows.emplace_back();
            for (ledger::Value& value : values) {
                row.push_back(cell_of(value));
            }
        }
        print_report(command.out, command.form, columns, rows);
        if (found->is_cut) {
            command.problems << "weir: there are more than " << Reader::kRowsMax
                             << " rows; these are the first\n";
        }
        return done(command);
    });
}

int print_backup(const LedgerCommand& command, const std::string& to) {
    if (const auto problem = find_file(command)) {
        return fail(command, *problem);
    }
    const std::string problem = ledger::copy_file(command.file, to);
    if (!problem.empty()) {
        return fail(command, problem);
    }
    command.out << "copied " << command.file << " to " << to << '\n';
    return done(command);
}

int print_verification(const LedgerCommand& command) {
    return with_reader(command, [&command](Reader& reader) {
        const ledger::AuditCheck check = ledger::check_audit(reader.ask_patiently());
        const std::string line = std::to_string(check.line);
        switch (check.state) {
            case ledger::AuditState::InOrder:
                command.out << "the audit is in order up to line " << line << '\n';
                return done(command);
            case ledger::AuditState::Broken:
                return fail(command, "the audit is not in order from line " + line + " on");
            case ledger::AuditState::Unknown: break;
        }
        return fail(command, "the audit could not be read to its end: " + reader.problem());
    });
}

int print_export(const LedgerCommand& command, const std::string& table) {
    const auto* const exported =
        std::find_if(kExported.begin(), kExported.end(), [&table](const Exported& one) {
            return one.table == table;
        });
    if (exported == kExported.end()) {
        return fail(command,
                    "\"" + table +
                        "\" is no table to export; there are statements, slow, errors, sessions, "
                        "events and audit");
    }
    return with_reader(command, [&](Reader& reader) {
        // One window for all pages.
        const ledger::Window window = last_hours(command.hours);
        std::string cursor;
        bool is_first = true;
        do {
            LedgerPage page = exported->page(
                reader, window, {.limit = ledger::kPageMax, .cursor = std::move(cursor)});
            if (!page.problem.empty()) {
                return fail(command, page.problem);
            }
            if (std::exchange(is_first, false)) {
                print_csv_header(command.out, page.columns);
            }
            print_csv_rows(command.out, page.rows);
            cursor = std::move(page.next);
        } while (!cursor.empty() && command.out.good());
        return done(command);
    });
}

}  // namespace weir::admin
