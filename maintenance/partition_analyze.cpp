#include "maintenance/partition_analyze.hpp"

#include "maintenance/partition_default.hpp"
#include "maintenance/partition_plan.hpp"
#include "maintenance/partition_pruning.hpp"

#include <algorithm>
#include <utility>

namespace weir::maintenance {

namespace {

using Severity = PartitionFinding::Severity;

/// Looks at one table.
class Analysis {
public:
    Analysis(JobContext& job,
             const conf::PartitionSettings* settings,
             const PartitionThresholds& thresholds,
             const PartitionSet& set)
        : job_{job}, settings_{settings}, thresholds_{thresholds}, set_{set} {}

    [[nodiscard]] Answer<std::vector<PartitionFinding>> run();

private:
    void add(Severity severity, std::string what, std::string advice, const Relation* of = nullptr);
    [[nodiscard]] Answer<void> look_at_horizon();
    [[nodiscard]] Answer<void> look_at_calendar();
    [[nodiscard]] Answer<void> look_at_default();
    [[nodiscard]] Answer<void> look_at_leftovers();
    [[nodiscard]] Answer<void> look_at_partitions();
    [[nodiscard]] Answer<void> look_at_statistics();
    [[nodiscard]] Answer<void> look_at_indexes();
    [[nodiscard]] std::string create_command() const;

    JobContext& job_;
    const conf::PartitionSettings* settings_;
    const PartitionThresholds& thresholds_;
    const PartitionSet& set_;
    std::vector<PartitionFinding> findings_;
};

void Analysis::add(Severity severity, std::string what, std::string advice, const Relation* of) {
    findings_.push_back({severity,
                         set_.table.text(),
                         of == nullptr ? "" : of->text(),
                         std::move(what),
                         std::move(advice)});
}

std::string Analysis::create_command() const {
    return "weir partition create " + set_.table.text() +
           (settings_ == nullptr ? " --interval …" : "");
}

std::string in_words(const PartitionSet& set, std::int64_t length) {
    constexpr std::int64_t kHour = std::int64_t{3'600} * 1'000'000;
    constexpr std::int64_t kHoursOfDay = 24;
    if (set.kind == KeyKind::Integer) {
        return std::to_string(length) + " values";
    }
    return length >= kHoursOfDay * kHour ? std::to_string(length / (kHoursOfDay * kHour)) + " days"
                                         : std::to_string(length / kHour) + " hours";
}

Answer<void> Analysis::look_at_horizon() {
    constexpr std::int64_t kWarn = 6;
    constexpr std::int64_t kCritical = 2;
    const Answer<std::int64_t> now = read_now(job_.db, set_, zone_of(job_.settings));
    if (!now) {
        add(Severity::Info, now.error().text, now.error().detail);
        return {};
    }
    const std::int64_t until = set_.covered_until(*now);
    if (until == PartitionBound::kMax) {
        return {};
    }
    const bool is_held = set_.find(*now) != nullptr;
    if (!is_held) {
        const bool falls_into_default = set_.default_partition.has_value();
        add(Severity::Critical,
            falls_into_default ? "no partition holds now; rows go to DEFAULT"
                               : "no partition holds now; INSERT fails",
            create_command());
        return {};
    }
    // Without a wish the width of the newest partition is the measure.
    const PartitionRange& newest = set_.partitions.back().range;
    const bool has_width = !newest.lo.is_open() && !newest.hi.is_open();
    const std::int64_t width = has_width ? newest.hi.at - newest.lo.at : 0;
    const std::int64_t left = until - *now;
    const std::string what = "partitions for " + in_words(set_, left) + " are left";
    if (width > 0 && left < kCritical * width) {
        add(Severity::Critical, what, create_command());
    } else if (settings_ == nullptr && width > 0 && left < kWarn * width) {
        add(Severity::Warn, what, create_command());
    }
    return {};
}

/// What the configuration wishes, compared with what is there.
Answer<void> Analysis::look_at_calendar() {
    for (const PartitionRange& gap : set_.gaps()) {
        add(Severity::Warn, "gap " + gap.line() + ": no partition holds these", create_command());
    }
    if (settings_ == nullptr) {
        return {};
    }
    if (const Answer<void> fine = check_workable(set_, *settings_); !fine) {
        add(Severity::Critical, fine.error().text, fine.error().detail);
        return {};
    }
    const Answer<PartitionPlan> plan = plan_partitions(job_, set_, *settings_);
    if (!plan) {
        add(Severity::Critical, plan.error().text, plan.error().detail);
        return {};
    }
    const std::int64_t left = set_.covered_until(plan->grid.now);
    if (left < plan->grid.min_until && left > plan->grid.now &&
        std::none_of(findings_.begin(), findings_.end(), [](const PartitionFinding& finding) {
            return finding.severity == Severity::Critical;
        })) {
        add(Severity::Warn,
            "partitions for " + in_words(set_, left - plan->grid.now) +
                " are left, less than ahead.min (" + settings_->ahead_min.text + ")",
            create_command());
    }
    for (const Partition* misfit : find_misfits(set_, plan->grid)) {
        add(Severity::Warn,
            "CONFLICT: " + misfit->range.line() + " spans more than one interval of " +
                settings_->interval.text,
            "it is left as it is; a smaller interval begins behind the last partition",
            &misfit->relation);
    }
    return {};
}

Answer<void> Analysis::look_at_default() {
    if (!set_.default_partition) {
        return {};
    }
    const Relation& relation = set_.default_partition->relation;
    const Answer<RowCount> count = count_rows(job_.db, *set_.default_partition);
    if (!count) {
        add(Severity::Info, count.error().text, {}, &relation);
        return {};
    }
    const Answer<Rows> size =
        job_.db.run("SELECT sum(pg_catalog.pg_relation_size(relid))::bigint FROM " +
                        partition_tree_sql("$1::oid") + " t",
                    {std::to_string(relation.oid)});
    if (!size) {
        return failed(size.error());
    }
    if (count->rows > 0) {
        const bool is_large = count->rows > thresholds_.rows_of_default ||
                              size->number(0, 0) > thresholds_.bytes_of_default;
        add(is_large ? Severity::Critical : Severity::Warn,
            "DEFAULT has " + std::string{count->is_estimate ? "about " : ""} +
                std::to_string(count->rows) + " rows; each ATTACH reads them",
            "weir partition convert " + set_.table.text() + " --empty-default",
            &relation);
    } else if (settings_ != nullptr &&
               settings_->default_partition == conf::DefaultPartition::None) {
        add(Severity::Warn,
            "DEFAULT is there and empty; it keeps detaches from being CONCURRENTLY",
            "ALTER TABLE " + set_.table.sql() + " DETACH PARTITION " + relation.sql(),
            &relation);
    }
    return {};
}

Answer<void> Analysis::look_at_leftovers() {
    for (const Partition& partition : set_.pending) {
        add(Severity::Critical,
            "is half detached: its rows are invisible",
            "ALTER TABLE " + set_.table.sql() + " DETACH PARTITION " + partition.relation.sql() +
                " FINALIZE",
            &partition.relation);
    }
    for (const LooseTable& loose : set_.loose) {
        if (loose.detached.empty()) {
            add(Severity::Warn,
                "was made to be a partition [" + loose.lo + ", " + loose.hi +
                    ") and is not attached",
                create_command() + ", or DROP TABLE " + loose.relation.sql(),
                &loose.relation);
        }
    }
    return {};
}

Answer<void> Analysis::look_at_partitions() {
    const Answer<Rows> rows = job_.db.run(
        "SELECT c.oid, n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, CASE WHEN EXISTS "
        "(SELECT FROM pg_catalog.pg_locks l WHERE l.relation = c.oid AND l.mode = "
        "'AccessExclusiveLock') THEN 0 ELSE pg_catalog.pg_total_relation_size(c.oid) END, "
        "age(c.relfrozenxid) FROM " +
            partition_tree_sql("$1::oid") +
            " t JOIN pg_catalog.pg_class "
            "c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE t.isleaf AND c.relkind = 'r' ORDER BY n.nspname, c.relname",
        {std::to_string(set_.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    constexpr std::int64_t kGiB = std::int64_t{1} << 30U;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const Relation relation{static_cast<std::uint32_t>(rows->number(i, 0)),
                                rows->text(i, 1),
                                rows->text(i, 2),
                                'r'};
        const std::int64_t count = rows->number(i, 3);
        const std::int64_t bytes = rows->number(i, 4);
        if (count >= thresholds_.rows_of_partition || bytes > thresholds_.bytes_of_partition) {
            add(Severity::Warn,
                "is large: about " + std::to_string(count) + " rows, " +
                    std::to_string(bytes / kGiB) + " GiB",
                "a shorter interval",
                &relation);
        }
        const auto known =
            std::find_if(set_.partitions.begin(), set_.partitions.end(), [&](const Partition& p) {
                return p.relation.oid == relation.oid;
            });
        const bool is_closed = known != set_.partitions.end() && known + 1 != set_.partitions.end();
        if (is_closed && rows->number(i, 5) > thresholds_.unfrozen_age) {
            add(Severity::Warn,
                "is closed and not frozen: " + rows->text(i, 5) + " transactions old",
                "VACUUM (FREEZE, ANALYZE) " + relation.sql(),
                &relation);
        }
    }
    return {};
}

/// Autovacuum analyses partitions and never the table above them.
Answer<void> Analysis::look_at_statistics() {
    const Answer<Rows> rows = job_.db.run(
        "SELECT c.reltuples <= 0 AND pg_catalog.pg_stat_get_last_analyze_time(c.oid) IS NULL AND "
        "EXISTS (SELECT FROM " +
            partition_tree_sql("c.oid") +
            " t JOIN pg_catalog.pg_class k ON "
            "k.oid = t.relid WHERE t.isleaf AND (k.reltuples > 0 OR "
            "pg_catalog.pg_stat_get_live_tuples("
            "k.oid) > 0)) FROM pg_catalog.pg_class c WHERE c.oid = $1::oid",
        {std::to_string(set_.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    if (!rows->empty() && rows->flag(0, 0)) {
        add(Severity::Warn,
            "was never analysed as a whole; autovacuum does not do it",
            "ANALYZE " + set_.table.sql());
    }
    return {};
}

Answer<void> Analysis::look_at_indexes() {
    const Answer<Rows> rows = job_.db.run(
        "SELECT n.nspname, pc.relname, ic.relname, c.oid, cn.nspname, c.relname "
        "FROM pg_catalog.pg_index p JOIN pg_catalog.pg_class pc ON pc.oid = p.indexrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = pc.relnamespace "
        "JOIN pg_catalog.pg_class ic ON ic.oid = p.indexrelid "
        "JOIN pg_catalog.pg_inherits h ON h.inhparent = p.indrelid "
        "JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid "
        "JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace "
        "WHERE p.indrelid = $1::oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits x JOIN "
        "pg_catalog.pg_index k ON k.indexrelid = x.inhrelid WHERE x.inhparent = p.indexrelid AND "
        "k.indrelid = c.oid) ORDER BY 3, 6",
        {std::to_string(set_.table.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const Relation relation{static_cast<std::uint32_t>(rows->number(i, 3)),
                                rows->text(i, 4),
                                rows->text(i, 5),
                                'r'};
        add(Severity::Warn,
            "misses the index " + rows->text(i, 2) + " of its table",
            "CREATE INDEX CONCURRENTLY on it with the same columns, then ALTER INDEX " +
                quote_identifier(rows->view(i, 0)) + "." + quote_identifier(rows->view(i, 1)) +
                " ATTACH PARTITION …",
            &relation);
    }
    return {};
}

Answer<std::vector<PartitionFinding>> Analysis::run() {
    std::vector<Answer<void> (Analysis::*)()> looks{&Analysis::look_at_default,
                                                    &Analysis::look_at_leftovers,
                                                    &Analysis::look_at_partitions,
                                                    &Analysis::look_at_statistics,
                                                    &Analysis::look_at_indexes};
    if (set_.unsupported.empty()) {
        looks.insert(looks.begin(), {&Analysis::look_at_horizon, &Analysis::look_at_calendar});
    } else {
        add(Severity::Info, set_.unsupported, "it is listed and analysed, no more");
    }
    for (const auto look : looks) {
        if (const Answer<void> done = (this->*look)(); !done) {
            return failed(done.error());
        }
    }
    return std::move(findings_);
}

Answer<void> find_plain_tables(JobContext& job,
                               const PartitionThresholds& thresholds,
                               std::vector<PartitionFinding>& findings) {
    // Tables that grow or shrink by much gain by it earlier.
    const Answer<Rows> rows = job.db.run(
        "SELECT * FROM (SELECT n.nspname || '.' || c.relname AS name, greatest(c.reltuples, "
        "coalesce(s.n_live_tup, 0))::bigint AS rows, coalesce(s.n_tup_ins + s.n_tup_del > "
        "s.n_live_tup / 2, false) AS is_busy FROM pg_catalog.pg_class c JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN "
        "pg_catalog.pg_stat_user_tables s ON s.relid = c.oid WHERE c.relkind = 'r' AND NOT "
        "c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname "
        "NOT LIKE 'pg\\_toast%') t WHERE rows >= CASE WHEN is_busy THEN $1::bigint * 2 / 5 ELSE "
        "$1::bigint END ORDER BY rows DESC, name",
        {std::to_string(thresholds.rows_of_plain_table)});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const std::int64_t count = rows->number(i, 1);
        const bool is_busy = rows->flag(i, 2);
        const std::int64_t critical =
            is_busy ? thresholds.rows_of_plain_table : 2 * thresholds.rows_of_plain_table;
        findings.push_back({count >= critical ? Severity::Critical : Severity::Warn,
                            rows->text(i, 0),
                            {},
                            "has about " + std::to_string(count) + " rows and is not partitioned",
                            "weir partition convert " + rows->text(i, 0)});
    }
    return {};
}

const conf::PartitionSettings* settings_of(JobContext& job,
                                           const std::vector<conf::PartitionSettings>& all,
                                           const Relation& table) {
    for (const conf::PartitionSettings& one : all) {
        const Answer<Relation> named = find_relation(job.db, one.table);
        if (named && named->oid == table.oid) {
            return &one;
        }
    }
    return nullptr;
}

std::string name_of(Severity severity) {
    switch (severity) {
        case Severity::Info: return "info";
        case Severity::Warn: return "warn";
        case Severity::Critical: return "critical";
    }
    return "";
}

/// [[partition]]s that name nothing, or no partitioned table.
void find_wrong_names(JobContext& job,
                      const std::vector<conf::PartitionSettings>& partitions,
                      std::vector<PartitionFinding>& findings) {
    for (const conf::PartitionSettings& one : partitions) {
        const Answer<Relation> table = find_relation(job.db, one.table);
        if (!table) {
            findings.push_back(
                {Severity::Critical, one.table, {}, table.error().text, table.error().detail});
        } else if (table->kind != 'p') {
            findings.push_back({Severity::Critical,
                                one.table,
                                {},
                                "is in [[partition]] and is not partitioned",
                                "weir partition convert " + one.table});
        }
    }
}

}  // namespace

Answer<std::vector<PartitionFinding>> analyze_table(
    JobContext& job,
    const std::string& table,
    const std::vector<conf::PartitionSettings>& partitions,
    const PartitionThresholds& thresholds,
    const std::vector<SeenStatement>& seen) {
    const Answer<Relation> relation = find_relation(job.db, table);
    if (!relation) {
        return failed(relation.error());
    }
    const Answer<PartitionSet> set = read_partition_set(job.db, *relation);
    if (!set) {
        return failed(set.error());
    }
    Answer<std::vector<PartitionFinding>> found =
        Analysis{job, settings_of(job, partitions, *relation), thresholds, *set}.run();
    const Answer<std::vector<PartitionFinding>> unpruned =
        found ? find_unpruned(job, *set, seen) : found;
    if (!unpruned) {
        return failed(unpruned.error());
    }
    const Answer<std::vector<PartitionFinding>> off = find_pruning_off(job, *set);
    if (!off) {
        return failed(off.error());
    }
    found->insert(found->end(), unpruned->begin(), unpruned->end());
    found->insert(found->end(), off->begin(), off->end());
    return found;
}

Answer<std::vector<PartitionFinding>> analyze_database(
    JobContext& job,
    const std::vector<conf::PartitionSettings>& partitions,
    const PartitionThresholds& thresholds,
    const std::vector<SeenStatement>& seen) {
    const Answer<Rows> rows = job.db.run(
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND NOT "
        "c.relispartition ORDER BY n.nspname, c.relname");
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<PartitionFinding> all;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        const Relation table{static_cast<std::uint32_t>(rows->number(i, 0)),
                             rows->text(i, 1),
                             rows->text(i, 2),
                             'p'};
        const Answer<std::vector<PartitionFinding>> found =
            analyze_table(job, table.sql(), partitions, thresholds, seen);
        if (!found && !job.db.is_alive()) {
            return failed(found.error());
        }
        if (found) {
            all.insert(all.end(), found->begin(), found->end());
        } else {
            all.push_back({Severity::Warn, table.text(), {}, found.error().line(), {}});
        }
    }
    find_wrong_names(job, partitions, all);
    const Answer<void> done = find_plain_tables(job, thresholds, all);
    return done ? Answer<std::vector<PartitionFinding>>{std::move(all)} : failed(done.error());
}

Report report_of(const std::vector<PartitionFinding>& findings) {
    Report report;
    report.columns = {{"severity"}, {"table"}, {"partition"}, {"finding"}, {"advice"}};
    std::vector<PartitionFinding> sorted = findings;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return a.severity > b.severity;
    });
    const auto cell = [](const std::string& text) {
        return text.empty() ? std::optional<std::string>{} : std::optional{text};
    };
    for (const PartitionFinding& finding : sorted) {
        report.rows.push_back({name_of(finding.severity),
                               finding.table,
                               cell(finding.partition),
                               finding.what,
                               cell(finding.advice)});
    }
    return report;
}

}  // namespace weir::maintenance
