#include "maintenance/view_refresh.hpp"

#include "maintenance/ladder.hpp"
#include "maintenance/runner_lock.hpp"
#include "maintenance/view_facts.hpp"
#include "maintenance/view_sources.hpp"
#include "maintenance/view_state.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace weir::maintenance {

namespace {

using conf::Concurrently;
using End = JobResult::End;
using std::chrono::milliseconds;

JobResult skipped(std::string text) {
    return {End::Skipped, 0, std::move(text)};
}

/// @return a problem where CONCURRENTLY is a must and not possible
Answer<bool> goes_concurrently(const ViewFacts& view, Concurrently wish) {
    const std::string why_not = view.why_not_concurrently();
    if (wish != Concurrently::Always || why_not.empty()) {
        return wish != Concurrently::Never && why_not.empty();
    }
    std::string right = "concurrently = \"auto\" does without";
    if (!view.is_populated) {
        right = "REFRESH MATERIALIZED VIEW " + view.relation.sql() + " fills it; " + right;
    } else if (const std::string sql = view.unique_index_sql(); !sql.empty()) {
        right = sql + " would do" +
                (view.is_key_likely_unique ? "" : ", or on fewer columns that are unique") + "; " +
                right;
    }
    return problem(view.relation.text() + ": cannot be refreshed CONCURRENTLY: " + why_not, right);
}

/// CONCURRENTLY compares with =: rows with a NULL there are never the same as before.
void remark_nulls(const JobContext& job, const ViewFacts& view) {
    std::string is_null;
    for (const std::string& column : view.key_columns) {
        is_null += (is_null.empty() ? "" : " OR ") + quote_identifier(column) + " IS NULL";
    }
    const Answer<Rows> rows =
        job.db.run("SELECT count(*) FROM " + view.relation.sql() + " WHERE " + is_null);
    if (rows && rows->number(0, 0) > 0) {
        job.reporter.note(view.relation.text() + ": " + rows->text(0, 0) +
                          " rows have a NULL in the unique key; each refresh writes them anew");
    }
}

Answer<void> refresh(JobContext& job, const ViewFacts& view, bool is_concurrent) {
    const std::string name = view.relation.sql();
    if (is_concurrent) {
        // Whoever reads goes on reading, so that old readers are no blockers.
        return run_locked(job,
                          {.what = "refresh " + view.relation.text(),
                           .oids = {},
                           .sql = {"REFRESH MATERIALIZED VIEW CONCURRENTLY " + name},
                           .locks = "EXCLUSIVE on " + name + ": it can be read meanwhile"});
    }
    return run_locked(job,
                      {.what = "refresh " + view.relation.text(),
                       .oids = {view.relation.oid},
                       .sql = {"REFRESH MATERIALIZED VIEW " + name},
                       .locks = "ACCESS EXCLUSIVE on " + name + ": its readers wait"});
}

/// What a session has counted is known to others, and to its own next question, only a while later:
/// views that read this one are to see at once that it has changed.
void tell_counters(Connection& db) {
    constexpr int kForcedFlush = 150'000;
    const bool can_force = db.server_version() >= kForcedFlush;
    static_cast<void>(
        db.run(can_force ? "SELECT pg_stat_force_next_flush()" : "SELECT pg_sleep(0.6)"));
}

void finish(JobContext& job, const ViewFacts& view, const ViewSources& sources, milliseconds took) {
    const std::string analyze = "ANALYZE (SKIP_LOCKED) " + view.relation.sql();
    const std::string name = view.relation.text();
    if (const Answer<void> done = job.change(analyze, "SHARE UPDATE EXCLUSIVE"); !done) {
        job.reporter.warn(name + ": refreshed, but not analyzed: " + done.error().line());
    }
    if (job.is_dry) {
        return;
    }
    tell_counters(job.db);
    if (const Answer<void> done = write_view_state(job, view.relation, sources, took); !done) {
        job.reporter.note(name +
                          ": what it was computed from cannot be remembered, so that it will be "
                          "refreshed each time: " +
                          done.error().line());
    }
}

/// @return "" where there is a reason to refresh it
Answer<std::string> why_skip(JobContext& job, const ViewFacts& view, const ViewSources& sources) {
    const Answer<std::optional<ViewState>> state = read_view_state(job.db, view.relation.oid);
    if (!state) {
        return failed(state.error());
    }
    const bool is_same = state->has_value() && (*state)->signature == sources.signature;
    if (!is_same || !sources.unknown.empty() || !view.is_populated) {
        return std::string{};
    }
    return view.relation.text() + ": nothing has changed since " + (*state)->refreshed_at;
}

JobResult refresh_locked(JobContext& job,
                         const conf::MaterializedViewSettings& settings,
                         const ViewFacts& view,
                         RefreshWhen when) {
    // Before the refresh: what comes between this and its snapshot counts as a change next time.
    const Answer<ViewSources> sources = read_view_sources(job.db, view.relation.oid);
    if (!sources) {
        return JobResult::failed(sources.error());
    }
    if (when == RefreshWhen::Changed) {
        const Answer<std::string> why = why_skip(job, view, *sources);
        if (!why) {
            return JobResult::failed(why.error());
        }
        if (!why->empty()) {
            return skipped(*why);
        }
    }
    const Answer<bool> is_concurrent = goes_concurrently(view, settings.concurrently);
    if (!is_concurrent) {
        return JobResult::failed(is_concurrent.error());
    }
    job.hold_back();
    if (job.should_end()) {
        return {End::Later, 0, view.relation.text() + ": put off"};
    }
    const TimePoint began = Clock::now();
    if (const Answer<void> done = refresh(job, view, *is_concurrent); !done) {
        if (done.error().is(state::kLockNotAvailable) || done.error().is(state::kDeadlock)) {
            job.reporter.warn(done.error().line());
            return {End::PutOff, 0, view.relation.text() + ": put off"};
        }
        Problem why = done.error();
        why.text = view.relation.text() + ": " + why.text;
        return JobResult::failed(why);
    }
    const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
    finish(job, view, *sources, took);
    if (*is_concurrent && !job.is_dry) {
        remark_nulls(job, view);
    }
    return {End::Done,
            1,
            view.relation.text() + (job.is_dry ? ": would be refreshed" : ": refreshed") +
                (*is_concurrent ? " concurrently" : "") +
                (job.is_dry ? "" : " in " + std::to_string(took.count()) + " ms")};
}

}  // namespace

JobResult refresh_view(JobContext& job,
                       const conf::MaterializedViewSettings& view,
                       RefreshWhen when) {
    const Answer<ViewFacts> facts = read_view(job.db, view.name);
    if (!facts) {
        return JobResult::failed(facts.error());
    }
    if (!facts->may_refresh) {
        return JobResult::failed(
            {facts->relation.text() + ": only its owner may refresh it",
             state::kInsufficientPrivilege,
             "GRANT " + quote_identifier(facts->owner) + " TO the user of maintenance"});
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, "view " + facts->relation.text());
    if (!lock) {
        return JobResult::failed(lock.error());
    }
    if (!lock->is_held()) {
        return {End::Standby, 0, facts->relation.text() + ": another Weir refreshes it"};
    }
    return refresh_locked(job, view, *facts, when);
}

Answer<std::vector<conf::MaterializedViewSettings>> in_order_of_reading(
    JobContext& job, std::vector<conf::MaterializedViewSettings> views) {
    std::vector<std::pair<std::int64_t, conf::MaterializedViewSettings>> ranked;
    for (conf::MaterializedViewSettings& view : views) {
        const Answer<Relation> relation = find_relation(job.db, view.name);
        std::int64_t depth = 0;
        if (relation) {  // what is not there is said when it is to be refreshed
            const Answer<std::int64_t> read = view_depth(job.db, relation->oid);
            if (!read) {
                return failed(read.error());
            }
            depth = *read;
        }
        ranked.emplace_back(depth, std::move(view));
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
        return a.first < b.first;
    });
    std::vector<conf::MaterializedViewSettings> ordered;
    ordered.reserve(ranked.size());
    for (auto& [depth, view] : ranked) {
        ordered.push_back(std::move(view));
    }
    return ordered;
}

JobResult refresh_views(JobContext& job,
                        const std::vector<conf::MaterializedViewSettings>& views,
                        RefreshWhen when) {
    const auto ordered = in_order_of_reading(job, views);
    if (!ordered) {
        return JobResult::failed(ordered.error());
    }
    std::size_t failures = 0;
    JobResult all;
    std::int64_t seen = 0;
    for (const conf::MaterializedViewSettings& view : *ordered) {
        if (job.should_end()) {
            all.end = End::Later;
            break;
        }
        const auto total = static_cast<std::int64_t>(ordered->size());
        job.reporter.progress({"refresh", seen++, total, "views"});
        const JobResult one = refresh_view(job, view, when);
        all.rows += one.rows;
        if (one.end == End::Failed) {
            ++failures;
            job.reporter.warn(one.text);
        } else if (!one.text.empty()) {
            job.reporter.note(one.text);
        }
        if (one.end == End::Later || one.end == End::Standby) {
            all.end = one.end;
        }
    }
    all.text =
        std::to_string(all.rows) + " of " + std::to_string(ordered->size()) + " views refreshed";
    if (failures > 0) {
        all.text += ", " + std::to_string(failures) + " failed";
        all.end = failures == ordered->size() ? End::Failed : all.end;
    }
    return all;
}

}  // namespace weir::maintenance
