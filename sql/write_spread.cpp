#include "sql/write_spread.hpp"

#include <algorithm>

#include "sql/result_lists.hpp"

namespace weir::sql {

void WriteSpread::write(std::uint32_t relation, Verbs verbs) {
    Verbs& known = written_[relation];
    const Verbs fresh = verbs.without(known);
    if (!fresh.empty()) {
        known |= fresh;
        writes_to_do_.emplace_back(relation, fresh);
    }
}

void WriteSpread::read(std::uint32_t relation) {
    if (read_.insert(relation).second) {
        reads_to_do_.push_back(relation);
    }
}

void WriteSpread::call(std::uint32_t function) {
    if (called_.insert(function).second) {
        calls_to_do_.push_back(function);
    }
}

WriteSet WriteSpread::conclude() {
    settle();
    WriteSet set;
    set.is_everything = is_everything_;
    if (!is_everything_) {
        for (const auto& [relation, verbs] : written_) {
            const Relation* one = graph_.relation(relation);
            if (one != nullptr && one->kind != 'v' && relation >= kFirstOwnOid) {
                set.tables.push_back(relation);
            }
        }
        std::sort(set.tables.begin(), set.tables.end());
    }
    return set;
}

/// No recursion: chains of functions and cascades may be long.
void WriteSpread::settle() {
    while (!is_everything_) {
        if (!writes_to_do_.empty()) {
            const auto [relation, fresh] = writes_to_do_.back();
            writes_to_do_.pop_back();
            spread(relation, fresh);
        } else if (!reads_to_do_.empty()) {
            const std::uint32_t relation = reads_to_do_.back();
            reads_to_do_.pop_back();
            spread_read(relation);
        } else if (!calls_to_do_.empty()) {
            const std::uint32_t function = calls_to_do_.back();
            calls_to_do_.pop_back();
            spread_call(function);
        } else {
            return;
        }
    }
}

void WriteSpread::spread_read(std::uint32_t oid) {
    const Relation* relation = graph_.relation(oid);
    if (relation == nullptr) {
        return;  // PostgreSQL's own
    }
    call_all(*relation, /*is_write=*/false);
    if (relation->kind != 'm') {
        for (const std::uint32_t seen : relation->reads) {
            read(seen);
        }
    }
    for (const std::uint32_t child : relation->children) {
        read(child);
    }
}

void WriteSpread::spread_call(std::uint32_t oid) {
    const GraphFunction* function = graph_.function(oid);
    if (function == nullptr) {
        return;  // PostgreSQL's own, as a trigger
    }
    is_everything_ = is_everything_ || function->is_opaque;
    for (const std::uint32_t relation : function->relations) {
        read(relation);
        if (function->writes) {
            write(relation, Verbs::all());
        }
    }
    for (const std::uint32_t called : function->functions) {
        call(called);
    }
}

void WriteSpread::spread(std::uint32_t oid, Verbs fresh) {
    const Relation* relation = graph_.relation(oid);
    if (relation != nullptr && oid < kFirstOwnOid && relation->schema == "information_schema") {
        return;  // a name like "parameters": nothing is kept of these, and no table is behind them
    }
    if (relation == nullptr || oid < kFirstOwnOid) {
        is_everything_ = true;  // a temporary child, or PostgreSQL's own tables by hand
        return;
    }
    call_all(*relation, /*is_write=*/true);
    for (const auto& [function, verbs] : relation->triggers) {
        if (verbs.has_any(fresh)) {
            call(function);
        }
    }
    for (const std::uint32_t named : relation->rules) {
        write(named, Verbs::all());
    }
    for (const std::uint32_t seen : relation->reads) {
        read(seen);
        if (relation->kind == 'v') {
            write(seen, fresh);
        }
    }
    spread_to_children(*relation, fresh);
    spread_to_referrers(*relation, fresh);
}

/// An UPDATE that moves a row to another partition is a DELETE and an INSERT.
void WriteSpread::spread_to_children(const Relation& relation, Verbs fresh) {
    if (relation.kind == 'p' && fresh.has_any(Verbs::Update)) {
        fresh |= Verbs::Insert;
        fresh |= Verbs::Delete;
    }
    for (const std::uint32_t child : relation.children) {
        write(child, fresh);
    }
}

/// TRUNCATE goes on where it says CASCADE, and fails where it does not.
void WriteSpread::spread_to_referrers(const Relation& relation, Verbs fresh) {
    for (const auto& [referrer, actions] : relation.cascades) {
        const char on_delete = actions.empty() ? 'c' : actions.front();
        const char on_update = actions.empty() ? 'c' : actions.back();
        if (fresh.has_any(Verbs::Truncate)) {
            write(referrer, Verbs::Truncate);
        }
        if (fresh.has_any(Verbs::Delete) && on_delete == 'c') {
            write(referrer, Verbs::Delete);
        }
        const auto sets = [](char action) { return action == 'n' || action == 'd'; };
        if ((fresh.has_any(Verbs::Delete) && sets(on_delete)) ||
            (fresh.has_any(Verbs::Update) && (on_update == 'c' || sets(on_update)))) {
            write(referrer, Verbs::Update);
        }
    }
}

void WriteSpread::call_all(const Relation& relation, bool is_write) {
    for (const RelationCall& one : relation.calls) {
        if (is_write || one.is_read) {
            is_everything_ = is_everything_ || runs_text(one.built_in);
            call(one.function);
        }
    }
}

}  // namespace weir::sql
