#include "maintenance/aggregate_verify.hpp"

#include "maintenance/aggregate_chunk.hpp"
#include "maintenance/aggregate_control.hpp"
#include "maintenance/aggregate_zone.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

class Verify {
public:
    Verify(JobContext& job, const AggregateDefinition& definition, AggregateState state)
        : job_{job},
          definition_{definition},
          state_{std::move(state)},
          sql_{definition, definition.target.sql()} {
        result_.report.columns = {{"bucket"}, {"rows", true}};
    }

    Answer<VerifyResult> run(const VerifyOptions& options) {
        const Answer<BucketRange> range = find_range(options);
        if (!range) {
            return failed(range.error());
        }
        const Answer<std::vector<BucketRange>> frozen =
            read_frozen(job_.db, definition_.target.text());
        if (!frozen) {
            return failed(frozen.error());
        }
        for (const std::string& sql : sql_.make_staging()) {
            if (const Answer<Rows> made = job_.db.run(sql); !made) {
                return failed(made.error());
            }
        }
        total_ = definition_.calendar.count_between(range->low, range->high);
        for (const BucketRange& part : without(*range, *frozen)) {
            if (Answer<void> done = go_down(part); !done) {
                return failed(done.error());
            }
        }
        if (options.repairs) {
            if (Answer<void> marked = mark(); !marked) {
                return failed(marked.error());
            }
        }
        result_.differing = static_cast<std::int64_t>(result_.report.rows.size());
        return std::move(result_);
    }

private:
    Answer<Label> bucket_of(const std::string& time) {
        const BucketCalendar& calendar = definition_.calendar;
        const Answer<Rows> rows =
            job_.db.run("SELECT " + calendar.label_of(calendar.bucket_of(
                                        quote_literal(time) + "::" + name_of(calendar.type()))));
        if (!rows) {
            return failed(rows.error());
        }
        if (rows->is_null(0, 0)) {
            return problem(time + " is no time to begin or end at", "2026-11-01 for example");
        }
        return rows->number(0, 0);
    }

    Answer<Label> first() {
        const BucketCalendar& calendar = definition_.calendar;
        const std::string column =
            definition_.is_per_session ? "first_seen" : quote_identifier(kBucketColumn);
        const Answer<Rows> rows =
            job_.db.run("SELECT " + calendar.label_of(calendar.bucket_of(
                                        "least((SELECT min(" + definition_.time + ") FROM " +
                                        definition_.source.sql() + " WHERE isfinite(" +
                                        definition_.time + ")), (SELECT min(" + column + ") FROM " +
                                        definition_.target.sql() + "))")));
        if (!rows) {
            return failed(rows.error());
        }
        return rows->is_null(0, 0) ? state_.watermark : rows->number(0, 0);
    }

    Answer<BucketRange> find_range(const VerifyOptions& options) {
        BucketRange range = state_.range();
        if (range.low == kEarliest) {
            const Answer<Label> low = first();
            if (!low) {
                return failed(low.error());
            }
            range.low = *low;
        }
        if (!options.from.empty()) {
            const Answer<Label> from = bucket_of(options.from);
            if (!from) {
                return failed(from.error());
            }
            range.low = std::max(range.low, *from);
        }
        if (!options.to.empty()) {
            const Answer<Label> to = bucket_of(options.to);
            if (!to) {
                return failed(to.error());
            }
            range.high = std::min(range.high, *to);
        }
        return range;
    }

    Answer<void> go_down(const BucketRange& whole) {
        const BucketCalendar& calendar = definition_.calendar;
        Label high = whole.high;
        while (high > whole.low) {
            job_.hold_back();
            if (job_.should_end()) {
                result_.is_complete = false;
                return {};
            }
            const Answer<Rows> next =
                job_.db.run("SELECT " + calendar.label_of(calendar.shifted(calendar.literal(high),
                                                                           -size_.buckets())));
            if (!next) {
                return failed(next.error());
            }
            const Label low = std::max(next->number(0, 0), whole.low);
            const TimePoint began = Clock::now();
            if (Answer<void> compared = compare({low, high}); !compared) {
                return compared;
            }
            size_.took(std::chrono::duration_cast<milliseconds>(Clock::now() - began));
            result_.buckets += calendar.count_between(low, high);
            job_.reporter.progress({"verify", result_.buckets, total_, "buckets"});
            high = low;
        }
        return {};
    }

    Answer<void> compare(const BucketRange& range) {
        // Never committed.
        Answer<Transaction> transaction =
            Transaction::begin(job_.db, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        if (!transaction) {
            return failed(transaction.error());
        }
        if (const Answer<Rows> filled = job_.db.run(sql_.fill(range, state_.watermark)); !filled) {
            return failed(filled.error());
        }
        const Answer<Rows> rows = job_.db.run(sql_.compare(range));
        if (!rows) {
            return failed(rows.error());
        }
        for (std::size_t i = rows->size(); i-- > 0;) {
            const Label label = rows->number(i, 0);
            if (labels_.insert(label).second) {
                result_.report.rows.push_back({text_of(label), rows->text(i, 1)});
            }
        }
        return {};
    }

    Answer<void> mark() {
        for (const Label label : labels_) {
            const Answer<Rows> marked = job_.db.run(
                "INSERT INTO weir.aggregate_dirty (target, bucket) VALUES ($1, $2::timestamptz)",
                {definition_.target.text(), text_of(label)});
            if (!marked) {
                return failed(marked.error());
            }
        }
        return {};
    }

    JobContext& job_;
    const AggregateDefinition& definition_;
    AggregateState state_;
    AggregateSql sql_;
    ChunkSize size_;
    VerifyResult result_;
    std::set<Label> labels_;
    std::int64_t total_ = 0;
};

}  // namespace

Answer<VerifyResult> verify_aggregate(JobContext& job,
                                      const conf::AggregateSettings& settings,
                                      const VerifyOptions& options) {
    const SessionZone zone{job.db};
    const Answer<AggregateDefinition> definition = define_aggregate(job, settings);
    if (!definition) {
        return failed(definition.error());
    }
    const Answer<bool> is_known = has_control(job.db);
    if (!is_known) {
        return failed(is_known.error());
    }
    Answer<std::optional<AggregateState>> state{std::optional<AggregateState>{}};
    if (*is_known) {
        state = read_state(job.db, definition->target.text());
    }
    if (!state) {
        return failed(state.error());
    }
    if (!*state) {
        return problem("aggregate " + definition->target.text() + ": has never run",
                       "weir aggregate run makes it");
    }
    if ((*state)->definition != definition->text()) {
        return problem(
            "aggregate " + definition->target.text() + ": is defined otherwise than it was made",
            "weir aggregate backfill --rebuild " + definition->target.text());
    }
    return Verify{job, *definition, **state}.run(options);
}

}  // namespace weir::maintenance
