#include "maintenance/aggregate_source.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

/// Long enough for transactions of applications.
constexpr milliseconds kWriterPatience{20'000};
constexpr milliseconds kLook{25};
constexpr int kDetachPending = 140'000;
/// The counters of a part that was not watched before.
constexpr const char* kUnwatched = "";

/// All tables that the source is made of, each with the one right below the source it belongs to.
std::string tree_sql(const Connection& db, const Relation& source) {
    const std::string pending =
        db.server_version() >= kDetachPending ? " AND NOT i.inhdetachpending" : "";
    return "WITH RECURSIVE tree AS (SELECT " + std::to_string(source.oid) + "::oid AS top, " +
           std::to_string(source.oid) +
           "::oid AS relid, 0 AS level UNION ALL SELECT CASE WHEN t.level = 0 THEN i.inhrelid ELSE "
           "t.top END, i.inhrelid, t.level + 1 FROM tree t JOIN pg_catalog.pg_inherits i ON "
           "i.inhparent = t.relid" +
           pending + ") ";
}

std::string layout_sql(const Connection& db, const AggregateDefinition& definition) {
    const std::string oid = std::to_string(definition.source.oid);
    const std::string is_by_time =
        "EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_attribute a ON "
        "a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] WHERE p.partrelid = " +
        oid + " AND p.partstrat = 'r' AND p.partnatts = 1 AND a.attname = " +
        quote_literal(definition.settings.time) + ")";
    const auto bound = [](const char* which, const char* open) {
        const std::string text = std::string{"btrim(b["} + which + "], '''')";
        return "CASE WHEN b[" + std::string{which} + "] IN ('MINVALUE', 'MAXVALUE') THEN '" + open +
               "' ELSE " + text + " END::timestamptz";
    };
    // TRUNCATE changes the file and no counter.
    return tree_sql(db, definition.source) +
           ", parts AS (SELECT top, sum(pg_stat_get_tuples_inserted(relid) + "
           "pg_stat_get_tuples_updated(relid) + pg_stat_get_tuples_deleted(relid))::text || ' ' || "
           "md5(string_agg(relid::text || ':' || coalesce(pg_relation_filenode(relid), 0)::text, "
           "',' ORDER BY relid)) AS counters FROM tree WHERE level > 0 OR " +
           quote_literal(std::string{definition.source.kind}) +
           " <> 'p' GROUP BY top), bounds AS (SELECT parts.*, CASE WHEN " + is_by_time +
           " THEN regexp_match(pg_get_expr(c.relpartbound, 0), 'FROM \\((.*)\\) TO \\((.*)\\)')"
           " END AS b FROM parts JOIN pg_catalog.pg_class c ON c.oid = parts.top) SELECT top, "
           "counters, CASE WHEN b IS NULL THEN NULL ELSE " +
           control_label(bound("1", "-infinity")) + " END, CASE WHEN b IS NULL THEN NULL ELSE " +
           control_label(bound("2", "infinity")) +
           " END, (SELECT md5(string_agg(relid::text, ',' ORDER BY relid)) FROM tree), EXISTS "
           "(SELECT FROM pg_catalog.pg_partitioned_table WHERE partstrat = 'r' AND partrelid = " +
           oid + ") AND NOT " + is_by_time + " FROM bounds";
}

/// @return the buckets that `range` touches, as literals of control tables
Answer<BucketRange> aligned(Connection& db,
                            const BucketCalendar& calendar,
                            const BucketRange& range) {
    BucketRange whole = range;
    if (range.low != kEarliest) {
        const Answer<Rows> low =
            db.run("SELECT " + calendar.label_of(calendar.bucket_of(calendar.literal(range.low))));
        if (!low) {
            return failed(low.error());
        }
        whole.low = low->number(0, 0);
    }
    if (range.high != kLatest) {
        const std::string high = calendar.literal(range.high);
        const Answer<Rows> rows = db.run("SELECT " + calendar.label_of(calendar.bucket_of(high)) +
                                         ", " + calendar.label_of(calendar.shifted(high, 1)));
        if (!rows) {
            return failed(rows.error());
        }
        whole.high = rows->number(0, 0) == range.high ? range.high : rows->number(0, 1);
    }
    return whole;
}

/// Compares what was with what is, in the transaction under way.
class Changes {
public:
    Changes(JobContext& job, const AggregateDefinition& definition, const AggregateState& state)
        : job_{job}, definition_{definition}, state_{state} {}

    Answer<void> find(const SourceLayout& layout) {
        if (Answer<void> read = read_known(); !read) {
            return read;
        }
        if (Answer<void> read = read_late(); !read) {
            return read;
        }
        for (const SourcePart& part : layout.parts) {
            const auto known = known_.find(part.oid);
            if (known == known_.end()) {
                if (Answer<void> noted = appeared(part); !noted) {
                    return noted;
                }
            } else if (known->second.counters != part.counters) {
                const bool was_watched = known->second.counters != kUnwatched;
                if (Answer<void> noted = was_watched ? changed(part) : unwatched(part); !noted) {
                    return noted;
                }
            }
        }
        return find_gone(layout);
    }

    /// @return what has been computed, be it for what the target is to become
    [[nodiscard]] BucketRange covered() const {
        if (!state_.next_definition) {
            return state_.range();
        }
        return {std::min(state_.low_mark, state_.next_low_mark),
                std::max(state_.watermark, state_.next_watermark)};
    }

    [[nodiscard]] bool is_same() const { return is_same_; }

private:
    Answer<void> read_known() {
        const Answer<Rows> rows =
            job_.db.run("SELECT part, counters, " + control_label("low") + ", " +
                            control_label("high") + " FROM weir.aggregate_part WHERE target = $1",
                        {definition_.target.text()});
        if (!rows) {
            return failed(rows.error());
        }
        for (std::size_t i = 0; i < rows->size(); ++i) {
            SourcePart part;
            part.oid = static_cast<std::uint32_t>(rows->number(i, 0));
            part.counters = rows->text(i, 1);
            part.range = {rows->number(i, 2), rows->number(i, 3)};
            known_.emplace(part.oid, std::move(part));
        }
        return {};
    }

    /// A clock that was ahead does not hide what comes now.
    Answer<void> read_late() {
        const BucketCalendar& calendar = definition_.calendar;
        const std::string from = "least(" + calendar.literal(state_.watermark) + ", " +
                                 calendar.now(definition_.settings.delay) + ")";
        const Answer<Rows> rows = job_.db.run(
            "SELECT " + calendar.label_of(calendar.before(from, definition_.settings.late)));
        if (!rows) {
            return failed(rows.error());
        }
        late_ = rows->number(0, 0);
        return {};
    }

    /// What was frozen when this very table went is computed again: its rows are back. Another one
    /// in its place has none of them.
    Answer<void> appeared(const SourcePart& part) {
        is_same_ = false;
        const Answer<Rows> thawed =
            job_.db.run("DELETE FROM weir.aggregate_frozen WHERE target = $1 AND part = $2::oid",
                        {definition_.target.text(), std::to_string(part.oid)});
        if (!thawed) {
            return failed(thawed.error());
        }
        return mark_part(part);
    }

    /// Nothing noted what happened to it until now.
    Answer<void> unwatched(const SourcePart& part) {
        is_same_ = false;
        return mark_part(part);
    }

    /// One that has no end is marked where it has rows: all the rest may be sums of what is gone.
    Answer<void> mark_part(const SourcePart& part) {
        const bool has_ends = part.range.low != kEarliest && part.range.high != kLatest;
        if (has_ends || covered().low >= covered().high) {
            return mark(part.range);
        }
        const Answer<BucketRange> range = rows_of(part);
        return range ? mark(*range) : Answer<void>{failed(range.error())};
    }

    /// @return the buckets that it has rows in
    Answer<BucketRange> rows_of(const SourcePart& part) {
        const std::string oid = std::to_string(part.oid);
        const Answer<Rows> name =
            job_.db.run("SELECT $1::oid::regclass, has_table_privilege($1::oid, 'SELECT')", {oid});
        if (!name) {
            return failed(name.error());
        }
        const BucketCalendar& calendar = definition_.calendar;
        const std::string& time = definition_.time;
        std::string sql = "SELECT " + calendar.label_of(calendar.bucket_of("min(" + time + ")")) +
                          ", " + calendar.label_of(calendar.shifted("max(" + time + ")", 1)) +
                          " FROM ";
        sql += name->flag(0, 1) ? name->text(0, 0) : definition_.source.sql();
        sql += " WHERE isfinite(" + time + ")";
        if (!name->flag(0, 1)) {
            sql += " AND tableoid IN (" +
                   tree_sql(job_.db, {part.oid, {}, {}, definition_.source.kind}) +
                   "SELECT relid FROM tree)";
        }
        const Answer<Rows> rows = job_.db.run(sql);
        if (!rows) {
            return failed(rows.error());
        }
        return rows->is_null(0, 0) ? BucketRange{}
                                   : BucketRange{rows->number(0, 0), rows->number(0, 1)};
    }

    Answer<void> changed(const SourcePart& part) {
        is_same_ = false;
        if (definition_.settings.track == conf::LateTracking::Triggers) {
            return {};
        }
        if (part.range.high <= late_) {
            return mark(part.range);
        }
        return mark({std::max(part.range.low, late_), part.range.high});
    }

    Answer<void> find_gone(const SourceLayout& layout) {
        for (const auto& entry : known_) {
            const SourcePart& part = entry.second;
            const bool is_there =
                std::any_of(layout.parts.begin(), layout.parts.end(), [&](const SourcePart& now) {
                    return now.oid == part.oid;
                });
            if (is_there) {
                continue;
            }
            is_same_ = false;
            if (part.range == BucketRange{kEarliest, kLatest}) {
                if (Answer<void> frozen = freeze_unbounded(part, layout); !frozen) {
                    return frozen;
                }
                continue;
            }
            if (Answer<void> frozen = freeze(part); !frozen) {
                return frozen;
            }
        }
        return {};
    }

    /// Partitions by number go oldest first: what is older than all that is left is kept.
    Answer<void> freeze_unbounded(const SourcePart& gone, const SourceLayout& layout) {
        if (layout.is_by_number) {
            const BucketCalendar& calendar = definition_.calendar;
            const Answer<Rows> first = job_.db.run(
                "SELECT " +
                calendar.label_of(calendar.shifted("min(" + definition_.time + ")", 1)) + " FROM " +
                definition_.source.sql() + " WHERE isfinite(" + definition_.time + ")");
            if (!first) {
                return failed(first.error());
            }
            SourcePart before = gone;
            before.range.high = first->is_null(0, 0) ? kLatest : first->number(0, 0);
            return freeze(before);
        }
        job_.reporter.note(definition_.target.text() +
                           ": a part of the source without bounds of its own is gone; what came "
                           "of it stays until its buckets are computed again");
        return {};
    }

    Answer<void> freeze(const SourcePart& gone) {
        Answer<BucketRange> range = aligned(job_.db, definition_.calendar, gone.range);
        if (!range) {
            return failed(range.error());
        }
        // Of what has not been computed there is nothing to keep; whatever comes in the place of
        // the part that is gone is computed in its time.
        range->high = std::min(range->high, state_.watermark);
        if (range->low >= range->high) {
            return {};
        }
        const Answer<Rows> rows = job_.db.run(
            "INSERT INTO weir.aggregate_frozen (target, low, high, part) VALUES ($1, "
            "$2::timestamptz, $3::timestamptz, $4::oid) ON CONFLICT DO NOTHING",
            {definition_.target.text(),
             text_of(range->low),
             text_of(range->high),
             std::to_string(gone.oid)});
        if (!rows) {
            return failed(rows.error());
        }
        job_.reporter.note(definition_.target.text() + ": " + text_of(range->low) + " to " +
                           text_of(range->high) + " stays as it is: its source is gone");
        return {};
    }

    Answer<void> mark(const BucketRange& range) {
        const Label low = std::max(range.low, covered().low);
        const Label high = std::min(range.high, covered().high);
        if (low >= high) {
            return {};
        }
        const Answer<BucketRange> whole = aligned(job_.db, definition_.calendar, {low, high});
        if (!whole) {
            return failed(whole.error());
        }
        const Answer<Rows> rows = job_.db.run(
            "INSERT INTO weir.aggregate_span (target, low, high) VALUES ($1, $2::timestamptz, "
            "$3::timestamptz)",
            {definition_.target.text(), text_of(whole->low), text_of(whole->high)});
        return rows ? Answer<void>{} : Answer<void>{failed(rows.error())};
    }

    JobContext& job_;
    const AggregateDefinition& definition_;
    const AggregateState& state_;
    std::map<std::uint32_t, SourcePart> known_;
    Label late_ = 0;
    bool is_same_ = true;
};

Answer<void> keep_parts(Connection& db, const std::string& target, const SourceLayout& layout) {
    const Answer<Rows> gone = db.run("DELETE FROM weir.aggregate_part WHERE target = $1", {target});
    if (!gone) {
        return failed(gone.error());
    }
    for (const SourcePart& part : layout.parts) {
        const Answer<Rows> kept = db.run(
            "INSERT INTO weir.aggregate_part (target, part, low, high, counters) VALUES ($1, "
            "$2::oid, $3::timestamptz, $4::timestamptz, $5)",
            {target,
             std::to_string(part.oid),
             text_of(part.range.low),
             text_of(part.range.high),
             part.counters});
        if (!kept) {
            return failed(kept.error());
        }
    }
    return {};
}

/// Prepared transactions hold their locks without a process.
std::string writers_sql(const Connection& db, const Relation& source) {
    return tree_sql(db, source) +
           "SELECT l.virtualtransaction, l.pid, coalesce(concat_ws(', ', a.usename, "
           "nullif(a.application_name, ''), a.state), 'a prepared transaction') FROM "
           "pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid) WHERE "
           "l.locktype = 'relation' AND l.granted AND l.mode = 'RowExclusiveLock' AND "
           "l.pid IS DISTINCT FROM pg_backend_pid() AND l.database = (SELECT oid FROM "
           "pg_catalog.pg_database WHERE datname = current_database()) AND l.relation IN (SELECT "
           "relid FROM tree)";
}

}  // namespace

Answer<SourceLayout> read_layout(Connection& db, const AggregateDefinition& definition) {
    if (const Answer<Rows> fresh = db.run("SELECT pg_stat_clear_snapshot()"); !fresh) {
        return failed(fresh.error());
    }
    const Answer<Rows> rows = db.run(layout_sql(db, definition));
    if (!rows) {
        return failed(rows.error());
    }
    SourceLayout layout;
    const Answer<Rows> fingerprint = db.run(fingerprint_sql(db, definition.source));
    if (!fingerprint) {
        return failed(fingerprint.error());
    }
    layout.fingerprint = fingerprint->text(0, 0);
    for (std::size_t i = 0; i < rows->size(); ++i) {
        SourcePart part;
        part.oid = static_cast<std::uint32_t>(rows->number(i, 0));
        part.counters = rows->text(i, 1);
        if (!rows->is_null(i, 2)) {
            part.range = {rows->number(i, 2), rows->number(i, 3)};
        }
        if (rows->view(i, 4) != layout.fingerprint) {
            layout.fingerprint.clear();  // changed between the two: the chunk will find it so
        }
        layout.is_by_number = rows->flag(i, 5);
        layout.parts.push_back(std::move(part));
    }
    return layout;
}

std::string fingerprint_sql(const Connection& db, const Relation& source) {
    return tree_sql(db, source) +
           "SELECT md5(string_agg(relid::text, ',' ORDER BY relid)) FROM tree";
}

Answer<void> note_changes(JobContext& job,
                          const AggregateDefinition& definition,
                          const AggregateFence& fence,
                          const AggregateState& state,
                          const SourceLayout& layout) {
    Answer<Transaction> transaction = Transaction::begin(job.db);
    if (!transaction) {
        return failed(transaction.error());
    }
    Changes changes{job, definition, state};
    if (Answer<void> found = changes.find(layout); !found) {
        return found;
    }
    if (changes.is_same()) {
        return {};
    }
    Answer<void> kept = keep_parts(job.db, definition.target.text(), layout);
    if (!kept) {
        return kept;
    }
    if (Answer<void> mine = fence.advance(job.db, "owner = owner", ""); !mine) {
        return mine;
    }
    const Answer<Rows> committed = transaction->commit();
    return committed ? Answer<void>{} : Answer<void>{failed(committed.error())};
}

std::string unwatched_sql(const AggregateDefinition& definition, const Relation& table) {
    std::string sql = "UPDATE weir.aggregate_part SET counters = " + quote_literal(kUnwatched) +
                      " WHERE target = " + quote_literal(definition.target.text());
    if (table.oid != definition.source.oid) {
        sql += " AND part = " + std::to_string(table.oid) + "::oid";
    }
    return sql;
}

Answer<std::string> wait_for_writers(JobContext& job, const Relation& source) {
    const std::string sql = writers_sql(job.db, source);
    const Answer<Rows> first = job.db.run(sql);
    if (!first) {
        return failed(first.error());
    }
    std::string those = "{";
    for (std::size_t i = 0; i < first->size(); ++i) {
        those += (i == 0 ? "\"" : ",\"") + first->text(i, 0) + "\"";
    }
    those += "}";
    if (first->empty()) {
        return std::string{};
    }
    const TimePoint until = Clock::now() + kWriterPatience;
    while (true) {
        const Answer<Rows> left =
            job.db.run(sql + " AND l.virtualtransaction = ANY ($1::text[])", {those});
        if (!left) {
            return failed(left.error());
        }
        if (left->empty()) {
            return std::string{};
        }
        if (Clock::now() >= until || job.should_end()) {
            return (left->is_null(0, 1) ? "" : "process " + left->text(0, 1) + ", ") +
                   left->text(0, 2) + ", is still writing " + source.text();
        }
        std::this_thread::sleep_for(kLook);
    }
}

}  // namespace weir::maintenance
