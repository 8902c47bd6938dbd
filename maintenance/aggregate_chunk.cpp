#include "maintenance/aggregate_chunk.hpp"

#include "maintenance/aggregate_target.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kQuick{2'000};
constexpr milliseconds kSlow{5'000};
constexpr std::int64_t kMostBuckets = 1'000'000;
constexpr int kAttempts = 5;
constexpr milliseconds kPause{100};
/// The planner knows nothing of a temporary table; below so many rows no plan is bad.
constexpr std::int64_t kAnalyzeFrom = 200;

bool may_pass(const Problem& problem) {
    return problem.is(state::kSerialization) || problem.is(state::kLockNotAvailable) ||
           problem.is(state::kDeadlock);
}

/// A bucket that takes longer is beyond what the configuration has time for.
milliseconds longest_statement(const JobContext& job) {
    constexpr milliseconds kAtLeast{60'000};
    const milliseconds most = job.settings.max_run;
    return most.count() == 0 ? most : std::max(kAtLeast, most);
}

}  // namespace

void ChunkSize::took(milliseconds time) {
    if (time < kQuick) {
        buckets_ = std::min(buckets_ * 2, kMostBuckets);
    } else if (time > kSlow) {
        buckets_ = std::max<std::int64_t>(buckets_ / 2, 1);
    }
}

AggregateChunks::AggregateChunks(JobContext& job,
                                 const AggregateDefinition& definition,
                                 const AggregateFence& fence,
                                 const std::string& target)
    : job_{job}, definition_{definition}, fence_{fence}, sql_{definition, target} {}

Answer<void> AggregateChunks::prepare(const SourceLayout& layout) {
    fingerprint_ = layout.fingerprint;
    Answer<std::vector<BucketRange>> frozen = read_frozen(job_.db, definition_.target.text());
    if (!frozen) {
        return failed(frozen.error());
    }
    frozen_ = *std::move(frozen);
    for (const std::string& sql : sql_.make_staging()) {
        if (const Answer<Rows> made = job_.db.run(sql); !made) {
            return failed(made.error());
        }
    }
    return check_types(job_.db, kStaging, sql_.target(), definition_);
}

bool AggregateChunks::is_over() const {
    job_.hold_back();
    return job_.should_end();
}

Answer<void> AggregateChunks::run(const ChunkStep& step) {
    for (int attempt = 1;; ++attempt) {
        const TimePoint began = Clock::now();
        const Answer<std::int64_t> changed = try_run(step);
        if (changed) {
            rows_ += *changed;
            size_.took(std::chrono::duration_cast<milliseconds>(Clock::now() - began));
            return {};
        }
        if (!may_pass(changed.error()) || attempt == kAttempts || job_.should_end()) {
            return failed(changed.error());
        }
        std::this_thread::sleep_for(kPause);
    }
}

Answer<std::int64_t> AggregateChunks::try_run(const ChunkStep& step) {
    Answer<Transaction> transaction =
        Transaction::begin(job_.db, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    if (!transaction) {
        return failed(transaction.error());
    }
    if (Answer<void> held = hold_source(); !held) {
        return failed(held.error());
    }
    std::int64_t rows = 0;
    for (const BucketRange& range : without(step.range, frozen_)) {
        Answer<std::int64_t> changed = compute(range, step.up_to);
        if (!changed) {
            return changed;
        }
        rows += *changed;
    }
    if (step.consumes) {
        if (Answer<void> consumed = consume(step.range); !consumed) {
            return failed(consumed.error());
        }
    }
    if (!step.also.empty()) {
        if (const Answer<Rows> also = job_.db.run(step.also); !also) {
            return failed(also.error());
        }
    }
    Answer<void> mine = fence_.advance(job_.db, step.change, step.expected);
    if (!mine) {
        return failed(mine.error());
    }
    const Answer<Rows> committed = transaction->commit();
    return committed ? Answer<std::int64_t>{rows} : Answer<std::int64_t>{failed(committed.error())};
}

/// The lock is taken before the snapshot: a partition that is detached afterwards is still read,
/// and one that was detached before is known to be gone.
Answer<void> AggregateChunks::hold_source() {
    for (const std::string& sql :
         {std::string{"SET LOCAL lock_timeout = '2s'"},
          "SET LOCAL statement_timeout = " + std::to_string(longest_statement(job_).count()),
          "LOCK TABLE ONLY " + definition_.source.sql() + " IN ACCESS SHARE MODE"}) {
        if (const Answer<Rows> done = job_.db.run(sql); !done) {
            return failed(done.error());
        }
    }
    const Answer<Rows> now = job_.db.run(fingerprint_sql(job_.db, definition_.source));
    if (!now) {
        return failed(now.error());
    }
    if (now->view(0, 0) != fingerprint_) {
        return problem(
            definition_.source.text() + ": its partitions have changed", {}, kLayoutChanged);
    }
    return {};
}

Answer<std::int64_t> AggregateChunks::compute(const BucketRange& range, Label up_to) {
    std::vector<std::string> statements{std::string{"TRUNCATE "} + kStaging,
                                        sql_.fill(range, up_to)};
    std::int64_t filled = 0;
    for (const std::string& sql : statements) {
        const Answer<Rows> done = job_.db.run(sql);
        if (!done) {
            return failed(done.error());
        }
        filled = done->affected();
    }
    if (filled >= kAnalyzeFrom) {
        if (const Answer<Rows> known = job_.db.run(std::string{"ANALYZE "} + kStaging); !known) {
            return failed(known.error());
        }
    }
    std::int64_t rows = 0;
    for (const std::string& sql : sql_.merge(range)) {
        const Answer<Rows> done = job_.db.run(sql);
        if (!done) {
            return failed(done.error());
        }
        rows += done->affected();
    }
    return rows;
}

/// Marks that this snapshot sees belong to rows that it sees; later ones stay.
Answer<void> AggregateChunks::consume(const BucketRange& range) {
    const Answer<Rows> gone = job_.db.run("DELETE FROM weir.aggregate_dirty WHERE target = " +
                                          quote_literal(definition_.target.text()) +
                                          " AND bucket >= " + control_literal(range.low) +
                                          " AND bucket < " + control_literal(range.high));
    return gone ? Answer<void>{} : Answer<void>{failed(gone.error())};
}

}  // namespace weir::maintenance
