#include "sql/relation_graph.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "sql/result_lists.hpp"
#include "sql/source_words.hpp"

namespace weir::sql {

namespace {

const std::vector<std::uint32_t>* find(const RelationGraph::ByName& names, std::string_view name) {
    const auto found = names.find(name);
    return found == names.end() ? nullptr : &found->second;
}

/// pg_trigger.tgtype: 4 is INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
Verbs verbs_of_trigger(std::string_view tgtype) {
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(tgtype.data(), tgtype.data() + tgtype.size(), bits);
    if (error != std::errc{} || end != tgtype.data() + tgtype.size()) {
        return Verbs::all();
    }
    Verbs verbs;
    verbs |= (bits & 4U) != 0 ? Verbs{Verbs::Insert} : Verbs{};
    verbs |= (bits & 8U) != 0 ? Verbs{Verbs::Delete} : Verbs{};
    verbs |= (bits & 16U) != 0 ? Verbs{Verbs::Update} : Verbs{};
    verbs |= (bits & 32U) != 0 ? Verbs{Verbs::Truncate} : Verbs{};
    return verbs;
}

/// What a function may do that is written in no language which is read here. One that is said not
/// to be volatile may not write: what is said of C is believed, and of the others what is said
/// immutable, because a stable one may still run SQL that calls what writes.
bool is_opaque_unread(char language, Volatility volatility, std::string_view name) {
    if (language == 'c') {
        return volatility == Volatility::Volatile && !is_harmless_extension(name);
    }
    return volatility != Volatility::Immutable;
}

}  // namespace

RelationGraph::RelationGraph(const RelationRows& rows) {
    add_relations(rows);
    add_edges(rows);
    add_functions(rows);
}

const Relation* RelationGraph::relation(std::uint32_t oid) const {
    const auto found = relations.find(oid);
    return found == relations.end() ? nullptr : &found->second;
}

const GraphFunction* RelationGraph::function(std::uint32_t oid) const {
    const auto found = functions.find(oid);
    return found == functions.end() ? nullptr : &found->second;
}

std::vector<std::uint32_t> RelationGraph::relations_of(const QualifiedName& name) const {
    std::vector<std::uint32_t> all;
    if (const std::vector<std::uint32_t>* named = find(relation_names, name.name)) {
        std::copy_if(named->begin(), named->end(), std::back_inserter(all), [&](std::uint32_t oid) {
            return name.schema.empty() || relations.at(oid).schema == name.schema;
        });
    }
    return all;
}

std::vector<std::uint32_t> RelationGraph::functions_of(const QualifiedName& name) const {
    std::vector<std::uint32_t> all;
    if (const std::vector<std::uint32_t>* named = find(function_names, name.name)) {
        std::copy_if(named->begin(), named->end(), std::back_inserter(all), [&](std::uint32_t oid) {
            return name.schema.empty() || functions.at(oid).schema == name.schema;
        });
    }
    return all;
}

void RelationGraph::add_relations(const RelationRows& rows) {
    for (const RelationRows::Row& row : rows.relations()) {
        Relation& mine = relations[row.id];
        mine.schema = row.schema;
        mine.kind = row.word.empty() ? '?' : row.word.front();
        mine.flags = row.word.empty() ? "" : row.word.substr(1);
        if (!row.text.empty()) {
            relation_names[row.text].push_back(row.id);
        }
    }
}

/// Of a relation that the query leaves out none is kept: nobody can name it.
void RelationGraph::add_edges(const RelationRows& rows) {
    const auto each = [&](const std::vector<RelationRows::Row>& list, auto&& add) {
        for (const RelationRows::Row& row : list) {
            if (const auto found = relations.find(row.id); found != relations.end()) {
                add(found->second, row);
            }
        }
    };
    using Row = RelationRows::Row;
    each(rows.children(), [](Relation& one, const Row& row) { one.children.push_back(row.other); });
    each(rows.reads(), [](Relation& one, const Row& row) { one.reads.push_back(row.other); });
    each(rows.rules(), [](Relation& one, const Row& row) { one.rules.push_back(row.other); });
    each(rows.cascades(),
         [](Relation& one, const Row& row) { one.cascades.emplace_back(row.other, row.word); });
    each(rows.triggers(), [](Relation& one, const Row& row) {
        one.triggers.emplace_back(row.other, verbs_of_trigger(row.word));
    });
    each(rows.calls(), [](Relation& one, const Row& row) {
        const std::string_view level = std::string_view{row.word}.substr(row.word.empty() ? 0 : 1);
        one.calls.push_back(
            {row.other, !row.word.starts_with('w'), volatility_of(level), row.text});
    });
}

void RelationGraph::add_functions(const RelationRows& rows) {
    for (const RelationRows::Row& row : rows.functions()) {
        functions[row.id].schema = row.schema;
        if (!row.text.empty()) {
            function_names[row.text].push_back(row.id);
        }
    }
    for (std::size_t place = 0; place < rows.functions().size(); ++place) {
        const RelationRows::Row& row = rows.functions()[place];
        GraphFunction& mine = functions[row.id];
        const std::string_view word = row.word;
        const char language = word.empty() ? 'o' : word.back();
        const bool is_read = language == 's' || language == 'p';
        if (!is_read) {
            mine.is_opaque = is_opaque_unread(language, volatility_of(word.substr(0, 1)), row.text);
        }
        // Of one in C its source is no more than its arguments' defaults.
        const SourceWords found =
            read_source_words(without_escapes(rows.source(place)),
                              static_cast<SourceLanguage>(is_read ? language : 's'));
        mine.is_opaque = mine.is_opaque || found.is_opaque;
        mine.writes = found.writes;
        for (const std::string& name : found.names) {
            if (const std::vector<std::uint32_t>* named = find(relation_names, name)) {
                mine.relations.insert(mine.relations.end(), named->begin(), named->end());
            }
            if (const std::vector<std::uint32_t>* named = find(function_names, name)) {
                mine.functions.insert(mine.functions.end(), named->begin(), named->end());
            }
        }
    }
}

}  // namespace weir::sql
