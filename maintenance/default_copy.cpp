#include "maintenance/default_copy.hpp"

#include "maintenance/ladder.hpp"
#include "maintenance/partition_attach.hpp"
#include "maintenance/partition_comment.hpp"

#include <algorithm>
#include <utility>

namespace weir::maintenance {

namespace {

constexpr const char* kTrigger = "weir_journal";
constexpr const char* kTruncateTrigger = "weir_journal_truncate";
constexpr const char* kBound = "weir_bound";
constexpr std::int64_t kPages = 128;
/// A range of pages is found without reading the others from 14 on.
constexpr int kPageScans = 140'000;
constexpr std::int64_t kPagesBefore = 16'384;
/// So few are copied again under the lock in a moment.
constexpr std::int64_t kFew = 300;
constexpr int kRounds = 20;

}  // namespace

DefaultCopy::DefaultCopy(JobContext& job,
                         const PartitionSet& set,
                         const DefaultPlan& plan,
                         std::vector<std::string> columns)
    : job_{job},
      set_{set},
      plan_{plan},
      key_{std::move(columns)},
      from_{set.default_partition->relation},
      stage_{beside("_weir_stage")},
      journal_{beside("_weir_journal")} {}

Relation DefaultCopy::beside(const char* suffix) const {
    return {0, set_.table.schema, fit_name(set_.table.name, suffix), 'r'};
}

Relation DefaultCopy::old() const {
    return {0, from_.schema, fit_name(from_.name, "_old"), 'r'};
}

Relation DefaultCopy::fresh() const {
    return {0, from_.schema, fit_name(from_.name, "_weir_new"), 'r'};
}

std::string DefaultCopy::list(const std::string& before, const std::string& behind) const {
    std::string all;
    for (const std::string& column : key_) {
        all.append(all.empty() ? "" : ", ").append(before).append(column).append(behind);
    }
    return all;
}

// ---- what is made
// --------------------------------------------------------------------------------

Answer<bool> DefaultCopy::is_left(const Relation& table) const {
    const Answer<Rows> rows = job_.db.run(
        "SELECT pg_catalog.obj_description(r, 'pg_class') FROM pg_catalog.to_regclass($1) r WHERE "
        "r "
        "IS NOT NULL",
        {table.sql()});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return false;
    }
    if (PartitionComment::parse(rows->view(0, 0)).table != set_.table.text()) {
        return problem(table.text() + " is there and is not Weir's; it is left as it is",
                       "its name is needed: rename it");
    }
    return true;
}

Answer<void> DefaultCopy::clear() {
    const Answer<bool> has_stage = is_left(stage_);
    const Answer<bool> has_journal = is_left(journal_);
    const Answer<Rows> triggers = job_.db.run(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND tgname IN ($2, $3)",
        {std::to_string(from_.oid), kTrigger, kTruncateTrigger});
    if (!has_stage || !has_journal || !triggers) {
        return failed(!has_stage     ? has_stage.error()
                      : !has_journal ? has_journal.error()
                                     : triggers.error());
    }
    LockedStep step;
    step.what = "drop what an interrupted run has left";
    step.oids = {from_.oid};
    step.locks = "ACCESS EXCLUSIVE on " + from_.text() + " for a moment";
    step.most_patience = kPartitionPatience;
    for (std::size_t i = 0; i < triggers->size(); ++i) {
        step.sql.push_back("DROP TRIGGER " + quote_identifier(triggers->view(i, 0)) + " ON " +
                           from_.sql());
    }
    if (*has_journal) {
        step.sql.push_back("DROP TABLE " + journal_.sql());
        step.sql.push_back("DROP FUNCTION IF EXISTS " + journal_.sql() + "()");
    }
    if (*has_stage) {
        step.sql.push_back("DROP TABLE " + stage_.sql());
    }
    return step.sql.empty() ? Answer<void>{} : run_locked(job_, step);
}

Answer<void> DefaultCopy::read_columns() {
    const Answer<Rows> rows = job_.db.run(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM "
        "pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND "
        "attgenerated = ''",
        {std::to_string(set_.table.oid)});
    const Answer<Rows> keys = job_.db.run(
        "SELECT pg_catalog.format('ADD CONSTRAINT %I %s', conname, "
        "pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint WHERE conrelid = "
        "$1::oid AND contype = 'f'",
        {std::to_string(set_.table.oid)});
    if (!rows || !keys) {
        return failed((rows ? keys : rows).error());
    }
    columns_ = rows->text(0, 0);
    for (std::size_t i = 0; i < keys->size(); ++i) {
        foreign_keys_.push_back(keys->text(i, 0));
    }
    return {};
}

Answer<void> DefaultCopy::make_table(const Relation& child, const PartitionRange* range) {
    const Answer<std::vector<std::string>> extras = read_extras(job_, set_, child);
    if (!extras) {
        return failed(extras.error());
    }
    constexpr int kCompression = 140'000;
    LockedStep step;
    step.what = "create " + child.text();
    step.locks = "ACCESS SHARE on " + set_.table.text();
    step.sql = {"CREATE TABLE " + child.sql() + " (LIKE " + set_.table.sql() +
                    " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING "
                    "COMMENTS INCLUDING GENERATED INCLUDING INDEXES" +
                    (job_.db.server_version() >= kCompression ? " INCLUDING COMPRESSION)" : ")"),
                "ALTER TABLE " + child.sql() + " OWNER TO " + quote_identifier(set_.owner)};
    for (const std::string& key : foreign_keys_) {  // ATTACH would read all rows for them
        step.sql.push_back("ALTER TABLE " + child.sql() + " " + key);
    }
    step.sql.insert(step.sql.end(), extras->begin(), extras->end());
    PartitionComment comment;
    comment.table = set_.table.text();
    std::string values = "DEFAULT";
    if (range != nullptr) {
        const std::string key = quote_identifier(set_.key);
        comment.lo = range->lo.text;
        comment.hi = range->hi.text;
        values = "FOR VALUES FROM (" + range->lo.sql() + ") TO (" + range->hi.sql() + ")";
        step.sql.push_back("ALTER TABLE " + child.sql() + " ADD CONSTRAINT " + kBound + " CHECK (" +
                           key + " IS NOT NULL AND " + key + " >= " + range->lo.sql() + " AND " +
                           key + " < " + range->hi.sql() + ")");
    }
    step.sql.push_back("COMMENT ON TABLE " + child.sql() + " IS " + quote_literal(comment.json()));
    step.sql.push_back("ALTER TABLE " + stage_.sql() + " ATTACH PARTITION " + child.sql() + " " +
                       values);
    return run_locked(job_, step);
}

/// Runs as who made it: whoever writes to the table needs no right to the journal.
std::string DefaultCopy::function_sql() const {
    const std::string into = "INSERT INTO " + journal_.sql() + " (" + list("", "") + ") ";
    const std::string body = "BEGIN IF TG_OP = 'TRUNCATE' THEN INSERT INTO " + journal_.sql() +
                             " DEFAULT VALUES; RETURN NULL; END IF; IF TG_OP <> 'INSERT' THEN " +
                             into + "VALUES (" + list("OLD.", "") +
                             "); END IF; IF TG_OP <> 'DELETE' THEN " + into + "VALUES (" +
                             list("NEW.", "") + "); END IF; RETURN NULL; END";
    return "CREATE FUNCTION " + journal_.sql() +
           "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS " +
           quote_literal(body);
}

std::vector<std::string> DefaultCopy::journal_sql() const {
    const std::string run = " EXECUTE FUNCTION " + journal_.sql() + "()";
    PartitionComment comment;
    comment.table = set_.table.text();
    return {"CREATE TABLE " + journal_.sql() + " AS SELECT " + list("", "") + " FROM " +
                from_.sql() + " WITH NO DATA",
            "COMMENT ON TABLE " + journal_.sql() + " IS " + quote_literal(comment.json()),
            function_sql(),
            "CREATE TRIGGER " + std::string{kTrigger} + " AFTER INSERT OR UPDATE OR DELETE ON " +
                from_.sql() + " FOR EACH ROW" + run,
            "ALTER TABLE " + from_.sql() + " ENABLE ALWAYS TRIGGER " + kTrigger,
            "CREATE TRIGGER " + std::string{kTruncateTrigger} + " AFTER TRUNCATE ON " +
                from_.sql() + " FOR EACH STATEMENT" + run,
            "ALTER TABLE " + from_.sql() + " ENABLE ALWAYS TRIGGER " + kTruncateTrigger};
}

Answer<void> DefaultCopy::make_journal() {
    LockedStep step;
    step.what = "watch " + from_.text();
    step.oids = {from_.oid};
    step.sql = journal_sql();
    step.locks = "SHARE ROW EXCLUSIVE on " + from_.text() + " for a moment";
    step.most_patience = kPartitionPatience;
    return run_locked(job_, step);
}

Answer<void> DefaultCopy::prepare() {
    if (Answer<void> done = read_columns(); !done) {
        return done;
    }
    PartitionComment comment;
    comment.table = set_.table.text();
    LockedStep step;
    step.what = "create " + stage_.text();
    step.sql = {"CREATE TABLE " + stage_.sql() + " (LIKE " + set_.table.sql() +
                    " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED) PARTITION BY "
                    "RANGE (" +
                    quote_identifier(set_.key) + ")",
                "COMMENT ON TABLE " + stage_.sql() + " IS " + quote_literal(comment.json())};
    if (Answer<void> done = run_locked(job_, step); !done) {
        return done;
    }
    if (Answer<void> done = make_table(fresh(), /*range=*/nullptr); !done) {
        return done;
    }
    for (const DefaultSlice& slice : plan_.slices) {
        const Relation child{0, set_.table.schema, slice.planned.name, 'r'};
        if (Answer<void> done = make_table(child, &slice.planned.range); !done) {
            return done;
        }
    }
    return make_journal();
}

// ---- the rows
// ------------------------------------------------------------------------------------

Answer<bool> DefaultCopy::copy() {
    const Answer<Rows> size = job_.db.run(
        "SELECT pg_catalog.pg_relation_size($1::oid) / current_setting('block_size')::bigint",
        {std::to_string(from_.oid)});
    if (!size) {
        return failed(size.error());
    }
    // Rows that come behind these pages are in the journal.
    const std::int64_t pages = size->number(0, 0);
    const std::int64_t step = job_.db.server_version() >= kPageScans ? kPages : kPagesBefore;
    std::int64_t rows = 0;
    for (std::int64_t page = 0; page < pages; page += step) {
        job_.reporter.progress({"copy", rows, plan_.rows + plan_.kept, "rows"});
        job_.hold_back();
        if (job_.should_end()) {
            return false;
        }
        // A row that was changed may be met twice, or stand in the way of another: it is in the
        // journal.
        const Answer<Rows> done = job_.db.run(
            "INSERT INTO " + stage_.sql() + " (" + columns_ + ") SELECT " + columns_ +
            " FROM ONLY " + from_.sql() + " WHERE ctid >= '(" + std::to_string(page) +
            ",0)' AND ctid < '(" + std::to_string(page + step) + ",0)' ON CONFLICT DO NOTHING");
        if (!done) {
            return failed(done.error());
        }
        rows += done->affected();
    }
    return true;
}

std::vector<std::string> DefaultCopy::again_sql() const {
    const std::string touched =
        "(SELECT DISTINCT " + list("", "") + " FROM " + journal_.sql() + ") j";
    std::string same;
    for (const std::string& column : key_) {
        same.append(same.empty() ? "" : " AND ").append("t.").append(column);
        same.append(" = j.").append(column);
    }
    // The journal is too young for statistics: without this all of DEFAULT is read for a few rows.
    return {"SET LOCAL enable_hashjoin = off",
            "SET LOCAL enable_mergejoin = off",
            "DELETE FROM " + stage_.sql() + " t USING " + touched + " WHERE " + same,
            "INSERT INTO " + stage_.sql() + " (" + columns_ + ") SELECT " + columns_ +
                " FROM ONLY " + from_.sql() + " t WHERE EXISTS (SELECT FROM " + touched +
                " WHERE " + same + ")",
            "DELETE FROM " + journal_.sql()};
}

Answer<void> DefaultCopy::check_truncated(JobContext& job) const {
    const Answer<Rows> rows =
        job.db.run("SELECT FROM " + journal_.sql() + " WHERE " + key_.front() + " IS NULL LIMIT 1");
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? Answer<void>{}
                         : problem(from_.text() + ": was truncated meanwhile", "run it again");
}

Answer<void> DefaultCopy::check_counts() {
    const Answer<Rows> rows = job_.db.run("SELECT (SELECT count(*) FROM ONLY " + from_.sql() +
                                          "), (SELECT count(*) FROM " + stage_.sql() + ")");
    if (!rows) {
        return failed(rows.error());
    }
    return rows->number(0, 0) == rows->number(0, 1)
               ? Answer<void>{}
               : problem(from_.text() + ": has " + rows->text(0, 0) + " rows, and " +
                             rows->text(0, 1) + " were copied",
                         "nothing was changed");
}

Answer<std::int64_t> DefaultCopy::copy_again(bool is_first) {
    // One snapshot: what the journal says of it is what DEFAULT holds in it.
    Answer<Transaction> transaction =
        Transaction::begin(job_.db, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    if (!transaction) {
        return failed(transaction.error());
    }
    if (Answer<void> fine = check_truncated(job_); !fine) {
        return failed(fine.error());
    }
    std::int64_t touched = 0;
    for (const std::string& sql : again_sql()) {
        const Answer<Rows> done = job_.db.run(sql);
        if (!done) {
            return failed(done.error());
        }
        touched = done->affected();
    }
    if (is_first) {
        if (Answer<void> fine = check_counts(); !fine) {
            return failed(fine.error());
        }
    }
    const Answer<Rows> done = transaction->commit();
    return done ? Answer<std::int64_t>{touched} : failed(done.error());
}

Answer<void> DefaultCopy::catch_up() {
    const Answer<Rows> analyzed = job_.db.run("ANALYZE " + stage_.sql());
    if (!analyzed) {
        return failed(analyzed.error());
    }
    for (int round = 0; round < kRounds; ++round) {
        job_.reporter.progress({"catch up", round, 0, "rounds"});
        const Answer<std::int64_t> touched = copy_again(round == 0);
        if (!touched) {
            return failed(touched.error());
        }
        if (*touched <= kFew && round > 0) {
            return {};
        }
    }
    return problem(from_.text() + ": is written to faster than it is copied",
                   "try again when less is written to it",
                   state::kLockNotAvailable);
}

// ---- the swap
// ------------------------------------------------------------------------------------

std::vector<std::string> DefaultCopy::swap_sql() const {
    const std::string table = "ALTER TABLE " + set_.table.sql();
    const std::string stage = "ALTER TABLE " + stage_.sql();
    std::vector<std::string> all = again_sql();
    all.push_back("DROP TRIGGER " + std::string{kTrigger} + " ON " + from_.sql());
    all.push_back("DROP TRIGGER " + std::string{kTruncateTrigger} + " ON " + from_.sql());
    all.push_back(table + " DETACH PARTITION " + from_.sql());
    for (const DefaultSlice& slice : plan_.slices) {
        const Relation child{0, set_.table.schema, slice.planned.name, 'r'};
        const PartitionRange& range = slice.planned.range;
        all.push_back(stage + " DETACH PARTITION " + child.sql());
        all.push_back(table + " ATTACH PARTITION " + child.sql() + " FOR VALUES FROM (" +
                      range.lo.sql() + ") TO (" + range.hi.sql() + ")");
        all.push_back("ALTER TABLE " + child.sql() + " DROP CONSTRAINT " + kBound);
    }
    const std::vector<std::string> rest{
        stage + " DETACH PARTITION " + fresh().sql(),
        "ALTER TABLE " + from_.sql() + " RENAME TO " + quote_identifier(old().name),
        "ALTER TABLE " + fresh().sql() + " RENAME TO " + quote_identifier(from_.name),
        table + " ATTACH PARTITION " + from_.sql() + " DEFAULT",
        "DROP FUNCTION " + journal_.sql() + "()",
        "DROP TABLE " + journal_.sql(),
        "DROP TABLE " + stage_.sql()};
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
}

Answer<void> DefaultCopy::replace(JobContext& job) const {
    if (Answer<void> fine = check_truncated(job); !fine) {
        return fine;
    }
    for (const std::string& sql : swap_sql()) {
        if (const Answer<Rows> done = job.db.run(sql); !done) {
            return failed(done.error());
        }
    }
    for (const DefaultSlice& slice : plan_.slices) {
        const Relation child{0, set_.table.schema, slice.planned.name, 'r'};
        const auto give = identity_by_index(set_, child);
        if (Answer<void> done = give ? give(job) : Answer<void>{}; !done) {
            return done;
        }
    }
    const Answer<Rows> told = job.db.run(
        "SELECT pg_catalog.to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00')");
    if (!told) {
        return failed(told.error());
    }
    PartitionComment comment;
    comment.table = set_.table.text();
    comment.detached = told->text(0, 0);
    comment.action = "detach";
    comment.was = set_.default_partition->description;
    return job.change("COMMENT ON TABLE " + old().sql() + " IS " + quote_literal(comment.json()));
}

Answer<void> DefaultCopy::swap() {
    LockedStep step;
    step.what = "swap " + from_.text();
    step.oids = {set_.table.oid};
    for (const ForeignKey& key : set_.references) {
        step.oids.push_back(key.other.oid);
    }
    // The table first: that is how queries lock them.
    step.sql = {"LOCK TABLE ONLY " + set_.table.sql() + " IN ACCESS EXCLUSIVE MODE",
                "LOCK TABLE " + from_.sql() + " IN ACCESS EXCLUSIVE MODE"};
    step.locks = "ACCESS EXCLUSIVE on " + set_.table.text() + " and " + from_.text();
    step.most_patience = kPartitionPatience;
    step.also = [this](JobContext& job) { return replace(job); };
    Answer<void> done = run_locked(job_, step);
    if (done && job_.is_dry) {
        for (const std::string& sql : swap_sql()) {
            job_.reporter.statement(sql, "in the same transaction");
        }
    }
    return done;
}

}  // namespace weir::maintenance
