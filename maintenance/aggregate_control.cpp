#include "maintenance/aggregate_control.hpp"

#include "maintenance/control_schema.hpp"

#include <algorithm>
#include <utility>

namespace weir::maintenance {

namespace {

constexpr int kVersion = 1;

constexpr const char* kLayout = R"(
CREATE TABLE IF NOT EXISTS weir.aggregate_layout (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS weir.aggregate (
    target text PRIMARY KEY,
    source text NOT NULL,
    definition text NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    threshold timestamptz NOT NULL,
    watermark timestamptz NOT NULL,
    low_mark timestamptz NOT NULL,
    next_definition text,
    next_watermark timestamptz,
    next_low_mark timestamptz,
    owner uuid,
    last_run timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS weir.aggregate_dirty (
    target text NOT NULL,
    bucket timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX IF NOT EXISTS aggregate_dirty_bucket ON weir.aggregate_dirty (target, bucket);
CREATE TABLE IF NOT EXISTS weir.aggregate_span (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target text NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS weir.aggregate_part (
    target text NOT NULL,
    part oid NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL,
    counters text NOT NULL,
    PRIMARY KEY (target, part));
CREATE TABLE IF NOT EXISTS weir.aggregate_frozen (
    target text NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL,
    part oid,  -- what it was frozen with; NULL = it was there before the aggregate
    PRIMARY KEY (target, low, high));
INSERT INTO weir.aggregate_layout (version) SELECT 1
    WHERE NOT EXISTS (SELECT FROM weir.aggregate_layout))";

// The tables are made by one Weir at a time.
constexpr const char* kLock = "SELECT pg_advisory_xact_lock(1347899184, 0)";

Answer<int> layout_version(Connection& db) {
    const Answer<Rows> there = db.run("SELECT to_regclass('weir.aggregate_layout') IS NOT NULL");
    if (!there) {
        return failed(there.error());
    }
    if (!there->flag(0, 0)) {
        return 0;
    }
    const Answer<Rows> version = db.run("SELECT max(version) FROM weir.aggregate_layout");
    if (!version) {
        return failed(version.error());
    }
    return static_cast<int>(version->number(0, 0));
}

Answer<void> done(const Answer<Rows>& rows) {
    return rows ? Answer<void>{} : Answer<void>{failed(rows.error())};
}

}  // namespace

Answer<bool> has_control(Connection& db) {
    const Answer<int> version = layout_version(db);
    if (!version) {
        return failed(version.error());
    }
    return *version > 0;
}

Answer<void> ensure_control(JobContext& job) {
    const Answer<int> version = layout_version(job.db);
    if (!version) {
        return failed(version.error());
    }
    if (*version > kVersion) {
        return problem(
            "the tables of schema weir are of version " + std::to_string(*version),
            "this Weir knows version " + std::to_string(kVersion) + "; a newer Weir made them");
    }
    if (*version == kVersion) {
        return {};
    }
    job.reporter.statement(kLayout, {});
    if (job.is_dry) {
        return {};
    }
    if (Answer<void> made = make_control_schema(job.db); !made) {
        return made;
    }
    Answer<Transaction> transaction = Transaction::begin(job.db);
    if (!transaction) {
        return failed(transaction.error());
    }
    for (const char* sql : {kLock, kLayout}) {
        if (const Answer<Rows> made = job.db.run(sql); !made) {
            return failed(made.error());
        }
    }
    return done(transaction->commit());
}

Answer<std::optional<AggregateState>> read_state(Connection& db, const std::string& target) {
    const auto label = [](const char* column) { return control_label(column); };
    const Answer<Rows> rows =
        db.run("SELECT definition, generation, " + label("threshold") + ", " + label("watermark") +
                   ", " + label("low_mark") + ", next_definition, " + label("next_watermark") +
                   ", " + label("next_low_mark") + " FROM weir.aggregate WHERE target = $1",
               {target});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return std::optional<AggregateState>{};
    }
    AggregateState state;
    std::size_t at = 0;
    state.definition = rows->text(0, at++);
    state.generation = rows->number(0, at++);
    state.threshold = rows->number(0, at++);
    state.watermark = rows->number(0, at++);
    state.low_mark = rows->number(0, at++);
    state.next_definition = rows->maybe(0, at++);
    state.next_watermark = rows->number(0, at++);
    state.next_low_mark = rows->number(0, at++);
    return std::optional{std::move(state)};
}

Answer<AggregateFence> AggregateFence::claim(Connection& db, const std::string& target) {
    const Answer<Rows> rows = db.run(
        "UPDATE weir.aggregate SET owner = md5(random()::text || clock_timestamp()::text || "
        "pg_backend_pid()::text)::uuid, last_run = now() WHERE target = $1 RETURNING owner",
        {target});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return problem("aggregate " + target + ": its state is gone");
    }
    return AggregateFence{target, rows->text(0, 0)};
}

Answer<void> AggregateFence::advance(Connection& db,
                                     const std::string& change,
                                     const std::string& expected) const {
    const Answer<Rows> rows =
        db.run("UPDATE weir.aggregate SET " + change + ", updated_at = now() WHERE target = " +
               quote_literal(target_) + " AND owner = " + quote_literal(owner_) + "::uuid" +
               (expected.empty() ? "" : " AND " + expected));
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->affected() != 1) {
        return problem(
            "aggregate " + target_ + ": another run has taken over", {}, state::kSerialization);
    }
    return {};
}

Answer<void> create_state(Connection& db, const AggregateDefinition& definition, Label high) {
    const std::string at = text_of(high);
    return done(db.run(
        "INSERT INTO weir.aggregate (target, source, definition, threshold, watermark, low_mark) "
        "VALUES ($1, $2, $3, $4::timestamptz, $4::timestamptz, $4::timestamptz)",
        {definition.target.text(), definition.source.text(), definition.text(), at}));
}

Answer<void> drop_state(Connection& db, const std::string& target) {
    const std::string name = quote_literal(target);
    std::string sql;
    for (const char* table :
         {"aggregate", "aggregate_dirty", "aggregate_span", "aggregate_part", "aggregate_frozen"}) {
        sql += std::string{"DELETE FROM weir."} + table + " WHERE target = " + name + ";";
    }
    return done(db.run(sql));
}

Answer<std::vector<Label>> read_dirty(Connection& db,
                                      const std::string& target,
                                      std::int64_t most) {
    const Answer<Rows> rows =
        db.run("SELECT " + control_label("bucket") +
                   " FROM (SELECT DISTINCT bucket FROM weir.aggregate_dirty WHERE target = $1 "
                   "ORDER BY bucket DESC LIMIT " +
                   std::to_string(most) + ") d",
               {target});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<Label> labels;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        labels.push_back(rows->number(i, 0));
    }
    std::sort(labels.begin(), labels.end());
    return labels;
}

Answer<std::vector<DirtySpan>> read_spans(Connection& db, const std::string& target) {
    const Answer<Rows> rows =
        db.run("SELECT id, " + control_label("low") + ", " + control_label("high") +
                   " FROM weir.aggregate_span WHERE target = $1 ORDER BY "
                   "high DESC, id",
               {target});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<DirtySpan> spans;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        spans.push_back({rows->number(i, 0), {rows->number(i, 1), rows->number(i, 2)}});
    }
    return spans;
}

Answer<std::vector<BucketRange>> read_frozen(Connection& db, const std::string& target) {
    const Answer<Rows> rows =
        db.run("SELECT " + control_label("low") + ", " + control_label("high") +
                   " FROM weir.aggregate_frozen WHERE target = $1 ORDER BY "
                   "low",
               {target});
    if (!rows) {
        return failed(rows.error());
    }
    std::vector<BucketRange> frozen;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        frozen.push_back({rows->number(i, 0), rows->number(i, 1)});
    }
    return frozen;
}

std::vector<BucketRange> without(const BucketRange& range, const std::vector<BucketRange>& gone) {
    std::vector<BucketRange> left;
    Label low = range.low;
    for (const BucketRange& hole : gone) {  // in order
        if (hole.high <= low || hole.low >= range.high) {
            continue;
        }
        if (hole.low > low) {
            left.push_back({low, hole.low});
        }
        low = std::max(low, hole.high);
    }
    if (low < range.high) {
        left.push_back({low, range.high});
    }
    std::reverse(left.begin(), left.end());
    return left;
}

}  // namespace weir::maintenance
