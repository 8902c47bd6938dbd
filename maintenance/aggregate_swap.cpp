#include "maintenance/aggregate_swap.hpp"

#include "maintenance/aggregate_target.hpp"
#include "maintenance/aggregate_view.hpp"
#include "maintenance/ladder.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

/// Before the name of a column that is filled and not shown yet.
constexpr std::string_view kNext = "weir_next_";
/// How long readers may have to stand behind us.
constexpr milliseconds kPatience{250};

std::string next_name(const std::string& column) {
    return fit_name(std::string{kNext} + column, "");
}

bool is_next(const std::string& column) {
    return column.rfind(kNext, 0) == 0;
}

/// @return the names behind `word` in the lines of a definition's text
std::vector<std::string> names_in(const std::string& text, const std::string& word) {
    std::vector<std::string> names;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        if (const std::size_t equals = line.find(" = ");
            line.rfind(word, 0) == 0 && equals != std::string::npos) {
            names.push_back(line.substr(word.size(), equals - word.size()));
        }
        at = end + 1;
    }
    return names;
}

/// @return SQL of type text[]
std::string array_of(const std::vector<std::string>& names) {
    std::string all = "ARRAY[";
    for (const std::string& name : names) {
        all += (all.back() == '[' ? "" : ", ") + quote_literal(name);
    }
    return all + "]::text[]";
}

/// How the target's columns become those that are given.
struct ColumnChanges {
    std::vector<TypedColumn> added;
    std::vector<std::string> dropped;
    std::vector<std::string> prepared;  ///< of the added: there already
    std::vector<std::string> stale;     ///< left by a preparation for something else
    std::vector<TypedColumn> given;

    [[nodiscard]] bool adds(const std::string& name) const {
        return std::any_of(added.begin(), added.end(), [&](const TypedColumn& column) {
            return column.name == name;
        });
    }

    /// @return under which name it is filled
    [[nodiscard]] std::string filled_as(const std::string& name) const {
        return adds(name) ? next_name(name) : name;
    }
};

bool has(const std::vector<TypedColumn>& columns,
         const std::string& name,
         const std::string& type = {}) {
    return std::any_of(columns.begin(), columns.end(), [&](const TypedColumn& column) {
        return column.name == name && (type.empty() || column.type == type);
    });
}

/// @return the columns that a definition's text made
std::set<std::string> made_by(const std::string& text) {
    std::set<std::string> made{std::string{kBucketColumn}};
    for (const char* word : {"group ", "column "}) {
        for (std::string& name : names_in(text, word)) {
            made.insert(std::move(name));
        }
    }
    return made;
}

Answer<ColumnChanges> find_changes(Connection& db, const SwapPlan& plan) {
    Answer<std::vector<TypedColumn>> given = columns_given(db, plan.definition);
    const Answer<std::vector<TypedColumn>> there = columns_of(db, plan.definition.target.sql());
    if (!given || !there) {
        return failed(given ? there.error() : given.error());
    }
    ColumnChanges changes;
    changes.given = *std::move(given);
    for (const TypedColumn& column : changes.given) {
        if (!has(*there, column.name, column.type)) {
            changes.added.push_back(column);
            if (has(*there, next_name(column.name), column.type)) {
                changes.prepared.push_back(next_name(column.name));
            }
        }
    }
    const std::set<std::string> made = made_by(plan.old_text);
    const std::vector<std::string>& ready = changes.prepared;
    for (const TypedColumn& column : *there) {
        const bool is_ours = has(changes.given, column.name) || made.count(column.name) != 0;
        if (is_next(column.name)) {
            if (std::find(ready.begin(), ready.end(), column.name) == ready.end()) {
                changes.stale.push_back(column.name);
            }
        } else if (is_ours && !has(changes.given, column.name, column.type)) {
            changes.dropped.push_back(column.name);
        }
    }
    return changes;
}

/// Swaps one.
class Swap {
public:
    Swap(JobContext& job, const SwapPlan& plan, const AggregateFence& fence, ColumnChanges changes)
        : job_{job},
          plan_{plan},
          definition_{plan.definition},
          fence_{fence},
          changes_{std::move(changes)},
          sql_{plan.definition, plan.definition.target.sql()} {}

    Answer<void> run() {
        const Answer<Relation> target = find_relation(job_.db, sql_.target());
        if (!target) {
            return failed(target.error());
        }
        target_ = *target;
        if (Answer<void> ready = prepare(); !ready) {
            return ready;
        }
        Answer<void> done = copy_and_show();
        if (done) {
            // Not before: a file that goes makes COMMIT wait for the disk, and readers for it.
            static_cast<void>(job_.db.run("DROP TABLE IF EXISTS " + plan_.shadow));
        }
        return done;
    }

private:
    [[nodiscard]] std::string alter(const std::string& change) const {
        return "ALTER TABLE " + sql_.target() + " " + change;
    }

    [[nodiscard]] Problem told(const Problem& why) const {
        return {
            "rebuild of " + definition_.target.text() + ": " + why.text, why.sqlstate, why.detail};
    }

    [[nodiscard]] Answer<void> run_all(const std::vector<std::string>& statements) const {
        for (const std::string& sql : statements) {
            if (const Answer<Rows> done = job_.db.run(sql); !done) {
                return failed(told(done.error()));
            }
        }
        return {};
    }

    /// Makes room for rows of both kinds: those that are there and those that are to come.
    Answer<void> prepare() {
        LockedStep step{.what = "rebuild of " + definition_.target.text(),
                        .oids = {target_.oid},
                        .sql = {},
                        .locks = "ACCESS EXCLUSIVE on " + definition_.target.text(),
                        .most_patience = kPatience};
        const Answer<Rows> limits = job_.db.run(limits_sql());
        if (!limits) {
            return failed(limits.error());
        }
        for (std::size_t i = 0; i < limits->size(); ++i) {
            step.sql.push_back(limits->text(i, 1));
        }
        for (const std::string& column : changes_.stale) {
            step.sql.push_back(alter("DROP COLUMN " + quote_identifier(column)));
        }
        for (const TypedColumn& column : changes_.added) {
            const std::string name = next_name(column.name);
            const auto& ready = changes_.prepared;
            if (std::find(ready.begin(), ready.end(), name) == ready.end()) {
                step.sql.push_back(
                    alter("ADD COLUMN " + quote_identifier(name) + " " + column.type));
            }
        }
        return step.sql.empty() ? Answer<void>{} : run_locked(job_, step);
    }

    /// @return a query for what would refuse new rows beside the old: it would go with the columns
    /// that go, or says that the old keys are alone
    [[nodiscard]] std::string limits_sql() const {
        std::vector<std::string> old_keys = names_in(plan_.old_text, "group ");
        old_keys.emplace_back(kBucketColumn);
        std::vector<std::string> keys;
        if (!definition_.is_per_session) {
            keys.push_back(changes_.filled_as(std::string{kBucketColumn}));
        }
        for (const AggregateColumn& group : definition_.groups) {
            keys.push_back(changes_.filled_as(group.name));
        }
        const std::string oid = std::to_string(target_.oid) + "::oid";
        const std::string table = quote_literal(sql_.target());
        const std::string dropped = array_of(changes_.dropped);
        return "WITH going AS (SELECT attnum, attname FROM pg_catalog.pg_attribute WHERE attrelid "
               "= " +
               oid + " AND NOT attisdropped AND attname = ANY (" + dropped +
               ")), uniques AS (SELECT x.indexrelid, x.indexprs IS NULL AS is_plain, ARRAY(SELECT "
               "a.attname::text FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(n, i) JOIN "
               "pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.n WHERE k.i "
               "<= x.indnkeyatts) AS names FROM pg_catalog.pg_index x WHERE x.indrelid = " +
               oid +
               " AND x.indisunique), hard AS (SELECT indexrelid FROM uniques u WHERE EXISTS "
               "(SELECT FROM pg_catalog.pg_depend d, going g WHERE d.classid = "
               "'pg_catalog.pg_class'::regclass AND d.objid = u.indexrelid AND d.refclassid = "
               "'pg_catalog.pg_class'::regclass AND d.refobjid = " +
               oid + " AND d.refobjsubid = g.attnum) OR u.is_plain AND u.names && " + dropped +
               " OR u.is_plain AND u.names <@ " + array_of(old_keys) + " AND NOT u.names @> " +
               array_of(keys) + ") SELECT 1, format('ALTER TABLE %s DROP CONSTRAINT %I', " + table +
               ", k.conname) FROM pg_catalog.pg_constraint k WHERE k.conrelid = " + oid +
               " AND (k.conindid IN (SELECT indexrelid FROM hard) AND k.contype IN ('p', 'u', 'x') "
               "OR k.contype = 'c' AND EXISTS (SELECT FROM going WHERE attnum = ANY (k.conkey))) "
               "UNION ALL SELECT 2, 'DROP INDEX ' || h.indexrelid::regclass FROM hard h WHERE NOT "
               "EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = h.indexrelid AND "
               "k.conrelid = " +
               oid +
               ") UNION ALL SELECT 3, format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', " +
               table +
               ", a.attname) FROM going a JOIN pg_catalog.pg_attribute c ON c.attrelid = " + oid +
               " AND c.attnum = a.attnum WHERE c.attnotnull ORDER BY 1";
    }

    /// Everything that takes long comes first, and takes no lock that readers mind.
    Answer<void> copy_and_show() {
        if (Answer<void> free = refuse_blocked(); !free) {
            return free;
        }
        Answer<Transaction> transaction = Transaction::begin(job_.db);
        if (!transaction) {
            return failed(transaction.error());
        }
        const Answer<std::vector<std::string>> copies = copy_statements();
        if (!copies) {
            return failed(copies.error());
        }
        if (Answer<void> copied = run_all(*copies); !copied) {
            return copied;
        }
        if (Answer<void> shown = show(); !shown) {
            return shown;
        }
        const Answer<Rows> committed = transaction->commit();
        return committed ? Answer<void>{} : Answer<void>{failed(committed.error())};
    }

    Answer<void> refuse_blocked() {
        const Answer<std::vector<Blocker>> blockers = find_blockers(job_, {target_.oid});
        if (!blockers) {
            return failed(blockers.error());
        }
        return blockers->empty()
                   ? Answer<void>{}
                   : Answer<void>{problem("rebuild of " + definition_.target.text() + ": put off",
                                          blockers->front().line(),
                                          state::kLockNotAvailable)};
    }

    Answer<std::vector<std::string>> copy_statements() {
        std::string names;
        std::string filled;
        std::vector<std::string> keys;
        for (const TypedColumn& column : changes_.given) {
            const std::string comma = names.empty() ? "" : ", ";
            names += comma + quote_identifier(column.name);
            filled += comma + quote_identifier(changes_.filled_as(column.name));
        }
        bool is_index_new = false;
        if (!definition_.is_per_session) {
            is_index_new = changes_.adds(std::string{kBucketColumn});
            keys.push_back(quote_identifier(changes_.filled_as(std::string{kBucketColumn})));
        }
        for (const AggregateColumn& group : definition_.groups) {
            is_index_new = is_index_new || changes_.adds(group.name);
            keys.push_back(quote_identifier(changes_.filled_as(group.name)));
        }
        const Answer<std::string> all = delete_sql();
        if (!all) {
            return failed(all.error());
        }
        // What a crash undoes here is done again.
        std::vector<std::string> statements{
            "SET LOCAL lock_timeout = '2s'",
            "SET LOCAL synchronous_commit = off",
            *all,
            "INSERT INTO " + sql_.target() + " (" + filled + ") SELECT " + names + " FROM " +
                plan_.shadow,
            // The stretch that was noted for the case that this would not end well.
            "DELETE FROM weir.aggregate_span WHERE id = (SELECT min(id) FROM weir.aggregate_span "
            "WHERE target = " +
                quote_literal(definition_.target.text()) + " AND high = 'infinity')"};
        if (is_index_new || !check_target(job_, definition_, target_, TargetCheck::UniqueAlone)) {
            const std::string name =
                fit_name(definition_.target.name, "_key" + std::to_string(plan_.generation + 1));
            statements.push_back(sql_.create_index(name, keys, job_.db.server_version()));
        }
        return statements;
    }

    /// Rows whose source is gone are kept. Where there are any, rows are told apart as before.
    Answer<std::string> delete_sql() {
        std::string sql = "DELETE FROM " + sql_.target() + " t";
        const Answer<std::vector<BucketRange>> frozen =
            read_frozen(job_.db, definition_.target.text());
        if (!frozen) {
            return failed(frozen.error());
        }
        if (frozen->empty()) {
            return sql;
        }
        if (keys_of(plan_.old_text) != keys_of(definition_.text())) {
            return problem("rebuild of " + definition_.target.text() +
                               ": there are rows by now whose source is gone, and other buckets or "
                               "groups are asked for",
                           "they cannot be computed anew: name another target, and keep this one");
        }
        const std::string column =
            definition_.is_per_session ? "first_seen" : quote_identifier(kBucketColumn);
        return sql + " WHERE NOT EXISTS (SELECT FROM weir.aggregate_frozen f WHERE f.target = " +
               quote_literal(definition_.target.text()) + " AND t." + column +
               " >= " + definition_.calendar.from_control("f.low") + " AND t." + column + " < " +
               definition_.calendar.from_control("f.high") + ")";
    }

    Answer<std::vector<std::string>> show_statements() {
        const Answer<ViewReplacement> view = replace_view(job_, definition_, changes_.given);
        if (!view) {
            return failed(view.error());
        }
        // The view first, as those who read it lock it first.
        std::vector<std::string> statements = view->before;
        std::string drops;
        for (const std::string& column : changes_.dropped) {
            drops += (drops.empty() ? "DROP COLUMN " : ", DROP COLUMN ") + quote_identifier(column);
        }
        if (!drops.empty()) {
            statements.push_back(alter(drops));
        }
        for (const TypedColumn& column : changes_.added) {
            statements.push_back(alter("RENAME COLUMN " + quote_identifier(next_name(column.name)) +
                                       " TO " + quote_identifier(column.name)));
        }
        statements.insert(statements.end(), view->after.begin(), view->after.end());
        return statements;
    }

    Answer<void> show_once(const std::vector<std::string>& statements) {
        if (Answer<void> done = run_all(statements); !done) {
            return done;
        }
        return fence_.advance(
            job_.db,
            "definition = next_definition, generation = generation + 1, watermark = "
            "next_watermark, low_mark = '-infinity', next_definition = NULL, next_watermark = "
            "NULL, next_low_mark = NULL, source = " +
                quote_literal(definition_.source.text()),
            "next_definition = " + quote_literal(definition_.text()));
    }

    /// Tries again where a lock is not to be had, without giving up what was copied: readers wait
    /// for one try at most, and run off between two.
    Answer<void> show() {
        constexpr int kTries = 20;
        constexpr milliseconds kShowPatience{100};
        constexpr milliseconds kPause{500};
        const Answer<std::vector<std::string>> statements = show_statements();
        if (!statements) {
            return failed(statements.error());
        }
        // Of the view, of the target and of what the view reads: readers wait for all three.
        const milliseconds patience = std::min(job_.settings.lock_timeout, kShowPatience);
        const std::string limit = "SET LOCAL lock_timeout = " + std::to_string(patience.count());
        for (int attempt = 1;; ++attempt) {
            if (Answer<void> begun = run_all({"SAVEPOINT weir_show", limit}); !begun) {
                return begun;
            }
            Answer<void> shown = show_once(*statements);
            const bool may_pass = !shown && (shown.error().is(state::kLockNotAvailable) ||
                                             shown.error().is(state::kDeadlock));
            if (!may_pass || attempt == kTries || job_.should_end()) {
                return shown;
            }
            if (Answer<void> undone = run_all({"ROLLBACK TO SAVEPOINT weir_show"}); !undone) {
                return undone;
            }
            std::this_thread::sleep_for(kPause);
        }
    }

    JobContext& job_;
    const SwapPlan& plan_;
    const AggregateDefinition& definition_;
    const AggregateFence& fence_;
    ColumnChanges changes_;
    AggregateSql sql_;
    Relation target_;
};

}  // namespace

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

Answer<void> refuse_swap(JobContext& job, const SwapPlan& plan) {
    const Answer<ColumnChanges> changes = find_changes(job.db, plan);
    if (!changes) {
        return failed(changes.error());
    }
    const Answer<ViewReplacement> view = replace_view(job, plan.definition, changes->given);
    if (!view) {
        return failed(view.error());
    }
    return refuse_views_of(job, plan.definition, changes->dropped);
}

Answer<void> swap_in(JobContext& job, const SwapPlan& plan, const AggregateFence& fence) {
    Answer<ColumnChanges> changes = find_changes(job.db, plan);
    if (!changes) {
        return failed(changes.error());
    }
    return Swap{job, plan, fence, *std::move(changes)}.run();
}

Answer<void> undo_preparations(JobContext& job, const AggregateDefinition& definition) {
    const Answer<Relation> target = find_relation(job.db, definition.target.sql());
    const Answer<std::vector<TypedColumn>> there = columns_of(job.db, definition.target.sql());
    if (!target || !there) {
        return failed(target ? there.error() : target.error());
    }
    LockedStep step{.what = "undo the rebuild of " + definition.target.text(),
                    .oids = {target->oid},
                    .sql = {},
                    .locks = "ACCESS EXCLUSIVE on " + definition.target.text(),
                    .most_patience = kPatience};
    for (const TypedColumn& column : *there) {
        if (is_next(column.name)) {
            step.sql.push_back("ALTER TABLE " + definition.target.sql() + " DROP COLUMN " +
                               quote_identifier(column.name));
        }
    }
    if (Answer<void> gone = step.sql.empty() ? Answer<void>{} : run_locked(job, step); !gone) {
        return gone;
    }
    if (check_target(job, definition, *target, TargetCheck::UniqueAlone)) {
        return {};
    }
    const AggregateSql sql{definition, definition.target.sql()};
    const Answer<Rows> made =
        job.db.run(sql.create_index("", definition.key_names(), job.db.server_version()));
    return made ? Answer<void>{} : Answer<void>{failed(made.error())};
}

}  // namespace weir::maintenance
