#include "maintenance/aggregate_refresh.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::maintenance {

namespace {

constexpr int kLayoutAttempts = 5;
constexpr int kMarksAtOnce = 10'000;

/// A change of the state that only shows that it is still this run's.
constexpr const char* kNothing = "owner = owner";

std::string set(const char* column, Label label) {
    return std::string{column} + " = " + control_literal(label);
}

}  // namespace

AggregateRefresh::AggregateRefresh(JobContext& job,
                                   const AggregateDefinition& definition,
                                   AggregateFence fence,
                                   AggregateState state,
                                   const std::string& table)
    : job_{job},
      definition_{definition},
      fence_{std::move(fence)},
      state_{std::move(state)},
      chunks_{job, definition_, fence_, table} {}

Answer<void> AggregateRefresh::look() {
    const Answer<SourceLayout> layout = read_layout(job_.db, definition_);
    if (!layout) {
        return failed(layout.error());
    }
    if (Answer<void> noted = note_changes(job_, definition_, fence_, state_, *layout); !noted) {
        return noted;
    }
    return chunks_.prepare(*layout);
}

Answer<std::optional<Label>> AggregateRefresh::ask(const std::string& sql) {
    const Answer<Rows> rows = job_.db.run(sql);
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() || rows->is_null(0, 0) ? std::optional<Label>{}
                                                : std::optional{rows->number(0, 0)};
}

Answer<std::string> AggregateRefresh::raise_threshold() {
    const BucketCalendar& calendar = definition_.calendar;
    const Answer<std::optional<Label>> now =
        ask("SELECT " + calendar.label_of(calendar.now(definition_.settings.delay)));
    if (!now) {
        return failed(now.error());
    }
    // A rebuild that was given up may have left it below the watermark.
    const bool was_below = state_.threshold < state_.watermark;
    const Label high = std::max(now->value_or(state_.threshold),
                                state_.next_definition ? state_.threshold : state_.watermark);
    if (high > state_.threshold) {
        if (Answer<void> raised = fence_.advance(
                job_.db, set("threshold", high), "threshold < " + control_literal(high));
            !raised) {
            return failed(raised.error());
        }
        state_.threshold = high;
    }
    if (!was_below && state_.watermark >= state_.threshold && state_.low_mark == kEarliest &&
        !state_.next_definition) {
        return std::string{};
    }
    return wait_for_writers(job_, definition_.source);
}

Answer<void> AggregateRefresh::chunk(const ChunkStep& step) {
    for (int attempt = 1;; ++attempt) {
        Answer<void> done = chunks_.run(step);
        if (done) {
            buckets_ += definition_.calendar.count_between(step.range.low, step.range.high);
            return {};
        }
        if (!done.error().is(kLayoutChanged) || attempt == kLayoutAttempts) {
            return done;
        }
        if (Answer<void> looked = look(); !looked) {
            return looked;
        }
    }
}

Answer<void> AggregateRefresh::go_forward() {
    const BucketCalendar& calendar = definition_.calendar;
    const Label first = state_.watermark;
    while (state_.watermark < state_.threshold) {
        if (chunks_.is_over()) {
            is_cut_short_ = true;
            return {};
        }
        const Answer<std::optional<Label>> next =
            ask("SELECT " + calendar.label_of(calendar.shifted(calendar.literal(state_.watermark),
                                                               chunks_.size().buckets())));
        if (!next) {
            return failed(next.error());
        }
        const Label high = std::min(next->value_or(state_.threshold), state_.threshold);
        ChunkStep step;
        step.range = {state_.watermark, high};
        step.up_to = high;
        step.change = set("watermark", high);
        step.expected = set("watermark", state_.watermark);
        if (Answer<void> done = chunk(step); !done) {
            return done;
        }
        state_.watermark = high;
        job_.reporter.progress({"forward",
                                calendar.count_between(first, high),
                                calendar.count_between(first, state_.threshold),
                                "buckets"});
    }
    return {};
}

Answer<void> AggregateRefresh::go_down(
    const std::string& phase,
    const BucketRange& whole,
    const std::function<ChunkStep(const BucketRange& chunk, bool is_last)>& step) {
    const BucketCalendar& calendar = definition_.calendar;
    Label high = whole.high;
    while (high > whole.low) {
        if (chunks_.is_over()) {
            is_cut_short_ = true;
            return {};
        }
        const Answer<std::optional<Label>> next =
            ask("SELECT " + calendar.label_of(calendar.shifted(calendar.literal(high),
                                                               -chunks_.size().buckets())));
        if (!next) {
            return failed(next.error());
        }
        const Label low = std::max(next->value_or(whole.low), whole.low);
        ChunkStep one = step({low, high}, low == whole.low);
        one.range = {low, high};
        if (Answer<void> done = chunk(one); !done) {
            return done;
        }
        high = low;
        job_.reporter.progress({phase,
                                calendar.count_between(low, whole.high),
                                calendar.count_between(whole.low, whole.high),
                                "buckets"});
    }
    return {};
}

Answer<void> AggregateRefresh::work_off_marks() {
    Answer<bool> is_more = true;
    while (is_more && *is_more && !is_cut_short_) {
        is_more = work_off_buckets();
    }
    if (!is_more) {
        return failed(is_more.error());
    }
    // A stretch inside another is done with it.
    const Answer<Rows> merged = job_.db.run(
        "DELETE FROM weir.aggregate_span a USING weir.aggregate_span b WHERE a.target = $1 AND "
        "b.target = a.target AND a.id <> b.id AND b.low <= a.low AND b.high >= a.high AND (a.id < "
        "b.id OR b.low < a.low OR b.high > a.high)",
        {fence_.target()});
    if (!merged) {
        return failed(merged.error());
    }
    const Answer<std::vector<DirtySpan>> spans = read_spans(job_.db, fence_.target());
    if (!spans) {
        return failed(spans.error());
    }
    for (const DirtySpan& span : *spans) {
        if (is_cut_short_) {
            break;
        }
        if (Answer<void> done = work_off_span(span); !done) {
            return done;
        }
    }
    return {};
}

/// @return whether there may be more
Answer<bool> AggregateRefresh::work_off_buckets() {
    const BucketCalendar& calendar = definition_.calendar;
    const std::string bucket = calendar.from_control("bucket");
    // What is below the low mark is computed later anyway.
    const Answer<Rows> below = job_.db.run(
        "DELETE FROM weir.aggregate_dirty WHERE target = $1 AND "
        "bucket < $2::timestamptz",
        {fence_.target(), text_of(state_.low_mark)});
    if (!below) {
        return failed(below.error());
    }
    const Answer<Rows> rows =
        job_.db.run("SELECT DISTINCT " + calendar.label_of(calendar.bucket_of(bucket)) + ", " +
                        calendar.label_of(calendar.shifted(bucket, 1)) +
                        " FROM weir.aggregate_dirty WHERE target = $1 AND bucket < $2::timestamptz "
                        "ORDER BY 1 DESC LIMIT " +
                        std::to_string(kMarksAtOnce),
                    {fence_.target(), text_of(state_.watermark)});
    if (!rows) {
        return failed(rows.error());
    }
    for (std::size_t i = 0; i < rows->size();) {
        if (chunks_.is_over()) {
            is_cut_short_ = true;
            return false;
        }
        ChunkStep step;
        step.range = {rows->number(i, 0), rows->number(i, 1)};
        const std::size_t first = i++;
        while (i < rows->size() && rows->number(i, 1) == step.range.low &&
               static_cast<std::int64_t>(i - first) < chunks_.size().buckets()) {
            step.range.low = rows->number(i++, 0);
        }
        step.up_to = state_.watermark;
        step.change = kNothing;
        if (Answer<void> done = chunk(step); !done) {
            return failed(done.error());
        }
        job_.reporter.progress({"late",
                                static_cast<std::int64_t>(i),
                                static_cast<std::int64_t>(rows->size()),
                                "buckets"});
    }
    return rows->size() == kMarksAtOnce;
}

Answer<void> AggregateRefresh::work_off_span(const DirtySpan& span) {
    BucketRange whole{std::max(span.range.low, state_.low_mark),
                      std::min(span.range.high, state_.watermark)};
    if (whole.low == kEarliest) {
        const Answer<std::optional<Label>> first = first_of_both();
        if (!first) {
            return failed(first.error());
        }
        whole.low = first->value_or(whole.high);
    }
    const std::string id = std::to_string(span.id);
    const std::string gone = "DELETE FROM weir.aggregate_span WHERE id = " + id;
    if (whole.low >= whole.high) {
        const Answer<Rows> forgotten = job_.db.run(gone);
        return forgotten ? Answer<void>{} : Answer<void>{failed(forgotten.error())};
    }
    return go_down("late", whole, [&](const BucketRange& chunk, bool is_last) {
        ChunkStep step;
        step.up_to = state_.watermark;
        step.change = kNothing;
        step.also = is_last
                        ? gone
                        : "UPDATE weir.aggregate_span SET high = " + control_literal(chunk.low) +
                              " WHERE id = " + id;
        return step;
    });
}

Answer<std::optional<Label>> AggregateRefresh::first_of_source() {
    const BucketCalendar& calendar = definition_.calendar;
    return ask("SELECT " + calendar.label_of(calendar.bucket_of("min(" + definition_.time + ")")) +
               " FROM " + definition_.source.sql() + " WHERE isfinite(" + definition_.time + ")");
}

Answer<std::optional<Label>> AggregateRefresh::first_of_both() {
    const BucketCalendar& calendar = definition_.calendar;
    Answer<std::optional<Label>> source = first_of_source();
    if (!source) {
        return source;
    }
    const std::string column =
        definition_.is_per_session ? "first_seen" : quote_identifier(kBucketColumn);
    Answer<std::optional<Label>> target =
        ask("SELECT " + calendar.label_of(calendar.bucket_of("min(" + column + ")")) + " FROM " +
            definition_.target.sql());
    if (!target) {
        return target;
    }
    if (!*source || !*target) {
        return *source ? *source : *target;
    }
    return std::optional{std::min(**source, **target)};
}

Answer<void> AggregateRefresh::go_back() {
    if (state_.low_mark == kEarliest) {
        return {};
    }
    const Answer<std::optional<Label>> first = first_of_source();
    if (!first) {
        return failed(first.error());
    }
    if (*first && **first < state_.low_mark) {
        Answer<void> done = go_down(
            "backfill", {**first, state_.low_mark}, [&](const BucketRange& chunk, bool /*last*/) {
                ChunkStep step;
                step.up_to = state_.watermark;
                step.change = set("low_mark", chunk.low);
                step.expected = set("low_mark", chunk.high);
                return step;
            });
        if (!done || is_cut_short_) {
            return done;
        }
    }
    // Older rows than the oldest, should they come, are late ones from now on.
    Answer<void> all = fence_.advance(job_.db, "low_mark = '-infinity'", "");
    if (all) {
        state_.low_mark = kEarliest;
    }
    return all;
}

}  // namespace weir::maintenance
