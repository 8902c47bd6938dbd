#include "sql/relation_catalog.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "sql/function_lists.hpp"
#include "sql/relation_graph.hpp"
#include "sql/result_facts.hpp"
#include "sql/result_lists.hpp"
#include "sql/write_spread.hpp"

namespace weir::sql {

namespace {

bool is_system_schema(std::string_view schema) {
    return schema == "pg_catalog" || schema == "information_schema" || schema == "pg_toast";
}

/// Gathers what a read hangs on, until something says that it cannot be told.
class ReadFinder {
public:
    explicit ReadFinder(const RelationGraph& graph) : graph_{graph} {}

    void read(const QualifiedName& name) {
        if (is_temporary_schema(name.schema)) {
            refuse(Uncacheable::Temporary);
            return;
        }
        if (is_system_schema(name.schema) || name.name.starts_with("pg_")) {
            refuse(Uncacheable::SystemCatalog);
            return;
        }
        const std::vector<std::uint32_t> meant = graph_.relations_of(name);
        if (meant.empty()) {
            refuse(Uncacheable::Unknown);
        }
        for (const std::uint32_t oid : meant) {
            visit(oid);
        }
    }

    ReadSet conclude() {
        while (!to_do_.empty() && found_.why == Uncacheable::No) {
            const std::uint32_t oid = to_do_.back();
            to_do_.pop_back();
            look_at(oid);
        }
        if (found_.why != Uncacheable::No) {
            found_.tables.clear();
        }
        std::sort(found_.tables.begin(), found_.tables.end());
        return std::move(found_);
    }

private:
    void refuse(Uncacheable why) {
        if (found_.why == Uncacheable::No) {
            found_.why = why;
        }
    }

    void visit(std::uint32_t oid) {
        if (seen_.insert(oid).second) {
            to_do_.push_back(oid);
        }
    }

    void look_at(std::uint32_t oid) {
        if (oid < kFirstOwnOid) {
            refuse(Uncacheable::SystemCatalog);
            return;
        }
        const Relation* relation = graph_.relation(oid);
        if (relation == nullptr) {
            refuse(Uncacheable::Temporary);  // or of a kind that nobody can read
            return;
        }
        check_flags(*relation);
        switch (relation->kind) {
            case 'v':
                check_view(*relation);
                for (const std::uint32_t one : relation->reads) {
                    visit(one);
                }
                return;
            case 'm': found_.tables.push_back(oid); return;
            case 'r':
            case 'p':
                found_.tables.push_back(oid);
                for (const std::uint32_t child : relation->children) {
                    visit(child);
                }
                return;
            case 'f': refuse(Uncacheable::Foreign); return;
            case 'S': refuse(Uncacheable::Sequence); return;
            default: refuse(Uncacheable::Unknown);
        }
    }

    void check_flags(const Relation& relation) {
        found_.has_time_of_day = found_.has_time_of_day || relation.has('T');
        if (relation.has('R')) {
            refuse(Uncacheable::RowSecurity);
        } else if (relation.has('Z')) {
            refuse(Uncacheable::Time);  // compared to a time, it takes the day's offset
        } else if (relation.has('L') && relation.kind != 'v' && relation.kind != 'm') {
            refuse(Uncacheable::Rule);
        }
    }

    void check_view(const Relation& view) {
        if (view.has('N')) {
            refuse(Uncacheable::Time);
        } else if (view.has('I')) {
            refuse(Uncacheable::Cast);
        } else if (view.has('M')) {
            refuse(Uncacheable::Sample);
        }
        for (const RelationCall& call : view.calls) {
            const bool is_repeatable =
                call.volatility == Volatility::Immutable ||
                (call.volatility == Volatility::Stable && is_settled(call.built_in));
            if (call.is_read && !is_repeatable) {
                refuse(Uncacheable::Function);
            }
        }
    }

    const RelationGraph& graph_;
    ReadSet found_;
    std::unordered_set<std::uint32_t> seen_;
    std::vector<std::uint32_t> to_do_;
};

/// What a name may mean is written; what is unknown may be anything.
void write_targets(WriteSpread& spread,
                   const RelationGraph& graph,
                   std::span<const WriteTarget> targets) {
    for (const WriteTarget& target : targets) {
        const std::vector<std::uint32_t> meant = graph.relations_of(target.name);
        if (meant.empty()) {
            spread.write_everything();
        }
        for (const std::uint32_t oid : meant) {
            spread.write(oid, target.verbs);
        }
    }
}

void call_functions(WriteSpread& spread,
                    const RelationGraph& graph,
                    std::span<const QualifiedName> called,
                    const FunctionCatalog& functions) {
    for (const QualifiedName& name : called) {
        const std::vector<std::uint32_t> meant = graph.functions_of(name);
        const std::optional<Volatility> built_in = functions.built_in(name.schema, name.name);
        const bool is_unknown = meant.empty() && !built_in;
        const bool is_bad =
            built_in && (runs_text(name.name) ||
                         (*built_in == Volatility::Volatile && !writes_no_table(name.name)));
        if (is_unknown || is_bad) {
            spread.write_everything();
        }
        for (const std::uint32_t oid : meant) {
            spread.call(oid);
        }
    }
}

WriteSet everything() {
    WriteSet all;
    all.is_everything = true;
    return all;
}

std::vector<std::string> texts_of(const std::vector<RelationRows::Row>& rows) {
    std::vector<std::string> texts;
    texts.reserve(rows.size());
    for (const RelationRows::Row& row : rows) {
        texts.push_back(row.text);
    }
    std::sort(texts.begin(), texts.end());
    return texts;
}

}  // namespace

RelationCatalog::RelationCatalog(const RelationRows& rows) {
    if (rows.is_unusable() || rows.size() == 0) {
        return;
    }
    graph_ = std::make_shared<const RelationGraph>(rows);
    version_ = rows.version();
    operators_ = texts_of(rows.operators());
    time_columns_ = texts_of(rows.columns());
    for (const RelationRows::Row& row : rows.computed()) {
        // PostgreSQL's own that hang on nothing else do no harm, however they are called.
        if (row.word != "s" || !is_settled(row.text) ||
            !graph_->functions_of({"", row.text}).empty()) {
            computed_.emplace_back(hash_of_member(row.text), row.text);
        }
    }
    std::sort(computed_.begin(), computed_.end());
    has_unsettled_cast_ = !rows.casts().empty();
    has_other_isolation_ = false;
    for (const RelationRows::Row& flag : rows.flags()) {
        has_other_isolation_ = has_other_isolation_ || flag.word == "isolation";
        has_timetz_ = has_timetz_ || flag.word == "timetz";
        has_event_trigger_ = has_event_trigger_ || flag.word == "event_trigger";
    }
    obstacle_ = find_obstacle(rows);
}

Uncacheable RelationCatalog::find_obstacle(const RelationRows& rows) const {
    const bool is_hidden_cast =
        std::any_of(rows.casts().begin(), rows.casts().end(), [](const RelationRows::Row& row) {
            return row.word != "e";
        });
    if (is_hidden_cast) {
        return Uncacheable::Cast;
    }
    const auto is_common = [](const std::string& name) { return is_common_operator(name); };
    if (std::any_of(operators_.begin(), operators_.end(), is_common)) {
        return Uncacheable::Operator;
    }
    WriteSpread hidden{*graph_};
    for (const RelationRows::Row& row : rows.hidden()) {
        hidden.call(row.other);
    }
    return hidden.conclude().empty() ? Uncacheable::No : Uncacheable::Catalog;
}

ReadSet RelationCatalog::read_set(std::span<const QualifiedName> tables) const {
    if (obstacle_ != Uncacheable::No) {
        ReadSet nothing;
        nothing.why = obstacle_;
        return nothing;
    }
    ReadFinder finder{*graph_};
    for (const QualifiedName& table : tables) {
        finder.read(table);
    }
    return finder.conclude();
}

WriteSet RelationCatalog::write_set(std::span<const WriteTarget> targets) const {
    return write_set({targets, {}, {}, {}}, FunctionCatalog{});
}

WriteSet RelationCatalog::write_set_of_functions(std::span<const QualifiedName> called,
                                                 const FunctionCatalog& functions) const {
    return write_set({{}, {}, called, {}}, functions);
}

WriteSet RelationCatalog::write_set(const NamedInStatement& named,
                                    const FunctionCatalog& functions) const {
    if (graph_ == nullptr) {
        const bool is_nothing = named.targets.empty() && named.tables.empty() &&
                                named.functions.empty() && named.members.empty();
        return is_nothing ? WriteSet{} : everything();
    }
    WriteSpread spread{*graph_};
    write_targets(spread, *graph_, named.targets);
    call_functions(spread, *graph_, named.functions, functions);
    for (const QualifiedName& table : named.tables) {
        for (const std::uint32_t oid : graph_->relations_of(table)) {
            spread.read(oid);
        }
    }
    for (const auto& [hash, name] : computed_) {
        if (!std::binary_search(named.members.begin(), named.members.end(), hash)) {
            continue;
        }
        if (name.empty()) {
            spread.write_everything();  // which of them is not known
        }
        for (const std::uint32_t oid : graph_->functions_of({"", name})) {
            spread.call(oid);
        }
    }
    return spread.conclude();
}

bool RelationCatalog::has_unsettled_operator(std::string_view name) const {
    return std::binary_search(operators_.begin(), operators_.end(), name);
}

bool RelationCatalog::is_time_column(std::string_view name) const {
    return std::binary_search(time_columns_.begin(), time_columns_.end(), name);
}

bool RelationCatalog::is_computed_column(std::uint32_t member) const {
    const auto found = std::lower_bound(
        computed_.begin(), computed_.end(), member, [](const auto& one, std::uint32_t wanted) {
            return one.first < wanted;
        });
    return found != computed_.end() && found->first == member;
}

}  // namespace weir::sql
