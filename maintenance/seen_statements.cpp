#include "maintenance/seen_statements.hpp"

#include "ledger/questions.hpp"
#include "ledger/reader.hpp"

#include <chrono>

namespace weir::maintenance {

std::vector<SeenStatement> read_seen_statements(const std::string& file,
                                                const std::string& database,
                                                Reporter& reporter) {
    constexpr std::chrono::hours kWeek{7 * 24};
    constexpr std::size_t kStatements = 500;
    if (file.empty() || file == ":memory:") {
        reporter.note(
            "whether statements are pruned is unknown: the ledger has no file "
            "(ledger.path)");
        return {};
    }
    ledger::Reader reader;
    if (const auto problem = reader.open(file)) {
        reporter.note("whether statements are pruned is unknown: " + *problem);
        return {};
    }
    const auto from = std::chrono::system_clock::now().time_since_epoch() - kWeek;
    ledger::TopQuestion question;
    question.window.from_us = std::chrono::duration_cast<std::chrono::microseconds>(from).count();
    question.filter.database = database;
    question.page.limit = kStatements;
    const ledger::Answer<ledger::StatementRow> top = ledger::top_statements(reader, question);
    if (!top.problem.empty()) {
        reporter.note("whether statements are pruned is unknown: " + top.problem);
    }
    std::vector<SeenStatement> seen;
    for (const ledger::StatementRow& row : top.rows) {
        seen.push_back({row.text, row.figures.calls, row.figures.total_us});
    }
    return seen;
}

}  // namespace weir::maintenance
