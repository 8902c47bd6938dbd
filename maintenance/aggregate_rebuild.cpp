#include "maintenance/aggregate_rebuild.hpp"

#include "maintenance/aggregate_refresh.hpp"
#include "maintenance/aggregate_swap.hpp"
#include "maintenance/aggregate_target.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace weir::maintenance {

namespace {

Answer<void> done(const Answer<Rows>& rows) {
    return rows ? Answer<void>{} : Answer<void>{failed(rows.error())};
}

std::string shadow_of(const AggregateDefinition& definition) {
    return "weir." + quote_identifier(fit_name("next_" + definition.target.text(), ""));
}

std::string span_from(Label low, const std::string& target) {
    return "INSERT INTO weir.aggregate_span (target, low, high) VALUES (" + quote_literal(target) +
           ", " + control_literal(low) + ", 'infinity')";
}

class Rebuild {
public:
    Rebuild(JobContext& job,
            const AggregateDefinition& definition,
            const AggregateState& state,
            AggregateFence fence)
        : job_{job},
          definition_{definition},
          old_text_{state.definition},
          shadow_{shadow_of(definition)},
          refresh_{job, definition, std::move(fence), state, shadow_} {}

    Answer<JobResult> run() {
        if (Answer<void> may = refuse(); !may) {
            return failed(may.error());
        }
        // What is in its way in the end is better said now.
        const SwapPlan plan{definition_, old_text_, shadow_, refresh_.state().generation};
        if (Answer<void> may = refuse_swap(job_, plan); !may) {
            return failed(may.error());
        }
        const Answer<bool> goes_on = may_go_on();
        if (!goes_on) {
            return failed(goes_on.error());
        }
        if (!*goes_on) {
            if (Answer<void> begun = begin(); !begun) {
                return failed(begun.error());
            }
        }
        // So that everybody who wrote before has ended, or has marked what it wrote.
        const Answer<std::string> in_the_way = refresh_.raise_threshold();
        if (!in_the_way) {
            return failed(in_the_way.error());
        }
        if (!in_the_way->empty()) {
            return later(*in_the_way);
        }
        if (Answer<void> prepared = refresh_.look(); !prepared) {
            return failed(prepared.error());
        }
        if (Answer<void> filled = fill(); !filled) {
            return failed(filled.error());
        }
        if (refresh_.is_cut_short()) {
            return later("the rebuild goes on with the next run");
        }
        if (Answer<void> swapped = swap_in(job_, plan, refresh_.fence()); !swapped) {
            return failed(swapped.error());
        }
        job_.reporter.note(definition_.target.text() + " rebuilt");
        return JobResult{JobResult::End::Done, refresh_.rows(), ""};
    }

private:
    [[nodiscard]] Answer<JobResult> later(const std::string& why) const {
        return JobResult{
            JobResult::End::Later, refresh_.rows(), definition_.target.text() + ": " + why};
    }

    /// @return whether what there is of the shadow is of this definition
    Answer<bool> may_go_on() {
        if (refresh_.state().next_definition != definition_.text()) {
            return false;
        }
        if (const Answer<Relation> there = find_relation(job_.db, shadow_); !there) {
            return there.error().is(state::kUndefinedTable) ? Answer<bool>{false}
                                                            : Answer<bool>{failed(there.error())};
        }
        const Answer<std::vector<TypedColumn>> given = columns_given(job_.db, definition_);
        if (!given) {
            return failed(given.error());
        }
        const Answer<std::vector<TypedColumn>> columns = columns_of(job_.db, shadow_);
        if (!columns) {
            return failed(columns.error());
        }
        return *columns == *given;
    }

    Answer<void> refuse() {
        const Answer<std::vector<BucketRange>> frozen =
            read_frozen(job_.db, definition_.target.text());
        if (!frozen) {
            return failed(frozen.error());
        }
        if (!frozen->empty() && keys_of(old_text_) != keys_of(definition_.text())) {
            return problem(
                "aggregate " + definition_.target.text() +
                    ": has rows whose source is gone, and other buckets or groups are asked for",
                "they cannot be computed anew: name another target, and keep this one");
        }
        return {};
    }

    /// @return from where on all is computed again should this be given up: what was there before
    /// the first row of the source is not touched where nothing says that it is to be
    Answer<Label> first_to_redo(Label high) {
        if (definition_.settings.track == conf::LateTracking::Triggers) {
            return kEarliest;
        }
        const Answer<std::optional<Label>> first = refresh_.first_of_source();
        return first ? Answer<Label>{first->value_or(high)} : Answer<Label>{failed(first.error())};
    }

    /// What is marked from now on is marked as the new definition counts buckets.
    Answer<void> begin() {
        if (definition_.settings.track == conf::LateTracking::Triggers) {
            if (Answer<void> made = make_marker(job_, definition_); !made) {
                return made;
            }
            if (Answer<void> watched = ensure_triggers(job_, definition_); !watched) {
                return watched;
            }
        }
        const BucketCalendar& calendar = definition_.calendar;
        const Answer<Rows> now = job_.db.run(
            "SELECT " + calendar.label_of(calendar.now(definition_.settings.delay)) + ", " +
            calendar.label_of(calendar.bucket_of(calendar.literal(refresh_.state().threshold))));
        if (!now) {
            return failed(now.error());
        }
        const Label high = std::max(now->number(0, 0), now->number(0, 1));
        const Answer<Label> first = first_to_redo(high);
        if (!first) {
            return failed(first.error());
        }
        Answer<Transaction> transaction = Transaction::begin(job_.db);
        if (!transaction) {
            return failed(transaction.error());
        }
        const std::string name = quote_literal(definition_.target.text());
        const AggregateSql sql{definition_, shadow_};
        const std::string index = fit_name("next_" + definition_.target.text(), "_key");
        // The last one is for the case that nobody wants this in the end, and what was marked is
        // marked no longer.
        for (const std::string& statement :
             {"DROP TABLE IF EXISTS " + shadow_,
              sql.create_target(),
              sql.create_index(index, job_.db.server_version()),
              "DELETE FROM weir.aggregate_dirty WHERE target = " + name,
              "DELETE FROM weir.aggregate_span WHERE target = " + name,
              span_from(*first, definition_.target.text())}) {
            if (const Answer<Rows> changed = job_.db.run(statement); !changed) {
                return failed(changed.error());
            }
        }
        Answer<void> mine =
            refresh_.fence().advance(job_.db,
                                     "next_definition = " + quote_literal(definition_.text()) +
                                         ", next_watermark = " + control_literal(high) +
                                         ", next_low_mark = " + control_literal(high) +
                                         ", threshold = " + control_literal(high),
                                     "");
        if (!mine) {
            return mine;
        }
        AggregateState& state = refresh_.state();
        state.next_definition = definition_.text();
        state.next_watermark = high;
        state.next_low_mark = high;
        state.threshold = high;  // of the new buckets; the watermark will be no later
        return done(transaction->commit());
    }

    Answer<void> fill() {
        const AggregateState& state = refresh_.state();
        const Answer<std::optional<Label>> first = refresh_.first_of_source();
        if (!first) {
            return failed(first.error());
        }
        const Label up_to = state.next_watermark;
        return refresh_.go_down("rebuild",
                                {first->value_or(state.next_low_mark), state.next_low_mark},
                                [&](const BucketRange& chunk, bool /*is_last*/) {
                                    ChunkStep step;
                                    step.up_to = up_to;
                                    step.change = "next_low_mark = " + control_literal(chunk.low);
                                    step.expected =
                                        "next_low_mark = " + control_literal(chunk.high);
                                    step.consumes = false;
                                    return step;
                                });
    }

    JobContext& job_;
    const AggregateDefinition& definition_;
    std::string old_text_;
    std::string shadow_;
    AggregateRefresh refresh_;
};

}  // namespace

Answer<JobResult> rebuild(JobContext& job,
                          const AggregateDefinition& definition,
                          const AggregateState& state) {
    Answer<AggregateFence> fence = AggregateFence::claim(job.db, definition.target.text());
    if (!fence) {
        return failed(fence.error());
    }
    return Rebuild{job, definition, state, *std::move(fence)}.run();
}

Answer<std::string> abandon_rebuild(JobContext& job,
                                    const AggregateDefinition& definition,
                                    const AggregateFence& fence) {
    if (definition.settings.track == conf::LateTracking::Triggers) {
        if (Answer<void> made = make_marker(job, definition); !made) {
            return failed(made.error());
        }
    }
    // Buckets were marked as the other definition has them: whoever was told of its threshold is
    // to have ended before what it left is computed again.
    if (Answer<void> raised =
            fence.advance(job.db, "threshold = greatest(threshold, watermark)", "");
        !raised) {
        return failed(raised.error());
    }
    Answer<std::string> in_the_way = wait_for_writers(job, definition.source);
    if (!in_the_way || !in_the_way->empty()) {
        return in_the_way;
    }
    if (Answer<void> undone = undo_preparations(job, definition); !undone) {
        return failed(undone.error());
    }
    Answer<Transaction> transaction = Transaction::begin(job.db);
    if (!transaction) {
        return failed(transaction.error());
    }
    const Answer<Rows> dropped = job.db.run("DROP TABLE IF EXISTS " + shadow_of(definition));
    if (!dropped) {
        return failed(dropped.error());
    }
    if (Answer<void> mine = fence.advance(
            job.db, "next_definition = NULL, next_watermark = NULL, next_low_mark = NULL", "");
        !mine) {
        return failed(mine.error());
    }
    const Answer<Rows> committed = transaction->commit();
    return committed ? Answer<std::string>{std::string{}}
                     : Answer<std::string>{failed(committed.error())};
}

}  // namespace weir::maintenance
