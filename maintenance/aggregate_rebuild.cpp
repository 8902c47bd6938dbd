#include "maintenance/aggregate_rebuild.hpp"

#include "maintenance/aggregate_refresh.hpp"
#include "maintenance/aggregate_target.hpp"

#include <algorithm>
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

std::string all_span(const std::string& target) {
    return "INSERT INTO weir.aggregate_span (target, low, high) VALUES (" + quote_literal(target) +
           ", '-infinity', 'infinity')";
}

/// @return the lines of a definition's text that say how rows are told apart
std::string keys_of(const std::string& text) {
    std::string keys;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        if (line.rfind("column ", 0) != 0) {
            keys += line + "\n";
        }
        at = end + 1;
    }
    return keys;
}

/// @return the columns that a definition's text made
std::set<std::string> made_by(const std::string& text) {
    std::set<std::string> names;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        for (const std::string kind : {"column ", "group "}) {
            if (const std::size_t equals = line.find(" = ");
                line.rfind(kind, 0) == 0 && equals != std::string::npos) {
                names.insert(line.substr(kind.size(), equals - kind.size()));
            }
        }
        at = end + 1;
    }
    return names;
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
        const bool goes_on = refresh_.state().next_definition == definition_.text();
        if (!goes_on) {
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
        if (Answer<void> swapped = swap(); !swapped) {
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

    Answer<void> refuse() {
        Answer<std::vector<BucketRange>> frozen = read_frozen(job_.db, definition_.target.text());
        if (!frozen) {
            return failed(frozen.error());
        }
        frozen_ = *std::move(frozen);
        if (!frozen_.empty() && keys_of(old_text_) != keys_of(definition_.text())) {
            return problem(
                "aggregate " + definition_.target.text() +
                    ": has rows whose source is gone, and other buckets or groups are asked for",
                "they cannot be computed anew: name another target, and keep this one");
        }
        return {};
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
              all_span(definition_.target.text())}) {
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

    /// @return what gives the target the columns of the shadow
    Answer<std::vector<std::string>> column_changes() {
        const Answer<std::vector<TypedColumn>> given = columns_of(job_.db, shadow_);
        if (!given) {
            return failed(given.error());
        }
        const Answer<std::vector<TypedColumn>> there =
            columns_of(job_.db, definition_.target.sql());
        if (!there) {
            return failed(there.error());
        }
        const std::string alter = "ALTER TABLE " + definition_.target.sql() + " ";
        std::set<std::string> wanted;
        std::vector<std::string> changes;
        std::set<std::string> kept;
        for (const TypedColumn& column : *given) {
            wanted.insert(column.name);
        }
        const std::set<std::string> made = made_by(old_text_);
        for (const TypedColumn& column : *there) {
            const auto same =
                std::find_if(given->begin(), given->end(), [&](const TypedColumn& other) {
                    return other.name == column.name && other.type == column.type;
                });
            if (same != given->end()) {
                kept.insert(column.name);
            } else if (wanted.count(column.name) != 0 || made.count(column.name) != 0 ||
                       column.name == kBucketColumn) {
                changes.push_back(alter + "DROP COLUMN " + quote_identifier(column.name));
            }
        }
        for (const TypedColumn& column : *given) {
            if (kept.count(column.name) == 0) {
                changes.push_back(alter + "ADD COLUMN " + quote_identifier(column.name) + " " +
                                  column.type);
            }
        }
        return changes;
    }

    [[nodiscard]] std::string delete_all() const {
        const std::string column =
            definition_.is_per_session ? "first_seen" : quote_identifier(kBucketColumn);
        return "DELETE FROM " + definition_.target.sql() +
               " t WHERE NOT EXISTS (SELECT FROM weir.aggregate_frozen f WHERE f.target = " +
               quote_literal(definition_.target.text()) + " AND t." + column +
               " >= " + definition_.calendar.from_control("f.low") + " AND t." + column + " < " +
               definition_.calendar.from_control("f.high") + ")";
    }

    Answer<std::vector<std::string>> swap_statements() {
        const Answer<std::vector<std::string>> changes = column_changes();
        if (!changes) {
            return failed(changes.error());
        }
        const bool has_frozen = !frozen_.empty();
        std::string names;
        for (const std::string& name : definition_.column_names()) {
            names += (names.empty() ? "" : ", ") + name;
        }
        std::vector<std::string> all;
        if (!changes->empty() && !definition_.settings.view.empty()) {
            const Answer<TargetName> view = target_name(job_.db, definition_.settings.view);
            if (!view) {
                return failed(view.error());
            }
            all.push_back("DROP VIEW IF EXISTS " + view->sql());
        }
        if (!has_frozen) {
            all.push_back(delete_all());
        }
        all.insert(all.end(), changes->begin(), changes->end());
        if (has_frozen) {
            all.push_back(delete_all());
        }
        all.push_back("INSERT INTO " + definition_.target.sql() + " (" + names + ") SELECT " +
                      names + " FROM " + shadow_);
        all.push_back("DROP TABLE " + shadow_);
        // The stretch that was noted for the case that this would not end well.
        const std::string name = quote_literal(definition_.target.text());
        all.push_back(
            "DELETE FROM weir.aggregate_span WHERE id = (SELECT min(id) FROM "
            "weir.aggregate_span WHERE target = " +
            name + " AND low = '-infinity' AND high = 'infinity')");
        return all;
    }

    Answer<void> swap() {
        const Answer<std::vector<std::string>> statements = swap_statements();
        if (!statements) {
            return failed(statements.error());
        }
        Answer<Transaction> transaction = Transaction::begin(job_.db);
        if (!transaction) {
            return failed(transaction.error());
        }
        if (const Answer<Rows> limit = job_.db.run("SET LOCAL lock_timeout = '2s'"); !limit) {
            return failed(limit.error());
        }
        for (const std::string& statement : *statements) {
            if (const Answer<Rows> changed = job_.db.run(statement); !changed) {
                return problem(
                    "rebuild of " + definition_.target.text() + ": " + changed.error().text,
                    changed.error().detail,
                    changed.error().sqlstate);
            }
        }
        if (Answer<void> unique = ensure_index(); !unique) {
            return unique;
        }
        if (Answer<void> viewed = ensure_view(job_, definition_, /*anew=*/true); !viewed) {
            return viewed;
        }
        Answer<void> mine = refresh_.fence().advance(
            job_.db,
            "definition = next_definition, generation = generation + 1, watermark = "
            "next_watermark, low_mark = '-infinity', next_definition = NULL, next_watermark = "
            "NULL, next_low_mark = NULL, source = " +
                quote_literal(definition_.source.text()),
            "next_definition = " + quote_literal(definition_.text()));
        return mine ? done(transaction->commit()) : mine;
    }

    Answer<void> ensure_index() {
        const Answer<std::optional<Relation>> target = find_target(job_.db, definition_.target);
        if (!target || !*target) {
            return problem(definition_.target.text() + ": is gone");
        }
        if (check_target(job_, definition_, **target, TargetCheck::UniqueAlone)) {
            return {};
        }
        const AggregateSql sql{definition_, definition_.target.sql()};
        const std::string name = fit_name(definition_.target.name,
                                          "_key" + std::to_string(refresh_.state().generation + 1));
        return done(job_.db.run(sql.create_index(name, job_.db.server_version())));
    }

    JobContext& job_;
    const AggregateDefinition& definition_;
    std::string old_text_;
    std::string shadow_;
    AggregateRefresh refresh_;
    std::vector<BucketRange> frozen_;
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

Answer<void> abandon_rebuild(JobContext& job,
                             const AggregateDefinition& definition,
                             const AggregateFence& fence) {
    if (definition.settings.track == conf::LateTracking::Triggers) {
        if (Answer<void> made = make_marker(job, definition); !made) {
            return made;
        }
    }
    Answer<Transaction> transaction = Transaction::begin(job.db);
    if (!transaction) {
        return failed(transaction.error());
    }
    for (const std::string& sql :
         {"DROP TABLE IF EXISTS " + shadow_of(definition), all_span(definition.target.text())}) {
        if (const Answer<Rows> changed = job.db.run(sql); !changed) {
            return failed(changed.error());
        }
    }
    Answer<void> mine = fence.advance(
        job.db, "next_definition = NULL, next_watermark = NULL, next_low_mark = NULL", "");
    return mine ? done(transaction->commit()) : mine;
}

}  // namespace weir::maintenance
