#include "admin/health.hpp"
#include "admin/show.hpp"

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kMemColumns[] = {
    {"name", Text}, {"size", Int4}, {"used", Int4}, {"free", Int4}, {"memtotal", Int8}};

/// Objects without what they point to. Weir keeps no spare ones, so none is ever free.
std::vector<Row> mem_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::MemoryUse& use : input.snapshot.memory) {
        rows.push_back(
            {use.name, cell(use.size), cell(use.used), std::int64_t{0}, cell(use.size * use.used)});
    }
    return rows;
}

constexpr Column kHealthColumns[] = {{"check", Text},
                                     {"subject", Text},
                                     {"status", Text},
                                     {"detail", Text},
                                     {"recommendation", Text}};

Row row_of(const HealthCheck& check) {
    return {std::string{check.check},
            text_or_null(check.subject),
            std::string{policies::name_of(check.health)},
            text_or_null(check.detail),
            text_or_null(check.recommendation)};
}

std::vector<Row> health_rows(const CommandInput& input) {
    const HealthReport report = report_health(input);
    std::vector<Row> rows{row_of(report.overall)};
    for (const HealthCheck& check : report.checks) {
        rows.push_back(row_of(check));
    }
    return rows;
}

}  // namespace

Show show_mem() {
    return {kMemColumns, mem_rows};
}

Show show_health() {
    return {kHealthColumns, health_rows};
}

}  // namespace weir::admin
