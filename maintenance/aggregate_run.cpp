#include "maintenance/aggregate_run.hpp"

#include "maintenance/aggregate_rebuild.hpp"
#include "maintenance/aggregate_refresh.hpp"
#include "maintenance/aggregate_target.hpp"
#include "maintenance/aggregate_view.hpp"
#include "maintenance/aggregate_zone.hpp"
#include "maintenance/runner_lock.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::maintenance {

namespace {

enum class Purpose : std::uint8_t { Refresh, Rebuild };

/// Sums of what a policy lets through would look like sums of everything.
Answer<void> refuse_policies(Connection& db, const Relation& source) {
    const Answer<Rows> rows =
        db.run("SELECT row_security_active($1::oid), current_user", {std::to_string(source.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    if (!rows->flag(0, 0)) {
        return {};
    }
    return problem(
        "row-level security of " + source.text() + " hides rows from " + rows->text(0, 1),
        "a role with BYPASSRLS, or the owner of the table, sees them all",
        state::kInsufficientPrivilege);
}

Answer<void> refuse(JobContext& job, const AggregateDefinition& definition) {
    if (definition.is_per_session && !definition.settings.view.empty()) {
        return problem("aggregate " + definition.target.text() + ": sessions have no live view",
                       "a session that is not over has no bucket of its own");
    }
    if (Answer<void> visible = refuse_policies(job.db, definition.source); !visible) {
        return visible;
    }
    const Answer<std::vector<std::string>> grants = missing_grants(job, definition);
    if (!grants) {
        return failed(grants.error());
    }
    if (!grants->empty()) {
        std::string all;
        for (const std::string& grant : *grants) {
            all += (all.empty() ? "" : "; ") + grant;
        }
        return problem("aggregate " + definition.target.text() + ": privileges are missing",
                       all,
                       state::kInsufficientPrivilege);
    }
    return check_expressions(job.db, definition);
}

/// What was there before the first run, and is older than the source, stays.
Answer<void> adopt(JobContext& job, const AggregateDefinition& definition) {
    const std::string column =
        definition.is_per_session ? "first_seen" : quote_identifier(kBucketColumn);
    const BucketCalendar& calendar = definition.calendar;
    const std::string first = "(SELECT min(" + definition.time + ") FROM " +
                              definition.source.sql() + " WHERE isfinite(" + definition.time + "))";
    // Of an empty source nothing is newer than what is there.
    const std::string from = "coalesce(" + calendar.bucket_of(first) + ", (SELECT " +
                             calendar.shifted("max(" + column + ")", 1) + " FROM " +
                             definition.target.sql() + "))";
    const Answer<Rows> kept = job.db.run(
        "INSERT INTO weir.aggregate_frozen (target, low, high) SELECT " +
        quote_literal(definition.target.text()) + ", '-infinity', " + calendar.to_control(from) +
        " WHERE EXISTS (SELECT FROM " + definition.target.sql() + " WHERE " + column + " < " +
        from + ") ON CONFLICT DO NOTHING");
    if (!kept) {
        return failed(kept.error());
    }
    if (kept->affected() > 0) {
        job.reporter.note(definition.target.text() +
                          ": rows older than the source are left as they are");
    }
    return {};
}

/// Makes target, triggers and state where they are not there.
/// @return whether the state is new
Answer<bool> prepare(JobContext& job, const AggregateDefinition& definition) {
    const std::string name = definition.target.text();
    Answer<std::optional<AggregateState>> state = read_state(job.db, name);
    if (!state) {
        return failed(state.error());
    }
    const Answer<std::optional<Relation>> target = find_target(job.db, definition.target);
    if (!target) {
        return failed(target.error());
    }
    if (!*target) {
        if (*state) {
            job.reporter.note(name + " is gone: it is made anew");
            if (Answer<void> dropped = drop_state(job.db, name); !dropped) {
                return failed(dropped.error());
            }
            state->reset();
        }
        if (Answer<void> made = create_target(job, definition); !made) {
            return failed(made.error());
        }
    }
    if (*state) {
        return false;
    }
    if (*target) {
        if (Answer<void> fits = check_target(job, definition, **target); !fits) {
            return failed(fits.error());
        }
    }
    if (Answer<void> watched = ensure_triggers(job, definition); !watched) {
        return failed(watched.error());
    }
    if (*target) {
        if (Answer<void> adopted = adopt(job, definition); !adopted) {
            return failed(adopted.error());
        }
    }
    const BucketCalendar& calendar = definition.calendar;
    const Answer<Rows> now =
        job.db.run("SELECT " + calendar.label_of(calendar.now(definition.settings.delay)));
    if (!now) {
        return failed(now.error());
    }
    Answer<void> created = create_state(job.db, definition, now->number(0, 0));
    if (!created) {
        return failed(created.error());
    }
    return true;
}

/// @return where an old and a new text of a definition differ, for a person
std::string difference(const std::string& old_text, const std::string& new_text) {
    std::string all;
    std::size_t at = 0;
    while (at < old_text.size()) {
        const std::size_t end = old_text.find('\n', at);
        const std::string line = old_text.substr(at, end - at);
        if (new_text.find(line + "\n") == std::string::npos) {
            all += (all.empty() ? "" : "; ") + line;
        }
        at = end == std::string::npos ? old_text.size() : end + 1;
    }
    return all.empty() ? "something was added" : "it was made with: " + all;
}

JobResult tell(const AggregateDefinition& definition, const AggregateRefresh& refresh) {
    JobResult result;
    result.rows = refresh.rows();
    result.end = refresh.is_cut_short() ? JobResult::End::Later : JobResult::End::Done;
    result.text = definition.target.text() + ": " + std::to_string(refresh.buckets()) +
                  " buckets computed, " + std::to_string(refresh.rows()) +
                  " rows changed, complete up to " + text_of(refresh.state().watermark) +
                  (refresh.state().low_mark == kEarliest
                       ? ""
                       : " from " + text_of(refresh.state().low_mark) + " on") +
                  (refresh.is_cut_short() ? "; the next run goes on" : "");
    return result;
}

Answer<JobResult> refresh(JobContext& job,
                          const AggregateDefinition& definition,
                          AggregateState state,
                          bool is_new) {
    Answer<AggregateFence> fence = AggregateFence::claim(job.db, definition.target.text());
    if (!fence) {
        return failed(fence.error());
    }
    if (!is_new) {
        if (Answer<void> watched = ensure_triggers(job, definition); !watched) {
            return failed(watched.error());
        }
    }
    if (state.next_definition) {
        const Answer<std::string> writer = abandon_rebuild(job, definition, *fence);
        if (!writer) {
            return failed(writer.error());
        }
        if (!writer->empty()) {
            return JobResult{JobResult::End::Later, 0, definition.target.text() + ": " + *writer};
        }
        state.next_definition.reset();
        state.threshold = std::max(state.threshold, state.watermark);
    }
    AggregateRefresh run{
        job, definition, *std::move(fence), std::move(state), definition.target.sql()};
    if (Answer<void> looked = run.look(); !looked) {
        return failed(looked.error());
    }
    const Answer<std::string> in_the_way = run.raise_threshold();
    if (!in_the_way) {
        return failed(in_the_way.error());
    }
    if (in_the_way->empty()) {
        if (Answer<void> done = run.go_forward(); !done) {
            return failed(done.error());
        }
    }
    if (Answer<void> done = run.work_off_marks(); !done) {
        return failed(done.error());
    }
    if (!in_the_way->empty()) {
        return JobResult{
            JobResult::End::Later, run.rows(), definition.target.text() + ": " + *in_the_way};
    }
    if (!run.is_cut_short()) {
        if (Answer<void> done = run.go_back(); !done) {
            return failed(done.error());
        }
    }
    return tell(definition, run);
}

/// Shows what a run would do.
Answer<JobResult> rehearse(JobContext& job, const AggregateDefinition& definition) {
    if (Answer<void> made = ensure_control(job); !made) {
        return failed(made.error());
    }
    const Answer<std::optional<Relation>> target = find_target(job.db, definition.target);
    if (!target) {
        return failed(target.error());
    }
    Answer<void> fits =
        *target ? check_target(job, definition, **target) : create_target(job, definition);
    if (!fits) {
        return failed(fits.error());
    }
    if (Answer<void> watched = ensure_triggers(job, definition); !watched) {
        return failed(watched.error());
    }
    if (Answer<void> viewed = ensure_view(job, definition); !viewed) {
        return failed(viewed.error());
    }
    const Answer<bool> is_known = has_control(job.db);
    std::optional<AggregateState> state;
    if (is_known && *is_known) {
        if (Answer<std::optional<AggregateState>> read =
                read_state(job.db, definition.target.text());
            read) {
            state = *std::move(read);
        }
    }
    const BucketCalendar& calendar = definition.calendar;
    const Answer<Rows> now =
        job.db.run("SELECT " + calendar.label_of(calendar.now(definition.settings.delay)));
    if (!now) {
        return failed(now.error());
    }
    const Label high = now->number(0, 0);
    const AggregateSql sql{definition, definition.target.sql()};
    const BucketRange range{state ? state->watermark : kEarliest, high};
    if (range.low < range.high) {
        job.reporter.statement(sql.query(calendar.in_buckets(definition.time, range.low, high)),
                               "ACCESS SHARE on " + definition.source.text());
    }
    return JobResult{JobResult::End::Done,
                     0,
                     definition.target.text() + ": would be brought up to " + text_of(high)};
}

Answer<JobResult> carry_out(JobContext& job,
                            const conf::AggregateSettings& settings,
                            Purpose purpose) {
    const Answer<AggregateDefinition> definition = define_aggregate(job, settings);
    if (!definition) {
        return failed(definition.error());
    }
    if (Answer<void> fine = refuse(job, *definition); !fine) {
        return failed(fine.error());
    }
    if (job.is_dry) {
        return rehearse(job, *definition);
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(job.db, definition->job());
    if (!lock) {
        return failed(lock.error());
    }
    if (!lock->is_held()) {
        return JobResult{
            JobResult::End::Standby, 0, definition->target.text() + ": another Weir is at it"};
    }
    if (Answer<void> made = ensure_control(job); !made) {
        return failed(made.error());
    }
    const Answer<bool> is_new = prepare(job, *definition);
    if (!is_new) {
        return failed(is_new.error());
    }
    Answer<std::optional<AggregateState>> state = read_state(job.db, definition->target.text());
    if (!state) {
        return failed(state.error());
    }
    if (!*state) {
        return problem("aggregate " + definition->target.text() + ": its state is gone");
    }
    const bool is_under_way = (*state)->next_definition == definition->text();
    if (purpose == Purpose::Rebuild || is_under_way) {
        Answer<JobResult> rebuilt = rebuild(job, *definition, **state);
        if (!rebuilt || rebuilt->end != JobResult::End::Done) {
            return rebuilt;
        }
        state = read_state(job.db, definition->target.text());
        if (!state) {
            return failed(state.error());
        }
    } else if ((*state)->definition != definition->text()) {
        return problem(
            "aggregate " + definition->target.text() + ": is defined otherwise than it was made",
            difference((*state)->definition, definition->text()) +
                "; weir aggregate backfill --rebuild " + definition->target.text() +
                " computes it anew");
    }
    if (Answer<void> viewed = ensure_view(job, *definition); !viewed) {
        return failed(viewed.error());
    }
    return refresh(job, *definition, **state, *is_new);
}

JobResult run_for(JobContext& job, const conf::AggregateSettings& settings, Purpose purpose) {
    const SessionZone zone{job.db};
    Answer<JobResult> result = carry_out(job, settings, purpose);
    if (result) {
        return *std::move(result);
    }
    const Problem& why = result.error();
    // What is in the way now may be gone the next time; nothing is lost.
    if (why.is(state::kLockNotAvailable) || why.is(state::kSerialization)) {
        return {JobResult::End::Later, 0, settings.target + ": " + why.line()};
    }
    return JobResult::failed(why);
}

}  // namespace

JobResult run_aggregate(JobContext& job, const conf::AggregateSettings& settings) {
    return run_for(job, settings, Purpose::Refresh);
}

JobResult rebuild_aggregate(JobContext& job, const conf::AggregateSettings& settings) {
    return run_for(job, settings, Purpose::Rebuild);
}

}  // namespace weir::maintenance
